"""The page on canonical values: rules, examples out of the case files, and the SQL of every dialect."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

from lading import dialects
from lading.canon import GROUP, SAID, VERSION, canonical
from lading.dialect import Canon, Dialect
from lading.schema import Column
from lading.testing.case import Case, cases
from lading.types import KINDS, Type

_HEAD = f"""# Canonical values

Version `{VERSION}`. Every value of every type has one text, the same in every system, so that rows can be compared
where they are. What no type holds, such as a date of zeros, has a text of its own, and never that of another value.
DuckDB alone writes nine control characters otherwise where they stand in a list of texts, so that rows with them are
read before they are found equal.

## Rows

- NULL is `~`. Text, JSON, lists and UUIDs are written as `LENGTH:TEXT`, with the length in bytes of UTF-8; all
  others, whose alphabet has no `|`, as `TEXT|`. No two rows are written alike.
- Columns come in the order in which they are compared, in groups of {GROUP}. The hash of a row of one group is the
  MD5 of its text; of a wider row, the MD5 of the MD5s of its groups.
- `high` is the number in the first 15 hexadecimal digits of a hash, `low` that in the last 15.
- A row's bucket is `high` of the hash of its key, written in the same way, modulo the number of buckets; without a
  key the whole row is the key. Of each bucket there are kept: the number of rows, the sum of `high` and the sum of
  `low`. Sums keep duplicates, which XOR would hide.

Numbers of all kinds but floats are written alike, so are times and timestamps with up to six digits, and texts of any
length: a value that the other side's type cannot hold is never rounded or cut, and so shows as a difference. A UUID
beside text is a text in lower case, and blanks that a `char(n)` of the right drops stay: what is equal all the same is
counted when such rows are read. Dates become timestamps at midnight, and microseconds nanoseconds where the other side
is such. Columns of other unlike types are not compared in place.
"""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD, *_status(), *(line for kind in KINDS for line in _kind(kind)), *_hashing()])


def _found(what: str) -> dict[str, object]:
    """By dialect, what is called so in its file."""
    modules = (
        importlib.import_module(f"{dialects.__name__}.{m.name}") for m in pkgutil.iter_modules(dialects.__path__)
    )
    return {module.__name__.rpartition(".")[2]: getattr(module, what, None) for module in modules}


def _rules() -> dict[str, Canon]:
    return {name: rules for name, rules in sorted(_found("canon").items()) if isinstance(rules, Canon)}


def _held(dialect: Dialect, type_: Type) -> bool:
    """Whether a system has a type: one of its own means it, or the one that holds its values does."""
    made = dialect.canonical(dialect.native(Column(name="c", type=type_)))
    return made == type_ or any(form == str(type_) for _, form in dialect.types)


def _status() -> Iterator[str]:
    yield from ("## Systems", "", "| Dialect | Rules |", "| --- | --- |")
    for name, rules in _rules().items():
        status = f"verified on {rules.verified}" if rules.verified else "unverified until a server is given; not used"
        yield f"| {name} | {status}{'' if rules.md5 else '; it has no MD5, rows are written and hashed by Lading'} |"
    yield ""


def _kind(kind: str) -> Iterator[str]:
    mine = [case for case in cases() if case.type.kind == kind]
    yield from (f"## {kind}", "", SAID[kind], "", "| Type | Value | Text |", "| --- | --- | --- |")
    for case in mine:
        yield from _examples(case)
    yield from ("", "| Dialect | Type | SQL |", "| --- | --- | --- |")
    known = _found("dialect")
    for name, rules in _rules().items():
        found: dict[str, list[str]] = {}
        for type_ in dict.fromkeys(case.type for case in mine):
            found.setdefault(_shown(rules, known[name], type_), []).append(f"`{type_}`")
        for shown, names in found.items():
            yield _row(name, ", ".join(names), shown)
    yield ""


def _shown(rules: Canon, dialect: object, type_: Type) -> str:
    if sql := rules.text(str(type_), "c", "c"):
        here = ", whose bits Lading writes" if type_.kind == "float" and not rules.md5 else ""
        return f"`{' '.join(sql.split())}`{here}"
    if isinstance(dialect, Dialect) and not _held(dialect, type_):
        return "no such type"
    return "no rule: such columns are read and hashed by Lading"


def _examples(case: Case, most: int = 4) -> Iterator[str]:
    texts = canonical(case.array, case.type).to_pylist()
    plain = [
        (value, text)
        for value, text in zip(case.values, texts, strict=True)
        if value and text and len(value) + len(text) < 70 and re.fullmatch(r"[ -_a-~]*", value)
    ]
    for value, text in plain[:most]:
        yield _row(f"`{case.type}`", f"`{value}`", f"`{text}`")


def _hashing() -> Iterator[str]:
    yield from ("## Rows in SQL", "", "`{c}` is a column, `{t}` its text, `{x}` a row's, `{h}` its hash.", "")
    yield from ("| Dialect | Fixed alphabet | With its length | Hash | high |", "| --- | --- | --- | --- | --- |")
    for name, rules in _rules().items():
        if rules.md5:
            yield _row(name, *(f"`{part}`" for part in (rules.ended, rules.counted, rules.md5, rules.high)))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
