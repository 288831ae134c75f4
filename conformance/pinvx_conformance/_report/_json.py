"""The report for machines: every outcome, with the versions that it holds for."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pinvx_conformance._run import Plan, Verdict


def write_json(path: Path, verdicts: Sequence[Verdict], plan: Plan) -> None:
    """Write every verdict; figures that are not finite become null."""
    document = {
        "suite": "pinvx_conformance",
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "plan": asdict(plan),
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }
    path.write_text(json.dumps(_finite(document), indent=1, ensure_ascii=False) + "\n")


def _finite(value: object) -> object:
    """JSON has no infinity."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value
