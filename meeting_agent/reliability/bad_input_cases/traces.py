"""Cases of phase 2: settings, adapters, attendees and their meetings, the output."""

from __future__ import annotations

from pathlib import Path

from meeting_agent.common.files import ADAPTER_WEIGHTS
from meeting_agent.reliability.bad_input_cases.case import SFT, Case, Prepare, cut, nothing, usual_data
from meeting_agent.reliability.bad_input_cases.hand_offs import OWN, adapter_cases, edit_json, own, own_cases
from meeting_agent.reliability.bad_input_cases.outputs import file_cases

SCRIPT = "starter_agentic_traces"


def of_other_shape(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / ADAPTER_WEIGHTS)
    save_file({name: w[:, : w.shape[1] // 2].contiguous() for name, w in weights.items()}, folder / ADAPTER_WEIGHTS)


ADAPTERS: dict[str, tuple[Prepare, str]] = {
    "cut weights": (lambda a: cut(a / ADAPTER_WEIGHTS), "is broken"),
    "weights of another base": (of_other_shape, "does not fit its base model"),
    "base not there": (edit_json("adapter_config.json", base_model_name_or_path="/none"), "cannot be loaded"),
}


def traces_cases() -> list[Case]:
    settings = {
        "num_scenarios": (0, -1, 10_000_001),
        "samples_per_scenario": (0,),
        "temperature": (-1, "nan"),
        "concurrent_agents": (0,),
        "max_failed_share": (2,),
        "seed": (-1,),
    }
    cases = [
        Case(SCRIPT, f"{name} {value}", f"--{name} is", {name: value}, nothing)
        for name, values in settings.items()
        for value in values
    ]
    return [
        *cases,
        *adapter_cases(SCRIPT, nothing, ADAPTERS),
        *own_cases(SCRIPT, nothing),
        Case(SCRIPT, "no adapter", "run starter_sft.py first", {"sft_model_path": "{here}/none"}, nothing),
        Case(SCRIPT, "server without model", "go together", {"api_url": "http://127.0.0.1:9"}, nothing),
        Case(SCRIPT, "model without server", "go together", {"model": "m"}, nothing),
        Case(
            SCRIPT, "output inside a file", "cannot be written", {"traces_path": "{here}/data.csv/t.json"}, usual_data
        ),
        *file_cases(SCRIPT, "traces_path", str(SFT), nothing),
        Case(
            SCRIPT,
            "traces_path: the attendees",
            "is --attendees, which this run reads",
            OWN | {"traces_path": "{here}/people.csv"},
            own("people.csv", "", ""),
        ),
    ]
