"""Words to actions: the command line."""

from __future__ import annotations

import gc
import io
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EIO, EPIPE
from typing import TYPE_CHECKING, Any

import click

from lading import unwanted
from lading.cli import backfilling, comparing, looking, moving, profiling, releasing, scheduling
from lading.cli.words import USAGE, as_object

if TYPE_CHECKING:
    from lading.errors import LadingError

# Whatever takes time to import is imported inside the commands, so that --help answers at once.


def start() -> None:
    """`main`, in a process of its own, which ends without taking every object apart: that takes as long as a fifth of
    a short command. Everything is closed by then; where a thread is left that somebody waits for, so does the
    interpreter."""
    gc.set_threshold(50_000, 20, 20)  # 700 collections find nothing while modules load
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy starts threads for algebra that is never done here
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # as `run.lean`, for what asks the default itself
    unwanted.refuse(*unwanted.PACKAGES)
    try:
        main()
    except SystemExit as end:
        with suppress(OSError, ValueError):  # a reader that went away; the interpreter has its way with it
            for stream in filter(None, (sys.stdout, sys.stderr)):  # they may be closed
                stream.flush()
            if all(each.daemon or each is threading.main_thread() for each in threading.enumerate()):
                os._exit(int(end.code or 0))
        raise


def main() -> None:
    """Runs what the command line says and exits with 0, 1, 2, 3, or 130 when it is interrupted."""
    signals: list[int] = []
    sys.stdout, sys.stderr = _unheard(sys.stdout), _unheard(sys.stderr)
    _spelled(sys.stdout)

    def stop(number: int, _frame: object) -> None:
        signals.append(number)  # a library may turn the interruption into an error of its own
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = lading.main(prog_name="lading", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        signals.append(signal.SIGINT)
    except click.ClickException as error:
        hint = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "lading"
        code = _misused(error.format_message(), f"See '{hint} --help'.")
    except Exception as error:  # noqa: BLE001 - the outer door: nothing leaves it as a traceback
        code = 1 if signals else _failed(error)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signals:
        goes_on = "; it goes on from what is staged" if sys.argv[1:2] and sys.argv[1] in RESUMED else ""
        _say("interrupted", "", f"Run the same command again{goes_on}: {_command()}")
        code = 128 + signals[0]
        _nothing_done("cancelled")
    raise SystemExit(code if isinstance(code, int) else 0)


RESUMED = ("copy", "run", "run-step", "backfill", "demo")
"""Commands that go on where they were interrupted."""


ENDLESS = ("log", "rejects")
"""Commands that do nothing but write, and end when nobody reads that any more."""


class Unheard(io.TextIOWrapper):
    """A stream of a command that has more to do than to write: where its reader goes away, the work does not end."""

    before: Any = None

    def write(self, text: str) -> int:
        with self._alone():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._alone():
            super().flush()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (EPIPE, EIO):  # EIO is that of a terminal that was closed
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)


def _unheard(stream: Any) -> Any:
    if type(stream) is not io.TextIOWrapper or (sys.argv[1:2] and sys.argv[1] in ENDLESS):
        return stream
    found = Unheard(stream.buffer, stream.encoding, stream.errors, line_buffering=stream.line_buffering)
    found.before = stream  # whose end would close what both write to
    return found


def _spelled(stream: Any) -> None:
    """Lets a character that the locale does not have be written by its number; JSON is always UTF-8."""
    if isinstance(stream, io.TextIOWrapper):
        encoding = "utf-8" if "--json" in sys.argv else stream.encoding
        stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _misused(what: str, fix: str) -> int:
    from lading.errors import SpecError

    _say("error: ", what, fix)
    _nothing_done("failed", _plain(SpecError(what, fix)))
    return USAGE


def _failed(error: Exception) -> int:
    from lading import errors

    if errors.debugging():
        raise error
    if isinstance(error, errors.Bug) or not isinstance(error, errors.LadingError):
        code = error.code if isinstance(error, errors.LadingError) else 0  # others' codes are no exit codes
        error = errors.refused(error) if isinstance(error, OSError) else errors.fault(error)
        error.code = code
    cancelled = error.code == errors.CANCELLED
    _say("" if cancelled else "error: ", error.what, error.fix)
    _nothing_done("cancelled" if cancelled else "failed", _plain(error))
    return error.code or (USAGE if isinstance(error, errors.SpecError | errors.Unsupported) else 1)


def _nothing_done(state: str, error: dict[str, str] | None = None) -> None:
    """The object of a command that came to no bill. A scheduler has told all in lines of its own."""
    if "--json" in sys.argv and "scheduler" not in sys.argv[:2]:
        with suppress(OSError):  # there is no room for it either
            as_object({"run": None, "state": state, "seconds": 0, "tables": [], "error": error})


def _plain(error: LadingError) -> dict[str, str]:
    from lading.errors import masked

    return {"kind": error.kind, "what": masked(error.what), "fix": masked(error.fix)}


def _say(word: str, what: str, fix: str) -> None:
    from lading.errors import harmless, masked

    for line in (f"{word}{what}", *(f"  {line}" for line in fix.splitlines())):
        click.echo(harmless(masked(line)), err=True)


def _command() -> str:
    from lading.find import shown

    return shlex.join(["lading", *(shown(word) if "://" in word else word for word in sys.argv[1:])])


def _version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"lading {version('lading')}")
        ctx.exit()


class InOrder(click.Group):
    """Commands are listed as a person meets them. Where the reader of our output has seen enough, that is no error."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            sys.stderr.close()
            return 0

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Whole sentences, in however narrow a terminal."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(1000)) for name, each in self.commands.items()])


@click.group(
    cls=InOrder, invoke_without_command=True, subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)  # fmt: skip
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print it.")
@click.pass_context
def lading(ctx: click.Context) -> None:
    """Moves an enterprise's data and proves that it arrived.

    An address is the name of a connection, a URL such as postgresql://me@host/crm, or a file.
    Exit codes: 0 proved, 1 failed, 2 wrong usage or specification, 3 unproved,
    75 another run of it is at work, 130 interrupted or cancelled.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


for _each in (
    moving.copy, moving.run, moving.run_step, moving.cancel, moving.approve, moving.plan,
    releasing.preflight, releasing.release, releasing.releases, releasing.diff_release, releasing.rollback,
    scheduling.schedule, scheduling.arrivals, scheduling.scheduler, backfilling.backfill, scheduling.metrics,
    comparing.diff, comparing.prove, comparing.repair, looking.discover, profiling.profile, looking.check,
    looking.doctor, looking.init, looking.connect, looking.history, looking.bill, looking.log, looking.open_step,
    looking.rejects, looking.explain, looking.describe, looking.demo,
):  # fmt: skip
    lading.add_command(_each)
