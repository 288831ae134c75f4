"""Call a target on a recipe and bring the answer back as NumPy arrays, once per input."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from pinvx_conformance._check import ViolationError
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._targets import Solved, Target


class Answer(NamedTuple):
    """A pseudoinverse as a NumPy array, and its rank where the target tells it."""

    x: Any
    rank: Any


@functools.lru_cache(maxsize=16384)
def _pinv(
    target: Target, recipe: Recipe, dtype: str, options: tuple[tuple[str, Any], ...]
) -> Answer:
    given = target.library.asarray(recipe.array(dtype), dtype)
    with target.library.quiet():  # P15 asks here while it judges another
        return answer(target, given, **dict(options))


def pinv(target: Target, recipe: Recipe, dtype: str, **options: Any) -> Answer:
    """Return the target's pinv of a recipe; the same call is not made twice."""
    if target.answers is not None:
        told: Answer = _recalled(target, ("pinv", recipe, dtype))
        return told
    return _pinv(target, recipe, dtype, tuple(sorted(options.items())))


def _recalled(target: Target, question: tuple[str, Recipe, str]) -> Any:
    assert target.answers is not None  # the caller has looked
    given = target.answers[question]
    if isinstance(given, str):  # what the exception said, which may not survive the way here
        raise ViolationError(given)
    return given


def answer(target: Target, given: Any, **options: Any) -> Answer:
    """Return the target's pinv of an array of its library."""
    assert target.pinv is not None  # the check needs "pinv", so there is one
    if not target.claims("return_rank"):
        return Answer(_checked(target, target.pinv(given, **options), given), None)
    x, rank = target.pinv(given, return_rank=True, **options)
    return Answer(_checked(target, x, given), target.library.to_numpy(rank))


def _checked(target: Target, x: Any, given: Any) -> Any:
    expected = (*given.shape[:-2], given.shape[-1], given.shape[-2])
    if tuple(x.shape) != expected:
        raise ViolationError(f"pinv of shape {tuple(given.shape)} has shape {tuple(x.shape)}")
    return target.library.to_numpy(x)


@functools.lru_cache(maxsize=8192)
def _lstsq(
    target: Target, recipe: Recipe, dtype: str, rhs: Recipe, options: tuple[tuple[str, Any], ...]
) -> Solved:
    a = target.library.asarray(recipe.array(dtype), dtype)
    b = target.library.asarray(rhs.array(dtype), dtype)
    assert target.lstsq is not None  # the check needs "lstsq", so there is one
    with target.library.quiet():
        return on_host(target, target.lstsq(a, b, **dict(options)))


def on_host(target: Target, solved: Solved) -> Solved:
    """Return what least squares gave as NumPy arrays."""
    return Solved(*map(functools.partial(_back, target), solved))


def _back(target: Target, value: Any) -> Any:
    return (
        None
        if value is None
        else target.library.to_numpy(value)
        if hasattr(value, "shape")
        else value
    )


def lstsq(target: Target, recipe: Recipe, dtype: str, rhs: Recipe, **options: Any) -> Solved:
    """Return the target's lstsq of two recipes; the same call is not made twice."""
    if target.answers is not None:
        told: Solved = _recalled(target, ("lstsq", recipe, dtype))
        return told
    return _lstsq(target, recipe, dtype, rhs, tuple(sorted(options.items())))


@functools.lru_cache(maxsize=4096)
def svd_formula(target: Target, recipe: Recipe, dtype: str) -> Any:
    """V·diag(1/σ)·Uᴴ by the SVD of the target's own library, cut off at p·eps·σ₁."""
    a = recipe.array(dtype)
    svd = target.svd or getattr(getattr(target.library.xp, "linalg", None), "svd", None)
    if svd is not None:
        parts = svd(target.library.asarray(a, dtype), full_matrices=False)
        u, s, vh = (target.library.to_numpy(part) for part in parts)
    else:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
    keep = s > max(a.shape) * np.finfo(s.dtype).eps * np.max(s, initial=0)
    inverse = np.where(keep, 1 / np.where(keep, s, 1), 0).astype(s.dtype)
    return (np.conj(vh.T) * inverse) @ np.conj(u.T)
