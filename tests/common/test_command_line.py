"""Scripts from the outside: help, bad input, and a complete miniature run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meeting_agent.common.files import InputError
from meeting_agent.common.manifest import RECORD
from meeting_agent.common.settings import parse_settings
from starter_sft import SFTConfig

SCRIPTS = ("starter_sft.py", "starter_agentic_traces.py", "starter_agentic_rlft.py")


# Runs a script and ends it with status 99 as soon as it looks up a name or connects to another machine.
OFFLINE = """
import os, runpy, sys
def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto") or (
        event == "socket.connect" and isinstance(arguments[1], tuple)
    ):
        os.write(2, f"network: {event} {arguments[1:]}".encode())
        os._exit(99)
sys.addaudithook(watch)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*arguments, timeout=600):
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_quick_and_names_every_setting(script):
    started = time.monotonic()
    done = run(script, "--help")
    assert done.returncode == 0
    assert time.monotonic() - started < 2.0
    assert "--seed" in done.stdout
    assert "--config" in done.stdout


def test_importing_the_records_loads_no_heavy_library():
    done = run("-c", "import sys, data_classes; print(*{'torch', 'npcpy', 'transformers'} & sys.modules.keys())")
    assert done.stdout.strip() == ""


def test_importing_a_script_runs_nothing():
    for script in SCRIPTS:
        done = run("-c", f"import sys, {script[:-3]}; print('torch' in sys.modules)")
        assert done.stdout.strip() == "False", done.stderr


HEADER = "input_text,target_probability,target_reason,ground_truth_prob\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("input_text,target_probability,target_reason\nx,0.5,e\n", "column ground_truth_prob is missing"),
        (HEADER + "x,0.5,e,0.5\ny,high,e,0.5\n", "row 2: target_probability is 'high', not a number"),
        (HEADER + "x,0.5,e,0.5\n", "1 rows are too few"),
    ],
)
def test_bad_data_is_one_line_and_status_2(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    done = run("starter_sft.py", "--sft_data_path", path, "--output_model_path", tmp_path / "model")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_missing_hand_offs_name_the_phase_to_run(tmp_path):
    done = run("starter_agentic_traces.py", "--sft_model_path", tmp_path / "none")
    assert (done.returncode, "run starter_sft.py first" in done.stderr) == (2, True)
    outputs = {"--pairs_path": "p.json", "--adapter_path": "dpo", "--results_dir": "results"}
    rlft = ["starter_agentic_rlft.py", *(f"{flag}={tmp_path / name}" for flag, name in outputs.items())]
    done = run(*rlft, "--traces_path", tmp_path / "none.json")
    assert (done.returncode, "run starter_agentic_traces.py first" in done.stderr) == (2, True)
    (tmp_path / "torn.json").write_text('[{"id": ')
    done = run(*rlft, "--traces_path", tmp_path / "torn.json")
    assert (done.returncode, "run starter_agentic_traces.py again" in done.stderr) == (2, True)


def test_recipes_are_flags_in_a_file(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("learning_rate: 3e-5\nsft_data_path: nowhere.csv\n")
    assert "nowhere.csv cannot be read" in run("starter_sft.py", "--config", recipe).stderr
    recipe.write_text("learning_rat: 1\n")
    assert "unknown setting 'learning_rat'" in run("starter_sft.py", "--config", recipe).stderr


def test_every_command_takes_its_flags_from_settings():
    parsing = [path for path in Path("meeting_agent").rglob("*.py") if "argparse" in path.read_text(encoding="utf-8")]
    assert parsing == [Path("meeting_agent/common/settings.py")]


@pytest.mark.parametrize(
    "flags",
    [
        ["--output_model_path", "out/my-model", "--lora_r=4", "--no-bf16", "--gradient_checkpointing"],
        ["--output-model-path", "out/my-model", "--lora-r=4", "--no_bf16", "--gradient-checkpointing"],
        [
            "--output-model_path=out/my-model",
            "--lora-r",
            "4",
            "--no-gradient-checkpointing",
            "--gradient-checkpointing",
        ],
    ],
)
def test_dashes_in_the_name_of_a_flag_are_underscores(flags):
    config = parse_settings(SFTConfig, "", flags)
    assert (config.output_model_path, config.lora_r) == ("out/my-model", 4)
    assert (config.bf16, config.gradient_checkpointing) == (False, True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output-model-pth", "x"], "unknown flag --output-model-pth: did you mean --output_model_path?"),
        (["--lora-rank=4"], "unknown flag --lora-rank: did you mean --lora_r?"),
        (["--learning_rte=1", "--seed=1"], "unknown flag --learning_rte: did you mean --learning_rate?"),
        (["--no-bf-16"], "unknown flag --no-bf-16: did you mean --no-bf16?"),
        (["--confg", "x.yaml"], "unknown flag --confg: did you mean --config?"),
        (["--qwertz", "3"], "unknown flag --qwertz; --help lists what there is"),
        (["data.csv"], "'data.csv' belongs to no flag; --help lists what there is"),
        (["--lora_r", "many"], "argument --lora_r: invalid int value: 'many'; --help lists what there is"),
    ],
)
def test_an_unknown_flag_is_one_line_that_says_what_was_meant(flags, message):
    with pytest.raises(InputError) as refused:
        parse_settings(SFTConfig, "", flags)
    assert str(refused.value) == message


@pytest.mark.parametrize("program", [["starter_sft.py"], ["-m", "meeting_agent.evaluation.criteria"]])
def test_an_unknown_flag_is_status_2_and_no_traceback(program):
    done = run(*program, "--confg", "recipe.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown flag --confg: did you mean --config?\n"


def test_the_watch_for_connections_sees_them(tmp_path):
    script = tmp_path / "script.py"
    for line in ("socket.create_connection(('127.0.0.1', 9))", "socket.getaddrinfo('example.org', 80)"):
        script.write_text(f"import socket; {line}")
        assert run("-c", OFFLINE, script).returncode == 99


def test_miniature_run_of_all_phases(tmp_path):
    """Every hand-off through files, on little data, in a scratch directory, without any connection."""
    sft, traces, results = tmp_path / "sft", tmp_path / "traces.json", tmp_path / "results"
    done = run(
        *("-c", OFFLINE, "starter_sft.py", "--output_model_path", sft, "--seed", 5),
        *("--max_train_rows", 60, "--num_train_epochs", 1),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Learnability audit")
    assert (sft / "adapter_model.safetensors").exists()
    done = run(
        *("-c", OFFLINE, "starter_agentic_traces.py", "--sft_model_path", sft, "--traces_path", traces, "--seed", 5),
        *("--num_scenarios", 24, "--samples_per_scenario", 4),
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(traces.read_text())) == 96
    done = run(
        *("-c", OFFLINE, "starter_agentic_rlft.py", "--sft_model_path", sft, "--traces_path", traces, "--seed", 5),
        *("--max_steps", 2),
        *("--pairs_path", tmp_path / "pairs.json", "--adapter_path", tmp_path / "dpo", "--results_dir", results),
        *("--num_eval_scenarios", 12, "--per_device_train_batch_size", 2),
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads((results / "metrics.json").read_text())
    assert {"base", "sft", "agent", "dpo"} == set(metrics["phases"])
    assert metrics["phases"]["dpo"]["n"] == 12
    for name in ("evaluation_report.md", "accuracy_ladder.png", "loss_curves.png", "evaluation_scenarios.csv"):
        assert (results / name).exists()
    assert "Evaluation report" in (results / "report.html").read_text(encoding="utf-8")
    evaluated = json.loads((tmp_path / "evaluation_traces.json").read_text())
    assert [t["policy"] for t in evaluated] == ["sft"] * 12 + ["dpo"] * 12
    assert {p.name for p in Path(tmp_path).rglob(".*")} == {RECORD}
    weights = sft / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    done = run("starter_agentic_rlft.py", "--sft_model_path", sft, "--traces_path", traces)
    assert (done.returncode, "was not played by" in done.stderr) == (2, True)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_names_that_the_output_cannot_spell_are_escaped(encoding):
    """Redirected on Windows, output has the encoding of the code page."""
    code = "from meeting_agent.common.settings import run_script; run_script(lambda: print('Łukasz 李 \\ud83d'))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode(encoding).strip() == ("Łukasz 李" if encoding == "utf-8" else r"\u0141ukasz \u674e") + (
        r" \ud83d"
    )


def test_a_reader_that_has_enough_is_no_failure():
    code = "from meeting_agent.common.settings import run_script; run_script(lambda: print('x\\n' * 10**6))"
    done = subprocess.run(f'{sys.executable} -c "{code}" | head -1', shell=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("x\n", "")
