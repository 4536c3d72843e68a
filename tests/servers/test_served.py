"""Agents on a real server over the loopback: our own model behind `transformers serve` and, if installed, vLLM."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.inference.loading import load_tokenizer
from meeting_agent.inference.template import RESPONSE_TEMPLATE
from meeting_agent.world.tools import TOOLS, tool_schemas

SECONDS_TO_START = 180


def run(*arguments: str) -> None:
    environment = os.environ | {"OPENAI_API_KEY": "none"}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def wait_for(url: str, server: subprocess.Popen) -> None:
    for _ in range(SECONDS_TO_START):
        assert server.poll() is None, "the server has ended"
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(1)
    raise AssertionError("the server did not start")


@pytest.fixture(scope="module")
def merged(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "merged"
    run(
        "-m", "meeting_agent.inference.export", "--adapter=models/sft_prediction_model_gemma_270m", f"--output={folder}"
    )
    return folder


def transformers_serve(model: Path, port: int) -> list[str]:
    program = Path(sys.executable).with_name("transformers")
    return [str(program), "serve", str(model), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]


def vllm_serve(model: Path, port: int) -> list[str]:
    if (program := shutil.which("vllm")) is None:
        pytest.skip("vLLM is not installed")
    chosen = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--gpu-memory-utilization=0.3"]
    return [program, "serve", str(model), *chosen, "--host", "127.0.0.1", "--port", str(port)]


@pytest.fixture(scope="module", params=[transformers_serve, vllm_serve])
def served(merged, request):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = request.param(merged, port)
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(serve, env=environment, start_new_session=True, **silent)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # vLLM's workers outlive their server
        server.wait()


def test_agents_on_a_server(served, merged, tmp_path):
    traces = tmp_path / "traces.json"
    flags = [f"--api_url={served}", f"--model={merged}", "--num_scenarios=4", "--samples_per_scenario=2"]
    run("starter_agentic_traces.py", *flags, "--concurrent_agents=4", f"--traces_path={traces}")
    played = list(TraceFile(traces))
    assert len(played) == 8
    names = {tool.__name__ for tool in TOOLS}
    good = [
        trace.completed_naturally and set(trace.tools_used) <= names and trace.recommendation in ("YES", "NO")
        for trace in played
        if trace.tools_used and trace.failure is None
    ]
    assert sum(good) >= 4  # the server samples without a seed, and one answer in twenty cannot be read


def test_a_merged_export_speaks_and_is_read_like_the_base(merged):
    tokenizer = load_tokenizer(str(merged))
    assert tokenizer.response_template == load_tokenizer("models/base").response_template == RESPONSE_TEMPLATE
    call = {"name": "predict_follow_up_potential", "arguments": {"person_a": "Ada", "person_b": "Bo"}}
    said = {"role": "assistant", "content": "First.", "tool_calls": [{"type": "function", "function": call}]}
    chat = [{"role": "user", "content": "Meet?"}]
    asked = tokenizer.apply_chat_template(chat, tools=tool_schemas(), add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template([*chat, said], tools=tool_schemas(), tokenize=False)
    parsed = tokenizer.parse_response(whole.removeprefix(asked).rstrip(), prefix=asked)
    assert json.loads(json.dumps(parsed)) == said
