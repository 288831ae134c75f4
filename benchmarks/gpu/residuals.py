"""How far an answer is from solving its equations, without knowing the exact one.

`pinv`: ‖AXA − A‖/‖A‖. `lstsq`: ‖Aᴴ(b − Ax)‖/(‖A‖ ‖b‖). In Frobenius norms, in double precision, the
largest of a batch.
"""

from __future__ import annotations

from typing import Any

from ..contenders import Contender
from .matrices import frobenius

DOUBLE = {
    "float32": "float64",
    "float64": "float64",
    "complex64": "complex128",
    "complex128": "complex128",
}


def residual(contender: Contender, function: str, arrays: list[Any], x: Any) -> tuple[float, Any]:
    """Return the residual of X, or of x and the norm of each solution."""
    wide = DOUBLE[str(x.dtype).rpartition(".")[2]]
    *arrays, x = (contender.cast(y, wide) for y in (*arrays, x))
    if function == "pinv":
        return float(contender.prepared(of_pinv, *arrays, x)()), None
    found, norms = contender.prepared(of_lstsq, *arrays, x)()
    return float(found), norms


def of_pinv(a: Any, x: Any) -> Any:
    """Return the residual of X = A⁺; a square of the long side is not formed."""
    again = (a @ x) @ a if a.shape[-2] < a.shape[-1] else a @ (x @ a)
    return (frobenius(again - a) / frobenius(a)).max()


def of_lstsq(a: Any, b: Any, x: Any) -> tuple[Any, Any]:
    """Return the residual of the solution x, and the norms of all."""
    b, x = (v[:, None] if v.ndim == 1 else v for v in (b, x))
    r = b - a @ x
    gradient = a.swapaxes(-2, -1).conj() @ r
    return (frobenius(gradient) / (frobenius(a) * frobenius(b))).max(), frobenius(x)


def ratio(own: Any, mine: Any) -> float:
    """Return the largest ratio of two sets of norms, the first over the second."""
    n = min(own.shape[0], mine.shape[0])
    return float((own[:n] / mine[:n]).max())
