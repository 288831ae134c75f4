"""Factorizations of A that give its pseudoinverse: one algorithm a file.

An algorithm is a function ``(lib, a, rtol, atol) -> Factor``: `svd`, `eigh`, and `ladder`, which
tries the others. Those are its rungs, ``(lib, a, gramian, rtol, atol) -> (Factor, accepted)``.
"""
