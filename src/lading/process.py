"""Other programs: what is in their environment, where their output goes, and how they are ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from lading.desk import Desk
from lading.errors import SpecError
from lading.logs import Log
from lading.spec import Step

HARMLESS = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM")
"""What a program is given of our environment, and all that begins with LC_."""
PATIENCE_SECONDS = 3
"""How long a program that is ended may take to clear up."""


def secret(name: str, who: str) -> str:
    """A variable of our environment. Raises SpecError where it is not set."""
    if not os.environ.get(name):
        raise SpecError(f"{who} needs the environment variable {name}, which is not set.", f"Set it: export {name}=...")
    return os.environ[name]


def environment(own: Mapping[str, str], secrets: Sequence[str], desk: Desk, step: Step) -> dict[str, str]:
    """The environment of a step's program. Raises SpecError for a secret that is not set."""
    named = {name: secret(name, f"Step '{step.key}'") for name in secrets}
    given = {name: value for name, value in os.environ.items() if name in HARMLESS or name.startswith("LC_")}
    given |= {f"PARAM_{name.upper()}": str(value) for name, value in desk.params.items()}
    due = {"LADING_DUE": desk.due.isoformat()} if desk.due else {}
    return given | named | due | {"LADING_RUN": desk.run, "LADING_STEP": step.key} | dict(own)


def output(command: Sequence[str], env: Mapping[str, str], desk: Desk, step: Any) -> tuple[int, str]:
    """Runs a program in a process group of its own, which ends with the step and with us; its output goes to the step's
    log, without the values of its secrets. Returns its exit code and its last line."""
    bound = shutil.which("setpriv")  # else what we started would go on when we are killed
    words = [bound, "--pdeathsig", "KILL", "--", *command] if bound else list(command)
    process = subprocess.Popen(
        words, env=dict(env), cwd=desk.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True, text=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    threading.Thread(target=_watch, args=(process, desk), daemon=True).start()
    last = ""
    with process, Log(desk.log(step), [env[name] for name in step.secrets]) as log:
        for line in log.copy(process.stdout) if process.stdout else ():
            last = line.strip() or last
    desk.go_on()
    return process.returncode, last[:200]


def _watch(process: subprocess.Popen[str], desk: Desk) -> None:
    """Ends the whole group with the program, and both when the step is ended."""
    while process.poll() is None:
        if desk.over.wait(0.05):
            _signal(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_SECONDS)
            break
    _signal(process.pid, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
