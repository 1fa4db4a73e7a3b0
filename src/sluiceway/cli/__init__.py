"""The command line. Importing this costs nothing; a command's file is imported when it is called."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """The entry point of ``sluiceway``: runs the command and ends the process with its exit code."""
    from sluiceway.cli.app import invoke

    sys.exit(invoke(sys.argv[1:]))
