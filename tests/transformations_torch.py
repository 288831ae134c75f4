"""What users of PyTorch do to a function."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import pickle
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from functorch.compile import aot_function, nop
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.autograd.graph import saved_tensors_hooks
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode
from transformations import DTYPES, FUNCTIONS, SHAPES, Row, Transformation

import pinvx

# Without it, products on CUDA refuse `torch.use_deterministic_algorithms`.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
DEVICES = ("cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())))
HALF = ("float16", "bfloat16")
ALL = tuple(FUNCTIONS)
# Decomposed, the normal equations, their adjoint, the inverse, and all of that in a batch.
LARGE = ("small", "tall", "wide", "square", "batch")


def tensors(row: Row, arrays: Any) -> tuple[torch.Tensor, ...]:
    """The arrays of a row, in its dtype (or the real counterpart) and on its device."""
    dtype = getattr(torch, row.dtype)
    return tuple(
        torch.as_tensor(x, device=row.device).to(
            dtype if np.iscomplexobj(x) or not row.is_complex else dtype.to_real()
        )
        for x in arrays
    )


def variables(row: Row) -> tuple[torch.Tensor, ...]:
    return tuple(x.requires_grad_() for x in tensors(row, row.arguments))


def numpy(results: Any) -> list[Any]:
    """Bring results back, half types as float32."""
    wide = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
    return [x.detach().cpu().to(wide.get(x.dtype, x.dtype)).numpy() for x in results]


def loss(row: Row) -> Callable[..., torch.Tensor]:
    """L = Re⟨G, f⟩, whose gradient is the row's `vjp`."""
    cotangents = tensors(row, row.cotangents)

    def f(*arguments: torch.Tensor) -> torch.Tensor:
        outputs = row.call(*arguments)
        return sum((g.conj() * y).real.sum() for g, y in zip(cotangents, outputs, strict=True))

    return f


def second(row: Row) -> list[Any]:
    """The derivative of the row's `vjp` in the direction of its tangents, by double backward.

    `test_torch.py` compares double backward with finite differences.
    """
    arguments = variables(row)
    first = torch.autograd.grad(loss(row)(*arguments), arguments, create_graph=True)
    tangents = tensors(row, row.tangents)
    inner = sum((t.conj() * g).real.sum() for t, g in zip(tangents, first, strict=True))
    return numpy(torch.autograd.grad(inner, arguments))


def value(row: Row) -> None:
    row.check(numpy(row.call(*tensors(row, row.arguments))), row.value())


def backward(row: Row, call: Callable[..., Any] | None = None) -> None:
    """The gradients, of the dtypes of the arguments."""
    arguments = variables(row)
    outputs = (call or row.call)(*arguments)
    gradients = torch.autograd.grad(outputs, arguments, tensors(row, row.cotangents))
    assert [g.dtype for g in gradients] == [x.dtype for x in arguments]
    row.check(numpy(gradients), row.vjp(), order=1)


def out(row: Row) -> None:
    *batch, m, n = row.order
    expected = torch.empty(*batch, n, m, dtype=getattr(torch, row.dtype), device=row.device)
    options = {"hermitian": True} if row.function == "pinv, hermitian" else {}
    given = pinvx.pinv(*tensors(row, row.arguments), out=expected, **options)
    assert given is expected
    row.check(numpy([given]), row.value())


def no_bits(row: Row) -> None:
    for arguments in (tensors(row, row.arguments), variables(row)):
        flipped = [x.conj().conj_physical().neg().neg() for x in arguments]
        for x in row.call(*flipped):
            assert not x.is_conj()
            assert not x.is_neg()
    lazy = [x.conj() for x in tensors(row, [x.conj() for x in row.arguments])]
    row.check(numpy(row.call(*lazy)), row.value())


def double_backward(row: Row) -> None:
    """Forward over reverse by hand, against reverse over reverse."""
    arguments, tangents = tensors(row, row.arguments), tensors(row, row.tangents)
    with forward_ad.dual_level():
        dual = [
            forward_ad.make_dual(x.requires_grad_(), t)
            for x, t in zip(arguments, tangents, strict=True)
        ]
        gradients = torch.autograd.grad(loss(row)(*dual), arguments)
        found = [forward_ad.unpack_dual(g).tangent for g in gradients]
    row.check(numpy(found), second(row), order=2)


def dual_numbers(row: Row) -> None:
    with forward_ad.dual_level():
        pairs = zip(tensors(row, row.arguments), tensors(row, row.tangents), strict=True)
        outputs = row.call(*[forward_ad.make_dual(x, t) for x, t in pairs])
        found = [forward_ad.unpack_dual(y) for y in outputs]
    row.check(numpy([y.primal for y in found]), row.value())
    row.check(numpy([y.tangent for y in found]), row.jvp(), order=1)


def same(f: Callable[..., Any]) -> Callable[..., Any]:
    return f


def fullgraph(f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    torch._dynamo.reset()
    return torch.compile(f, fullgraph=True, **{"backend": "aot_eager"} | options)


# torch.func, as it is and compiled: `through` is one of the two above.


def all_arguments(row: Row) -> tuple[int, ...]:
    return tuple(range(len(row.arguments)))


def grad(row: Row, through: Callable[..., Any] = same) -> None:
    gradient = through(torch.func.grad(loss(row), argnums=all_arguments(row)))
    row.check(numpy(gradient(*tensors(row, row.arguments))), row.vjp(), order=1)


def vjp(row: Row, through: Callable[..., Any] = same) -> None:
    cotangents = tensors(row, row.cotangents)

    def f(*arguments: torch.Tensor) -> Any:
        outputs, pullback = torch.func.vjp(row.call, *arguments)
        return outputs, pullback(cotangents)

    outputs, found = through(f)(*tensors(row, row.arguments))
    row.check(numpy(outputs), row.value())
    row.check(numpy(found), row.vjp(), order=1)


def jvp(row: Row, through: Callable[..., Any] = same) -> None:
    def f(arguments: Any, tangents: Any) -> Any:
        return torch.func.jvp(row.call, arguments, tangents)

    outputs, found = through(f)(tensors(row, row.arguments), tensors(row, row.tangents))
    row.check(numpy(outputs), row.value())
    row.check(numpy(found), row.jvp(), order=1)


def linearize(row: Row) -> None:
    with warnings.catch_warnings():
        # Of PyTorch's own, for functions of its own as well.
        warnings.filterwarnings("ignore", message="Attempted to insert a get_attr Node")
        outputs, pushforward = torch.func.linearize(row.call, *tensors(row, row.arguments))
    row.check(numpy(outputs), row.value())
    row.check(numpy(pushforward(*tensors(row, row.tangents))), row.jvp(), order=1)


def pullback_afterwards(row: Row) -> None:
    """The pullback when the transformation is over: called twice, and differentiated."""
    arguments = variables(row)
    _, pullback = torch.func.vjp(row.call, *arguments)
    for _ in range(2):
        gradients = pullback(tensors(row, row.cotangents))
        row.check(numpy(gradients), row.vjp(), order=1)
    found = torch.autograd.grad(gradients, arguments, tensors(row, row.tangents))
    row.check(numpy(found), second(row), order=2)


def contracted(derivatives: Any, tangents: Any) -> list[Any]:
    """Each row of a Jacobian or a Hessian applied to the tangents."""
    return numpy(
        sum(torch.tensordot(d, t, t.ndim) for d, t in zip(ds, tangents, strict=True))
        for ds in derivatives
    )


def jacobian(
    row: Row, of: Callable[..., Any] = torch.func.jacrev, through: Callable[..., Any] = same
) -> None:
    f = through(of(row.call, argnums=all_arguments(row)))
    found = f(*tensors(row, row.arguments))
    row.check(contracted(found, tensors(row, row.tangents)), row.jvp(), order=1)


def hessian(
    row: Row, of: Callable[..., Any] = torch.func.hessian, through: Callable[..., Any] = same
) -> None:
    f = through(of(loss(row), argnums=all_arguments(row)))
    found = f(*tensors(row, row.arguments))
    row.check(contracted(found, tensors(row, row.tangents)), second(row), order=2)


def nested(outer: Callable[..., Any], inner: Callable[..., Any]) -> Callable[..., Any]:
    """A Hessian in a given order of modes."""
    return lambda f, argnums: outer(inner(f, argnums=argnums), argnums=argnums)


def vectorized(row: Row) -> None:
    """The older functions of `torch.autograd.functional`."""
    arguments, tangents = tensors(row, row.arguments), tensors(row, row.tangents)
    found = torch.autograd.functional.jacobian(row.call, arguments, vectorize=True)
    row.check(contracted(found, tangents), row.jvp(), order=1)
    found = torch.autograd.functional.hessian(loss(row), arguments, vectorize=True)
    row.check(contracted(found, tangents), second(row), order=2)


# A power of two scales A without rounding, and A⁺ and x by its inverse.
FACTORS = (1.0, 2.0, 0.5)


def scaled(row: Row) -> tuple[torch.Tensor, ...]:
    """A batch of scaled copies of A, and copies of b."""
    a, *b = tensors(row, row.arguments)
    return (torch.stack([a * c for c in FACTORS]), *[torch.stack([x] * len(FACTORS)) for x in b])


def check_scaled(row: Row, outputs: Any) -> None:
    for i, c in enumerate(FACTORS):
        x, *residuals = (y[i] for y in outputs)
        row.check(numpy([x * c, *residuals]), row.value())


def vmap(
    row: Row,
    in_dim: int = 0,
    out_dim: int = 0,
    through: Callable[..., Any] = same,
    **options: Any,
) -> None:
    batch = [x.movedim(0, in_dim) for x in scaled(row)]
    f = through(torch.func.vmap(row.call, in_dims=in_dim, out_dims=out_dim, **options))
    check_scaled(row, [y.movedim(out_dim, 0) for y in f(*batch)])


def vmap_nested(row: Row) -> None:
    batch = [torch.stack([x, x]) for x in scaled(row)]
    outputs = torch.func.vmap(torch.func.vmap(row.call))(*batch)
    for i in range(2):
        check_scaled(row, [y[i] for y in outputs])


def vmap_of_one(row: Row) -> None:
    """One argument is mapped, the other is not."""
    a, b = tensors(row, row.arguments)
    stacked = torch.stack([b, 2 * b], dim=-1)
    x, residuals = torch.func.vmap(row.call, in_dims=(None, -1))(a, stacked)
    for i, c in enumerate((1.0, 2.0)):
        row.check(numpy([x[i] / c, residuals[i] / c**2]), row.value())
    check_scaled(row, torch.func.vmap(row.call, in_dims=(0, None))(scaled(row)[0], b))


def vmap_of_grad(row: Row, through: Callable[..., Any] = same) -> None:
    gradient = torch.func.grad(loss(row), argnums=all_arguments(row))
    pairs = [torch.stack([x, x]) for x in tensors(row, row.arguments)]
    for found in zip(*through(torch.func.vmap(gradient))(*pairs), strict=True):
        row.check(numpy(found), row.vjp(), order=1)


def grad_of_vmap(row: Row) -> None:
    """Of a sum over a batch, which is the gradient at each item."""
    pairs = [torch.stack([x, x]) for x in tensors(row, row.arguments)]
    f = torch.func.vmap(loss(row))
    found = torch.func.grad(lambda *xs: f(*xs).sum(), argnums=all_arguments(row))(*pairs)
    for one in zip(*found, strict=True):
        row.check(numpy(one), row.vjp(), order=1)


def jvp_of_stacked_vectors(row: Row) -> None:
    """Forward mode under `vmap` over right-hand sides, with vectors inside."""
    a, b = tensors(row, row.arguments)
    da, db = tensors(row, row.tangents)

    def pushforward(b: torch.Tensor, db: torch.Tensor) -> Any:
        return torch.func.jvp(row.call, (a, b), (da, db))

    outputs, found = torch.func.vmap(pushforward)(torch.stack([b, b]), torch.stack([db, db]))
    for i in range(2):
        row.check(numpy([y[i] for y in outputs]), row.value())
        row.check(numpy([y[i] for y in found]), row.jvp(), order=1)


def batched_gradients(row: Row) -> None:
    arguments = variables(row)
    cotangents = [torch.stack([g, 2 * g]) for g in tensors(row, row.cotangents)]
    found = torch.autograd.grad(row.call(*arguments), arguments, cotangents, is_grads_batched=True)
    for i, c in enumerate((1.0, 2.0)):
        row.check(numpy([g[i] / c for g in found]), row.vjp(), order=1)


# Compilers


def compiled(row: Row, **options: Any) -> None:
    """Values and gradients of one graph."""
    f = fullgraph(FUNCTIONS[row.function], **options)
    row.check(numpy(f(*tensors(row, row.arguments))), row.value())
    backward(row, f)


def compiled_twice(row: Row) -> None:
    arguments = variables(row)
    outputs = fullgraph(row.call)(*arguments)
    (first,) = torch.autograd.grad(outputs[0].sum(), arguments[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="double backward"):
        first.sum().backward()


def traced(row: Row) -> None:
    """`make_fx`, with real, fake and symbolic tensors."""
    arguments = tensors(row, row.arguments)
    for mode in ("real", "fake", "symbolic"):
        graph = make_fx(row.call, tracing_mode=mode)(*arguments)
        row.check(numpy(graph(*arguments)), row.value())


def ahead_of_time(row: Row) -> None:
    f = aot_function(row.call, fw_compiler=nop)
    backward(row, f)
    row.check(numpy(f(*tensors(row, row.arguments))), row.value())


class Module(torch.nn.Module):
    def __init__(self, function: str) -> None:
        super().__init__()
        self.function = function

    def forward(self, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return FUNCTIONS[self.function](*arguments)


def exported(row: Row, *, strict: bool = False, dynamic: bool = False) -> None:
    """A program has the values, also when it was saved and loaded, and for other lengths."""
    arguments = tensors(row, row.arguments)
    dims: Any = None
    if dynamic:
        m, n = torch.export.Dim("m", min=2), torch.export.Dim("n", min=2)
        dims = [{a.ndim - 2: m, a.ndim - 1: n} for a in arguments[:1]]
        dims += [{0 if b.ndim == 1 else b.ndim - 2: m} for b in arguments[1:]]
        dims = {"arguments": tuple(dims)}
    program = torch.export.export(
        Module(row.function), arguments, dynamic_shapes=dims, strict=strict
    )
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for module in (program.module(), loaded):
        row.check(numpy(module(*arguments)), row.value())
    if dynamic:
        other = [torch.cat([x, x[..., :1, :]], dim=-2) for x in arguments]
        expected = FUNCTIONS[row.function](*(x.numpy() for x in other), method="svd")
        row.check(numpy(loaded(*other)), expected)


def same_shapes(row: Row, arguments: Any, expected: Any) -> None:
    """Shapes, dtypes and devices, of values and gradients."""
    device = arguments[0].device
    outputs = row.call(*[x.requires_grad_() for x in arguments])
    for x, y in zip(outputs, expected, strict=True):
        assert (x.shape, x.dtype, x.device) == (y.shape, y.dtype, device)
    cotangents = [torch.empty_like(x) for x in outputs]
    for g, x in zip(torch.autograd.grad(outputs, arguments, cotangents), arguments, strict=True):
        assert (g.shape, g.dtype, g.device) == (x.shape, x.dtype, device)


def meta(row: Row) -> None:
    real = tensors(row, row.arguments)
    same_shapes(row, [x.to("meta") for x in real], row.call(*real))


def fake(row: Row) -> None:
    real = tensors(row, row.arguments)
    expected = row.call(*real)
    with FakeTensorMode() as mode:
        same_shapes(row, [mode.from_tensor(x) for x in real], expected)


# Modes, contexts, and what users do to tensors


def inside(row: Row, context: Callable[[], Any]) -> None:
    """Values and gradients in a context that must not matter, and leaves nothing behind."""
    with context():
        arguments = variables(row)
        outputs = row.call(*arguments)
        gradients = torch.autograd.grad(outputs, arguments, tensors(row, row.cotangents))
    assert [y.dtype for y in (*outputs, *gradients)] == [
        getattr(torch, row.dtype) if not row.is_complex or y.is_complex() else y.dtype
        for y in (*outputs, *gradients)
    ]
    assert all(y.device == torch.device(row.device) for y in (*outputs, *gradients))
    row.check(numpy(outputs), row.value())
    row.check(numpy(gradients), row.vjp(), order=1)


@contextlib.contextmanager
def switched(setter: Callable[[Any], Any], on: Any, off: Any) -> Any:
    setter(on)
    try:
        yield
    finally:
        setter(off)


@contextlib.contextmanager
def new_switches() -> Any:
    """The switches for reduced precision of PyTorch 2.9, one for each library, not all the same."""
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = "ieee"
        torch.backends.mkldnn.matmul.fp32_precision = "ieee"


@contextlib.contextmanager
def anomaly() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is on
        with torch.autograd.detect_anomaly():
            yield


def new_switches_only(row: Row) -> None:
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):  # since PyTorch 2.9
        inside(row, new_switches)


def autocast(row: Row) -> None:
    inside(row, lambda: torch.autocast(torch.device(row.device).type, dtype=torch.bfloat16))


def autocast_compiled(row: Row) -> None:
    with torch.autocast(torch.device(row.device).type, dtype=torch.bfloat16):
        compiled(row)


def without_gradients(row: Row, context: Callable[[], Any]) -> None:
    arguments = variables(row)
    with context():
        outputs = row.call(*arguments)
    assert not any(y.requires_grad for y in outputs)
    row.check(numpy(outputs), row.value())


def checkpointed(row: Row, reentrant: bool) -> None:
    arguments = variables(row)
    outputs = checkpoint(row.call, *arguments, use_reentrant=reentrant)
    torch.autograd.backward(outputs, tensors(row, row.cotangents))
    row.check(numpy(x.grad for x in arguments), row.vjp(), order=1)


def checkpointed_for_a_graph(row: Row) -> None:
    """What was saved may be unpacked once: also where the gradient is differentiated itself."""
    arguments = variables(row)
    outputs = checkpoint(row.call, *arguments, use_reentrant=False)
    cotangents = tensors(row, row.cotangents)
    gradients = torch.autograd.grad(outputs, arguments, cotangents, create_graph=True)
    row.check(numpy(gradients), row.vjp(), order=1)


def hooked(row: Row) -> None:
    """What is saved for the gradient leaves the device and comes back."""
    packed = []

    def pack(x: torch.Tensor) -> Any:
        packed.append(x.shape)
        return x.device, x.cpu().numpy().copy()

    def unpack(x: Any) -> torch.Tensor:
        device, values = x
        return torch.as_tensor(values, device=device)

    with saved_tensors_hooks(pack, unpack):
        arguments = variables(row)
        outputs = row.call(*arguments)
    assert packed
    gradients = torch.autograd.grad(outputs, arguments, tensors(row, row.cotangents))
    row.check(numpy(gradients), row.vjp(), order=1)


def counted(row: Row) -> None:
    """A mode of `__torch_dispatch__` sees the operations inside."""
    with FlopCounterMode(display=False) as counter:
        value(row)
    assert counter.get_total_flops() > 0


class Tagged(torch.Tensor):
    """A subclass that does nothing, and wants to be there still afterwards."""


def subclass(row: Row) -> None:
    arguments = [x.as_subclass(Tagged).requires_grad_() for x in tensors(row, row.arguments)]
    outputs = row.call(*arguments)
    assert all(type(y) is Tagged for y in outputs)
    row.check(numpy([y.as_subclass(torch.Tensor) for y in outputs]), row.value())
    gradients = torch.autograd.grad(outputs, arguments, tensors(row, row.cotangents))
    row.check(numpy([g.as_subclass(torch.Tensor) for g in gradients]), row.vjp(), order=1)


class Holder(torch.nn.Module):
    """A module that holds results."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        with torch.no_grad():
            outputs = row.call(*tensors(row, row.arguments))
        self.first = torch.nn.Parameter(outputs[0])
        self.fit = outputs
        self.register_buffer("last", outputs[-1])


def copied(row: Row) -> None:
    holder = Holder(row)
    file = io.BytesIO()
    torch.save(holder, file)
    file.seek(0)
    copies = (
        copy.deepcopy(holder),
        pickle.loads(pickle.dumps(holder)),
        torch.load(file, weights_only=False),
    )
    for other in copies:
        row.check(numpy([other.first]), row.value()[:1])
        row.check(numpy([other.last]), row.value()[-1:])
        row.check(numpy(other.fit), row.value())
        assert isinstance(other.first, torch.nn.Parameter)


def row_of(name: str, run: Callable[..., None], *arguments: Any, **options: Any) -> Transformation:
    """A line of the table; `arguments`, and options that are no fields, go to `run`."""
    fields = ("functions", "dtypes", "ranks", "shapes", "note", "supported")
    own = {name: options.pop(name) for name in fields if name in options}

    def bound(row: Row) -> None:
        run(row, *arguments, **options)

    return Transformation("torch", name, run=bound, **own)


func = torch.func
LSTSQ = {"functions": ("lstsq", "lstsq, vector")}
EVERY = {"functions": ALL, "shapes": ("small", "small, square", "tall")}
REAL = {"dtypes": ("float64",)}
# A derivative of second order is symmetric only where the rank is constant in every direction.
SECOND = {"dtypes": ("float64",), "ranks": ("full",)}
SHAPES_ONLY = {
    "functions": ALL,
    "dtypes": ("float64", "complex64", "bfloat16"),
    "ranks": ("full",),
    "shapes": LARGE,
}
ONE = {"dtypes": ("float64",), "ranks": ("full",), "shapes": ("tall",)}

TRANSFORMATIONS = (
    row_of("none, the call itself", value, functions=ALL, dtypes=DTYPES + HALF, shapes=(*SHAPES,)),
    row_of("out=", out, functions=ALL[:2], dtypes=DTYPES + HALF, shapes=("small, square", "wide")),
    row_of(
        "backward",
        backward,
        functions=ALL,
        dtypes=DTYPES + HALF,
        shapes=LARGE,
        note="a gradient has the dtype of its argument",
    ),
    row_of("backward, twice", double_backward, **EVERY, ranks=("full",)),
    row_of("torch.autograd.forward_ad", dual_numbers, functions=ALL, shapes=LARGE),
    row_of("torch.autograd.grad, is_grads_batched", batched_gradients),
    row_of("torch.autograd.functional, vectorize", vectorized, **SECOND),
    row_of("torch.func.grad", grad, **EVERY),
    row_of("torch.func.vjp", vjp, **EVERY),
    row_of("torch.func.vjp, its pullback called afterwards", pullback_afterwards, ranks=("full",)),
    row_of("torch.func.jvp", jvp, **EVERY),
    row_of("torch.func.linearize", linearize, **REAL),
    row_of("torch.func.jacrev", jacobian, func.jacrev, **REAL),
    row_of("torch.func.jacrev, chunk_size", jacobian, partial(func.jacrev, chunk_size=2), **REAL),
    row_of("torch.func.jacfwd", jacobian, func.jacfwd, **REAL),
    row_of("torch.func.hessian", hessian, **SECOND, shapes=("small", "small, wide")),
    row_of("torch.func.jacfwd, of jacfwd", hessian, nested(func.jacfwd, func.jacfwd), **SECOND),
    row_of("torch.func.jacrev, of jacfwd", hessian, nested(func.jacrev, func.jacfwd), **SECOND),
    row_of("torch.func.jacrev, of jacrev", hessian, nested(func.jacrev, func.jacrev), **SECOND),
    row_of("torch.func.vmap", vmap, **EVERY),
    row_of("torch.func.vmap, in_dims and out_dims", vmap, -1, 1, functions=("pinv", "lstsq")),
    row_of("torch.func.vmap, of one argument", vmap_of_one, **LSTSQ, shapes=("small", "tall")),
    row_of("torch.func.vmap, chunk_size", vmap, chunk_size=2),
    row_of("torch.func.vmap, nested", vmap_nested, shapes=("small", "tall")),
    row_of("torch.func.vmap, of grad", vmap_of_grad, shapes=("small", "tall")),
    row_of("torch.func.vmap, inside grad", grad_of_vmap),
    row_of(
        "torch.func.jvp, of stacked vectors b",
        jvp_of_stacked_vectors,
        functions=("lstsq, vector",),
        shapes=("small", "tall"),
    ),
    row_of(
        "torch.compile(fullgraph=True), forward and backward",
        compiled,
        functions=ALL,
        dtypes=("complex64", "bfloat16"),
        ranks=("deficient",),
        shapes=("tall", "square"),
        note="`pinvx::` operators, which take the fast certified way when the graph runs",
    ),
    row_of("torch.compile(dynamic=True)", compiled, **ONE, dynamic=True),
    row_of("torch.compile, of torch.func.grad", grad, fullgraph, **ONE),
    row_of("torch.compile, of torch.func.vjp", vjp, fullgraph, **ONE),
    row_of("torch.compile, of torch.func.jvp", jvp, fullgraph, **ONE),
    row_of("torch.compile, of torch.func.vmap", vmap, through=fullgraph, **ONE),
    row_of("torch.compile, of torch.func.vmap of grad", vmap_of_grad, fullgraph, **ONE),
    row_of("torch.compile, of torch.func.jacrev", jacobian, func.jacrev, fullgraph, **SECOND),
    row_of("torch.compile, of torch.func.jacfwd", jacobian, func.jacfwd, fullgraph, **SECOND),
    row_of(
        "torch.compile, of torch.func.hessian",
        hessian,
        func.hessian,
        fullgraph,
        **SECOND,
        functions=("pinv",),
    ),
    row_of(
        "torch.compile, backward twice",
        compiled_twice,
        **ONE,
        supported=False,
        note="PyTorch refuses for every function; `torch.func` inside of the graph has all orders",
    ),
    row_of("torch.export", exported, functions=ALL, shapes=("small, square", "tall"), **REAL),
    row_of("torch.export, strict", exported, strict=True, **ONE),
    row_of("torch.export, dynamic shapes", exported, dynamic=True, **ONE),
    row_of("functorch.compile.aot_function", ahead_of_time, **ONE),
    row_of("make_fx, real, fake and symbolic", traced, **ONE),
    row_of("meta tensors", meta, **SHAPES_ONLY),
    row_of("FakeTensorMode", fake, **SHAPES_ONLY),
    row_of("torch.no_grad", without_gradients, torch.no_grad),
    row_of("torch.inference_mode", without_gradients, torch.inference_mode),
    row_of(
        "torch.autocast, bfloat16",
        autocast,
        functions=ALL,
        dtypes=("float32", "complex64"),
        shapes=("small, square", "tall", "square"),
        note="computed in float32 at least",
    ),
    row_of(
        "torch.autocast, of a compiled graph",
        autocast_compiled,
        dtypes=("float32",),
        shapes=("tall",),
    ),
    row_of(
        "torch.set_float32_matmul_precision",
        inside,
        partial(switched, torch.set_float32_matmul_precision, "medium", "highest"),
        dtypes=("float32", "complex64"),
        shapes=("tall", "square"),
        note="read, and left as it is",
    ),
    row_of(
        "torch.backends.*.fp32_precision", new_switches_only, dtypes=("float32",), shapes=("tall",)
    ),
    row_of(
        "torch.use_deterministic_algorithms",
        inside,
        partial(switched, torch.use_deterministic_algorithms, True, False),
        shapes=("small", "tall"),
    ),
    row_of("torch.set_default_device, meta", inside, lambda: torch.device("meta"), **EVERY),
    row_of(
        "torch.set_default_dtype",
        inside,
        partial(switched, torch.set_default_dtype, torch.float16, torch.float32),
        **EVERY,
    ),
    row_of("torch.autograd.detect_anomaly", inside, anomaly),
    row_of("torch.autograd.graph.saved_tensors_hooks", hooked, shapes=("small", "tall")),
    row_of("torch.utils.checkpoint, use_reentrant=False", checkpointed, False, **EVERY),
    row_of("torch.utils.checkpoint, create_graph=True", checkpointed_for_a_graph),
    row_of("torch.utils.checkpoint, use_reentrant=True", checkpointed, True, **EVERY),
    row_of("torch.utils.flop_counter", counted, shapes=("small", "tall")),
    row_of(
        "tensor subclasses", subclass, **EVERY, note="those that pass through __torch_function__"
    ),
    row_of("copy.deepcopy and pickle", copied, functions=ALL, shapes=("small, square",)),
    row_of("conjugate and negative bits", no_bits, functions=ALL, shapes=("small, square", "wide")),
)
