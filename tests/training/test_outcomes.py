"""The closing number learns from what happened, and nothing else of a rollout changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from meeting_agent.agent.tool_calls import no_prediction, tool_schemas
from meeting_agent.common.files import InputError
from meeting_agent.inference.engine import Engine
from meeting_agent.training.outcomes import learn_from_outcomes, outcome_of, outcome_row, outcome_rows
from meeting_agent.training.rows import IGNORED
from meeting_agent.training.values import closing_prompts
from starter_agentic_rlft import RLFTConfig
from tests.records import rollout
from tests.ticket_triage import TicketTriage

TASK = TicketTriage()
TOOLS = tool_schemas(TASK.tools([], no_prediction))
RESULT = '{"probability": 0.30, "reason": "energy"}'


def played(number: int, word: str, happened: str, said: str = "YES"):
    """A rollout whose one tool result holds `word`."""
    call = {"id": "call_0", "type": "function", "function": {"name": "look_up_account", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "You advise."},
        {"role": "user", "content": f"Is ticket {number} one?"},
        {"role": "assistant", "content": "First, the account.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0", "content": f'{{"rest": "{word}", "said": {RESULT}}}'},
        {
            "role": "assistant",
            "content": f'It is {word}. {{"probability": 0.52, "recommendation": "{said}", "reasoning": "{word}"}}',
        },
    ]
    return rollout(
        f"s{number}-sft-0",
        said,
        scenario_id=f"s{number}",
        messages=messages,
        tools_used=["look_up_account"],
        true_outcome=happened,
        ground_truth=0.7,
    )


def test_a_row_is_the_rollout_without_its_guesses(tokenizer):
    row = outcome_row(tokenizer, played(1, "tired", "NO"), TOOLS)
    assert row["target"] == 0.0
    assert "ticket 1" in tokenizer.decode(row["input_ids"])
    learned = tokenizer.decode([label for label in row["labels"] if label != IGNORED])
    assert "First, the account." in learned
    assert 'It is tired. {"probability": 0.' in learned
    assert '"reasoning": "tired"' in learned
    assert "52" not in learned
    assert "YES" not in learned
    assert RESULT not in learned
    assert "You advise." not in learned


def test_rows_are_of_all_readable_rollouts_once(tokenizer):
    right, wrong = played(1, "tired", "YES"), played(2, "tired", "NO")
    again = replace(right, id="again")
    broken = replace(played(3, "fit", "YES"), final_recommendation_parsed=None)
    failed = replace(played(4, "fit", "YES"), failure="Timeout")
    unlike = played(5, "fit", "YES")
    unlike.messages[-1]["content"] = '{"recommendation": "YES", "probability": 0.7}'
    rows = outcome_rows(TASK, [right, wrong, again, broken, failed, unlike], tokenizer)
    assert [row["target"] for row in rows] == [1.0, 0.0] == [outcome_of(right), outcome_of(wrong)]
    with pytest.raises(InputError, match="--outcome_epochs 0"):
        outcome_rows(TASK, [broken, failed, unlike], tokenizer)
    with pytest.raises(InputError, match="no trajectory"):
        outcome_rows(TASK, [right], tokenizer, positions=20)


def test_the_number_learns_what_a_word_means(tmp_path):
    """Tired people say YES to nothing: the outcome follows the word, and the agent always guessed 0.52 and YES."""
    words = {"tired": "NO", "fresh": "YES"}
    some = [played(i, word, words[word]) for i in range(64) for word in [list(words)[i % 2]]]
    config = RLFTConfig(outcome_epochs=6, outcome_learning_rate=5e-4, fp32=True)
    outcomes = learn_from_outcomes(config, TASK, some, tmp_path)
    held_out = [played(i, word, words[word]) for i in range(900, 910) for word in words]

    def error(adapter) -> float:
        engine = Engine("models/base", str(adapter), fp32=True)
        prompts = [prompt for _, prompt in closing_prompts(engine.tokenizer, held_out, TOOLS)]
        said = torch.tensor(engine.fractions(prompts))
        return float(((said - torch.tensor([outcome_of(one) for one in held_out])) ** 2).mean())

    before, after = error(config.sft_model_path), error(outcomes.adapter)
    assert before > 0.15
    assert after < 0.05
    curve = outcomes.metrics.curve("squared_error")
    assert curve[-1][1] < 0.5 * curve[0][1]
    # A complete training is not repeated.
    again = learn_from_outcomes(config, TASK, some, tmp_path)
    assert again == outcomes


def test_no_epochs_leave_the_adapter_as_it_is(tmp_path):
    some = [played(1, "tired", "NO")]
    outcomes = learn_from_outcomes(RLFTConfig(outcome_epochs=0), TASK, some, tmp_path)
    assert str(outcomes.adapter) == RLFTConfig().sft_model_path
    assert len(outcomes.rows) == 1
    assert outcomes.metrics is None
    assert not learn_from_outcomes(RLFTConfig(outcome_epochs=0, outcome_weight=0.0), TASK, some, tmp_path).rows
