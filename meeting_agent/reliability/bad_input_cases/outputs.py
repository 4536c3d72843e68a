"""Places where the output of a script must not go."""

from __future__ import annotations

from pathlib import Path

from meeting_agent.reliability.bad_input_cases.case import ALIGNED, BASE, SFT, Case, Prepare


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
