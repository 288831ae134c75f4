"""P13: derivatives in O(p·K) memory and a few products, counted as PyTorch makes them."""

from __future__ import annotations

import pytest

import pinvx

torch = pytest.importorskip("torch")
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

LONG, SHORT = 3000, 4
# One side holds [A Xᴴ] or a few columns more; a square of the long side holds 750 times as much.
LARGEST = 3 * LONG * SHORT


class Allocations(TorchDispatchMode):
    """Counts the elements of every tensor that is not a view of an input of its operation."""

    def __init__(self):
        super().__init__()
        self.largest = 0
        self.total_bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        known = {x.untyped_storage().data_ptr() for x in _with_memory((args, kwargs))}
        for x in _with_memory(out):
            if x.untyped_storage().data_ptr() not in known:
                self.largest = max(self.largest, x.numel())
                self.total_bytes += x.numel() * x.element_size()
        return out


def _with_memory(values):
    tensors = (x for x in torch.utils._pytree.tree_leaves(values) if isinstance(x, torch.Tensor))
    return [x for x in tensors if not x._is_zerotensor()]


def tall(m, n, **options):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(m, n, dtype=torch.float64, generator=generator, **options)


# Each takes a matrix and a right-hand side, and drives a derivative of some kind.
TORCH = {
    "pinv, reverse": lambda a, b: torch.autograd.grad(pinvx.pinv(a).square().sum(), a),
    "pinv, forward": lambda a, b: torch.func.jvp(pinvx.pinv, (a.detach(),), (a.detach(),)),
    "pinv, reverse twice": lambda a, b: torch.autograd.grad(
        torch.autograd.grad(pinvx.pinv(a).square().sum(), a, create_graph=True)[0].sum(), a
    ),
    "lstsq, reverse": lambda a, b: torch.autograd.grad(
        sum(x.sum() for x in pinvx.lstsq(a, b)[:2]), (a, b)
    ),
    "lstsq, forward": lambda a, b: torch.func.jvp(
        lambda a, b: pinvx.lstsq(a, b)[:2], (a.detach(), b.detach()), (a.detach(), b.detach())
    ),
    "lstsq, reverse twice": lambda a, b: torch.autograd.grad(
        sum(
            g.square().sum()
            for g in torch.autograd.grad(
                sum(x.sum() for x in pinvx.lstsq(a, b)[:2]), (a, b), create_graph=True
            )
        ),
        (a, b),
    ),
    "closed forms": lambda a, b: (
        pinvx.pinv_vjp(a.detach(), a.detach().mT),
        pinvx.pinv_jvp(a.detach(), a.detach()),
        pinvx.lstsq_vjp(a.detach(), b.detach(), pinvx.lstsq(a.detach(), b.detach()).x),
        pinvx.lstsq_jvp(a.detach(), b.detach(), a.detach(), b.detach()),
    ),
    "Penrose residuals": lambda a, b: pinvx.penrose_residuals(a.detach(), a.detach().mT),
}


@pytest.mark.parametrize("deficient", [False, True], ids=["full rank", "deficient"])
@pytest.mark.parametrize("wide", [False, True], ids=["tall", "wide"])
@pytest.mark.parametrize("name", TORCH)
def test_nothing_of_the_long_side_squared_in_torch(name, wide, deficient):
    a = tall(LONG, SHORT)
    if deficient:
        a[:, 0] = a[:, 1]
    a = (a.mT.contiguous() if wide else a).requires_grad_()
    b = tall(a.shape[0], 2, requires_grad=True)
    with Allocations() as seen:
        TORCH[name](a, b)
    assert seen.largest >= LONG * SHORT  # something was counted
    assert seen.largest <= LARGEST


@pytest.mark.parametrize("function", ["pinv", "lstsq"])
def test_the_backward_pass_of_a_large_matrix(function):
    """All that it allocates, even if nothing were ever freed, is under 1 GB."""
    a = tall(100_000, 50, requires_grad=True)
    outputs = (pinvx.pinv(a),) if function == "pinv" else pinvx.lstsq(a, tall(100_000, 1))[:2]
    cotangents = [torch.ones_like(x) for x in outputs]
    with Allocations() as seen:
        torch.autograd.backward(outputs, cotangents)
    assert a.grad.shape == a.shape
    assert seen.largest <= 2 * a.numel()
    assert seen.total_bytes < 1e9


def test_the_backward_pass_is_six_products():
    """Of 2MN² operations each: three times the least that a forward pass can do.

    That is AᴴA, (AᴴA)⁻¹Aᴴ and a check of the result: also 2MN² each.
    """
    m, n = 2000, 50
    a = tall(m, n, requires_grad=True)
    x = pinvx.pinv(a)
    g = torch.ones_like(x)
    with FlopCounterMode(display=False) as counter:
        x.backward(g)
    product = 2 * m * n * n
    small = 6 * 2 * n**3  # products of N×N matrices
    assert product <= counter.get_total_flops() <= 6 * product + small


def test_a_factorization_serves_both_passes(monkeypatch):
    """No decomposition is made in a backward pass."""
    a = tall(30, 4, requires_grad=True)
    b = tall(30, 1, requires_grad=True)
    outputs = (pinvx.pinv(a), *pinvx.lstsq(a, b)[:2])
    loss = sum(x.sum() for x in outputs)
    for name in ("svd", "eigh", "qr", "inv", "inv_ex", "cholesky", "cholesky_ex", "solve"):
        monkeypatch.setattr(torch.linalg, name, None)
    (a_bar, _) = torch.autograd.grad(loss, (a, b), create_graph=True)
    torch.autograd.grad(a_bar.sum(), (a, b))


def test_reverse_mode_saves_no_more_than_the_answer():
    """What autograd keeps for later is A, A⁺ and a rank."""
    a = tall(LONG, SHORT, requires_grad=True)
    kept = []

    def pack(x):
        kept.append(x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        pinvx.pinv(a)
    assert 0 < sum(kept) <= 2 * a.numel() + 1
