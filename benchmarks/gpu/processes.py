"""Processes with a time limit, one or several side by side."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

GRACE = 3.0
"""What a process gets to end by itself when its time is over, in seconds."""


class Process:
    """A process that writes to a file, with all that it starts."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        folder: Path,
        environment: Mapping[str, str],
        seconds: float,
    ) -> None:
        self.start = time.monotonic()
        self.seconds: float | None = None
        """What it took, None while it runs."""
        self.over = False
        """Whether it was ended because its time was over."""
        self._end = self.start + seconds
        with log.open("a", encoding="utf-8") as file:
            self._process = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env={**os.environ, **environment},
                start_new_session=True,  # so that its children can be ended with it
            )

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def look(self) -> bool:
        """Tell whether it has ended; end it where its time is over."""
        if self.seconds is not None:
            return True
        late = time.monotonic() - self._end
        if self._process.poll() is None:
            if late < 0:
                return False
            self.over = True
            self._signal(signal.SIGTERM if late < GRACE else signal.SIGKILL)
            return False
        self.seconds = time.monotonic() - self.start
        self._signal(signal.SIGKILL)  # what it may have left behind
        return True

    def end(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def wait(processes: Sequence[Process]) -> None:
    """Wait until all have ended, each within its time."""
    try:
        while [process for process in processes if not process.look()]:  # at each of them
            time.sleep(0.05)
    except BaseException:  # an interrupt from the keyboard, say
        for process in processes:
            process.end()
        raise
