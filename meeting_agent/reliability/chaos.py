"""Kills each phase at random moments, restarts it with the same command, and compares with an undisturbed run.

    python -m meeting_agent.reliability.chaos --kills 20

Each phase runs with small settings. After the restart, trajectories and pairs must be byte-equal, adapters equal within
float tolerance, and the set of files must be the same as after the undisturbed run.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from meeting_agent.common.files import ADAPTER_WEIGHTS, InputError, digest
from meeting_agent.common.settings import parse_settings, run_script, setting
from meeting_agent.reliability.record import keep, open_record, record_setting

TOLERANCE = 1e-5  # of an adapter's weights
SAME_BYTES = ("agent_traces.json", "preference_pairs.json")
PHASES = {
    "sft": ("starter_sft.py", "--max_train_rows=160", "--num_train_epochs=4", "--output_model_path={out}/sft"),
    "traces": (
        "starter_agentic_traces.py",
        "--sft_model_path={inputs}/sft",
        "--traces_path={out}/agent_traces.json",
        "--num_scenarios=24",
        "--concurrent_agents=12",
    ),
    "rlft": (
        "starter_agentic_rlft.py",
        "--sft_model_path={inputs}/sft",
        "--traces_path={inputs}/agent_traces.json",
        "--pairs_path={out}/preference_pairs.json",
        "--adapter_path={out}/dpo",
        "--results_dir={out}/results",
        "--max_steps=30",
        "--per_device_train_batch_size=2",
        "--num_eval_scenarios=12",
    ),
}
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}  # two runs at a time then disturb each other little


@dataclass
class ChaosConfig:
    """Settings of the harness."""

    kills: int = setting(20, "kills of each phase", 1, 10_000)
    jobs: int = setting(2, "runs at a time", 1, 64)
    seed: int = setting(0, "decides when a phase is killed", 0, 2**32 - 1)
    phases: str = setting(",".join(PHASES), "comma-separated phases to kill")
    output: str = record_setting()


def command(phase: str, inputs: Path, out: Path) -> list[str]:
    return [sys.executable, *(part.format(inputs=inputs, out=out) for part in PHASES[phase])]


def run_to_the_end(line: list[str]) -> None:
    done = subprocess.run(line, capture_output=True, text=True, env=ONE_THREAD)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)} failed:\n{done.stderr[-2000:]}")


def killed_after(line: list[str], seconds: float) -> bool:
    """Starts a command and kills it after `seconds`. False if it ended before."""
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ONE_THREAD)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def files_in(folder: Path) -> dict[str, Path]:
    return {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}


def differences(expected: Path, found: Path) -> list[str]:
    """One line for each difference from the undisturbed run's files."""
    from safetensors.torch import load_file

    known, files = files_in(expected), files_in(found)
    wrong = [f"left over or lost: {name}" for name in sorted(known.keys() ^ files.keys())]
    for name in known.keys() & files.keys():
        if Path(name).name in SAME_BYTES and digest(known[name]) != digest(files[name]):
            wrong.append(f"other content: {name}")
        if Path(name).name == ADAPTER_WEIGHTS:
            before, after = load_file(known[name]), load_file(files[name])
            gap = max(float((before[k] - after[k]).abs().max()) for k in before)
            if gap > TOLERANCE:
                wrong.append(f"weights differ by {gap:.1e}: {name}")
    return wrong


def kill_and_compare(phase: str, inputs: Path, work: Path, kills: int, jobs: int, rng: random.Random) -> dict:
    """Kills one phase `kills` times. Copies the undisturbed run's output to `inputs`, for the next phase."""
    alone = work / f"{phase}-alone"
    started = time.monotonic()
    run_to_the_end(command(phase, inputs, alone))
    seconds = time.monotonic() - started

    def kill_and_start_again(number: int, moment: float) -> tuple[bool, bool]:
        out = work / f"{phase}-{number}"
        while not (killed := killed_after(command(phase, inputs, out), moment)) and moment > 1:
            moment *= 0.8  # this run was faster than the undisturbed one
            shutil.rmtree(out)
        run_to_the_end(command(phase, inputs, out))
        wrong = differences(alone, out)
        how = f"killed after {moment:.0f} s" if killed else "ended before it was killed"
        print(f"{phase} {number + 1}/{kills}: {how}: {'; '.join(wrong) or 'as if never killed'}", flush=True)
        shutil.rmtree(out)
        return killed, not wrong

    moments = [rng.uniform(0.0, seconds) for _ in range(kills)]
    with ThreadPoolExecutor(jobs) as pool:
        ended = list(pool.map(kill_and_start_again, range(kills), moments))
    shutil.copytree(alone, inputs, dirs_exist_ok=True)
    return {
        "starts": kills,
        "killed": sum(killed for killed, _ in ended),
        "as_if_never_killed": sum(good for _, good in ended),
    }


def main() -> None:
    config = parse_settings(ChaosConfig, __doc__.splitlines()[0])
    chosen = config.phases.split(",")
    order = list(PHASES)
    if not set(chosen) <= PHASES.keys():
        raise InputError(f"--phases is {config.phases!r}: give some of {','.join(order)}")
    record = open_record(config.output)
    rng = random.Random(config.seed)
    needed = order[: 1 + max(order.index(phase) for phase in chosen)]
    with tempfile.TemporaryDirectory() as folder:
        work, inputs = Path(folder), Path(folder) / "inputs"
        inputs.mkdir()
        figures = {
            phase: kill_and_compare(phase, inputs, work, config.kills if phase in chosen else 0, config.jobs, rng)
            for phase in needed
        }
    keep("chaos", {phase: figures[phase] for phase in chosen}, record)


if __name__ == "__main__":
    run_script(main)
