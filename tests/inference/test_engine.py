"""The engine: batching, memory and sampling change speed, never answers."""

import pytest

from meeting_agent.inference.digits import PREDICTION_OPENING
from meeting_agent.inference.engine import Engine, Request
from meeting_agent.inference.prediction import chat_text, greedy_answers, predict_prompts, read_probability
from meeting_agent.world.training_rows import read_training_rows

NEXT_TURN = "<end_of_turn>\n<start_of_turn>user\nAnd turn {turn}, {filler}?<end_of_turn>\n<start_of_turn>model\n"


@pytest.fixture(scope="module")
def engine():
    return Engine("models/base", fp32=True)  # answers are compared to the letter


@pytest.fixture(scope="module")
def prompts(engine):
    rows = read_training_rows("data/sft_training_data.csv")[:12]
    return [chat_text(engine.tokenizer, r.input_text) for r in rows]


def test_a_batch_answers_like_one_by_one(engine, prompts):
    together = engine.generate([Request(p, 20) for p in prompts])
    alone = [engine.generate([Request(p, 20)])[0] for p in prompts]
    assert [c.text for c in together] == [c.text for c in alone]
    together = engine.fractions([p + PREDICTION_OPENING for p in prompts])
    alone = [engine.fractions([p + PREDICTION_OPENING])[0] for p in prompts]
    assert together == pytest.approx(alone, abs=1e-4)


def test_memory_changes_no_answer(engine, prompts):
    """Three turns of twelve conversations: with memory, without, and with a prompt shared by several."""

    def play(sessions):
        texts, said = [*prompts, prompts[0], prompts[0]], []
        for turn in range(3):
            done = engine.generate(
                [Request(t, 12, session=f"{sessions}-{i}" if sessions else None) for i, t in enumerate(texts)]
            )
            said.append([c.text for c in done])
            texts = [
                t + c.text + NEXT_TURN.format(turn=turn, filler="long " * (i % 5))
                for i, (t, c) in enumerate(zip(texts, done, strict=True))
            ]
        return said

    assert play("a") == play(None)
    assert engine.prefix_cache.get("a-0") is not None


def test_sampling_is_repeatable_and_seeds_differ(engine, prompts):
    def sample(seed, texts):
        return [c.text for c in engine.generate([Request(t, 16, 1.5, seed + i) for i, t in enumerate(texts)])]

    assert sample(1, prompts) == sample(1, prompts)
    assert sample(1, prompts) != sample(1000, prompts)
    assert sample(3, prompts)[0] == sample(3, prompts[:1])[0]


def test_every_probability_is_valid_at_any_temperature(engine, prompts):
    hot = engine.generate([Request(p + PREDICTION_OPENING[:-2], 12, 3.0, i) for i, p in enumerate(prompts)])
    for completion in hot:
        if completion.text.startswith("0."):
            assert 0.01 <= read_probability(PREDICTION_OPENING[:-2] + completion.text + " ") <= 0.99
    for answer in predict_prompts(engine, [read_training_rows("data/sft_training_data.csv")[0].input_text]):
        assert 0.01 <= answer["probability"] <= 0.99
        assert isinstance(answer["reason"], str)


def test_given_values_are_written_where_a_call_names_them(engine, prompts):
    """Not by the model, which has never seen the name, and only there."""
    begun = '<tool_call>{"name": "predict_meeting_success_tool", "arguments": {"person_a":'
    given = {"person_a": "Xochitl Quux", "time_slot": "Day3 Evening"}
    written = engine.generate([Request(prompt + begun, 24, forced_values=given) for prompt in prompts])
    assert all(completion.text.startswith(' "Xochitl Quux') for completion in written)
    assert [c.text for c in engine.generate([Request(p, 20, forced_values=given) for p in prompts])] == [
        c.text for c in engine.generate([Request(p, 20) for p in prompts])
    ]


def test_greedy_answers_may_be_unreadable_but_never_raise(engine):
    assert greedy_answers(engine, ["", "x", "<start_of_turn>"]) is not None


def test_a_number_that_the_prompt_has_opened_is_an_expectation_too(engine, prompts):
    opened = [prompt + PREDICTION_OPENING for prompt in prompts[:6]]
    written = [read_probability(PREDICTION_OPENING + c.text) for c in engine.generate([Request(p, 8) for p in opened])]
    assert written == [round(value, 2) for value in engine.fractions(opened)]


def test_a_text_may_end_at_its_number(engine, prompts):
    opened = [prompt + PREDICTION_OPENING for prompt in prompts[:6]]
    whole, cut = (engine.generate([Request(p, 24, ends_at_number=ends) for p in opened]) for ends in (False, True))
    assert [c.text for c in cut] == [c.text[:2] for c in whole]
    assert all(len(c.text) > 2 for c in whole)
