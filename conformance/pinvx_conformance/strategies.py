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

from typing import Any

from hypothesis import strategies as st

from pinvx_conformance import matrices as m
from pinvx_conformance._recipe import Recipe

# A library that compiles per shape meets nine shapes, not a hundred; 2 by 2 is among them.
SIZES = (1, 2, 5)

sizes = st.sampled_from(SIZES)
seeds = st.integers(0, 1000)
fields = st.sampled_from(("real", "complex"))


def integers(field: str = "real") -> st.SearchStrategy[Recipe]:
    """Small integer matrices of any shape."""
    return st.builds(
        m.integers, sizes, sizes, bound=st.integers(1, 99), field=st.just(field), seed=seeds
    )


@st.composite
def low_rank(draw: Any, field: str = "real") -> Recipe:
    """Draw an exactly rank-deficient matrix."""
    rows, columns = draw(sizes), draw(sizes)
    rank = draw(st.integers(1, min(rows, columns)))
    return m.low_rank(rows, columns, rank, field=field, seed=draw(seeds))


@st.composite
def spectra(draw: Any, field: str = "real") -> Recipe:
    """Draw a matrix with prescribed singular values, κ a power of two."""
    rows, columns = draw(sizes), draw(sizes)
    kappa = 2.0 ** draw(st.integers(0, 12))
    profile = draw(st.sampled_from(("geometric", "repeated", "one_small", "one_large")))
    seed = draw(seeds)
    return m.spectrum(rows, columns, kappa=kappa, profile=profile, field=field, seed=seed)


@st.composite
def diagonal(draw: Any) -> Recipe:
    """Draw a diagonal matrix, zeros and repeated values included."""
    values = draw(st.lists(st.sampled_from((0.0, 1.0, -2.0, 0.5)), min_size=1, max_size=5))
    count = len(values)
    return m.diagonal(tuple(values), max(count, draw(sizes)), max(count, draw(sizes)))


def recipes(field: str = "real") -> st.SearchStrategy[Recipe]:
    """Any of the above, of one field."""
    kinds = [integers(field), low_rank(field), spectra(field)]
    return st.one_of(*kinds, diagonal()) if field == "real" else st.one_of(*kinds)
