"""A drop folder in which everything goes wrong that can: each file is loaded once, or in quarantine with its reason."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.journeys.test_receive import HEAD, STEP, Drop

REASONS = {
    "empty": "the file is empty",
    "bare": "the file has no rows",
    "shape": "the file lacks the column 'price'; it has a column 'cost', which is not expected",
    "value": (
        "line 2: column 'id' holds 'x', which is not int(64). Correct the value, or the column's type in 'columns'."
    ),
}


class Flood:
    """Files of every kind, in waves; it remembers what must become of each."""

    def __init__(self, drop: Drop) -> None:
        self.drop, self.rng, self.next = drop, random.Random(5), 0
        self.rows: list[int] = []
        self.states: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.good: list[Path] = []
        self.half: dict[Path, str] = {}

    def text(self, count: int) -> str:
        ids = range(self.next, self.next + count)
        self.next += count
        self.rows += ids
        self.states["loaded"] += 1
        return HEAD + "".join(f"{each},2026-02-28,{each % 1000}.50\n" for each in ids)

    def wave(self, number: int, count: int) -> None:
        for path, rest in self.half.items():  # those of the wave before are whole now
            with path.open("a", encoding="utf-8") as file:
                file.write(rest)
        self.half, sent = {}, list(self.good)
        kinds = ["good"] * 80 + ["half"] * 5 + ["resent"] * 3 + ["twin"] * 5 + [*REASONS] + ["misnamed"] * 3
        for place in range(count):
            path = self.drop.drop / f"prices-{number}-{place:05d}.csv"
            kind = self.rng.choice(kinds)
            if kind in ("resent", "twin") and not sent:
                kind = "good"
            if kind in ("good", "resent"):
                path = self.drop.drop / sent.pop().name if kind == "resent" else path
                path.write_text(self.text(self.rng.randrange(1, 4)), encoding="utf-8")
                self.good.append(path)
            elif kind == "half":
                text = self.text(2)
                path.write_text(text[:-15], encoding="utf-8")
                self.half[path] = text[-15:]
            elif kind == "twin":
                path.write_bytes(self.content(sent[-1].name))
                self.states["ignored"] += 1
            else:
                self.wrong(kind, path)

    def content(self, name: str) -> bytes:
        """What was loaded under a name, whatever came under it since: the last in the archive."""
        return sorted((self.drop.drop / "_archive").glob(f"*-{name}"))[-1].read_bytes()

    def wrong(self, kind: str, path: Path) -> None:
        self.next += 1
        texts = {
            "empty": "", "bare": HEAD + "\n" * (self.next % 3), "shape": f"id,day,cost\n{self.next},2026-02-28,1\n",
            "value": f"{HEAD}x,2026-02-28,{self.next}\n", "misnamed": f"{HEAD}{self.next},2026-02-28,1.00\n",
        }  # fmt: skip
        path = path.with_name(path.name.replace("prices-", "price-")) if kind == "misnamed" else path
        path.write_text(texts[kind], encoding="utf-8")
        self.states["quarantined"] += 1
        self.reasons[REASONS.get(kind, "no pipeline expects a file of this name here; 'prices-*' is expected")] += 1


def flood(drop: Drop, files: int, waves: int) -> None:
    drop.pipeline("misnamed: quarantine", "empty: quarantine", text=STEP)
    flood = Flood(drop)
    for number in range(waves):
        flood.wave(number, files // waves)
        drop.everything(flood.half)
    flood.wave(waves, 0)
    drop.everything(flood.half)
    kept = drop.kept("_quarantine")
    reasons = Counter(text.strip() for name, text in kept.items() if name.endswith(".reason.txt"))
    counts, _ = drop.arrived()
    assert counts == dict(flood.states)
    assert sum(counts.values()) == files // waves * waves
    assert reasons == flood.reasons
    assert drop.ids() == sorted(flood.rows)
    assert drop.left() == set()
    assert len(list((drop.drop / "_archive").iterdir())) == flood.states["loaded"] + flood.states["ignored"]


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drop:
    monkeypatch.chdir(tmp_path)
    return Drop(tmp_path)


def test_a_thousand_files_of_every_kind(drop):
    flood(drop, 1_000, 4)


@pytest.mark.soak
def test_ten_thousand_files_of_every_kind(drop):
    flood(drop, 10_000, 10)
