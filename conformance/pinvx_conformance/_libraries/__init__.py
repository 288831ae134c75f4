"""Facts about array libraries, one file each: devices, dtypes, conversions, differentiation."""

from __future__ import annotations

from pinvx_conformance._libraries._base import Library, available, library

__all__ = ["Library", "available", "library"]
