"""What PyTorch does differently: derivatives, compilation, and reduced precision."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import array_api_compat.torch
import torch

from pinvx import Adapter, Rule

from ._torch_autograd import as_node
from ._torch_host import CROSSING, Back, by_numpy, entries
from ._torch_namespace import in_threads, with_own_functions
from ._torch_operators import call, register
from ._torch_private import (
    FakeTensor,
    forward_mode_at_work,
    graph_in_the_making,
    set_forward_mode,
    some_autocast,
    transforming,
)


class TorchAdapter(Adapter):
    """PyTorch's verbs."""

    small = 1280  # a call takes some microseconds

    def __init__(self, xp: Any) -> None:
        super().__init__(with_own_functions(xp))
        # All at once: `torch.compile` recompiles when a dictionary that it has seen grows.
        for dtype in {x for x in vars(torch).values() if isinstance(x, torch.dtype)}:
            self.precision(dtype)

    def accept(self, x: torch.Tensor, function: str, name: str) -> torch.Tensor:
        """Refuse layouts that have no factorizations."""
        if x.is_nested:
            raise TypeError(
                f"{function}: `{name}` is a nested tensor of {x.size(0)} parts. Hint: pass the "
                f"parts of {name}.unbind() one by one, or torch.stack those of one shape."
            )
        if x.layout is not torch.strided:
            raise TypeError(
                f"{function}: `{name}` of shape {tuple(x.shape)} has layout {x.layout}. "
                f"Hint: pass {name}.to_dense()."
            )
        return x

    def double(self, a: torch.Tensor) -> torch.dtype | None:
        """Return the dtype with twice the digits; Apple's GPUs have none."""
        return None if a.device.type == "mps" else super().double(a)

    def readable(self, *values: Any) -> bool:
        """Tell whether values can be read: not under `torch.func`, nor while compiling.

        Meta and fake tensors have a shape and no values.
        """
        if _transformed():
            return False
        for x in values:
            if isinstance(x, FakeTensor) or (isinstance(x, torch.Tensor) and x.is_meta):
                return False
        return True

    # Dynamo runs a function that is marked so, and cannot trace a warning.
    warn = staticmethod(torch.compiler.assume_constant_result(Adapter.warn))

    def device(self, x: torch.Tensor) -> torch.device:
        """Return the device."""
        return x.device

    def adjoint(self, x: torch.Tensor) -> torch.Tensor:
        """Return the conjugate transpose; a real tensor is not copied.

        `x.mH` alone only sets the conjugate bit, and `numpy()` refuses a result with that bit.
        """
        if not x.is_complex():
            return x.mT
        # The first has a batching rule in `torch.func`, the second works with older `vmap`s.
        if transforming():
            return x.mH.resolve_conj()
        return x.mT.conj_physical()

    def matmul(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the product in full precision.

        TF32 and bfloat16 products (switches of the whole process) and autocast lose digits that a
        pseudoinverse needs. The switches are read and not changed, since another thread may rely on
        them. If one is on, the product is formed in float64 and rounded once.
        """
        if x.dtype in _REDUCIBLE and _reduced(x):
            wide = _REDUCIBLE[x.dtype]
            return torch.matmul(x.to(wide), y.to(wide)).to(x.dtype)
        return torch.matmul(x, y)

    def gramian(self, x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        """Return XᴴX or XᴴY; in host memory, by blocks.

        PyTorch has no product that uses the symmetry, so only one of two equal blocks is computed.
        For a long and narrow X the product is a sum over blocks of rows: the threads of one product
        share its rows and columns, of which there are few.
        """
        n, rows = x.shape[-1], x.shape[-2]
        if x.ndim > 2 or not x.is_cpu or (n > 32 and (y is not None or n < 256)):
            return self.matmul(self.adjoint(x), x if y is None else y)
        if n >= 256:
            left, right = x[:, : n // 2], x[:, n // 2 :]
            below = self.gramian(right, left)
            top = torch.cat([self.gramian(left), self.adjoint(below)], dim=1)
            return torch.cat([top, torch.cat([below, self.gramian(right)], dim=1)])
        y = x if y is None else y
        if rows < 1 << 14:
            return self.matmul(self.adjoint(x), y)
        even = rows - rows % 8
        xb, yb = (z[:even].unflatten(0, (8, -1)) for z in (x, y))
        product = self.matmul(self.adjoint(xb), yb).sum(dim=0)
        if even < rows:
            product = product + self.matmul(self.adjoint(x[even:]), y[even:])
        return product

    def inv(self, x: torch.Tensor) -> torch.Tensor:
        """Return the inverse; a singular matrix does not raise, and nothing is read back."""
        return torch.linalg.inv_ex(x).inverse

    def solve(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return A⁻¹B; a singular matrix does not raise, and nothing is read back."""
        return torch.linalg.solve_ex(a, b).result

    def cholesky(self, x: torch.Tensor) -> torch.Tensor:
        """Return the lower Cholesky factor, with NaN for the matrices without one.

        After a failure PyTorch returns a partial factor. At a large scale, norms could not tell it
        from a factor.
        """
        r, failed_at = torch.linalg.cholesky_ex(x)
        if x.ndim == 2 and self.on_host(x):
            return r if failed_at.item() == 0 else torch.full_like(r, float("nan"))
        return torch.where((failed_at == 0)[..., None, None], r, float("nan"))

    def inv_lower(self, x: torch.Tensor) -> torch.Tensor:
        """Return the inverse of each lower triangular matrix."""
        if x.shape[-1] <= 4 and x.ndim > 2:  # elimination has its own loop over many tiny ones
            return self.inv(x)
        identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        return torch.linalg.solve_triangular(x, identity, upper=False)

    def svd(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return U, σ and Vᴴ of each matrix."""
        return in_threads(_svd, x)

    def eigh(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the eigenvalues, ascending, and the eigenvectors of each Hermitian matrix."""
        return in_threads(torch.linalg.eigh, x)

    def minimum_norm(self, a: torch.Tensor, b: torch.Tensor, rtol: float) -> Any:
        """Return x, ‖b − A x‖², the rank and σ by LAPACK's `gelsd`, on the CPU only."""
        if not a.is_cpu:
            return None
        try:
            x, _, rank, s = torch.linalg.lstsq(a, b, rcond=rtol, driver="gelsd")
        except RuntimeError:  # it does not converge
            return None
        return x, None, rank, s

    def squares(self, x: torch.Tensor, axis: Any = (-2, -1)) -> Any:
        """Return the sum of |x|² over one or both of the last dimensions, without a derivative."""
        x = x.detach() if x.requires_grad else x
        if axis == -2:
            return torch.linalg.vector_norm(x, dim=-2).square()
        if x.ndim > 2:
            return torch.linalg.vector_norm(x, dim=(-2, -1)).square()
        norm = torch.linalg.vector_norm(x)
        if not self.on_host(x):
            return norm.square()
        size: float = norm.item()
        return size * size

    def on_host(self, a: torch.Tensor) -> bool:
        """Tell whether `a` is on the CPU and its values can be read."""
        return a.is_cpu and self.readable(a)

    def numbers(self, x: torch.Tensor) -> list[float]:
        """Read a real tensor."""
        return x.tolist() if x.ndim == 1 else x.flatten().tolist()

    def run(self, function: Callable[..., Any], static: Any, *inputs: Any) -> Any:
        """Return ``function(self, static, *inputs)``, for small systems by NumPy."""
        total = None if _transformed() else entries(inputs)
        if total is None:
            return function(self, static, *inputs)
        if _differentiated(inputs):
            return function(_ORDINARY, static, *inputs)
        if total < CROSSING and isinstance(static, Rule) and static.composed:
            with contextlib.suppress(Back):
                return by_numpy(function, static, *inputs)
        return function(_VALUES, static, *inputs)

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule: at once, as a node of PyTorch's graph, or as operators.

        Without derivatives there is no node, since it costs more than a small matrix.
        """
        if _transformed():
            return rule.by_parts(self, *inputs) if rule.composed else call(rule, inputs)
        if not _differentiated(inputs):
            return rule.value(self, *inputs)
        if rule.constant:
            with torch.no_grad(), set_forward_mode(False):
                inputs = tuple(x.detach() if isinstance(x, torch.Tensor) else x for x in inputs)
                return rule.value(self, *inputs)
        if rule.composed:
            rule = rule.keeping()
        return as_node(rule.value, rule, self, inputs)

    def write(self, out: torch.Tensor, x: torch.Tensor, function: str) -> torch.Tensor:
        """Copy into `out`, by PyTorch's rule that `out` does not support differentiation."""
        if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
            raise TypeError(
                f"{function}: `out` was given, and an argument requires a gradient, which `out` "
                "would not carry. Hint: leave `out` away, or call under torch.no_grad()."
            )
        return out.copy_(x)


class _Ordinary(TorchAdapter):
    """PyTorch's verbs for tensors that are known to be readable and in host memory.

    To ask again takes as long as the arithmetic of a small matrix.
    """

    def readable(self, *values: Any) -> bool:
        """Return True."""
        del values
        return True

    def on_host(self, a: torch.Tensor) -> bool:
        """Return True."""
        del a
        return True


class _Values(_Ordinary):
    """The same, for tensors without derivatives."""

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule."""
        return rule.value(self, *inputs)


def _svd(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.linalg.svd(x, full_matrices=False)


# A product of float64 matrices is never reduced, neither by the switches nor by autocast.
_REDUCIBLE = {torch.float32: torch.float64, torch.complex64: torch.complex128}


def _reduced(x: torch.Tensor) -> bool:
    """Tell whether products of float32 matrices have reduced precision on the device of `x`."""
    if some_autocast() and torch.is_autocast_enabled(x.device.type):
        return True
    try:
        return torch.get_float32_matmul_precision() != "highest"
    except RuntimeError:  # each library has a switch now, and they differ
        return True


def _transformed() -> bool:
    """Tell whether `torch.func` is active, or a graph is being made, as by `torch.compile`."""
    return torch.compiler.is_compiling() or transforming() or graph_in_the_making()


def _differentiated(inputs: tuple[Any, ...]) -> bool:
    """Tell whether PyTorch records a derivative, of either mode."""
    if forward_mode_at_work():
        return True
    if torch.is_grad_enabled():
        for x in inputs:  # any() takes three times as long
            if type(x) is not float and isinstance(x, torch.Tensor) and x.requires_grad:
                return True
    return False


_ORDINARY, _VALUES = _Ordinary(array_api_compat.torch), _Values(array_api_compat.torch)
register(TorchAdapter(array_api_compat.torch))
