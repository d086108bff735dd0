"""Docs: the reference is what the code says, and every link and pipeline in the pages is good."""

import re
from pathlib import Path

import yaml

from lading import docs
from lading.schema import LOSSES, gaps
from lading.spec import Pipeline
from lading.types import KINDS, parse
from lading.written import read
from tests.house.tree import ROOT, texts

LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)[^)]*\)")


def test_the_reference_is_current():
    assert docs.stale(ROOT / docs.FOLDER) == [], "Run 'make docs'."


def test_a_stale_page_is_found(tmp_path):
    docs.write(tmp_path)
    assert docs.stale(tmp_path) == []
    (tmp_path / "cli.md").write_text("old", encoding="utf-8")
    (tmp_path / "gone.md").write_text("nobody makes this", encoding="utf-8")
    (tmp_path / "types.md").unlink()
    assert docs.stale(tmp_path) == ["cli.md", "gone.md", "types.md"]


def test_every_kind_of_loss_and_type_is_told():
    types = [parse(form) for form in docs.SAMPLES]
    used = {kind for source in types for target in types for kind, _ in gaps(source, target)}
    used |= set(re.findall(r'kind="([a-z]+)"', (ROOT / "src/lading/schema.py").read_text(encoding="utf-8")))
    assert used | {"characters"} == LOSSES.keys()
    rules = (ROOT / "src/lading/hops/rules.py").read_text(encoding="utf-8")
    assert set(re.findall(r'"(\w+)": How\(', rules)) - {"column"} <= LOSSES.keys()
    assert docs.KINDS_SAID.keys() == set(KINDS)


def test_links_lead_somewhere():
    broken = []
    for path, text in texts():
        if path.suffix == ".md":
            for target in LINK.findall(text):
                if "://" not in target and not (ROOT / path.parent / target).exists():
                    broken.append(f"{path}: {target}")
    assert broken == []


def test_every_pipeline_in_the_pages_is_one(tmp_path):
    for path, text in texts():
        if path.suffix == ".md":
            for block in re.findall(r"(?ms)^```yaml\n(.*?)^```", text):
                (tmp_path / "block.yaml").write_text(block, encoding="utf-8")
                found = yaml.safe_load(block) and read(tmp_path / "block.yaml", str(path)).value
                if isinstance(found, dict) and "steps" in found:
                    Pipeline.model_validate({"name": Path(path).stem, **found})
