"""What the scripts are given that they cannot use: one `Case` each."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from meeting_agent.agent.trajectory_file import companion
from meeting_agent.common.files import ADAPTER_WEIGHTS, BASE_WEIGHTS
from meeting_agent.tables.workbooks import COMPOUND, ENCRYPTED, ZIP

Prepare = Callable[[Path], object]

DATA = Path("data/sft_training_data.csv")
BASE = Path("models/base")
SFT = Path("models/sft_prediction_model_gemma_270m")
ALIGNED = Path("models/dpo_aligned_adapter")
TRACES = Path("trajectories/agent_traces.json")
ATTENDEES, MEETINGS = Path("data/sample_attendees.csv"), Path("data/sample_meetings.csv")
HEADER = "input_text,target_probability,target_reason,ground_truth_prob\n"

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


# ----------------------------------------------------------------------------- phase 1


def data(content: str | bytes) -> Prepare:
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda here: (here / "data.csv").write_bytes(raw) and None


def row(text: str = "x", target: str = "0.5", reason: str = "energy", truth: str = "0.5") -> str:
    return f"{text},{target},{reason},{truth}\n"


def archive(*names: str) -> Prepare:
    def prepare(here: Path) -> None:
        with zipfile.ZipFile(here / "data.csv", "w") as file:
            for name in names:
                file.writestr(name, "x")

    return prepare


def base_copy(change: Prepare) -> Prepare:
    def prepare(here: Path) -> None:
        shutil.copytree(BASE, here / "base")
        shutil.copy(DATA, here / "data.csv")
        change(here / "base")

    return prepare


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def as_pickle(path: Path) -> None:
    path.rename(path.with_name("pytorch_model.bin" if path.name == BASE_WEIGHTS else "adapter_model.bin"))


def recipe(content: bytes) -> Prepare:
    return lambda here: (here / "recipe.yaml").write_bytes(content) and None


def usual_data(here: Path) -> None:
    shutil.copy(DATA, here / "data.csv")


def sft_cases() -> list[Case]:
    files = {
        "no file": (nothing, "cannot be read"),
        "a folder": (lambda here: (here / "data.csv").mkdir(), "cannot be read"),
        "empty file": (data(""), "is empty: give --sft_data_path a table with the columns input_text"),
        "only a byte order mark": (data("\ufeff \r\n,,,\r\n"), "is empty"),
        "no rows": (data(HEADER), "has no rows"),
        "too few rows": (data(HEADER + row("a") + row("b")), "2 rows are too few"),
        "not a number": (data(HEADER + row() + row(target="high")), "row 2: target_probability is 'high'"),
        "no number": (data(HEADER + row(truth="")), "row 1: ground_truth_prob is ''"),
        "NaN": (data(HEADER + row(target="nan")), "row 1: target_probability is 'nan', not in 0..1"),
        "infinity": (data(HEADER + row(truth="inf")), "row 1: ground_truth_prob is 'inf', not in 0..1"),
        "above 1": (data(HEADER + row(truth="1.5")), "row 1: ground_truth_prob is '1.5', not in 0..1"),
        "below 0": (data(HEADER + row(target="-0.1")), "row 1: target_probability is '-0.1', not in 0..1"),
        "no text": (data(HEADER + row("  ")), "row 1: input_text is empty"),
        "cut row": (data(HEADER + row() + "x,0.5"), "row 2 has not as many fields"),
        "comma without quotes": (data(HEADER + row("a, b")), "row 1 has not as many fields"),
        "open quote": (data(HEADER + '"' + row() * 20), "row 1 has a quote that is not closed"),
        "quotes that meet by chance": (data(HEADER + row(reason='"a') * 2), "row 1 has a quote that is not closed"),
        "two encodings": (data((HEADER + row("café")).encode() + row("café").encode("latin-1")), "line 3 is not"),
        "UTF-16, cut": (data((HEADER + row()).encode("utf-16")[:-1]), "is not text"),
        "a picture": (data(b"\x89PNG\r\n\x1a\n" + bytes(200)), "is not text"),
        "a compressed file": (data(b"\x1f\x8b\x08" + bytes(range(1, 32)) * 9), "is not text"),
        "zeros": (data(bytes(4096)), "is not text"),
        "a page": (data("<html><table><tr><td>input_text"), "holds HTML or XML"),
        "an old workbook": (data(COMPOUND + bytes(200)), "is an old Excel workbook (.xls): save it as .xlsx"),
        "a workbook with a password": (data(COMPOUND + ENCRYPTED), "has a password: take that off"),
        "a cut workbook": (data(ZIP + bytes(200)), "is a damaged workbook or archive"),
        "an archive": (archive("data.csv"), "is an archive, not a table"),
        "an OpenDocument sheet": (archive("mimetype", "content.xml"), "is an OpenDocument file (.ods): save it as"),
        "a Numbers document": (archive("Index/Document.iwa"), "is a Numbers document: save it as .xlsx"),
        "a binary workbook": (archive("xl/workbook.bin"), "is a binary Excel workbook (.xlsb): save it as"),
        "a workbook without sheets": (archive("[Content_Types].xml", "xl/workbook.xml"), "is a damaged workbook"),
        "the same column twice": (data("Input Text," + HEADER + "a," + row()), "column input_text is there 2 times"),
        "separated by blanks": (data(HEADER.replace(",", "  ")), "found between commas: input_text  target_prob"),
        "thousands": (data(HEADER + row(target='"1,234"')), "row 1: target_probability is '1,234', thousands or decim"),
        "percent without its sign": (data(HEADER + row(target="84")), "not in 0..1 (a percentage needs its sign"),
        "too many percent": (data(HEADER + row(target="184%")), "target_probability is '184%', not in 0..1"),
        "grouped digits": (data(HEADER + row(truth="0_5")), "ground_truth_prob is '0_5', not a number"),
        "neither yes nor no": (data(HEADER + row(truth="perhaps")), "give one in 0..1, or yes or no"),
        "a formula's error": (data(HEADER + row(reason="#REF!")), "target_reason is '#REF!', a spreadsheet's error"),
        "nothing to see": (data(HEADER + row("\u200b\u3164")), "row 1: input_text is empty"),
        "NUL": (data(HEADER + row("a\0b")), "row 1: input_text holds the control character"),
        "escape sequence": (data(HEADER + row("a\x1b[2Jb")), "row 1: input_text holds the control character"),
        "bell in the reason": (data(HEADER + row(reason="\a")), "row 1: target_reason holds the control character"),
        "a megabyte of text": (data(HEADER + row("a " * 500_000)), "row 1: input_text has 1000000 characters"),
    }
    cases = [Case("starter_sft", name, says, {}, prepare) for name, (prepare, says) in files.items()]
    for column in HEADER.strip().split(","):
        without = ",".join(c for c in HEADER.strip().split(",") if c != column)
        cases.append(
            Case("starter_sft", f"no {column}", f"column {column} is missing", {}, data(without + "\nx,0.5,0.5\n"))
        )
    for name, value in {
        "lora_r": 0,
        "lora_alpha": -1,
        "lora_dropout": 1.5,
        "num_train_epochs": 0,
        "patience": -3,
        "learning_rate": "nan",
        "loraplus_ratio": 0,
        "weight_decay": -0.1,
        "per_device_train_batch_size": 0,
        "gradient_accumulation_steps": 0,
        "raft_weight": -1,
        "rehearsal_share": 1,
        "max_train_rows": -5,
        "max_length": 0,
        "seed": -1,
    }.items():
        cases.append(Case("starter_sft", f"{name} {value}", f"--{name} is", {name: value}, usual_data))
    recipes = {
        "unknown key": (b"lora_rank: 8\n", "unknown setting 'lora_rank'"),
        "wrong type": (b"lora_r: many\n", "lora_r is 'many'"),
        "yes for a number": (b"per_device_train_batch_size: true\n", "per_device_train_batch_size is True"),
        "two precisions": (b"bf16: true\nfp16: true\n", "exclude each other"),
        "a list": (b"- lora_r\n", "must hold settings"),
        "no YAML": (b"lora_r: [1\n", "cannot be read as YAML"),
        "no text": (b"\xff\xfe\x00", "cannot be read as YAML"),
        "out of range": (b"lora_r: 0\n", "--lora_r is 0"),
    }
    for name, (content, says) in recipes.items():
        given = {"config": "{here}/recipe.yaml"}
        cases.append(Case("starter_sft", f"recipe: {name}", says, given, recipe(content)))
    bases: dict[str, tuple[Prepare, str]] = {
        "no base there": (usual_data, "cannot be loaded"),
        "pickled base": (base_copy(lambda base: as_pickle(base / BASE_WEIGHTS)), "cannot be loaded"),
        "cut base": (base_copy(lambda base: cut(base / BASE_WEIGHTS)), "cannot be loaded"),
        "base without settings": (base_copy(lambda base: (base / "config.json").unlink()), "cannot be loaded"),
        "base, broken settings": (
            base_copy(lambda base: (base / "config.json").write_text("{")),
            "cannot be loaded",
        ),
        "base without tokenizer": (base_copy(lambda base: (base / "tokenizer.json").unlink()), "cannot be loaded"),
    }
    for name, (prepare, says) in bases.items():
        cases.append(Case("starter_sft", name, says, {"base_model_name": "{here}/base"}, prepare))
    others: dict[str, tuple[Mapping[str, object], str]] = {
        "recipe: none": ({"config": "{here}/no.yaml"}, "cannot be read as YAML"),
        "text for a number": ({"lora_r": "abc"}, "invalid int value"),
        "unknown flag": ({"lora": 3}, "unrecognized arguments"),
        "no room for a row": ({"max_length": 5}, "raise --max_length to"),
        "unknown reporter": ({"report_to": "nowhere"}, "nowhere is not supported"),
        "no base named": ({"base_model_name": " "}, "--base_model_name is empty"),
        "output inside a file": ({"output_model_path": "{here}/data.csv/sft"}, "cannot be written"),
    }
    cases += [Case("starter_sft", name, says, given, usual_data) for name, (given, says) in others.items()]
    return cases + output_cases("starter_sft", "output_model_path", usual_data)


def beside(prepare: Prepare, name: str) -> Prepare:
    """`prepare`, and a file that the user has in the case's folder."""

    def prepared(here: Path) -> None:
        prepare(here)
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("the user's own", encoding="utf-8")

    return prepared


def output_cases(script: str, output: str, prepare: Prepare) -> list[Case]:
    """Places where the folder `output` must not go; `prepare` puts what the script reads into the case's folder."""
    outside = str(SFT if script != "starter_sft" else BASE)
    places: dict[str, tuple[Prepare, str, str]] = {
        "a folder with the user's file": (beside(prepare, "mine/notes.txt"), "{here}/mine", "notes.txt is there"),
        "a folder with a file below": (beside(prepare, "mine/a/b.txt"), "{here}/mine", "b.txt is there"),
        "the user's file": (beside(prepare, "mine"), "{here}/mine", "is no folder"),
        "the folder of what it reads": (prepare, "{here}", f"--{output}"),
        "what it reads": (prepare, outside, "which this run reads"),
        "the folder of all models": (prepare, "models", "holds "),
        "inside what it reads": (prepare, f"{outside}/new", "lies inside "),
        "another kind of adapter": (prepare, str(ALIGNED if script == "starter_sft" else SFT), "adapter"),
        "committed results": (prepare, "results", "holds results"),
    }
    return [
        Case(script, f"{output}: {name}", says, {output: place}, prepared)
        for name, (prepared, place, says) in places.items()
    ]


def file_cases(script: str, output: str, source: str, prepare: Prepare) -> list[Case]:
    """The same for an output that is one file."""
    places: dict[str, tuple[Prepare, str, str]] = {
        "the user's file": (beside(prepare, "mine.csv"), "{here}/mine.csv", "mine.csv is there already"),
        "a folder": (beside(prepare, "mine/notes.txt"), "{here}/mine", "is a folder"),
        "what it reads": (prepare, source, "is "),
        "inside what it reads": (prepare, f"{SFT}/new.json", "lies inside --sft_model_path"),
        "a device": (prepare, "/dev/null", "is no file"),
        "another kind of file": (prepare, "results/metrics.json", "holds results"),
    }
    return [
        Case(script, f"{output}: {name}", says, {output: place}, prepared)
        for name, (prepared, place, says) in places.items()
    ]


# ----------------------------------------------------------------------------- phases 2 and 3


def adapter_copy(change: Prepare) -> Prepare:
    def prepare(here: Path) -> None:
        shutil.copytree(SFT, here / "sft")
        change(here / "sft")

    return prepare


def edit_json(name: str, **values: object) -> Prepare:
    def change(folder: Path) -> None:
        known = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps(known | values), encoding="utf-8")

    return change


def of_other_shape(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / ADAPTER_WEIGHTS)
    save_file({name: w[:, : w.shape[1] // 2].contiguous() for name, w in weights.items()}, folder / ADAPTER_WEIGHTS)


def adapter_cases(script: str) -> list[Case]:
    changes: dict[str, tuple[Prepare, str]] = {
        "no weights": (lambda a: (a / ADAPTER_WEIGHTS).unlink(), "run starter_sft.py first"),
        "pickled weights": (lambda a: as_pickle(a / ADAPTER_WEIGHTS), "run starter_sft.py first"),
        "broken settings": (lambda a: (a / "adapter_config.json").write_text("{"), "holds no LoRA adapter"),
        "no settings": (lambda a: (a / "adapter_config.json").unlink(), "holds no LoRA adapter"),
        "log of another base": (edit_json("training_log.json", sha256={"base": "0"}), "was trained on another"),
        "no log": (lambda a: (a / "training_log.json").unlink(), "run starter_sft.py first"),
    }
    if script == "starter_agentic_traces":
        changes |= {
            "cut weights": (lambda a: cut(a / ADAPTER_WEIGHTS), "is broken"),
            "weights of another base": (of_other_shape, "does not fit its base model"),
            "base not there": (edit_json("adapter_config.json", base_model_name_or_path="/none"), "cannot be loaded"),
        }
    else:
        changes["other weights"] = (lambda a: cut(a / ADAPTER_WEIGHTS), "was not played by")

    def prepare(change: Prepare) -> Prepare:
        def prepared(here: Path) -> None:
            adapter_copy(lambda a: change(a))(here)
            if script == "starter_agentic_rlft":
                traces()(here)

        return prepared

    given = {"sft_model_path": "{here}/sft"}
    return [Case(script, f"adapter: {n}", says, given, prepare(change)) for n, (change, says) in changes.items()]


OWN = {"attendees": "{here}/people.csv", "meetings": "{here}/meetings.csv"}


def own(name: str, old: str, new: str, then: Prepare = nothing) -> Prepare:
    """The samples of one's own attendees and meetings, with `old` replaced once in the file `name`."""

    def prepare(here: Path) -> None:
        then(here)
        for file, sample in (("people.csv", ATTENDEES), ("meetings.csv", MEETINGS)):
            text = sample.read_text(encoding="utf-8")
            (here / file).write_text(text.replace(old, new, 1) if file == name else text, encoding="utf-8")

    return prepare


def with_two_needs(line: str) -> str:
    fields = line.split(",")
    return ",".join([*fields[:4], "funding|hiring", *fields[5:]])


def own_cases(script: str, prepared: Prepare) -> list[Case]:
    first, meeting = (path.read_text(encoding="utf-8").splitlines()[1] for path in (ATTENDEES, MEETINGS))
    name, a = first.split(",")[0], meeting.split(",")[0]
    changes = {
        "no column": ("people.csv", "mood", "moods", "column mood is missing"),
        "same name": ("people.csv", "\n", f"\n{first}\n", f"row 2: name is '{name}', as in"),
        "same name in capitals": ("people.csv", "\n", f"\n{first.upper()}\n", f"row 2: name is '{name}', as in"),
        "invisible name": ("people.csv", name, "\u3164", "row 1: name is ''"),
        "one column under another's name": ("people.csv", "role", "Mood ", "column role is missing"),
        "two needs": ("people.csv", first, with_two_needs(first), "2 parts between pipes: give 1 at most"),
        "unknown role": ("people.csv", first, f"{name},{','.join(['cook', *first.split(',')[2:]])}", "'cook', none of"),
        "escape in a name": ("people.csv", name, "A\x1bB", "row 1: name holds the control character"),
        "unknown attendee": ("meetings.csv", a, "Nobody", "row 1: person_a is 'Nobody', none of the attendees"),
        "no answer": ("meetings.csv", meeting, meeting.rpartition(",")[0] + ",", "row 1: success is '', not a number"),
        "no slot": ("meetings.csv", meeting.split(",")[2], "noon", "time_slot is 'noon', no slot"),
        "same meeting": ("meetings.csv", "\n", f"\n{meeting}\n", "row 2 is the same meeting as"),
    }
    cases = [
        Case(script, f"own people: {what}", says, OWN, own(file, old, new, prepared))
        for what, (file, old, new, says) in changes.items()
    ]
    few = own("meetings.csv", "\n".join(MEETINGS.read_text(encoding="utf-8").splitlines()[9:]), "", prepared)
    return [
        *cases,
        Case(script, "own people: few meetings", "too few, each side needs", OWN, few),
        Case(script, "own people: none", "cannot be read", OWN, prepared),
        Case(script, "people without meetings", "go together", {"attendees": str(ATTENDEES)}, prepared),
        Case(script, "meetings without people", "go together", {"meetings": str(MEETINGS)}, prepared),
    ]


def traces_cases() -> list[Case]:
    script = "starter_agentic_traces"
    settings = {
        "num_scenarios": (0, -1, 10_000_001),
        "samples_per_scenario": (0,),
        "temperature": (-1, "nan"),
        "concurrent_agents": (0,),
        "max_failed_share": (2,),
        "seed": (-1,),
    }
    cases = [
        Case(script, f"{name} {value}", f"--{name} is", {name: value}, nothing)
        for name, values in settings.items()
        for value in values
    ]
    return [
        *cases,
        *adapter_cases(script),
        *own_cases(script, nothing),
        Case(script, "no adapter", "run starter_sft.py first", {"sft_model_path": "{here}/none"}, nothing),
        Case(script, "server without model", "go together", {"api_url": "http://127.0.0.1:9"}, nothing),
        Case(script, "model without server", "go together", {"model": "m"}, nothing),
        Case(
            script, "output inside a file", "cannot be written", {"traces_path": "{here}/data.csv/t.json"}, usual_data
        ),
        *file_cases(script, "traces_path", str(SFT), nothing),
        Case(
            script,
            "traces_path: the attendees",
            "is --attendees, which this run reads",
            OWN | {"traces_path": "{here}/people.csv"},
            own("people.csv", "", ""),
        ),
    ]


def traces(change: Callable[[list], object] | None = None, summary: bool = True) -> Prepare:
    """Forty trajectories of the reference run, changed in place; `change` may also return what to write instead."""

    def prepare(here: Path) -> None:
        some = json.loads(TRACES.read_text(encoding="utf-8"))[:40]
        instead = change(some) if change else None
        (here / "traces.json").write_text(json.dumps(some if instead is None else instead), encoding="utf-8")
        if summary:
            shutil.copy(companion(TRACES, "summary"), here / "traces.summary.json")

    return prepare


def put(**values: object) -> Callable[[list], object]:
    return lambda some: some[3].update(values)


def take_out(name: str) -> Callable[[list], object]:
    def change(some: list) -> None:
        del some[3][name]

    return change


def rlft_cases() -> list[Case]:
    script = "starter_agentic_rlft"
    changes: dict[str, tuple[Prepare, str]] = {
        "none": (nothing, "run starter_agentic_traces.py first"),
        "cut": (lambda here: (here / "traces.json").write_text('[{"id": '), "cannot be read as JSON"),
        "no text": (lambda here: (here / "traces.json").write_bytes(b"\xff\xfe"), "cannot be read as JSON"),
        "deeply nested": (lambda here: (here / "traces.json").write_text("[" * 10**6), "cannot be read"),
        "empty": (traces(lambda some: []), "holds no trajectories"),
        "an object": (traces(lambda some: {"traces": some}), "holds no trajectories"),
        "no objects": (traces(lambda some: [1, 2]), "trajectory 0: is no object"),
        "reward as text": (traces(put(reward="good")), "trajectory 3: reward is 'good'"),
        "reward NaN": (traces(put(reward=float("nan"))), "cannot be read as JSON"),
        "reward too high": (traces(put(reward=5)), "trajectory 3: reward is 5"),
        "messages as text": (traces(put(messages="hello")), "trajectory 3: messages is 'hello'"),
        "no messages": (traces(put(messages=[])), "trajectory 3: messages are not"),
        "messages without role": (traces(put(messages=[{"content": "x"}] * 3)), "trajectory 3: messages are not"),
        "tools as a number": (traces(put(tools_used=2)), "trajectory 3: tools_used is '2'"),
        "twice the same": (traces(lambda some: some + some[:1]), "occurs twice"),
        "nothing to prefer": (
            traces(lambda some: [t | {"final_recommendation_parsed": "YES", "reward": 1.0} for t in some]),
            "no scenario has a better and a worse",
        ),
        "no summary": (traces(summary=False), "traces.summary.json is missing"),
    }
    cases = [Case(script, f"trajectories: {n}", says, {}, prepare) for n, (prepare, says) in changes.items()]
    for name in ("id", "scenario_id", "initial_user_prompt", "messages", "tools_used", "reward", "true_outcome"):
        says = f"trajectory 3: {name} is missing"
        cases.append(Case(script, f"trajectories: without {name}", says, {}, traces(take_out(name))))
    settings = {
        "beta": (0, -0.1),
        "sft_weight": (-1,),
        "learning_rate": (0, "inf"),
        "loraplus_ratio": (0,),
        "max_steps": (0,),
        "per_device_train_batch_size": (-8,),
        "min_reward_gap": (0,),
        "min_chosen_reward": (2,),
        "max_uses": (0,),
        "max_pairs": (0,),
        "num_eval_scenarios": (0, 1_000_000),
        "eval_seed": (-1,),
        "eval_temperature": (-0.5,),
    }
    for name, values in settings.items():
        for value in values:
            cases.append(Case(script, f"{name} {value}", f"--{name} is", {name: value}, traces()))
    given = {"results_dir": "{here}/traces.json/results"}
    cases.append(Case(script, "results inside a file", "cannot be written", given, traces()))
    cases += output_cases(script, "adapter_path", traces())
    cases += output_cases(script, "results_dir", traces())[:5]
    cases += file_cases(script, "pairs_path", "{here}/traces.json", traces())
    for name, given in {
        "results over the adapter": {"results_dir": "{here}/out/dpo"},
        "pairs over the summary": {"pairs_path": "{here}/traces.summary.json"},
        "pairs inside the results": {"pairs_path": "{here}/out/results/pairs.json"},
        "adapter inside the results": {"results_dir": "{here}/out"},
    }.items():
        cases.append(Case(script, name, "reads: give" if "summary" in name else "give each", given, traces()))
    return cases + adapter_cases(script) + own_cases(script, traces())


def all_cases() -> list[Case]:
    return sft_cases() + traces_cases() + rlft_cases()
