"""PyTorch, on the CPU and on CUDA."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import array_api_compat.torch as xp
import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pinvx_conformance._libraries._base import Library


def works(name: str) -> bool:
    """Say yes to the CPU always, to CUDA where a device answers."""
    return name == "torch" or bool(torch.cuda.is_available())


def describe(name: str) -> Library:
    """Return PyTorch on one device as the suite sees it."""
    with warnings.catch_warnings():
        # PyTorch's forward mode compiles its rules on first use, and warns of its own way to do it.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.func.jvp(torch.linalg.inv, (torch.eye(1),), (torch.eye(1),))
    return Library(
        name=name,
        version=torch.__version__,
        xp=xp,
        device=torch.device("cuda" if name.endswith("cuda") else "cpu"),
        half=("float16", "bfloat16"),
        to_numpy=_to_numpy,
        vjp=_vjp,
        jvp=_jvp,
        transformations={
            "torch.func.vmap": lambda f, a: torch.func.vmap(f)(a),
            "torch.compile": _compile,
            "torch.export": _export,
        },
        jacobians={
            "torch.func.jacrev": lambda f, a: torch.func.jacrev(f)(a),
            "torch.func.jacfwd": lambda f, a: torch.func.jacfwd(f)(a),
        },
        layouts=_layouts,
        global_state=_state,
        host_reads=_host_reads,
        synchronize=lambda x: torch.cuda.synchronize() if x.is_cuda else None,
    )


def _to_numpy(x: Any) -> Any:
    x = x.detach().cpu().resolve_conj().resolve_neg()
    return (x.float() if x.dtype in (torch.bfloat16, torch.float16) else x).numpy()


def _vjp(f: Callable[..., Any], primals: tuple[Any, ...], cotangent: Any) -> tuple[Any, ...]:
    # A primal that already requires a gradient stays in its graph, so that calls nest.
    try:
        primals = tuple(p if p.requires_grad else p.detach().requires_grad_() for p in primals)
    except RuntimeError:  # inside torch.func's forward mode, which nests with its own reverse mode
        pullback = torch.func.vjp(f, *primals)[1]
        return tuple(pullback(cotangent))
    out = f(*primals)
    return tuple(torch.autograd.grad(out, primals, cotangent, create_graph=True))


def _jvp(f: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
    return torch.func.jvp(f, primals, tangents)[1]


def _compile(f: Callable[[Any], Any], a: Any) -> Any:
    # "aot_eager" traces as the default backend does and leaves out its C++ compiler.
    torch.compiler.reset()
    return torch.compile(f, fullgraph=True, backend="aot_eager")(a)


def _export(f: Callable[[Any], Any], a: Any) -> Any:
    class Module(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def forward(self, x: Any) -> Any:
            return f(x)

    return torch.export.export(Module(), (a,)).module()(a)


def _layouts(library: Library, a: Any) -> dict[str, Any]:
    x = library.asarray(a)
    inner = min(a.ndim, 2)
    skips = (..., *(slice(None, None, 2),) * inner)
    sizes = (*a.shape[: a.ndim - inner], *(2 * n for n in a.shape[a.ndim - inner :]))
    big = torch.zeros(sizes, dtype=x.dtype, device=x.device)
    big[skips] = x
    layouts = {
        "transposed view": x.mT.contiguous().mT if a.ndim > 1 else x,
        "strided": big[skips],
        "expanded": x.expand(3, *x.shape),
        "requires grad": x.clone().requires_grad_(),
    }
    if np.iscomplexobj(a):
        layouts["lazy conjugate"] = x.conj().resolve_conj().conj()
    return layouts


def _state() -> Any:
    return (
        torch.get_float32_matmul_precision(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_rng_state().numpy().tobytes(),
    )


class _CountReads(TorchDispatchMode):  # type: ignore[misc]  # torch is untyped here
    def __init__(self, reads: list[str]) -> None:
        super().__init__()
        self.reads = reads

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        out = func(*args, **(kwargs or {}))
        leaves = func is torch.ops.aten._to_copy.default and out.device != args[0].device
        if leaves or func is torch.ops.aten._local_scalar_dense.default:
            self.reads.append(str(func))
        return out


@contextlib.contextmanager
def _host_reads() -> Iterator[list[str]]:
    reads: list[str] = []
    with _CountReads(reads):
        yield reads
