"""The namespace of array-api-compat, with PyTorch's own functions where pinvx asks for no more."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch


def with_own_functions(xp: Any) -> ModuleType:
    """Return a namespace like `xp`.

    `vecdot` of the two is a matrix product, which PyTorch may form in reduced precision.
    `where` and others look at dtypes, which are always equal here, for longer than they compute.
    The `vmap` that `is_grads_batched` uses knows `cat` and no `concat`.
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
