"""Factorizations of A that give its pseudoinverse: one algorithm a file.

Every algorithm is a function ``(lib, a, rtol, atol) -> Factor``.
"""
