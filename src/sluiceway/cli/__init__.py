"""The command line. Importing this costs nothing; a command's file is imported when it is called."""

from __future__ import annotations

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """The entry point of ``sluiceway``: runs the command and ends the process with its exit code."""
    gc.set_threshold(100_000, 20, 20)  # imports leave no garbage; looking for it was a tenth of a small run
    from sluiceway.cli.app import invoke

    code = invoke(sys.argv[1:])
    gc.freeze()  # the process ends, and its last collection would go through all of it once more
    sys.exit(code)
