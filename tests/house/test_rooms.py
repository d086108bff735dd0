"""Rooms: who may import whom, and where a vendor's library is imported."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, Module, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOORS = {"cli", "web", "runners"}
WHERE_WORK_IS_DONE = {"sql", "dialects", "connectors", "prove", "store", "engine"}


def top_imports(module: Module) -> Iterator[str]:
    """What is imported when the module is: not in functions, not for the type checker alone."""
    waiting: list[ast.stmt] = list(module.tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            waiting += node.body + node.orelse
        elif isinstance(node, ast.Try):
            waiting += node.body + node.orelse + node.finalbody
        elif isinstance(node, ast.ClassDef | ast.With):
            waiting += node.body


def test_contracts_are_kept():
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_doors_call_actions_and_do_no_work():
    found = []
    for module in modules():
        if module.words and module.words[0] in DOORS:
            for node in ast.walk(module.tree):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                rooms = {name.split(".")[1] for name in names if name.startswith("lading.")}
                found += [f"{module.name} imports lading.{room}" for room in rooms & WHERE_WORK_IS_DONE]
    assert found == []


def test_a_vendors_library_is_imported_when_it_is_needed():
    """Else a connector could not be described, nor say what to install, where its library is absent."""
    names = [re.split(r"[^A-Za-z0-9_.-]", each)[0] for each in PROJECT["dependencies"]]
    always = {name.lower().replace("-", "_") for name in names} | {"yaml", "lading"} | set(sys.stdlib_module_names)
    always.add("pytest")  # in lading.testing, which is imported by tests alone
    found = [
        f"{module.name} imports {name}"
        for module in modules()
        for name in top_imports(module)
        if name.split(".")[0] not in always
    ]
    assert found == []


def test_every_connector_has_an_extra_a_test_and_a_page():
    folder = ROOT / "src/lading/connectors"
    names = sorted({path.stem for path in folder.glob("*") if not path.name.startswith("_")})
    missing = [f"pyproject.toml: extra '{name}'" for name in names if name not in PROJECT["optional-dependencies"]]
    for name in names:
        pages = [f"tests/connectors/test_{name}.py", f"docs/reference/connectors/{name}.md"]
        missing += [page for page in pages if not (ROOT / page).exists()]
    assert missing == []


def test_rules_are_verified_only_where_the_contract_checks_them():
    """Always, and not only where the environment names a server."""
    unchecked = []
    for path in sorted((ROOT / "src/lading/dialects").glob("[a-z]*.py")):
        rules = getattr(importlib.import_module(f"lading.dialects.{path.stem}"), "canon", None)
        test = ROOT / f"tests/connectors/test_{path.stem}.py"
        if rules is not None and rules.verified and not (test.exists() and _takes_the_contract(test)):
            unchecked.append(path.stem)
    assert unchecked == []


def _takes_the_contract(test: Path) -> bool:
    classes = [node for node in ast.parse(test.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    bases = [[ast.unparse(base) for base in node.bases] for node in classes if not node.decorator_list]
    return ["Contract"] in bases


def test_every_extra_is_in_all():
    extras = PROJECT["optional-dependencies"]
    (listed,) = re.findall(r"\[(.*)]", extras["all"][0])
    assert set(listed.split(",")) == extras.keys() - {"all", "dev"}
