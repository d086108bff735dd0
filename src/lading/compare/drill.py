"""Finds the rows that differ among those of the dirty buckets: joins them in DuckDB, on disk where they are many."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lading.canon import canonical, short_numbers
from lading.compare import few
from lading.compare.asked import Asked
from lading.compare.bringing import Brought, Mask, narrows
from lading.compare.disk import Disk
from lading.compare.floats import FORMS, forms
from lading.compare.half import Half, Take
from lading.compare.marks import Mark, comparisons
from lading.compare.outcome import Difference, State
from lading.types import Type
from lading.values import texts

LONG = 2_000
"""Characters from which on a text is shown by its beginning, its length and its hash."""
WIDE = 100
"""Columns that are joined at a time: DuckDB holds some thousand rows of each of them in memory."""
_CUT = r"characters, sha256 [0-9a-f]{64}\)$"
"""How a text ends that is shown so."""
_WAS_CUT = re.compile(f"(?s).*{_CUT}")
POLICIES = {
    "nfc": partial(pc.utf8_normalize, form="NFC"), "case": pc.utf8_lower,
    "accents": lambda texts: pc.replace_substring_regex(pc.utf8_normalize(texts, "NFD"), r"\p{Mn}+", ""),
    "blanks": partial(pc.utf8_rtrim, characters=" "),
}  # fmt: skip
"""Under which texts may be equal although they differ."""


def plain(each: Brought, type_: Type, raw: Type) -> pa.Array:
    """The text of each value, which is not long; equal values have one text."""
    return _cut(_whole(each, type_, raw))


def _whole(each: Brought, type_: Type, raw: Type) -> pa.Array:
    found = (canonical if type_.kind in ("json", "list") else texts)(each.array, type_)
    if type_.kind == "float":
        found = pc.if_else(pc.equal(found, "-0"), "0", found)
    elif type_.kind == "decimal" and type_.size is None:
        found = short_numbers(found)
    if each.unfit is not None and each.unfit.any():
        said = pc.binary_join_element_wise(few.UNFIT, texts(each.raw, raw), "")
        found = pc.if_else(pa.array(each.unfit), said, found)
    return found


def _cut(found: pa.Array) -> pa.Array:
    # A text that looks like one that was cut must not equal it: it is cut too.
    long = pc.or_(pc.greater(pc.binary_length(found), LONG), pc.match_substring_regex(found, _CUT))
    long = pc.fill_null(long, False)
    if pc.any(long).as_py():
        pairs = zip(found.to_pylist(), long.to_pylist(), strict=True)
        found = pa.array([_short(text) if cut else text for text, cut in pairs], pa.string())
    return found


def _short(text: str) -> str:
    return f"{text[:80]}... ({len(text):,} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()})"


class Drill:
    """Rows of dirty buckets on both sides. `takes` are those of the left and of the right whose digests were compared;
    `others` bring the values the other way, which is as good."""

    def __init__(
        self,
        folder: Path,
        takes: tuple[Take, Take],
        key: Sequence[str],
        others: tuple[Take | None, Take | None],
        asked: Asked,
        mark: Mark | None,
    ) -> None:
        self.folder, self.takes, self.others = folder, takes, others
        self.pairs = takes[0].pairs
        self.keyed = bool(key)
        names = [pair.name for pair in self.pairs]
        self.marked = names.index(mark.column) if mark and mark.column in names else None
        self.told = [names.index(name) for name in key] if key else list(range(len(names)))
        both = ((n, right) for n in range(len(names)) for right in (False, True))
        self.formed = {n: right for n, right in both if others[right] and narrows(self.pairs[n], right)}
        self.key = [n for n in self.told if key or n not in self.formed]
        self.values = [place for place in range(len(names)) if place not in self.key]
        self.forms = {n: self._forms(n) for n in self.values if n in self.formed}
        types = {n: self.pairs[n].type for n in self.values if asked.policies}
        self.policed = [n for n, type_ in types.items() if type_ and type_.kind == "string"]
        self.policies = [POLICIES[name] for name in asked.policies]
        self.columns = tuple(self._columns(right) for right in (False, True))
        self._held: tuple[list[pa.RecordBatch], list[pa.RecordBatch]] = ([], [])
        self._rows = self._bytes = 0
        self._few: list[few.Row] | None = None
        self._db: Disk | None = None

    @property
    def db(self) -> Disk:
        """Where the rows are joined when they are not few."""
        if self._db is None:
            self._db = Disk(self.folder)
            for side, columns in zip("lr", self.columns, strict=True):
                self._db.execute(f"CREATE TABLE {side} ({', '.join(f'{name} VARCHAR' for name in columns)})")
        return self._db

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def add(self, half: Half, dirty: Mask) -> None:
        """Takes in one side's rows."""
        right = half.takes[0].right
        take = self.takes[right]
        for batch in half.again():
            rows, brought = take.picked(batch, dirty)
            if not rows.num_rows:
                continue
            arrays = [self._text(each, place, right) for place, each in enumerate(brought)]
            arrays += [self._own(brought[place], place, right) for place in self._shown(right)]
            arrays += [self._alike(brought[place], place, right) for place in self.policed]
            for place in self._formed(right):
                arrays += self._others(rows, brought[place], place)
            self._hold(pa.record_batch(arrays, names=self.columns[right]), right)

    def _columns(self, right: bool) -> list[str]:
        """The columns of a side's texts: c0.. as they are compared; k0.. as they are, where that is needed and not
        the same; n0.. what policies make of them, NULL where that is the same; of the side that has any a0_0.. the
        other forms that are as good, and f0.. the first one, NULL where the value has been counted already."""
        names = [f"c{place}" for place in range(len(self.pairs))]
        names += [f"k{place}" for place in self._shown(right)]
        names += [f"n{place}" for place in self.policed]
        return names + [name for place in self._formed(right) for name in (*self.forms[place], f"f{place}")]

    def _formed(self, right: bool) -> list[int]:
        """Places of which a side has other forms."""
        return [place for place in self.forms if self.formed[place] == right]

    def _shown(self, right: bool) -> list[int]:
        """Places whose values are needed as they are: of the key, to be shown, and the left's of a mark."""
        also = [] if right or self.marked is None or self.marked in self.told else [self.marked]
        return [place for place in (*self.told, *also) if self.pairs[place].alters(right)]

    def _forms(self, place: int) -> list[str]:
        """The names of the other forms of a value."""
        left, type_ = self.pairs[place].left.type, self.pairs[place].type
        count = 1 + FORMS if (left.kind, type_ and type_.kind) == ("float", "decimal") else 1
        return [f"a{place}_{n}" for n in range(count)]

    def _others(self, rows: pa.RecordBatch, used: Brought, place: int) -> list[pa.Array]:
        left, type_, right = self.pairs[place].left.type, self.pairs[place].type or Type("string"), self.formed[place]
        other, take = self.others[right], self.takes[right]
        again = (other or take).one(rows, place)
        found = [self._text(again, place, right)]
        if left.kind == "float" and type_.kind == "decimal":
            found += [pc.coalesce(each, found[0]) for each in forms(used.raw, left, type_)]
        first = again if take.other else used
        said = found[0] if take.other else self._text(used, place, right)
        counted = first.moved
        if counted is None:  # the narrowing changed what has two forms, if it is no float in a float
            counted = first.fit if type_.kind != "float" else np.zeros(len(said), np.bool_)
        return [*found, pc.if_else(pa.array(counted), pa.scalar(None, pa.string()), said)]

    def _hold(self, batch: pa.RecordBatch, right: bool) -> None:
        """Few rows of each batch differ, and a statement a batch would cost more than they."""
        self._held[right].append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows > few.ROWS or self._bytes > few.BYTES:
            self._pour()

    def _pour(self) -> None:
        """Puts what is held into the tables."""
        for side, held in zip("lr", self._held, strict=True):
            if held:
                self.db.pour(side, pa.Table.from_batches(held))
                held.clear()
        self._rows = self._bytes = 0

    def _text(self, each: Brought, place: int, right: bool) -> pa.Array:
        pair = self.pairs[place]
        return plain(each, pair.type or Type("string"), (pair.right if right else pair.left).type)

    def _alike(self, each: Brought, place: int, right: bool) -> pa.Array:
        pair = self.pairs[place]
        said = _whole(each, pair.type or Type("string"), (pair.right if right else pair.left).type)
        found = said
        for policy in self.policies:
            found = policy(found)
        return _cut(pc.if_else(pc.equal(found, said), pa.scalar(None, pa.string()), found))

    def _own(self, each: Brought, place: int, right: bool) -> pa.Array:
        type_ = (self.pairs[place].right if right else self.pairs[place].left).type
        return plain(Brought(each.raw, each.raw), type_, type_)

    def join(self) -> None:
        """Makes the table of differing rows: l0.., r0.., the keys as they are, and, per column that is not part of the
        key, whether it differs (d0..), whether only a policy makes it equal (p0..) and what is to be added to the count
        of its narrowed values (o0..)."""
        if self._db is None and self.keyed and not self.policies:
            values = {n: (self._sides(n), self.forms.get(n, [])) for n in self.values}
            self._few = few.joined(self._held, self.key, values)
        if self._few is None:
            self._pour()
            self._join()

    def _sides(self, place: int) -> tuple[str, str]:
        """The side that has other forms, if one has, and then the other."""
        return ("r", "l") if self.formed.get(place) else ("l", "r")

    def _join(self) -> None:
        doubled = not self.keyed or any(self._doubled(side) for side in "lr")
        if not doubled and len(self.values) > WIDE:
            self.values = list(self._unlike())
        left, right = ("l", "r") if not doubled else (self._numbered("l", "r"), self._numbered("r", "l"))
        turns = ["l.turn = r.turn"] if doubled else []
        on = " AND ".join([*(f"l.c{n} IS NOT DISTINCT FROM r.c{n}" for n in self.key), *turns])
        both = "l.here AND r.here"
        flags = []
        for n in self.values:
            own, other = self._sides(n)
            names = (f"c{n}", *self.forms.get(n, ()))
            differs = " AND ".join(f"{own}.{name} IS DISTINCT FROM {other}.c{n}" for name in names)
            like = self._like(n)
            flags.append(f"coalesce({both} AND {differs} AND NOT ({like}), false) AS d{n}")
            flags.append(f"coalesce({both} AND {differs} AND ({like}), false) AS p{n}")
            if n in self.forms:
                now = f"({both} AND NOT ({differs}) AND {other}.c{n} IS DISTINCT FROM {own}.f{n})"
                unfit = f"starts_with({own}.c{n}, chr({ord(few.UNFIT)}))"
                before = f"({own}.c{n} IS DISTINCT FROM {own}.f{n} AND NOT {unfit})"
                delta = f"coalesce({now}, false)::INT - {before}::INT"
                flags.append(f"CASE WHEN {own}.f{n} IS NULL THEN 0 ELSE {delta} END AS o{n}")
        needed = {*self.told, *self.key, *self.values} | ({self.marked} if self.marked is not None else set())
        columns = [f"l.c{n} AS l{n}, r.c{n} AS r{n}" for n in needed]
        columns += [f"{side}.k{n} AS {side}k{n}" for right, side in enumerate("lr") for n in self._shown(bool(right))]
        select = ", ".join(["coalesce(l.here, false) AS hl, coalesce(r.here, false) AS hr", *columns, *flags])
        joined = f"(SELECT *, true AS here FROM {left}) l FULL JOIN (SELECT *, true AS here FROM {right}) r ON {on}"
        some = " OR ".join(["NOT hl", "NOT hr", *(f"d{n} OR p{n}" for n in self.values)])
        some += "".join(f" OR o{n} <> 0" for n in self.forms)
        self.db.execute(f"CREATE TABLE found AS SELECT * FROM (SELECT {select} FROM {joined}) WHERE {some}")
        if not self.keyed and self.values:
            self._part()
        if self.keyed and doubled:
            self._mark_doubled()

    def _unlike(self) -> Iterator[int]:
        """The values that differ in rows of both sides, or have other forms: a join of all may not fit the memory."""
        on = " AND ".join(f"l.c{n} IS NOT DISTINCT FROM r.c{n}" for n in self.key)
        for at in range(0, len(self.values), WIDE):
            some = self.values[at : at + WIDE]
            flags = ", ".join(f"coalesce(bool_or(l.c{n} IS DISTINCT FROM r.c{n}), false)" for n in some)
            found = self.db.query(f"SELECT {flags} FROM l JOIN r ON {on}")[0]
            yield from (n for n, differs in zip(some, found, strict=True) if differs or n in self.forms)

    def _mark_doubled(self) -> None:
        """Says of the rows that differ whether a side has their key more than once."""
        names = ", ".join(f"c{n}" for n in self.key)
        twice = " UNION ".join(f"SELECT {names} FROM {side} GROUP BY {names} HAVING count(*) > 1" for side in "lr")
        own = (f"twice.c{n} IS NOT DISTINCT FROM CASE WHEN hl THEN l{n} ELSE r{n} END" for n in self.key)
        self.db.execute("ALTER TABLE found ADD COLUMN doubled BOOLEAN DEFAULT false")
        self.db.execute(f"UPDATE found SET doubled = true FROM ({twice}) twice WHERE {' AND '.join(own)}")

    def _part(self) -> None:
        """Rows without a key that differ are rows of one side only."""
        differ = "hl AND hr AND (" + " OR ".join(f"d{n}" for n in self.values) + ")"
        none = [f"false AS d{n}, 0 AS o{n}" for n in self.values]
        copied = ", ".join(["false AS hl", *none])
        self.db.execute(f"INSERT INTO found SELECT * REPLACE ({copied}) FROM found WHERE {differ}")
        left = ", ".join(["hr = false", *(f"d{n} = false" for n in self.values)])
        self.db.execute(f"UPDATE found SET {left} WHERE {differ}")

    def narrowed(self) -> dict[str, int]:
        """How many values of each column the narrowing changed, or are equal in another form only."""
        found = self.takes[0].narrowed + self.takes[1].narrowed
        places = list(self.forms)
        if self._few is not None:
            sums = [sum(row[f"o{n}"] for row in self._few) for n in places]
        elif places:
            items = ", ".join(f"coalesce(sum(o{n}), 0)::BIGINT" for n in places)
            sums = list(self.db.query(f"SELECT {items} FROM found")[0])
        else:
            sums = []
        found.update({self.pairs[n].name: more for n, more in zip(places, sums, strict=True)})
        return dict(+found)

    def set_aside(self, mark: Mark) -> tuple[int, int]:
        """Takes out the rows that the left has beyond a mark. Returns how many there were, and how many of the others
        that only the left has the next run will read."""
        if self._few is not None:
            self._few = None
            self._pour()
            self._join()
        place = self.marked
        if place is None:
            return 0, 0
        own = f"lk{place}" if place in self._shown(False) else f"l{place}"
        beyond, again = comparisons(own, self.pairs[place].left.type)
        late = f"hl AND {beyond}"
        rows = self.db.query(f"SELECT count(*) FROM found WHERE {late}", [mark.last])[0][0]
        self.db.execute(f"DELETE FROM found WHERE {late}", [mark.last])
        if not mark.again:
            return int(rows), 0
        self.db.execute("ALTER TABLE found ADD COLUMN unsure BOOLEAN DEFAULT false")
        self.db.execute(f"UPDATE found SET unsure = true WHERE NOT hr AND {again}", [mark.again])
        return int(rows), int(self.db.query("SELECT count(*) FROM found WHERE unsure")[0][0])

    def _doubled(self, side: str) -> bool:
        names = ", ".join(f"c{n}" for n in self.key)
        return bool(self.db.query(f"SELECT 1 FROM {side} GROUP BY {names} HAVING count(*) > 1 LIMIT 1"))

    def _numbered(self, side: str, other: str) -> str:
        """The rows of one side that have no equal on the other, numbered within their key."""
        every = ", ".join(f"c{n}" for n in range(len(self.pairs)))
        keys = ", ".join(f"c{n}" for n in self.key) or "1"
        same = " AND ".join(f"a.c{n} IS NOT DISTINCT FROM b.c{n}" for n in range(len(self.pairs)))
        turn = f"row_number() OVER (PARTITION BY {every}) AS twin"
        rest = (
            f"SELECT a.* EXCLUDE (twin) FROM (SELECT *, {turn} FROM {side}) a "
            f"ANTI JOIN (SELECT {every}, {turn} FROM {other}) b ON {same} AND a.twin = b.twin"
        )
        # Other forms of a number are near it.
        terms = [f"try_cast(c{n} AS DOUBLE), c{n}" if n in self.forms else f"c{n}" for n in self.values]
        order = ", ".join(terms) or "1"
        return f"(SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY {order}) AS turn FROM ({rest}))"

    def _like(self, place: int) -> str:
        left, right = (f"coalesce({side}.n{place}, {side}.c{place})" for side in "lr")
        return f"{left} = {right}" if place in self.policed else "false"

    def counts(self) -> dict[str, Any]:
        """Rows that only the left has, only the right, that were changed; and changed rows by column."""
        if self._few is not None:
            return few.counts(self._few, {n: self.pairs[n].name for n in self.values})
        changed = " OR ".join(f"d{n}" for n in self.values) or "false"
        items = ["count(*) FILTER (NOT hr)", "count(*) FILTER (NOT hl)", f"count(*) FILTER ({changed})"]
        items += [f"count(*) FILTER ({mark}{n})" for mark in "dp" for n in self.values]
        one = self.db.query(f"SELECT {', '.join(items)} FROM found")[0]
        names, size = [self.pairs[n].name for n in self.values], len(self.values)
        return {
            "only_left": one[0], "only_right": one[1], "changed": one[2],
            "columns": {name: n for name, n in zip(names, one[3 : 3 + size], strict=True) if n},
            "policy": {name: n for name, n in zip(names, one[3 + size :], strict=True) if n},
        }  # fmt: skip

    def differences(self) -> Iterator[Difference]:
        """Every difference, in the order of the keys' texts."""
        if self._few is not None:
            for each in self._few:
                yield from self._told(each)
            return
        order = ", ".join(f"coalesce(l{n}, r{n})" for n in self.told)
        some = " OR ".join(["NOT hl", "NOT hr", *(f"d{n}" for n in self.values)])
        for row in self.db.each(f"SELECT * FROM found WHERE {some} ORDER BY {order}"):
            yield from self._told(row)

    def _told(self, row: dict[str, Any]) -> Iterator[Difference]:
        side = "l" if row["hl"] else "r"
        key = {self.pairs[n].name: _own(row, side, n) for n in self.told}
        why = self._why(row, key.values())
        if not (row["hl"] and row["hr"]):
            state = State.MOVING if row.get("unsure") else State.SUSPECT
            yield Difference(kind="only_left" if row["hl"] else "only_right", key=key, state=state, why=why)
            return
        for n in (n for n in self.values if row[f"d{n}"]):
            left, right = (self._unmarked(row[f"{side}{n}"], n) for side in "lr")
            yield Difference(kind="changed", key=key, column=self.pairs[n].name, left=left, right=right, why=why)

    def _why(self, row: dict[str, Any], key: Iterable[str | None]) -> str:
        """Why a repair must leave the row alone: by its key it would find another one, or none, or several."""
        if row.get("doubled"):
            return "whose key is not unique"
        if any(text is not None and _WAS_CUT.fullmatch(text) for text in key):
            return f"whose key is longer than {LONG:,} bytes"
        if any(text is None for text in key):
            return "whose key has NULL"
        texts = [n for n in self.told if self.pairs[n].right.type.kind == "string"]
        if row["hl"] and any(_own(row, "l", n) != (_own(row, "r", n) if row["hr"] else row[f"l{n}"]) for n in texts):
            return "whose key is written otherwise in the target"
        return ""

    def _unmarked(self, text: str | None, place: int) -> str | None:
        type_ = self.pairs[place].type
        return text if text is None or (type_ and type_.kind == "string") else text.removeprefix(few.UNFIT)


def _own(row: dict[str, Any], side: str, place: int) -> str | None:
    """A value of the key as a side itself has it. It needs no mark: what has no form in the pair's type has a column of
    its own."""
    found: str | None = row.get(f"{side}k{place}", row[f"{side}{place}"])
    return found
