"""Proof on a GPU: the main job, the tests, the conformance suite and a benchmark, in one command.

Run it with ``python -m benchmarks.gpu``; CONTRIBUTING says how.
"""
