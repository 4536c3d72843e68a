"""Estimates the remaining time of some work."""

from __future__ import annotations

import time


class Pace:
    """Estimates the remaining time from the work done since it was created, which started at `done` of `total`."""

    def __init__(self, done: int, total: int):
        self.first, self.total, self.started = done, total, time.monotonic()

    def left(self, done: int) -> str:
        each = (time.monotonic() - self.started) / max(1, done - self.first)
        return f"about {each * (self.total - done) / 60:.1f} minutes left"
