"""How cost grows is told from what phase 2 did."""

from pathlib import Path

import pytest

from meeting_agent.files import InputError, read_json
from meeting_agent.growth import growth, seconds_each
from meeting_agent.other_records import growth_text, speed_section

SFT = "models/sft_prediction_model_gemma_270m"


def test_growth_is_that_of_phase_2():
    few, more = growth(SFT, (2, 4))
    assert (few["scenarios"], more["scenarios"]) == (2, 4)
    assert few["seconds"] > few["start_up_seconds"] > 0


def test_growth_of_a_phase_that_fails_says_so(tmp_path):
    with pytest.raises(InputError, match="phase 2 with 2 scenarios ended with status 2"):
        growth(str(tmp_path), (2,))


def test_start_up_is_left_out():
    rows = [{"scenarios": n, "start_up_seconds": 5.0, "seconds": 5 + n / 10} for n in (100, 1_000, 10_000)]
    assert [seconds_each(row) for row in rows] == pytest.approx([0.1] * 3)
    assert "100 / 1,000 / 10,000 scenarios: 5 / 5 / 5 s of start-up, then 100 / 100 / 100 ms" in growth_text(rows)


def test_a_benchmark_of_some_parts_is_told_as_far_as_it_went():
    rows = [{"scenarios": 100, "start_up_seconds": 5.0, "seconds": 15.0}]
    assert speed_section({"comparisons": [], "growth": rows}) == f"## Speed\n\n{growth_text(rows)}"
    whole = read_json(Path("results/benchmark.json"), "make bench")
    assert growth_text(whole["growth"]) not in speed_section(whole | {"growth": []})
