"""What hangs on a table: whether a new one can take its place, and the statements that make it anew."""

# Whatever is not known to survive keeps the old table: each line is one thing that a new table would not have; of
# the options of columns, pg_attver is the server's own (15.20 and its like give every column one). The
# last lines look for readers whose snapshot is older than the staged rows; in the new table they would miss rows.
KEEP = """
SELECT o.relkind <> 'r' OR o.relpersistence <> 'p' OR o.relispartition OR o.relrowsecurity OR o.relforcerowsecurity
  OR o.relreplident <> 'd' OR o.reloftype <> 0 OR o.relam <> s.relam OR o.reltablespace <> s.reltablespace
  OR NOT pg_has_role(o.relowner, 'USAGE') OR NOT has_schema_privilege(o.relowner, o.relnamespace, 'CREATE')
  OR EXISTS (SELECT FROM pg_inherits WHERE o.oid IN (inhrelid, inhparent))
  OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = o.oid AND NOT (
             tgisinternal AND tgconstraint IN (SELECT oid FROM pg_constraint WHERE contype IN ('p', 'u'))))
  OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = o.oid)
  OR EXISTS (SELECT FROM pg_policy WHERE polrelid = o.oid)
  OR EXISTS (SELECT FROM pg_statistic_ext WHERE stxrelid = o.oid)
  OR EXISTS (SELECT FROM pg_publication_tables WHERE schemaname = n.nspname AND tablename = o.relname)
  OR EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = o.oid)
  OR EXISTS (SELECT FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = o.oid)
  OR EXISTS (SELECT FROM pg_class t WHERE t.oid = o.reltoastrelid AND t.reloptions IS NOT NULL)
  OR EXISTS (SELECT FROM aclexplode(o.relacl) a WHERE a.grantor <> o.relowner)
  OR EXISTS (SELECT FROM pg_constraint WHERE confrelid = o.oid
             OR conrelid = o.oid AND (contype NOT IN ('p', 'u', 'c', 'n')
                                      OR contype = 'c' AND 0 < ALL(coalesce(conkey, '{{0}}')) IS NOT TRUE))
  OR EXISTS (SELECT FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = o.oid
             AND (NOT x.indisvalid OR x.indisclustered OR x.indisreplident OR i.reltablespace <> 0
                  OR i.reloptions IS NOT NULL AND EXISTS (
                     SELECT FROM pg_constraint WHERE conrelid = o.oid AND conindid = i.oid)
                  OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = i.oid AND coalesce(attstattarget, -1) <> -1)))
  OR EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
             AND (a.attidentity <> '' OR a.attgenerated <> '' OR a.attacl IS NOT NULL
                  OR EXISTS (SELECT FROM unnest(a.attoptions) v WHERE NOT starts_with(v, 'pg_attver='))
                  OR coalesce(a.attstattarget, -1) <> -1 OR a.attstorage <> t.typstorage
                  OR coalesce(to_jsonb(a) ->> 'attcompression', '') <> ''))
  OR (SELECT array_agg(ROW(attname, atttypid, atttypmod, attcollation, attnotnull)::text ORDER BY attnum)
      FROM pg_attribute WHERE attrelid = o.oid AND attnum > 0 AND NOT attisdropped) IS DISTINCT FROM
     (SELECT array_agg(ROW(attname, atttypid, atttypmod, attcollation, attnotnull)::text ORDER BY attnum)
      FROM pg_attribute WHERE attrelid = s.oid AND attnum > 0 AND NOT attisdropped)
  OR EXISTS (SELECT FROM pg_depend d LEFT JOIN pg_class r ON d.classid = 'pg_class'::regclass AND r.oid = d.objid
             WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid AND NOT (
               coalesce(r.relkind IN ('i', 't') OR r.relkind = 'S' AND d.deptype = 'a', false)
               OR d.classid = 'pg_constraint'::regclass AND d.objid IN (
                 SELECT oid FROM pg_constraint WHERE conrelid = o.oid)
               OR d.classid = 'pg_attrdef'::regclass AND d.objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = o.oid)
               OR d.classid = 'pg_type'::regclass AND d.objid = o.reltype))
  OR EXISTS (SELECT FROM pg_type y JOIN pg_depend d
             ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (y.oid, y.typarray)
             WHERE y.oid = o.reltype AND NOT (d.classid = 'pg_type'::regclass AND d.objid = y.typarray))
  OR EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = o.oid AND deptype = 'e')
  OR EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND (
               a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND a.pid IN (SELECT pid FROM pg_locks WHERE locktype = 'virtualxid')
               AND a.query = '<insufficient privilege>'
               OR (a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND a.backend_type <> 'autovacuum worker' OR a.backend_type = 'walsender')
               AND age(a.backend_xmin) >= (SELECT min(age(xmin)) FROM {ledger} WHERE load_id = {load} AND slice >= 0)))
FROM pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace, pg_class s
WHERE o.oid = {old}::regclass AND s.oid = {new}::regclass"""

# Everything that hangs on the old table and can be made anew: `place` is the order, and the statement.
MAKE = """
WITH o AS (SELECT c.*, r.rolname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = {old}::regclass),
     k AS (SELECT c.*, 'lading_' || c.oid AS made FROM pg_constraint c JOIN o ON c.conrelid = o.oid),
     x AS (SELECT x.*, i.relname, 'lading_' || i.oid AS made, pg_get_indexdef(i.oid) AS def,
                  format('CREATE %sINDEX %I ON %I.%I', CASE WHEN x.indisunique THEN 'UNIQUE ' END, i.relname,
                  n.nspname, o.relname) AS head
           FROM o JOIN pg_index x ON x.indrelid = o.oid JOIN pg_class i ON i.oid = x.indexrelid
           JOIN pg_namespace n ON n.oid = o.relnamespace
           WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.oid AND c.conrelid = o.oid))
SELECT 9 AS place, format('ALTER TABLE %s DROP CONSTRAINT %I', {s}, conname) AS statement
  FROM pg_constraint WHERE conrelid = {new}::regclass AND contype IN ('c', 'u', 'p')
UNION ALL SELECT 10, format('ALTER TABLE %s OWNER TO %I', {s}, rolname) AS statement FROM o
UNION ALL SELECT 11, format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', {s}) FROM o
UNION ALL SELECT 11, format('ALTER TABLE %s SET (%s)', {s},
  string_agg(format('%I = %L', option_name, option_value), ', '))
  FROM o, pg_options_to_table(o.reloptions) HAVING count(*) > 0
UNION ALL SELECT 12, format('ALTER TABLE %s ADD CONSTRAINT %I %s', {s},
  CASE contype WHEN 'c' THEN conname ELSE made END,
  pg_get_constraintdef(oid)) FROM k WHERE contype IN ('p', 'u', 'c')
UNION ALL SELECT 13, CASE WHEN starts_with(def, head || ' ') THEN format('CREATE %sINDEX %I ON %s%s',
  CASE WHEN indisunique THEN 'UNIQUE ' END, made, {s}, substr(def, length(head) + 1)) END FROM x
UNION ALL SELECT 14, format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', {s}, a.attname,
  pg_get_expr(d.adbin, d.adrelid))
  FROM o JOIN pg_attrdef d ON d.adrelid = o.oid JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum = d.adnum
UNION ALL SELECT 15, format('ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::regclass, {s}, a.attname)
  FROM o JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid AND d.deptype = 'a'
  JOIN pg_class q ON d.classid = 'pg_class'::regclass AND q.oid = d.objid AND q.relkind = 'S'
  JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum = d.refobjsubid
UNION ALL SELECT 16, CASE WHEN a.attname IS NULL THEN format('COMMENT ON TABLE %s IS %L', {s}, d.description)
  ELSE format('COMMENT ON COLUMN %s.%I IS %L', {s}, a.attname, d.description) END
  FROM o JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = o.oid
  LEFT JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum = d.objsubid AND a.attnum > 0
UNION ALL SELECT 20, 'DROP TABLE ' || {t} FROM o
UNION ALL SELECT 21, format('ALTER TABLE %s RENAME TO %I', {s}, relname) FROM o
UNION ALL SELECT 30, format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', {t}, made, conname)
  FROM k WHERE contype IN ('p', 'u')
UNION ALL SELECT 31, format('ALTER INDEX %I.%I RENAME TO %I', n.nspname, made, x.relname)
  FROM x, o JOIN pg_namespace n ON n.oid = o.relnamespace
UNION ALL SELECT 32, format('COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, {t}, d.description)
  FROM k JOIN pg_description d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = k.oid
UNION ALL SELECT 33, format('COMMENT ON INDEX %I.%I IS %L', n.nspname, i.relname, d.description)
  FROM o JOIN pg_index y ON y.indrelid = o.oid JOIN pg_class i ON i.oid = y.indexrelid
  JOIN pg_namespace n ON n.oid = i.relnamespace
  JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = i.oid AND d.objsubid = 0
UNION ALL SELECT DISTINCT 40, format('REVOKE ALL ON %s FROM %s', {t},
  CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END)
  FROM o, pg_class s CROSS JOIN LATERAL (
    SELECT a.grantee FROM aclexplode(s.relacl) a WHERE a.grantee <> s.relowner
    UNION SELECT o.relowner FROM o WHERE o.relacl IS NOT NULL) g LEFT JOIN pg_roles r ON r.oid = g.grantee
  WHERE s.oid = {new}::regclass
UNION ALL SELECT 41, format('GRANT %s ON %s TO %s%s', a.privilege_type, {t},
  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END,
  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END)
  FROM o, aclexplode(o.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
UNION ALL SELECT 50, 'ANALYZE ' || {t} FROM o
ORDER BY 1, 2"""

# Sequences that number columns to which values are written go on behind the greatest of them, if they are behind.
NUMBER = """
SELECT format('SELECT setval(%L, m) FROM (SELECT %s(%I) AS m FROM %s) x WHERE m %s coalesce('
  'pg_sequence_last_value(%L), %s) AND m BETWEEN %s AND %s', q, CASE WHEN up THEN 'max' ELSE 'min' END, a.attname,
  {t}, CASE WHEN up THEN '>' ELSE '<' END, q, s.seqstart - s.seqincrement, s.seqmin, s.seqmax)
FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
CROSS JOIN LATERAL (SELECT s.seqrelid::regclass::text AS q, s.seqincrement > 0 AS up) v
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  AND d.refobjid = to_regclass({t}) AND a.attname IN ({columns})
  AND has_sequence_privilege(s.seqrelid, 'UPDATE') AND has_sequence_privilege(s.seqrelid, 'USAGE, SELECT')"""
