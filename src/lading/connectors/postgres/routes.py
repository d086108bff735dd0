"""What code PostgreSQL's catalogue holds around a table, and what routines there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lading.route import Code, Computed, Parameter, Route
from lading.schema import Table

if TYPE_CHECKING:
    from lading.connectors.postgres.session import PostgresSession

# Not by to_regclass, which wants the right to use a schema that stands behind a view.
_OID = "(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s AND relname = %s)"
_VIEWS = f"""
    WITH RECURSIVE v (oid, depth) AS (
        SELECT oid, 0 FROM pg_class WHERE oid = {_OID} AND relkind IN ('v', 'm')
        UNION SELECT c.oid, v.depth + 1 FROM v JOIN pg_rewrite r ON r.ev_class = v.oid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
             AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
        JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('v', 'm'))
    SELECT n.nspname || '.' || c.relname, pg_get_viewdef(c.oid),
           (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)
    FROM (SELECT oid, min(depth) AS depth FROM v GROUP BY oid) v
    JOIN pg_class c ON c.oid = v.oid JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY v.depth, 1"""
# The bits of tgtype: 4 for INSERT, 16 for UPDATE. The own triggers of a partition fire for rows of the whole table too;
# those that have a parent are copies of the whole table's.
_TRIGGERS = f"""
    WITH RECURSIVE r (oid, part) AS (
        SELECT {_OID}, false UNION ALL
        SELECT i.inhrelid, true FROM r JOIN pg_class c ON c.oid = r.oid AND c.relkind = 'p'
        JOIN pg_inherits i ON i.inhparent = r.oid)
    SELECT n.nspname || '.' || p.proname, l.lanname, p.prosrc,
           array_agg(DISTINCT s.nspname || '.' || c.relname) FILTER (WHERE r.part)
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_language l ON l.oid = p.prolang JOIN r ON r.oid = t.tgrelid JOIN pg_class c ON c.oid = r.oid
    JOIN pg_namespace s ON s.oid = c.relnamespace
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 20 <> 0
          AND coalesce(to_jsonb(t) ->> 'tgparentid', '0') = '0'
    GROUP BY 1, 2, 3 ORDER BY min(t.tgname)"""
# Rules, where ev_type 2 is UPDATE and 3 INSERT. Foreign tables: itself, its parts, what inherits, what a view reads.
_BESIDE = f"""
    WITH RECURSIVE r (oid) AS (
        SELECT {_OID} UNION SELECT s.oid FROM r CROSS JOIN LATERAL (
            SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = r.oid UNION
            SELECT d.refobjid FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass
                 AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
            WHERE w.ev_class = r.oid AND w.rulename = '_RETURN') s (oid))
    SELECT 'foreign', n.nspname || '.' || c.relname FROM r JOIN pg_class c ON c.oid = r.oid AND c.relkind = 'f'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    UNION SELECT 'rule', rulename::text FROM pg_rewrite
    WHERE ev_class = {_OID} AND ev_type IN ('2', '3') AND ev_enabled IN ('O', 'A') ORDER BY 1, 2"""
# Lengths of parameters and results are not in the catalogue: PostgreSQL forgets them. Those of domains are kept.
_TYPE = """CASE WHEN {t}.oid = 'bpchar'::regtype THEN 'bpchar'
    WHEN {t}.typtype = 'd' THEN format_type({t}.typbasetype, {t}.typtypmod) ELSE format_type({t}.oid, NULL) END"""
_ROUTINES = f"""
    SELECT p.oid, n.nspname || '.' || p.proname, p.prokind::text, l.lanname,
           CASE WHEN p.prosrc = '' AND l.lanname = 'sql' THEN pg_get_functiondef(p.oid) ELSE p.prosrc END,
           p.proisstrict, CASE WHEN r.typname IN ('void', 'trigger', 'record') OR r.typtype = 'c' THEN ''
           ELSE {_TYPE.format(t="r")} END, p.pronargdefaults
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
    JOIN pg_type r ON r.oid = p.prorettype
    WHERE p.prokind IN ('f', 'p') AND n.nspname = %s AND p.proname = %s ORDER BY p.oid"""
_PARAMETERS = f"""
    SELECT coalesce((p.proargnames)[a.place], ''), coalesce((p.proargmodes)[a.place], 'i')::text, {_TYPE.format(t="t")}
    FROM pg_proc p CROSS JOIN LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]))
    WITH ORDINALITY a (type, place) JOIN pg_type t ON t.oid = a.type WHERE p.oid = %s ORDER BY a.place"""

_COMPUTED = f"""
    SELECT a.attname, pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a
    JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = {_OID} AND to_jsonb(a) ->> 'attgenerated' <> '' ORDER BY a.attnum"""
# Not those that an extension brought.
_OWN = """
    SELECT DISTINCT lower(p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND lower(p.proname) IN ({}) AND NOT EXISTS (
        SELECT 1 FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')"""


def route(session: PostgresSession, table: Table) -> Route:
    """See `connector.Routed`."""
    place = (table.schema_name or session.default_schema, table.name)
    views = [
        Code(kind="view", name=str(own), system="postgres", language="sql", text=str(text), columns=tuple(columns))
        for own, text, columns in session.driver.query(_VIEWS, place)
    ]
    triggers = [
        Code(
            kind="trigger", name=str(own), system="postgres", language=str(language), text=str(text),
            parts=tuple(parts or ()),
        )
        for own, language, text, parts in session.driver.query(_TRIGGERS, place)
    ]  # fmt: skip
    encoding = session.driver.encoding.lower()
    charsets = {} if encoding == "utf8" else {c.name: encoding for c in table.columns if c.type.kind == "string"}
    beside = session.driver.query(_BESIDE, place * 2)
    rules = [f"the rule '{own}' of '{table.full_name}' was not read" for kind, own in beside if kind == "rule"]
    afar = [f"what stands behind the foreign table '{own}' cannot be seen" for kind, own in beside if kind == "foreign"]
    return Route(
        views=tuple(views), triggers=tuple(triggers), charsets=charsets,
        unread=tuple((what, "Look in it for casts and cuts.") for what in rules),
        beyond=tuple((what, "Look there for narrower types, views and triggers.") for what in afar),
    )  # fmt: skip


def routines(session: PostgresSession, names: Sequence[str]) -> list[Code]:
    """See `connector.Routed`."""
    found = []
    for name in names:
        schema, _, own = name.rpartition(".")
        for row in session.driver.query(_ROUTINES, (schema or session.default_schema, own)):
            found.append(_code(session, row))
    return found


def _code(session: PostgresSession, row: Sequence[Any]) -> Code:
    oid, name, kind, language, text, strict, returns, defaults = row
    given = session.driver.query(_PARAMETERS, (oid,))
    places = [n for n, (_, mode, _) in enumerate(given) if mode in "ibv"]
    optional = set(places[len(places) - int(defaults) :]) if defaults else set()
    parameters = [
        Parameter(
            name=str(own) or f"${n + 1}", native=str(native), given=n in places, back=mode in "bot",
            needed=n not in optional,
        )
        for n, (own, mode, native) in enumerate(given)
    ]  # fmt: skip
    whole = language == "sql" and str(text).startswith("CREATE OR REPLACE ")
    body = re.search(r"^[ \t]*(?:BEGIN ATOMIC|RETURN)\b.*", str(text), re.M | re.S) if whole else None
    return Code(
        kind="procedure" if kind == "p" else "function", name=str(name), system="postgres", language=str(language),
        text=body[0] if body else str(text), parameters=tuple(parameters),
        returns=str(returns), skips_null=bool(strict),
    )  # fmt: skip


def computed(session: PostgresSession, table: Table) -> list[Computed]:
    """See `connector.Routed`."""
    rows = session.driver.query(_COMPUTED, (table.schema_name or session.default_schema, table.name))
    return [Computed(table=table.full_name, column=str(name), text=str(text)) for name, text in rows]


def own(session: PostgresSession, names: Sequence[str]) -> set[str]:
    """See `connector.Routed`."""
    rows = session.driver.query(_OWN.format(", ".join(["%s"] * len(names))), tuple(names)) if names else ()
    return {str(name) for (name,) in rows}
