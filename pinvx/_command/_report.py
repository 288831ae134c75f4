"""The rows as a table, with a legend and sentences for a newcomer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import pinvx

from ._measure import Row
from ._problem import EPS, KAPPA, RANK, bound, cement
from ._table import Cell, Table

_HEADER = (
    "library",
    "device",
    "dtype",
    "rank",
    "AXA\n=A",
    "XAX\n=X",
    "AX\nsym",
    "XA\nsym",
    "\npinv",
    "\nlstsq",
    "\ngrad",
    "own\npinv",
    "own\nlstsq",
    "holds",
)

# More answers than these are counted, not named.
_NAMED = 4


def table(rows: Sequence[Row], left_out: Sequence[str]) -> Table:
    """Return the rows as a table, with how to read it, what it shows and what is missing."""
    m, n = len(cement().a), len(cement().x)
    raised = [f"{_name(row)}: pinvx raised {row.problem}." for row in rows if row.problem]
    return Table(
        title=f"pinvx {pinvx.__version__}: the heat of {m} cement mixtures from their composition, "
        f"a {m} x {n} matrix of rank {RANK}",
        header=_HEADER,
        rows=[_cells(row) for row in rows],
        text_columns=3,
        legend=_legend(),
        paragraphs=[*raised, " ".join([*_of_pinvx(rows), *_of_libraries(rows)]), *left_out],
    )


def _cells(row: Row) -> list[Cell]:
    version = row.version.partition("+")[0]  # the build, "+cpu", says less than the device
    penrose = row.penrose or (None,) * 4
    return [
        Cell(f"{row.library} {version}"),
        Cell(row.device),
        Cell(row.dtype),
        Cell("-" if row.rank is None else str(row.rank), "" if row.rank == RANK else "bold red"),
        *(
            _number(value, row.bound, "bold red")
            for value in (*penrose, row.pinv, row.lstsq, row.gradient)
        ),
        _number(row.own_pinv, row.bound, "yellow"),
        _number(row.own_lstsq, row.bound, "yellow"),
        Cell("yes", "green") if row.holds else Cell("NO", "bold red"),
    ]


def _number(value: float | None, limit: float, style: str) -> Cell:
    if value is None:
        return Cell("-")
    if value <= limit:
        return Cell(f"{value:.0e}" if value else "0")
    return Cell(f"{value:.0e}!", style)


def _legend() -> list[str]:
    bounds = ", ".join(f"{bound(dtype):.1e} in {dtype}" for dtype in EPS)
    return [
        "AXA=A to XA sym  the four Penrose residuals of X = pinv(A)",
        "pinv, lstsq      relative difference from the exact answer, found in fractions",
        "grad             the same for the gradient of sum(lstsq(A, b).x) in A: by automatic",
        "                 differentiation in torch and jax, by the closed form elsewhere",
        "own              pinv and lstsq of the library itself, with their defaults",
        "                 (inf: it raised an error or gave no numbers; -: it has none)",
        f"holds            the rank is {RANK}, and no number of pinvx's is above",
        f"                 10 max(M, N) eps kappa, kappa = sigma_1/sigma_{RANK} = {KAPPA:.1f}:",
        f"                 {bounds}",
        "!                above that",
    ]


def _of_pinvx(rows: Sequence[Row]) -> list[str]:
    held = sum(row.holds for row in rows)
    if held < len(rows):
        wrong = _listed(_name(row) for row in rows if not row.holds)
        return [f"pinvx holds in {held} of {len(rows)} rows. It does not with {wrong}."]
    names = _listed(dict.fromkeys(row.library for row in rows))
    return [f"pinvx gives the exact answer, to rounding, in all {held} rows: with {names}."]


def _of_libraries(rows: Sequence[Row]) -> list[str]:
    answers = [
        (row, function, value)
        for row in rows
        for function, value in (("pinv", row.own_pinv), ("lstsq", row.own_lstsq))
        if value is not None
    ]
    off = [answer for answer in answers if not answer[2] <= answer[0].bound]
    if not answers:
        return []
    if not off:
        return ["The libraries' own functions agree with it here."]
    return [
        f"Of the {len(answers)} answers of the libraries' own functions {len(off)} "
        f"{'is' if len(off) == 1 else 'are'} off: {_listed(_error(*answer) for answer in off)}.",
        "The shares of a mixture sum to 1, so one of the six columns says nothing new, and the "
        "sixth singular value is nothing but rounding error (6e-09 sigma_1 in float32). "
        "A function that takes it for information, or takes full rank for granted, divides by it.",
    ]


def _error(row: Row, function: str, value: float) -> str:
    name = f"{row.library}'s linalg.{function} ({row.device}, {row.dtype})"
    if math.isinf(value):
        return f"{name} with an error or no numbers"
    return f"{name} by {value:.0e} times the size of the answer"


def _name(row: Row) -> str:
    return f"{row.library} ({row.device}, {row.dtype})"


def _listed(names: Iterable[str]) -> str:
    words = list(names)
    if len(words) > _NAMED + 1:
        words[_NAMED:] = [f"{len(words) - _NAMED} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
