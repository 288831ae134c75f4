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

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate the rule as a node of PyTorch's graph."""
        if not torch.compiler.is_compiling():
            return _WithDerivative.apply(rule, self, *inputs)
        if torch.is_grad_enabled() and any(
            isinstance(x, torch.Tensor) and x.requires_grad for x in inputs
        ):
            return _Compiled.apply(rule, self, *inputs)
        return rule.value(self, *inputs)

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
    def forward(rule: Rule, lib: TorchAdapter, *inputs: Any) -> tuple[torch.Tensor, ...]:
        return rule.value(lib, *inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        rule, lib, *arrays = inputs
        _remember(ctx, rule, lib, arrays, output)
        ctx.save_for_forward(*[x for x in arrays if isinstance(x, torch.Tensor)], *output)

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
        return outputs, (0,) * len(outputs)


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
    ctx: Any, rule: Rule, lib: TorchAdapter, inputs: Any, output: tuple[torch.Tensor, ...]
) -> None:
    ctx.rule, ctx.lib = rule, lib
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(
        *[x for x, d in zip(output, rule.differentiable, strict=True) if not d]
    )
    ctx.is_tensor = [isinstance(x, torch.Tensor) for x in inputs]
    ctx.numbers = [None if t else x for x, t in zip(inputs, ctx.is_tensor, strict=True)]
    tensors = [x for x, t in zip(inputs, ctx.is_tensor, strict=True) if t]
    ctx.save_for_backward(*tensors, *output)


def _saved(ctx: Any) -> tuple[tuple[Any, ...], tuple[torch.Tensor, ...]]:
    saved = list(ctx.saved_tensors)
    inputs = tuple(
        saved.pop(0) if is_tensor else number
        for is_tensor, number in zip(ctx.is_tensor, ctx.numbers, strict=True)
    )
    return inputs, tuple(saved)


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
