"""The command line: `python -m pinvx` and `python -m pinvx solve`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

import pinvx

from ._command import _check, _solve
from ._errors import sentence


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as the rest of pinvx does."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"pinvx: {sentence(message, f'see {self.prog} --help')}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A file name or a header may hold what the terminal's encoding does not.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    if options.command == "solve":
        return _solve.run(options)
    return _check.run()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m pinvx",
        description="Solve one real, rank-deficient problem on every array library and device "
        "here, and compare it with the exact answer and with the library's own functions. "
        "The exit status is 0 only if every row holds.",
    )
    parser.add_argument("--version", action="version", version=f"pinvx {pinvx.__version__}")
    commands = parser.add_subparsers(dest="command", title="commands", metavar="")
    solve = commands.add_parser(
        "solve",
        help="solve A x = b for files, in the least-squares sense",
        description="Print the shortest of the x that minimise ||b - A x||, the rank of A, and "
        "the residual.",
    )
    _solve.add_arguments(solve)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
