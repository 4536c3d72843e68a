"""Compares the schedule with simpler methods and with an oracle, on simulated conferences.

    python -m meeting_agent.scheduling.study

The score is the expected number of successful meetings in one slot; the expectation is over the chemistry, which nobody
can observe. The oracle knows all attributes of all people and the weights of the success factors.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from data_classes import Person, TimeSlot
from meeting_agent.common.files import json_text
from meeting_agent.common.machine import machine
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import input_path, output_path, parse_settings, run_script, setting
from meeting_agent.evaluation.statistics import bootstrap_interval
from meeting_agent.scheduling.calibration import read_calibration
from meeting_agent.scheduling.matching import Pair, best_matching, best_partners
from meeting_agent.scheduling.schedule import ScheduleConfig, Scheduler
from meeting_agent.world.outcome import CHEMISTRY_SD, Facts, physics
from meeting_agent.world.simulator import ConferenceSimulator, conference_seed

FIRST_SEED = 60_000  # these people were not used to evaluate or tune the agents
ORACLE_PARTNERS = 15  # more partners change the result only after the fourth decimal


@dataclass
class StudyConfig:
    """Settings of the study."""

    sft_model_path: str = input_path(ScheduleConfig.sft_model_path, "the adapter that phase 1 wrote")
    adapter_path: str = input_path(ScheduleConfig.adapter_path, "the aligned adapter that phase 3 wrote")
    calibration: str = input_path(ScheduleConfig.calibration, "trajectories of phase 3's evaluation")
    candidates: int = setting(ScheduleConfig.candidates, "number of partners per person that agents evaluate", 1, 50)
    conferences: int = setting(5, "number of simulated conferences", 1, 1000)
    people: int = setting(300, "number of attendees per conference", 4, 2000)
    output: str = output_path("results/schedule.json", "file for the results")


def main() -> None:
    config = parse_settings(StudyConfig, __doc__.splitlines()[0])
    output = Output("--output", config.output, "results")
    output.check()
    scheduler = Scheduler(config.sft_model_path, config.adapter_path, read_calibration(Path(config.calibration)))
    rows = []
    for number in range(config.conferences):
        rows.append(one_conference(scheduler, FIRST_SEED + number, config.people, config.candidates))
        print(
            f"conference {number + 1}/{config.conferences}: " + ", ".join(f"{k} {v:.3f}" for k, v in rows[-1].items())
        )
    output.write(json_text(summary(rows, config)))


def one_conference(scheduler: Scheduler, seed: int, count: int, candidates: int) -> dict[str, float]:
    """Method -> expected share of successful meetings among `count` / 2 possible meetings.

    Also returns `stated` (the share that the scheduler predicts) and `seconds`.
    """
    people = list(ConferenceSimulator(count, conference_seed("evaluation", seed)).attendees.values())
    slot = list(TimeSlot)[seed % len(TimeSlot)]
    truth = expected_success(people, slot)
    alike = np.array([[len(set(a.interests) & set(b.interests)) for b in people] for a in people], dtype=float)
    np.fill_diagonal(alike, np.nan)
    started = time.monotonic()
    ours = scheduler.slot(people, slot, candidates)
    seconds = time.monotonic() - started
    considered = list(scheduler.considered(people, slot))
    predicted = dict(zip(considered, scheduler.predicted(people, slot, considered), strict=True))

    def share(pairs: Iterable[Pair]) -> float:
        return sum(truth[pair] for pair in pairs) / (count // 2)

    return {
        "random": float(np.nanmean(truth)),
        "same_interests": share(best_matching({pair: alike[pair] for pair in best_partners(alike, ORACLE_PARTNERS)})),
        "sft_only": share(best_matching(predicted)),
        "agent": share(ours),
        "oracle": share(best_matching({pair: truth[pair] for pair in best_partners(truth, ORACLE_PARTNERS)})),
        "stated": sum(meeting.probability for meeting in ours.values()) / (count // 2),
        "seconds": seconds,
    }


def expected_success(people: Sequence[Person], slot: TimeSlot) -> np.ndarray:
    """Probabilities (n, n) that a meeting of two people succeeds, averaged over chemistry. NaN on the diagonal."""
    points, weights = np.polynomial.hermite_e.hermegauss(21)
    expected = np.full((len(people), len(people)), np.nan)
    for a, b in itertools.combinations(range(len(people)), 2):
        known = physics(0).logit(Facts.of(people[a], people[b], slot))
        success = expit(known + CHEMISTRY_SD * points)
        expected[a, b] = expected[b, a] = float(success @ weights / weights.sum())
    return expected


def summary(rows: list[dict[str, float]], config: StudyConfig) -> dict:
    """Means over the conferences, and each method's share of the oracle's gain over random pairing.

    The share has a 95% bootstrap interval over conferences; `least` is the smallest share.
    """
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    gains = {}
    for name in ("same_interests", "sft_only", "agent"):
        shares = np.array([(row[name] - row["random"]) / (row["oracle"] - row["random"]) for row in rows])
        low, high = bootstrap_interval(np.mean, shares)
        gains[name] = {"share": float(shares.mean()), "ci95": [low, high], "least": float(shares.min())}
    return {
        "conferences": config.conferences,
        "people": config.people,
        "candidates": config.candidates,
        "machine": machine(),
        "slowest_seconds": max(row["seconds"] for row in rows),
        "expected_success": means,
        "share_of_oracle_gain": gains,
    }


if __name__ == "__main__":
    run_script(main)
