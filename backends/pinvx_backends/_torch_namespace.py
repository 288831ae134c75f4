"""The namespace of array-api-compat, with some of PyTorch's own functions instead."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

from ._threads import GRAIN_OF_DECOMPOSITION, in_parts, parts
from ._torch_private import forward_mode_at_work, modes, transforming


def with_own_functions(xp: Any) -> ModuleType:
    """Return a namespace like `xp`.

    In both, `vecdot` is a matrix product, which PyTorch may form in reduced precision. `where` and
    others compare dtypes, which are always equal here; that takes longer than the operation. The
    `vmap` behind `is_grads_batched` has `cat`, but not `concat`.
    """
    namespace = ModuleType(xp.__name__, xp.__doc__)
    vars(namespace).update(vars(xp))
    vars(namespace).update(
        vecdot=_vecdot,
        where=torch.where,
        abs=torch.abs,
        concat=_concat,
        isfinite=torch.isfinite,
    )
    return namespace


def _vecdot(x: torch.Tensor, y: torch.Tensor, /, *, axis: int = -1) -> torch.Tensor:
    return torch.sum(x.conj() * y, dim=axis)


def _concat(arrays: list[torch.Tensor], /, *, axis: int = 0) -> torch.Tensor:
    return torch.cat(arrays, dim=axis)


def in_threads(decompose: Callable[[torch.Tensor], Any], x: torch.Tensor) -> Any:
    """Return the decompositions of a batch, in several threads where that pays."""
    places = parts(x.shape, torch.get_num_threads, GRAIN_OF_DECOMPOSITION)
    if not places or not _is_plain(x):
        return decompose(x)

    @torch.no_grad()  # each thread has its own switch
    def part(place: tuple[slice, ...]) -> Any:
        return decompose(x[place])

    return in_parts(part, places, torch.cat)


def _is_plain(x: torch.Tensor) -> bool:
    """Tell whether `x` is in host memory, and no mode or transformation has to see operations.

    Modes and transformations belong to the calling thread.
    """
    return (
        x.is_cpu
        and type(x) is torch.Tensor
        and not (x.requires_grad and torch.is_grad_enabled())
        and not forward_mode_at_work()
        and not torch.compiler.is_compiling()
        and not transforming()
        and modes() == 0
    )
