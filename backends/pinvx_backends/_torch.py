"""What PyTorch does differently: derivatives by `autograd.Function`, and reduced precision."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd import forward_ad

from pinvx import Adapter, Rule


class TorchAdapter(Adapter):
    """PyTorch's verbs."""

    def accept(self, x: torch.Tensor, function: str, name: str) -> torch.Tensor:
        """Refuse tensors without values, and layouts that have no factorizations."""
        if x.is_meta:
            raise ValueError(
                f"{function}: `{name}` of shape {tuple(x.shape)} is on the meta device, where "
                "tensors have no values. Hint: move it to a real device first, with "
                "torch.empty_like or Module.to_empty and the values."
            )
        if x.layout is not torch.strided:
            raise TypeError(
                f"{function}: `{name}` of shape {tuple(x.shape)} has layout {x.layout}. "
                f"Hint: pass {name}.to_dense()."
            )
        return x

    def readable(self, *values: Any) -> bool:
        """Tell whether values can be read: not inside `vmap` and the like, nor compiled code."""
        return not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active())

    def device(self, x: torch.Tensor) -> torch.device:
        """Return the device."""
        return x.device

    def adjoint(self, x: torch.Tensor) -> torch.Tensor:
        """Return the conjugate transpose; a real tensor is not copied.

        `x.mH` would set the conjugate bit, which a result must not have: `numpy()` refuses it.
        """
        return x.mT.conj_physical() if x.is_complex() else x.mT

    def matmul(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the product in full precision.

        TF32 and bfloat16 products, switched on for the whole process, and autocast to half types
        lose what a pseudoinverse needs. The switches are read and left alone (another thread may
        rely on them): where one is on, the product is formed in float64 and rounded once.
        """
        if x.dtype in _REDUCIBLE and (
            torch.get_float32_matmul_precision() != "highest"
            or torch.is_autocast_enabled(x.device.type)
        ):
            wide = _REDUCIBLE[x.dtype]
            return torch.matmul(x.to(wide), y.to(wide)).to(x.dtype)
        return torch.matmul(x, y)

    def inv(self, x: torch.Tensor) -> torch.Tensor:
        """Return the inverse; a singular matrix raises nothing, and reads nothing back."""
        return torch.linalg.inv_ex(x).inverse

    def cholesky(self, x: torch.Tensor) -> torch.Tensor:
        """Return the lower Cholesky factor; a failure raises nothing, and reads nothing back."""
        return torch.linalg.cholesky_ex(x).L

    def inv_lower(self, x: torch.Tensor) -> torch.Tensor:
        """Return the inverse of each lower triangular matrix."""
        identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        return torch.linalg.solve_triangular(x, identity, upper=False)

    def svd(self, x: torch.Tensor) -> Any:
        """Return U, σ and Vᴴ of one matrix, and σ = NaN where that fails."""
        try:
            return torch.linalg.svd(x, full_matrices=False)
        except RuntimeError:  # a matrix with NaN
            return x, x.real.new_full((1,), float("nan")), x

    def norm2(self, x: torch.Tensor) -> torch.Tensor:
        """Return ‖x‖_F² of each matrix, in the real dtype."""
        norm = torch.linalg.vector_norm(x, dim=None if x.ndim == 2 else (-2, -1))
        return norm * norm

    def numbers(self, *values: torch.Tensor) -> tuple[Any, ...]:
        """Read scalars as Python numbers, with one transfer from an accelerator."""
        if values[0].ndim > 0 or not self.readable(*values):
            return values
        if values[0].is_cpu:
            return tuple(v.item() for v in values)
        return tuple(torch.stack(values).tolist())

    def read(self, x: torch.Tensor) -> list[float]:
        """Read a real vector."""
        return x.tolist()

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule as a node of PyTorch's graph."""
        if not torch.compiler.is_compiling():
            return _WithDerivative.apply(rule, self, *inputs)
        if torch.is_grad_enabled() and any(
            isinstance(x, torch.Tensor) and x.requires_grad for x in inputs
        ):
            return _Compiled.apply(rule, self, *inputs)
        return rule.value(self, *inputs)

    def constant(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate a rule outside of every graph."""
        return self.differentiable(
            rule, *[x.detach() if isinstance(x, torch.Tensor) else x for x in inputs]
        )

    def write(self, out: torch.Tensor, x: torch.Tensor, function: str) -> torch.Tensor:
        """Copy into `out`, under PyTorch's rule that `out` takes no part in differentiation."""
        if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
            raise TypeError(
                f"{function}: `out` was given, and an argument requires a gradient, which `out` "
                "would not carry. Hint: leave `out` away, or call under torch.no_grad()."
            )
        return out.copy_(x)


# A product of float64 matrices is never reduced, neither by the switches nor by autocast.
_REDUCIBLE = {torch.float32: torch.float64, torch.complex64: torch.complex128}


class _WithDerivative(torch.autograd.Function):
    """A rule as a function of PyTorch's: of both modes, of every order, and of batches."""

    @staticmethod
    def forward(rule: Rule, lib: TorchAdapter, *inputs: Any) -> tuple[torch.Tensor | None, ...]:
        outputs = rule.value(lib, *inputs)
        # PyTorch takes no input for an output (the normal equations have Z = A), but a view of it.
        return tuple(x.view_as(x) if _is_one_of(x, inputs) else x for x in outputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        rule, lib, *arrays = inputs
        _remember(ctx, rule, lib, arrays, output)
        ctx.save_for_forward(*_tensors(arrays), *_tensors(output))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[torch.Tensor | None, ...]:
        inputs, outputs = _saved(ctx)
        tangents = tangents[2:]
        if not _nested_forward_mode():
            return ctx.rule.jvp(ctx.lib, inputs, outputs, tangents)
        # PyTorch calls this with forward mode switched off, and so returns a zero, without a word,
        # for the derivative of a derivative (`jacfwd(jacfwd(f))`). What belongs to this level is
        # taken off, and forward mode switched on for the levels around it.
        with forward_ad._set_fwd_grad_enabled(True):
            return ctx.rule.jvp(ctx.lib, _primals(inputs), _primals(outputs), _primals(tangents))

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> tuple[Any, ...]:
        needed = ctx.needs_input_grad[2:]
        return None, None, *ctx.rule.vjp(ctx.lib, *_saved(ctx), cotangents, needed)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], rule: Rule, lib: Any, *inputs: Any) -> Any:
        # Every rule takes batches, so a mapped dimension becomes the first batch dimension.
        batched = [
            _batch_first(x, dim, info.batch_size)
            for x, dim in zip(inputs, in_dims[2:], strict=True)
        ]
        outputs = _WithDerivative.apply(rule, lib, *batched)
        return outputs, tuple(None if x is None else 0 for x in outputs)


class _Compiled(torch.autograd.Function):
    """A rule in `torch.compile`, which takes reverse mode alone and wants `ctx` in `forward`."""

    @staticmethod
    def forward(ctx: Any, rule: Rule, lib: TorchAdapter, *inputs: Any) -> tuple[torch.Tensor, ...]:
        output = rule.value(lib, *inputs)
        _remember(ctx, rule, lib, inputs, output)
        return output

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> tuple[Any, ...]:
        needed = ctx.needs_input_grad[2:]
        return None, None, *ctx.rule.vjp(ctx.lib, *_saved(ctx), cotangents, needed)


def _remember(
    ctx: Any, rule: Rule, lib: TorchAdapter, inputs: Any, output: tuple[torch.Tensor | None, ...]
) -> None:
    ctx.rule, ctx.lib = rule, lib
    ctx.set_materialize_grads(False)
    known = zip(output, rule.differentiable, strict=True)
    ctx.mark_non_differentiable(*[x for x, d in known if x is not None and not d])
    # What is no tensor (a number, None for an identity) is kept beside the tensors.
    ctx.others = [None if isinstance(x, torch.Tensor) else (x,) for x in (*inputs, *output)]
    ctx.count = len(inputs)
    ctx.save_for_backward(*_tensors(inputs), *_tensors(output))


def _saved(ctx: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    saved = iter(ctx.saved_tensors)
    values = tuple(next(saved) if other is None else other[0] for other in ctx.others)
    return values[: ctx.count], values[ctx.count :]


def _is_one_of(x: Any, inputs: tuple[Any, ...]) -> bool:
    return isinstance(x, torch.Tensor) and any(x is y for y in inputs)


def _tensors(values: Any) -> list[torch.Tensor]:
    return [x for x in values if isinstance(x, torch.Tensor)]


def _nested_forward_mode() -> bool:
    stack = torch._C._functorch.get_interpreter_stack() or ()
    return sum(i.key() == torch._C._functorch.TransformType.Jvp for i in stack) > 1


def _primals(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        forward_ad.unpack_dual(x).primal if isinstance(x, torch.Tensor) else x for x in values
    )


def _batch_first(x: Any, dim: int | None, size: int) -> Any:
    if not isinstance(x, torch.Tensor):
        return x
    if dim is None:
        return x.expand(size, *x.shape)
    return x.movedim(dim, 0)
