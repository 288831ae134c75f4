"""PyTorch's private names, each with what has no public one. No other file uses any."""

from __future__ import annotations

from typing import Any

import torch
from torch._functorch.utils import enable_single_level_autograd_function, unwrap_dead_wrappers
from torch._subclasses import FakeTensor
from torch.autograd import forward_ad

__all__ = [
    "FakeTensor",
    "below_autograd",
    "dispatch_keys",
    "enable_single_level_autograd_function",
    "forward_mode_at_work",
    "forward_mode_enabled",
    "graph_in_the_making",
    "lazy_bits",
    "modes",
    "nested_forward_mode",
    "set_forward_mode",
    "some_autocast",
    "transforming",
    "unwrap_dead_wrappers",
]

# Tensors without values, and the levels of `torch.func`, have no public name at all.

transforming = torch._C._are_functorch_transforms_active
"""Whether a transformation of `torch.func` is active."""

modes = torch._C._len_torch_dispatch_stack
"""How many modes see the operations of this thread; public are only ways to push one."""

some_autocast = torch._C._is_any_autocast_enabled
"""Whether autocast is on for any device; in public each has to be asked."""

forward_mode_enabled = torch._C._is_fwd_grad_enabled
"""Whether forward mode is on; reverse mode has `torch.is_grad_enabled`."""

set_forward_mode = forward_ad._set_fwd_grad_enabled
"""Switch forward mode in a context; reverse mode has `torch.set_grad_enabled`."""

_TRACERS = (
    torch._C._TorchDispatchModeKey.PROXY,
    torch._C._TorchDispatchModeKey.FAKE,
    torch._C._TorchDispatchModeKey.FUNCTIONAL,
)


def forward_mode_at_work() -> bool:
    """Tell whether there is a level of `torch.autograd.forward_ad`."""
    return forward_ad._current_level >= 0


def graph_in_the_making() -> bool:
    """Tell whether a mode makes a graph; a user's mode counts or prints operations."""
    return modes() > 0 and any(
        torch._C._get_dispatch_mode(tracer) is not None for tracer in _TRACERS
    )


def nested_forward_mode() -> bool:
    """Tell whether a derivative in forward mode is differentiated in forward mode."""
    stack = torch._C._functorch.get_interpreter_stack() or ()
    return sum(i.key() == torch._C._functorch.TransformType.Jvp for i in stack) > 1


def dispatch_keys(x: torch.Tensor) -> int:
    """Return the set of what PyTorch has to do with a tensor beside computing, as bits."""
    keys: int = torch._C._dispatch_keys(x).raw_repr()
    return keys


def below_autograd(keys: Any) -> tuple[Any, Any]:
    """Return a context, and the keys for a call in it, in which the autograd key has had its turn.

    An operator in Python can be redispatched in no other way.
    """
    return torch._C._AutoDispatchBelowAutograd(), keys & torch._C._after_autograd_keyset


def lazy_bits() -> Any:
    """Return a context in which conjugate and negative bits count.

    A graph calls an operator with their dispatch keys excluded, so `x.conj() * y` would silently be
    x·y.
    """
    exclude = torch._C._dispatch_tls_local_exclude_set()
    for key in (torch._C.DispatchKey.Conjugate, torch._C.DispatchKey.Negative):
        exclude = exclude.remove(key)
    return torch._C._ForceDispatchKeyGuard(torch._C._dispatch_tls_local_include_set(), exclude)
