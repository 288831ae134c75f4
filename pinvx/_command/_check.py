"""`python -m pinvx`: measure, show, and judge."""

from __future__ import annotations

import sys

from .._errors import sentence
from . import _measure, _report, _table


def run() -> int:
    """Print the table of everything installed; return 0 only if every row holds."""
    rows, left_out = _measure.measure_all(_progress)
    _progress("")
    if not rows:
        problem = " ".join(left_out) or "no array library is installed."
        print("pinvx:", sentence(problem[:-1], 'pip install "pinvx[numpy]"'), file=sys.stderr)
        return 2
    _table.show(_report.table(rows, left_out), sys.stdout)
    return 0 if all(row.holds for row in rows) else 1


def _progress(text: str) -> None:
    """Overwrite the last line, where someone is watching."""
    if sys.stderr.isatty():
        print(f"\r{text:<50}", end="" if text else "\r", file=sys.stderr, flush=True)
