"""What ends agents when a run is stopped."""

from __future__ import annotations


class RunStopped(BaseException):
    """Ends an agent at once when its run is stopped.

    No Exception: litellm wraps those that a provider raises, and agents take them for a server's failure.
    """

    def __init__(self) -> None:
        super().__init__("the run was stopped")
