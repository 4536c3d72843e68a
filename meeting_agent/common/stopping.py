"""The exception that ends agents when a run is stopped."""

from __future__ import annotations


class RunStopped(BaseException):
    """Ends an agent at once when its run is stopped.

    It is a BaseException because litellm wraps every Exception of a provider, and agents treat those as server errors.
    """

    def __init__(self) -> None:
        super().__init__("the run was stopped")
