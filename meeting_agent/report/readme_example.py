"""The README's example: one held-out scenario, played before and after DPO.

python -m meeting_agent.report.readme_example      # writes the example anew from trajectories/evaluation_traces.json

The rule that chooses it: the first scenario in the file that the agent got wrong before DPO and right without a fault
after it, with the same tool calls and one more, whose true probability is no coin flip, and in which the likelier
outcome happened. The caption says how many scenarios DPO won and how many it lost, so that one conversation does not
pass for the average.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable

from data_classes import Trajectory
from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.common.files import InputError, write_text
from meeting_agent.common.settings import PROJECT
from meeting_agent.report.generated_parts import with_generated

EXAMPLE_START = "<!-- example: generated from trajectories/evaluation_traces.json -->"
EXAMPLE_END = "<!-- end of example -->"
AFTER_DPO = "dpo"  # the policy's name in trajectories; the other policy of the file is the one before
FAULTLESS = 0.96  # reward of a right answer after four calls; any fault costs more
CLEAR = 0.15  # distance of the true probability from one half
WIDTH = 116  # characters of a line
Rollouts = tuple[Trajectory, Trajectory]  # of one scenario, before and after DPO


def rollouts_by_scenario(trajectories: Iterable[Trajectory]) -> list[Rollouts]:
    """Both rollouts of every scenario that has both, in the order of the file."""
    found: dict[str, dict[bool, Trajectory]] = defaultdict(dict)
    for trajectory in trajectories:
        found[trajectory.scenario_id][trajectory.policy == AFTER_DPO] = trajectory
    return [(both[False], both[True]) for both in found.values() if len(both) == 2]


def is_right(trajectory: Trajectory) -> bool:
    return trajectory.recommendation == trajectory.true_outcome


def is_telling(before: Trajectory, after: Trajectory) -> bool:
    """Whether one more call turned a wrong recommendation into a right one, where the truth is clear."""
    return (
        before.recommendation in ("YES", "NO")
        and not is_right(before)
        and after.reward >= FAULTLESS
        and after.happened == after.true_outcome
        and after.tools_used[:-1] == before.tools_used
        and after.ground_truth is not None
        and abs(after.ground_truth - 0.5) >= CLEAR
    )


def choose_example(rollouts: list[Rollouts]) -> Rollouts:
    """The first telling scenario; where there is none, the first of all."""
    if not rollouts:
        raise InputError("no scenario was played before and after DPO: run starter_agentic_rlft.py")
    return next((both for both in rollouts if is_telling(*both)), rollouts[0])


def readme_example(trajectories: Iterable[Trajectory]) -> str:
    """What stands between the README's markers, the markers with it."""
    rollouts = rollouts_by_scenario(trajectories)
    before, after = choose_example(rollouts)
    won = sum(is_right(after) and not is_right(before) for before, after in rollouts)
    lost = sum(is_right(before) and not is_right(after) for before, after in rollouts)
    caption = (
        f"One of {len(rollouts):,} held-out meetings, as both policies played it. It is chosen by a rule "
        "(`meeting_agent/report/readme_example.py`), not typical: "
        f"DPO turned {won} wrong answers into right ones and {lost} right ones into wrong ones."
    )
    parts = ["```text", *lines(before.initial_user_prompt), *conversation("BEFORE DPO", before)]
    parts += [*conversation("AFTER DPO", after), "```"]
    return "\n".join([EXAMPLE_START, "", *textwrap.wrap(caption, WIDTH), "", *parts, "", EXAMPLE_END])


def conversation(title: str, trajectory: Trajectory) -> list[str]:
    """What the agent and its tools said, and how it ended."""
    said = ["", f"{title} ({trajectory.system_prompt_name} persona)"]
    for message in trajectory.messages[2:]:
        calls = [f"calls {call['function']['name']}" for call in message.get("tool_calls") or []]
        said += lines(
            " → ".join([message["content"], *calls]), "agent: " if message["role"] == "assistant" else "tool:  "
        )
    ended = f"what happened: {trajectory.happened}"
    if trajectory.ground_truth is not None:
        ended += f" (true probability {trajectory.ground_truth:.2f})"
    return [*said, f"{ended}, reward {trajectory.reward:.2f}"]


def lines(text: str, label: str = "") -> list[str]:
    """The text in lines of at most `WIDTH` characters, the first one labelled and the rest indented."""
    indent = " " * len(label)
    wrapped = [line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, WIDTH - len(label)) or [""]]
    return [(indent if number else label) + line if line else "" for number, line in enumerate(wrapped)]


def fill_readme(readme: str, trajectories: Iterable[Trajectory]) -> str:
    """The README with its example replaced; raises InputError if its markers are gone."""
    return with_generated(readme, EXAMPLE_START, EXAMPLE_END, readme_example(trajectories))


def main() -> None:
    readme = PROJECT / "README.md"
    played = TraceFile(PROJECT / "trajectories" / "evaluation_traces.json", "starter_agentic_rlft.py")
    write_text(readme, fill_readme(readme.read_text(encoding="utf-8"), played))


if __name__ == "__main__":
    from meeting_agent.common.settings import run_script

    run_script(main)
