"""Preflights with real accounts: what each look finds, what a release does then, and the story of a new account."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from lading import actions, actions_releases, releasing
from lading.actions_releases import Wanted
from lading.errors import SpecError
from lading.preflight.report import Finding, Report, report
from lading.releases import Release
from tests.journeys.shell import Ended, lading
from tests.servers import Postgres

REPORT = """\
SELECT territory, sum(amount) AS total
FROM sales.orders
WHERE loaded_by = 'OLD'
GROUP BY territory
"""
COLUMNS = "id int PRIMARY KEY, territory varchar({}), amount numeric(10,2), loaded_by text"
STEPS = """\
steps:
  - {key: orders, from: NAME, to: wh, tables: sales.orders}
  - {key: report, do: sql, at: NAME, file: report.sql, into: reports.territory}
"""


class Company:
    """A database with two accounts, a project that uses it, and a warehouse beside it."""

    def __init__(self, server: Postgres, folder: Path, url: str) -> None:
        self.server, self.folder, self.database = server, folder, url.rpartition("/")[2]
        self.old, self.new = (f"{word}_{secrets.token_hex(3)}" for word in ("svc_reports", "svc_reporting"))
        self.password = secrets.token_hex(8)
        self.sql(
            f"CREATE ROLE {self.old} LOGIN PASSWORD '{self.password}'",
            f"CREATE ROLE {self.new} LOGIN PASSWORD '{self.password}'",
            "CREATE SCHEMA sales", "CREATE SCHEMA reports",
            f"CREATE TABLE sales.orders ({COLUMNS.format(20)})",
            f"INSERT INTO sales.orders SELECT i, 't' || i % 3, i, '{self.old}' FROM generate_series(1, 30) i",
        )  # fmt: skip
        for role in (self.old, self.new):
            self.sql(f"GRANT USAGE ON SCHEMA sales TO {role}", f"GRANT SELECT ON sales.orders TO {role}",
                     f"GRANT USAGE, CREATE ON SCHEMA reports TO {role}")  # fmt: skip
        (folder / "pipelines").mkdir()
        self.connections()
        self.pipeline("crm")
        self.write("report.sql", REPORT.replace("OLD", self.old))

    def sql(self, *statements: str) -> None:
        for each in statements:
            self.server.execute(each, self.database)

    def views(self, *rows: str) -> None:
        """From now on each account sees the orders of the territories that a table allows it."""
        self.sql(
            "ALTER TABLE sales.orders RENAME TO all_orders",
            "CREATE TABLE sales.allowed (account text, territory text)",
            "CREATE VIEW sales.orders AS SELECT * FROM sales.all_orders o WHERE EXISTS "
            "(SELECT FROM sales.allowed a WHERE a.account = current_user AND a.territory = o.territory)",
            f"GRANT SELECT ON sales.orders TO {self.old}, {self.new}",
            f"INSERT INTO sales.allowed SELECT '{self.old}', 't' || i FROM generate_series(0, 2) i", *rows,
        )  # fmt: skip

    def query(self, sql: str):
        return self.server.execute(sql, self.database)

    def connections(self, crm: str = "") -> None:
        """`crm` is the account of the connection of that name."""
        url = f"postgresql://{{}}:{quote(self.password)}@127.0.0.1:{self.server.port}/{self.database}"
        named = {"crm": crm or self.old, "crm_old": self.old, "crm_new": self.new}
        lines = "".join(f"  {name}: {url.format(user)}\n" for name, user in named.items())
        (self.folder / "connections.yaml").write_text(
            f"connections:\n{lines}  wh: duckdb:///wh.duckdb\n", encoding="utf-8"
        )

    def pipeline(self, name: str, text: str = STEPS) -> None:
        self.write("nightly.yaml", text.replace("NAME", name))

    def write(self, name: str, text: str) -> None:
        (self.folder / "pipelines" / name).write_text(text, encoding="utf-8")

    def look(self, *accept: str, seconds: float = 10, **old: str) -> Report:
        return actions_releases.preflight("nightly", None, Wanted(accept, old, seconds))

    def __call__(self, *words: str, code: int = 0) -> Ended:
        ended = lading(*words, cwd=self.folder, env={"COLUMNS": "110", "NO_COLOR": "1"})
        assert ended.code == code, (ended.out, ended.err)
        assert self.password not in ended.out + ended.err
        return ended


@pytest.fixture
def company(postgres: Postgres, pg_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    monkeypatch.chdir(tmp_path)
    made = Company(postgres, tmp_path, pg_database)
    yield made
    postgres.drop_database(made.database)
    for role in (made.old, made.new):
        postgres.execute(f"DROP ROLE {role}")


def of(found: Report, look: str) -> list[Finding]:
    return [each for each in found.findings if each.look == look]


def test_what_nothing_finds_cannot_be_accepted(company):
    company("preflight", "nightly", "--accept", "report:litera*", "--accept", "*")
    ended = company("preflight", "nightly", "--accept", "literal", code=2)
    assert "'accept' names 'literal', which nothing finds." in ended.err


def test_nothing_is_wrong_but_a_literal(company):
    """The literal is the account that is used: it works, as long as that stays so."""
    found = company.look()
    assert [(each.look, each.severity, each.what) for each in found.findings] == [
        ("literals", "warns", f"report.sql:3 has the literal '{company.old}', which is the account of 'crm'")
    ]
    assert found.findings[0].evidence == f"WHERE loaded_by = '{company.old}'"
    assert found.counts == {"connections": 2, "tables": 1, "queries": 1, "rights": 4}
    assert found.accounts["crm"].user == company.old
    assert company.query("SELECT count(*) FROM pg_class WHERE relname LIKE 'lading%'") == [(0,)], "nothing is left"


def test_the_story_of_a_new_account(company):
    """A release moves to a new account. A query has the old one's name as a filter, and another right is missing:
    the preflight names both before anything is live. Forced all the same, one command brings the service back."""
    company.views(f"REVOKE CREATE ON SCHEMA reports FROM {company.new}")
    company("release", "nightly")
    first = company("run", "nightly", "--json")
    assert json.loads(first.out)["state"] == "proved"
    company.pipeline("crm_new")
    said = company("release", "nightly", code=1)
    assert "✗ blocked" in said.out
    text = " ".join(said.out.split())
    assert (
        f"blocks: literals: report.sql:3 has the literal '{company.old}', which was the account of 'crm', and now that "
        f"is '{company.new}' WHERE loaded_by = '{company.old}'"
    ) in text
    assert f"blocks: rights: '{company.new}' lacks CREATE ON SCHEMA \"reports\"" in text
    assert f'→ GRANT CREATE ON SCHEMA "reports" TO "{company.new}";' in text
    assert (
        f"blocks: accounts: 'sales.orders' gives '{company.new}' other rows than '{company.old}' "
        f"'{company.old}' sees 30 rows, '{company.new}' sees 0 rows"
    ) in text
    assert f"accounts: the query in report.sql gives '{company.new}' other rows than '{company.old}'" in text
    assert "No release was made. Release 1 of nightly" in text
    assert [each.number for each in actions_releases.released()] == [1]

    forced = company("release", "nightly", "--accept", "literals", "--accept", "rights", "--accept", "*:accounts")
    assert "accepted: literals: report.sql:3" in " ".join(forced.out.split())
    ran = company("run", "nightly", "--json", code=1)
    assert json.loads(ran.out)["state"] == "failed"
    company("rollback", "nightly")
    bill = json.loads(company("run", "nightly", "--json").out)
    assert (bill["state"], bill["release"], bill["tables"][0]["rows"]["target"]) == ("proved", 3, 30)
    assert company.query("SELECT count(*) FROM reports.territory") == [(3,)]
    kept = actions_releases.found("nightly", 2)
    assert {each.look for each in kept.findings if each.accepted} == {"literals", "rights", "accounts"}
    assert company("preflight", "nightly", "--release", "2").out == forced.out.partition("\n\nRelease 2")[0] + "\n"


def test_a_new_password_and_name_of_the_same_connection(company):
    """The account is another in connections.yaml alone: the old one has to be named to be compared."""
    company("release", "nightly")
    company.connections(crm=company.new)
    found = company.look()
    (unknown,) = of(found, "accounts")
    assert unknown.what == (
        f"the account of 'crm' is '{company.new}' and was '{company.old}': their rows were not compared"
    )
    assert unknown.blocks
    (literal,) = of(found, "literals")
    assert (literal.severity, literal.step) == ("blocks", "report")
    found = company.look(crm="crm_old")
    assert of(found, "accounts") == [], "they see the same rows"
    assert found.counts["comparisons"] == 2
    company.views(f"INSERT INTO sales.allowed SELECT '{company.new}', 't' || i FROM generate_series(1, 2) i")
    said = [each.evidence for each in of(company.look(crm="crm_old"), "accounts")]
    assert said == [
        f"'{company.old}' sees 30 rows, '{company.new}' sees 20 rows",
        f"'{company.old}' sees 3 rows, '{company.new}' sees 2 rows",
    ]
    company.sql(
        f"INSERT INTO sales.allowed VALUES ('{company.new}', 't0')", "UPDATE sales.all_orders SET loaded_by = 'x'"
    )
    company.write("report.sql", "SELECT territory, current_user::text AS who FROM sales.orders")
    (other,) = of(company.look(crm="crm_old"), "accounts")
    assert other.evidence == f"'{company.old}' sees 30 rows, '{company.new}' sees 30 rows; the rows are others"
    company.sql(f"ALTER ROLE {company.old} NOLOGIN")
    assert {each.what for each in of(company.look(crm="crm_old"), "accounts")} == {
        "the old account of 'crm' cannot be used to compare"
    }


def test_an_account_that_cannot_get_in(company):
    company.sql(f"ALTER ROLE {company.old} NOLOGIN")
    found = company.look()
    (shut,) = of(found, "opens")
    assert (shut.severity, shut.step, shut.what) == ("blocks", "orders", "'crm' cannot be used")
    assert "is not permitted to log in" in shut.evidence
    assert of(found, "queries") == of(found, "rights") == []


@pytest.mark.parametrize(
    ("revoked", "step", "what"),
    [
        ("SELECT ON sales.orders", "orders", 'SELECT ON "sales"."orders"'),
        ("USAGE ON SCHEMA sales", "orders", 'USAGE ON SCHEMA "sales"'),
        ("CREATE ON SCHEMA reports", "report", 'CREATE ON SCHEMA "reports"'),
    ],
)
def test_rights_one_by_one(company, revoked, step, what):
    company.sql(f"REVOKE {revoked} FROM {company.old}")
    found = of(company.look(), "rights")
    assert [(each.step, each.what, each.severity) for each in found] == [
        (step, f"'{company.old}' lacks {what}", "blocks")
    ]
    company.sql(found[0].fix)
    assert of(company.look(), "rights") == []


def test_rights_to_columns_and_to_a_table_of_somebody_else(company):
    company.sql(f"REVOKE SELECT ON sales.orders FROM {company.old}",
                f"GRANT SELECT (id, territory, loaded_by) ON sales.orders TO {company.old}",
                "CREATE TABLE reports.territory (territory varchar(20), total numeric)",
                f"GRANT SELECT, INSERT ON reports.territory TO {company.old}")  # fmt: skip
    found = company.look()
    assert [each.what.partition(" lacks ")[2] for each in of(found, "rights")] == [
        'SELECT ("amount") ON "sales"."orders"', 'DELETE ON "reports"."territory"',
    ]  # fmt: skip
    company.sql(*(each.fix for each in of(found, "rights")))
    assert of(company.look(), "rights") == []


def test_queries(company):
    company.write("report.sql", "SELECT territory, sum(amounts) AS total\nFROM sales.orders GROUP BY territory")
    (wrong,) = of(company.look(), "queries")
    assert (wrong.severity, wrong.step) == ("blocks", "report")
    assert wrong.what == f"the query in report.sql does not run at 'crm' as '{company.old}'"
    assert 'column "amounts" does not exist' in wrong.evidence
    company.write("report.sql", "SELECT pg_sleep(60)::text AS slept")
    (late,) = of(company.look(seconds=0.5), "queries")
    assert (late.severity, late.what) == ("warns", "the query in report.sql took more than 0.5 seconds for 3 rows")
    company.write("report.sql", "SELECT territory FROM sales.orders WHERE id < 0")
    (none,) = of(company.look(), "queries")
    assert (none.severity, none.what) == ("warns", f"the query in report.sql gives no row to '{company.old}'")
    company.write("report.sql", "SELECT territory FROM sales.orders\nWHERE loaded_by = current_user -- 'session_user'")
    (who,) = of(company.look(), "literals")
    assert who.what == "report.sql:2 asks who is connected: its rows depend on the account"
    company.write("report.sql", "SELECT territory FROM sales.orders -- of all years")
    assert of(company.look(), "queries") == []


def test_queries_of_two_accounts(company):
    company.pipeline("crm")
    company.write("report.sql", "SELECT territory FROM sales.orders -- of all years")
    assert of(company.look(crm="crm_new"), "accounts") == []
    company.write("report.sql", "SELECT pg_sleep(30)::text AS slept")
    (late,) = of(company.look(seconds=0.5, crm="crm_new"), "accounts")
    assert late.what == "the query in report.sql cannot be compared"
    assert late.evidence == "It took more than 0.5 seconds."


INPUTS = """\
steps:
  - {key: joined, do: sql, at: wh, into: joined, inputs: {o: NAME.sales.orders}, query: SELECT count(*) AS n FROM o}
  - {key: called, do: python, function: "math:prod", inputs: {orders: NAME.sales.orders}}
"""


def test_inputs_of_two_accounts(company):
    company.pipeline("crm", INPUTS)
    assert of(company.look(crm="crm_new"), "accounts") == []
    company.views(f"INSERT INTO sales.allowed SELECT '{company.new}', 't' || i FROM generate_series(1, 2) i")
    other = f"'sales.orders' gives '{company.old}' other rows than '{company.new}'"
    assert [(each.step, each.what, each.evidence) for each in of(company.look(crm="crm_new"), "accounts")] == [
        (step, other, f"'{company.new}' sees 20 rows, '{company.old}' sees 30 rows") for step in ("joined", "called")
    ]
    with pytest.raises(SpecError) as caught:
        company.look(crm_new="crm_old")
    assert str(caught.value) == (
        "The old account of 'crm_new' is given, and no step of 'nightly' uses that connection. There are: crm, wh."
    )


@pytest.mark.parametrize("renamed", [False, True])
def test_inputs_that_take_another_connection(company, renamed: bool):
    company.views(f"INSERT INTO sales.allowed SELECT '{company.new}', 't' || i FROM generate_series(1, 2) i")
    company.pipeline("crm", INPUTS)
    company("release", "nightly")
    text = INPUTS.replace("count(*) AS n", f"count(*) FILTER (territory <> '{company.old}') AS n")
    company.pipeline("crm_new", text.replace("{orders:", "{all_orders:") if renamed else text)
    found = company.look()
    other = f"'sales.orders' gives '{company.new}' other rows than '{company.old}'"
    assert [(each.step, each.what) for each in of(found, "accounts")] == [("joined", other), ("called", other)]
    (literal,) = of(found, "literals")
    assert literal.what.endswith(f"which was the account of 'crm', and now that is '{company.new}'")
    company.pipeline("crm", text)
    assert of(company.look(), "accounts") == []


def test_what_is_looked_at_is_what_is_released(company, monkeypatch: pytest.MonkeyPatch):
    plain = releasing.drafted

    def drafted(name: str, given: Mapping[str, str] | None = None) -> Release:
        found = plain(name, given)
        company.write("report.sql", "SELECT nothing FROM nowhere")
        return found

    monkeypatch.setattr(releasing, "drafted", drafted)
    made = actions_releases.release("nightly", wanted=Wanted(accept=("literals",)))
    assert made.release is not None
    assert made.report is not None
    assert of(made.report, "queries") == []


def test_no_password_is_in_a_report():
    finding = Finding(look="x", severity="notes", step="s", what="a postgresql://me:secret1@h/d", evidence="b "
                      "postgresql://me:secret2@h/d", fix="c postgresql://me:secret3@h/d")  # fmt: skip
    text = report({}, [finding], ()).model_dump_json()
    assert "secret" not in text
    assert text.count("postgresql://me:***@h/d") == 3


def test_a_query_over_what_an_earlier_step_makes(company):
    sums = "key: sums, do: sql, at: wh, into: sums, query: SELECT sum(amount) AS total FROM sales.orders"
    company.pipeline("crm", STEPS + f"  - {{{sums}}}\n")
    (beside,) = of(company.look(), "order")
    assert (beside.severity, beside.step, beside.fix) == ("warns", "sums", "Write after: [orders] in step 'sums'.")
    needs = "the query in step 'sums' needs 'sales.orders', which 'orders' makes"
    assert beside.what == f"{needs}, and does not wait for it"
    company.pipeline("crm", STEPS + f"  - {{{sums}, after: [orders]}}\n")
    (later,) = of(company.look(), "queries")
    assert (later.severity, later.step) == ("notes", "sums")
    assert later.what == f"{needs} and which is not there yet"
    assert actions.run("nightly").state == "proved"
    assert of(company.look(), "queries") == []


def test_drift_since_the_release_and_since_a_profile(company):
    actions.profile("crm.sales.orders")
    company.sql("ALTER TABLE sales.orders ALTER territory TYPE varchar(30)")
    (drift,) = of(company.look(), "drift")
    assert drift.what == "'crm.sales.orders' has another type in column 'territory'"
    assert "as it was when it was profiled on" in drift.evidence
    company("release", "nightly")
    assert of(company.look(), "drift") == []
    company.sql("ALTER TABLE sales.orders ADD discount numeric(5,2)",
                "ALTER TABLE sales.orders ALTER amount TYPE numeric(12,2)",
                "ALTER TABLE sales.orders DROP COLUMN loaded_by")  # fmt: skip
    found = of(company.look(), "drift")
    assert sorted((each.severity, each.what, each.evidence) for each in found) == [
        ("notes", "'crm.sales.orders' has a new column 'discount'",
         "numeric(5,2); as it was when release 1 was made"),
        ("warns", "'crm.sales.orders' has another type in column 'amount'",
         "numeric(10,2) before, numeric(12,2) now; as it was when release 1 was made"),
        ("warns", "'crm.sales.orders' has no column 'loaded_by' any more",
         "text; as it was when release 1 was made"),
    ]  # fmt: skip


def test_hops(company):
    company.sql(f"CREATE TABLE reports.orders ({COLUMNS.format(5)})",
                f"ALTER TABLE reports.orders OWNER TO {company.old}")  # fmt: skip
    company.pipeline("crm", STEPS.replace("to: wh,", "to: crm, into: reports,"))
    (cut,) = [each for each in of(company.look(), "hops") if each.severity == "blocks"]
    assert (cut.step, cut.what) == ("orders", "'sales.orders' cannot be moved")
    assert "territory" in cut.evidence
    assert "territory:cuts" in cut.fix


def test_what_the_environment_lacks(company, monkeypatch: pytest.MonkeyPatch):
    company.pipeline("crm", STEPS + "  - {key: tell, do: notify, channel: team}\n")
    (lacks,) = of(company.look(), "opens")
    assert (lacks.severity, lacks.what) == ("warns", "the environment variable LADING_CHANNEL_TEAM is not set here")
    monkeypatch.setenv("LADING_CHANNEL_TEAM", "json://localhost")
    assert of(company.look(), "opens") == []


def test_parameters_that_are_an_account(company):
    """To give the name as a parameter only hides it: its value is looked at as a literal is."""
    named = f"{{default: {company.old}}}"
    declared = f"params: {{who: {named}, other: {named}, n: {{type: whole, default: 1}}}}\n"
    company.pipeline("crm", declared + STEPS)
    company.write("report.sql", "SELECT territory FROM sales.orders\nWHERE loaded_by = :who AND id > :n -- :other")
    said = f"report.sql:2 has the parameter ':who', whose value '{company.old}'"
    (now,) = of(company.look(), "literals")
    assert (now.severity, now.step, now.what) == ("warns", "report", f"{said} is the account of 'crm'")
    assert now.evidence == "WHERE loaded_by = :who AND id > :n -- :other"
    assert now.fix == "Filter by a value that does not change with the connection."
    (given,) = of(actions_releases.preflight("nightly", {"who": "somebody"}), "literals")
    assert given.what == now.what, "what a run of the schedule takes is looked at whatever is given here"
    both = [each.what for each in of(actions_releases.preflight("nightly", {"who": company.database}), "literals")]
    assert both == [
        now.what,
        f"report.sql:2 has the parameter ':who', whose value '{company.database}' is the database of 'crm'",
    ]
    company("release", "nightly")
    company.pipeline("crm_new", declared + STEPS)
    (then,) = of(company.look(), "literals")
    assert (then.severity, then.what) == ("blocks", f"{said} was the account of 'crm', and now that is '{company.new}'")


@pytest.mark.parametrize("tag", ["", "q"])
def test_texts_between_dollars(company, tag: str):
    company.write("report.sql", f"SELECT territory\nFROM sales.orders WHERE loaded_by = ${tag}${company.old}${tag}$")
    (found,) = of(company.look(), "literals")
    assert found.what == f"report.sql:2 has the literal '{company.old}', which is the account of 'crm'"
    company.write("report.sql", "SELECT territory FROM sales.orders WHERE loaded_by <> $$current_user$$")
    assert of(company.look(), "literals") == []


@pytest.mark.parametrize(
    ("literal", "severity"), [("{host}", "warns"), ("{database}", "warns"), ("CORP\\{account}%", "warns"), ("t1", "")]
)  # fmt: skip
def test_literals(company, literal: str, severity: str, place: Callable[[str], str]):
    word = literal.format(host="127.0.0.1", database=company.database.upper(), account=company.old)
    company.write("report.sql", f"-- '{company.old}'\nSELECT territory FROM sales.orders WHERE territory <> '{word}'")
    found = [each.severity for each in of(company.look(), "literals")]
    assert found == ([severity] if severity else [])
