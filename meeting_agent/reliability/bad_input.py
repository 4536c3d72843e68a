"""Gives every script input that it cannot use, and looks at what it says.

    python -m meeting_agent.reliability.bad_input

Each case must end with exit status 2 and one line that names the place, without a traceback, and leave nothing behind.
"""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from meeting_agent.common.files import digest
from meeting_agent.common.settings import PROJECT, parse_settings, run_script, setting
from meeting_agent.reliability.bad_input_cases import all_cases
from meeting_agent.reliability.bad_input_cases.case import USUAL, Case
from meeting_agent.reliability.record import keep, open_record, record_setting


@dataclass
class BadInputConfig:
    """Settings of the harness."""

    cases: int = setting(0, "only so many cases; 0 takes all", 0, 1_000_000)
    output: str = record_setting()


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): digest(p) if p.is_file() else "" for p in folder.rglob("*")}


def complaint(case: Case, here: Path) -> str | None:
    """A description of how a script fails to refuse the input of a case. None if it refuses correctly."""
    case.prepare(here)
    before = contents(here)
    given = {name: str(v).format(here=here) for name, v in {**USUAL[case.script], **case.settings}.items()}
    said, status = io.StringIO(), 0
    script = PROJECT / f"{case.script}.py"
    old, sys.argv = sys.argv, [str(script), *(f"--{name}={value}" for name, value in given.items())]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        status = int(end.code or 0)
    except Exception as error:  # the user would see a traceback
        return f"raised {error!r}"
    finally:
        sys.argv = old
    lines = [line for line in said.getvalue().splitlines() if "Warning" not in line]
    if status != 2:
        return f"exit status {status}"
    if len(lines) != 1 or not lines[0].startswith("error: ") or case.says not in lines[0]:
        return f"said {lines[:3]}"
    if (after := contents(here)) != before:
        return f"left or changed {sorted(name for name, _ in after.items() ^ before.items())}"
    return None


def main() -> None:
    config = parse_settings(BadInputConfig, __doc__.splitlines()[0])
    record = open_record(config.output)
    cases = all_cases()[: config.cases or None]
    refused = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            problem = complaint(case, Path(folder))
        refused += problem is None
        if problem:
            print(f"{case.script}, {case.name}: {problem}", flush=True)
    keep("bad_input", {"cases": len(cases), "refused_in_one_line": refused}, record)


if __name__ == "__main__":
    run_script(main)
