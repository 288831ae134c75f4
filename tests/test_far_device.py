"""On a device that the host cannot read: what is on it stays there, and so does what is made of it.

The device is made of the CPU (`far_device.py`), in a process of its own, in which the row
"torch:far" of the table of libraries is there: a copy to the host is an error, as is an array in
the wrong place.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import far_device
import pytest
import torch.utils.backend_registration as registration

ROOT = Path(__file__).parent.parent
FILES = ("on_far_device", "test_arrays", "test_cutoff", "test_hermitian", "test_nonfinite")


@pytest.mark.skipif(
    not hasattr(registration, "_setup_privateuseone_for_python_backend"),
    reason="this PyTorch has no backends in Python",
)
def test_the_table_of_libraries():
    files = [f"tests/{name}.py" for name in FILES]
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-k", "far"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        cwd=ROOT,
        # One thread: an operation takes place in Python, and tests run beside this one.
        env={**os.environ, far_device.WANTED: "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert int(done.stdout.rpartition(" passed")[0].split()[-1]) > 150
