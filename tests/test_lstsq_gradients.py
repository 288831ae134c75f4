"""`lstsq` with PyTorch's gradients: one node, which keeps what its derivatives need and no more."""

from __future__ import annotations

import numpy as np
import pytest
from bounds import FIRST, assert_close, eps_of, norm, unit
from climbing import lacking, spectrum

import pinvx
from pinvx import _derivative
from pinvx._derivative import factorized
from pinvx._dispatch import adapter_of

torch = pytest.importorskip("torch")

SHAPES = [(6, 6), (20, 8), (8, 20), (3, 20, 8), (3, 6, 6)]


def method(shape):
    """What keeps no orthonormal factors."""
    return "inverse" if shape[-1] == shape[-2] else "corrected"


def corrections(a):
    """How often a solution with the kept factors is corrected, and whether they are R⁻¹ alone."""
    a = a.detach()
    factor = factorized(adapter_of(a, "", ""), a, None, None, method(a.shape), "kept")
    return factor.steps, (factor.w is None) != (factor.z is None)


def system(shape, kappa, dtype="float64"):
    rng = np.random.default_rng(0)
    a, b = spectrum(*shape[-2:], kappa, *shape[:-2]), rng.standard_normal((*shape[:-1], 2))
    if dtype == "complex128":
        a, b = a * np.exp(1j * np.arange(shape[-1])), b * (1 - 1j)
    return [torch.asarray(x, requires_grad=True) for x in (a, b)]


@pytest.mark.parametrize(
    ("kappa", "steps"), [(10.0, {1}), (1e6, {2}), (3e6, {2, 3}), (1e9, {0})], ids=str
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("output", ["x", "residuals", "both"])
def test_gradients_are_those_of_the_decomposition(shape, kappa, steps, output):
    a, b = system(shape, kappa)
    weights = torch.asarray(np.random.default_rng(5).standard_normal((*shape[:-2], shape[-1], 2)))

    fit = pinvx.lstsq(a, b, method=method(shape))
    losses = {"x": (fit.x * weights).sum(), "residuals": fit.residuals.sum()}
    loss = losses["x"] + losses["residuals"] if output == "both" else losses[output]
    wanted = closed_form(a, b, weights, output)
    scale = scales(a, b, weights, kappa, output)
    for i, found in enumerate(torch.autograd.grad(loss, (a, b))):
        allowed = 2 * FIRST * unit(shape, "float64", kappa)
        assert_close(found, wanted[i], allowed, scale=scale[i])
    if shape[-1] != shape[-2]:
        found, alone = corrections(a)
        assert found in steps
        assert alone == (kappa < 1e8)


def scales(a, b, weights, kappa, output):
    """The size of the terms of Ā and b̄; ‖A‖ is 1, and so ‖A⁺‖ is κ."""
    size, g = norm(b.detach()), norm(weights)
    of_x, of_squares = (kappa**2 * size * g, kappa * g), (kappa * size**2, size)
    return of_squares if output == "residuals" else of_x


def closed_form(a, b, weights, output):
    """The same gradients by other code: NumPy, the decomposition, and every term."""
    a, b, weights = (x.detach().numpy() for x in (a, b, weights))
    return pinvx.lstsq_vjp(
        a,
        b,
        0.0 * weights if output == "residuals" else weights,
        None if output == "x" else np.ones((*b.shape[:-2], b.shape[-1])),
        method="svd",
    )


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 5), (2, 4, 2)], ids=str)
@pytest.mark.parametrize("kind", ["auto", "kept"])
def test_derivatives_of_both_modes_and_of_the_second_order(shape, dtype, kind):
    a, b = system(shape, 10.0, dtype)

    def f(a, b):
        fit = pinvx.lstsq(a, b, method="auto" if kind == "auto" else method(shape))
        return fit.x, fit.residuals

    forward = {"check_forward_ad": True, "check_batched_grad": True}
    assert torch.autograd.gradcheck(f, (a, b), **forward)
    assert torch.autograd.gradgradcheck(f, (a, b), check_fwd_over_rev=True)


@pytest.mark.parametrize("shape", [(20, 8), (8, 20), (9, 9), (4, 9, 6)], ids=str)
def test_deficient_rank(shape):
    a, b = (torch.asarray(x, requires_grad=True) for x in lacking(shape, "float64"))

    fit = pinvx.lstsq(a, b)
    gradients = torch.autograd.grad(fit.x.sum() + fit.residuals.sum(), (a, b))
    wanted = closed_form(a, b, torch.ones_like(fit.x), "both")
    for found, expected in zip(gradients, wanted, strict=True):
        assert_close(found, expected, FIRST * max(shape[-2:]) * eps_of("float64") * 1e4)


def test_only_what_is_needed_is_computed(monkeypatch):
    """A gradient of b alone takes one solution, and that of the residuals none."""
    a, b = system((20, 8), 10.0)
    solved = []
    apply = _derivative.apply

    def recorded(*arguments):
        solved.append(arguments)
        return apply(*arguments)

    monkeypatch.setattr(_derivative, "apply", recorded)

    def count(output, a, b):
        loss = getattr(pinvx.lstsq(a, b, method="corrected"), output).sum()
        solved.clear()
        torch.autograd.grad(loss, [x for x in (a, b) if x.requires_grad])
        return len(solved)

    assert count("x", a.detach(), b) == 1
    assert count("x", a, b) == 2
    assert count("residuals", a, b) == 0


@pytest.mark.parametrize("exponent", [-100, 100])
def test_a_gradient_of_pinv_needs_no_larger_numbers_than_its_own(exponent):
    """‖A⁺‖³ of float32 would be beyond all numbers here, and the gradient is of the size ‖A⁺‖²."""
    a = spectrum(9, 4, 10.0).astype(np.float32)
    g = np.random.default_rng(0).standard_normal((4, 9)).astype(np.float32)
    scale = np.float32(2.0) ** (exponent // 2)
    for matrix, cotangent in ((a, g), (a.mT.copy(), g.mT.copy())):
        x = pinvx.pinv(matrix)
        expected = pinvx.pinv_vjp(matrix, cotangent, x=x)
        found = pinvx.pinv_vjp(matrix * scale, cotangent, x=x / scale)
        size = np.linalg.norm(x, 2) ** 2 * norm(cotangent)
        allowed = FIRST * unit(matrix.shape, "float32", 10.0)
        assert_close(found * scale * scale, expected, allowed, scale=size)
