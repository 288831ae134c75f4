"""The libraries' own functions as targets: defaults as documented, missing features declared."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from pinvx_conformance._libraries import library
from pinvx_conformance._targets import OF_PINVX, Cutoff, Solved, Target

NO_RANK = {"return_rank": "its pinv returns no rank"}
NO_ATOL = {"atol": "its pinv takes no absolute tolerance", "lstsq atol": "its lstsq has no atol"}
NO_OUT = {"out": "its pinv has no out"}
NO_BATCH = {"lstsq batches": "its lstsq is documented for one matrix"}
NO_HALF = {"half": "its linear algebra is documented for single and double precision"}
NO_INTEGERS = {"integers": "documented for floating dtypes only"}
FIXED = Cutoff("1e-15", long=0.0, fixed=1e-15)
CONVERTS = {"mixed namespaces": "it converts foreign arrays on purpose"}
HABITS = OF_PINVX | {
    "singular_values": "its lstsq has no such option",
    "method": "its functions have no choice of method",
    "lstsq method": "its functions have no choice of method",
    "immutable out": "its pinv has no out, or its arrays can be written to",
    "residuals cotangent": "its residuals are documented without a gradient",
}


def _renamed(function: Callable[..., Any], **names: str) -> Callable[..., Any]:
    """Give a function's options their canonical names."""

    def call(*arrays: Any, **options: Any) -> Any:
        return function(*arrays, **{names.get(k, k): v for k, v in options.items()})

    return call


def _numpy() -> dict[str, Any]:
    import numpy as np

    solve = _renamed(np.linalg.lstsq, rtol="rcond")
    return {
        # rcond is the option whose default is documented; rtol=None means something else.
        "pinv": _renamed(np.linalg.pinv, rtol="rcond"),
        "lstsq": lambda a, b, **o: Solved(*solve(a, b, **o)),
        "declared": NO_RANK | NO_ATOL | NO_BATCH | NO_HALF | NO_OUT | CONVERTS,
        "cutoffs": {"pinv": FIXED},
    }


def _scipy() -> dict[str, Any]:
    import scipy.linalg

    solve = _renamed(scipy.linalg.lstsq, rtol="cond")

    def pinv(a: Any, *, hermitian: bool = False, **options: Any) -> Any:
        return (scipy.linalg.pinvh if hermitian else scipy.linalg.pinv)(a, **options)

    return {
        "pinv": pinv,
        "svd": scipy.linalg.svd,
        "lstsq": lambda a, b, **o: Solved(*solve(a, b, **o)),
        "declared": NO_HALF
        | NO_OUT
        | CONVERTS
        | {
            "lstsq atol": "its lstsq has no atol",
            "array tolerances": "its tolerances are documented as numbers",
        },
        "cutoffs": {"lstsq": Cutoff("eps", long=0.0, short=1.0)},
        "version": scipy.__version__,
    }


def _torch() -> dict[str, Any]:
    import torch

    solve = _renamed(torch.linalg.lstsq, rtol="rcond")
    return {
        "pinv": torch.linalg.pinv,
        "lstsq": lambda a, b, **o: Solved(*solve(a, b, **o)),
        "declared": NO_RANK | NO_HALF | NO_INTEGERS | {"lstsq atol": "its lstsq has no atol"},
    }


def _jax() -> dict[str, Any]:
    import jax.numpy as jnp

    solve = _renamed(jnp.linalg.lstsq, rtol="rcond")
    return {
        "pinv": jnp.linalg.pinv,
        "lstsq": lambda a, b, **o: Solved(*solve(a, b, **o)),
        "declared": NO_RANK | NO_ATOL | NO_BATCH | NO_HALF | CONVERTS,
        "cutoffs": {"pinv": Cutoff("10·max(M, N)·eps", long=10.0)},
    }


def _cupy() -> dict[str, Any]:
    import cupy

    solve = _renamed(cupy.linalg.lstsq, rtol="rcond")
    return {
        "pinv": _renamed(cupy.linalg.pinv, rtol="rcond"),
        "lstsq": lambda a, b, **o: Solved(*solve(a, b, **o)),
        "declared": NO_RANK
        | NO_ATOL
        | NO_BATCH
        | NO_HALF
        | NO_OUT
        | {"hermitian": "its pinv has no such option"},
        "cutoffs": {"pinv": FIXED},
    }


def _strict() -> dict[str, Any]:
    import array_api_strict as xp

    return {
        "pinv": xp.linalg.pinv,
        "declared": NO_RANK
        | NO_ATOL
        | NO_HALF
        | NO_INTEGERS
        | NO_OUT
        | {"hermitian": "the standard's pinv has no such option"},
    }


# Target name -> (the library whose arrays it takes, how to get at its functions).
OWN: Mapping[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "numpy": ("numpy", _numpy),
    "scipy": ("numpy", _scipy),
    "torch": ("torch", _torch),
    "torch:cuda": ("torch:cuda", _torch),
    "jax": ("jax", _jax),
    "cupy": ("cupy", _cupy),
    "array_api_strict": ("array_api_strict", _strict),
}


def present(name: str, libraries: list[str]) -> bool:
    """Whether a library's own functions can run here."""
    arrays, _ = OWN[name]
    return arrays in libraries and importlib.util.find_spec(name.partition(":")[0]) is not None


def own(name: str) -> Target:
    """Return a library's own functions as a target."""
    arrays, functions = OWN[name]
    lib = library(arrays)
    parts = {"version": lib.version, **functions()}
    parts["declared"] = HABITS | parts["declared"]
    return Target(name=name, library=lib, **parts)
