"""The types of the public functions: protocols for the checker, nothing at run time."""

from __future__ import annotations

from typing import Any, TypeAlias

# An array of any library that follows the Array API standard. The standard's own array protocol is
# still a draft, so the checker sees `Any`; what may arrive is checked at the call.
Array: TypeAlias = Any
DType: TypeAlias = Any
Namespace: TypeAlias = Any

# The inputs or outputs of a rule: arrays, Python numbers or None.
Parts: TypeAlias = tuple[Any, ...]

# A Python number, or an array that broadcasts against the batch shape.
Tolerance: TypeAlias = Any
