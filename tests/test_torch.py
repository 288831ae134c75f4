"""P13 on PyTorch: `gradcheck`, batched gradients, the third order, and what users do to tensors.

Deficient matrices are products B·Cᵀ of well-conditioned factors: their rank stays as it is when
`gradcheck` moves an entry. (Cᵀ and not Cᴴ: batched forward mode of PyTorch fails for B·Cᴴ alone.)
"""

from __future__ import annotations

import pytest
from bounds import FIRST, VALUE, assert_close, unit

import pinvx

torch = pytest.importorskip("torch")
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch.func import jacfwd, jacrev, vmap  # noqa: E402

DOUBLE = (torch.float64, torch.complex128)
DEVICES = ("cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())))

# m, n, rank, batch
SHAPES = {
    "tall": (5, 3, 3, ()),
    "wide": (3, 5, 3, ()),
    "square": (3, 3, 3, ()),
    "tall, deficient": (5, 3, 2, ()),
    "wide, deficient": (3, 4, 2, ()),
    "square, deficient": (4, 4, 2, ()),
    "batch": (4, 2, 2, (2,)),
    "batch, deficient": (3, 4, 2, (2,)),
}

pytestmark = pytest.mark.parametrize("device", DEVICES)
dtypes = pytest.mark.parametrize("dtype", DOUBLE, ids=lambda d: str(d).partition(".")[2])
shapes = pytest.mark.parametrize("shape", SHAPES)


def factors(shape, dtype, device):
    """B and C whose Gram matrices are near the identity, so that κ is small and constant."""
    m, n, r, batch = SHAPES[shape]
    generator = torch.Generator().manual_seed(0)

    def near_isometry(rows):
        x = torch.randn(*batch, rows, r, dtype=dtype, generator=generator)
        q = torch.linalg.qr(x)[0] + 0.1 * x
        return q.to(device).requires_grad_()

    return near_isometry(m), near_isometry(n)


def right_hand_side(shape, dtype, device, columns=2):
    m, _, _, batch = SHAPES[shape]
    generator = torch.Generator().manual_seed(1)
    b = torch.randn(*batch, m, columns, dtype=dtype, generator=generator)
    return b.to(device).requires_grad_()


def pinv(b, c):
    return pinvx.pinv(b @ c.mT, rtol=1e-8)


def fit(b, c, y):
    return pinvx.lstsq(b @ c.mT, y, rtol=1e-8)[:2]


FIRST_ORDER = {
    "check_forward_ad": True,
    "check_batched_grad": True,
    "check_batched_forward_grad": True,
}
SECOND_ORDER = {"check_fwd_over_rev": True, "check_rev_over_rev": True}


@dtypes
@shapes
def test_pinv_first_order(shape, dtype, device):
    assert gradcheck(pinv, factors(shape, dtype, device), **FIRST_ORDER)


@dtypes
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in ("square", "batch")])
def test_pinv_second_order(shape, dtype, device):
    assert gradgradcheck(pinv, factors(shape, dtype, device), **SECOND_ORDER)


@dtypes
@shapes
def test_lstsq_first_order(shape, dtype, device):
    arguments = (*factors(shape, dtype, device), right_hand_side(shape, dtype, device))
    assert gradcheck(fit, arguments, **FIRST_ORDER)


@dtypes
@pytest.mark.parametrize("shape", ["tall", "wide, deficient"])
def test_lstsq_second_order(shape, dtype, device):
    arguments = (*factors(shape, dtype, device), right_hand_side(shape, dtype, device, 1))
    assert gradgradcheck(fit, arguments, **SECOND_ORDER)


@dtypes
def test_lstsq_with_a_vector_and_with_broadcast_batches(dtype, device):
    def solve(a, b):
        return pinvx.lstsq(a, b)[:2]

    generator = torch.Generator().manual_seed(2)
    for a_shape, b_shape in (((2, 1, 4, 2), (4,)), ((4, 2), (3, 4, 1)), ((1, 4, 2), (2, 4, 1))):
        a, b = (
            torch.randn(s, dtype=dtype, generator=generator).to(device).requires_grad_()
            for s in (a_shape, b_shape)
        )
        assert gradcheck(solve, (a, b), check_forward_ad=True)


@dtypes
def test_hermitian(dtype, device):
    def f(h):
        return pinvx.pinv(h, hermitian=True)

    generator = torch.Generator().manual_seed(3)
    h = torch.randn(2, 3, 3, dtype=dtype, generator=generator)
    # Definite, indefinite, and with an upper triangle that nobody reads.
    h = h + torch.diag(torch.tensor([6.0, -7.0, 8.0], dtype=dtype))
    h = h.to(device).requires_grad_()
    assert gradcheck(f, (h,), **FIRST_ORDER)
    assert gradgradcheck(f, (h,), **SECOND_ORDER)
    (h_bar,) = torch.autograd.grad(f(h).abs().sum(), h)
    assert not h_bar.triu(1).any()


@dtypes
def test_hermitian_deficient(dtype, device):
    (b, _) = factors("square, deficient", dtype, device)

    def f(b):
        return pinvx.pinv(b @ b.mT.conj(), hermitian=True, rtol=1e-8)

    assert gradcheck(f, (b,), check_forward_ad=True)
    assert gradgradcheck(f, (b,))


def test_the_zero_matrix(device):
    """Rank zero is constant only along the zero direction: the derivative is zero, not NaN."""
    z = torch.zeros(3, 3, dtype=torch.float64, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(pinvx.pinv(z, hermitian=True).sum(), z, create_graph=True)
    assert not g.any()
    (gg,) = torch.autograd.grad(g.sum(), z)
    assert not gg.any()


# Transformations


def batch(device, m=4, n=2, count=3):
    generator = torch.Generator().manual_seed(4)
    a = torch.randn(count, m, n, dtype=torch.float64, generator=generator)
    return (a + 3 * torch.eye(m, n, dtype=a.dtype)).to(device)


def close(x, y, order=1):
    # κ < 3 here, and every further derivative multiplies by a norm of X below 1.
    torch.testing.assert_close(x, y, rtol=0, atol=FIRST**order * 4 * 3 * 2.0**-52)


def test_vmap_of_ranks_and_tolerances(device):
    a = batch(device)
    x, rank = vmap(lambda a: pinvx.pinv(a, return_rank=True))(a)
    close(x, pinvx.pinv(a))
    assert rank.tolist() == [2, 2, 2]
    rank = vmap(lambda r: pinvx.pinv(a[0], rtol=r, return_rank=True)[1])(
        torch.tensor([0.0, 2.0], device=device)
    )
    assert rank.tolist() == [2, 0]


def test_third_derivatives(device):
    """d³(1/a) = −6/a⁴, through every mixture of modes."""
    a = torch.tensor([[2.0]], dtype=torch.float64, device=device)

    def f(t):
        return pinvx.pinv(a * t)[0, 0]

    t = torch.tensor(1.0, dtype=torch.float64, device=device)
    for one in (jacfwd, jacrev):
        for two in (jacfwd, jacrev):
            for three in (jacfwd, jacrev):
                assert abs(one(two(three(f)))(t).item() + 6 / 2) < 1e-12


# What users do


def test_a_parameter_learns(device):
    a = torch.nn.Parameter(batch(device)[0])
    optimizer = torch.optim.SGD([a], lr=0.1)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = pinvx.pinv(a).square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]


def test_requires_grad_just_works(device):
    a = batch(device).requires_grad_()
    x, rank = pinvx.pinv(a, return_rank=True)
    assert x.requires_grad
    assert not rank.requires_grad
    fit = pinvx.lstsq(a, torch.ones(4, dtype=a.dtype, device=device), singular_values=True)
    assert fit.x.requires_grad
    assert fit.residuals.requires_grad
    assert not fit.rank.requires_grad
    assert not fit.s.requires_grad
    with torch.no_grad():
        assert not pinvx.pinv(a).requires_grad
    assert not pinvx.pinv(a.detach()).requires_grad
    only_b = torch.ones(4, dtype=a.dtype, device=device, requires_grad=True)
    (b_bar,) = torch.autograd.grad(pinvx.lstsq(a.detach(), only_b).x.sum(), only_b)
    close(b_bar, pinvx.pinv(a.detach()).sum(dim=(0, 1)))


def test_gradients_reach_integers_and_half_types_as_far_as_they_can(device):
    half = torch.eye(3, dtype=torch.bfloat16, device=device, requires_grad=True)
    pinvx.pinv(half).sum().backward()
    assert half.grad.dtype == torch.bfloat16
    assert torch.equal(half.grad, -torch.ones_like(half))
    single = torch.eye(3, device=device, requires_grad=True)
    b = torch.ones(3, dtype=torch.float64, device=device)
    pinvx.lstsq(single, b).x.sum().backward()
    assert single.grad.dtype == torch.float32


def test_no_gradient_of_what_is_not_differentiable(device):
    a = batch(device).requires_grad_()
    with pytest.raises(RuntimeError, match="does not require grad"):
        pinvx.pinv(a, return_rank=True)[1].double().sum().backward()
    tolerance = torch.tensor(1e-8, dtype=a.dtype, device=device, requires_grad=True)
    x = pinvx.pinv(a[0], rtol=tolerance)
    x.sum().backward()
    assert tolerance.grad is None


def test_a_bad_matrix_has_a_bad_gradient_and_its_neighbour_a_good_one(device):
    a = batch(device)
    a[0, 1, 1] = float("nan")
    a.requires_grad_()
    pinvx.pinv(a)[1:].sum().backward()
    assert a.grad[1:].isfinite().all()
    expected = pinvx.pinv_vjp(a.detach()[1:], torch.ones_like(a.detach()[1:].mT))
    close(a.grad[1:], expected)


def test_out_takes_no_part_in_differentiation(device):
    a = batch(device)[0].requires_grad_()
    out = torch.empty(2, 4, dtype=a.dtype, device=device)
    with torch.no_grad():
        assert pinvx.pinv(a, out=out) is out
    close(out, pinvx.pinv(a).detach())


@pytest.mark.parametrize("shape", [(3, 5), (40, 60)])  # decomposed, and in a faster way
def test_results_carry_no_conjugate_bit(device, shape):
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(*shape, dtype=torch.complex128, generator=generator).to(device)
    x = pinvx.pinv(a)
    for result in (x, pinvx.pinv_vjp(a, x), pinvx.pinv_jvp(a, a), pinvx.lstsq(a, a).x):
        assert not result.is_conj()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 5, 3)], ids=str)
def test_small_tensors_are_decomposed_by_pytorch(shape, dtype, device, monkeypatch):
    """Whoever else makes the products: another build of LAPACK has other errors."""
    decomposed = []
    svd = torch.linalg.svd

    def recorded(x, **options):
        decomposed.append(tuple(x.shape))
        return svd(x, **options)

    monkeypatch.setattr(torch.linalg, "svd", recorded)
    a = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0)).to(device)
    x = pinvx.pinv(a)
    assert decomposed == [shape]
    assert x.dtype == dtype
    tolerance = (
        2 * VALUE * unit(shape, str(dtype).partition(".")[2], torch.linalg.cond(a).max().item())
    )
    assert_close(x.cpu(), torch.linalg.pinv(a).cpu(), tolerance)


WIDE = {torch.float32: torch.float64, torch.complex64: torch.complex128}


@pytest.mark.parametrize("dtype", WIDE, ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)], ids=str)
@pytest.mark.parametrize("function", ["pinv", "lstsq"])
def test_second_derivatives_keep_single_precision(function, shape, dtype, device):
    """`torch.func.jvp` of a number added to a tensor of no dimension has double precision."""
    generator = torch.Generator().manual_seed(0)
    a, da = (torch.randn(*shape, dtype=dtype, generator=generator).to(device) for _ in range(2))
    b = torch.randn(shape[0], dtype=dtype, generator=generator).to(device)

    def second(dtype):
        def loss(a):
            if function == "pinv":
                return pinvx.pinv(a).abs().square().sum()
            fit = pinvx.lstsq(a, b.to(dtype))
            return fit.x.abs().square().sum() + fit.residuals.sum()

        return torch.func.jvp(torch.func.grad(loss), (a.to(dtype),), (da.to(dtype),))[1]

    found, expected = second(dtype), second(WIDE[dtype])
    assert found.dtype == dtype
    # A product of up to five factors X, each of which loses max(M, N)·eps·κ.
    relative = 5 * max(shape) * torch.finfo(dtype).eps * torch.linalg.cond(a)
    assert torch.linalg.norm(found - expected) <= relative * torch.linalg.norm(expected)
