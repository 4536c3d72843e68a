"""What is on disk stays whole: full disk, Ctrl-C."""

import resource
import signal
import subprocess
import sys
import time

import pytest

from meeting_agent.common.files import write_text
from meeting_agent.common.outputs import Output


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def no_file_above(size):
    """A full disk, as far as a process can tell: writing beyond `size` bytes fails."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def only_line(process):
    _, said = process.communicate(timeout=300)
    lines = [line for line in said.splitlines() if "Warning" not in line and "warnings.warn" not in line]
    assert len(lines) == 1, said
    return lines[0]


@pytest.mark.parametrize("room", [100_000, 1_000_000])
def test_no_room_for_a_checkpoint_is_one_line_and_keeps_the_old_adapter(tmp_path, room):
    with Output("", tmp_path / "sft", "a phase 1 adapter", is_folder=True).writing() as folder:
        write_text(folder / "old", "old")
    process = start(
        *("starter_sft.py", "--max_train_rows=40", "--num_train_epochs=1", f"--output_model_path={tmp_path}/sft"),
        preexec_fn=no_file_above(room),
    )
    line = only_line(process)
    assert process.returncode == 2, line
    assert "cannot be written" in line
    assert [p.name for p in (tmp_path / "sft").iterdir() if not p.name.startswith(".")] == ["old"]


def test_no_room_for_trajectories_is_one_line_and_keeps_the_old_ones(tmp_path):
    path = tmp_path / "traces.json"
    Output("", path, "trajectories").write("old")
    process = start(
        *("starter_agentic_traces.py", "--num_scenarios=12", "--samples_per_scenario=1", f"--traces_path={path}"),
        preexec_fn=no_file_above(5_000),
    )
    line = only_line(process)
    assert process.returncode == 2, line
    assert "cannot be written" in line
    assert path.read_text() == "old"


def test_ctrl_c_is_one_line_and_keeps_the_old_trajectories(tmp_path):
    path = tmp_path / "traces.json"
    Output("", path, "trajectories").write("old")
    process = start(
        *("starter_agentic_traces.py", f"--traces_path={path}", "--concurrent_agents=8"),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    unfinished = tmp_path / ".traces.json.unfinished"
    deadline = time.monotonic() + 120
    while not list(unfinished.glob("*/block-*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert only_line(process) == "stopped: start again with the same command to go on"
    assert process.returncode == 130
    assert path.read_text() == "old"
    assert list(unfinished.glob("*/block-*.json"))
