"""The one error for input that a command cannot use."""

from __future__ import annotations

from .._errors import sentence


class InputError(Exception):
    """What is wrong, where, and what to do instead; it becomes one line, and exit status 2."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(" ".join(sentence(problem, hint).split()))
