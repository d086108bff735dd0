"""Bills and plans made by hand, for tests of what people see."""

from datetime import UTC, datetime

from lading.plan import Plan, Task
from lading.prove import Bill, Level, Proof, Rows, State, TableBill
from lading.schema import Column, Loss, Table
from lading.types import parse

ROOT = "4f1c9a7be02d55c1a9d3f0b8e6c74412"
ROUNDS = Loss(
    column="rating", kind="rounds", source="decimal(5,3)", target="decimal(5,2)", what="3 decimals are rounded to 2"
)


NONE = "there are no rows, and the last run had 138"


def proof(**words) -> Proof:
    settled = {"level": Level.ROWS, "snapshot": "one transaction", "source_root": ROOT, "target_root": ROOT}
    return Proof(**{**settled, **words})


def line(table: str, source: int, seconds: float, **words) -> TableBill:
    rejected = words.pop("rejected", 0)
    rows = Rows(source=source, target=words.pop("target", source - rejected), rejected=rejected)
    settled = {"into": table, "state": State.PROVED, "proof": proof(), "bytes": source * 100, "slices": 1}
    return TableBill(table=table, rows=rows, seconds=seconds, **{**settled, **words})


def bill(*tables: TableBill, **words) -> Bill:
    settled = {
        "run": "20261123-061704-9f3a", "pipeline": "nightly", "state": State.PROVED, "source": "sqlite:///legacy.db",
        "target": "duckdb:///warehouse.duckdb", "started": datetime(2026, 11, 23, 6, 17, 4, tzinfo=UTC),
        "seconds": 13.4, "peak_memory": 312_000_000, "cpu_seconds": 9.64, "source_cpu_seconds": 2.1, "version": "0.1.0",
    }  # fmt: skip
    return Bill(tables=tables, **{**settled, **words})


PROVED = bill(line("sales", 1_000_000, 4.1, slices=4), line("clients", 5_000, 0.2))
MIXED = bill(
    line("sales", 1_000_000, 4.1, slices=4, slices_kept=2),
    line("clients", 5_000, 0.05, losses=(ROUNDS,)),
    line("goals", 450, 0.1, rejected=2),
    line("<users>", 0, 0.1, state=State.UNPROVED, proof=proof(reasons=(NONE,))),
    line("<odd> & \"long\" name that goes on for a while", 7, 0.1, state=State.FAILED, proof=None, target=0,
         error="The target's column 'x' is NOT NULL. Allow NULL.", error_kind="spec", into="x.y"),
    state=State.FAILED,
)  # fmt: skip

_RATING = Table(name="clients", key=("id",), rows=5_000, columns=(Column(name="id", type=parse("int(32)")),))
PLAN = Plan(
    pipeline="nightly", source="crm", target="wh", reasons=("one slice at a time",),
    tasks=(
        Task(source=_RATING, target=_RATING, key=("id",)),
        Task(source=_RATING.model_copy(update={"name": "goals"}), target=_RATING, losses=(ROUNDS,),
             problem="'rating' 3 decimals are rounded to 2.", fix="Accept it by name: rating:rounds."),
    ),
)  # fmt: skip
