"""What NumPy does differently: array subclasses with a meaning of their own, and byte order."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.linalg import _umath_linalg

from pinvx import Adapter, Rule

from ._threads import GRAIN_OF_DECOMPOSITION, cores, in_parts, part_of, parts

# OpenBLAS computes what decompositions of wider matrices consist of in threads, which get in the
# way of others.
WIDEST = 40

# So many matrices, at least, make up for the calls of an algorithm that takes all in each of them.
MANY = 32


class NumpyAdapter(Adapter):
    """NumPy's verbs."""

    def __init__(self, xp: Any) -> None:
        super().__init__(_with_threads(xp))

    def accept(self, x: Any, function: str, name: str) -> Any:
        """Refuse subclasses whose `*` is no elementwise product or whose entries are masked."""
        if type(x) is not np.ndarray:
            if isinstance(x, np.ma.MaskedArray):
                raise TypeError(
                    f"{function}: `{name}` is a masked array of shape {x.shape}, and a "
                    f"pseudoinverse has no meaning for missing entries. Hint: fill them "
                    f"({name}.filled(…)), or leave out their rows."
                )
            if isinstance(x, np.matrix):
                raise TypeError(
                    f"{function}: `{name}` is a numpy.matrix of shape {x.shape}, whose operators "
                    f"differ from those of an array. Hint: pass numpy.asarray({name})."
                )
            x = np.asarray(x)
        # LAPACK wants the machine's byte order; files of other machines (FITS, say) have theirs.
        return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))

    def device(self, x: Any) -> None:
        """Return None: there is one device."""
        return

    def integer(self, number: int, a: Any) -> Any:
        """Return an array of no dimension with this number."""
        del a
        return np.asarray(number)

    def adjoint(self, x: Any) -> Any:
        """Return the conjugate transpose; a real array is not copied."""
        return x.mT.conj() if x.dtype.kind == "c" else x.mT

    def matmul(self, x: Any, y: Any) -> Any:
        """Return the product."""
        return x.dot(y) if x.ndim == 2 and y.ndim == 2 else x @ y  # half the time for small ones

    def gramian(self, x: Any) -> Any:
        """Return XᴴX.

        NumPy calls BLAS's `syrk` for a matrix and its own transpose, and copies a triangle then,
        which takes longer than half of the product of two small matrices.
        """
        slow = x.shape[-1] <= 64 and x.size < 1 << 15
        return self.matmul(self.adjoint(x), x.copy() if slow else x)

    def inv(self, x: Any) -> Any:
        """Return the inverse, with NaN for the singular matrices of a batch alone.

        `numpy.linalg.inv` raises for the whole batch; what it calls does not.
        """
        return _umath_linalg.inv(x)

    def solve(self, a: Any, b: Any) -> Any:
        """Return A⁻¹B, with NaN for the singular matrices of a batch alone."""
        return _umath_linalg.solve(a, b)

    def cholesky(self, x: Any) -> Any:
        """Return the lower Cholesky factor, with NaN for the matrices without one alone."""
        return _umath_linalg.cholesky_lo(x)

    def inv_lower(self, x: Any) -> Any:
        """Return the inverse of each lower triangular matrix.

        By halves, since NumPy shows elimination alone, which does not know of the zeros. Both
        halves of the diagonal are inverted in one call where they are of one size. Many small ones
        are inverted row by row, each row of all of them in one call.
        """
        n = x.shape[-1]
        if n <= (48 if x.ndim == 2 else 8):
            return self.inv(x) if math.prod(x.shape[:-2]) < MANY else self._inv_lower_by_rows(x)
        k = n // 2
        inverse = np.zeros_like(x)
        first, second = inverse[..., :k, :k], inverse[..., k:, k:]
        if n % 2 == 0:
            first[...], second[...] = self.inv_lower(np.stack([x[..., :k, :k], x[..., k:, k:]]))
        else:
            first[...] = self.inv_lower(x[..., :k, :k])
            second[...] = self.inv_lower(x[..., k:, k:])
        inverse[..., k:, :k] = self.matmul(second, self.matmul(x[..., k:, :k], -first))
        return inverse

    def _inv_lower_by_rows(self, x: Any) -> Any:
        inverse = np.zeros_like(x)
        reciprocals = 1.0 / np.linalg.diagonal(x)[..., None, :]
        for i in range(x.shape[-1]):
            row, reciprocal = slice(i, i + 1), reciprocals[..., i : i + 1]
            inverse[..., row, row] = reciprocal
            if i > 0:
                left = self.matmul(x[..., row, :i], inverse[..., :i, :i])
                inverse[..., row, :i] = -reciprocal * left
        return inverse

    def svd(self, x: Any) -> tuple[Any, Any, Any]:
        """Return U, σ and Vᴴ, with NaN for a matrix where that fails.

        In double precision, as NumPy decomposes single precision too.
        """
        return _umath_linalg.svd_s(x, signature="D->DdD" if x.dtype.kind == "c" else "d->ddd")

    def minimum_norm(self, a: Any, b: Any, rtol: float) -> tuple[Any, Any, Any, Any] | None:
        """Return x, ‖b − A x‖², the rank and σ by LAPACK's `gelsd`.

        Of a whole batch at once, and in double precision, as NumPy does. An infinity in A would
        keep it busy for ever.
        """
        finite = self.norm(a) < math.inf
        if not (finite if a.ndim == 2 else finite.all()):
            return None
        signature = "DDd->Ddid" if a.dtype.kind == "c" else "ddd->ddid"
        x, squares, rank, s = _umath_linalg.lstsq(a, b, rtol, signature=signature)
        # What is left in the last M − N rows of Qᴴb, which is not all of it unless the rank is N.
        known = a.ndim == 2 and rank == a.shape[-1]
        return x, squares if known else None, rank, s

    def norm(self, x: Any) -> Any:
        """Return ‖x‖_F of each matrix, in the real dtype."""
        if x.ndim == 2:
            flat = x.ravel("K")
            return np.sqrt(np.vdot(flat, flat).real)
        flat = x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])  # -1 fails for no matrices
        return np.sqrt(np.vecdot(flat, flat).real)

    def column_squares(self, x: Any) -> Any:
        """Return the squared 2-norm of each column, in the real dtype."""
        return np.vecdot(x, x, axis=-2).real

    def on_host(self, a: Any) -> bool:
        """Return True."""
        del a
        return True

    def numbers(self, *values: Any) -> tuple[Any, ...]:
        """Read scalars as Python numbers."""
        return tuple(v.item() for v in values) if values[0].ndim == 0 else values

    def read(self, x: Any) -> list[float]:
        """Read a real vector."""
        return x.tolist()

    def put(self, x: Any, index: Any, y: Any) -> Any:
        """Return a copy of `x` with ``y[i]`` in place of ``x[index[i]]``."""
        x = x.copy()
        x[index] = y
        return x

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule, for a large batch of small matrices in several threads."""
        places = parts(inputs[0].shape, cores, widest=WIDEST)
        if not places:
            return rule.value(self, *inputs)

        def value(place: tuple[slice, ...]) -> tuple[Any, ...]:
            with self.quiet():  # threads have error states of their own
                return rule.value(self, *(part_of(x, place) for x in inputs))

        return in_parts(value, places, np.concatenate)

    def composed(self, rule: Any, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule, likewise: there are no derivatives to ask for."""
        return self.differentiable(rule, *inputs)

    def quiet(self) -> Any:
        """Return a context without warnings of NumPy's."""
        return np.errstate(all="ignore")


def _with_threads(xp: Any) -> SimpleNamespace:
    """Return a namespace like `xp` that shares out the decompositions of a batch to threads."""
    linalg = SimpleNamespace(**vars(xp.linalg))
    linalg.svd, linalg.eigh = partial(_in_threads, linalg.svd), partial(_in_threads, linalg.eigh)
    return SimpleNamespace(**{**vars(xp), "linalg": linalg})


def _in_threads(decompose: Callable[..., Any], x: Any, /, **options: Any) -> Any:
    places = parts(x.shape, cores, GRAIN_OF_DECOMPOSITION, WIDEST)
    if not places:
        return decompose(x, **options)
    return in_parts(lambda place: decompose(x[place], **options), places, np.concatenate)
