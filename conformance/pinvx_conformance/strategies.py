"""Hypothesis strategies that draw recipes and shrink towards small, plain ones.

Examples
--------
>>> from hypothesis import given
>>> from pinvx_conformance import check_pinv, strategies
>>> import numpy as np
>>> @given(strategies.recipes())
... def test_pinv(recipe):
...     check_pinv(np.linalg.pinv, recipe, promises=["P6"])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from pinvx_conformance import matrices as m
from pinvx_conformance._recipe import Recipe

# The first ones are what failures shrink to.
SHAPES = ((1, 1), (2, 2), (2, 1), (1, 2), (3, 2), (2, 3), (5, 2), (2, 5), (5, 5))

seeds = st.integers(0, 1000)
fields = st.sampled_from(("real", "complex"))
Shapes = Sequence[tuple[int, int]]


@st.composite
def integers(draw: Any, field: str = "real", shapes: Shapes = SHAPES) -> Recipe:
    """Draw a matrix of integers."""
    shape, bound = draw(st.sampled_from(shapes)), draw(st.integers(1, 99))
    return m.integers(*shape, bound=bound, field=field, seed=draw(seeds))


@st.composite
def low_rank(draw: Any, field: str = "real", shapes: Shapes = SHAPES) -> Recipe:
    """Draw an exactly rank-deficient matrix."""
    rows, columns = draw(st.sampled_from(shapes))
    rank = draw(st.integers(1, min(rows, columns)))
    return m.low_rank(rows, columns, rank, field=field, seed=draw(seeds))


@st.composite
def spectra(draw: Any, field: str = "real", shapes: Shapes = SHAPES) -> Recipe:
    """Draw a matrix with prescribed singular values, κ a power of two."""
    shape = draw(st.sampled_from(shapes))
    kappa = 2.0 ** draw(st.integers(0, 12))
    profile = draw(st.sampled_from(("geometric", "repeated", "one_small", "one_large")))
    return m.spectrum(*shape, kappa=kappa, profile=profile, field=field, seed=draw(seeds))


@st.composite
def diagonal(draw: Any, shapes: Shapes = SHAPES) -> Recipe:
    """Draw a diagonal matrix, zeros and repeated values included."""
    shape = draw(st.sampled_from(shapes))
    values = st.lists(st.sampled_from((0.0, 1.0, -2.0, 0.5)), min_size=1, max_size=min(shape))
    return m.diagonal(tuple(draw(values)), *shape)


def recipes(field: str = "real", shapes: Shapes = SHAPES) -> st.SearchStrategy[Recipe]:
    """Any of the above, of one field.

    Parameters
    ----------
    field : {"real", "complex"}
    shapes : sequence of (int, int)
        The shapes to draw from; a library that compiles does so for each of them.

    Returns
    -------
    SearchStrategy of Recipe
    """
    kinds = [integers(field, shapes), low_rank(field, shapes), spectra(field, shapes)]
    return st.one_of(*kinds, diagonal(shapes)) if field == "real" else st.one_of(*kinds)
