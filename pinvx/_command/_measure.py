"""One row of the table: the problem, on one library, device and dtype."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain, product
from typing import Any, NamedTuple

import pinvx

from .._typing import Array
from ._exact import relative_difference
from ._libraries import Library, installed, library, numbers
from ._problem import EPS, RANK, Problem, bound, cement


class Row(NamedTuple):
    """The results. Residuals and differences are relative; None means not available."""

    library: str
    version: str
    device: str
    dtype: str
    rank: int | None = None
    penrose: tuple[float, ...] = ()
    """AXA = A, XAX = X, AX symmetric, XA symmetric."""
    pinv: float | None = None
    lstsq: float | None = None
    gradient: float | None = None
    own_pinv: float | None = None
    """The difference of the library's own function; infinite where it raised."""
    own_lstsq: float | None = None
    problem: str = ""
    """What pinvx raised, if it did."""

    @property
    def bound(self) -> float:
        """The largest residual or difference that holds."""
        return bound(self.dtype)

    @property
    def differences(self) -> tuple[float | None, ...]:
        """The residuals and differences of pinvx."""
        return (*self.penrose, self.pinv, self.lstsq, self.gradient)

    @property
    def holds(self) -> bool:
        """Whether the rank is right and everything is within the bound."""
        return (
            self.rank == RANK
            and len(self.penrose) == 4
            and all(d is not None and d <= self.bound for d in self.differences)
        )


def measure_all(progress: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Return the rows of everything installed here, and which libraries were left out and why.

    `progress` is told what comes next: an import or a compilation can take seconds.
    """
    rows: list[Row] = []
    left_out: list[str] = []
    for name in installed():
        progress(name)
        try:
            lib = library(name)
            devices = lib.devices()
        except Exception as error:  # whatever a broken installation raises
            left_out.append(f"{name} was left out: {_one_line(error)}.")
            continue
        if not devices:
            left_out.append(f"{name} {lib.version} was left out: it found no device.")
        for device, dtype in product(devices, EPS):
            progress(f"{name}, {lib.label(device)}, {dtype}")
            rows.append(measure(lib, device, dtype))
    return rows, left_out


def measure(lib: Library, device: Any, dtype: str) -> Row:
    """Solve the problem with pinvx and with the library's own functions."""
    row = Row(lib.name, lib.version, lib.label(device), dtype)
    with lib.scope(device, x64=dtype == "float64"):
        try:
            row = row._replace(**_of_pinvx(lib, device, dtype))
        except Exception as error:  # a row that cannot be computed does not hold
            row = row._replace(problem=_one_line(error))
        return row._replace(**_of_library(lib, device, dtype))


def _of_pinvx(lib: Library, device: Any, dtype: str) -> dict[str, Any]:
    exact = cement()
    a, b = _arrays(lib, exact, device, dtype)
    x, rank = pinvx.pinv(a, return_rank=True)
    fit = pinvx.lstsq(a, b)
    residuals = lib.compiled(pinvx.penrose_residuals)(a, x)
    ranks = {int(rank), int(fit.rank)}
    return {
        "rank": min(ranks) if len(ranks) == 1 else None,
        "penrose": tuple(float(r) for r in residuals),
        "pinv": _difference(x, exact.pinv),
        "lstsq": relative_difference(numbers(fit.x), exact.x),
        "gradient": max(
            _difference(g, exact.gradient) for g in _gradients(lib, a, b, dtype, device)
        ),
    }


def _gradients(lib: Library, a: Array, b: Array, dtype: str, device: Any) -> Iterator[Array]:
    """Differentiate the sum of the entries of A⁺b, through `pinv` and through `lstsq`.

    G is the cotangent of A⁺: each of its rows is b. With it the loss is an elementwise product;
    a matrix product would bring the reduced precision of some devices into the gradient.
    """
    n = a.shape[-1]
    g = lib.array([numbers(b)] * n, dtype, device)
    by_pinv = lib.gradient(lambda a: (pinvx.pinv(a) * g).sum(), a)
    by_lstsq = lib.gradient(lambda a: pinvx.lstsq(a, b).x.sum(), a)
    ones = lib.array([1.0] * n, dtype, device)
    yield pinvx.pinv_vjp(a, g) if by_pinv is None else by_pinv
    yield pinvx.lstsq_vjp(a, b, ones)[0] if by_lstsq is None else by_lstsq


def _of_library(lib: Library, device: Any, dtype: str) -> dict[str, Any]:
    exact = cement()
    a, b = _arrays(lib, exact, device, dtype)
    pinv, lstsq = lib.own_pinv(), lib.own_lstsq()
    return {
        "own_pinv": None if pinv is None else _own(lambda: _difference(pinv(a), exact.pinv)),
        "own_lstsq": None
        if lstsq is None
        else _own(lambda: relative_difference(numbers(lstsq(a, b)), exact.x)),
    }


def _own(difference: Callable[[], float]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy asks for an `rcond`; its default is what is shown
        try:
            return difference()
        except Exception:  # some raise for a matrix without full rank, each its own type
            return math.inf


def _arrays(lib: Library, exact: Problem, device: Any, dtype: str) -> tuple[Array, Array]:
    a = [[float(value) for value in row] for row in exact.a]
    b = [float(value) for value in exact.b]
    return lib.array(a, dtype, device), lib.array(b, dtype, device)


def _difference(found: Array, exact: Iterable[Iterable[Fraction]]) -> float:
    return relative_difference(chain(*numbers(found)), chain(*exact))


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(".: ")
