"""The record of the harnesses' results."""

from __future__ import annotations

import json
from typing import Any

from meeting_agent.common.files import json_text, read_json
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import output_path


def record_setting() -> Any:
    """The flag of every harness that names the record."""
    return output_path("results/reliability.json", "where the figures go, beside those of the other harnesses")


def open_record(path: str) -> Output:
    """The record, once it is known that it can be written: before the harness works for hours."""
    output = Output("--output", path, "results")
    output.check()
    return output


def keep(name: str, figures: dict, record: Output) -> None:
    """Puts the figures of one harness beside those of the others, and prints them."""
    known = read_json(record.path, "the harness") if record.path.exists() else {}
    record.write(json_text(dict(sorted((known | {name: figures}).items()))))
    print(f"{name}: {json.dumps(figures)}")
