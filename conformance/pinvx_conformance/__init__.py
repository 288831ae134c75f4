"""Judge any pseudoinverse and any least-squares function, of any array library.

``python -m pinvx_conformance`` writes a report, ``pytest -p pinvx_conformance.plugin --pyargs
pinvx_conformance --target …`` runs it as tests, and `check_pinv`, `check_lstsq` and `matrices` are
for use inside other tests.
"""

from __future__ import annotations

from pinvx_conformance import matrices
from pinvx_conformance._api import check_lstsq, check_pinv
from pinvx_conformance._check import ViolationError
from pinvx_conformance._targets import Solved, Target

__all__ = ["Solved", "Target", "ViolationError", "check_lstsq", "check_pinv", "matrices"]
