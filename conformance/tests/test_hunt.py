"""The hunt finds what is accepted wrongly, and finds nothing in pinvx."""

import pytest
from pinvx_conformance import matrices
from pinvx_conformance._targets import target
from pinvx_conformance.hunt import Question, hunt, hunts, main, reference
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
