"""Trajectories as the page needs them: each prompt once, claims looked up, all of it packed with gzip and base64."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from collections import Counter
from collections.abc import Iterable

from data_classes import Trajectory
from meeting_agent.agent.claims import CLAIM, as_known, known_claims
from meeting_agent.common.files import InputError

POLICIES = ("sft", "dpo")  # before and after DPO: the page shows their rollouts side by side
Claim = tuple[str, int | None]  # the claim's text, and the number of the turn that grounds it


def pack(
    traces: Iterable[Trajectory], evaluation: Iterable[Trajectory], tool_labels: dict[str, str], limit: int
) -> str:
    """Packs at most `limit` trajectories of phase 2, and as many of the evaluation, half of them after DPO.

    The same trajectories give the same bytes. Raises InputError if `evaluation` is not of an evaluation.
    """
    texts: dict[str, int] = {}
    shown: list[dict] = []
    found: Counter[str] = Counter()
    room = {"traces": limit} | dict.fromkeys(POLICIES, limit // len(POLICIES))
    for group, trace in itertools.chain((("traces", t) for t in traces), ((t.policy, t) for t in evaluation)):
        if group not in list(room):  # a list, since a broken file's policy may be anything
            raise InputError(f"trajectory {trace.id!r} is not of an evaluation: run starter_agentic_rlft.py")
        found[group] += 1
        if found[group] <= room[group]:
            shown.append(for_page(trace, group, texts))
    if not found["dpo"]:  # those of phase 2 are all from before DPO
        raise InputError("a file without trajectories after DPO is not of an evaluation: run starter_agentic_rlft.py")
    left_out = found.total() - len(shown)
    data = {"tool_labels": tool_labels, "left_out": left_out, "texts": list(texts), "traces": shown}
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(written, mtime=0)).decode()


def for_page(trace: Trajectory, group: str, texts: dict[str, int]) -> dict:
    """What the page shows of a trajectory. Many share a prompt, so it is given as its number in `texts`."""
    system, question = (texts.setdefault(m["content"], len(texts)) for m in trace.messages[:2])
    return {
        "id": trace.id,
        "scenario": trace.scenario_id,
        "group": group,
        "sample": trace.sample_index,
        "persona": trace.system_prompt_name,
        "system": system,
        "question": question,
        "turns": turns(trace.messages),
        "said": trace.recommendation,
        "probability": trace.probability,
        "truth": trace.true_outcome,
        "happened": trace.happened,
        "success": trace.ground_truth,
        "reward": trace.reward,
        "tokens": trace.tokens,
        "completed": trace.completed_naturally,
        "failure": trace.failure,
    }


def turns(messages: list[dict]) -> list[dict]:
    """What the agent and its tools said. The closing answer is cut into pieces, so that the page can mark claims."""
    names = {call["id"]: call["function"]["name"] for m in messages for call in m.get("tool_calls") or []}
    found: list[dict] = []
    for message in messages[2:]:
        if message["role"] == "tool":
            found.append({"tool": names.get(message.get("tool_call_id"), "unknown"), "says": message["content"]})
            continue
        calls = [[c["function"]["name"], c["function"]["arguments"]] for c in message.get("tool_calls") or []]
        found.append({"says": message["content"]} | ({"calls": calls} if calls else {}))
    if messages[-1]["role"] == "assistant":
        found[-1]["pieces"] = closing_pieces(messages)
        del found[-1]["says"]
    return found


def closing_pieces(messages: list[dict]) -> list[str | Claim]:
    """The closing answer as a list of texts and claims, by the rule of `count_grounded_claims`.

    Turns are counted from the first one after the question. A claim names the latest turn that contains it.
    """
    holders = {known: number for number, m in enumerate(messages[2:]) for known in known_claims([m])}
    answer, pieces, end = messages[-1]["content"], [], 0
    for claim in CLAIM.finditer(answer):
        pieces += [answer[end : claim.start()], (claim.group(), holders.get(as_known(*claim.groups())))]
        end = claim.end()
    return [piece for piece in [*pieces, answer[end:]] if piece]
