"""Names: one word per thing, and none that says nothing."""

import ast
import re

from tests.house.tree import ROOT, modules, over, texts

EMPTY_WORDS = set(
    re.findall(
        r"\w+",
        "manager helper util handler processor service base abstract impl context info data common misc "
        "managers helpers utils handlers processors services utility utilities",
    )
)
EMPTY_ROOMS = EMPTY_WORDS | {"core", "model", "models"}
SYSTEMS = "postgres|postgresql|mysql|mariadb|sqlite|duckdb|sqlserver|mssql|oracle|odbc|sybase|snowflake|cassandra"
GENERAL_ROOMS = {"types", "values", "digest", "schema", "connector", "dialect", "sql", "plan", "prove", "engine"}
LATER = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")  # in a form that this file itself does not have


def words_of(name: str) -> list[str]:
    """The words of a name in snake or camel case, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def test_words_are_split():
    assert words_of("DataError") == ["data", "error"]
    assert words_of("HTTPInfo") == ["http", "info"]
    assert words_of("database_names") == ["database", "names"]


def test_names_say_something():
    names = [(module.name, words_of(module.name.rpartition(".")[2])) for module in modules()]
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                names.append((f"{module.name}.{node.name}", words_of(node.name)))
    assert over("name", 0, [(name, len(EMPTY_WORDS.intersection(words))) for name, words in names]) == []


def test_no_room_without_a_subject():
    assert [each.name for each in modules() if EMPTY_ROOMS.intersection(each.words)] == []


def test_no_second_version_of_a_name():
    found = []
    for module in modules():
        for node in ast.walk(module.tree):
            name = getattr(node, "name", None) or getattr(node, "id", None) or getattr(node, "attr", None)
            if isinstance(name, str) and re.search(r"_v\d+$", name):
                found.append(f"{module.name}: {name}")
    assert found == []


def test_the_general_rooms_know_no_system():
    """What differs between systems is in connectors/ and dialects/; a docstring may give an example."""
    known = re.compile(rf"(?<![a-z])({SYSTEMS})(?![a-z])", re.IGNORECASE)
    found = []
    for module in modules():
        if module.words and module.words[0] in GENERAL_ROOMS:
            prose = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                    found += [f"{module.name}:{node.lineno}: {word}" for word in known.findall(node.value)]
    assert found == []


def test_nothing_is_left_for_later():
    assert [f"{path}: {found[0]}" for path, text in texts() if (found := LATER.search(text))] == []


def test_connectors_are_named_by_one_word():
    folder = ROOT / "src/lading/connectors"
    assert [path.name for path in folder.glob("*") if not re.fullmatch(r"[a-z][a-z0-9]*(\.py)?|__.*", path.name)] == []
