"""PyTorch's own inputs for the tests of `linalg.pinv` and `linalg.lstsq`, which ship in its wheel.

Numerical differences are taken along random directions (`fast_mode`), as PyTorch does for the
larger of them. Batched gradients are checked in both modes, which its own functions are excused
from.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import types
import unittest

import pytest

import pinvx

torch = pytest.importorskip("torch")
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402


@functools.cache
def operators():
    """The entries of PyTorch's list about these two functions, by name and variant."""
    missing = importlib.util.find_spec("expecttest") is None
    if missing:  # a package for expected output, of which an import wants the name alone
        stub = types.ModuleType("expecttest")
        stub.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stub
    try:
        from torch.testing._internal.opinfo.definitions.linalg import op_db
    finally:
        if missing:
            del sys.modules["expecttest"]
    wanted = ("linalg.pinv", "linalg.lstsq")
    return {f"{o.name} {o.variant_test_name}".strip(): o for o in op_db if o.name in wanted}


# PyTorch's samples are made with `torch.qr`, which it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:torch.qr is deprecated:UserWarning")


def pinv(a, **options):
    return pinvx.pinv(a, **options)


def pinv_of_product(a, b):
    return pinvx.pinv(a @ b.mT)


def pinv_of_hermitian(a, **options):
    # Not `a.mH`, with which batched forward mode of PyTorch fails.
    return pinvx.pinv(a + a.mT.conj_physical(), hermitian=True, **options)


def lstsq(a, b, **_):
    """Without the name of a driver: pinvx needs no word about the rank."""
    return pinvx.lstsq(a, b)[:2]


FUNCTIONS = {
    "linalg.pinv": (pinv, torch.linalg.pinv),
    "linalg.pinv singular": (pinv_of_product, lambda a, b: torch.linalg.pinv(a @ b.mT)),
    "linalg.pinv hermitian": (
        pinv_of_hermitian,
        lambda a, **options: torch.linalg.pinv(a + a.mH, **options | {"hermitian": True}),
    ),
    "linalg.lstsq grad_oriented": (lstsq, lambda a, b, **_: torch.linalg.pinv(a) @ b),
}


def samples(name, dtype):
    """The inputs, each shape once for each set of options that matters here."""
    seen = set()
    for sample in operators()[name].sample_inputs("cpu", dtype, requires_grad=True):
        options = {k: v for k, v in sample.kwargs.items() if k not in ("driver", "hermitian")}
        key = (*(x.shape for x in (sample.input, *sample.args)), str(options))
        if key not in seen:
            seen.add(key)
            yield (sample.input, *sample.args), options


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_samples(name, dtype):
    function, own = FUNCTIONS[name]
    count = 0
    for arguments, options in samples(name, dtype):
        count += 1

        def f(*arguments, options=options):
            return function(*arguments, **options)

        found, expected = f(*arguments), own(*arguments, **options)
        found = found[0] if isinstance(found, tuple) else found
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        assert gradcheck(
            f,
            arguments,
            fast_mode=True,
            check_forward_ad=True,
            check_batched_grad=True,
            check_batched_forward_grad=True,
        )
        if max(x.shape[-2] for x in arguments) < 50:  # the large ones take seconds each
            assert gradgradcheck(
                f, arguments, fast_mode=True, check_fwd_over_rev=True, check_rev_over_rev=True
            )
    assert count > 5


def test_the_samples_are_all_that_there_are():
    assert set(FUNCTIONS) | {"linalg.lstsq"} == set(operators())
