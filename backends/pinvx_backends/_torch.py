"""What PyTorch does differently: derivatives, compilation, and reduced precision."""

from __future__ import annotations

from functools import partial
from typing import Any

import array_api_compat.torch
import torch
from torch._subclasses import FakeTensor
from torch.autograd import forward_ad

from pinvx import Adapter, Rule

from ._torch_autograd import apply
from ._torch_host import by_numpy, decomposes, entries, suits
from ._torch_namespace import with_own_functions
from ._torch_operators import call, register


class TorchAdapter(Adapter):
    """PyTorch's verbs."""

    small = 512  # a call takes some microseconds

    def __init__(self, xp: Any) -> None:
        super().__init__(with_own_functions(xp))
        # All of them now: `torch.compile` compiles anew when a dictionary that it has seen grows.
        for dtype in {x for x in vars(torch).values() if isinstance(x, torch.dtype)}:
            self.precision(dtype)

    def accept(self, x: torch.Tensor, function: str, name: str) -> torch.Tensor:
        """Refuse layouts that have no factorizations."""
        if x.layout is not torch.strided:
            raise TypeError(
                f"{function}: `{name}` of shape {tuple(x.shape)} has layout {x.layout}. "
                f"Hint: pass {name}.to_dense()."
            )
        return x

    def double(self, a: torch.Tensor) -> torch.dtype | None:
        """Return the dtype with twice the digits, but not for Apple's GPUs, which have none."""
        return None if a.device.type == "mps" else super().double(a)

    def readable(self, *values: Any) -> bool:
        """Tell whether values can be read: not inside `vmap` and the like, nor while compiling.

        Meta and fake tensors have a shape and no values.
        """
        if _transformed():
            return False
        for x in values:
            if isinstance(x, FakeTensor) or (isinstance(x, torch.Tensor) and x.is_meta):
                return False
        return True

    def device(self, x: torch.Tensor) -> torch.device:
        """Return the device."""
        return x.device

    def integer(self, number: int, a: torch.Tensor) -> torch.Tensor:
        """Return a tensor of no dimension with this number, where `a` is."""
        return torch.tensor(number, device=a.device)

    def adjoint(self, x: torch.Tensor) -> torch.Tensor:
        """Return the conjugate transpose; a real tensor is not copied.

        `x.mH` alone sets the conjugate bit, which a result must not have: `numpy()` refuses it.
        """
        if not x.is_complex():
            return x.mT
        # The first has a batching rule of `torch.func`, the second works with older `vmap`s.
        if torch._C._are_functorch_transforms_active():
            return x.mH.resolve_conj()
        return x.mT.conj_physical()

    def matmul(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the product in full precision.

        TF32 and bfloat16 products, switched on for the whole process, and autocast to half types
        lose what a pseudoinverse needs. The switches are read and left alone (another thread may
        rely on them): where one is on, the product is formed in float64 and rounded once.
        """
        if x.dtype in _REDUCIBLE and _reduced(x):
            wide = _REDUCIBLE[x.dtype]
            return torch.matmul(x.to(wide), y.to(wide)).to(x.dtype)
        return torch.matmul(x, y)

    def inner(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return XᴴY, for long and narrow ones in host memory as a sum over blocks of rows.

        The threads of a matrix product share out its rows and columns, of which there are few.
        """
        rows = x.shape[-2]
        if x.ndim > 2 or rows < 1 << 14 or x.shape[-1] > 32 or not x.is_cpu:
            return self.matmul(self.adjoint(x), y)
        even = rows - rows % 8
        xb, yb = (z[:even].unflatten(0, (8, -1)) for z in (x, y))
        product = self.matmul(self.adjoint(xb), yb).sum(dim=0)
        if even < rows:
            product = product + self.matmul(self.adjoint(x[even:]), y[even:])
        return product

    def gramian(self, x: torch.Tensor) -> torch.Tensor:
        """Return XᴴX, in host memory by halves: of two equal blocks one is computed.

        PyTorch has no product that knows of the symmetry.
        """
        n = x.shape[-1]
        if x.ndim > 2 or n < 256 or not x.is_cpu:
            return self.inner(x, x)
        left, right = x[:, : n // 2], x[:, n // 2 :]
        below = self.inner(right, left)
        top = torch.cat([self.gramian(left), self.adjoint(below)], dim=1)
        return torch.cat([top, torch.cat([below, self.gramian(right)], dim=1)])

    def inv(self, x: torch.Tensor) -> torch.Tensor:
        """Return the inverse; a singular matrix raises nothing, and reads nothing back."""
        return torch.linalg.inv_ex(x).inverse

    def solve(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return A⁻¹B; a singular matrix raises nothing, and reads nothing back."""
        return torch.linalg.solve_ex(a, b).result

    def cholesky(self, x: torch.Tensor) -> torch.Tensor:
        """Return the lower Cholesky factor; a failure raises nothing, and reads nothing back.

        What PyTorch returns then is as far as LAPACK had got, squares beside square roots: at a
        large scale norms could not tell it from a factor.
        """
        r, failed_at = torch.linalg.cholesky_ex(x)
        if x.ndim == 2 and self.on_host(x):
            return r if failed_at.item() == 0 else torch.full_like(r, float("nan"))
        return torch.where((failed_at == 0)[..., None, None], r, float("nan"))

    def inv_lower(self, x: torch.Tensor) -> torch.Tensor:
        """Return the inverse of each lower triangular matrix."""
        if x.shape[-1] <= 4 and x.ndim > 2:  # elimination has loops of its own for many tiny ones
            return self.inv(x)
        identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        return torch.linalg.solve_triangular(x, identity, upper=False)

    def svd(self, x: torch.Tensor) -> Any:
        """Return U, σ and Vᴴ of one matrix, and σ = NaN where that fails."""
        try:
            return torch.linalg.svd(x, full_matrices=False)
        except RuntimeError:  # a matrix with NaN
            return x, x.real.new_full((1,), float("nan")), x

    def norm(self, x: torch.Tensor) -> torch.Tensor:
        """Return ‖x‖_F of each matrix, in the real dtype."""
        return torch.linalg.vector_norm(x, dim=None if x.ndim == 2 else (-2, -1))

    def column_squares(self, x: torch.Tensor) -> torch.Tensor:
        """Return the squared 2-norm of each column, in the real dtype."""
        return torch.linalg.vector_norm(x, dim=-2).square()

    def on_host(self, a: torch.Tensor) -> bool:
        """Tell whether `a` is on the CPU, and its values can be read."""
        return a.is_cpu and self.readable(a)

    def numbers(self, *values: torch.Tensor) -> tuple[Any, ...]:
        """Return scalars on the CPU as Python numbers."""
        if values[0].ndim > 0 or not self.on_host(values[0]):
            return values
        return tuple(v.item() for v in values)

    def read(self, x: torch.Tensor) -> list[float]:
        """Read a real vector."""
        return x.tolist()

    def put(self, x: torch.Tensor, index: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return a copy of `x` with ``y[i]`` in place of ``x[index[i]]``."""
        return x.index_copy(0, index, y)

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule: at once, as a node of PyTorch's graph, or as an operator.

        Where nothing asks for a derivative there is no node, which costs more than a small matrix.
        """
        if _transformed():
            return call(rule, inputs)
        if _differentiated(inputs):
            return apply(partial(_value, rule), rule, self, inputs)
        return _value(rule, self, *inputs)

    def composed(self, rule: Any, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule at once, as a node of PyTorch's graph, or by its parts as operators."""
        if _transformed():
            return rule.composed(self, *inputs)
        if _differentiated(inputs):
            return apply(partial(_value, rule.kept), rule.kept, self, inputs)
        return _composed(rule, self, *inputs)

    def constant(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate a rule outside of every graph."""
        if _transformed():
            return call(rule, inputs)
        if _differentiated(inputs):
            with torch.no_grad(), forward_ad._set_fwd_grad_enabled(False):
                constants = [x.detach() if isinstance(x, torch.Tensor) else x for x in inputs]
                return _value(rule, self, *constants)
        return _value(rule, self, *inputs)

    def write(self, out: torch.Tensor, x: torch.Tensor, function: str) -> torch.Tensor:
        """Copy into `out`, under PyTorch's rule that `out` takes no part in differentiation."""
        if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
            raise TypeError(
                f"{function}: `out` was given, and an argument requires a gradient, which `out` "
                "would not carry. Hint: leave `out` away, or call under torch.no_grad()."
            )
        return out.copy_(x)


class _Ordinary(TorchAdapter):
    """PyTorch's verbs for tensors whose values are known to be in host memory, and not asked again.

    Questions take as long as the arithmetic of a small matrix.
    """

    def readable(self, *values: Any) -> bool:
        """Return True."""
        del values
        return True

    def on_host(self, a: torch.Tensor) -> bool:
        """Return True."""
        del a
        return True


def _value(rule: Rule, lib: Adapter, *inputs: Any) -> tuple[Any, ...]:
    """Compute the outputs of a rule."""
    total = entries(inputs)
    if suits(total) and not decomposes(rule, inputs):
        return by_numpy(rule.value, *inputs)
    return rule.value(lib if total is None else _ORDINARY, *inputs)


def _composed(rule: Any, lib: Adapter, *inputs: Any) -> tuple[Any, ...]:
    """Compute the outputs of what is composed of rules."""
    total = entries(inputs)
    if suits(total):
        return by_numpy(rule.value, *inputs)
    return rule.value(lib if total is None else _ORDINARY, *inputs)


# A product of float64 matrices is never reduced, neither by the switches nor by autocast.
_REDUCIBLE = {torch.float32: torch.float64, torch.complex64: torch.complex128}
_TRACERS = (
    torch._C._TorchDispatchModeKey.PROXY,
    torch._C._TorchDispatchModeKey.FAKE,
    torch._C._TorchDispatchModeKey.FUNCTIONAL,
)


def _reduced(x: torch.Tensor) -> bool:
    """Tell whether products of float32 matrices are formed in less, where `x` is."""
    if torch._C._is_any_autocast_enabled() and torch.is_autocast_enabled(x.device.type):
        return True
    try:
        return torch._C._get_float32_matmul_precision() != "highest"
    except RuntimeError:  # there is a switch for each library now, and they are not all the same
        return True


def _transformed() -> bool:
    """Tell whether `torch.func` is at work, or a graph is made: by `torch.compile` or below it."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return True
    # Modes of users, which count or print operations, are no reason to hide them in an operator.
    return torch._C._len_torch_dispatch_stack() > 0 and any(
        torch._C._get_dispatch_mode(tracer) is not None for tracer in _TRACERS
    )


def _differentiated(inputs: tuple[Any, ...]) -> bool:
    """Tell whether PyTorch records a derivative, of either mode."""
    if forward_ad._current_level >= 0:
        return True
    if torch.is_grad_enabled():
        for x in inputs:  # any() takes three times as long
            if type(x) is not float and isinstance(x, torch.Tensor) and x.requires_grad:
                return True
    return False


_ORDINARY = _Ordinary(array_api_compat.torch)
register(TorchAdapter(array_api_compat.torch))
