"""A device of PyTorch's, named "far", whose memory nobody can read: made of the CPU, in Python.

PyTorch lets a backend be written in Python (`_setup_privateuseone_for_python_backend`). Its tensors
are plain tensors with the device, the keys and the storage of another device, as those of CUDA are:
`x.is_cpu` is false, `x.numpy()` is an error, and an operation with tensors on two devices, too. A
subclass with `__torch_dispatch__` would be asked in Python before any of that, and code that looks
at types would see that it is none of PyTorch's own.

Behind each storage is one on the CPU. An operation takes place there, and its results are given a
storage here. What comes back to the host is refused, or counted where it is one value.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.utils.backend_registration as registration
from torch._C import DispatchKey, DispatchKeySet
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves, tree_map

NAME = "far"
WANTED = "PINVX_TESTS_FAR"
"""A process has the device where this variable is set: PyTorch keeps it for good."""

reads: list[str] = []
"""The dtypes of the values that the host has read, one after the other."""
_allowed = 0

_aten = torch.ops.aten
_META = DispatchKeySet(DispatchKey.Meta)
_LIBRARIES: list[torch.library.Library] = []
_memory: dict[int, tuple[StorageWeakRef, torch.UntypedStorage]] = {}
# Operations whose results have a shape that depends on values: the host has to wait for it.
WAITING = ("nonzero", "masked_select", "unique", "_unique2", "equal", "is_nonzero")
# These look at the same memory in another way, which the meta device does for any device.
VIEWS = (
    "as_strided",
    "view",
    "_reshape_alias",
    "unfold",
    "view_as_real",
    "view_as_complex",
)


class HostCopyError(RuntimeError):
    """What was on the device was copied to the host."""


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Let a test copy to the host what it wants to look at; nothing is counted."""
    global _allowed
    _allowed += 1
    before = len(reads)
    try:
        yield
    finally:
        _allowed -= 1
        del reads[before:]


def missing() -> str | None:
    """Return why the device is not here, and register it where it is wanted."""
    if WANTED not in os.environ:
        return "it is there in a process of test_far_device.py"
    if not hasattr(registration, "_setup_privateuseone_for_python_backend"):
        return "this PyTorch has no backends in Python"
    if not _LIBRARIES:
        _install()
    return None


def _install() -> None:
    registration._setup_privateuseone_for_python_backend(NAME)
    _LIBRARIES.append(torch.library.Library("_", "IMPL"))
    _LIBRARIES[-1].fallback(_elsewhere, "PrivateUse1")
    aten = torch.library.Library("aten", "IMPL")
    _LIBRARIES.append(aten)
    aten.impl("empty.memory_format", _empty, "PrivateUse1")
    aten.impl("empty_strided", _empty_strided, "PrivateUse1")
    aten.impl("copy_", _copy, "PrivateUse1")
    aten.impl("_local_scalar_dense", _value, "PrivateUse1")
    for name in VIEWS:
        operator = getattr(_aten, name).default
        aten.impl(name, _view(operator), "PrivateUse1")


def _near(x: Any) -> Any:
    """Return the tensor on the CPU behind a tensor of the device, with the same memory."""
    if not isinstance(x, torch.Tensor) or x.device.type != NAME:
        return x
    _, storage = _memory[x.untyped_storage()._cdata]
    near = torch.empty(0, dtype=x.dtype).set_(storage, x.storage_offset(), x.size(), x.stride())
    near = near.conj() if x.is_conj() else near
    return near._neg_view() if x.is_neg() else near


def _far(x: Any) -> Any:
    """Return a tensor of the device for one on the CPU."""
    if not isinstance(x, torch.Tensor):
        return x
    x = x.resolve_conj().resolve_neg()
    dense = x if x.is_contiguous() else x.contiguous()
    made = torch._C._acc.create_empty_tensor(tuple(x.shape), x.dtype)
    storage = made.untyped_storage()
    if len(_memory) % 1000 == 999:
        for key in [k for k, (known, _) in _memory.items() if known.expired()]:
            del _memory[key]
    _memory[storage._cdata] = (StorageWeakRef(storage), dense.clone().untyped_storage())
    return made


def _empty(size: Any, *, dtype: Any = None, **options: Any) -> torch.Tensor:
    # What nobody has written to is no zero.
    x = torch.empty(size, dtype=dtype or torch.get_default_dtype())
    return _far(x.fill_(float("nan")) if x.is_floating_point() or x.is_complex() else x.fill_(1))


def _empty_strided(size: Any, stride: Any, *, dtype: Any = None, **options: Any) -> torch.Tensor:
    return _empty(size, dtype=dtype)


def _copy(target: torch.Tensor, source: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    if target.device.type != NAME and not _allowed:
        raise HostCopyError(f"a tensor of shape {tuple(source.shape)} was copied to the host")
    _near(target).copy_(_near(source))
    return target


def _value(x: torch.Tensor) -> Any:
    reads.append(str(x.dtype).removeprefix("torch."))
    return _near(x).item()


def _view(operator: Any) -> Any:
    def view(x: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        return operator.redispatch(_META, x, *arguments, **options)

    return view


def _kinds(operator: Any) -> list[str]:
    return [str(argument.type) for argument in operator._schema.arguments]


_WIDEST = {bool: torch.bool, int: torch.int64, float: torch.float64, complex: torch.complex128}


def _tensor(x: Any, wanted: str) -> Any:
    """Return the tensor that PyTorch has made of a number: it arrives as a number again."""
    dtype = _WIDEST.get(type(x)) if wanted == "Tensor" else None
    return x if dtype is None else torch.tensor(x, dtype=dtype)


def _elsewhere(operator: Any, *arguments: Any, **options: Any) -> Any:
    """Compute on the CPU what has no kernel here, which is nearly everything."""
    arguments = tuple(map(_tensor, arguments, _kinds(operator)))
    tensors = [x for x in tree_leaves((arguments, options)) if isinstance(x, torch.Tensor)]
    for x in tensors:
        # A single number on the CPU may stand beside tensors of any device.
        if x.device.type != NAME and x.ndim > 0:
            raise RuntimeError(f"{operator}: tensors on {NAME} and on {x.device}")
    if operator.overloadpacket._qualified_op_name.rpartition("::")[2] in WAITING:
        reads.append("shape")
    if options.get("device") is not None:
        options = {**options, "device": torch.device("cpu")}
    near = {id(x): _near(x) for x in tensors}

    def replaced(x: Any) -> Any:
        return near[id(x)] if isinstance(x, torch.Tensor) else x

    found = operator(*tree_map(replaced, arguments), **tree_map(replaced, options))
    for x in tensors:
        if near[id(x)].shape != x.shape:  # it has made room for its result
            made = _far(near[id(x)])
            _aten.set_.source_Storage_storage_offset.redispatch(
                _META, x, made.untyped_storage(), 0, made.shape, made.stride()
            )
    # What an operation has written into is the tensor that it was given.
    given = {id(y): x for x in tensors if (y := near[id(x)]) is not x}
    return tree_map(lambda x: given[id(x)] if id(x) in given else _far(x), found)
