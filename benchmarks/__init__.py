"""pinvx against every library's own `pinv` and `lstsq`: speed and accuracy, side by side.

Run it with ``python -m benchmarks``. Nothing imports this package, and no wheel holds it.
"""
