"""The files of the checkout: those that Git tracks, and nothing that merely lies beside them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def tracked() -> list[Path]:
    """Every file that Git tracks; skip the test where there is no Git, or no repository."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"Git does not list the files here: {error}")
    # A file may be deleted, and not yet committed so.
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]
