"""What a person can do to work on a step here, one function a thing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lading import attempts, config, moments, notebook, opening, releasing
from lading.actions import kept_store
from lading.errors import SpecError
from lading.opening import ROWS, Bringing
from lading.steps.sql import Sql
from lading.workbench import FILE, Opened
from lading.written import put

NOTEBOOKS = "notebooks"


def open_step(
    pipeline: str, step: str, run: str = "", rows: int = ROWS, given: Mapping[str, str] | None = None
) -> tuple[Path, Opened]:
    """Brings what a step reads and made, and writes its notebook, as a script and as .ipynb; of a run, the step as the
    release had it that the run took, and what it read and made where the step kept that. Returns the script's path."""
    release, of, held = None, "The draft", None
    if run:
        with kept_store() as ledger:
            row = attempts.found(ledger, run, pipeline)
            if row.pipeline != pipeline:
                raise SpecError(f"Run {row.id} is one of '{row.pipeline}', not of '{pipeline}'.", "Give its own.")
            release = releasing.pinned(ledger, pipeline, row.id)
            given = moments.of_run(ledger, pipeline, row.id, given, releasing.kept(release))
            version = f"release {release.number}" if release else "the draft as it is now"
            held = opening.inputs_folder(config.logs() / row.id, pipeline, step)
            of = f"Run {row.id} of {row.started[:16].replace('T', ' ')} UTC, {version}"
    found = config.pipeline(pipeline, given, releasing.kept(release))
    own, folder = found.own(step), _folder(pipeline, step)
    with _anew(folder) as made:
        opened, so = opening.taken(held, made) if held else None, "The tables are as the run had them"
        if opened is None:
            so, bringing = "The tables are as they were when this was opened", Bringing(made, config.resolve, rows)
            opened = opening.opened(pipeline, own, found.values(given or {}), bringing)
            opened = opened.model_copy(update={"output": opening.made(own, bringing)})
        draft = config.pipeline(pipeline, given).step(step)
        opened = opened.model_copy(update={"draft": opening.text_of(draft) if draft else ""})
        opening.put(made, opened)
    cells = opening.cells(own, opened, folder, f"{of}. {so}")
    path = _script(pipeline, step)
    path.parent.mkdir(exist_ok=True)
    path.write_text(notebook.script(cells), encoding="utf-8")
    path.with_suffix(".ipynb").write_text(notebook.notebook(cells), encoding="utf-8")
    return path, opened


def save_step(pipeline: str, step: str, given: Mapping[str, str] | None = None) -> str:
    """Puts the step of a notebook, the script or the .ipynb, whichever is newer, into the draft; returns the diff.
    Raises SpecError where the draft was changed since, or would be no pipeline any more."""
    script = _script(pipeline, step)
    there = [path for path in (script, script.with_suffix(".ipynb")) if path.is_file()]
    try:
        opened = Opened.model_validate_json((_folder(pipeline, step) / FILE).read_text(encoding="utf-8"))
    except OSError:
        there = []
    if not there:
        raise SpecError(f"'{step}' of '{pipeline}' is not open.", f"Open it: lading open {pipeline} {step}")
    newest = max(there, key=lambda path: path.stat().st_mtime_ns)
    draft = config.pipeline(pipeline, given).step(step)
    if draft is None or opening.text_of(draft) != opened.draft:
        fix = f"Keep what you changed elsewhere, and open it again: lading open {pipeline} {step}"
        raise SpecError(f"The draft of '{step}' was changed since it was opened.", fix)
    cell = notebook.step_cell(newest)
    text = notebook.sql_of(cell, newest.name) if isinstance(draft, Sql) else cell
    if text.strip() == opened.draft.strip():
        return ""
    file, after = opening.changed((config.project() or Path()) / config.pipeline_file(pipeline).shown, draft, text)
    before = file.read_text(encoding="utf-8")
    put(file, after)
    try:
        saved = config.pipeline(pipeline, given).step(step)
    except SpecError:
        put(file, before)
        raise
    saved_so = opened.model_copy(update={"draft": opening.text_of(saved) if saved else ""})
    opening.put(_folder(pipeline, step), saved_so)
    return opening.diff(f"{config.PIPELINES}/{file.name}", before, after)


@contextmanager
def _anew(folder: Path) -> Iterator[Path]:
    """A folder that takes the place of another once it is whole; what was opened before stays until then."""
    with TemporaryDirectory() as beside:
        yield Path(beside)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(beside, folder)


def _folder(pipeline: str, step: str) -> Path:
    return (config.project() or Path.cwd()).absolute() / ".lading" / "open" / f"{pipeline}.{step}"


def _script(pipeline: str, step: str) -> Path:
    return (config.project() or Path.cwd()).absolute() / NOTEBOOKS / f"{pipeline}.{step}.py"
