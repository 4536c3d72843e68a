"""Where the harnesses keep what they found."""

from __future__ import annotations

import json
from pathlib import Path

from meeting_agent.files import read_json, write_json

RECORD = Path("results/reliability.json")


def keep(name: str, figures: dict, path: Path = RECORD) -> None:
    """Puts the figures of one harness beside those of the others, and prints them."""
    known = read_json(path, "the harness") if path.exists() else {}
    write_json(path, dict(sorted((known | {name: figures}).items())))
    print(f"{name}: {json.dumps(figures)}")
