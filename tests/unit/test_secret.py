"""Values made to hash alike: without a secret anybody can compute them, and comparing tells them apart all the same."""

import random
from typing import Any

import pyarrow as pa
import pytest

from lading.compare import Asked
from lading.digest import Digester, Secret, digest_of, hashed, hashes_of
from lading.schema import Column
from lading.testing.steps import table
from lading.types import parse
from tests.unit.test_compare import compared, told

FULL = (1 << 64) - 1
A, B, C, NULL = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53, 0x9E3779B97F4A7C15, 0x6A09E667F3BCC909
BACK_A, BACK_B, BACK_C = (pow(n, -1, 1 << 64) for n in (A, B, C))
SIGNS = bytes(range(0x23, 0x7F))


def mix(x):
    x ^= x >> 33
    x = x * A & FULL
    x ^= x >> 33
    x = x * B & FULL
    return x ^ x >> 33


def unmix(x):
    x ^= x >> 33
    x = x * BACK_B & FULL
    x ^= x >> 33
    x = x * BACK_A & FULL
    return x ^ x >> 33


def step(word, part):
    word = (word ^ part) * A & FULL
    return (word ^ word >> 33) * B & FULL


def unstep(word):
    word = word * BACK_B & FULL
    return (word ^ word >> 33) * BACK_A & FULL


def signed(word):
    return word - (1 << 64) if word >> 63 else word


def read(part):
    return int.from_bytes(part, "little")


def written(word):
    return word.to_bytes(8, "little")


def text_like_null():
    rng = random.Random(1)
    while True:
        first = bytes(rng.choices(SIGNS, k=8))
        second = written(step(16 * C & FULL, read(first)) ^ unstep(unmix(NULL)))
        if set(second) <= set(SIGNS):
            return (first + second).decode()


def texts_alike():
    rng = random.Random(2)
    while True:
        one, two = (bytes(rng.choices(SIGNS, k=8)) for _ in range(2))
        apart = step(16 * C & FULL, read(one)) ^ step(16 * C & FULL, read(two))
        if any(byte & 0x80 for byte in written(apart)):
            continue
        for _ in range(200):
            end = bytes(rng.choices(SIGNS, k=8))
            other = written(read(end) ^ apart)
            if set(other) <= set(SIGNS):
                return (one + end).decode(), (two + other).decode()


def decimals_alike():
    high = next(n for n in range(1, 99) if not mix(n + C & FULL) >> 63)
    return f"{(high << 64) + 12345}", f"{12345 ^ mix(high + C & FULL)}"


def bytes_alike():
    """Eight of them and seven."""
    word = 7 * C ^ 8 * C
    return written(word & FULL), b"\0" * 7


ALIKE = {
    "a number and NULL": ("int(64)", signed(unmix(NULL)), None),
    "a text and NULL": ("string", text_like_null(), None),
    "two texts": ("string", *texts_alike()),
    "two decimals": ("decimal(38,0)", *decimals_alike()),
    "bytes of two lengths": ("binary", *bytes_alike()),
}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", ALIKE)
def test_values_that_digest_alike_differ(name, turned):
    form, left, right = ALIKE[name]
    column = [Column(name="v", type=parse(form))]
    arrays = [pa.array([value], parse("string").arrow()).cast(parse(form).arrow()) if form.startswith("decimal")
              else pa.array([value], parse(form).arrow()) for value in (left, right)]  # fmt: skip
    roots = [digest_of([pa.record_batch([array], names=["v"])], column).root for array in arrays]
    assert roots[0] == roots[1]  # nothing is secret in a digest
    left, right = (right, left) if turned else (left, right)
    shape = table("t", id="int(32)!", v=form)
    result = compared((shape, [(1, left), (2, None)]), (shape, [(1, right), (2, None)]), Asked(strict=True))
    assert (result.verdict, result.columns, result.root_left) == ("different", {"v": 1}, result.root_right)
    bare = shape.model_copy(update={"key": ()})
    assert compared((bare, [(1, left)]), (bare, [(1, right)])).verdict == "different"


def test_a_text_that_is_no_number_is_like_none():
    """Its word, and the number that has it."""
    word = int(hashes_of(pa.array(["seven"]), parse("string"))[0]) ^ 0x14057B7EF767814F
    shapes = table("t", id="int(32)!", v="int(64)"), table("t", id="int(32)!", v="string")
    result = compared((shapes[0], [(1, signed(unmix(word)))]), (shapes[1], [(1, "seven")]))
    assert (result.columns, result.root_left) == ({"v": 1}, result.root_right)


def test_rows_whose_words_have_one_sum_differ():
    """Of two columns the one makes up for the other."""
    names = ("id", "a", "b")
    columns = [Column(name=name, type=parse("int(64)")) for name in names]
    digester = Digester(columns, ["id"])

    def word(value):
        return int(hashes_of(pa.array([value], pa.int64()), parse("int(64)"))[0])

    def in_row(value, place):
        return mix((word(value) * C + key & FULL) ^ int(digester.salts[place]))

    key = mix(word(1))
    wanted = in_row(10, 1) + in_row(20, 2) - in_row(11, 1) & FULL
    other = signed(unmix(((unmix(wanted) ^ int(digester.salts[2])) - key) * BACK_C & FULL))
    assert in_row(11, 1) + in_row(other, 2) & FULL == in_row(10, 1) + in_row(20, 2) & FULL
    shape = table("t", **dict.fromkeys(names, "int(64)"))
    result = compared((shape, [(1, 10, 20)]), (shape, [(1, 11, other)]))
    assert [each[2] for each in told(result)] == ["a", "b"]


@pytest.mark.parametrize("length", [0, 1, 8, 9, 16, 40, 256, 257, 5_000])
def test_a_secret_leaves_hashes_as_they_are_and_every_length_has_its_own(length):
    values = pa.array(["x" * length, "x" * (length + 1), None, "y" * length])
    one, two = Secret(), Secret()
    (plain, none), (words, more), (again, same), (_, others) = (
        hashed(values, parse("string"), secret) for secret in (None, one, one, two)
    )
    assert none is None
    assert plain.tolist() == words.tolist() == again.tolist()
    assert more is not None
    assert same is not None
    assert others is not None
    assert more.tolist() == same.tolist() != others.tolist()
    rows = one.rows([(words, more)], 4).tolist()
    assert len(set(rows)) == (4 if length else 3)
    assert rows == one.rows([(plain, more)], 4).tolist() != two.rows([(plain, others)], 4).tolist()


def test_rows_of_a_batch_hash_as_they_do_alone():
    """With long numbers beside short ones, with NULL and without."""
    cases: dict[str, list[Any]] = {
        "decimal(76,0)": [5, -5, 10**30, -(10**30), 10**70, None, 0],
        "decimal(38,0)": [5, -5, 10**30, -(10**30), None],
        "string": ["", "a", "a" * 9, "a" * 300, None],
        "int(64)": [1, None, -1],
    }
    for form, values in cases.items():
        secret, type_ = Secret(), parse(form)
        whole = pa.array(values, type_.arrow()) if "decimal" not in form else pa.array(
            [None if v is None else str(v) for v in values]).cast(type_.arrow())  # fmt: skip
        rows = secret.rows([hashed(whole, type_, secret)], len(values)).tolist()
        assert len(set(rows)) == len(values)
        for place, row in enumerate(rows):
            alone = whole.slice(place, 1)
            assert secret.rows([hashed(alone, type_, secret)], 1).tolist() == [row], values[place]


def test_digests_are_what_they_were():
    """They stand in bills, and are compared with those of later runs."""
    columns = {"n": "int(64)", "d": "decimal(38,2)"}
    columns |= {"w": "decimal(76,0)", "s": "string", "b": "binary", "f": "float(64)"}
    rows = {
        "n": [1, -1, None], "d": ["1.50", "-99999999999999999999999.00", None], "w": ["7", f"-{10**60}", None],
        "s": ["", "a" * 300, "b" * 20], "b": [b"12345678", b"123456789", b""], "f": [0.5, -0.0, None],
    }  # fmt: skip
    arrays = [pa.array(rows[name]).cast(parse(form).arrow()) for name, form in columns.items()]
    made = [Column(name=name, type=parse(form)) for name, form in columns.items()]
    digest = digest_of([pa.record_batch(arrays, names=list(columns))], made, ["s"])
    assert digest.root == "bd7c83b2c7f34707daf18b670b6993b2"
