"""P14: every row of the table of transformations, and the page that is made from it."""

from __future__ import annotations

import numpy as np
import pytest
import transformations
from transformations import LIBRARIES, Transformation

ROWS = transformations.rows()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_transformation(row):
    row.transformation.run(row)


def test_no_two_rows_are_one():
    assert len({str(row) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_page_is_up_to_date(library):
    if not transformations.table(library)[0]:
        pytest.skip(f"{library} is not installed")
    text = transformations.DOCUMENT.read_text(encoding="utf-8")
    assert transformations.section(library) in text, "run: python tests/transformations.py"


# The table itself: a row that cannot fail would be worth nothing.


def plain(**options):
    """Each row of a table in NumPy."""
    functions = tuple(transformations.FUNCTIONS)
    t = Transformation("numpy", "none", functions, run=print, **options)
    return list(t.rows())


@pytest.mark.parametrize(
    "row", plain(shapes=tuple(transformations.SHAPES), dtypes=("float64", "complex128")), ids=str
)
def test_arguments_are_what_they_say(row):
    a, *_ = row.arguments
    m, n = a.shape[-2:]
    full = row.rank == "full"
    assert a.shape == row.order
    rank = np.linalg.matrix_rank(a)
    assert (rank == min(m, n)).all() if full else (rank < min(m, n)).all()
    if row.function == "pinv, hermitian":
        assert (a == a.mT.conj()).all()
    for x in (*row.arguments, *row.tangents, *row.cotangents):
        parts = np.stack([x.real, x.imag])
        assert (parts * 32 == np.round(parts * 32)).all()
        assert abs(parts).max() < 4
        assert np.iscomplexobj(x) <= row.is_complex
    row.check(row.call(*row.arguments), row.value())


@pytest.mark.parametrize("row", plain(shapes=("small, square",)), ids=str)
def test_derivatives_of_the_table_are_each_others_adjoint(row):
    """⟨G, dX⟩ of `jvp` is ⟨Ā, dA⟩ of `vjp`, and a wrong one is told from a right one."""

    def product(x, y):
        return sum(float(np.real(np.vdot(p, q))) for p, q in zip(x, y, strict=True))

    forward, backward = row.jvp(), row.vjp()
    assert product(row.cotangents, forward) == pytest.approx(
        product(backward, row.tangents), rel=1e-10
    )
    row.check(forward, forward, order=1)
    for wrong in (
        tuple(1.0001 * x for x in forward),
        tuple(x + 1e-6 for x in forward),
        tuple(0 * x for x in forward),
        tuple(x * np.nan for x in forward),
    ):
        with pytest.raises(AssertionError):
            row.check(wrong, forward, order=1)


def test_what_is_not_supported_needs_a_word_why():
    with pytest.raises(AssertionError, match="no word why"):
        Transformation("torch", "x", run=print, supported=False)
