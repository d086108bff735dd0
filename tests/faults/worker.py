"""The process that the tests kill: runs one copy, prints its bill, and ends as the command line does."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from lading import actions, config, errors
from lading.store import Store, loads

DIES_IN = "LADING_TEST_DIES_IN"


def dies_in(state: str, table: str) -> None:
    """Kills this process as soon as the ledger says that a table is in a state: some last a millisecond only."""
    plain = Store.change

    def change(store: Store, load: str, **values: Any) -> None:
        plain(store, load, **values)
        if values.get("state") == state:
            (task,) = store.rows(loads.select().with_only_columns(loads.c.task).where(loads.c.id == load))
            if json.loads(task[0])["source"]["name"] == table:
                os.kill(os.getpid(), signal.SIGKILL)

    setattr(Store, "change", change)  # noqa: B010


def main() -> int:
    """Copies as the words on the command line say; a second argument names a file that says when it began."""
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(str(os.getpid()))
    if DIES_IN in os.environ:
        dies_in(*os.environ[DIES_IN].split())
    try:
        bill = actions.copy(config.move(json.loads(sys.argv[1])))
    except KeyboardInterrupt:
        return 130
    except errors.LadingError as error:
        print(f"{error.kind}: {error}", file=sys.stderr)
        return 2
    print(bill.model_dump_json())
    return {"proved": 0, "failed": 1, "unproved": 3}[bill.state]


if __name__ == "__main__":
    raise SystemExit(main())
