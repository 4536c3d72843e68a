"""When the scenarios of an evaluation were first looked at.

Methods are developed on the development seeds of `data/evaluation_seeds.json`. The reported seeds are for the final
runs. Whoever renews the reference results writes the date into the file by hand; no command changes it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from meeting_agent.common.files import read_json
from meeting_agent.common.settings import PROJECT

SEEDS = PROJECT / "data" / "evaluation_seeds.json"
DEVELOPMENT, UNLISTED = "development", "not listed"


def opened(eval_seed: int, path: Path = SEEDS) -> str:
    """The ISO date on which a reported evaluation seed was first used; today for one that was never used.

    "development" for a development seed. "not listed" for any other seed, and where the file is missing, as in an
    installed package.
    """
    if not path.is_file():
        return UNLISTED
    seeds = read_json(path, "the project")
    if eval_seed in seeds["development"]:
        return DEVELOPMENT
    if str(eval_seed) not in seeds["reported"]:
        return UNLISTED
    return seeds["reported"][str(eval_seed)] or datetime.now(UTC).date().isoformat()
