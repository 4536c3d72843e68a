"""Blocks of rollouts on disk: what a killed run goes on after, and what processes share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data_classes import Trajectory
from meeting_agent.common.files import fingerprint, read_json, write_json
from meeting_agent.common.outputs import Output
from meeting_agent.common.progress import Pace

# How many blocks of trajectories there are, and what plays those of them whose numbers it gets.
Part = tuple[int, Callable[[list[int]], Iterable[list[Trajectory]]]]


def play_missing_blocks(parts: Iterable[Part], total: int, unfinished: UnfinishedRollouts, processes) -> None:
    """Plays this process's share of the `total` blocks of all parts, without those that are on disk already.

    Returns when every process (Accelerate's state) has played its share.
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


class UnfinishedRollouts:
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

    def add(self, number: int, block: list[Trajectory]) -> None:
        write_json(self._path(number), [rollout.to_json() for rollout in block], indent=None)

    def trajectories(self) -> Iterator[Trajectory]:
        """All of them in order, one block in memory at a time."""
        for path in self._blocks():
            yield from map(Trajectory.from_json, read_json(path, "the phase"))

    def delete(self) -> None:
        if self.is_main:
            self.output.remove_unfinished(self.folder.name)


def is_whole(block: Path) -> bool:
    """Whether a block can be read from beginning to end."""
    try:
        return isinstance(json.loads(block.read_text(encoding="utf-8")), list)
    except (OSError, ValueError, RecursionError):
        return False
