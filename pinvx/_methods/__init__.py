"""One algorithm per file: how it proposes, how its proposal is judged, and what comes out.

A method is a function from a `Problem` to a `Proposal`. `_plan.py` says when each is tried.
"""
