"""What pinvx does on a device that the host cannot read, and what that device is like.

`test_far_device.py` runs these tests, in a process that has the device.
"""

from __future__ import annotations

import far_device
import numpy as np
import pytest
import torch
import torch.utils._pytree as pytree
from far_device import HostCopyError, reads
from torch.utils._python_dispatch import TorchDispatchMode

import pinvx

MOST = 10
# Whether A and b are of an ordinary scale, and whether the SVD converged.
SVD = 2
"""Booleans that a call reads at most: one or two for each method that it tries."""


class OnlyThere(TorchDispatchMode):
    """Refuses tensors that are made elsewhere; a single number may be anywhere."""

    def __init__(self):
        super().__init__()
        pinvx.pinv(torch.eye(2))  # the adapter is loaded, and looks at tensors on the CPU

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for x in pytree.tree_leaves(found):
            if isinstance(x, torch.Tensor) and x.ndim > 0:
                assert x.device.type == far_device.NAME, f"{func} made a tensor on {x.device}"
        return found


def matrix(kind, shape, dtype):
    """Singular values between 1 and 10, or 1 and 1e6, or half of them zero."""
    random = np.random.default_rng(0)
    *batch, m, n = shape
    k = min(m, n)
    u, v = (np.linalg.qr(random.standard_normal((*batch, length, k))).Q for length in (m, n))
    s = np.logspace(0, -6 if kind == "kappa1e6" else -1, k)
    if kind == "deficient":
        s[k // 2 :] = 0
    a = (u * s) @ v.swapaxes(-2, -1)
    return torch.asarray(a, dtype=getattr(torch, dtype)).to(far_device.NAME)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["well", "kappa1e6", "deficient"])
@pytest.mark.parametrize(
    "shape", [(3, 3), (40, 40), (200, 20), (20, 200), (50, 6, 3), (10, 64, 32)], ids=str
)
def test_what_is_read(shape, kind, dtype):
    a = matrix(kind, shape, dtype)
    b = a[..., :1].clone()
    calls = (
        lambda **options: pinvx.pinv(a, return_rank=True, **options),
        lambda **options: pinvx.lstsq(a, b, **options)[:3],
    )
    for call in calls:
        for method in ("svd", "auto"):
            reads.clear()
            with OnlyThere():
                found = call(method=method)
            assert all(x.device.type == far_device.NAME for x in found)
            assert set(reads) <= {"bool"}
            assert len(reads) <= (SVD if method == "svd" else MOST)


def test_a_batch_of_which_some_are_refused():
    """Which ones is read, and nothing else."""
    shape = (6, 40, 40)
    a = torch.where(
        torch.asarray([True, False, True, True, False, True], device=far_device.NAME)[
            :, None, None
        ],
        matrix("well", shape, "float64"),
        matrix("deficient", shape, "float64"),
    )
    reads.clear()
    with OnlyThere():
        _, rank = pinvx.pinv(a, return_rank=True)
    assert set(reads) <= {"bool", "shape"}
    with far_device.reading():
        assert rank.tolist() == [40, 20, 40, 40, 20, 40]


def test_gradients_stay_there():
    a = matrix("deficient", (40, 20), "float64").requires_grad_()
    b = matrix("well", (40, 20), "float64")[:, :2].clone().requires_grad_()
    reads.clear()
    loss = pinvx.pinv(a).square().sum() + pinvx.lstsq(a, b).x.sum()
    found = torch.autograd.grad(loss, (a, b))
    assert all(x.device.type == far_device.NAME for x in found)
    assert set(reads) <= {"bool"}


# What the device is like


def test_it_cannot_be_read():
    a = matrix("well", (3, 2), "float64")
    assert type(a) is torch.Tensor
    assert not a.is_cpu
    for read in (torch.Tensor.cpu, torch.Tensor.tolist):
        with pytest.raises(HostCopyError):
            read(a)
    for read in (torch.Tensor.numpy, np.asarray):
        with pytest.raises(TypeError, match="can't convert far:0 device type tensor to numpy"):
            read(a)
    for mixed in (lambda: a + torch.ones(3, 2), lambda: a @ torch.ones(2, 1, dtype=a.dtype)):
        with pytest.raises(RuntimeError):
            mixed()


def test_its_reads_are_counted():
    a = matrix("well", (3, 2), "float32")
    reads.clear()
    assert bool((a == a).all())
    assert float(a.sum()) == float(a.sum())
    torch.nonzero(a)
    assert reads == ["bool", "float32", "float32", "shape"]
    with far_device.reading():
        a.cpu().tolist()
    assert len(reads) == 4


def test_views_share_its_memory():
    x = torch.zeros(3, 4, device=far_device.NAME, dtype=torch.complex64)
    x.mT[1:3, :2].fill_(2 + 1j)
    torch.view_as_real(x)[2, 0, 1] = 5
    with far_device.reading():
        expected = torch.zeros(3, 4, dtype=torch.complex64)
        expected[:2, 1:3] = 2 + 1j
        expected[2, 0] = 5j
        assert (x.cpu() == expected).all()
        assert (x.mH.cpu() == expected.mH).all()
        assert (x.conj().resolve_conj().cpu() == expected.conj()).all()
        assert x.cpu().imag.sum() == x.imag.sum().cpu()


def test_memory_that_nobody_has_written_to_is_no_zero():
    with far_device.reading():
        assert torch.empty(3, device=far_device.NAME).cpu().isnan().all()
