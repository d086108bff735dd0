"""Files: what every one must hold, and what none may."""

import ast
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests.house.tree import ROOT, modules, texts

KINDS = "added|changed|fixed|removed"


def test_every_module_says_what_lives_there():
    public = [each for each in modules() if not any(word.startswith("_") for word in each.words)]
    assert [each.name for each in public if not ast.get_docstring(each.tree)] == []


def test_no_path_of_somebodys_machine():
    here = {str(ROOT), str(Path.home()), f"{ROOT.parent}/shared"} - {"/"}
    patterns = [rf"(?<![\w/.]){re.escape(path)}(?![\w-])" for path in sorted(here)]
    known = re.compile("|".join([*patterns, r"/home/[a-z]\w*/", r"/Users/[A-Za-z]\w*/", r"[A-Z]:\\Users\\"]))
    assert [f"{path}: {found[0]}" for path, text in texts() if (found := known.search(text))] == []


def test_no_host_of_a_package_registry():
    hosts = [urlsplit(value).hostname for name, value in os.environ.items() if "INDEX_URL" in name]
    named = [re.escape(host) for host in hosts if host and "." in host]
    public = [r"pypi\.org", r"pythonhosted\.org", r"registry\.npmjs", r"deb\.debian\.org", r"--(extra-)?index-url"]
    known = re.compile("|".join([*public, *named]))
    assert [f"{path}: {found[0]}" for path, text in texts() if (found := known.search(text))] == []


def test_constraints_are_exact_versions():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[\w.+!]+", line)] == []


def test_change_fragments_have_a_kind():
    names = [path.name for path in (ROOT / "changes").iterdir() if path.name != "README.md"]
    assert [name for name in names if not re.fullmatch(rf"[a-z0-9-]+\.({KINDS})\.md", name)] == []
    assert [name for name in names if not (ROOT / "changes" / name).read_text(encoding="utf-8").strip()] == []


def test_every_yaml_block_of_the_docs_can_be_read():
    problems = []
    for path, text in texts():
        if path.suffix == ".md":
            for block in re.finditer(r"(?ms)^( *)```ya?ml\b[^\n]*\n(.*?)^\1```", text):
                line = text[: block.start()].count("\n") + 1
                try:
                    list(yaml.safe_load_all(block[2]))
                except yaml.YAMLError as error:
                    problems.append(f"{path}:{line}: {error}")
    assert problems == []
