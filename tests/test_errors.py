"""P19: what a bad call raises, and whether the message says what arrived, and what to pass.

Every row holds the call, the type of the error and the words that its message must hold beside
the function's name and a hint.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from backend_table import library

import pinvx

torch, jax, jnp, strict = map(library, ("torch", "jax", "jax.numpy", "array_api_strict"))
sparse = library("scipy.sparse")

A = np.ones((3, 2))
B = np.ones(3)
BATCH = np.ones((4, 3, 2))
with warnings.catch_warnings():
    # NumPy advises against its matrices, as pinvx does; a user may have some all the same.
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    MATRIX_A, MATRIX_B = np.asmatrix(A), np.asmatrix(B).T

MASKED = np.ma.masked_array(A, [[True, False], [False, False], [False, False]])

# The functions that take a matrix first, and what goes with it.
MATRIX = {
    "pinv": lambda a: pinvx.pinv(a),
    "pinv (hermitian)": lambda a: pinvx.pinv(a, hermitian=True),
    "pinverse": lambda a: pinvx.pinverse(a),
    "lstsq": lambda a: pinvx.lstsq(a, B),
    "default_rtol": lambda a: pinvx.default_rtol(a),
    "penrose_residuals": lambda a: pinvx.penrose_residuals(a, A.T),
    "pinv_jvp": lambda a: pinvx.pinv_jvp(a, A),
    "pinv_vjp": lambda a: pinvx.pinv_vjp(a, A.T),
    "lstsq_jvp": lambda a: pinvx.lstsq_jvp(a, B, A, B),
    "lstsq_vjp": lambda a: pinvx.lstsq_vjp(a, B, np.ones(2)),
}

# What stands in a matrix's place (a function makes what belongs to a library), the type of the
# error, and the words.
NO_MATRIX = {
    "a list": ([[1.0, 2.0]], TypeError, ("`a`", "list", "numpy.asarray(a)")),
    "a tuple": (((1.0, 2.0),), TypeError, ("`a`", "tuple", "numpy.asarray(a)")),
    "a number": (2.0, TypeError, ("`a`", "float 2.0", "numpy.asarray(a)")),
    "None": (None, TypeError, ("`a`", "NoneType")),
    "a string": ("[[1]]", TypeError, ("`a`", "str '[[1]]'")),
    "np.matrix": (MATRIX_A, TypeError, ("numpy.matrix", "(3, 2)", "numpy.asarray(a)")),
    "masked": (MASKED, TypeError, ("masked array", "(3, 2)", "a.filled")),
    "sparse SciPy": (
        lambda: sparse.csr_array(A),
        TypeError,
        ("`a`", "sparse", "csr_array", "a.toarray()"),
    ),
    "nested": (
        lambda: torch.nested.nested_tensor(
            [torch.ones(2, 2), torch.ones(3, 2)], layout=torch.jagged
        ),
        TypeError,
        ("nested tensor", "2 parts", "a.unbind()"),
    ),
    "strings": (np.asarray([["1", "2"]]), TypeError, ("dtype <U1", "float64")),
    "bytes": (np.asarray([[b"1"]]), TypeError, ("dtype |S1", "float64")),
    "objects": (A.astype(object), TypeError, ("dtype object", "float64")),
    "dates": (np.zeros((2, 2), dtype="M8[s]"), TypeError, ("dtype datetime64", "float64")),
    "records": (np.zeros((2, 2), dtype=[("x", "f8")]), TypeError, ("dtype [", "float64")),
    "0-D": (np.asarray(1.0), ValueError, ("`a`", "shape ()", "at least 2 dimensions")),
    "1-D": (B, ValueError, ("`a`", "shape (3,)", "at least 2 dimensions", "a[:, None]")),
    "1-D torch": (lambda: torch.ones(3), ValueError, ("torch.Tensor", "shape (3,)", "a[:, None]")),
    "sparse": (
        lambda: torch.ones(3, 2).to_sparse(),
        TypeError,
        ("torch.sparse_coo", "(3, 2)", "to_dense"),
    ),
    "quantized": (
        lambda: torch.ones(3, 2).to(torch.float8_e4m3fn),
        TypeError,
        ("float8", "float32"),
    ),
    "8-bit JAX": (
        lambda: jnp.ones((3, 2), jnp.float8_e4m3fn),
        TypeError,
        ("float8", "float32"),
    ),
}
if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps:  # on some machines they are one
    NO_MATRIX["longdouble"] = (
        A.astype(np.longdouble),
        TypeError,
        (f"dtype {np.dtype(np.longdouble)}", "convert it to float32, float64"),
    )


def on(device, *shape):
    """Ones on a device of array-api-strict."""
    return strict.ones(shape, device=strict.Device(device))


READ_ONLY = np.empty((2, 3))
READ_ONLY.flags.writeable = False

CALLS = {
    # A right-hand side that does not fit.
    "b short": (lambda: pinvx.lstsq(A, np.ones(2)), ValueError, ("(3, 2)", "(2,)", "3 rows")),
    "b one row": (lambda: pinvx.lstsq(A, np.ones((1, 3))), ValueError, ("(1, 3)", "3 rows")),
    "b 0-D": (lambda: pinvx.lstsq(A, np.asarray(1.0)), ValueError, ("`b`", "shape ()", "(M,)")),
    "b vectors": (
        lambda: pinvx.lstsq(BATCH, np.ones((4, 3))),
        ValueError,
        ("(4, 3, 2)", "(4, 3)", "b[..., None]"),
    ),
    "b batch": (
        lambda: pinvx.lstsq(BATCH, np.ones((5, 3, 1))),
        ValueError,
        ("(4,)", "(5,)", "do not broadcast"),
    ),
    "b list": (lambda: pinvx.lstsq(A, [1.0] * 3), TypeError, ("`b`", "list", "numpy.asarray(b)")),
    "b objects": (lambda: pinvx.lstsq(A, B.astype(object)), TypeError, ("`b`", "dtype object")),
    "b strings": (lambda: pinvx.lstsq(A, np.asarray(["1"] * 3)), TypeError, ("`b`", "dtype <U1")),
    "b masked": (lambda: pinvx.lstsq(A, MASKED[:, 0]), TypeError, ("`b`", "masked array")),
    "b matrix": (lambda: pinvx.lstsq(A, MATRIX_B), TypeError, ("`b`", "numpy.matrix")),
    "b meta": (
        lambda: pinvx.lstsq(torch.ones(3, 2), torch.ones(3, device="meta")),
        ValueError,
        ("`b`", "device cpu", "on meta"),
    ),
    # Two libraries.
    "a NumPy, b torch": (
        lambda: pinvx.lstsq(A, torch.ones(3)),
        TypeError,
        ("numpy.ndarray", "torch.Tensor", "two array libraries", "convert `b`"),
    ),
    "a JAX, b NumPy": (
        lambda: pinvx.lstsq(jnp.ones((3, 2)), B),
        TypeError,
        ("numpy.ndarray", "two array libraries", "convert `b`"),
    ),
    "da torch": (
        lambda: pinvx.pinv_jvp(A, torch.ones(3, 2)),
        TypeError,
        ("`da`", "torch.Tensor", "convert `da`"),
    ),
    "g JAX": (lambda: pinvx.pinv_vjp(A, jnp.ones((2, 3))), TypeError, ("`g`", "convert `g`")),
    "x torch": (
        lambda: pinvx.penrose_residuals(A, torch.ones(2, 3)),
        TypeError,
        ("`x`", "convert `x`"),
    ),
    "out torch": (lambda: pinvx.pinv(A, out=torch.ones(2, 3)), TypeError, ("`out`", "libraries")),
    "rtol torch": (
        lambda: pinvx.pinv(BATCH, rtol=torch.ones(4)),
        TypeError,
        ("`rtol`", "torch.Tensor", "Python number"),
    ),
    # Two devices.
    "b elsewhere": (
        lambda: pinvx.lstsq(on("CPU_DEVICE", 3, 2), on("device1", 3)),
        ValueError,
        ("CPU_DEVICE", "device1", "move `b`"),
    ),
    "da elsewhere": (
        lambda: pinvx.pinv_jvp(on("CPU_DEVICE", 3, 2), on("device1", 3, 2)),
        ValueError,
        ("move `da`",),
    ),
    "out elsewhere": (
        lambda: pinvx.pinv(on("CPU_DEVICE", 3, 2), out=on("device1", 2, 3)),
        ValueError,
        ("CPU_DEVICE", "device1", "move `out`"),
    ),
    "rtol elsewhere": (
        lambda: pinvx.pinv(on("device1", 3, 2), rtol=on("CPU_DEVICE")),
        ValueError,
        ("`rtol`", "CPU_DEVICE", "device1", "one device"),
    ),
    # Tolerances.
    "rtol negative": (lambda: pinvx.pinv(A, rtol=-1.0), ValueError, ("`rtol`", "-1.0", "≥ 0")),
    "rtol NaN": (lambda: pinvx.pinv(A, rtol=float("nan")), ValueError, ("`rtol`", "nan", "≥ 0")),
    "atol negative": (lambda: pinvx.pinv(A, atol=-1), ValueError, ("`atol`", "-1", "≥ 0")),
    "atol NaN": (lambda: pinvx.pinv(A, atol=np.float64("nan")), ValueError, ("`atol`", "nan")),
    "rcond negative": (lambda: pinvx.pinv(A, rcond=-0.5), ValueError, ("`rcond`", "-0.5")),
    "pinverse negative": (lambda: pinvx.pinverse(A, -0.5), ValueError, ("-0.5", "≥ 0")),
    "rtol array negative": (
        lambda: pinvx.pinv(BATCH, rtol=np.asarray([0.0, 1.0, -1.0, 0.0])),
        ValueError,
        ("`rtol`", "negative or NaN"),
    ),
    "atol array NaN": (
        lambda: pinvx.pinv(torch.ones(2, 3, 2), atol=torch.tensor([0.0, float("nan")])),
        ValueError,
        ("`atol`", "negative or NaN"),
    ),
    "rtol array JAX": (
        lambda: pinvx.lstsq(jnp.ones((2, 3, 2)), jnp.ones((2, 3, 1)), rtol=-jnp.ones(2)),
        ValueError,
        ("`rtol`", "negative or NaN"),
    ),
    "rtol shape": (
        lambda: pinvx.pinv(BATCH, rtol=np.ones(3)),
        ValueError,
        ("`rtol`", "(3,)", "(4,)", "does not broadcast"),
    ),
    "atol shape": (
        lambda: pinvx.pinv(A, atol=np.ones(1)),
        ValueError,
        ("`atol`", "(1,)", "()", "does not broadcast"),
    ),
    "rtol and rcond": (
        lambda: pinvx.pinv(A, rtol=0.1, rcond=0.1),
        TypeError,
        ("`rtol`", "`rcond`", "pass `rtol` alone"),
    ),
    "rtol and rcond in lstsq": (
        lambda: pinvx.lstsq(A, B, rtol=0.0, rcond=0.0),
        TypeError,
        ("`rtol`", "`rcond`"),
    ),
    "rtol string": (lambda: pinvx.pinv(A, rtol="1e-3"), TypeError, ("`rtol`", "str '1e-3'")),
    "rtol list": (lambda: pinvx.pinv(BATCH, rtol=[0.1] * 4), TypeError, ("`rtol`", "list")),
    "rtol bool": (lambda: pinvx.pinv(A, rtol=True), TypeError, ("`rtol`", "bool True")),
    "rtol complex": (lambda: pinvx.pinv(A, rtol=1j), TypeError, ("`rtol`", "complex 1j")),
    "rtol complex array": (
        lambda: pinvx.pinv(BATCH, rtol=np.ones(4, dtype=complex)),
        TypeError,
        ("`rtol`", "complex128", "real array"),
    ),
    # Options.
    "method": (lambda: pinvx.pinv(A, method="qr"), ValueError, ("unknown method 'qr'", "'svd'")),
    "method None": (lambda: pinvx.pinv(A, method=None), ValueError, ("unknown method None",)),
    "method list": (lambda: pinvx.pinv(A, method=["svd"]), ValueError, ("unknown method",)),
    "method in lstsq": (
        lambda: pinvx.lstsq(A, B, method="qr", singular_values=True),
        ValueError,
        ("unknown method 'qr'",),
    ),
    "hermitian": (
        lambda: pinvx.pinv(A, hermitian=True),
        ValueError,
        ("hermitian=True", "(3, 2)", "not square"),
    ),
    "hermitian vjp": (
        lambda: pinvx.pinv_vjp(A, A.T, hermitian=True),
        ValueError,
        ("hermitian=True", "(3, 2)", "not square"),
    ),
    # What goes with the matrix.
    "da shape": (
        lambda: pinvx.pinv_jvp(A, A.T),
        ValueError,
        ("`da`", "shape (2, 3)", "expected shape (3, 2)"),
    ),
    "g shape": (
        lambda: pinvx.pinv_vjp(A, A),
        ValueError,
        ("`g`", "shape (3, 2)", "expected shape (2, 3)"),
    ),
    "x shape": (
        lambda: pinvx.penrose_residuals(A, A),
        ValueError,
        ("`x`", "shape (3, 2)", "expected shape (2, 3)"),
    ),
    "x shape in vjp": (lambda: pinvx.pinv_vjp(A, A.T, x=A), ValueError, ("`x`", "expected shape")),
    "da objects": (lambda: pinvx.pinv_jvp(A, A.astype(object)), TypeError, ("`da`", "object")),
    "db shape": (
        lambda: pinvx.lstsq_jvp(A, B, A, np.ones((3, 1))),
        ValueError,
        ("`db`", "(3, 1)", "expected shape (3,)"),
    ),
    "lstsq g shape": (
        lambda: pinvx.lstsq_vjp(A, B, B),
        ValueError,
        ("`g`", "(3,)", "expected shape (2,)"),
    ),
    "residuals_bar shape": (
        lambda: pinvx.lstsq_vjp(A, B, np.ones(2), np.ones(3)),
        ValueError,
        ("`residuals_bar`", "(3,)", "expected shape ()"),
    ),
    # The destination.
    "out shape": (
        lambda: pinvx.pinv(A, out=np.empty((3, 2))),
        ValueError,
        ("`out`", "(3, 2)", "the result has shape (2, 3)"),
    ),
    "out dtype": (
        lambda: pinvx.pinv(A, out=np.empty((2, 3), dtype=np.float32)),
        TypeError,
        ("`out`", "float32", "the result has dtype float64"),
    ),
    "out list": (lambda: pinvx.pinv(A, out=[]), TypeError, ("`out`", "list")),
    "out read-only": (lambda: pinvx.pinv(A, out=READ_ONLY), TypeError, ("`out`", "cannot be")),
    "out JAX": (
        lambda: pinvx.pinv(jnp.ones((3, 2)), out=jnp.ones((2, 3))),
        TypeError,
        ("`out`", "cannot be written to", "leave `out` away"),
    ),
    "out and a gradient": (
        lambda: pinvx.pinv(torch.ones(3, 2, requires_grad=True), out=torch.ones(2, 3)),
        TypeError,
        ("`out`", "requires a gradient", "torch.no_grad()"),
    ),
    # A backend.
    "register a number": (lambda: pinvx.register_backend(3, "m:A"), TypeError, ("`name`", "int 3")),
    "register a path": (
        lambda: pinvx.register_backend("jax.numpy", "m:A"),
        ValueError,
        ("'jax.numpy'", "root module"),
    ),
    "register no attribute": (
        lambda: pinvx.register_backend("mylib", "my_module"),
        ValueError,
        ("'my_module'", '"module:attribute"'),
    ),
    "register None": (
        lambda: pinvx.register_backend("mylib", None),
        TypeError,
        ("`adapter`", "NoneType", "pinvx.Adapter"),
    ),
}


def says(error: BaseException, words: tuple[str, ...]) -> None:
    message = str(error)
    for word in (*words, ". Hint: "):
        assert word in message, f"{word!r} is not in {message!r}"
    assert message.endswith((".", "…"))
    assert "\n" not in message


@pytest.mark.parametrize("matrix", NO_MATRIX)
@pytest.mark.parametrize("function", MATRIX)
def test_no_matrix(function, matrix):
    a, error, words = NO_MATRIX[matrix]
    a = a() if callable(a) else a
    name = function.partition(" ")[0]
    with pytest.raises(error) as raised:
        MATRIX[function](a)
    # `pinverse` is another name of `pinv`, and says so.
    says(raised.value, (f"{'pinv' if name == 'pinverse' else name}: ", *words))


@pytest.mark.parametrize("call", CALLS)
def test_bad_call(call):
    function, error, words = CALLS[call]
    with pytest.raises(error) as raised:
        function()
    says(raised.value, words)
    assert str(raised.value).partition(": ")[0] in pinvx.__all__


def test_the_original_error_is_the_cause():
    with pytest.raises(TypeError) as raised:
        pinvx.pinv([[1.0]])
    assert isinstance(raised.value.__cause__, TypeError)


def test_a_bad_out_is_refused_before_anything_is_computed(monkeypatch):
    calls = []
    svd = np.linalg.svd
    monkeypatch.setattr(np.linalg, "svd", lambda *a, **k: calls.append(1) or svd(*a, **k))
    with pytest.raises(ValueError, match="the result has shape"):
        pinvx.pinv(A, out=np.empty((3, 2)))
    assert not calls


def test_out_is_unharmed_by_a_refusal():
    out = np.full((2, 3), 7.0)
    with pytest.raises(ValueError, match="is a number ≥ 0"):
        pinvx.pinv(A, out=out, rtol=-1.0)
    assert (out == 7.0).all()


def test_a_traced_tolerance_has_no_value_to_check():
    x = jax.jit(lambda a, r: pinvx.pinv(a, rtol=r))(jnp.ones((3, 2)), -1.0)
    assert x.shape == (2, 3)


@pytest.mark.parametrize(
    ("a", "b"),
    [(MATRIX_A, A), (MASKED, A), (A.astype(object), A), (A, MATRIX_A)],
    ids=["matrix", "masked", "objects", "matrix b"],
)
def test_nothing_odd_is_remembered(a, b):
    """A type is looked up once; a refusal has to come every time."""
    for _ in range(2):
        with pytest.raises(TypeError):
            pinvx.lstsq(a, b)
    np.testing.assert_allclose(pinvx.pinv(A) @ A @ A.T, A.T)


def test_nothing_is_masked():
    """Then a masked array is an array like any other."""
    x = pinvx.pinv(np.ma.masked_array(A, False))
    assert type(x) is np.ndarray
    np.testing.assert_allclose(x, np.linalg.pinv(A))


@pytest.mark.parametrize("length", [float("nan"), None], ids=str)
def test_unknown_lengths_are_no_lengths(length):
    """The default cutoff is made of them: NaN would drop every singular value without a word."""
    plain = pinvx.Adapter(np)

    class Unknown:
        shape = (length, 2)

    with pytest.raises(ValueError, match="the cutoff depends on the lengths") as raised:
        plain.accept(Unknown(), "pinv", "a")
    assert "compute_chunk_sizes" in str(raised.value)


@pytest.mark.parametrize("which", ["a", "b"])
def test_numpy_beside_a_tracer_is_what_jax_takes_it_for(which):
    a, b = np.ones((5, 2)) + np.eye(5, 2), np.arange(5.0)
    f = {
        "a": lambda x: pinvx.lstsq(a, x).x,
        "b": lambda x: pinvx.lstsq(x, b).x,
    }[which]
    traced = {"a": b, "b": a}[which]
    expected = np.linalg.lstsq(a, b)[0]
    np.testing.assert_allclose(jax.jit(f)(traced), expected, rtol=1e-4)
    jax.grad(lambda x: f(x).sum())(jnp.asarray(traced))


@pytest.mark.parametrize("name", ["rtol", "atol"])
@pytest.mark.parametrize("function", ["pinv", "lstsq"])
def test_a_tolerance_that_a_program_closes_over(function, name):
    a = np.diag([1.0, 1e-3, 1e-6]).astype("float32")
    tolerance = {name: jnp.float32(1e-4)}
    f = {
        "pinv": lambda a: pinvx.pinv(a, return_rank=True, **tolerance)[1],
        "lstsq": lambda a: pinvx.lstsq(a, a[:, 0], **tolerance).rank,
    }[function]
    assert jax.jit(f)(a) == 2
    assert jax.lax.map(f, jnp.stack([a, a])).tolist() == [2, 2]
    bad = {name: jnp.float32(-1.0)}
    with pytest.raises(ValueError, match="negative or NaN"):
        jax.jit(lambda a: pinvx.pinv(a, **bad))(a)


def test_another_library_s_number_is_a_tolerance():
    for rtol in (np.asarray(0.5), np.float32(0.5), 0.5):
        assert pinvx.pinv(torch.diag(torch.tensor([1.0, 0.4])), rtol=rtol, return_rank=True)[1] == 1
    assert pinvx.pinv(A, rtol=10**400).tolist() == np.zeros((2, 3)).tolist()
