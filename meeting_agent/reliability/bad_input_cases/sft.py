"""Cases of phase 1: tables of training rows, settings, recipes, bases."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from meeting_agent.common.files import BASE_WEIGHTS
from meeting_agent.reliability.bad_input_cases.case import (
    BASE,
    DATA,
    Case,
    Prepare,
    as_pickle,
    cut,
    nothing,
    usual_data,
)
from meeting_agent.reliability.bad_input_cases.outputs import output_cases
from meeting_agent.tables.workbooks import COMPOUND, ENCRYPTED, ZIP

SCRIPT = "starter_sft"
HEADER = "input_text,target_probability,target_reason,ground_truth_prob\n"


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


def recipe(content: bytes) -> Prepare:
    return lambda here: (here / "recipe.yaml").write_bytes(content) and None


TABLES: dict[str, tuple[Prepare, str]] = {
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
OUT_OF_RANGE: dict[str, object] = {
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
}
RECIPES = {
    "unknown key": (b"lora_rank: 8\n", "unknown setting 'lora_rank'"),
    "wrong type": (b"lora_r: many\n", "lora_r is 'many'"),
    "yes for a number": (b"per_device_train_batch_size: true\n", "per_device_train_batch_size is True"),
    "two precisions": (b"bf16: true\nfp16: true\n", "exclude each other"),
    "a list": (b"- lora_r\n", "must hold settings"),
    "no YAML": (b"lora_r: [1\n", "cannot be read as YAML"),
    "no text": (b"\xff\xfe\x00", "cannot be read as YAML"),
    "out of range": (b"lora_r: 0\n", "--lora_r is 0"),
}
BASES: dict[str, tuple[Prepare, str]] = {
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
OTHERS: dict[str, tuple[Mapping[str, object], str]] = {
    "recipe: none": ({"config": "{here}/no.yaml"}, "cannot be read as YAML"),
    "text for a number": ({"lora_r": "abc"}, "invalid int value"),
    "unknown flag": ({"lora": 3}, "unknown flag --lora: did you mean --lora_r?"),
    "no room for a row": ({"max_length": 5}, "raise --max_length to"),
    "unknown reporter": ({"report_to": "nowhere"}, "nowhere is not supported"),
    "no base named": ({"base_model_name": " "}, "--base_model_name is empty"),
    "output inside a file": ({"output_model_path": "{here}/data.csv/sft"}, "cannot be written"),
}


def sft_cases() -> list[Case]:
    columns = HEADER.strip().split(",")
    without = {column: ",".join(other for other in columns if other != column) for column in columns}
    return [
        *(Case(SCRIPT, name, says, {}, prepare) for name, (prepare, says) in TABLES.items()),
        *(
            Case(SCRIPT, f"no {column}", f"column {column} is missing", {}, data(f"{others}\nx,0.5,0.5\n"))
            for column, others in without.items()
        ),
        *(
            Case(SCRIPT, f"{name} {value}", f"--{name} is", {name: value}, usual_data)
            for name, value in OUT_OF_RANGE.items()
        ),
        *(
            Case(SCRIPT, f"recipe: {name}", says, {"config": "{here}/recipe.yaml"}, recipe(content))
            for name, (content, says) in RECIPES.items()
        ),
        *(
            Case(SCRIPT, name, says, {"base_model_name": "{here}/base"}, prepare)
            for name, (prepare, says) in BASES.items()
        ),
        *(Case(SCRIPT, name, says, given, usual_data) for name, (given, says) in OTHERS.items()),
        *output_cases(SCRIPT, "output_model_path", usual_data),
    ]
