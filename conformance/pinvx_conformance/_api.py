"""The suite as a library: `check_pinv` and `check_lstsq`, for somebody's own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from pinvx_conformance._check import CHECKS, Case, ViolationError, judge, missing
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._run import Plan, run
from pinvx_conformance._targets import Target, stranger

# The checks that judge one matrix, whichever it is.
OF_ONE_MATRIX = {
    "pinv": ("P5-penrose_equations", "P6-forward_error", "P6-beside_the_svd", "P7-rank"),
    "lstsq": ("P9-minimum_norm_solution", "P10-residuals", "P7-lstsq_rank"),
}


def check_pinv(
    pinv: Callable[..., Any],
    *recipes: Recipe,
    namespace: str = "numpy",
    promises: Iterable[str] = (),
    dtypes: Iterable[str] = (),
    lacks: Mapping[str, str] | None = None,
    level: str = "quick",
) -> None:
    """Judge a pseudoinverse function.

    Parameters
    ----------
    pinv : callable
        ``pinv(a, **options)``. Which of rtol, atol, hermitian and return_rank it takes is read from
        its signature; what it does not take is not judged.
    *recipes : Recipe
        Matrices to judge it on, from `pinvx_conformance.matrices`. Without any, the gallery and
        every promise.
    namespace : str
        The library whose arrays it takes: "numpy", "torch", "torch:cuda", "jax", "cupy",
        "array_api_strict", or any importable namespace that follows the standard.
    promises : iterable of str
        For example ``["P5", "P6"]``; empty for all.
    dtypes : iterable of str
        For example ``["float32"]``; empty for all that the library has.
    lacks : mapping of str to str, optional
        Features not claimed and why, for example ``{"batches": "one matrix at a time"}``.
    level : {"quick", "full"}

    Raises
    ------
    AssertionError
        At the first broken promise: promise, recipe, κ, rank, residual and bound.

    Examples
    --------
    >>> import numpy as np
    >>> from pinvx_conformance import check_pinv, matrices
    >>> check_pinv(np.linalg.pinv, matrices.spectrum(12, 5, kappa=1e5))
    """
    target = stranger(pinv, namespace, kind="pinv")
    _check(target, "pinv", recipes, Plan(level, tuple(promises), tuple(dtypes)), lacks)


def check_lstsq(
    lstsq: Callable[..., Any],
    *recipes: Recipe,
    namespace: str = "numpy",
    promises: Iterable[str] = (),
    dtypes: Iterable[str] = (),
    lacks: Mapping[str, str] | None = None,
    level: str = "quick",
) -> None:
    """Judge a least-squares function.

    ``lstsq(a, b)`` returns ``(x, residuals, rank, singular values)``. Parameters and errors are
    those of `check_pinv`.

    Examples
    --------
    >>> from functools import partial
    >>> import numpy as np
    >>> from pinvx_conformance import check_lstsq, matrices
    >>> check_lstsq(np.linalg.lstsq, matrices.low_rank(12, 5, 3), promises=["P9"])
    """
    target = stranger(lstsq, namespace, kind="lstsq")
    _check(target, "lstsq", recipes, Plan(level, tuple(promises), tuple(dtypes)), lacks)


def _check(
    target: Target,
    kind: str,
    recipes: tuple[Recipe, ...],
    plan: Plan,
    lacks: Mapping[str, str] | None,
) -> None:
    target = replace(target, declared={**target.declared, **(lacks or {})})
    if not recipes:
        for outcome in run(target, plan):
            if outcome.status == "fail":
                raise ViolationError(outcome.message)
        return
    for name in OF_ONE_MATRIX[kind]:
        one = CHECKS[name]
        if one not in plan.checks() or missing(target, one):
            continue
        for recipe in recipes:
            for dtype in plan.dtypes or target.library.dtypes:
                if recipe.is_complex == dtype.startswith("complex"):
                    outcome = judge(target, one, Case(recipe, dtype))
                    if outcome.status == "fail":
                        raise ViolationError(outcome.message)
