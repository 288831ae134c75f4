"""The truth about a recipe: pseudoinverse, rank and condition, none of it in floats.

The pseudoinverse is rational as long as every non-zero singular value counts. Where the cutoff
drops some, singular vectors are needed, which are not rational, and `_truncate` has them to
60 digits.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq

from pinvx_conformance import _exact, _truncate
from pinvx_conformance._bounds import eps_of
from pinvx_conformance._compositions import hadamard_matrix
from pinvx_conformance._recipe import Recipe


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known about one matrix at one cutoff.

    Attributes
    ----------
    a : numpy.ndarray
        The matrix, as the target gets it.
    x : Split
        A⁺, every singular value at or below the cutoff dropped.
    rank : int
        The number of singular values above the cutoff.
    kappa : float
        σ₁/(σ_r − σ_{r+1}), which is σ₁/σ_r where nothing but zeros is dropped. The gap is what a
        perturbation sees: it turns singular vectors across it.
    tail : float
        ‖A − A_r‖_F/‖A‖_F, the part that the cutoff drops.
    ambiguous : bool
        Some singular value lies within p·eps·σ₁ of the cutoff, so rounding may decide the rank.
    exact : tuple
        A and A⁺ as rational matrices (embedded if complex).
    """

    a: Any
    x: _exact.Split
    rank: int
    kappa: float
    tail: float
    ambiguous: bool
    exact: tuple[Any, Any]

    @property
    def embedded(self) -> bool:
        """Whether the rational matrices are real embeddings of complex ones."""
        return bool(self.a.dtype.kind == "c")

    def error(self, x: Any) -> float:
        """‖x − A⁺‖_F/‖A⁺‖_F; the norm itself where A⁺ is zero, infinite where x has a NaN."""
        if not np.all(np.isfinite(x)):
            return float("inf")
        wide = np.asarray(x, dtype=np.result_type(x.dtype, np.float64))
        difference = (_exact.scale(wide, -self.x.exponent) - self.x.hi) - self.x.lo
        size = float(np.linalg.norm(self.x.hi))
        return float(np.linalg.norm(difference)) / (size or 1.0)


@functools.lru_cache(maxsize=4096)
def truth(recipe: Recipe, dtype: str, rtol: float | None = None, atol: float = 0.0) -> Truth:
    """Return the truth about the one matrix that `recipe` makes."""
    if recipe.name == "tiled":
        return _tiled(recipe, dtype, rtol, atol)
    if recipe.name == "hadamard":
        return _hadamard(recipe, dtype, rtol, atol)
    return truth_of(recipe.array(dtype), eps_of(dtype), rtol, atol)


def truth_of(a: Any, eps: float, rtol: float | None = None, atol: float = 0.0) -> Truth:
    """Return the truth about a NumPy matrix, at the contract's cutoff."""
    shift = int(np.frexp(np.max(np.abs(a)))[1]) if a.size else 0
    near = _exact.scale(a, -shift)
    exact, x, rank = _exact.pinv_of(near)
    kinds = 2 if a.dtype.kind == "c" else 1
    rank //= kinds
    if rank == 0:
        return Truth(a, _split(x, a, shift), 0, 1.0, 0.0, ambiguous=False, exact=(exact, x))
    p = max(a.shape)
    largest = float(np.linalg.norm(np.asarray(near, dtype=_wide(a)), 2))
    floor = Fraction(0 if rtol is None and atol > 0 else p * eps if rtol is None else rtol)
    cutoff = max(float(floor * Fraction(largest)), float(Fraction(atol) / Fraction(2) ** shift))
    fuzz = p * eps * largest
    zeros_blur = rank < min(a.shape) and cutoff < fuzz * (1 - 1e-6)
    parts = _exact.split(x, embedded=kinds == 2)
    smallest = float(np.ldexp(1 / np.linalg.norm(parts.hi + parts.lo, 2), -parts.exponent))
    if smallest > cutoff + fuzz:
        split = _split(x, a, shift)
        kappa = max(largest / smallest, 1.0)
        return Truth(a, split, rank, kappa, 0.0, zeros_blur, _scaled_back(exact, x, shift))
    return _truncated(a, shift, rank, cutoff, fuzz, zeros_blur)


def _wide(a: Any) -> Any:
    return np.result_type(a.dtype, np.float64)


def _split(x: Any, a: Any, shift: int) -> _exact.Split:
    near = _exact.split(x, embedded=a.dtype.kind == "c")
    return near._replace(exponent=near.exponent - shift)


def _scaled_back(a: Any, x: Any, shift: int) -> tuple[Any, Any]:
    if shift == 0:
        return a, x
    unit = Fraction(2) ** shift
    up = fmpq(unit.numerator, unit.denominator)
    return a * up, x * (1 / up)


def _truncated(
    a: Any, shift: int, exact_rank: int, cutoff: float, fuzz: float, zeros_blur: bool
) -> Truth:
    """Return the truth where the cutoff drops singular values that are not zero."""
    near = _exact.scale(np.asarray(a, dtype=_wide(a)), -shift)
    embedded = a.dtype.kind == "c"
    sigma, below = _truncate.pinv(near.tobytes(), near.shape, str(near.dtype), cutoff)
    rank = sum(1 for value in sigma if value > cutoff)
    gap = sigma[rank - 1] - (sigma[rank] if rank < len(sigma) else 0) if rank else 1
    tail = float(np.linalg.norm(sigma[rank:])) / float(np.linalg.norm(sigma))
    kappa = float(sigma[0] / gap) if rank else 1.0
    blur = any(abs(t - cutoff) <= fuzz for t in sigma[:exact_rank])
    exact = _exact.rational(near)
    back = _scaled_back(exact, below, shift)
    split = _exact.split(below, embedded=embedded)
    split = split._replace(exponent=split.exponent - shift)
    return Truth(a, split, rank, max(kappa, 1.0), tail, blur or zeros_blur, back)


def _tiled(recipe: Recipe, dtype: str, rtol: float | None, atol: float) -> Truth:
    """(1 ⊗ B)⁺ = 1ᵀ/k ⊗ B⁺: exact for any number of copies that is a power of two."""
    base, copies = recipe.positional
    rows = base.shape[-2] * copies
    lift = copies**0.5  # the singular values of 1 ⊗ B are those of B times this
    default = None if rtol is None and atol > 0 else rows * eps_of(dtype)
    one = truth(base, dtype, default if rtol is None else rtol, atol / lift)
    if copies & (copies - 1):
        raise ValueError(f"tiled got {copies} copies.\nHint: pass a power of two.")
    hi, lo = (np.tile(part, (1, copies)) for part in (one.x.hi, one.x.lo))
    x = _exact.Split(hi, lo, one.x.exponent - (copies.bit_length() - 1))
    return Truth(recipe.array(dtype), x, one.rank, one.kappa, one.tail, one.ambiguous, one.exact)


def _hadamard(recipe: Recipe, dtype: str, rtol: float | None, atol: float) -> Truth:
    """(H ⊗ B)⁺ = H/k ⊗ B⁺ for the symmetric Hadamard matrix H of order k, a power of two."""
    base, order = recipe.positional
    lift = order**0.5  # the singular values of H ⊗ B are those of B times this, k times each
    p = order * max(base.shape)
    default = None if rtol is None and atol > 0 else p * eps_of(dtype)
    one = truth(base, dtype, default if rtol is None else rtol, atol / lift)
    h = hadamard_matrix(order)
    hi, lo = np.kron(h, one.x.hi), np.kron(h, one.x.lo)
    x = _exact.Split(hi, lo, one.x.exponent - (order.bit_length() - 1))
    return replace(one, a=recipe.array(dtype), x=x, rank=order * one.rank)
