"""Rollouts: many agents run at once in threads. One engine answers them in batches, or a server answers them."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from data_classes import Scenario, Trajectory
from meeting_agent.agent.answer_tally import Notes
from meeting_agent.agent.answers import get_true_outcome, parse_recommendation
from meeting_agent.agent.environment import Environment
from meeting_agent.agent.loop import MAX_ANSWER_TOKENS, AgentLoop
from meeting_agent.common.stopping import RunStopped
from meeting_agent.inference.predictor import Predictor

CONCURRENT_AGENTS = 128
Job = tuple[Scenario, int]  # a scenario and the index of one of its rollouts
Play = Callable[[list[Job]], list[dict]]  # runs jobs together; returns what `AgentLoop.run` returns for each


class RolloutCollector:
    """Runs many agents at once on the scenarios of an environment and returns their trajectories."""

    def __init__(
        self,
        environment: Environment,
        predictor: Predictor,
        scenarios: list[Scenario],
        temperature: float,
        seed: int,
        max_answer_tokens: int = MAX_ANSWER_TOKENS,
        notes: Notes | None = None,
    ):
        self.environment, self.predictor, self.scenarios = environment, predictor, scenarios
        self.temperature, self.seed = temperature, seed
        self.max_answer_tokens, self.notes = max_answer_tokens, notes or Notes()
        self.tools = environment.tools(scenarios, predictor.predict_prompt)

    def agents_on(
        self, engine, api_url: str = "", model: str = "", so_far: Mapping[str, Sequence[dict]] | None = None
    ) -> Play:
        """A function that runs jobs together, with agents on `engine`, or on a server if `api_url` is given.

        `so_far` holds messages after the question by scenario id; agents in process go on from there.
        """
        if api_url:
            loops = self.loops(model, "openai", api_url)
            return self.predicting(
                partial(
                    run_together, lambda job, go_on: loops[job[0].persona].run(job[0].user_prompt, on_message=go_on)
                )
            )
        from meeting_agent.inference.provider import ARGUMENTS_HEADER, MODEL, PROVIDER, SESSION_HEADER, serve_engine

        batcher = serve_engine(engine)
        loops = self.loops(MODEL, PROVIDER)

        def play_one(job: Job) -> dict:
            scenario, sample = job
            session = f"{self.seed}-{scenario.scenario_id}-{sample}"
            headers = {SESSION_HEADER: session, ARGUMENTS_HEADER: json.dumps(scenario.arguments)}
            begun = (so_far or {}).get(scenario.scenario_id, ())
            return loops[scenario.persona].run(scenario.user_prompt, headers, so_far=begun)

        return self.predicting(lambda jobs: batcher.play([partial(play_one, job) for job in jobs]))

    def predicting(self, play: Play) -> Play:
        """Wraps `play`: first makes all predictions that the agents may ask for, in one batch.

        The cache is cleared first and only these jobs are predicted, because the last digits of a prediction depend on
        the other prompts in its batch.
        """

        def predict_and_play(jobs: list[Job]) -> list[dict]:
            self.predictor.clear()
            self.predictor.predict_many([scenario.prediction_prompt for scenario, _ in jobs])
            return play(jobs)

        return predict_and_play

    def loops(self, model: str, provider: str, api_url: str | None = None) -> dict[str, AgentLoop]:
        settings = (model, provider, api_url, self.temperature, self.max_answer_tokens, self.notes)
        personas = self.environment.personas
        return {name: AgentLoop(name, prompt, self.tools, *settings) for name, prompt in personas.items()}

    def collect(
        self,
        play: Play,
        samples: int,
        policy: str,
        at_once: int = CONCURRENT_AGENTS,
        wanted: Iterable[int] | None = None,
    ) -> Iterator[list[Trajectory]]:
        """`samples` rollouts of every scenario, in scenario order, in blocks of `at_once` trajectories.

        `wanted` holds the numbers of the blocks to run; None runs all. Blocks are independent, so a block is the same
        whichever others run.
        """
        jobs = [(scenario, sample) for scenario in self.scenarios for sample in range(samples)]
        for number in range(math.ceil(len(jobs) / at_once)) if wanted is None else wanted:
            block = jobs[number * at_once : (number + 1) * at_once]
            yield [self.trajectory(*job, run, policy) for job, run in zip(block, play(block), strict=True)]

    def trajectory(self, scenario: Scenario, sample: int, run: dict, policy: str) -> Trajectory:
        said = parse_recommendation(run["messages"][-1].get("content") or "") if run["completed_naturally"] else None
        rollout = Trajectory(
            id=f"{scenario.scenario_id}-{policy}-{sample}",
            scenario_id=scenario.scenario_id,
            system_prompt_name=scenario.persona,
            sample_index=sample,
            initial_user_prompt=scenario.user_prompt,
            **run,
            final_recommendation_parsed=said,
            ground_truth=scenario.success_probability,
            true_outcome=get_true_outcome(scenario.success_probability),
            happened=scenario.outcome,
            policy=policy,
            seed=self.seed,
            reward=0.0,
        )
        return replace(rollout, reward=self.environment.reward(rollout))


def run_together(play_one: Callable[[Job, Callable[[dict], None]], dict], jobs: list[Job]) -> list[dict]:
    """Runs jobs in threads. After Ctrl-C each job stops at its next message instead of at its end."""
    stopped = threading.Event()

    def go_on(_message: dict) -> None:
        if stopped.is_set():
            raise RunStopped

    with ThreadPoolExecutor(len(jobs)) as pool:
        try:
            return list(pool.map(lambda job: play_one(job, go_on), jobs))
        except BaseException:
            stopped.set()
            raise
