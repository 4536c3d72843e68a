"""One input that a script cannot use, and what cases of several scripts share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from meeting_agent.common.files import BASE_WEIGHTS

Prepare = Callable[[Path], object]

DATA = Path("data/sft_training_data.csv")
BASE = Path("models/base")
SFT = Path("models/sft_prediction_model_gemma_270m")
ALIGNED = Path("models/dpo_aligned_adapter")
TRACES = Path("trajectories/agent_traces.json")
ATTENDEES, MEETINGS = Path("data/sample_attendees.csv"), Path("data/sample_meetings.csv")

# What a script is started with when the case does not say otherwise; `{here}` is the case's own folder.
USUAL = {
    "starter_sft": {"sft_data_path": "{here}/data.csv", "output_model_path": "{here}/out/sft"},
    "starter_agentic_traces": {"sft_model_path": str(SFT), "traces_path": "{here}/out/traces.json"},
    "starter_agentic_rlft": {
        "sft_model_path": str(SFT),
        "traces_path": "{here}/traces.json",
        "pairs_path": "{here}/out/pairs.json",
        "adapter_path": "{here}/out/dpo",
        "results_dir": "{here}/out/results",
    },
}


@dataclass(frozen=True)
class Case:
    """One start of a script: `prepare` puts files into a folder, `says` is part of the line that must come."""

    script: str
    name: str
    says: str
    settings: Mapping[str, object]
    prepare: Prepare


def nothing(_: Path) -> None:
    pass


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def as_pickle(path: Path) -> None:
    path.rename(path.with_name("pytorch_model.bin" if path.name == BASE_WEIGHTS else "adapter_model.bin"))


def usual_data(here: Path) -> None:
    shutil.copy(DATA, here / "data.csv")
