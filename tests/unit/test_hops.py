"""The hop check: bodies as flows, chains as findings. SQL Server's texts are read here, and were on no server."""

import builtins
import datetime as dt
import time
from itertools import pairwise

import pytest

from lading.facts import Observed
from lading.hops import checked, findings
from lading.hops.body import body
from lading.hops.chain import Facts, bodies, plain, ways
from lading.hops.native import placed
from lading.hops.split import statements
from lading.plan import Task
from lading.route import Code, Finding, Parameter, Route
from lading.schema import Column, Table, losses
from lading.spec import Move
from lading.types import parse

SAVE = """
CREATE PROCEDURE dbo.save_item @id int, @description varchar(255), @note nvarchar(max) = NULL
AS
SET NOCOUNT ON
INSERT dbo.items (id, description, note) VALUES (@id, @description, @note)
"""


def table(name: str, /, schema: str | None = None, **natives: str) -> Table:
    """Columns by their native type of SQL Server; `!` for NOT NULL."""
    made = []
    for own, native in natives.items():
        place = placed("sqlserver", native.rstrip("!"), kind="column", name=own)
        assert place.type is not None, native
        made.append(Column(name=own, type=place.type, native=f"sqlserver:{place.native}", null=native[-1] != "!"))
    return Table(name=name, schema_name=schema, columns=tuple(made), key=("id",) if "id" in natives else ())


ITEMS = table("items", "dbo", id="int!", description="nvarchar(4000)", note="nvarchar(max)", price="decimal(18,4)")


def code(text: str, language: str = "tsql", kind: str = "procedure", **more) -> Code:
    systems = {"tsql": "sqlserver", "mysql": "mysql"}
    given = {"kind": kind, "name": "dbo.save_item", "system": systems.get(language, "postgres"), "language": language}
    return Code.model_validate({**given, "text": text, **more})


def task(source: Table = ITEMS, target: Table | None = None, **more) -> Task:
    return Task(source=source, target=target or source, fresh=False, **more)


def through(*codes: Code, source: Table = ITEMS, observed: Observed | None = None) -> list[Finding]:
    facts = Facts(through=tuple((each,) for each in codes), systems=("sqlserver", "sqlserver"))
    columns = [c.model_copy(update={"observed": observed}) if observed and c.name == observed.column else c
               for c in source.columns]  # fmt: skip
    return findings(task(source.model_copy(update={"columns": tuple(columns)})), facts)


def levels(found: list[Finding], column: str = "description") -> list[tuple[str, str, str]]:
    """Level, kind, and the place's name, of what concerns a column."""
    return [(each.level, each.kind, each.at.name if each.at else "") for each in found if each.column == column]


def flows(text: str, language: str, *parameters: str) -> set[str]:
    """Flows as `table.column <- source | step | step`."""
    given = tuple(Parameter(name=name, native="text") for name in parameters)
    found = set()
    for flow in body(code(text, language, parameters=given)).flows:
        into = ".".join(part for part in flow.into if part)
        source = ".".join(part for part in flow.trace.node if part)
        steps = [f"{step.kind} {step.native or step.size or ''}".strip() for step in flow.trace.steps]
        found.add(" | ".join([f"{into} <- {source}", *steps]).replace("\0", ""))
    return found


def gaps(text: str, language: str) -> list[tuple[int, str]]:
    return [(gap.line, gap.what) for gap in body(code(text, language)).gaps]


# T-SQL, cut by its words


@pytest.mark.parametrize(
    ("text", "firsts"),
    [
        ("SET @a = 1 SET @b = 2 SELECT @a", ["SET", "SET", "SELECT"]),
        ("IF @a = 1 SET @b = 2 ELSE SET @b = 3", ["SET", "SET"]),
        ("WHILE @i < 5 BEGIN SET @i = @i + 1 PRINT @i END DELETE FROM t", ["SET", "PRINT", "DELETE"]),
        ("INSERT INTO t (a) SELECT a FROM s UNION ALL SELECT b FROM u SELECT 1", ["INSERT", "SELECT"]),
        ("INSERT t VALUES (1) SELECT 2", ["INSERT", "SELECT"]),
        ("UPDATE t SET a = 1 WHERE b = 2 SET @c = 3", ["UPDATE", "SET"]),
        ("UPDATE t SET a = CASE WHEN b = 1 THEN 2 ELSE 3 END WHERE c = 4 PRINT 1", ["UPDATE", "PRINT"]),
        ("IF UPDATE(a) UPDATE t SET b = 1", ["UPDATE"]),
        ("IF EXISTS (SELECT 1 FROM t) DROP TABLE IF EXISTS #x CREATE TABLE #x (a int)", ["DROP", "CREATE"]),
        ("WITH x AS (SELECT 1 a) INSERT INTO t SELECT a FROM x EXEC p", ["WITH", "EXEC"]),
        ("MERGE t USING s ON x=y WHEN MATCHED THEN UPDATE SET a=1 WHEN NOT MATCHED THEN INSERT (a) VALUES (1);PRINT 1",
         ["MERGE", "PRINT"]),
        ("BEGIN TRY SELECT 1 END TRY BEGIN CATCH ROLLBACK THROW END CATCH SELECT 2",
         ["SELECT", "ROLLBACK", "THROW", "SELECT"]),
        ("SELECT a FROM t ORDER BY a OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY SET @a = 1", ["SELECT", "SET"]),
        ("FETCH NEXT FROM c INTO @a WHILE @@FETCH_STATUS = 0 BEGIN FETCH NEXT FROM c INTO @a END", ["FETCH", "FETCH"]),
        ("again: SET @a = 1 GOTO again", ["SET"]),
        ("EXEC p @a = 1, @b = 'SELECT' INSERT INTO t EXEC q SELECT 1", ["EXEC", "INSERT", "SELECT"]),
        ("SELECT [select] AS [set] FROM [update] SELECT 2", ["SELECT", "SELECT"]),
    ],
)  # fmt: skip
def test_tsql_needs_no_semicolons(text, firsts):
    assert [each.words[0] for each in statements(text, "tsql")] == firsts


def test_the_lines_of_statements_are_those_of_the_text():
    assert [each.line for each in statements(SAVE, "tsql")] == [4, 5]


def test_a_tsql_procedure_as_people_write_them():
    text = """
    CREATE OR ALTER PROC [dbo].[save_item] (@id INT, @description varchar(255), @note AS nvarchar(max) = NULL,
      @made int OUTPUT) WITH EXECUTE AS OWNER AS
    BEGIN
      DECLARE @d varchar(100) = @description, @k nvarchar, @i int = 0
      DECLARE @log TABLE (id int, d varchar(20) NULL)
      BEGIN TRY
        BEGIN TRAN
        IF EXISTS (SELECT 1 FROM dbo.items WHERE id = @id)
          UPDATE i SET i.description = RTRIM(@d), note = LEFT(@note, 50) FROM dbo.items AS i WHERE i.id = @id
        ELSE
          INSERT dbo.items (id, description) OUTPUT inserted.id INTO @log (id)
          VALUES (@id, CASE WHEN @i = 1 THEN CAST(@d AS varchar) ELSE N'-' END)
        SELECT id, description INTO #t FROM dbo.items
        INSERT @log SELECT id, description FROM #t
        SELECT @k = UPPER(s.description) FROM stg s WITH (NOLOCK)
        WHILE @i < 3 SET @i += 1
        DECLARE c CURSOR LOCAL FOR SELECT id, CONVERT(nvarchar(20), description) FROM dbo.items FOR READ ONLY
        OPEN c
        FETCH NEXT FROM c INTO @id, @d
        CLOSE c DEALLOCATE c
        COMMIT
      END TRY
      BEGIN CATCH
        IF @@TRANCOUNT > 0 ROLLBACK
        THROW
      END CATCH
    END"""
    read = body(code(text))
    assert [(p.name, p.native, p.given, p.needed) for p in read.parameters] == [
        ("@id", "INT", True, True), ("@description", "varchar(255)", True, True),
        ("@note", "nvarchar(max)", True, False), ("@made", "int", False, True),
    ]  # fmt: skip
    assert read.gaps == []
    assert {node.name: native for node, native in read.types.items() if not node.owner} == {
        "@d": "varchar(100)", "@k": "nvarchar", "@i": "int",
    }  # fmt: skip
    assert read.own == {"#t", "@log"}
    found = flows(text, "tsql")
    assert {
        "@d <- @description",
        "dbo.items.description <- @d",
        "dbo.items.note <- @note | cuts 50",
        "dbo.items.description <- @d | cast VARCHAR",
        "#t.description <- dbo.items.description",
        "@log.d <- #t.description",
        "@k <- stg.description",
        "@d <- dbo.items.description | cast NVARCHAR(20)",
    } <= found


def test_a_merge_is_followed_through_its_source():
    text = """MERGE dbo.t AS t USING (SELECT @id AS id, LEFT(@d, 9) AS d) AS s ON t.id = s.id
      WHEN MATCHED THEN UPDATE SET t.d = s.d
      WHEN NOT MATCHED THEN INSERT (id, d) VALUES (s.id, CONVERT(varchar(7), s.d));"""
    assert flows(text, "tsql") == {
        "dbo.t.d <- @d | cuts 9",
        "dbo.t.id <- @id",
        "dbo.t.d <- @d | cuts 9 | cast VARCHAR(7)",
    }


@pytest.mark.parametrize(
    ("text", "language", "line", "what"),
    [
        ("SELECT 1\nEXEC('select ' + @d)", "tsql", 2, "runs SQL that is made while it runs"),
        ("SET @a = 1\n\nEXEC sp_executesql @sql, N'@p int', @p = 1", "tsql", 3, "runs SQL that is made while it runs"),
        ("EXECUTE dbo.other @a = @d", "tsql", 1, "calls 'dbo.other'"),
        ("EXEC @r = dbo.other @d", "tsql", 1, "calls 'dbo.other'"),
        ("INSERT INTO t EXEC dbo.other", "tsql", 1, "fills a table by running another routine"),
        ("INSERT INTO dbo.t SELECT @a", "tsql", 1, "fills 'dbo.t' without naming its columns"),
        ("BEGIN\n EXECUTE format('insert into %I', t); END", "plpgsql", 2, "runs SQL that is made while it runs"),
        ("BEGIN PERFORM other(p); END", "plpgsql", 1, "calls 'other'"),
        ("BEGIN FOR r IN EXECUTE q LOOP NULL; END LOOP; END", "plpgsql", 1, "runs SQL that is made while it runs"),
        ("begin prepare s from @q; end", "mysql", 1, "runs SQL that is made while it runs"),
        ("begin call q(v); end", "mysql", 1, "calls 'q'"),
        ("print $x", "plperl", 0, "is written in plperl, which is not read"),
        ("SELECT 'open", "tsql", 0, "cannot be cut into statements"),
        ("FROBNICATE everything", "tsql", 1, "has a statement that is not read"),
    ],
)
def test_what_is_not_read_is_said(text, language, line, what):
    ((at, said),) = gaps(text, language)
    assert at == line
    assert what in said


# PL/pgSQL, SQL, MariaDB


def test_a_plpgsql_body_as_people_write_them():
    text = """
    <<whole>>
    DECLARE
      v varchar(10) := p_d;
      w items.description%TYPE;
      r record;
    BEGIN
      IF p_id IS NULL THEN RAISE EXCEPTION 'no; id';
      ELSIF p_id = 1 THEN w := upper(p_d)::varchar(5);
      ELSE w = left(v, 3); END IF;
      FOR r IN SELECT a, b::varchar(7) AS bb FROM stg LOOP
        INSERT INTO items (id, description) VALUES (r.a, r.bb);
      END LOOP;
      INSERT INTO items AS i (id, description) SELECT p_id, w || '!' ON CONFLICT (id) DO UPDATE SET note = p_d;
      SELECT description, id INTO STRICT v, w FROM items WHERE id = p_id;
      UPDATE items SET (description, note) = (v, save_item.p_d) WHERE id = p_id RETURNING id INTO w;
      CASE WHEN p_id = 1 THEN v := substring(p_d from 1 for 4); ELSE NULL; END CASE;
      NEW.description := NEW.description::varchar(6);
      RETURN v;
    EXCEPTION WHEN unique_violation THEN w := p_d;
    END"""
    assert gaps(text, "plpgsql") == []
    assert flows(text, "plpgsql", "p_id", "p_d") == {
        "v <- p_d", "w <- p_d | cast VARCHAR(5)", "w <- v | cuts 3", "r.a <- stg.a",
        "r.bb <- stg.b | cast VARCHAR(7)", "items.id <- r.a", "items.description <- r.bb",
        "items.id <- p_id", "items.description <- w | grows 1",
        "items.note <- p_d", "v <- items.description", "w <- items.id", "items.description <- v",
        "v <- p_d | cuts 4", "new.description <- new.description | cast VARCHAR(6)", "result <- v", "w <- p_d",
    }  # fmt: skip


def test_a_sql_function_gives_what_its_select_gives():
    assert flows("SELECT left($1, 5)", "sql", "d") == {"result <- d | cuts 5"}


def test_a_mariadb_body_as_people_write_them():
    text = """begin
      declare v, w varchar(30) default 'a';
      declare continue handler for sqlexception begin end;
      set v = p_a, w = concat('x', v);
      if v = 1 then insert into t (a) values (cast(p_a as char(3))); end if;
      while v < 3 do set v = v + 1; end while;
      insert into t (a) values (w) on duplicate key update b = p_a;
    end"""
    assert gaps(text, "mysql") == []
    assert flows(text, "mysql", "p_a") == {
        "v <- p_a", "w <- v | grows 1", "t.a <- p_a | cast CHAR(3)", "v <- v | unknown", "t.a <- w", "t.b <- p_a",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language", "flow"),
    [
        ("begin update t set a = left(p_d, 3); end", "plpgsql", {"t.a <- p_d | cuts 3"}),
        ("begin update t set a[1] = left(p_d, 3); end", "plpgsql", {"t.a <- p_d | cuts 3"}),
        ("begin update t set a = left(p_d, 3); end", "mysql", {"t.a <- p_d | cuts 3"}),
        ("begin update ignore t set a = p_d; end", "mysql", {"t.a <- p_d"}),
        ("begin update low_priority ignore t set a = p_d; end", "mysql", {"t.a <- p_d"}),
        ("begin insert low_priority into t (a) values (p_d); end", "mysql", {"t.a <- p_d"}),
        ("begin replace delayed t (a) values (p_d); end", "mysql", {"t.a <- p_d"}),
        ("begin insert into t set a = left(p_d, 3), b = p_d; end", "mysql", {"t.a <- p_d | cuts 3", "t.b <- p_d"}),
        ("begin replace into t (a) values (left(p_d, 3)); end", "mysql", {"t.a <- p_d | cuts 3"}),
        ("begin insert into t (a) values (p_d) on duplicate key update a = coalesce(values(a), a); end", "mysql",
         {"t.a <- p_d", "t.a <- t.a"}),
        ("begin insert into t (a) values (p_d) on conflict (a) do update set b = left(excluded.a, 2); end", "plpgsql",
         {"t.a <- p_d", "t.b <- p_d | cuts 2"}),
        ("declare v text; begin update t set b = 1 returning left(a, 3) into v; end", "plpgsql", {"v <- t.a | cuts 3"}),
        ("declare v text; begin delete from t returning left(a, 3) into v; end", "plpgsql", {"v <- t.a | cuts 3"}),
        ("values (left(p_d, 3))", "sql", {"result <- p_d | cuts 3"}),
        ("insert into t (a) values (p_d) returning left(a, 3)", "sql", {"t.a <- p_d", "result <- t.a | cuts 3"}),
    ],
)  # fmt: skip
def test_every_way_to_fill_a_table_is_followed(text, language, flow):
    assert gaps(text, language) == []
    assert flows(text, language, "p_d") == flow


def test_temporary_tables_and_ctes_are_followed():
    text = """BEGIN CREATE TEMP TABLE w (d varchar(12)); INSERT INTO w SELECT p_d;
      WITH c AS (SELECT d AS e FROM w) INSERT INTO items (description) SELECT c.e FROM c; END"""
    assert flows(text, "plpgsql", "p_d") == {"w.d <- p_d", "items.description <- w.d"}


@pytest.mark.parametrize(
    ("text", "flow"),
    [
        ("UPDATE items SET (description, note) = (SELECT left(p_d, 3), x.n FROM x)",
         {"items.description <- p_d | cuts 3", "items.note <- x.n"}),
        ("INSERT INTO items (note) SELECT f.n FROM f(p_d) f", {"items.note <- p_d | unknown"}),
        ("INSERT INTO items (note) SELECT n FROM f() f(n)", {"items.note <- unread.f()"}),
        ("INSERT INTO items (note) SELECT c FROM (SELECT p_d::varchar(3)) AS s(c)",
         {"items.note <- p_d | cast VARCHAR(3)"}),
        ("INSERT INTO items (note) SELECT x.a FROM t CROSS JOIN LATERAL (VALUES (left(t.a, 3)), (t.b)) AS x(a)",
         {"items.note <- t.a | cuts 3", "items.note <- t.b"}),
        ("INSERT INTO items (note) SELECT u FROM t, unnest(string_to_array(left(t.a, 3), ',')) AS u",
         {"items.note <- t.a | cuts 3 | unknown"}),
        ("INSERT INTO items (note) SELECT j.n FROM t, jsonb_to_recordset(t.j) AS j(n varchar(7))",
         {"items.note <- t.j | unknown | held VARCHAR(7)"}),
        ("INSERT INTO items (note) SELECT j.n FROM (VALUES (p_d)) t(n), json_to_record(to_json(t)) j(n varchar(7))",
         {"items.note <- p_d | held VARCHAR(7)"}),
        ("INSERT INTO items (note) SELECT x.b FROM ((s JOIN t ON a) JOIN LATERAL (SELECT left(t.a, 3) AS b) x ON true)",
         {"items.note <- t.a | cuts 3"}),
        ("INSERT INTO items (note) WITH RECURSIVE c(a) AS (SELECT p_d UNION SELECT left(a, 3) FROM c) SELECT a FROM c",
         {"items.note <- p_d", "items.note <- p_d | cuts 3"}),
        ("CREATE TEMP TABLE w AS SELECT p_d AS a; INSERT INTO items (note) SELECT * FROM w",
         {"w.a <- p_d", "items.note <- w.a"}),
        ("WITH made AS (INSERT INTO items (note) VALUES (left(p_d, 3)) RETURNING id) SELECT count(*) FROM made",
         {"items.note <- p_d | cuts 3"}),
        (("WITH a AS (SELECT left(p_d, 3) AS b), u AS (UPDATE items SET note = a.b FROM a RETURNING note AS c) "
         "INSERT INTO t (d) SELECT c FROM u"), {"items.note <- p_d | cuts 3", "t.d <- items.note"}),
        ("WITH gone AS (DELETE FROM items) INSERT INTO t (d) VALUES (p_d)", {"t.d <- p_d"}),
        # Where one is a float all are, but not the rows that an INSERT names.
        ("INSERT INTO t (d) SELECT p_d UNION ALL SELECT 1::float8", {"t.d <- p_d | met DOUBLE PRECISION"}),
        ("INSERT INTO t (d) SELECT x.a FROM (VALUES (p_d), (1::real)) x(a)", {"t.d <- p_d | met REAL"}),
        ("INSERT INTO t (d) VALUES (p_d), (1::real)", {"t.d <- p_d"}),
        ("FETCH given INTO v", {"v <- unread.v"}),
        ("SELECT f() AS a INTO r; v := r.b", {"r.a <- unread.f()", "v <- r.b"}),
        ("FOR r IN (WITH w AS (SELECT left(p_d, 3) AS a) SELECT a FROM w) LOOP v := r.a; END LOOP",
         {"r.a <- p_d | cuts 3", "v <- r.a"}),
        ("FOR r IN ((SELECT left(p_d, 3) AS a)) LOOP v := r.a; END LOOP", {"r.a <- p_d | cuts 3", "v <- r.a"}),
        ("FOR i IN (1)..(2) LOOP v := p_d; END LOOP", {"v <- p_d"}),
    ],
)  # fmt: skip
def test_all_that_stands_in_from_is_followed_or_unknown(text, flow):
    text = f"DECLARE v text; r record; BEGIN {text}; END"
    assert gaps(text, "plpgsql") == []
    assert flows(text, "plpgsql", "p_d") == flow


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO items (id, note) SELECT * FROM f(p_d)",
        "INSERT INTO items (id, note) SELECT r.* FROM x",
        "UPDATE items SET (description, note) = (SELECT p_d)",
    ],
)
def test_a_statement_whose_columns_are_not_known_is_a_gap(text):
    ((_, said),) = gaps(f"BEGIN {text}; END", "plpgsql")
    assert said.startswith("has a statement that is not read")


WHOLE = ["upper(a)", "coalesce(a, '-')", "CASE WHEN b = 1 THEN a ELSE '' END", "trim(a)", "rtrim(a)",
         "trim(both ' ' from a)", "nullif(a, '')", "max(a)", "replace(a, 'x', 'y')", "replace(a, chr(13), ' ')",
         "trim(both ' '::text from a)", "replace(a, 'x'::text, 'y'::text)", "a AT TIME ZONE 'UTC'::text",
         "a AT TIME ZONE 'UTC'", "a COLLATE \"C\""]  # fmt: skip
NOT_WHOLE = ["replace(a, 'x', '')", "replace(a, b, 'y')", "replace(a, 'xy', 'z')", "ltrim(a, 'x')", "rtrim(a, '0')",
             "btrim(a, 'x')", "trim(both 'x' from a)", "least(a, 'x')", "greatest(a, 'x')",
             "translate(a, 'x', 'y')", "a AT TIME ZONE 'Europe/Berlin'", "regexp_replace(a, 'x', '')", "abs(a)",
             "substring(a from 2)", "string_agg(a, ',')", "lower_all(a)"]  # fmt: skip


@pytest.mark.parametrize(("expression", "step"), [*((e, "") for e in WHOLE), *((e, " | unknown") for e in NOT_WHOLE)])
def test_only_what_keeps_all_characters_and_digits_is_harmless(expression, step):
    assert flows(f"BEGIN v := (SELECT {expression} FROM t); END", "plpgsql") == {f"v <- t.a{step}"}


def test_what_replaces_one_text_by_a_longer_one_lets_it_grow():
    assert flows("BEGIN v := replace(p_d, 'x', 'xyz'); END", "plpgsql", "p_d") == {"v <- p_d | grows -1"}


def test_a_part_from_the_middle_is_cut_and_what_is_before_it_gone():
    assert flows("BEGIN v := substring(p_d, 5, 9); END", "plpgsql", "p_d") == {"v <- p_d | cuts 9 | unknown"}


def test_a_trigger_that_puts_what_is_not_read_into_the_row_is_told():
    text = "CREATE TRIGGER t ON dbo.items AFTER INSERT AS UPDATE dbo.items SET description = dbo.made()"
    facts = Facts(target=Route(triggers=(code(text, kind="trigger", name="dbo.t"),)), systems=("sqlserver",) * 2)
    (found,) = [each for each in findings(task(), facts) if each.column == "description"]
    assert (found.level, "it comes from dbo.made()" in found.what) == ("unknown", True)


# What was not seen to be filled, and more ways than are followed


def unknown(*codes: Code, column: str = "description") -> list[str]:
    """What is said to be unknown of a column, and of all."""
    return [each.what for each in through(*codes) if each.level == "unknown" and each.column in (column, "")]


def given(body: str, language: str = "plpgsql", **more) -> Code:
    """A routine with the parameters p_id and p_description."""
    parameters = (Parameter(name="p_id", native="integer"), Parameter(name="p_description", native="text"))
    return code(body, language, parameters=parameters, **more)


PUT = "INSERT INTO dbo.items (description) VALUES"


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        (f"declare v text; begin {PUT} (v); end", "plpgsql", "it comes from 'v', which nothing that was read fills"),
        (f"declare v text; begin v := left(v, 3); {PUT} (v); end", "plpgsql", "'v', which nothing that was read fills"),
        (f"declare v text; w text; begin v := w; w := v; {PUT} (w); end", "plpgsql", "which nothing that was read"),
        (f"declare x alias for p_description; begin {PUT} (left(x, 3)); end", "plpgsql", "x alias for p_description"),
        (f"declare r record; begin r := f(p_description); {PUT} (r.d); end", "plpgsql", "a whole row: r := f("),
        (f"declare r record; begin select p_id as id into r; {PUT} (r.d); end", "plpgsql", "'r.d', which nothing"),
        (f"declare r x%rowtype; begin select 1, left(p_description, 3) into r; {PUT} (r.d); end", "plpgsql",
         "a whole row: select 1, left("),
        (f"declare r x; begin r.d := p_description; r := f(r); {PUT} (r.d); end", "plpgsql", "filled as a whole"),
        (f"declare p_description name := p_description; begin {PUT} (p_description); end", "plpgsql",
         "the type 'text or name' is not known"),
        (f"declare r record; begin execute q into r; {PUT} (r.d); end", "plpgsql", "'r.d' is a column that was not"),
        ("begin create temp table w (like dbo.items); insert into w select p_id, left(p_description, 3); end",
         "plpgsql", "makes a table like another"),
        (f"begin create temp table w (a int, b text); {PUT} (w.b); end", "plpgsql", "w.b"),
        ("begin create temp table w (a int); insert into w select p_id, p_description; end", "plpgsql",
         "fills 1 columns of 'w' with 2"),
        ("begin create temp view w as select left(d, 3) d from x; end", "plpgsql", "a statement that is not read"),
        (("declare r record; begin for r in insert into dbo.items (description) values (left(p_description, 3)) "
         "returning id loop null; end loop; end"), "plpgsql", "loops over rows that it writes"),
        (f"begin select left(p_description, 3) into @v; {PUT} (@v); end", "mysql", "the user variable '@v'"),
        (f"begin select @v := left(p_description, 3); {PUT} (@v); end", "mysql", "the user variable '@v'"),
        (f"begin set statement max_statement_time = 10 for {PUT} (left(p_description, 3)); end", "mysql",
         "a statement that is not read: set statement"),
        (("declare v name; begin v := p_description; declare v text; begin v := ''; end; "
         f"{PUT} (v); end"), "plpgsql", "the type 'name or text' is not known"),
    ],
)  # fmt: skip
def test_what_is_filled_by_nothing_that_was_read_is_unknown(text, language, said):
    assert any(said in what for what in unknown(given(text, language))), unknown(given(text, language))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"DECLARE @v nvarchar(max) {PUT} (@v)", "'@v', which nothing that was read fills"),
        (("DECLARE @log TABLE (d nvarchar(max)) UPDATE dbo.stage SET d = @description OUTPUT LEFT(inserted.d, 3) "
          "INTO @log (d) INSERT dbo.items (description) SELECT d FROM @log"), "an OUTPUT clause: UPDATE dbo.stage"),
        ("UPDATE dbo.stage SET d = @description OUTPUT LEFT(inserted.d, 3), inserted.id INTO dbo.items",
         "an OUTPUT clause: UPDATE dbo.stage"),
    ],
)  # fmt: skip
def test_what_tsql_fills_unseen_is_unknown(text, said):
    assert any(said in what for what in unknown(code(f"CREATE PROC p @description nvarchar(max) AS {text}")))


def test_a_merge_that_names_no_columns_is_a_gap():
    text = "MERGE dbo.t USING (SELECT @d AS d) AS s ON t.d = s.d WHEN NOT MATCHED THEN INSERT VALUES (s.d);"
    ((_, said),) = gaps(text, "tsql")
    assert "without naming its columns" in said


@pytest.mark.parametrize(
    "text",
    [
        "WITH c AS (SELECT d FROM dbo.t) UPDATE c SET d = LEFT(@d, 3)",
        "WITH c AS (SELECT d FROM dbo.t) INSERT INTO c (d) VALUES (LEFT(@d, 3))",
        "UPDATE x SET d = LEFT(@d, 3) FROM (SELECT d FROM dbo.t) x",
    ],
)
def test_a_query_that_is_filled_is_a_gap(text):
    ((_, said),) = gaps(text, "tsql")
    assert "which is a query, so that its table is not known" in said


def test_a_view_that_is_filled_is_a_gap():
    view = table("v", "dbo", description="nvarchar(4000)").model_copy(update={"view": True})
    text = "CREATE PROC p @description nvarchar(max) AS UPDATE dbo.v SET description = LEFT(@description, 3)"
    assert any("fills the view 'dbo.v'" in what for what in unknown(code(text, tables=(view,))))


def test_constants_are_not_taken_for_unread():
    body = f"declare v text := '-'; begin {PUT} (coalesce(p_description, v)); end"
    assert levels(through(given(body))) == []


@pytest.mark.parametrize(
    "text",
    [
        ("declare r record; begin for r in select p_id as id, p_description as d loop r.d := left(r.d, 3); "
        f"{PUT} (r.d); end loop; end"),
        f"declare r record; begin select p_description d into r; loop {PUT} (r.d); r.d := left(r.d, 3); end loop; end",
        f"<<b>> declare v text := ''; begin b.v := left(p_description, 3); {PUT} (v); end",
        f"declare r record; begin select 1 d into r; r.d.e := left(p_description, 3); {PUT} (r.d); end",
        f"declare items record; begin select p_description as d into items; {PUT} (left(items.d, 3)); end",
        ("begin insert into dbo.items (id, description) values (p_id, p_description) on conflict (id) do update "
        "set (id, description) = (excluded.id, left(excluded.description, 3)); end"),
        ("begin create temp table w (d text) on commit drop; insert into w select p_description; "
        f"{PUT[:-7]} select left(d, 3) from w; end"),
    ],
)  # fmt: skip
def test_what_is_changed_behind_its_filling_is_followed(text):
    assert [each[:2] for each in levels(through(given(text)))] == [("blocks", "cuts")]
    assert unknown(given(text)) == []


@pytest.mark.parametrize(
    ("text", "back"),
    [("begin p_description := left(p_description, 3); end", True), ("begin o := left(p_description, 3); end", False)],
)
def test_what_is_handed_back_is_followed(text, back):
    """As INOUT, and as OUT."""
    parameters = (
        Parameter(name="p_description", native="text", back=back),
        Parameter(name="o", native="text", given=False, back=True),
    )
    found = through(code(text, "plpgsql", parameters=parameters))
    assert [each[:2] for each in levels(found)] == [("blocks", "cuts")]


def test_a_result_that_comes_from_elsewhere_is_unknown():
    text = "declare v text; begin get diagnostics v = message_text; return v; end"
    assert unknown(given(text, kind="function")) != []


def test_a_function_of_sql_that_is_one_expression_is_read():
    assert flows("RETURN left(p_d, 3)", "sql", "p_d") == {"result <- p_d | cuts 3"}
    ((_, said),) = gaps("CREATE OR REPLACE FUNCTION f(p_d text) RETURNS text RETURN left(p_d, 3)", "sql")
    assert "a statement that is not read" in said


def changed(text: str, language: str = "plpgsql", **more) -> list[tuple[str, str]]:
    """Level and kind of what a trigger of the target does to 'description'."""
    facts = Facts(target=Route(triggers=(code(text, language, kind="trigger", name="dbo.t", **more),)),
                  systems=("sqlserver", "sqlserver"))  # fmt: skip
    return [each[:2] for each in levels(findings(task(), facts))]


CUT, UNKNOWN = [("blocks", "cuts")], [("unknown", "unknown")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("begin select left(NEW.description, 3) into NEW.description; return NEW; end", CUT),
        ("begin NEW := jsonb_populate_record(NEW, '{}'); return NEW; end", UNKNOWN),
        ("declare r record; begin r := NEW; return r; end", UNKNOWN),
        ("begin select NEW.id, left(NEW.description, 3) into NEW; return NEW; end", UNKNOWN),
        ("begin NEW.description := (select d.short from dict d where d.long = NEW.description); return NEW; end",
         UNKNOWN),
        ("begin update dbo.items set description = left(description, 3) where id = NEW.id; return null; end", CUT),
        (("begin update dbo.items i set description = left(n.description, 3) from ins n where n.id = i.id; "
         "return null; end"), UNKNOWN),
        ("begin NEW.note := NEW.description; return coalesce(NEW, OLD); end", []),
        (("begin NEW.description := upper(NEW.description); insert into log (description) values (left(NEW.note, 3)); "
         "return NEW; end"), []),
    ],
)  # fmt: skip
def test_what_a_trigger_makes_of_the_row(text, found):
    assert changed(text) == found


def test_a_trigger_of_sql_server_that_cuts_what_the_table_has():
    text = """CREATE TRIGGER dbo.cut ON dbo.items AFTER INSERT AS
      UPDATE t SET description = LEFT(t.description, 30) FROM dbo.items t JOIN inserted i ON i.id = t.id"""
    assert changed(text, "tsql") == CUT


def test_a_trigger_of_a_partition_may_name_the_partition():
    text = "begin update dbo.items_1 set description = left(description, 3) where id = NEW.id; return null; end"
    assert changed(text) == []
    assert changed(text, parts=("dbo.items_1",)) == CUT


def test_the_same_from_many_statements_is_one_way():
    body = " ".join(f"if p_id = {n} then {PUT} (p_description); end if;" for n in range(70))
    assert levels(through(given(f"begin {body} {PUT} (left(p_description, 3)); end"))) == [
        ("blocks", "cuts", "LEFT(p_description, 3)")
    ]


def test_more_ways_than_are_followed_are_told():
    body = " ".join(f"{PUT} (left(p_description, {n}));" for n in range(5000, 5070))
    told = unknown(given(f"begin {body} end"))
    assert len(told) == 1
    assert "more ways than the 64 that are followed" in told[0] or "more than 64 ways lead there" in told[0]


def test_a_counter_that_is_raised_in_many_places_ends():
    body = " ".join(f"v := v + {n};" for n in range(40))
    started = time.monotonic()
    told = unknown(
        given(f"declare v int := 0; begin {body} insert into dbo.items (price) values (v); end"), column="price"
    )
    assert time.monotonic() - started < 20
    assert any("more ways than" in what for what in told)


def test_views_that_read_a_column_many_times_end():
    base = table("base", "dbo", id="int!", description="nvarchar(500)")
    names = ["dbo.base", *(f"dbo.v{n}" for n in range(12))]
    views = []
    for n, (of, name) in enumerate(pairwise(names)):
        parts = " UNION ALL ".join(
            f"SELECT id, LEFT(description, {400 + 10 * n + k}) AS description FROM {of}" for k in range(6)
        )
        views.append(code(f"CREATE VIEW {name} AS {parts}", kind="view", name=name, tables=(base,)))
    seen = ITEMS.model_copy(update={"view": True, "name": "v11"})
    facts = Facts(source=Route(views=tuple(reversed(views))), systems=("sqlserver", "sqlserver"))
    started = time.monotonic()
    found = findings(task(seen), facts)
    assert time.monotonic() - started < 20
    assert any("more than 64 ways" in each.what for each in found if each.column == "description")


def test_parameters_are_told_by_their_names():
    names = ["@description", "p_description", "_description", "@p_description", "description", "@_description"]
    assert {plain(name) for name in names} == {"description"}
    assert plain("price") == "price"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "sql"),
        ("INSERT", "tsql"),
        ("INSERT INTO (SELECT 1)", "sql"),
        ("DECLARE @", "tsql"),
        ("BEGIN DECLARE CONTINUE = HANDLERFOR; END", "mysql"),
        ("ELSE w = )(v; FOR r IN", "plpgsql"),
        ("MERGE INTO", "tsql"),
        ("SET @a = ", "tsql"),
        ("FETCH INTO", "tsql"),
    ],
)
def test_what_is_no_sql_is_a_gap_and_no_failure(text, language):
    read = body(code(text, language))
    assert read.flows == []


# T-SQL as people write it

HEAD = "CREATE PROCEDURE dbo.save_item @id int, @description nvarchar(4000), @note nvarchar(max) AS "
IN = "INSERT INTO dbo.items (id, description, note) VALUES (@id, {}, @note)"
NARROW = (
    "INSERT INTO dbo.narrow (d) VALUES (@description); INSERT INTO dbo.items (description) SELECT d FROM dbo.narrow"
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # ISNULL has the type of its first value.
        ("DECLARE @v nvarchar(10) = N'x' " + IN.format("ISNULL(@v, @description)"), {"blocks"}),
        (IN.format("ISNULL(N'', @description)"), {"blocks"}),
        (IN.format("ISNULL(dbo.made(), @description)"), {"unknown"}),
        (IN.format("ISNULL(@description, N'')"), set()),
        (IN.format("COALESCE(@description, N'')"), set()),
        # What is joined has 8,000 bytes at most, unless a part of it has no limit.
        ("DECLARE @v nvarchar(max) = @description + N'.' " + IN.format("@v"), {"blocks"}),
        ("DECLARE @n nvarchar(max) = @description; DECLARE @v nvarchar(max) = @n + N'.' " + IN.format("@v"),
         {"warns"}),
        ("DECLARE @n nvarchar(3990) = N''; DECLARE @v nvarchar(max) = @n + N'.' " + IN.format("@v"), {"unknown"}),
        # What columns refuse they cut without warnings; and a refusal may be caught.
        (NARROW, {"warns"}),
        (f"SET ANSI_WARNINGS OFF; {NARROW}", {"blocks"}),
        (f"SET ANSI_WARNINGS ON; {NARROW}", {"warns"}),
        (f"BEGIN TRY {NARROW} END TRY BEGIN CATCH PRINT ERROR_MESSAGE() END CATCH", {"blocks"}),
        (f"BEGIN TRY {NARROW} END TRY BEGIN CATCH IF @@TRANCOUNT > 0 ROLLBACK; THROW; END CATCH", {"warns"}),
        (f"BEGIN TRY {NARROW} END TRY BEGIN CATCH RAISERROR('no', 16, 1) END CATCH", {"warns"}),
        (f"BEGIN TRY PRINT 1 END TRY BEGIN CATCH PRINT 2 END CATCH {NARROW}", {"warns"}),
        # Statements around, and what sqlglot does not read.
        ("IF @id = 1 GOTO done " + IN.format("@description") + " done: RETURN", set()),
        (IN.format("@description") + " UPDATE STATISTICS dbo.items", set()),
        ("DISABLE TRIGGER ALL ON dbo.items; " + IN.format("@description"), set()),
        ("INSERT INTO dbo.items WITH (TABLOCK) (id, description) VALUES (@id, @description)", set()),
        ("UPDATE TOP (1) dbo.items SET description = LEFT(@description, 5)", {"blocks"}),
        ("UPDATE dbo.items SET description = LEFT(@description, 5) WHERE CURRENT OF c", {"blocks"}),
        (("CREATE TABLE #t (id int, d nvarchar(max), PRIMARY KEY (id)); INSERT #t VALUES (@id, @description); "
         "INSERT INTO dbo.items (id, description) SELECT id, LEFT(d, 9) FROM #t"), {"blocks"}),
        # It goes nowhere; a key may be only looked for.
        ("UPDATE dbo.items SET description = @description WHERE id = @id AND note = @note", set()),
        ("INSERT INTO dbo.items (id, description) VALUES (@id, N'')", {"unknown"}),
        ("IF dbo.saved(@id, @description) = 0 PRINT 1", {"unknown"}),
    ],
)  # fmt: skip
def test_tsql_as_people_write_it(text, found):
    narrow = table("narrow", "dbo", d="nvarchar(100)")
    told = through(code(HEAD + text, tables=(ITEMS, narrow), within="dbo"))
    assert {each.level for each in told if each.column in ("description", "")} == found


def test_what_other_libraries_say_is_not_shown():
    ((_, said),) = gaps("BEGIN UPDATE items SET (a, b) = (1, 2, 3); END", "plpgsql")
    assert said == (
        "has a statement that is not read (it sets 2 columns to 3 values): UPDATE items SET (a, b) = (1, 2, 3)"
    )
    ((_, said),) = gaps("BEGIN SELECT FROM WHERE; END", "plpgsql")
    assert said == "has a statement that is not read: SELECT FROM WHERE"
    assert gaps("SELECT 'open", "tsql") == [(0, "cannot be cut into statements")]


def test_long_expressions_are_shortened():
    long = " ".join(f"WHEN {n} THEN N'a'" for n in range(99))
    text = HEAD + IN.format(f"LEFT(dbo.made(CASE @id {long} ELSE @description END), 3)")
    for each in through(code(text)):
        if each.column == "description":
            assert len(each.what) < 300
            assert len(each.fix) < 300


# Findings


def test_the_story_a_parameter_cuts_a_description_and_the_plan_says_which():
    found = through(code(SAVE))
    assert levels(found) == [("blocks", "cuts", "@description"), ("blocks", "characters", "@description")]
    assert found[0].what == (
        "parameter '@description' varchar(255) of 'dbo.save_item': string(4000) can be longer than string(255)"
    )
    assert found[0].fix == "Declare the parameter '@description' of 'dbo.save_item' as nvarchar(4000)."
    assert "without a word" in found[0].how
    assert levels(found, "note") == []  # nvarchar(max) all along
    facts = Facts(through=((code(SAVE),),), systems=("sqlserver", "sqlserver"))
    move = Move(source="a", target="b")
    stopped = checked(move, task(), facts)
    assert stopped.problem.startswith("'description' would be changed unnoticed (and 1 more): parameter '@description'")
    assert stopped.fix.endswith("Or accept it by name: description:cuts, description:characters.")
    for accept in (("cuts", "characters"), ("description:*",), ("dbo.items.description:cuts", "characters")):
        taken = checked(move.model_copy(update={"accept": accept}), task(), facts)
        assert taken.problem == ""
        assert {each.accepted for each in taken.findings if each.level == "blocks"} == {True}
    assert checked(move.model_copy(update={"accept": ("cuts",)}), task(), facts).problem != ""


def test_a_plan_with_findings_is_plain_data():
    made = checked(Move(source="a", target="b"), task(), Facts(through=((code(SAVE),),), systems=("sqlserver",) * 2))
    assert Task.model_validate_json(made.model_dump_json()) == made
    place = made.findings[0].at
    assert place is not None
    assert (place.characters, place.bytes, place.charset, place.fact) == (255, 255, "codepage", "catalogue")


def test_a_chain_names_every_place():
    facts = Facts(through=((code(SAVE),),), systems=("sqlserver", "sqlserver"))
    column = ITEMS.columns[1]
    read = ways(task(), column, facts, bodies([code(SAVE)]))
    assert [[(place.kind, place.native) for place in way] for way in read.ways] == [[
        ("source column", "nvarchar(4000)"), ("parameter", "varchar(255)"), ("stage column", "nvarchar(4000)"),
        ("target column", "nvarchar(4000)"),
    ]]  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "place", "size"),
    [
        ("DECLARE @v nvarchar(100) = @description", "@v", "string(100)"),
        ("DECLARE @v nvarchar = @description", "@v", "string(1)"),  # one character where nothing is declared
        ("DECLARE @v nvarchar(max) = CAST(@description AS nvarchar)", "CAST(@description AS NVARCHAR)", "string(30)"),
        (
            "DECLARE @v nvarchar(max) SET @v = SUBSTRING(@description, 1, 80)",
            "SUBSTRING(@description, 1, 80)",
            "string(80)",
        ),
        ("DECLARE @v sysname = @description", "@v", "string(128)"),
    ],
)
def test_tsql_cuts_without_a_word(declared, place, size):
    text = f"""CREATE PROC p @description nvarchar(max) AS {declared}
      INSERT INTO dbo.items (description) VALUES (@v)"""
    (found,) = [each for each in through(code(text)) if each.column == "description"]
    assert (found.level, found.kind) == ("blocks", "cuts")
    assert found.at is not None
    assert (found.at.name, str(found.at.type)) == (place, size)


def test_a_column_of_sql_server_refuses_what_a_variable_cuts():
    stage = table("stage", "dbo", description="nvarchar(100)")
    text = "CREATE PROC p @description nvarchar(max) AS INSERT dbo.stage (description) VALUES (@description)"
    assert levels(through(code(text, tables=(stage,)))) == [("warns", "cuts", "dbo.stage.description")]


def test_a_narrow_place_is_told_once_and_wide_ones_behind_it_are_not():
    text = """CREATE PROC p @description nvarchar(500) AS DECLARE @v nvarchar(100) = @description, @w nvarchar(200)
      SET @w = @v INSERT dbo.items (description) VALUES (@w)"""
    assert levels(through(code(text))) == [("blocks", "cuts", "@description"), ("blocks", "cuts", "@v")]


def test_values_that_grow_are_judged_as_long_ones():
    text = """CREATE PROC p @description nvarchar(max) AS DECLARE @v nvarchar(4000) = N'Re: ' + @description
      INSERT dbo.items (description) VALUES (@v)"""
    assert levels(through(code(text))) == [("blocks", "cuts", "@v")]


def test_what_is_joined_is_counted():
    text = """CREATE PROC p @description nvarchar(100) AS DECLARE @v nvarchar({size}) = N'Re: ' + @description + '!'
      INSERT dbo.items (description) VALUES (@v)"""
    told = [levels(through(code(text.format(size=size)))) for size in (105, 104)]
    assert told == [
        [("blocks", "cuts", "@description")],
        [("blocks", "cuts", "@description"), ("blocks", "cuts", "@v")],
    ]


def test_a_replaced_character_makes_nothing_longer():
    text = """CREATE PROC p @description nvarchar(4000) AS
      DECLARE @v nvarchar(4000) = REPLACE(@description, CHAR(13), ' ')
      INSERT dbo.items (description) VALUES (@v)"""
    assert levels(through(code(text))) == []


def test_an_unknown_function_is_not_taken_for_harmless():
    text = "CREATE PROC p @description nvarchar(max) AS INSERT dbo.items (description) VALUES (dbo.clean(@description))"
    (found,) = [each for each in through(code(text)) if each.column == "description"]
    assert found.level == "unknown"
    assert "dbo.clean(@description)" in found.what


def test_columns_that_are_not_seen_are_unknown():
    found = through(
        code("CREATE PROC p @description nvarchar(max) AS INSERT dbo.items (description) VALUES (@description)")
    )
    assert levels(found, "description") == []
    assert levels(found, "price") == [("unknown", "unknown", "")]


def test_a_parameter_of_another_column_is_not_this_ones():
    text = """CREATE PROC p @description nvarchar(max), @note nvarchar(10) AS
      INSERT dbo.items (description) VALUES (ISNULL(@description, @note))"""
    assert levels(through(code(text))) == []


def test_what_was_observed_and_fits_is_a_note_with_its_date():
    seen = Observed(column="description", max_characters=255, max_bytes=300, date=dt.date(2026, 11, 20))
    found = {each.kind: each for each in through(code(SAVE), observed=seen)}
    assert found["cuts"].level == "notes"
    assert found["cuts"].how.endswith("what was observed on 2026-11-20 fits")
    assert found["characters"].level == "blocks"
    longer = through(code(SAVE), observed=seen.model_copy(update={"max_characters": 256}))
    assert [each.level for each in longer if each.kind == "cuts"] == ["blocks"]


def test_observed_digits():
    text = "CREATE PROC p @price decimal(9,2) AS INSERT dbo.items (price) VALUES (@price)"
    assert levels(through(code(text)), "price") == [("blocks", "rounds", "@price"), ("warns", "narrows", "@price")]
    seen = Observed(column="price", max_digits=7, max_scale=2, date=dt.date(2026, 11, 20))
    assert [each[0] for each in levels(through(code(text), observed=seen), "price")] == ["notes", "notes"]
    more = seen.model_copy(update={"max_digits": 8, "max_scale": 3})
    assert [each[0] for each in levels(through(code(text), observed=more), "price")] == ["blocks", "warns"]


@pytest.mark.parametrize(
    ("native", "kinds"),
    [
        ("tinyint", ["rounds", "narrows"]), ("int", ["rounds", "narrows"]), ("bigint", ["rounds"]),
        ("float", ["rounds"]), ("decimal(16,0)", ["rounds"]),
    ],
)  # fmt: skip
def test_decimals_in_whole_numbers(native, kinds):
    text = f"CREATE PROC p @price decimal(18,4) AS DECLARE @v {native} = @price INSERT dbo.items (price) VALUES (@v)"
    assert [kind for _, kind, at in levels(through(code(text)), "price") if at == "@v"] == kinds
    seen = Observed(column="price", max_digits=9, max_scale=0, date=dt.date(2026, 11, 20))
    told = {each[1]: each[0] for each in levels(through(code(text), observed=seen), "price") if each[2] == "@v"}
    assert told.get("narrows") == {"tinyint": "warns", "int": "notes"}.get(native)


def test_views_are_followed_to_their_base_columns():
    base = table("base", "dbo", id="int!", note="nvarchar(500)", price="decimal(18,4)")
    text = "CREATE VIEW dbo.inner_v AS SELECT id, CAST(note AS nvarchar(100)) AS n, price FROM dbo.base WITH (NOLOCK)"
    inner = code(text, kind="view", name="dbo.inner_v", tables=(base,))
    text = "CREATE VIEW dbo.v (id, description, price) AS SELECT v.id, UPPER(v.n), ROUND(price, 1) FROM dbo.inner_v v"
    outer = code(text, kind="view", name="dbo.v", columns=("id", "description", "price"))
    seen = table("v", "dbo", id="int!", description="nvarchar(100)", price="decimal(18,4)").model_copy(
        update={"view": True}
    )
    facts = Facts(source=Route(views=(outer, inner)), systems=("sqlserver", "sqlserver"))
    found = findings(task(seen), facts)
    assert levels(found) == [("blocks", "cuts", "CAST(note AS NVARCHAR(100))")]
    assert levels(found, "price") == [("blocks", "rounds", "ROUND(price, 1)")]
    assert levels(found, "id") == []


def test_a_trigger_of_sql_server_is_followed_from_inserted():
    text = """CREATE TRIGGER dbo.cut ON dbo.items AFTER INSERT, UPDATE AS
      UPDATE t SET description = LEFT(i.description, 30) FROM dbo.items t JOIN inserted i ON i.id = t.id"""
    trigger = code(text, kind="trigger", name="dbo.cut")
    facts = Facts(target=Route(triggers=(trigger,)), systems=("sqlserver", "sqlserver"))
    assert levels(findings(task(), facts)) == [("blocks", "cuts", "LEFT(i.description, 30)")]


def test_a_loss_between_the_declared_types_is_not_told_twice():
    short = {"type": parse("string(50)"), "native": "sqlserver:nvarchar(50)"}
    columns = [c.model_copy(update=short) if c.name == "description" else c for c in ITEMS.columns]
    narrow = ITEMS.model_copy(update={"columns": tuple(columns)})
    told = tuple(losses(ITEMS, narrow))
    assert [loss.kind for loss in told] == ["cuts"]
    made = task(ITEMS, narrow, losses=told)
    assert findings(made, Facts(systems=("sqlserver", "sqlserver"))) == []


def test_decimals_that_were_measured_are_as_long_as_they_are():
    bare = Column(name="price", type=parse("decimal"), native="sqlite:decimal", measured=parse("decimal(9,2)"))
    source = Table(name="t", columns=(bare,))
    target = Table(name="t", columns=(bare.model_copy(update={"type": parse("decimal(38,2)"), "measured": None}),))
    assert findings(task(source, target), Facts()) == []
    text = "CREATE PROC p @price decimal(9,1) AS INSERT dbo.t (price) VALUES (@price)"
    facts = Facts(through=((code(text),),))
    assert levels(findings(task(source, target), facts), "price") == [("blocks", "rounds", "@price")]


def remove_sqlglot(monkeypatch):
    """As where the extra is not installed."""
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.split(".")[0] == "sqlglot":
            raise ImportError(name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)


def test_without_sqlglot_it_says_what_to_install(monkeypatch):
    remove_sqlglot(monkeypatch)
    view = code("CREATE VIEW dbo.v AS SELECT 1", kind="view", name="dbo.v")
    facts = Facts(source=Route(views=(view,)), through=((code(SAVE),),), systems=("sqlserver", "sqlserver"))
    found = findings(task(), facts)
    assert {each.level for each in found} == {"unknown"}
    assert {each.fix for each in found} == {"Install what reads code: pip install 'lading[hops]'."}


@pytest.mark.parametrize(
    ("system", "native", "type_", "characters", "bytes_"),
    [
        ("postgres", "varchar(10)", "string(10)", 10, 40),
        ("postgres", "CHAR", "string(1)", 1, 4),
        ("postgres", "name", "string(63 bytes)", 63, 63),
        ("postgres", "numeric(5)", "decimal(5,0)", None, None),
        ("postgres", "timestamp(0) with time zone", "timestamp(0,utc)", None, None),
        ("mysql", "varchar(3) character set utf8mb3", "string(3)", 3, 9),
        ("mysql", "varchar(3) charset latin1", "string(3)", 3, 3),
        ("mysql", "decimal", "decimal(10,0)", None, None),
        ("sqlserver", "nvarchar(20)", "string(20)", 20, 40),
        ("sqlserver", "varchar", "string(1)", 1, 1),
        ("sqlserver", "[decimal] (9, 2)", "decimal(9,2)", None, None),
        ("sqlserver", "datetime2", "timestamp(7)", None, None),
    ],
)
def test_types_as_code_writes_them(system, native, type_, characters, bytes_):
    place = placed(system, native, kind="variable", name="v")
    assert (str(place.type), place.characters, place.bytes) == (type_, characters, bytes_)


def test_a_cast_to_real_is_not_taken_for_one_to_float():
    text = "CREATE PROC p @price decimal(18,4) AS INSERT dbo.items (price) VALUES (CAST(@price AS real))"
    (found,) = [each for each in through(code(text)) if each.column == "price"]
    assert (found.level, "'float or real'" in found.what) == ("unknown", True)


def test_a_type_that_nobody_listed_is_unknown():
    text = "CREATE PROC p @description dbo.long_text AS INSERT dbo.items (description) VALUES (@description)"
    (found,) = [each for each in through(code(text)) if each.column == "description"]
    assert found.level == "unknown"
    assert "'dbo.long_text'" in found.what
