"""Phase 2: agent trajectories. npcpy agents, run by the phase 1 model, look things up before they recommend.

    python starter_agentic_traces.py                                   # 720 scenarios x 4 samples, in process
    python starter_agentic_traces.py --num_scenarios 20                # a quick look
    python starter_agentic_traces.py --attendees people.csv --meetings past.csv         # your own, not the simulator's
    python starter_agentic_traces.py --api_url http://localhost:8000/v1 --model qwen3   # any OpenAI-compatible server

Each scenario gets one of seven advisor personas and is played several times: the samples differ only in what the agent
did, which is what phase 3 compares. Agents run in threads and are answered in batches by one engine in this process.
"""

from __future__ import annotations

import json
import math
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_classes import Meeting
from meeting_agent.agent.answer_tally import AnswerTally, Notes, warn
from meeting_agent.agent.answers import LONGEST_ANSWER, get_true_outcome, safe_extract_json
from meeting_agent.agent.tool_calls import answer_call
from meeting_agent.agent.trajectory_file import companion
from meeting_agent.common.files import (
    ADAPTER_WEIGHTS,
    InputError,
    digest,
    digests,
    fingerprint,
    read_json,
    write_json,
    write_json_array,
)
from meeting_agent.common.outputs import Output, check_outputs, complete_inputs
from meeting_agent.common.settings import (
    input_path,
    output_path,
    overwrite_setting,
    parse_settings,
    recorded,
    run_script,
    setting,
)
from meeting_agent.common.stopping import RunStopped
from meeting_agent.common.strict_json import whole_characters
from meeting_agent.evaluation.agent_scores import agent_statistics, summarised
from meeting_agent.inference.bases import base_of_adapter, check_base
from meeting_agent.inference.turns import one_call_a_turn
from meeting_agent.world.descriptions import PersonDescriptor
from meeting_agent.world.past_meetings import read_own_meetings
from meeting_agent.world.predictor import MeetingPredictor
from meeting_agent.world.prompts import prediction_prompt, scenario_prompt, system_prompt_configurations
from meeting_agent.world.reward import calculate_reward
from meeting_agent.world.simulator import ConferenceSimulator, conference_seed
from meeting_agent.world.tools import TOOLS, ConferenceRecords, call_arguments, open_records

if TYPE_CHECKING:
    from meeting_agent.servers.answers import Answer

MAX_ITERATIONS = 8
MAX_ANSWER_TOKENS = 160
# For `MAX_ANSWER_TOKENS`, in proportion for more. The OpenAI client that litellm uses retries twice, with exponential
# back-off.
SERVER_TIMEOUT_SECONDS = 60.0
CONCURRENT_AGENTS = 128
MOST_MEETINGS = 2400  # of a conference where nobody meets twice: there are names for 4900 people
SEEDS = 2**32  # a user's seed is smaller


@dataclass
class TraceConfig:
    """Settings of phase 2."""

    sft_model_path: str = input_path("models/sft_prediction_model_gemma_270m", "the adapter that phase 1 wrote")
    traces_path: str = output_path("trajectories/agent_traces.json", "where the trajectories go")
    num_scenarios: int = setting(720, "meetings to consider", 1, 10_000_000)
    samples_per_scenario: int = setting(4, "how often each is played", 1, 64)
    temperature: float = setting(0.7, "sampling temperature of the agents", 0.0, 5.0)
    max_answer_tokens: int = setting(
        MAX_ANSWER_TOKENS, "tokens that an agent may write in one turn; models that think need more", 16, 8192
    )
    concurrent_agents: int = setting(
        CONCURRENT_AGENTS, "agents at work together; a killed run keeps such blocks", 1, 1024
    )
    seed: int = setting(42, "decides who meets, the personas and the sampling", 0, 2**32 - 1)
    fp32: bool = setting(False, "answer in full precision, also where the machine has bfloat16")
    api_url: str = setting("", "OpenAI-compatible server to run the agents on instead of the phase 1 model")
    model: str = setting("", "name of the model on that server")
    max_failed_share: float = setting(0.1, "share of a block's trajectories that the server may fail in", 0.0, 1.0)
    attendees: str = input_path("", "CSV of your own attendees instead of the simulator's; needs --meetings")
    meetings: str = input_path("", "CSV of their past meetings, a part of which phase 3 keeps for the evaluation")
    overwrite: bool = overwrite_setting()


def main() -> None:
    config = parse_settings(TraceConfig, __doc__.splitlines()[0])
    generate_agent_traces_for_training(config)


def generate_agent_traces_for_training(config: TraceConfig) -> dict:
    """Plays every scenario; writes `traces_path` and its summary, prints and returns the summary.

    Under `accelerate launch` each process plays its share of the blocks, and the first one puts them together.
    Trajectories go to disk as they are finished, so that memory does not grow with their number.
    """
    from meeting_agent.common.processes import this_process

    config = checked_config(config)
    if config.api_url:
        check_server(config)
    started = time.monotonic()
    processes = this_process()
    # Before anything is written: the adapter may be broken.
    predictor = MeetingPredictor(config.sft_model_path, fp32=config.fp32)
    output = traces_output(config)
    if not config.api_url:
        try_first_turns(config, predictor)
    adapter = digest(Path(config.sft_model_path) / ADAPTER_WEIGHTS)
    own = digests(attendees=Path(config.attendees), meetings=Path(config.meetings))
    unfinished = UnfinishedTraces(output, {"settings": recorded(config), "adapter": adapter} | own, processes)
    samples, at_once = config.samples_per_scenario, config.concurrent_agents
    ready: list[float] = []
    notes = Notes()

    def play(scenarios: list[Scenario], wanted: list[int]) -> Iterator[list[dict]]:
        collector = AgentTraceCollector(
            predictor, scenarios, config.temperature, config.seed, config.max_answer_tokens, notes
        )
        agents = collector.agents_on(predictor.engine, config.api_url, config.model)
        ready.append(time.monotonic())
        for block in collector.collect(agents, samples, "sft", at_once, wanted):
            check_failures(block, config, notes.words)
            if not notes.checked:
                check_first_block(block, config, notes, may_speak=total > 1 and processes.is_main_process)
            yield block

    total = sum(block_count(count, samples, at_once) for count in scenarios_at_a_time(config))
    parts = ((block_count(len(s), samples, at_once), partial(play, s)) for s in scenarios_to_play(config))
    play_missing_blocks(parts, total, unfinished, processes)
    summary = agent_statistics(map(summarised, unfinished.traces())) | {"settings": recorded(config)}
    if processes.is_main_process:
        tally = AnswerTally(unfinished.traces(), notes)
        if tally.tool_failures:
            summary["tool_failures"] = dict(tally.tool_failures)
        with output.writing() as folder:
            traces, summary_name = (folder / name for name in output.names)
            write_json_array(traces, unfinished.traces())
            summary["seconds"] = time.monotonic() - started
            summary["start_up_seconds"] = ready[0] - started if ready else summary["seconds"]
            summary["sha256"] = {"adapter": adapter, "traces": digest(traces)} | own
            write_json(summary_name, summary)
        print_statistics(summary)
        for line in tally.warnings(config.max_answer_tokens, bool(config.api_url)):
            warn(line)
        print(f"{summary['n']} trajectories in {config.traces_path}, {summary['seconds']:.0f} s")
    processes.wait_for_everyone()
    unfinished.delete()
    return summary


# How many blocks of trajectories there are, and what plays those of them whose numbers it gets.
Part = tuple[int, Callable[[list[int]], Iterable[list[dict]]]]


def play_missing_blocks(parts: Iterable[Part], total: int, unfinished: UnfinishedTraces, processes) -> None:
    """Plays this process's share of the `total` blocks of all parts, without those that are on disk already.

    Returns when every process (Accelerate's state) has played its share.
    """
    from meeting_agent.training.progress import Pace

    pace = Pace(unfinished.count(), total)
    first = 0
    for blocks, play in parts:
        mine = [
            block
            for block in range(blocks)
            if (first + block) % processes.num_processes == processes.process_index
            and not unfinished.holds(first + block)
        ]
        if mine:  # a part that is all there need not be opened
            for number, block in zip(mine, play(mine), strict=True):
                unfinished.add(first + number, block)
                if processes.is_main_process:
                    done = unfinished.count()
                    print(f"  block {done}/{total}  {pace.left(done)}", flush=True)
        first += blocks
    processes.wait_for_everyone()


def block_count(scenarios: int, samples: int, at_once: int) -> int:
    return math.ceil(scenarios * samples / at_once)


def check_failures(block: list[dict], config: TraceConfig, words: Mapping[str, str] | None = None) -> None:
    """Stops a run whose server fails too often; the blocks before are kept, and the next start goes on after them.

    `words` are the server's own ones for each kind of failure.
    """
    kinds = Counter(t["failure"] for t in block if "failure" in t)
    if kinds.total() > config.max_failed_share * len(block):
        from meeting_agent.servers.errors import explained, scrubbed

        raise InputError(
            f"{scrubbed(config.api_url) or 'litellm'} failed in {kinds.total()} of {len(block)} trajectories "
            f"{explained(config.api_url, kinds, words or {})}; then start again: finished trajectories are kept"
        )


def check_first_block(block: list[dict], config: TraceConfig, notes: Notes, may_speak: bool) -> None:
    """Says what is wrong with most answers before an hour has gone; stops where a server's are of no use at all.

    Small bases may talk nonsense at first, so agents in process go on.
    """
    notes.checked = True
    tally = AnswerTally(block, notes)
    complaint = tally.complaint(config.max_answer_tokens, bool(config.api_url))
    if complaint and config.api_url and tally.is_hopeless:
        raise InputError(complaint)
    if complaint and may_speak:
        warn(complaint)


def check_server(config: TraceConfig) -> None:
    """Lets an agent take one turn: a wrong address, name or key shows in seconds, before anything is written."""
    from meeting_agent.servers.errors import explained, failure_of, scrubbed

    scenario = next(scenarios_to_play(config))[0]
    agent = AgentToolLoop(
        scenario.persona, config.model, "openai", config.api_url, config.temperature, config.max_answer_tokens
    )
    try:
        agent.ask(agent.opening(scenario.user_prompt))
    except Exception as error:  # litellm has a dozen classes for what a server does, and lets others through
        failure = failure_of(error)
        causes = explained(config.api_url, Counter([failure.kind]), {failure.kind: failure.words})
        raise InputError(f"{scrubbed(config.api_url)} does not answer an agent {causes}") from None


def try_first_turns(config: TraceConfig, predictor: MeetingPredictor) -> None:
    """Answers one prediction and takes an agent's first two turns, before anything is written."""
    from meeting_agent.training.dry_run import try_agent, try_predictions
    from meeting_agent.world.tools import tool_schemas

    scenario = next(scenarios_to_play(config))[0]
    try_predictions(predictor.engine, [scenario.prediction_prompt])
    try_agent(predictor.engine, system_prompt_configurations[scenario.persona], scenario.user_prompt, tool_schemas())


def checked_config(config: TraceConfig) -> TraceConfig:
    """The settings, with the server's address as the OpenAI client wants it; raises InputError for what cannot be."""
    complete_inputs(config.sft_model_path)
    if not (Path(config.sft_model_path) / ADAPTER_WEIGHTS).exists():
        raise InputError(f"{config.sft_model_path} holds no adapter: run starter_sft.py first")
    if bool(config.api_url) != bool(config.model):
        raise InputError("--api_url and --model go together: give both or neither")
    check_base(Path(config.sft_model_path))
    read_own_meetings(config.attendees, config.meetings)
    inputs = {f"--{name}": getattr(config, name) for name in ("sft_model_path", "attendees", "meetings")}
    base = {"the base model": base_of_adapter(Path(config.sft_model_path))}
    check_outputs([traces_output(config)], inputs | base)
    if not config.api_url:
        return config
    from meeting_agent.servers.client import plain_api_url

    return replace(config, api_url=plain_api_url(config.api_url))


def traces_output(config: TraceConfig) -> Output:
    path = Path(config.traces_path)
    names = [companion(path, "summary").name]
    return Output("--traces_path", path, "trajectories", beside=names, overwrite=config.overwrite)


# ----------------------------------------------------------------------------- scenarios


@dataclass(frozen=True)
class Scenario:
    """A meeting as the agent sees it, and the prompt that its own prediction tool reads."""

    meeting: Meeting
    persona: str
    user_prompt: str
    prediction_prompt: str

    @property
    def arguments(self) -> dict[str, str]:
        """What every tool is called with."""
        return call_arguments(self.meeting.person_a, self.meeting.person_b, self.meeting.time_slot)


Job = tuple[Scenario, int]  # a scenario and the index of the sample


def scenarios_to_play(config: TraceConfig) -> Iterator[list[Scenario]]:
    """Meetings of one's own attendees, where there are such, else the simulator's."""
    if own := read_own_meetings(config.attendees, config.meetings):
        yield put_into_words(own.played[: config.num_scenarios], f"own-{config.seed}")
    else:
        yield from conferences("traces", config.seed, config.num_scenarios)


def scenarios_at_a_time(config: TraceConfig) -> list[int]:
    """How many scenarios each list of `scenarios_to_play` holds."""
    if own := read_own_meetings(config.attendees, config.meetings):
        return [min(config.num_scenarios, len(own.played))]
    return conference_sizes(config.num_scenarios)


def conference_sizes(count: int) -> list[int]:
    """`count` scenarios, as many as the names allow from one conference and the rest from further ones."""
    return [min(MOST_MEETINGS, count - start) for start in range(0, count, MOST_MEETINGS)]


def conferences(purpose: str, seed: int, count: int) -> Iterator[list[Scenario]]:
    for number, size in enumerate(conference_sizes(count)):
        yield make_scenarios(purpose, seed + number * SEEDS, size)


def make_scenarios(conference: str, seed: int, count: int) -> list[Scenario]:
    """The first `count` meetings of one of the three conferences of a seed, put into words."""
    people = ConferenceSimulator(max(2, 2 * count), conference_seed(conference, seed))
    return put_into_words(people.meetings(count), f"{conference}-{seed}")


def put_into_words(meetings: list[Meeting], key: str, descriptor: PersonDescriptor | None = None) -> list[Scenario]:
    """What agents are asked about each meeting, and by which persona; `key` decides the personas."""
    describe = (descriptor or PersonDescriptor()).generate_description
    rng = random.Random(f"personas-{key}")
    scenarios = []
    for m in meetings:
        said_a, said_b = describe(m.person_a, m.time_slot), describe(m.person_b, m.time_slot)
        scenarios.append(
            Scenario(
                meeting=m,
                persona=rng.choice(list(system_prompt_configurations)),
                user_prompt=scenario_prompt(m.person_a.name, said_a, m.person_b.name, said_b, m.time_slot),
                prediction_prompt=prediction_prompt(said_a, said_b, m.time_slot),
            )
        )
    return scenarios


# ----------------------------------------------------------------------------- the agent


class AgentToolLoop:
    """One npcpy agent that observes, thinks and acts until it stops calling tools."""

    def __init__(
        self,
        persona: str,
        model: str,
        provider: str,
        api_url: str | None = None,
        temperature: float = 0.0,
        max_answer_tokens: int = MAX_ANSWER_TOKENS,
        notes: Notes | None = None,
    ):
        """`notes` take what does not go into trajectories, such as a server's own words for a failure."""
        from npcpy.npc_compiler import NPC

        self.npc = NPC(
            name=persona,
            primary_directive=system_prompt_configurations[persona],
            tools=TOOLS,
            model=model,
            provider=provider,
            api_url=api_url,
            plain_system_message=True,
        )
        self.temperature, self.max_answer_tokens = temperature, max_answer_tokens
        self.notes = notes or Notes()
        self.on_server = provider == "openai"
        self.splits_turns = False  # whether the server has refused turns of several calls
        if self.on_server:
            from meeting_agent.servers.client import use_plain_answers

            use_plain_answers()

    def run(
        self, user_prompt: str, headers: dict[str, str] | None = None, watch: Callable[[dict], object] = bool
    ) -> dict:
        """Plays one scenario; never raises for anything that the model, a server or a tool does.

        `headers` go with every request; `meeting_agent/inference/provider.py` names those that the engine knows.
        `watch` is given every message of the agent and its tools as it comes; what it raises comes through, as do
        RunStopped and Ctrl-C.
        Returns `messages` (OpenAI chat format), `tools_used`, `total_iterations`, `completed_naturally` and `tokens`;
        where a server failed for good also `failure`, the kind of error, and where its last answer is not whole
        `cut_by`, "length" or "content_filter".
        """
        from meeting_agent.servers.answers import with_own_ids

        messages = self.opening(user_prompt)
        tools_used: list[str] = []
        completed, tokens, iterations = False, 0, 0
        trouble: dict[str, str] = {}
        while iterations < MAX_ITERATIONS:
            iterations += 1
            try:
                messages, answer = self.ask_again_in_single_calls(messages, headers)
            except Exception as error:  # litellm has a dozen classes for what a server does, and lets others through
                trouble = {"failure": self.notes.failed(error)}
                break
            tokens += answer.tokens
            messages.append({"role": "assistant", "content": answer.content})
            if not answer.calls:
                watch(messages[-1])
                self.notes.ended(answer.cut_by, answer.thought)
                # In process a turn that fills its limit counts as complete, as it always has. None such can be read.
                completed = answer.cut_by is None or not self.on_server
                trouble = {"cut_by": answer.cut_by} if answer.cut_by and not completed else {}
                break
            messages[-1]["tool_calls"] = with_own_ids(answer.calls, messages)
            watch(messages[-1])
            for call in messages[-1]["tool_calls"]:
                tools_used.append(call["function"]["name"])
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": self.call_tool(call)})
                watch(messages[-1])
        return {
            "messages": messages,
            "tools_used": tools_used,
            "total_iterations": iterations,
            "completed_naturally": completed,
            "tokens": tokens,
        } | trouble

    def opening(self, user_prompt: str) -> list[dict[str, Any]]:
        """The conversation up to where the agent begins."""
        return [
            {"role": "system", "content": self.npc.primary_directive},
            {"role": "user", "content": user_prompt},
        ]

    def ask(self, messages: list[dict], headers: dict[str, str] | None = None) -> Answer:
        """The agent's next turn; raises what npcpy and litellm make of a server's failure."""
        from npcpy.llm_funcs import get_llm_response

        from meeting_agent.servers.answers import read_answer

        key = None
        if self.on_server:
            from meeting_agent.servers.client import placeholder_key

            key = placeholder_key()
        # What the NPC's own method calls, which would make the schemas anew from the docstrings at every turn.
        response = get_llm_response(
            None,
            npc=self.npc,
            tools=self.npc.tools_schema,
            tool_map=self.npc.tool_map,
            tool_choice="auto",
            messages=messages,
            auto_process_tool_calls=False,
            temperature=self.temperature,
            max_tokens=self.max_answer_tokens,
            timeout=SERVER_TIMEOUT_SECONDS * max(1.0, self.max_answer_tokens / MAX_ANSWER_TOKENS),
            extra_headers=headers,
            api_key=key,
        )
        return read_answer(response["raw_response"], self.npc.tool_map if self.on_server else ())

    def ask_again_in_single_calls(self, messages: list[dict], headers: dict | None) -> tuple[list[dict], Answer]:
        """`ask`, and once more with one call a turn where a server refuses turns of several; the conversation in the
        form that it took, and the answer."""
        if self.splits_turns:
            messages = one_call_a_turn(messages)
        try:
            return messages, self.ask(messages, headers)
        except Exception as error:
            from meeting_agent.servers.errors import failure_of, refuses_the_conversation

            apart = one_call_a_turn(messages)
            if apart is messages or not refuses_the_conversation(failure_of(error)):
                raise
        answer = self.ask(apart, headers)
        self.splits_turns = True
        return apart, answer

    def call_tool(self, call: dict) -> str:
        """The tool's answer as JSON; a call that cannot be answered gets an error that the agent can act on."""
        return answer_call(self.npc.tool_map, call)


def parse_recommendation(answer: str) -> tuple[str | None, float | None]:
    """Recommendation and probability of a closing answer; None for what cannot be read."""
    answer = answer[-LONGEST_ANSWER:]
    found = safe_extract_json(answer) or {}
    recommendation = found.get("recommendation")
    if isinstance(recommendation, str) and recommendation.strip():
        recommendation = whole_characters(recommendation.strip().upper()[:20])
    else:
        loose = re.search(r'"recommendation":\s*"(YES|NO)"', answer, re.IGNORECASE)
        recommendation = loose.group(1).upper() if loose else None
    probability = found.get("probability")
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0.0 <= probability <= 1.0:
        probability = None
    return recommendation, probability


class AgentTraceCollector:
    """Plays scenarios with many agents at once and keeps what they did."""

    def __init__(
        self,
        predictor: MeetingPredictor,
        scenarios: list[Scenario],
        temperature: float,
        seed: int,
        max_answer_tokens: int = MAX_ANSWER_TOKENS,
        notes: Notes | None = None,
    ):
        self.predictor, self.scenarios, self.temperature, self.seed = predictor, scenarios, temperature, seed
        self.max_answer_tokens, self.notes = max_answer_tokens, notes or Notes()
        people = [p for s in scenarios for p in (s.meeting.person_a, s.meeting.person_b)]
        open_records(ConferenceRecords({p.name: p for p in people}, PersonDescriptor(), predictor.predict))

    def agents_on(self, engine, api_url: str = "", model: str = "") -> Callable[[list[Job]], list[dict]]:
        """A function that plays jobs (scenario, sample index) together, with agents on `engine` or a server."""
        if api_url:
            loops = self.loops(model, "openai", api_url)
            return self.predicting(
                partial(run_together, lambda job, watch: loops[job[0].persona].run(job[0].user_prompt, watch=watch))
            )
        from meeting_agent.inference.provider import ARGUMENTS_HEADER, MODEL, PROVIDER, SESSION_HEADER, serve_engine

        batcher = serve_engine(engine)
        loops = self.loops(MODEL, PROVIDER)

        def play_one(job: Job) -> dict:
            scenario, sample = job
            session = f"{self.seed}-{scenario.meeting.scenario_id}-{sample}"
            headers = {SESSION_HEADER: session, ARGUMENTS_HEADER: json.dumps(scenario.arguments)}
            return loops[scenario.persona].run(scenario.user_prompt, headers)

        return self.predicting(lambda jobs: batcher.play([partial(play_one, job) for job in jobs]))

    def predicting(self, play: Callable[[list[Job]], list[dict]]) -> Callable[[list[Job]], list[dict]]:
        """`play`, with what the prediction tool will say worked out in one batch, before agents ask one by one.

        Of these jobs alone, and anew: batches of others could give other last digits.
        """

        def predict_and_play(jobs: list[Job]) -> list[dict]:
            self.predictor.forget()
            self.predictor.predict_many([scenario.prediction_prompt for scenario, _ in jobs])
            return play(jobs)

        return predict_and_play

    def loops(self, model: str, provider: str, api_url: str | None = None) -> dict[str, AgentToolLoop]:
        settings = (model, provider, api_url, self.temperature, self.max_answer_tokens, self.notes)
        return {p: AgentToolLoop(p, *settings) for p in system_prompt_configurations}

    def collect(
        self, play, samples: int, policy: str, at_once: int = CONCURRENT_AGENTS, wanted: Iterable[int] | None = None
    ) -> Iterator[list[dict]]:
        """Every scenario `samples` times, in scenario order, as blocks of `at_once` trajectories.

        Blocks share nothing: a run that plays only those whose numbers are `wanted` gives the same ones.
        """
        jobs = [(scenario, sample) for scenario in self.scenarios for sample in range(samples)]
        for number in range(math.ceil(len(jobs) / at_once)) if wanted is None else wanted:
            block = jobs[number * at_once : (number + 1) * at_once]
            yield [self.trajectory(*job, run, policy) for job, run in zip(block, play(block), strict=True)]

    def trajectory(self, scenario: Scenario, sample: int, run: dict, policy: str) -> dict:
        recommendation, probability = parse_recommendation(run["messages"][-1].get("content") or "")
        p = scenario.meeting.success_probability
        trace = {
            "id": f"{scenario.meeting.scenario_id}-{policy}-{sample}",
            "scenario_id": scenario.meeting.scenario_id,
            "system_prompt_name": scenario.persona,
            "sample_index": sample,
            "initial_user_prompt": scenario.user_prompt,
            **run,
            "final_recommendation_parsed": recommendation if run["completed_naturally"] else None,
            "final_probability": probability if run["completed_naturally"] else None,
            "ground_truth": p,
            "true_outcome": get_true_outcome(p),
            "policy": policy,
            "seed": self.seed,
        }
        return trace | {"reward": calculate_reward(trace)}


def run_together(play_one: Callable[[Job, Callable[[dict], None]], dict], jobs: list[Job]) -> list[dict]:
    """Plays jobs in threads; Ctrl-C ends each at its next message, instead of when it has played to its end."""
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


class UnfinishedTraces:
    """Finished blocks of a run that goes on, each in a file of its own, in the output's folder for unfinished runs.

    A killed run goes on with the blocks that are not there. A run that was `asked` for something else has others.
    """

    def __init__(self, output: Output, asked: dict, processes):
        self.output = output
        self.folder = output.unfinished_run(fingerprint(asked))
        self.is_main = processes.is_main_process
        if self.is_main:
            for torn in [path for path in self._blocks() if not is_whole(path)]:  # by a power cut
                print(f"warning: {torn} is damaged: its trajectories are played again", flush=True)
                torn.unlink()
            if kept := len(self._blocks()):
                print(f"Goes on after {kept} blocks of trajectories of an unfinished run.", flush=True)
        processes.wait_for_everyone()

    def _blocks(self) -> list[Path]:
        return sorted(self.folder.glob("block-*.json"))

    def _path(self, number: int) -> Path:
        return self.folder / f"block-{number:08d}.json"

    def count(self) -> int:
        return len(self._blocks())

    def holds(self, number: int) -> bool:
        return self._path(number).exists()

    def add(self, number: int, block: list[dict]) -> None:
        write_json(self._path(number), block, indent=None)

    def traces(self) -> Iterator[dict]:
        """All of them in order, one block in memory at a time."""
        for path in self._blocks():
            yield from read_json(path, "starter_agentic_traces.py")

    def delete(self) -> None:
        if self.is_main:
            self.output.remove_unfinished(self.folder.name)


def is_whole(block: Path) -> bool:
    """Whether a block can be read from beginning to end."""
    try:
        return isinstance(json.loads(block.read_text(encoding="utf-8")), list)
    except (OSError, ValueError, RecursionError):
        return False


# ----------------------------------------------------------------------------- statistics


def print_statistics(summary: dict) -> None:
    print(f"accuracy {summary['accuracy']:.3f}, reward {summary['reward']:.3f}", end=", ")
    print(f"completed {summary['completed_rate']:.1%}, 2 to 5 calls {summary['calls_in_range_rate']:.1%}", end=", ")
    print(f"{summary['calls_mean']:.2f} calls on average, claims grounded {summary['grounded_claim_rate']:.1%}")


if __name__ == "__main__":
    run_script(main)
