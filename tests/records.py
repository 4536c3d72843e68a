"""Records that tests make up."""

from __future__ import annotations

from data_classes import PreferencePair, Recommendation, Trajectory


def rollout(name: str = "s0-sft-0", answer: str | None = "YES", **changes) -> Trajectory:
    """A faultless rollout without tools, with some fields changed."""
    said = None if answer is None else Recommendation(answer, 0.7, "energy")
    usual = {
        "id": name,
        "scenario_id": "s0",
        "system_prompt_name": "careful",
        "sample_index": 0,
        "initial_user_prompt": "Meet?",
        "messages": [
            {"role": "system", "content": "You advise."},
            {"role": "user", "content": "Meet?"},
            {"role": "assistant", "content": "{}"},
        ],
        "tools_used": [],
        "total_iterations": 1,
        "completed_naturally": True,
        "tokens": 10,
        "final_recommendation_parsed": said,
        "ground_truth": 0.8,
        "true_outcome": "YES",
        "happened": "YES",
        "policy": "sft",
        "seed": 1,
        "reward": 1.0,
    }
    return Trajectory(**usual | changes)


def pair(prompt: list[dict], chosen: list[dict], rejected: list[dict], tools: list[dict]) -> PreferencePair:
    """A pair of two conversations that nobody had."""
    return PreferencePair("s0", "a", "b", prompt, chosen, rejected, tools, chosen_reward=1.0, rejected_reward=0.1)
