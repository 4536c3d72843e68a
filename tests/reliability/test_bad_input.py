"""Input that a script cannot use: one line, status 2, nothing written. Input that it can: a warning that counts."""

import pytest

from meeting_agent.common.files import InputError
from meeting_agent.conference import Conference
from meeting_agent.reliability.bad_input import complaint
from meeting_agent.reliability.bad_input_cases import all_cases
from meeting_agent.training.sft import short_enough
from meeting_agent.training.split import read_rows
from meeting_agent.world.training_rows import read_training_rows
from starter_sft import SFTConfig

HEADER = "input_text,target_probability,target_reason,ground_truth_prob\n"


def test_there_are_many_cases_of_every_script():
    scripts = [case.script for case in all_cases()]
    assert len(scripts) >= 60
    assert min(scripts.count(script) for script in set(scripts)) >= 15
    assert len({(case.script, case.name) for case in all_cases()}) == len(scripts)


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: f"{case.script}: {case.name}")
def test_refused_in_one_line(case, tmp_path):
    assert complaint(case, tmp_path) is None


def test_repeated_rows_and_a_single_outcome_are_warned_about(tmp_path, capsys):
    path = tmp_path / "data.csv"
    path.write_text(HEADER + "a,0.2,energy,0.2\nb,0.3,energy,0.3\na,0.9,energy,0.1\n")
    rows = read_rows(Conference(), str(path), 0)
    assert [(r.input_text, r.target_probability) for r in rows] == [("a", 0.2), ("b", 0.3)]
    said = capsys.readouterr().out
    assert "1 rows repeat" in said
    assert "every meeting ends the same way" in said


def test_long_rows_are_left_out_and_counted(capsys):
    rows = [{"input_ids": [0] * n} for n in (3, 5, 9)]
    assert short_enough(SFTConfig(max_length=5), rows, "training", 5) == rows[:2]
    assert "1 of 3 training rows have more than 5 tokens" in capsys.readouterr().out
    with pytest.raises(InputError, match="raise --max_length to 3 or more"):
        short_enough(SFTConfig(max_length=2), rows, "training", 2)


def test_a_byte_order_mark_and_further_columns_do_no_harm(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("\ufeffmore," + HEADER + "1,a,0.2,energy,0.2\n", encoding="utf-8")
    assert read_training_rows(path)[0].input_text == "a"
