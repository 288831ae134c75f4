"""Every rule as a custom operator (`torch.ops.pinvx.pinv` …) for `torch.compile` and `torch.func`.

A graph cannot choose by values. An operator is one node of the graph that chooses at run time, like
an eager call: it takes the fastest certified method, and reads the switches for reduced precision.
So compiled code is as fast and as accurate as eager code.

An operator is made from its rule: the schema from the rule's inputs and fields, derivatives by the
same node as in eager mode, batches by the rule itself. Only the shapes of the outputs are stated
here. A saved program refers to its operators by name; they exist once this module is imported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import torch

from pinvx import Adapter, Rule
from pinvx._derivative import Factorize, Pinv, Residuals, Solve

from ._torch_autograd import as_node
from ._torch_private import (
    below_autograd,
    enable_single_level_autograd_function,
    forward_mode_enabled,
    lazy_bits,
    set_forward_mode,
)

_LIBRARY = torch.library.Library("pinvx", "FRAGMENT")
# A CUDA graph cannot hold an operator that reads a boolean. (PyTorch 2.6 has no such tag.)
_TAGS = [
    getattr(torch.Tag, tag)
    for tag in ("pt2_compliant_tag", "cudagraph_unsafe")
    if hasattr(torch.Tag, tag)
]


def call(rule: Rule, inputs: tuple[Any, ...]) -> tuple[torch.Tensor, ...]:
    """Evaluate a rule by its operator."""
    operator = _OPERATORS[type(rule)]
    if isinstance(rule, Pinv):  # an operator returns all of its outputs
        rule = Pinv(rule.method, rule.hermitian)
    return _as_tuple(operator.overload(*operator.arguments(rule, inputs)))


class _Operator:
    """The operator made of one class of rules.

    It takes the inputs as tensors or None, then those that may be numbers, then the rule's fields.
    """

    def __init__(self, rule: type[Any], lib: Adapter) -> None:
        self.rule, self.lib = rule, lib
        inputs = (*rule.arrays, *rule.tolerances)
        self.count = len(inputs)
        self.numbers = range(len(rule.arrays), self.count)  # or arrays
        self.fields = [f.name for f in dataclasses.fields(rule)]
        schema = [f"Tensor? {name}" for name in inputs]
        # `Scalar`, since `float` would make a new graph for each length of a matrix.
        schema += [f"Scalar? {name}_number" for name in rule.tolerances]
        schema += [f"{f.type} {f.name}" for f in dataclasses.fields(rule)]
        outputs = ", ".join("Tensor" for _ in rule.differentiable)

        name = rule.__name__.lower()
        _LIBRARY.define(f"{name}({', '.join(schema)}) -> ({outputs})", tags=_TAGS)
        self.overload = getattr(torch.ops.pinvx, name).default
        _LIBRARY.impl(name, self._value, "CompositeExplicitAutograd")
        _LIBRARY.impl(name, self._with_derivative, "Autograd", with_keyset=True)
        torch.library.register_fake(f"pinvx::{name}", self._shapes, lib=_LIBRARY)
        torch.library.register_vmap(f"pinvx::{name}", self._batched, lib=_LIBRARY)

    def arguments(self, rule: Rule, inputs: tuple[Any, ...]) -> list[Any]:
        """Return what the operator is called with."""
        tensors = [x if isinstance(x, torch.Tensor) else None for x in inputs]
        numbers = [inputs[i] if tensors[i] is None else None for i in self.numbers]
        return tensors + numbers + [getattr(rule, name) for name in self.fields]

    def _parsed(self, arguments: tuple[Any, ...]) -> tuple[Any, list[Any]]:
        """Return the rule and its inputs: the inverse of `arguments`."""
        inputs = list(arguments[: self.count])
        for i, number in zip(self.numbers, arguments[self.count :], strict=False):
            inputs[i] = number if inputs[i] is None else inputs[i]
        return self.rule(*arguments[self.count + len(self.numbers) :]), inputs

    def _value(self, *arguments: Any) -> Any:
        rule, inputs = self._parsed(arguments)
        with lazy_bits():
            outputs = rule.value(self.lib, *inputs)
        if self.rule is Factorize:
            outputs = _completed(inputs[0], outputs)
        # An operator returns new memory, laid out as `_shapes` says.
        return _untupled(
            x.clone(memory_format=torch.contiguous_format)
            if any(x is y for y in inputs)
            else x.contiguous()
            for x in outputs
        )

    def _shapes(self, *arguments: Any) -> Any:
        return _untupled(_SHAPES[self.rule](*arguments[: self.count]))

    def _with_derivative(self, keys: Any, *arguments: Any) -> Any:
        rule, inputs = self._parsed(arguments)
        reverse, forward = torch.is_grad_enabled(), forward_mode_enabled()

        def evaluate(lib: Adapter, *inputs: Any) -> tuple[torch.Tensor, ...]:
            # PyTorch calls this with both modes switched off, but the levels of `torch.func` around
            # this one need them: a second derivative would silently be wrong.
            below, keys_below = below_autograd(keys)
            with below, torch.set_grad_enabled(reverse), set_forward_mode(forward):
                return _as_tuple(
                    self.overload.redispatch(keys_below, *self.arguments(rule, inputs))
                )

        if self.rule is Factorize:  # `Solve` differentiates with respect to A itself
            return _untupled(evaluate(self.lib, *inputs))
        # `torch.func` has removed its level, as it does for PyTorch's own operators.
        with enable_single_level_autograd_function():
            return _untupled(as_node(evaluate, rule, self.lib, tuple(inputs)))

    def _batched(self, info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> Any:
        """Make the mapped dimension the first one, since every rule takes batches."""
        moved = [
            x
            if x is None
            else x.expand(info.batch_size, *x.shape)
            if dim is None
            else x.movedim(dim, 0)
            for x, dim in zip(arguments[: self.count], in_dims, strict=False)
        ]
        outputs = self.overload(*moved, *arguments[self.count :])
        return outputs, 0 if isinstance(outputs, torch.Tensor) else (0,) * len(outputs)


# PyTorch's operators return one output without a tuple around it.


def _untupled(outputs: Iterable[Any]) -> Any:
    first, *rest = outputs
    return (first, *rest) if rest else first


def _as_tuple(outputs: Any) -> tuple[Any, ...]:
    return (outputs,) if isinstance(outputs, torch.Tensor) else outputs


def _completed(a: torch.Tensor, outputs: tuple[Any, ...]) -> tuple[torch.Tensor, ...]:
    """Return W and Z with min(M, N) columns each, whatever the method, and σ as an array."""
    w, z, rank, s = outputs
    k = min(a.shape[-2:])
    identity = torch.eye(k, dtype=a.dtype, device=a.device).expand(*a.shape[:-2], k, k)
    w, z = (
        identity if x is None else torch.nn.functional.pad(x, (0, k - x.shape[-1])) for x in (w, z)
    )
    # Zeros for a σ that was not asked for: NaN would differ between two equal calls.
    return w, z, rank, w.real.new_zeros((*a.shape[:-2], k)) if s is None else s


# The shapes of the outputs, which a compiler asks for. (`rule.value` on tensors without values
# would give them, too, but it compares lengths, which fixes symbolic ones.)


def _pinv(a: Any, *_: Any) -> tuple[torch.Tensor, ...]:
    *batch, m, n = a.shape
    return a.new_empty((*batch, n, m)), _integers(a, batch)


def _factorize(a: Any, *_: Any) -> tuple[torch.Tensor, ...]:
    *batch, m, n = a.shape
    k = torch.sym_min(m, n)
    w, z = a.new_empty((*batch, n, k)), a.new_empty((*batch, m, k))
    return w, z, _integers(a, batch), _real(a, (*batch, k))


def _solve(a: Any, b: Any, *_: Any) -> tuple[torch.Tensor]:
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (b.new_empty((*batch, a.shape[-1], b.shape[-1])),)


def _residuals(a: Any, b: Any, *_: Any) -> tuple[torch.Tensor]:
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (_real(b, (*batch, b.shape[-1])),)


def _integers(a: Any, shape: Any) -> torch.Tensor:
    return a.new_empty(shape, dtype=torch.int64)


def _real(a: Any, shape: Any) -> torch.Tensor:
    return a.new_empty(shape, dtype=a.dtype.to_real())


_SHAPES = {Pinv: _pinv, Factorize: _factorize, Solve: _solve, Residuals: _residuals}
_OPERATORS: dict[type[Any], _Operator] = {}


def register(lib: Adapter) -> None:
    """Make the operators, with the verbs of `lib`."""
    for rule in _SHAPES:
        _OPERATORS[rule] = _Operator(rule, lib)
