"""What a run on a server looks at before, early and on the way, so that nobody waits an hour for nothing."""

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
    """The settings of phase 2 that say how agents are served."""

    api_url: str
    model: str
    temperature: float
    max_answer_tokens: int
    max_failed_share: float


def check_failures(block: list[Trajectory], settings: ServerSettings, words: Mapping[str, str] | None = None) -> None:
    """Stops a run whose server fails too often; the blocks before are kept, and the next start goes on after them.

    `words` are the server's own ones for each kind of failure.
    """
    kinds = Counter(t.failure for t in block if t.failure)
    if kinds.total() > settings.max_failed_share * len(block):
        from meeting_agent.servers.errors import explained, scrubbed

        raise InputError(
            f"{scrubbed(settings.api_url) or 'litellm'} failed in {kinds.total()} of {len(block)} trajectories "
            f"{explained(settings.api_url, kinds, words or {})}; then start again: finished trajectories are kept"
        )


def check_first_block(block: list[Trajectory], settings: ServerSettings, notes: Notes, may_speak: bool) -> None:
    """Says what is wrong with most answers before an hour has gone; stops where a server's are of no use at all.

    Small bases may talk nonsense at first, so agents in process go on.
    """
    notes.checked = True
    tally = AnswerTally(block, notes)
    complaint = tally.complaint(settings.max_answer_tokens, bool(settings.api_url))
    if complaint and settings.api_url and tally.is_hopeless:
        raise InputError(complaint)
    if complaint and may_speak:
        warn(complaint)


def check_server(environment: Environment, scenario: Scenario, settings: ServerSettings) -> None:
    """Lets an agent take one turn: a wrong address, name or key shows in seconds, before anything is written."""
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
    except Exception as error:  # litellm has a dozen classes for what a server does, and lets others through
        failure = failure_of(error)
        causes = explained(settings.api_url, Counter([failure.kind]), {failure.kind: failure.words})
        raise InputError(f"{scrubbed(settings.api_url)} does not answer an agent {causes}") from None
