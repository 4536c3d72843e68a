"""Checks of a server before and during a run, so that a broken set-up stops early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from data_classes import Scenario, Trajectory
from meeting_agent.agent.answer_tally import AnswerTally, Notes, warn
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.loop import AgentLoop
from meeting_agent.agent.tool_calls import no_prediction
from meeting_agent.common.files import InputError


class ServerSettings(Protocol):
    """The settings of phase 2 for agents on a server."""

    api_url: str
    model: str
    temperature: float
    max_answer_tokens: int
    max_failed_share: float


def check_failures(block: list[Trajectory], settings: ServerSettings, words: Mapping[str, str] | None = None) -> None:
    """Raises InputError if the server failed in too many trajectories of a block.

    Earlier blocks are kept, and the next start resumes after them. `words` maps each kind of failure to the server's
    own message.
    """
    kinds = Counter(t.failure for t in block if t.failure)
    if kinds.total() > settings.max_failed_share * len(block):
        from meeting_agent.servers.errors import explained, scrubbed

        raise InputError(
            f"{scrubbed(settings.api_url) or 'litellm'} failed in {kinds.total()} of {len(block)} trajectories "
            f"{explained(settings.api_url, kinds, words or {})}; then start again: finished trajectories are kept"
        )


def check_first_block(block: list[Trajectory], settings: ServerSettings, notes: Notes, may_speak: bool) -> None:
    """Warns after the first block if most answers cannot be used.

    Raises InputError if a server gave no usable answer and no tool call. Agents in process are only warned about,
    because small bases may write nonsense at first.
    """
    notes.checked = True
    tally = AnswerTally(block, notes)
    complaint = tally.complaint(settings.max_answer_tokens, bool(settings.api_url))
    if complaint and settings.api_url and tally.is_hopeless:
        raise InputError(complaint)
    if complaint and may_speak:
        warn(complaint)


def check_server(environment: Environment, scenario: Scenario, settings: ServerSettings) -> None:
    """Runs one turn of an agent, so that a wrong address, model name or key shows before anything is written.

    Raises InputError if the server does not answer.
    """
    from meeting_agent.servers.errors import explained, failure_of, scrubbed

    agent = AgentLoop(
        scenario.persona,
        scenario.system_prompt,
        environment.tools([scenario], no_prediction),
        settings.model,
        "openai",
        settings.api_url,
        settings.temperature,
        settings.max_answer_tokens,
    )
    try:
        agent.ask(agent.opening(scenario.user_prompt))
    except Exception as error:  # litellm raises a dozen classes for server errors, and passes on other exceptions
        failure = failure_of(error)
        causes = explained(settings.api_url, Counter([failure.kind]), {failure.kind: failure.words})
        raise InputError(f"{scrubbed(settings.api_url)} does not answer an agent {causes}") from None
