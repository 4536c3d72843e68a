"""The corpus teaches language: its numbers follow its own prompts and tool results, and no outcome."""

import json
import random
import re

import numpy as np
import pytest

from meeting_agent.agent.claims import count_grounded_claims
from meeting_agent.base.corpus import CURRICULUM, SHORT_CHATS, sample_short
from meeting_agent.base.dialogues import closing, dialogue_chat, random_result
from meeting_agent.base.questions import ask_weighed, random_pair
from meeting_agent.base.readings import PAIR_READINGS
from meeting_agent.base.summary import Known, Rating, compared, in_sum, stated
from meeting_agent.base.what_counts import WhatCounts
from meeting_agent.world.outcome import Facts, physics

ENERGY, TOPICS = "assess_time_slot_fit_and_energy", "extract_common_interests_and_topics"


def test_a_probability_follows_what_the_prompt_names_and_nothing_else():
    values = dict.fromkeys(PAIR_READINGS, 0.9) | {"similar energy": 0.8, "one need": 0.1}
    assert WhatCounts({"similar energy": 1}).probability(values) == pytest.approx(0.8)
    assert WhatCounts({"similar energy": -1}).probability(values) == pytest.approx(0.2)
    both = WhatCounts({"similar energy": 1, "one need": 1})
    assert both.probability(values) == pytest.approx(0.5 + (0.3 - 0.4) / 2**0.5)
    assert both.line == "For: similar energy, one need."
    assert both.by_weight(values) == ["needs", "energy"]


def test_a_tool_outranks_the_text_and_a_silent_text_is_unknown():
    rng = random.Random(3)
    pair = next(p for p in iter(lambda: random_pair(rng), None) if p.said_a.energy_level is None)
    assert "energy_a unknown" in stated(pair)
    assert in_sum(Known(pair)).startswith("In sum: energy_a unknown")
    known = Known(pair, {"energy_a": 7.1, "energy_b": 3.4})
    assert in_sum(known).startswith("In sum: energy_a 7.1, energy_b 3.4, lower 3.4, apart 3.7;")
    assert known.values()["similar energy"] == pytest.approx(0.63)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (Rating(7.1, True), Rating(3.4, True), "lower 3.4, apart 3.7"),
        (Rating(7.1, True), Rating(3.0), "lower about 3, apart about 4"),
        (Rating(None), Rating(3.0), "apart unknown"),
    ],
)
def test_two_ratings_are_compared_as_precisely_as_they_are_known(a, b, words):
    assert compared(a, b) == words


@pytest.mark.parametrize("seed", range(20))
def test_every_claim_of_a_dialogue_is_in_its_tool_results(seed):
    grounded, claims = count_grounded_claims(dialogue_chat(random.Random(seed)))
    assert grounded == claims


def test_final_answers_are_json_and_agree_with_themselves():
    rng = random.Random(5)
    for _ in range(50):
        last = dialogue_chat(rng)[-1]["content"]
        answer = json.loads(last[last.index("{") :])
        assert (answer["recommendation"] == "YES") == (answer["probability"] > 0.5)
        assert answer["reasoning"].startswith("Mainly ")


def test_no_reading_is_good_by_itself():
    """Probabilities of the corpus say nothing about the success of the pairs that it describes."""
    rng = random.Random(11)
    said, true = [], []
    for _ in range(3000):
        pair = random_pair(rng)
        found = re.search(r"0\.\d\d", ask_weighed(rng, pair)[1])
        assert found
        said.append(float(found[0]))
        true.append(physics(0).logit(Facts.of(pair.person_a, pair.person_b, pair.slot)))
    assert abs(np.corrcoef(said, true)[0, 1]) < 0.06


def test_tool_results_do_not_depend_on_the_people():
    rng = random.Random(1)
    pair = random_pair(rng)
    results = {ENERGY: random_result(rng, ENERGY), TOPICS: random_result(rng, TOPICS)}
    assert f"energy_a {results[ENERGY]['energy_a']}" in closing(pair, results, WhatCounts.draw(rng))


def test_every_kind_of_chat_comes_up_by_the_end():
    assert all(len(weights) == len(SHORT_CHATS) for _, weights in CURRICULUM)
    assert all(weight > 0 for weight in CURRICULUM[-1][1])
    rng = random.Random(2)
    assert len({sample_short(rng, 1.0)[0]["content"] for _ in range(20)}) == 20
