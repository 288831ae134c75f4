"""Which method finds an answer, and what a single method makes of a problem."""

from __future__ import annotations

from typing import Any

import numpy as np

from pinvx._climb import climb
from pinvx._dispatch import adapter_of
from pinvx._plan import METHODS
from pinvx._problem import Problem


def problem(a: Any, b: Any = None, *, wanted: str | None = None, rtol: Any = None, atol: Any = 0.0):
    """A problem as the rules make it, of any library; the default cutoff unless one is given."""
    lib = adapter_of(a, "", "")
    if rtol is None:
        rtol = max(a.shape[-2:]) * lib.precision(a.dtype).eps
    wanted = wanted or ("pinv" if b is None else "solve")
    return Problem(lib, a, rtol, atol, wanted=wanted, b=b)


def taken(a: Any, b: Any = None, *, method: str = "auto", **options: Any) -> tuple[Any, list[str]]:
    """The answer, and the methods that found it: several in a batch."""

    def call(lib: Any, method: str, a: Any, *b: Any) -> Any:
        return climb(problem(a, *b, **options), method)

    inputs = (a,) if b is None else (a, b)
    answer, names = adapter_of(a, "", "").run(call, method, *inputs)
    return answer, names.split(",")


def accepted(name: str, a: Any, b: Any = None, **options: Any) -> bool:
    """Whether a method accepts every matrix."""

    def call(lib: Any, name: str, a: Any, *b: Any) -> Any:
        return METHODS[name].method(problem(a, *b, **options)).accepted

    lib = adapter_of(a, "", "")
    return lib.all(lib.run(call, name, *((a,) if b is None else (a, b))))


def spectrum(m: int, n: int, kappa: float, *batch: int, seed: int = 0, rank: int | None = None):
    """Matrices with singular values from 1 down to 1/κ, spaced evenly in the logarithm."""
    rng = np.random.default_rng(seed)
    k = min(m, n)
    u = np.linalg.qr(rng.standard_normal((*batch, m, k)))[0]
    v = np.linalg.qr(rng.standard_normal((*batch, n, k)))[0]
    s = np.geomspace(1.0, 1.0 / kappa, k)
    s[k if rank is None else rank :] = 0.0
    return u * s @ v.mT


def lacking(shape: tuple[int, ...], dtype: str) -> tuple[Any, Any]:
    """A of half the rank, and b that it does not reach."""
    rng = np.random.default_rng(3)
    k = max(1, min(shape[-2:]) // 2)
    a = spectrum(shape[-2], k, 10.0, *shape[:-2]) @ spectrum(k, shape[-1], 10.0, *shape[:-2])
    b = rng.standard_normal((*shape[:-1], 2))
    if dtype.startswith("complex"):
        a, b = a * (1 + 2j), b * (1 - 1j)
    return a.astype(dtype), b.astype(dtype)
