"""A correct pinv in a few lines of mpmath passes everything that it claims."""

import math
import warnings

import right
from pinvx_conformance import Target, check_pinv, matrices
from pinvx_conformance._libraries import library
from pinvx_conformance._run import Plan, judge, not_claimed

LACKS = (
    "rtol", "atol", "hermitian", "return_rank", "batches", "half", "integers", "method", "out",
    "rcond",
)  # fmt: skip


def outcomes(target, plan):
    """Every outcome but those of large matrices, on which sixty digits take seconds each."""
    for one in plan.checks():
        if not_claimed(target, one) is None:
            for case in plan.cases(one, target):
                if math.prod(case.recipe.shape) < 512:
                    yield judge(target, one, case)


def test_mpmath_passes():
    declared = dict.fromkeys(LACKS, "fifteen lines")
    target = Target("mpmath", library("numpy"), pinv=right.mpmath_pinv, declared=declared)
    promises = ("P1", "P3", "P4", "P5", "P6", "P11", "P16", "P18")
    broken, passed = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for outcome in outcomes(target, Plan("quick", promises, ("float64", "complex64"))):
            passed += outcome.status == "pass"
            broken += [outcome] * (outcome.status == "fail")
    assert not broken, broken[0].message
    assert passed > 150


def test_mpmath_passes_as_a_function():
    check_pinv(right.mpmath_pinv, matrices.hilbert(6, 6), matrices.low_rank(5, 4, 2))
