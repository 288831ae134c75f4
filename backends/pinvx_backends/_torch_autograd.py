"""A rule as a node of PyTorch's graph, for both modes and every order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad

from pinvx import Adapter, Rule

from ._torch_private import (
    forward_mode_at_work,
    nested_forward_mode,
    set_forward_mode,
    unwrap_dead_wrappers,
)


def as_node(
    evaluate: Callable[..., tuple[Any, ...]], rule: Rule, lib: Adapter, inputs: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Return ``evaluate(lib, *inputs)``, with the derivatives of the rule.

    `evaluate` computes the value of the rule, directly or by the rule's operator.
    """
    return _apply(evaluate, rule, lib, *unwrap_dead_wrappers(inputs))


class _Node(torch.autograd.Function):
    @staticmethod
    def forward(
        evaluate: Callable[..., tuple[Any, ...]], rule: Rule, lib: Adapter, *inputs: Any
    ) -> tuple[Any, ...]:
        outputs = evaluate(lib, *inputs)
        if any(x is y for x in outputs if x is not None for y in inputs):
            # PyTorch cannot save an input that is returned unchanged.
            outputs = tuple(x.view_as(x) if x is inputs[-1] else x for x in outputs)
        if not forward_mode_at_work():
            return outputs
        # A view needs tangents with its own strides.
        return tuple(
            x.clone() if isinstance(x, torch.Tensor) and x._is_view() else x for x in outputs
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        _, ctx.rule, ctx.lib, *arrays = inputs
        ctx.set_materialize_grads(False)
        # Values that are not tensors (a number, None for an identity) are kept separately.
        values = (*arrays, *output)
        tensors = [x if isinstance(x, torch.Tensor) else None for x in values]
        ctx.others = [
            x if tensor is None else None for x, tensor in zip(values, tensors, strict=True)
        ]
        ctx.count = count = len(arrays)
        known = zip(tensors[count:], ctx.rule.differentiable, strict=True)
        ctx.mark_non_differentiable(*[x for x, d in known if x is not None and not d])
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[torch.Tensor | None, ...]:
        inputs, outputs = _saved(ctx)
        tangents = tangents[3:]
        if not nested_forward_mode():
            return ctx.rule.jvp(ctx.lib, inputs, outputs, tangents)
        # PyTorch calls this with forward mode switched off, so the derivative of a derivative
        # (`jacfwd(jacfwd(f))`) would silently be zero. Remove this level from the values, and
        # switch forward mode on for the levels around it.
        with set_forward_mode(True):
            return ctx.rule.jvp(ctx.lib, _primals(inputs), _primals(outputs), _primals(tangents))

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> tuple[torch.Tensor | None, ...]:
        saved, needed = unwrap_dead_wrappers(ctx.saved_tensors), ctx.needs_input_grad[3:]
        gradients = ctx.rule.vjp(ctx.lib, *_values(ctx, saved), cotangents, needed)
        return None, None, None, *gradients


# `Function.apply` without its part for `torch.func`, which looks up a signature at every call: that
# takes longer than the SVD of a small matrix.
_apply = super(torch.autograd.Function, _Node).apply


def _saved(ctx: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    # A pullback of `torch.func.vjp` may be called and differentiated after its transformation has
    # ended. Values still wrapped for it would then be constants.
    return _values(ctx, unwrap_dead_wrappers(ctx.saved_tensors))


def _values(ctx: Any, saved: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    values = [*map(_either, saved, ctx.others)]
    return tuple(values[: ctx.count]), tuple(values[ctx.count :])


def _either(tensor: torch.Tensor | None, other: Any) -> Any:
    return other if tensor is None else tensor


def _primals(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        forward_ad.unpack_dual(x).primal if isinstance(x, torch.Tensor) else x for x in values
    )
