"""Copying, proved, beside the physical limit and other movers: `python -m bench [--quick] [--only a,b] [--write]`.

Everything is called as its users call it, in a process of its own, from its start to its end. Seconds are medians;
memory is the most that the process and its children held.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_cache_path
from rich.console import Console

from bench import movers, page
from bench.cases import Case, Way, cases
from bench.peers import environments
from bench.places import placed
from bench.watching import watched
from tests.servers import MariaDB

ROUNDS, OTHERS, LONG = 5, 3, 60.0
"""How often Lading and limits run, how often others do, and seconds from which on one of these is not repeated."""


@dataclass
class Measured:
    """One way, measured a few times; `wrong` says what it did not do."""

    way: Way
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: int = 0
    wrong: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def main() -> int:
    options = argparse.ArgumentParser(prog="bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="scale 0.1, one round, without other movers")
    options.add_argument("--scale", type=float, help="TPC-H scale factor (default 1)")
    options.add_argument("--rounds", type=int, help=f"how often Lading and the limits run (default {ROUNDS})")
    options.add_argument("--patience", type=float, default=240, help="seconds after which a run is ended (default 240)")
    options.add_argument("--alone", action="store_true", help="without other movers")
    options.add_argument("--only", default="", help="only cases with these letters: a,b")
    options.add_argument("--venvs", type=Path, help="where environments are kept (default: the user's cache)")
    options.add_argument("--write", type=Path, help="also write the page to this file")
    given = options.parse_args()
    scale, rounds = given.scale or (0.1 if given.quick else 1.0), given.rounds or (1 if given.quick else ROUNDS)
    cache = given.venvs or user_cache_path("lading") / "peers"
    alone = given.alone or given.quick
    made, absent = ({"Lading": Path(sys.executable).parent}, {}) if alone else environments(cache, movers.PINNED)
    if not alone and (program := shutil.which("pgloader")):
        made["pgloader"] = Path(program).parent
    elif not alone:
        absent["pgloader"] = "apt-get has no such package, or may not install it"
    if "Lading" in absent:
        raise SystemExit(f"Lading could not be installed: {absent['Lading']}")
    began, load = time.monotonic(), os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lading-bench-")))
        folder.chmod(0o755)
        rivals = movers.prepared(made, absent, cache, folder)
        wanted = set(given.only.split(",")) - {""} or set("abcdefgh")
        if why := MariaDB.absent():
            print(f"d is left out: {why}", file=sys.stderr)
            wanted -= {"d", "d1", "d2"}
        place, servers = placed(stack, folder, scale, wanted)
        found = []
        for case in cases(place, rivals, wanted):
            if case.letter in wanted or case.letter[0] in wanted:
                how = (rivals, servers, rounds, 120 if given.quick else given.patience)
                found.append((case, [measured(case, way, how) for way in case.ways]))
                page.show(found[-1:], Console(width=120, stderr=True))
        about = page.about(place, scale, rounds, (time.monotonic() - began, load), rivals)
    page.show(found, Console(width=120))
    if given.write:
        given.write.write_text(page.written(found, about), encoding="utf-8")
    return 0


def measured(case: Case, way: Way, how: tuple[movers.Rivals, list[int], int, float]) -> Measured:
    """Runs one way until it has enough rounds, or has taken long."""
    rivals, servers, rounds, patience = how
    done = Measured(way)
    own = way.ours or way.limit
    while len(done.seconds) < (rounds if own else min(rounds, OTHERS)) and (own or sum(done.seconds) < LONG):
        way.before()
        ended = watched(way.command, rivals.surroundings, servers, patience)
        done.seconds.append(ended.seconds)
        done.cpu.append(ended.cpu)
        done.peak_mb = max(done.peak_mb, ended.peak_mb)
        if ended.exit is None:
            done.wrong = f"ended after {patience:.0f} s"
        elif ended.exit:
            done.wrong = f"failed: {last(ended.err or ended.out)}"
        elif way.counted and (rows := way.counted(ended.out)) is None:
            done.wrong = "is not proved" if own else "left other rows than the source has"
        elif way.counted and case.rows and rows != case.rows:
            done.wrong = f"brought {rows:,} of {case.rows:,} rows"
        if done.wrong and own:
            raise SystemExit(f"{case.letter}, {way.name}: {done.wrong}\n{ended.err[-2000:]}{ended.out[-2000:]}")
        if done.wrong:
            break
    print(f"{case.letter}: {way.name}: {done.median:.2f} s {done.wrong}", file=sys.stderr, flush=True)
    return done


def last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main())
