"""Counts over the agents' answers: how many can be read, what is wrong with the others, which tools failed.

A server without tool calling raises no error. Neither does a reasoning model whose answer is cut at the token limit.
The warnings made here tell the user early; otherwise a run would take an hour and produce useless trajectories.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from data_classes import Trajectory
from meeting_agent.agent.answers import last_json_object
from meeting_agent.agent.tool_calls import failed_tool
from meeting_agent.common.strict_json import one_line
from meeting_agent.servers.calls_in_text import looks_like_a_call

READABLE_SHARE = 0.5  # the user is warned below this share
SHOWN = 120  # characters of an example
CALL_AS_TEXT = "calls as text that cannot be read"
ENDLESS = "tool calls without an end"


@dataclass
class Notes:
    """Facts about the rollouts that do not go into trajectory files; shared by all threads.

    A server's error message may hold an API key. Rollouts in process do not record that an answer was cut.
    """

    words: dict[str, str] = field(default_factory=dict)  # kind of failure -> the server's first message of that kind
    thought: str = ""  # the beginning of an answer that holds only reasoning
    cut: int = 0  # number of conversations that ended at the token limit
    checked: bool = False  # whether the first block of answers was checked
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def failed(self, error: Exception) -> str:
        """The kind of an error. Keeps the first message of each kind."""
        from meeting_agent.servers.errors import failure_of

        failure = failure_of(error)
        self.words.setdefault(failure.kind, failure.words)
        return failure.kind

    def ended(self, cut_by: str | None, thought: str) -> None:
        """Records how a conversation ended."""
        with self._lock:
            self.cut += cut_by == "length"
            self.thought = self.thought or thought


class AnswerTally:
    """Counts over trajectories, with one of them in memory at a time."""

    def __init__(self, trajectories: Iterable[Trajectory], notes: Notes):
        self.n = self.read = self.cut = self.used_no_tool = 0
        self.failed: Counter[str] = Counter()  # kind of server failure -> number of trajectories
        self.unread: Counter[str] = Counter()  # what is wrong -> number of unreadable answers
        self.tool_failures: Counter[str] = Counter()
        self.exceptions: dict[str, str] = {}  # tool -> its first exception
        self.example = ""
        for trajectory in trajectories:
            self._add(trajectory)
        self.cut = self.cut or notes.cut
        self.example = one_line(self.example or notes.thought, SHOWN)

    def _add(self, trajectory: Trajectory) -> None:
        for tool, exception in filter(None, map(failed_tool, trajectory.messages)):
            self.tool_failures[tool] += 1
            self.exceptions.setdefault(tool, exception)
        if trajectory.failure:
            self.failed[trajectory.failure] += 1
            return
        self.n += 1
        self.used_no_tool += not trajectory.tools_used
        self.cut += trajectory.cut_by == "length"
        if trajectory.recommendation in ("YES", "NO"):
            self.read += 1
            return
        last = trajectory.messages[-1]
        self.unread[look_of(last, trajectory.cut_by)] += 1
        self.example = self.example or (last["content"].strip() if last["role"] == "assistant" else "")

    @property
    def is_hopeless(self) -> bool:
        """Whether no answer can be read and no agent called a tool."""
        return self.n > 0 and self.read == 0 and self.used_no_tool == self.n

    def complaint(self, limit: int, on_server: bool) -> str | None:
        """One line that says what is wrong with most answers and what to change.

        None if at least half of the answers can be read and at least half of the agents called a tool. `limit` is the
        maximum number of tokens of an answer.
        """
        if self.read >= READABLE_SHARE * self.n:
            if self.used_no_tool <= READABLE_SHARE * self.n:
                return None
            return f"{self.used_no_tool} of {self.n} agents called no tool: {self._remedy(on_server)}"
        counts = Counter({f"cut at the limit of {limit} tokens": self.cut}) + self.unread
        if self.used_no_tool:
            counts["without a tool call"] = self.used_no_tool
        looks = ", ".join(f"{look} {count}" for look, count in counts.items())
        example = f", for example {self.example!r}" if self.example else ""
        return f"{self.n - self.read} of {self.n} answers cannot be read ({looks}){example}: {self._remedy(on_server)}"

    def _remedy(self, on_server: bool) -> str:
        from meeting_agent.servers.errors import START_WITH_TOOLS

        steps = ["raise --max_answer_tokens", "turn thinking off"] if self.cut else []
        if on_server and (
            self.used_no_tool > READABLE_SHARE * self.n or self.unread[CALL_AS_TEXT] + self.unread[ENDLESS]
        ):
            steps.append(START_WITH_TOOLS)
        return "; ".join([*steps, "take an instruction-tuned model"])

    def warnings(self, limit: int, on_server: bool) -> list[str]:
        """The warnings to print at the end of a run, one line each."""
        lines = []
        if complaint := self.complaint(limit, on_server):
            lines.append(complaint)
        if self.failed:
            kinds = ", ".join(f"{kind} {count}" for kind, count in self.failed.most_common())
            lines.append(f"{self.failed.total()} trajectories failed and are left out of the pairs ({kinds})")
        for tool, count in self.tool_failures.most_common():
            lines.append(f"tool {tool} failed {count} times: {one_line(self.exceptions[tool], SHOWN)}")
        return lines


def warn(line: str) -> None:
    """Prints a warning that may quote a model. Escapes characters that the terminal cannot show."""
    encoding = sys.stdout.encoding or "utf-8"
    print(f"warning: {line}".encode(encoding, "backslashreplace").decode(encoding), flush=True)


def look_of(last: dict, cut_by: str | None) -> str:
    """What is wrong with the last message of a conversation that gave no recommendation."""
    if last["role"] != "assistant":
        return ENDLESS
    if cut_by == "content_filter":
        return "refused or filtered"
    if not last["content"].strip():
        return "empty"
    if looks_like_a_call(last["content"]):
        return CALL_AS_TEXT
    return "no JSON" if last_json_object(last["content"]) is None else "JSON without YES or NO"
