"""Replications repeat the whole pipeline with other seeds, and under another physics if asked."""

from pathlib import Path

from meeting_agent.evaluation.replications import phase_commands


def test_every_phase_of_a_replication_has_its_seed_and_phases_1_and_2_the_physics():
    data, sft, traces, rlft = (" ".join(c) for c in phase_commands(Path("recipes/embedded"), Path("to"), 7, 3))
    assert all("--seed 7" in command for command in (data, sft, traces, rlft))
    assert "--physics_seed 3" in data
    assert "--physics_seed 3" in traces
    assert "--physics_seed" not in sft + rlft
    assert "--eval_seed 5307" in rlft
    assert "--data_seed 7" in rlft
