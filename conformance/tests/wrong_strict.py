"""A wrong implementation that needs array-api-strict, which has several devices."""

import array_api_strict
import numpy as np
from wrong import wrong


@wrong(
    "P1", namespace="array_api_strict", lacks=("rtol", "atol", "hermitian", "return_rank", "out")
)
def leaves_the_device(a):
    x = np.linalg.pinv(np.asarray(a.to_device(array_api_strict.Device("CPU_DEVICE"))))
    return array_api_strict.asarray(x)
