"""lineax, on JAX's arrays: the solver that it recommends for systems of any rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import lineax

from ..grid import Shape
from ._contender import Match, Rivals, pinvx_solution
from ._jax import JaxContender, gradients, rivals


class LineaxContender(JaxContender):
    """lineax's `linear_solve`, compiled; it returns the solution alone, and so does pinvx here."""

    name = "lineax"
    distributions = ("lineax", "equinox")

    def matches(self) -> Sequence[Match]:
        """Return `lstsq`, with its gradients, too."""
        own = "lineax.linear_solve"
        return (
            Match("lstsq", "forward", own, _lstsq),
            Match("lstsq", "backward", own, _lstsq_gradients),
        )


def _lstsq(shape: Shape, cutoff: float) -> Rivals:
    return rivals(shape, _compiled(_own_solution), _compiled(pinvx_solution))


def _lstsq_gradients(shape: Shape, cutoff: float) -> Rivals:
    return rivals(shape, gradients(_own_solution), gradients(pinvx_solution))


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return jax.jit(function)  # type: ignore[no-any-return]  # JAX is `Any` here


def _own_solution(a: Any, b: Any) -> Any:
    if a.ndim == 2:
        return _solve(a, b)
    return jax.vmap(_solve)(a, b[..., 0])[..., None]


def _solve(a: Any, b: Any) -> Any:
    # well_posed=False is the singular value decomposition, whose cutoff is max(M, N)·eps.
    solver = lineax.AutoLinearSolver(well_posed=False)
    return lineax.linear_solve(lineax.MatrixLinearOperator(a), b, solver).value
