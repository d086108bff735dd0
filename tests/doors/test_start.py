"""docs/start.md, done line by line."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"(?:Save this as `([^`]+)`:\n\n)?```(sh|yaml|python)\n(.*?)```", re.S)


def test_every_command_of_the_first_ten_minutes_works(tmp_path):
    """In one shell, as a person would; a `lading` that starts this tree's."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "lading").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lading.cli "$@"\n', encoding="utf-8")
    (bin_ / "lading").chmod(0o755)
    script = ["set -e"]
    for path, language, text in BLOCK.findall((ROOT / "docs/start.md").read_text(encoding="utf-8")):
        if language == "sh":
            script += [f"echo '>' {line!r} >&2\n{line}" for line in text.splitlines()]
        elif language == "yaml":
            script.append(f"cat > {path} <<'END'\n{text}END")
        else:
            script.append(f"\"{sys.executable}\" - <<'END'\n{text}END")
    (tmp_path / "home").mkdir()
    env = {**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}", "COLUMNS": "100", "HOME": str(tmp_path / "home")}
    env.pop("LADING_STORE")
    env["XDG_DATA_HOME"] = str(tmp_path / "home/data")
    done = subprocess.run(
        ["sh", "-c", "\n".join(script)], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stderr.count("> ") >= 14
    assert "proved 500" in done.stdout  # the Python block's line
    assert (tmp_path / "crm-project/bill.html").is_file()
    assert (tmp_path / "crm-project/.lading/store.db").is_file()


def test_the_bill_on_the_first_screen_is_what_the_command_gives_now(inside):
    """Line by line but for the numbers, which are those of a million sales."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command, printed = re.findall(r"```console\n\$ lading (.*?)\n(.*?)```", readme, re.S)[0]
    inside.patch.setenv("COLUMNS", "80")
    assert inside("demo", "--scale", "0.01", "--quiet").code == 0
    done = inside(*shlex.split(command), "--quiet")
    assert done.code == 0, done.err

    def shape(text: str) -> list[str]:
        text = re.sub(r"─+", "─", re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}|\b[0-9a-f]{32}\b", "#", text))
        text = re.sub(
            r"(–|[\d.,]+ m?s)(?=\s|$)", "#", re.sub(r"\d[\d.,:-]*", "#", re.sub(r"[\d.,]+ [kMG]?B", "#", text))
        )
        return [re.sub(r"# m?s\b", "#", " ".join(line.split())) for line in text.splitlines()]

    assert shape(done.out) == shape(printed)
