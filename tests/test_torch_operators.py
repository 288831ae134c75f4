"""P14 on PyTorch: what compilers get, and that calls without a compiler do not pay for it."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

import pinvx
from pinvx._derivative import Factorize, Pinv, Residuals, Solve
from pinvx._dispatch import adapter_of

torch = pytest.importorskip("torch")
from pinvx_backends import _torch, _torch_operators  # noqa: E402
from torch._dynamo.testing import CompileCounter  # noqa: E402

LARGE = (60, 24)  # there are methods to choose from


def matrix(*shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(*shape, dtype=dtype, generator=generator)
    return a + 3 * torch.eye(*shape[-2:], dtype=dtype)


def run(code, *arguments):
    """Run Python code in a fresh process, where a warning is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def samples():
    """One call of each operator, for each form of its arguments."""
    for dtype in (torch.float32, torch.complex128):
        for shape in ((5, 3), (2, 3, 5), (24, 24), (2, 1, 20, 14)):
            a = matrix(*shape, dtype=dtype)
            *batch, m, n = shape
            b, k = matrix(*batch, m, 2, dtype=dtype, seed=1), min(m, n)
            w, z = matrix(*batch, n, k, dtype=dtype), matrix(*batch, m, k, dtype=dtype)
            rtol = torch.full(batch, 1e-6, dtype=dtype.to_real())
            yield Pinv("auto"), (a, 1e-6, 0.0)
            yield Pinv("svd"), (a, rtol, rtol)
            yield Factorize("auto"), (a, 1e-6, 0.0)
            yield Factorize("svd"), (a, rtol, 0.0)
            yield Solve(steps=1), (a, b, w, z)
            yield Residuals(), (a, b, matrix(*batch, n, 2, dtype=dtype, seed=2), None)


SAMPLES = list(samples())


@pytest.mark.parametrize(
    "index", range(len(SAMPLES)), ids=lambda i: f"{type(SAMPLES[i][0]).__name__}-{i}"
)
def test_opcheck(index):
    """Schema, autograd, fake tensors and ahead-of-time dispatch, judged by PyTorch itself."""
    rule, inputs = SAMPLES[index]
    operator = _torch_operators._OPERATORS[type(rule)]
    arguments = operator.arguments(rule, inputs)
    quick = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(operator.overload, arguments, test_utils=quick)
    if index < len(SAMPLES) // 8:  # one of each, since it compiles
        differentiable = [
            x.clone().requires_grad_() if isinstance(x, torch.Tensor) and i < 2 else x
            for i, x in enumerate(arguments)
        ]
        torch.library.opcheck(
            operator.overload,
            differentiable if not isinstance(rule, Factorize) else arguments,
            test_utils="test_aot_dispatch_dynamic",
        )


@pytest.mark.parametrize("shape", [(5, 3), (16, 40), (24, 24), (2, 20, 14), (3, 0), (0, 3)])
@pytest.mark.parametrize("deficient", [False, True])
def test_factors_have_one_form(shape, deficient):
    """Whatever method is taken, W and Z have min(M, N) columns and W Zᴴ is A⁺."""
    a = matrix(*shape)
    if deficient and 0 not in shape:
        a[..., -1] = a[..., 0]
    w, z, rank, s = _torch_operators.call(Factorize("auto"), (a, 1e-8, 0.0))
    k = min(shape[-2:])
    assert (w.shape[-1], z.shape[-1], s.shape[-1]) == (k, k, k)
    x, expected_rank = pinvx.pinv(a, rtol=1e-8, return_rank=True)
    assert torch.equal(rank, expected_rank)
    torch.testing.assert_close(w @ z.mH, x, rtol=1e-12, atol=1e-12)


def test_the_first_call_of_a_process_may_be_a_compiled_one():
    code = """
import torch, pinvx
a = torch.eye(4, 3, dtype=torch.float64, requires_grad=True)
f = torch.compile(lambda a: pinvx.lstsq(a, a[:, 0]).x, fullgraph=True, backend="aot_eager")
f(a).sum().backward()
assert a.grad is not None
bound = 8 * 4 * 2.0**-52  # `VALUE` of bounds.py, twice, for κ = 1
torch.testing.assert_close(f(a), pinvx.lstsq(a, a[:, 0]).x, rtol=0, atol=2 * bound)
"""
    run(code)


def test_a_saved_program_is_loaded_where_nothing_was_called(tmp_path):
    class Module(torch.nn.Module):
        def forward(self, a):
            return pinvx.pinv(a, return_rank=True)

    a = matrix(*LARGE)
    program = torch.export.export(Module(), (a,))
    torch.export.save(program, tmp_path / "program.pt2")
    torch.save((a, program.module()(a)), tmp_path / "expected.pt")
    code = """
import sys, torch
import pinvx_backends._torch
a, expected = torch.load(sys.argv[2])
found = torch.export.load(sys.argv[1]).module()(a)
bound = 8 * 40 * 2.0**-52 * 4  # `VALUE` of bounds.py, for κ < 4 and ‖A⁺‖ < 1
torch.testing.assert_close(found, expected, rtol=0, atol=2 * bound)
"""
    run(code, tmp_path / "program.pt2", tmp_path / "expected.pt")


def test_no_graph_break():
    def f(a, b):
        x, residuals, rank, s = pinvx.lstsq(a, b, singular_values=True, rtol=1e-8)
        return pinvx.pinv(a) @ b, pinvx.pinv(a.mT @ a, hermitian=True), x, residuals, rank, s

    torch._dynamo.reset()
    explained = torch._dynamo.explain(f)(matrix(*LARGE), matrix(60, 2))
    assert explained.graph_break_count == 0, explained.break_reasons
    assert explained.graph_count == 1


@pytest.mark.parametrize("function", ["pinv", "lstsq"])
def test_one_graph_for_all_lengths(function):
    """Also when an array of another library arrives in between."""
    import numpy as np

    counter = CompileCounter()
    torch._dynamo.reset()
    f = {"pinv": pinvx.pinv, "lstsq": lambda a: pinvx.lstsq(a, a.sum(dim=-1)).x}[function]
    g = torch.compile(f, fullgraph=True, dynamic=True, backend=counter)
    shapes = [(5, 3), (3, 5), (40, 16), (16, 40), (24, 24), (7, 7), (300, 2)]
    for shape in shapes:
        torch.testing.assert_close(g(matrix(*shape)), f(matrix(*shape)))
    pinvx.pinv(np.eye(2))
    pinvx.pinv(np.eye(2, dtype=np.float32))
    g(matrix(6, 5))
    assert counter.frame_count == 1


def test_automatic_dynamic_shapes_settle():
    counter = CompileCounter()
    torch._dynamo.reset()
    g = torch.compile(lambda a: pinvx.pinv(a), fullgraph=True, backend=counter)
    for n in range(3, 12):
        g(matrix(2 * n, n))
    assert counter.frame_count == 2  # the first lengths, and all others


def test_a_compiled_graph_takes_the_fast_way(monkeypatch):
    f = torch.compile(lambda a: pinvx.pinv(a), fullgraph=True, backend="aot_eager")
    torch._dynamo.reset()
    a = matrix(*LARGE)
    expected = pinvx.pinv(a)
    f(a)

    def refuse(*_, **__):
        raise AssertionError("decomposed")

    monkeypatch.setattr(torch.linalg, "svd", refuse)
    monkeypatch.setattr(_torch.TorchAdapter, "svd", refuse)
    torch.testing.assert_close(f(a), expected)
    torch.testing.assert_close(torch.func.vmap(pinvx.pinv)(a[None]), expected[None])


def test_inductor():
    """The usual backend takes the operators as they are, with nothing to write code for here."""
    torch._dynamo.reset()
    a = matrix(*LARGE)
    x, rank = torch.compile(lambda a: pinvx.pinv(a, return_rank=True), fullgraph=True)(a)
    torch.testing.assert_close(x, pinvx.pinv(a))
    assert rank == 24


# Calls without a compiler


def test_there_is_no_node_where_nothing_asks_for_a_derivative(monkeypatch):
    """Neither a node of the graph, nor an operator."""

    def refuse(*_, **__):
        raise AssertionError("a node, or an operator")

    monkeypatch.setattr(_torch, "as_node", refuse)
    monkeypatch.setattr(_torch, "call", refuse)
    a = matrix(*LARGE)
    b = torch.ones(60, dtype=a.dtype)
    pinvx.pinv(a)
    pinvx.lstsq(a, b)
    with torch.no_grad():
        pinvx.pinv(a.clone().requires_grad_())
    with torch.inference_mode():
        pinvx.lstsq(a, b)
    with pytest.raises(AssertionError, match="a node"):
        pinvx.pinv(a.clone().requires_grad_())
    with pytest.raises(AssertionError, match="a node"), torch.autograd.forward_ad.dual_level():
        pinvx.pinv(a)
    with pytest.raises(AssertionError, match="a node"):
        torch.func.vmap(pinvx.pinv)(a[None])


def test_a_result_outside_of_a_graph_is_a_leaf():
    a = matrix(*LARGE)
    for x in (*pinvx.lstsq(a, a)[:2], pinvx.pinv(a)):
        assert x.is_leaf
        assert not x.requires_grad


def test_results_with_a_gradient_are_freed_at_once():
    """What is saved for the gradient makes no cycle that waits for the garbage collector."""
    gc.disable()
    try:
        a = matrix(*LARGE).requires_grad_()
        results = [pinvx.pinv(a), *pinvx.lstsq(a, torch.ones(60, dtype=a.dtype))[:2]]
        held = [weakref.ref(x) for x in (*results, a)]
        del results, a
        assert all(reference() is None for reference in held)
    finally:
        gc.enable()


def test_the_factors_of_lstsq_are_constants():
    """Only `Solve` and `Residuals` are differentiated: one factorization serves every order."""
    a = matrix(*LARGE).requires_grad_()
    lib = adapter_of(a, "", "")
    w, z, *_ = lib.differentiable(Factorize("auto"), a, 1e-12, 0.0)
    assert not w.requires_grad
    assert not z.requires_grad
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(a.detach(), torch.ones_like(a))
        for x in lib.differentiable(Factorize("auto"), dual, 1e-12, 0.0)[:2]:
            assert torch.autograd.forward_ad.unpack_dual(x).tangent is None


def test_every_rule_has_an_operator():
    assert {*_torch_operators._OPERATORS} == {Pinv, Factorize, Solve, Residuals}
    assert {str(o.overload) for o in _torch_operators._OPERATORS.values()} == {
        f"pinvx.{name}.default" for name in ("pinv", "factorize", "solve", "residuals")
    }
