"""From an array to the adapter of its library.

- An adapter is named as a string and imported when the first array of its library arrives: that
  array's library is in `sys.modules` by then, so pinvx never imports one on its own.
- A type is looked up once; after that, dispatch is one dictionary access.
- Precedence: `register_backend`, pinvx's own adapters, entry points of the group `pinvx.backends`
(read only for a library without either), the plain `Adapter`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import array_api_compat

from ._adapter import Adapter
from ._errors import describe, sentence
from ._typing import Array, Namespace

if TYPE_CHECKING:
    import importlib.metadata

ENTRY_POINTS = "pinvx.backends"

_BUILT_IN = {
    "cupy": "pinvx_backends._cupy:CupyAdapter",
    "jax": "pinvx_backends._jax:JaxAdapter",
    "numpy": "pinvx_backends._numpy:NumpyAdapter",
    "torch": "pinvx_backends._torch:TorchAdapter",
}

_registered: dict[str, str | Callable[[Namespace], Adapter]] = {}
_by_namespace: dict[Namespace, Adapter] = {}
_by_type: dict[type, str] = {}
_adapters = SimpleNamespace()


class BackendInfo(NamedTuple):
    """An array library, and the adapter that pinvx uses for it."""

    name: str
    """The root module of the library, such as "torch"."""
    version: str | None
    """The version installed here, or None."""
    adapter: str
    """Where the adapter comes from: "module:attribute"."""


def register_backend(name: str, adapter: str | Callable[[Namespace], Adapter]) -> None:
    """Use an adapter for the arrays of a library, from now on and in this process.

    A package that ships an adapter declares it as an entry point of the group
    ``pinvx.backends`` instead, and its users need not call anything.

    Parameters
    ----------
    name : str
        The root module of the library's namespace, such as ``"torch"``.
    adapter : str or callable
        ``"module:attribute"``, imported when the first array arrives, or the thing itself:
        a subclass of `Adapter`, or any callable from the namespace to an `Adapter`.

    Raises
    ------
    TypeError
        If `adapter` is neither, or `name` is no string.
    ValueError
        If `name` is not the name of a root module, or the string lacks its colon.

    Examples
    --------
    >>> import pinvx
    >>> pinvx.register_backend("mylib", "mylib_pinvx:MyAdapter")
    >>> [b.adapter for b in pinvx.backends() if b.name == "mylib"]
    ['mylib_pinvx:MyAdapter']
    """
    if not isinstance(name, str):
        raise TypeError(
            sentence(f"register_backend: `name` is {describe(name)}", 'pass a str such as "torch"')
        )
    if not name.isidentifier():
        raise ValueError(
            sentence(
                f"register_backend: {name!r} is not the name of a root module",
                'pass the first part of the import name, such as "torch"',
            )
        )
    if isinstance(adapter, str):
        if adapter.count(":") != 1:
            raise ValueError(
                sentence(
                    f"register_backend: {adapter!r} does not say what to import",
                    'pass "module:attribute"',
                )
            )
    elif not callable(adapter):
        raise TypeError(
            sentence(
                f"register_backend: `adapter` is {describe(adapter)}",
                'pass "module:attribute" or a subclass of pinvx.Adapter',
            )
        )
    _registered[name] = adapter
    _by_namespace.clear()
    _by_type.clear()


def backends() -> tuple[BackendInfo, ...]:
    """Return the array libraries that have an adapter, without importing any of them.

    A library that is not listed works too, if it follows the Array API standard.

    Returns
    -------
    tuple of BackendInfo
        Name, installed version (or None) and adapter, in alphabetical order.

    Examples
    --------
    >>> import pinvx
    >>> [b.name for b in pinvx.backends() if b.adapter.startswith("pinvx_backends.")]
    ['cupy', 'jax', 'numpy', 'torch']
    """
    found: dict[str, Any] = {e.name: e.value for e in _entry_points()}
    found |= _BUILT_IN | _registered
    return tuple(
        BackendInfo(name, installed_version(name), _name_of(found[name])) for name in sorted(found)
    )


def installed_version(name: str) -> str | None:
    """Return the version of a top-level module's distribution without importing it, or None."""
    import importlib.metadata  # here, since it takes longer than all of pinvx

    try:
        if importlib.util.find_spec(name) is None:
            return None
    except ValueError:  # a module made by hand, without a spec
        return "unknown"
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
    # CuPy's distributions are named after the CUDA version, so search by module. That reads the
    # metadata of every distribution, so it comes second.
    for distribution in importlib.metadata.packages_distributions().get(name, ()):
        return importlib.metadata.version(distribution)
    return "unknown"


def adapter_of(x: Array, function: str, name: str) -> Adapter:
    """Return the adapter for the library of `x`; `function` and `name` are for the error."""
    library = _library_of(type(x))
    if library is None:
        library = _by_type[type(x)] = _loaded(_namespace_of(x, function, name))
    adapter: Adapter = getattr(_adapters, library)
    return adapter


def _namespace_of(x: Array, function: str, name: str) -> Namespace:
    for dense in ("toarray", "todense"):
        if hasattr(x, dense):
            raise TypeError(
                sentence(
                    f"{function}: `{name}` is a sparse {describe(x)}, and its pseudoinverse is "
                    "dense",
                    f"pass {name}.{dense}() if that fits into memory",
                )
            )
    try:
        return array_api_compat.array_namespace(x)
    except TypeError as error:
        raise TypeError(
            sentence(
                f"{function}: `{name}` is {describe(x)}, not an array of a library that follows "
                "the Array API standard",
                f"pass numpy.asarray({name}), or torch.asarray, jax.numpy.asarray, …",
            )
        ) from error


def _library_of(cls: type) -> str | None:
    """Return the name in `_adapters` for a type, or None for a new type."""
    name = _by_type.get(cls)
    torch = sys.modules.get("torch") if name is None else None
    if torch is not None and issubclass(cls, torch.Tensor):
        name = _by_type[cls] = _loaded(importlib.import_module("array_api_compat.torch"))
    return name


# `torch.compile` runs this function instead of tracing it: it cannot trace the import for the first
# tensor of a process, and would recompile whenever the dictionary grows.
_library_of._dynamo_marked_constant = True  # type: ignore[attr-defined]  # PyTorch's own mark


def _loaded(xp: Namespace) -> str:
    name: str = xp.__name__.replace(".", "_")
    if xp not in _by_namespace:
        _by_namespace[xp] = _load(xp)
    setattr(_adapters, name, _by_namespace[xp])
    return name


def _load(xp: Namespace) -> Adapter:
    root = xp.__name__.removeprefix("array_api_compat.").partition(".")[0]
    source = _registered.get(root) or _BUILT_IN.get(root)
    if source is None:
        source = next((e.value for e in _entry_points() if e.name == root), None)
    if source is None:
        return Adapter(xp)
    if isinstance(source, str):
        module, _, attribute = source.partition(":")
        source = getattr(importlib.import_module(module), attribute)
    return source(xp)


def _entry_points() -> importlib.metadata.EntryPoints:
    import importlib.metadata

    return importlib.metadata.entry_points(group=ENTRY_POINTS)


def _name_of(source: str | Callable[[Namespace], Adapter]) -> str:
    if isinstance(source, str):
        return source
    return f"{source.__module__}:{getattr(source, '__qualname__', type(source).__qualname__)}"
