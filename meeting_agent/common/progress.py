"""How long the rest of some work will take."""

from __future__ import annotations

import time


class Pace:
    """Tells how long the rest will take, from what was done since this run started, at `done` of `total`."""

    def __init__(self, done: int, total: int):
        self.first, self.total, self.started = done, total, time.monotonic()

    def left(self, done: int) -> str:
        each = (time.monotonic() - self.started) / max(1, done - self.first)
        return f"about {each * (self.total - done) / 60:.1f} minutes left"
