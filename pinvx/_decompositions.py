"""Decompositions that always return.

On some processors LAPACK's SVD does not converge for some ordinary matrices. Most libraries then
raise for the whole batch; others return NaN. The SVD of the adjoint nearly always converges; if
not, the eigenvectors of a Hermitian matrix of twice the size do. If all fail, the result is NaN for
that matrix alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from ._adapter import Adapter
from ._typing import Array

Arrays: TypeAlias = tuple[Array, ...]


def svd(lib: Adapter, x: Array) -> Arrays:
    """Return U, σ and Vᴴ of each finite matrix, with σ = NaN where nothing converges."""
    if lib.readable(x):
        return _first(lib, (lib.svd, _of_adjoint, _of_eigenvectors, _nothing), x, values=1)
    found = lib.svd(x)
    if lib.tracer is None:
        return found
    # Rounding decides whether it converges, so try the rows and columns in reverse order.
    either: Arrays = lib.tracer.branch(
        lib.xp.isfinite(found[1][..., 0]), lambda: found, lambda: _of_reverse(lib, x)
    )
    return either


def eigh(lib: Adapter, x: Array) -> Arrays:
    """Return the eigenvalues, ascending, and eigenvectors of each Hermitian matrix, likewise."""
    if not lib.readable(x):
        return lib.eigh(x)
    return _first(lib, (lib.eigh, _no_eigenvectors), x, values=0)


def _first(lib: Adapter, ways: tuple[Callable[..., Arrays], ...], x: Array, values: int) -> Arrays:
    """Return, for each matrix, the first result whose singular values or eigenvalues are finite."""
    way, *others = ways
    try:
        found = way(x) if way in (lib.svd, lib.eigh) else way(lib, x)
    except Exception:  # each library raises an error type of its own
        if not others:
            raise
    else:
        if not others or converged(lib, found[values]):
            return found
    if x.ndim == 2:
        return _first(lib, tuple(others), x, values)
    items = [_first(lib, ways, x[i, ...], values) for i in range(x.shape[0])]
    return tuple(lib.xp.stack(each, axis=0) for each in zip(*items, strict=True))


def converged(lib: Adapter, values: Array) -> bool:
    """Read whether all values are finite."""
    if values.ndim == 1 and lib.on_host(values):
        return all(math.isfinite(value) for value in lib.numbers(values))
    return lib.all(lib.xp.isfinite(values))


def _of_adjoint(lib: Adapter, x: Array) -> Arrays:
    u, s, vh = lib.svd(lib.adjoint(x))
    return lib.adjoint(vh), s, lib.adjoint(u)


def _of_reverse(lib: Adapter, x: Array) -> Arrays:
    xp = lib.xp
    u, s, vh = lib.svd(xp.flip(x, axis=(-2, -1)))
    return xp.flip(u, axis=-2), s, xp.flip(vh, axis=-1)


def _of_eigenvectors(lib: Adapter, x: Array) -> Arrays:
    """Return U, σ and Vᴴ from the eigenvectors (u, ±v) of [[0, X], [Xᴴ, 0]] to ±σ."""
    xp, h, device = lib.xp, lib.adjoint, lib.device(x)
    m, n = x.shape
    top = xp.concat([xp.zeros((m, m), dtype=x.dtype, device=device), x], axis=1)
    below = xp.concat([h(x), xp.zeros((n, n), dtype=x.dtype, device=device)], axis=1)
    w, q = lib.eigh(xp.concat([top, below], axis=0))
    k = min(m, n)
    places = xp.arange(m + n - 1, m + n - 1 - k, -1, device=device)
    q = math.sqrt(2.0) * xp.take(q, places, axis=1)
    return q[:m, :], xp.abs(xp.take(w, places, axis=0)), h(q[m:, :])


def _nothing(lib: Adapter, x: Array) -> Arrays:
    k = min(x.shape)
    return lib.xp.zeros_like(x[:, :k]), _nan(lib, x, k), lib.xp.zeros_like(x[:k, :])


def _no_eigenvectors(lib: Adapter, x: Array) -> Arrays:
    return _nan(lib, x, x.shape[0]), lib.xp.zeros_like(x)


def _nan(lib: Adapter, x: Array, length: int) -> Array:
    known = lib.precision(x.dtype)
    assert known is not None  # checked at the call
    return lib.xp.full((length,), math.nan, dtype=known.real, device=lib.device(x))
