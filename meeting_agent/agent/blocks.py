"""Blocks of rollouts on disk. A killed run resumes after its finished blocks, and processes share blocks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data_classes import Trajectory
from meeting_agent.common.files import fingerprint, read_json, write_json
from meeting_agent.common.outputs import Output
from meeting_agent.common.progress import Pace

# The number of blocks, and a function that runs the blocks with the given numbers.
Part = tuple[int, Callable[[list[int]], Iterable[list[Trajectory]]]]


def play_missing_blocks(parts: Iterable[Part], total: int, unfinished: UnfinishedRollouts, processes) -> None:
    """Runs this process's share of the `total` blocks of all parts. Skips blocks that are already on disk.

    `processes` is Accelerate's state. Returns when every process has finished its share.
    """
    pace = Pace(unfinished.count(), total)
    first = 0
    for blocks, play in parts:
        mine = [
            block
            for block in range(blocks)
            if (first + block) % processes.num_processes == processes.process_index
            and not unfinished.holds(first + block)
        ]
        if mine:  # do not set up agents for a part whose blocks are all on disk
            for number, block in zip(mine, play(mine), strict=True):
                unfinished.add(first + number, block)
                if processes.is_main_process:
                    done = unfinished.count()
                    print(f"  block {done}/{total}  {pace.left(done)}", flush=True)
        first += blocks
    processes.wait_for_everyone()


def block_count(scenarios: int, samples: int, at_once: int) -> int:
    return math.ceil(scenarios * samples / at_once)


class UnfinishedRollouts:
    """The finished blocks of a run in progress, one file each, in the output's folder for unfinished runs.

    A killed run resumes with the missing blocks. `asked` holds the settings and inputs of the run; a run with other
    ones has a folder of its own.
    """

    def __init__(self, output: Output, asked: dict, processes):
        self.output = output
        self.folder = output.unfinished_run(fingerprint(asked))
        self.is_main = processes.is_main_process
        if self.is_main:
            for torn in [path for path in self._blocks() if not is_whole(path)]:  # for example after a power cut
                print(f"warning: {torn} is damaged: its trajectories are made again", flush=True)
                torn.unlink()
            if kept := len(self._blocks()):
                print(f"Resumes after {kept} finished blocks of trajectories of an earlier run.", flush=True)
        processes.wait_for_everyone()

    def _blocks(self) -> list[Path]:
        return sorted(self.folder.glob("block-*.json"))

    def _path(self, number: int) -> Path:
        return self.folder / f"block-{number:08d}.json"

    def count(self) -> int:
        return len(self._blocks())

    def holds(self, number: int) -> bool:
        return self._path(number).exists()

    def add(self, number: int, block: list[Trajectory]) -> None:
        write_json(self._path(number), [rollout.to_json() for rollout in block], indent=None)

    def trajectories(self) -> Iterator[Trajectory]:
        """All trajectories in order, with one block in memory at a time."""
        for path in self._blocks():
            yield from map(Trajectory.from_json, read_json(path, "the phase"))

    def delete(self) -> None:
        if self.is_main:
            self.output.remove_unfinished(self.folder.name)


def is_whole(block: Path) -> bool:
    """Whether the block's file holds complete JSON."""
    try:
        return isinstance(json.loads(block.read_text(encoding="utf-8")), list)
    except (OSError, ValueError, RecursionError):
        return False
