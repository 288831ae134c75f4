"""What NumPy does differently: special array subclasses, byte order, and threads for batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.linalg import _umath_linalg

from pinvx import Adapter, Rule

from ._threads import GRAIN_OF_DECOMPOSITION, cores, in_parts, part_of, parts

# For wider matrices OpenBLAS uses threads of its own, which slow down others.
WIDEST = 40

# From this many matrices on, an algorithm that takes all of them in each call pays.
MANY = 32


class NumpyAdapter(Adapter):
    """NumPy's verbs."""

    def accept(self, x: Any, function: str, name: str) -> Any:
        """Refuse `numpy.matrix`, whose `*` is a matrix product, and masked entries."""
        if type(x) is not np.ndarray:
            if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
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
        # LAPACK needs the machine's byte order; files (FITS, say) may have another. And some
        # kernels of OpenBLAS crash on unaligned numbers.
        if x.flags.aligned and x.dtype.isnative:
            return x
        return x.astype(x.dtype.newbyteorder("="))

    def device(self, x: Any) -> None:
        """Return None: there is one device."""
        return

    def adjoint(self, x: Any) -> Any:
        """Return the conjugate transpose; a real array is not copied."""
        return x.mT.conj() if x.dtype.kind == "c" else x.mT

    def matmul(self, x: Any, y: Any) -> Any:
        """Return the product."""
        return x.dot(y) if x.ndim == 2 and y.ndim == 2 else x @ y  # half the time for small ones

    def gramian(self, x: Any, y: Any = None) -> Any:
        """Return XᴴX or XᴴY.

        For a matrix and its own transpose NumPy calls BLAS's `syrk` and then copies a triangle. For
        small matrices the copy takes longer than half of the product.
        """
        if y is None:
            y = x.copy() if x.shape[-1] <= 64 and x.size < 1 << 15 else x
        return self.matmul(self.adjoint(x), y)

    def squares(self, x: Any, axis: Any = (-2, -1)) -> Any:
        """Return the sum of |x|² over one or both of the last dimensions."""
        if axis == -2:
            return np.vecdot(x, x, axis=-2).real
        if x.ndim == 2:
            flat = x.ravel("K")
            return float(flat.dot(flat) if x.dtype.kind == "f" else np.vdot(flat, flat).real)
        flat = x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])  # -1 fails for an empty batch
        return np.vecdot(flat, flat).real

    def svd(self, x: Any) -> tuple[Any, ...]:
        """Return U, σ and Vᴴ of each matrix, with NaN for those where LAPACK does not converge.

        In double precision, as NumPy itself decomposes single precision.
        """
        return _in_threads(_svd, x) if x.ndim > 2 else _svd(x)

    def eigh(self, x: Any) -> tuple[Any, ...]:
        """Return the eigenvalues, ascending, and the eigenvectors, likewise."""
        return _in_threads(_eigh, x) if x.ndim > 2 else _eigh(x)

    def inv(self, x: Any) -> Any:
        """Return the inverse, with NaN only for the singular matrices."""
        return _umath_linalg.inv(x)

    def solve(self, a: Any, b: Any) -> Any:
        """Return A⁻¹B, with NaN only for the singular matrices."""
        return _umath_linalg.solve(a, b)

    def cholesky(self, x: Any) -> Any:
        """Return the lower Cholesky factor, with NaN only for the matrices without one."""
        return _umath_linalg.cholesky_lo(x)

    def inv_lower(self, x: Any) -> Any:
        """Return the inverse of each lower triangular matrix.

        By halves, since NumPy has only elimination, which does not use the zeros. Both halves of
        the diagonal are inverted in one call if they have the same size. Many small matrices are
        inverted row by row, one row of all of them in each call.
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

    def minimum_norm(self, a: Any, b: Any, rtol: float) -> tuple[Any, Any, Any, Any]:
        """Return x, ‖b − A x‖², the rank and σ by LAPACK's `gelsd`.

        For a whole batch at once, and in double precision, as NumPy itself does.
        """
        signature = "DDd->Ddid" if a.dtype.kind == "c" else "ddd->ddid"
        x, squares, rank, s = _umath_linalg.lstsq(a, b, rtol, signature=signature)
        # The sum over the last M − N rows of Qᴴb, which is the whole residual only at rank N.
        known = a.ndim == 2 and rank == a.shape[-1]
        return x, squares if known else None, rank, s

    def on_host(self, a: Any) -> bool:
        """Return True."""
        del a
        return True

    def numbers(self, x: Any) -> list[float]:
        """Read a real array."""
        return x.tolist() if x.ndim == 1 else x.ravel().tolist()

    def run(self, function: Callable[..., Any], static: Any, *inputs: Any) -> Any:
        """Return ``function(self, static, *inputs)``, without NumPy's warnings."""
        with np.errstate(all="ignore"):
            return function(self, static, *inputs)

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule, in several threads for a large batch of small matrices."""
        a = inputs[0]
        places = parts(a.shape, cores, widest=WIDEST) if a.ndim > 2 else None
        if not places:
            return rule.value(self, *inputs)

        def value(place: tuple[slice, ...]) -> tuple[Any, ...]:
            with np.errstate(all="ignore"):  # each thread has its own error state
                return rule.value(self, *(part_of(x, place) for x in inputs))

        return in_parts(value, places, np.concatenate)


# `numpy.linalg` raises for the whole batch if one matrix does not converge or is singular. The
# functions that it calls do not, but have no public names.


def _svd(x: Any) -> tuple[Any, ...]:
    return _umath_linalg.svd_s(x, signature="D->DdD" if x.dtype.kind == "c" else "d->ddd")


def _eigh(x: Any) -> tuple[Any, ...]:
    return _umath_linalg.eigh_lo(x, signature="D->dD" if x.dtype.kind == "c" else "d->dd")


def _in_threads(decompose: Callable[[Any], Any], x: Any) -> Any:
    places = parts(x.shape, cores, GRAIN_OF_DECOMPOSITION, WIDEST)
    if not places:
        return decompose(x)

    def part(place: tuple[slice, ...]) -> Any:
        with np.errstate(all="ignore"):  # each thread has its own error state
            return decompose(x[place])

    return in_parts(part, places, np.concatenate)
