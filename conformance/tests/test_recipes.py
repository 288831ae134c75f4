"""Recipes: the same bits for ever, readable, and within what the bounds are published for."""

import hashlib

import numpy as np
import pytest
from pinvx_conformance import matrices
from pinvx_conformance._bounds import eps_of
from pinvx_conformance._gallery import recipes
from pinvx_conformance._oracle import truth

DTYPES = ("float32", "float64", "complex64", "complex128")


def test_the_gallery_is_the_same_on_every_machine():
    digest = hashlib.sha256()
    for dtype in DTYPES:
        for recipe in recipes("full", dtype):
            digest.update(recipe.array(dtype).tobytes())
    # A new recipe changes this number; a new NumPy or processor must not.
    assert digest.hexdigest()[:16] == "45ce2a767eb5378c"


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_recipe_has_a_published_bound(dtype):
    for recipe in recipes("full", dtype):
        known = truth(recipe, dtype)
        assert not known.ambiguous, recipe
        unit = max(known.a.shape) * eps_of(dtype) * known.kappa
        assert unit <= 1 / 9, (recipe, unit)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_quick_choice_is_part_of_the_full_one(dtype):
    assert set(recipes("quick", dtype)) < set(recipes("full", dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_recipe_prints_the_code_that_makes_it(dtype):
    for recipe in recipes("full", dtype):
        again = eval(repr(recipe), {"matrices": matrices})
        assert again == recipe
        assert np.array_equal(again.array(dtype), recipe.array(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_labels_tell_recipes_apart(dtype):
    labels = [recipe.label for recipe in recipes("full", dtype)]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("field", ["real", "complex"])
@pytest.mark.parametrize("profile", ["geometric", "arithmetic", "one_small", "one_large"])
def test_spectra_are_as_prescribed(field, profile):
    recipe = matrices.spectrum(7, 4, kappa=100.0, profile=profile, field=field)
    s = np.linalg.svd(recipe.array("complex128"), compute_uv=False)
    assert s[0] == pytest.approx(1.0)
    assert s[-1] == pytest.approx(0.01)


def test_hermitian_recipes_have_the_eigenvalues_asked_for():
    a = matrices.hermitian((4.0, -2.0, 0.5), field="complex").array("complex128")
    assert np.linalg.eigvalsh(a) == pytest.approx([-2.0, 0.5, 4.0])


def test_low_rank_is_exact():
    assert truth(matrices.low_rank(12, 5, 3), "float32").rank == 3


def test_arrays_are_copies():
    recipe = matrices.integers(2, 2)
    recipe.array("float64")[...] = 0
    assert np.any(recipe.array("float64"))


def test_a_wrong_argument_is_refused_where_it_is_given():
    with pytest.raises(TypeError):
        matrices.hilbert(2, 2, kappa=1.0)
    with pytest.raises(ValueError, match="Hint: choose one of"):
        matrices.spectrum(3, 3, profile="flat").array("float64")
