"""The process that the tests kill: runs one copy, prints its bill, and ends as the command line does."""

import json
import os
import sys
from pathlib import Path

from lading import actions, config, errors


def main() -> int:
    """Copies as the words on the command line say; a second argument names a file that says when it began."""
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(str(os.getpid()))
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
