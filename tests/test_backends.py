"""Every row of the table of backends, and why one is not tested here."""

import numpy as np
import pytest
from backend_table import HERE, TABLE


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_is_here(row):
    if row.missing is not None:
        pytest.skip(row.missing)
    assert row in HERE


def test_what_is_shipped_comes_back(lib, dtype):
    a = np.array([[1.5, -2.0]])
    x = lib.array(a, dtype)
    assert x.dtype == lib.dtype(dtype)
    np.testing.assert_array_equal(lib.numpy(x), a.astype(dtype))
