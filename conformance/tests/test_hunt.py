"""The hunt finds what is accepted wrongly, and finds nothing in pinvx."""

import numpy as np
import pytest
import right
from pinvx_conformance import matrices
from pinvx_conformance._targets import target
from pinvx_conformance.hunt import Question, hunt, hunts, main, ratio, reference
from right_target import right_target
from wrong import WRONG

# For all four searches together; `python -m pinvx_conformance.hunt --seconds 600` takes longer.
SECONDS = 8.0
PATIENCE = 60.0  # a search that is going to find something has found it long before


def test_nothing_is_accepted_wrongly():
    found = list(hunts(target("pinvx@numpy"), SECONDS))
    assert [(one.kind, one.dtype) for one in found] == [
        ("pinv", "float32"), ("pinv", "float64"), ("lstsq", "float32"), ("lstsq", "float64"),
    ]  # fmt: skip
    for one in found:
        assert one.examples > 0
        assert one.fast > 0, f"no fast algorithm was ever chosen: {one}"
        assert one.ratio <= 1, str(one)


@pytest.mark.parametrize(
    ("name", "kind", "dtype"),
    [
        ("gram_without_check", "pinv", "float32"),
        # NumPy's decomposition of exactly singular matrices in single precision is too good.
        ("rank_from_the_wrong_cutoff", "pinv", "float64"),
        ("lstsq_wrong_only_for_wide", "lstsq", "float32"),
        ("too_few_corrections", "lstsq", "float64"),
        ("asks_ones_for_the_condition", "lstsq", "float32"),
    ],
)
def test_what_is_wrong_is_found(name, kind, dtype):
    _, _, wrong = WRONG[name]
    assert hunt(wrong, kind, dtype, PATIENCE, until=1.0).ratio > 1


def misses_what_spares_the_first_column(a, *, return_rank=False, **options):
    """A full rank where the first column is no part of what is nearly equal."""
    x, rank = right.pinv(a, return_rank=True, **options)
    if a.ndim == 2 and np.all(np.isfinite(a)) and rank == min(a.shape) - 1:
        null = np.linalg.svd(a)[2][rank]
        if abs(null[0]) < 1e-4:
            rank = rank + 1
    return (x, rank) if return_rank else x


def inverts_what_is_not_finite(a, *, return_rank=False, **options):
    """An infinity is a large number, if it stands far from the corner."""
    x, rank = right.pinv(a, return_rank=True, **options)
    if a.ndim == 2 and np.any(np.isinf(a[9:, 9:])):
        x = np.zeros_like(x)
    return (x, rank) if return_rank else x


def wrong_beside_another_rank(a, *, return_rank=False, **options):
    """The last item takes the rank of the first one."""
    x, rank = right.pinv(a, return_rank=True, **options)
    if rank.ndim and rank.size > 3:
        rank[-1] = min(rank[-1], rank[0] or rank[-1])
    return (x, rank) if return_rank else x


def multiplies_b_by_the_adjoint(a, b, *options, **more):
    """Aᴴb overflows where A and b are huge, though x is not."""
    solved = right.lstsq(a, b, *options, **more)
    if a.ndim == b.ndim == 2 and np.all(np.isfinite(b)):
        with np.errstate(all="ignore"):
            good = np.all(np.isfinite(np.conj(a.T) @ b))
        solved = solved if good else solved._replace(x=solved.x * 0)
    return solved


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("pinv", misses_what_spares_the_first_column),
        ("pinv", inverts_what_is_not_finite),
        ("pinv", wrong_beside_another_rank),
        ("lstsq", multiplies_b_by_the_adjoint),
    ],
)
def test_company_scales_and_places_are_tried(kind, function):
    judged = right_target(name=function.__name__, **{kind: function})
    assert hunt(judged, kind, "float32", PATIENCE, until=1.0).ratio > 1


def test_the_right_implementation_is_right_in_any_company():
    for kind in ("pinv", "lstsq"):
        found = hunt(right_target(), kind, "float32", 4.0)
        assert found.ratio <= 1, str(found)


def test_a_question_says_everything():
    question = Question(
        matrices.integers(24, 24), 0.5, matrices.zeros(24, 2), (15, -30), (matrices.zeros(24, 24),),
        ("inf", 1, 1),
    )  # fmt: skip
    for part in ("a = m", "b = m", "rtol = 0.5", "(15, -30)", "matrices.zeros(24, 24)", "'inf'"):
        assert part in str(question)
    judged = right_target()
    assert ratio(judged, "lstsq", question, "float32")[0] <= 1


def test_the_command_says_what_it_found(capsys):
    assert main(["--target", "numpy", "--seconds", "1"]) in (0, 1)  # numpy keeps tiny values
    out = capsys.readouterr().out
    assert "pinv  float64" in out
    assert "matrices." in out


def test_the_command_hunts_for_one_function(capsys):
    assert main(["--target", "pinvx@numpy", "--seconds", "2", "--function", "lstsq"]) == 0
    out = capsys.readouterr().out
    assert "lstsq float32" in out
    assert "b = matrices." in out
    assert "pinv " not in out


def test_a_dropped_value_is_part_of_the_reference():
    question = Question(matrices.of_values(24, 24, (1.0,) * 23 + (2.0**-8,)), rtol=2.0**-7)
    known = reference(question, "float32")
    assert known.rank == 23
    near = Question(question.a, rtol=2.0**-8)
    assert reference(near, "float32") is None  # rounding decides whether it counts
