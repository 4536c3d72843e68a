"""How cost grows is told from what phases 2 and 3 did."""

from pathlib import Path

import pytest

from meeting_agent.benchmarks.growth import growth
from meeting_agent.common.files import InputError, read_json
from meeting_agent.report.other_records import growth_text, speed_section

SFT = "models/sft_prediction_model_gemma_270m"


def test_growth_is_that_of_phases_2_and_3():
    rows = growth(SFT, "trajectories/agent_traces.json", (3,))
    assert [(row["phase"], row["scenarios"]) for row in rows] == [("rollouts", 3), ("evaluation", 3)]
    assert rows[0]["seconds"] > rows[0]["start_up_seconds"]
    for row in rows:
        # The evaluation's start-up is another process's time: with three scenarios it may well be the longer one.
        assert row["seconds"] > 0
        assert row["start_up_seconds"] > 0
        assert row["seconds_each"] == pytest.approx((row["seconds"] - row["start_up_seconds"]) / 3)
        assert 200 < row["peak_mib"] < 8000


def test_growth_of_a_phase_that_fails_says_so(tmp_path):
    with pytest.raises(InputError, match=r"starter_agentic_traces.py .* ended with status 2"):
        growth(str(tmp_path), "trajectories/agent_traces.json", (2,))


def rows_of(phase: str, peak: float) -> list[dict]:
    return [
        {"phase": phase, "scenarios": n, "seconds": 5 + n / 10, "start_up_seconds": 5.0, "seconds_each": 0.1}
        | {"peak_mib": peak}
        for n in (100, 10_000)
    ]


def test_growth_is_told_without_the_start_up():
    told = growth_text(rows_of("rollouts", 1200) + rows_of("evaluation", 1300.4))
    assert "| rollouts, one sample each | 10,000 | 5 s | 100 ms | 1,200 MiB |" in told
    assert "| evaluation, before and after DPO | 100 | 5 s | 100 ms | 1,300 MiB |" in told


def test_a_benchmark_of_some_parts_is_told_as_far_as_it_went():
    rows = rows_of("rollouts", 1200)
    assert speed_section({"comparisons": [], "growth": rows}) == f"## Speed\n\n{growth_text(rows)}"
    whole = read_json(Path("results/benchmark.json"), "make bench")
    assert growth_text(whole["growth"]) not in speed_section(whole | {"growth": []})
