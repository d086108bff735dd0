"""Dialects: the differences between SQL databases, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from struct import pack, unpack

from lading.errors import SpecError, Unsupported
from lading.schema import Column, Table, in_small
from lading.types import Type, parse

Rules = tuple[tuple[str, str], ...]
"""Pairs of a regular expression, which must match whole, and a template filled with its groups: {0}, {1}, ..."""


@dataclass(frozen=True, eq=False)
class Aspects:
    """What a profile asks of a value {v}; what is empty cannot be asked in place and is not told."""

    values: Rules = ()
    """Canonical type to the value asked about, of {c}, the column, and {r}, its reading; the reading where none
    matches. Texts sort by their bytes."""
    shows: Rules = ()
    """Canonical type to the text of the least or greatest value {v}; the value itself where none matches."""
    characters: str = "char_length({v})"
    bytes: str = "octet_length({v})"
    text_bytes: str = "octet_length({v})"
    head: str = "substr({v}, 1, {n})"
    """The first {n} characters of a text."""
    text: str = "CAST({v} AS char(40))"
    """The text of a whole number."""
    matches: str = ""
    """Whether a whole text matches the regular expression {p}, which holds neither quotes nor backslashes."""
    looks: dict[str, str] = field(default_factory=dict)
    """Whether a text can be read as something, by the names of `facts.PARSES`, where that is not `matches`."""
    whole: str = ""
    tail: str = ""
    """Of a number that is a text: the digits before the point without zeros before them, and those after it without
    zeros behind them."""
    scale: str = ""
    """The digits after the point that a decimal with {s} of them uses; NULL of NaN and infinity."""
    fraction: Rules = ()
    """Canonical type to the digits of a second that a value uses."""
    midnight: str = ""
    """Whether a timestamp has no time of day."""
    nan: Rules = ()
    infinite: Rules = ()
    """Canonical type to whether a value is NaN, or infinite; only of types that have such values."""
    distinct: str = "count(DISTINCT {v})"
    about: str = ""
    """An estimate of that which costs little however many rows there are."""
    exact_rows: int = 1_000_000
    """Of tables with more rows it is what is asked for."""
    away: str = ""
    """Canonical types, as a regular expression, whose values cannot be asked about in place."""

    def of(self, rules: Rules, type_: Type, otherwise: str = "") -> str:
        return _first(rules, str(type_)) or otherwise


@dataclass(frozen=True, eq=False)
class Canon:
    """How a database writes canonical texts and hashes rows: the templates of docs/reference/canonical.md. {c} is a
    quoted column, {t} its text, {h} an MD5 in hexadecimal, {x} what is hashed."""

    texts: Rules
    """The name that `canon.form` gives, to the expression of the text: {c} is the quoted column, {r} what reads it. A
    float is the number itself where `md5` is empty: its bits are written by whoever hashes the rows."""
    ended: str = "coalesce({t}, '~') || '|'"
    """A text of a fixed alphabet in its row."""
    counted: str = "coalesce(octet_length({t}) || ':' || {t}, '~')"
    """Any other text in its row, with its bytes counted."""
    joined: str = "{items}"
    between: str = " || "
    """How the parts of a row are put together."""
    md5: str = "md5({x})"
    """Empty where there is none: rows are hashed by whoever asks for them."""
    high: str = "('x' || left({h}, 15))::bit(60)::bigint"
    low: str = "('x' || right({h}, 15))::bit(60)::bigint"
    """The first and the last 15 digits as numbers, whose sums are exact."""
    once: str = ""
    """Put after a subquery so that what it computes is computed once."""
    refusal: str = ""
    """A select of one sentence about why this server cannot do it; no row where it can."""
    verified: str = ""
    """The systems on which all of it is tested; empty when it is not."""

    def text(self, form: str, quoted: str, read: str) -> str | None:
        """The expression of a column's canonical text; None without a rule."""
        for pattern, template in self.texts:
            if match := re.fullmatch(pattern, form):
                return template.format(*match.groups(), c=quoted, r=read)
        return None


@dataclass(frozen=True, eq=False)
class Dialect:
    """One database's way of saying things. Templates use {c} for a quoted column, {t} for a quoted table."""

    name: str
    catalog: str
    """Columns of every table and view: table_schema, table_name, place, column_name, native (the type as the
    system writes it), nullable, is_view, filled (1 or 0; `schema.Column`)."""
    keys: str
    """Primary keys, then unique keys without NULLs: table_schema, table_name, rank (0 first), key_name, place,
    column_name."""
    sizes: str
    """table_schema, table_name, estimated rows, estimated bytes; NULL or no line where there is no estimate."""
    default_schema: str
    """The schema that names without one mean; one value."""
    types: Rules
    """Native type, lower case, to canonical type."""
    natives: Rules
    """Canonical type to native type."""
    spelling: str = ""
    """Schemas and names of tables and views that are a bound schema's and name but for capitals; empty where names that
    differ in the capitals of A to Z are two."""
    tables_only: bool = False
    """Whether no rows can be written to views."""
    reads: Rules = ()
    """Native type to the expression that reads a column, where that is not the column itself."""
    shown: Rules = ()
    """Native type to the expression that gives a value of a key as text, where a driver cannot show what it reads."""
    totals: dict[str, str] = field(default_factory=dict)
    """Kind to the sum that `digest.Aggregate` describes; `high:low`, where sums have 64 bits, for high * 2^32 + low."""
    total_digits: int | None = None
    """Decimals of more digits are not summed, as their sum could be too long for the system."""
    unsummed: str = ""
    """Native types whose sum would cost the database more than all others together."""
    row_hash: str = ""
    """A sum over {row} that tells the table's rows apart, {row} being `rows` filled; empty when there is none."""
    row: str = "{columns}"
    """How the row is written inside `row_hash`."""
    count: str = "count({c})"
    """The number of a column's values that are not NULL, for any type."""
    drops: Rules = ()
    """Native type to `kind: sentence`: what reading a column loses, whatever the target."""
    empty_is_null: bool = False
    """Whether empty strings and bytes are stored as NULL."""
    quotes: str = '""'
    backslashes: bool = False
    """Whether a backslash escapes in string literals."""
    name_bytes: int = 63
    """The longest name, in bytes."""
    columns: int = 1600
    """The most columns of a table."""
    select_items: int = 500
    """The most expressions in a select list that Lading uses."""
    update: str = ""
    """An update from another table: {t} {s} {sets} {on}."""
    rename: str = "ALTER TABLE {t} RENAME TO {name}"
    create: str = "CREATE TABLE IF NOT EXISTS {t} ({columns})"
    """Makes a table unless it is there; also {name}, the table's name as a literal, and {plain}, the literal of a
    statement that makes it."""
    create_as: str = "CREATE TABLE {t} AS {sql}"
    """Makes a table of the rows of a select; empty where Lading does not."""
    call: str = ""
    """Calls a procedure {name} with bound {values}; empty where Lading does not."""
    drop: str = "DROP TABLE IF EXISTS {t}"
    create_schema: str = ""
    """Makes a schema, {name} being its quoted name; empty where Lading makes none."""
    only_schema: str = ""
    """The one schema of a system that has no others; elsewhere's schemas become the beginning of the table's name."""
    measure: str = ""
    """Two aggregates of a column {c} of decimals without a limit, {r} being the expression that reads it: the most
    digits before the point, at least one, and after it; 0 without values, NULL when one is no plain number. Empty when
    it cannot be asked."""
    aspects: Aspects | None = None
    """How a table is profiled in place; None where it is read instead."""
    refusals: str = ""
    """What refuses rows of an existing table whose schema and name are bound, foreign keys apart: a clause of CREATE
    TABLE, whether it is a key (1 or 0), and the list of its columns."""
    body: str = ""
    """Instead of that, where clauses cannot be had one by one: all that follows the name in the table's own CREATE
    TABLE."""
    triggers: str = ""
    """The names of a table's triggers, whose schema and name are bound, where its session tells no more of them; empty
    where there are none."""
    computed: str = ""
    """The columns of a table, whose schema and name are bound, that the system computes and lets nobody write; empty
    where it takes what it has computed itself, or where nobody knows."""
    limit: str = "{sql} LIMIT {n}"
    explain: str = ""
    """Says how a select would be carried out, without doing it; empty where Lading does not ask."""
    modulo: str = "{a} % {b}"
    slice_column: bool = True
    """Whether staged rows carry their slice in a column of their own, dropped before publishing."""
    arrays: str = ""
    """How a list is written, {item} being its items' type; empty when there are none."""
    key_inline: bool = False
    """Whether a primary key can only be made together with its table."""
    add_key: str = ""
    """How a primary key is made on a table: {t} {columns}; empty when Lading makes none here."""
    pages: str = ""
    """The number of pages of a table, whose schema and name are bound; empty where pages cannot be read alone."""
    page_low: str = ""
    page_high: str = ""
    """Conditions on rows from a page on, and before a page: {n}."""
    placeholder: str = "?"
    literals: dict[str, str] = field(default_factory=dict)
    """Canonical type, or kind, to the form of a literal, {v} being the quoted text."""
    keyed: Rules = ()
    """Native type to the expression of a key's column that equals its literal, where the column itself may not: one
    value has several texts."""
    sorts: Rules = ()
    """Native type to the expression that compares with a key's literal and sorts so, where the column itself does not:
    one that sorts by numbers and compares by texts, or cannot be compared."""
    meets: Rules = ()
    """Native type to the expression that compares with another table's, where the column itself does not."""
    canon: Canon | None = None
    """How rows are hashed in place; None where they are not."""

    def quote(self, name: str) -> str:
        if len(name.encode()) > self.name_bytes:
            raise Unsupported(
                f"The name '{name}' has {len(name.encode())} bytes; {self.name} allows {self.name_bytes}.",
                "Map it to a shorter one with --into.",
            )
        if "\0" in name:
            raise SpecError(f"The name {name!r} holds a zero byte.", "Rename it.")
        opening, closing = self.quotes[0], self.quotes[-1]
        return f"{opening}{name.replace(closing, closing * 2)}{closing}"

    def table(self, table: Table) -> str:
        parts = [table.schema_name, table.name] if table.schema_name else [table.name]
        return ".".join(self.quote(part) for part in parts)

    def text(self, value: str) -> str:
        escaped = value.replace("\\", "\\\\") if self.backslashes else value
        return "'" + escaped.replace("'", "''") + "'"

    def literal(self, value: str, type_: Type) -> str:
        if type_.kind in ("int", "decimal") and re.fullmatch(r"-?\d+(\.\d+)?", value):
            return value
        if type_ == Type("float", 32):  # as the number that it is, beside which its short text may be another one
            value = str(unpack("f", pack("f", float(value)))[0])
        form = self.literals.get(str(type_)) or self.literals.get(type_.kind, "{v}")
        return form.format(v=self.text(value))

    def canonical(self, native: str) -> Type | None:
        """The canonical type of a native one; None when nobody listed it."""
        native = native.strip().lower()
        if self.arrays and native.endswith(self.arrays.format(item="")):
            item = self.canonical(native.removesuffix(self.arrays.format(item="")))
            return None if item is None else Type("list", item=item)
        form = _apply(self.types, native)
        return None if form is None else parse(form)

    def native(self, column: Column) -> str:
        """The native type that holds a column; a type that came from the same system stays as it was."""
        kind, _, native = column.native.partition(":")
        if kind == self.name and native:
            return native
        if column.type.item is not None and self.arrays:
            return self.arrays.format(item=self.native(Column(name=column.name, type=column.type.item)))
        form = _apply(self.natives, str(column.type))
        if form is None:
            raise Unsupported(
                f"{self.name} has no type for '{column.name}', which is {column.type}.",
                f"Leave the column out, or add the type to src/lading/dialects/{self.name}.py.",
            )
        return form

    def fit(self, table: Table) -> Table:
        for name in (self.placed(table).name, *(column.name for column in table.columns)):
            self.quote(name)  # refuses names that are too long while there is only a plan
        if len(table.columns) > self.columns:
            raise Unsupported(
                f"Table '{table.full_name}' has {len(table.columns):,} columns; {self.name} allows {self.columns:,}.",
                "Leave columns out.",
            )
        if self.spelling:
            self._refuse_alike(table)
        fitted = []
        for column in table.columns:
            native = self.native(column)
            type_ = self.canonical(native) or column.type
            null = column.null and not (column.name in table.key and (self.key_inline or self.add_key))
            fitted.append(self.column(column.name, type_, null, native))
        return self.placed(table).model_copy(update={"columns": tuple(fitted)})

    def _refuse_alike(self, table: Table) -> None:
        seen: dict[str, str] = {}
        for name in (column.name for column in table.columns):
            if (other := seen.setdefault(in_small(name), name)) != name:
                what = f"Columns '{other}' and '{name}' of '{table.full_name}' differ only in capitals, by which"
                raise Unsupported(f"{what} {self.name} tells no names apart.", "Rename one, or leave it out.")

    def placed(self, table: Table) -> Table:
        """The table as this system calls it, which may have no schemas but its own."""
        if not self.only_schema or not table.schema_name:
            return table
        own = table.schema_name == self.only_schema
        name = table.name if own else f"{table.schema_name}_{table.name}"
        return table.model_copy(update={"schema_name": None, "name": name})

    def column(self, name: str, type_: Type, null: bool, native: str) -> Column:
        """A column of this system, with what it drops."""
        found = _first(self.drops, native.strip().lower())
        kind, _, what = (found or "").partition(": ")
        drops = ((kind, what),) if found else ()
        return Column(
            name=name, type=type_, null=null, native=f"{self.name}:{native}", drops=drops, empty=not self.empty_is_null
        )

    def show(self, column: Column) -> str:
        """The expression that shows a value of a column in a small result."""
        template = _first(self.shown, column.native.partition(":")[2].lower())
        return self.read(column) if template is None else template.replace("{c}", self.quote(column.name))

    def read(self, column: Column) -> str:
        """The expression that reads a column."""
        return self._expression(self.reads, column)

    def found(self, column: Column) -> str:
        """The expression by which rows are found that have a key's value."""
        return self._expression(self.keyed, column)

    def sort(self, column: Column) -> str:
        """The expression by whose order a key's column is cut into slices."""
        return self._expression(self.sorts, column)

    def met(self, column: Column, table: str) -> str:
        """The expression by which a table's rows are found that have the key of another's."""
        return self._expression(self.meets, column, f"{table}.")

    def _expression(self, rules: Rules, column: Column, of: str = "") -> str:
        template, quoted = _first(rules, column.native.partition(":")[2].lower()), of + self.quote(column.name)
        return quoted if template is None else template.replace("{c}", quoted)


@lru_cache(maxsize=4096)
def _apply(rules: Rules, text: str) -> str | None:
    for pattern, template in rules:
        if match := re.fullmatch(pattern, text, re.DOTALL):
            return template.format(*(group or "" for group in match.groups()))
    return None


@lru_cache(maxsize=4096)
def _first(rules: Rules, text: str) -> str | None:
    return next((template for pattern, template in rules if re.fullmatch(pattern, text, re.DOTALL)), None)
