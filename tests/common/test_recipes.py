"""Every recipe is one that its phase takes, and the embedded one is what runs without any."""

from pathlib import Path

import pytest

from meeting_agent.common.settings import parse_settings
from starter_agentic_rlft import RLFTConfig
from starter_agentic_traces import TraceConfig
from starter_sft import SFTConfig

PHASES = {"sft": SFTConfig, "traces": TraceConfig, "rlft": RLFTConfig}
FOLDERS = sorted(Path("recipes").iterdir())


def read(folder, phase):
    return parse_settings(PHASES[phase], "", ["--config", str(folder / f"{phase}.yaml")])


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_phases_of_a_recipe_hand_on_to_each_other(folder):
    assert sorted(p.stem for p in folder.iterdir()) == sorted(PHASES)
    sft, traces, rlft = (read(folder, phase) for phase in PHASES)
    assert sft.output_model_path == traces.sft_model_path == rlft.sft_model_path
    assert traces.traces_path == rlft.traces_path


@pytest.mark.parametrize("phase", PHASES)
def test_the_embedded_recipe_is_the_defaults(phase):
    assert read(Path("recipes/embedded"), phase) == PHASES[phase]()


def test_no_two_recipes_write_to_the_same_place():
    written = [read(folder, "rlft").adapter_path for folder in FOLDERS]
    assert len(set(written)) == len(written)
