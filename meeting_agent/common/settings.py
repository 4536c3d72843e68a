"""Settings are dataclasses: their fields are the flags and the YAML keys, their docstrings the help."""

from __future__ import annotations

import argparse
import difflib
import errno
import gc
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from typing import Any, NoReturn

from meeting_agent.common.files import InputError

PROJECT = Path(__file__).resolve().parents[2]


def setting(default: Any, help: str, low: float | None = None, high: float | None = None) -> Any:
    """A dataclass field with one line of help and, for a number, its range [low, high]."""
    return field(default=default, metadata={"help": help, "range": None if low is None else (low, high)})


def input_path(default: str, help: str) -> Any:
    """A dataclass field for the path of a file or folder that the run reads."""
    return field(default=default, metadata={"help": help, "range": None, "path": "input"})


def output_path(default: str, help: str) -> Any:
    """A dataclass field for the path of a file or folder that the run writes."""
    return field(default=default, metadata={"help": help, "range": None, "path": "output"})


def overwrite_setting() -> Any:
    """The flag that lets a run replace files that are not ours. It does not affect results, so it is not recorded."""
    says = "replace files at the place of an output, even if this program did not write them"
    return field(default=False, metadata={"help": says, "range": None, "recorded": False})


def recorded(config: Any) -> dict[str, Any]:
    """Name -> value of all settings that affect the results of a run."""
    return {f.name: getattr(config, f.name) for f in fields(config) if f.metadata.get("recorded", True)}


def parse_settings(cls: type, description: str, arguments: list[str] | None = None) -> Any:
    """Builds `cls` from flags and, below them, from the YAML file that `--config` names.

    Dashes in a flag's name mean underscores. Raises InputError for an unknown or unusable flag or key, a value out of
    range, or a YAML file that cannot be read.
    """
    parser = settings_parser(cls, description)
    words = [as_spelled_here(word, cls) for word in (sys.argv[1:] if arguments is None else arguments)]
    given, _ = parser.parse_known_args(words)
    if given.config is not None:
        parser.set_defaults(**_read_recipe(given.config, cls))
    given, unknown = parser.parse_known_args(words)
    if unknown:
        raise InputError(what_was_meant(unknown, cls))
    values = vars(given)
    values.pop("config")
    for f in fields(cls):
        if f.metadata["range"]:
            check_range(f.name, values[f.name], *f.metadata["range"])
        if f.metadata.get("path"):
            values[f.name] = _located(values[f.name], str(default_of(f)), f.metadata["path"] == "input")
    return cls(**values)


def settings_parser(cls: type, description: str) -> argparse.ArgumentParser:
    """A parser with a flag for each field of `cls`, and `--config`."""
    parser = Parser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False)
    parser.add_argument("--config", type=Path, help="YAML file of settings; flags override it")
    for f in fields(cls):
        kind = {"int": int, "float": float, "str": str, "bool": bool}[str(f.type)]
        options: dict[str, Any] = {"help": f.metadata["help"], "default": default_of(f)}
        if kind is bool:
            parser.add_argument(f"--{f.name}", action=argparse.BooleanOptionalAction, **options)
        else:
            parser.add_argument(f"--{f.name}", type=kind, **options)
    return parser


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; --help lists what there is")


def flags_of(cls: type) -> dict[str, str]:
    """The flags of `cls` by their names, which have underscores and no dashes."""
    switches = {f"no_{f.name}": f"--no-{f.name}" for f in fields(cls) if str(f.type) == "bool"}
    return {"help": "--help", "config": "--config"} | {f.name: f"--{f.name}" for f in fields(cls)} | switches


def without_dashes(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def as_spelled_here(word: str, cls: type) -> str:
    """`--lora-r=4` is `--lora_r=4`; a word that is no flag of `cls` stays as it is."""
    flag, equals, value = word.partition("=")
    known = flags_of(cls).get(without_dashes(flag), flag) if flag.startswith("--") else flag
    return known + equals + value


def what_was_meant(unknown: list[str], cls: type) -> str:
    """Refuses the words that no flag of `cls` takes, and names the flag whose spelling is closest."""
    flag = next((word.partition("=")[0] for word in unknown if word.startswith("-")), "")
    if not flag:
        return f"{unknown[0]!r} belongs to no flag; --help lists what there is"
    flags = flags_of(cls)
    if closest := difflib.get_close_matches(without_dashes(flag), flags, n=1):
        return f"unknown flag {flag}: did you mean {flags[closest[0]]}?"
    return f"unknown flag {flag}; --help lists what there is"


def default_of(f: Field) -> Any:
    return f.default if f.default is not MISSING else None


def _located(name: str, default: str, is_input: bool) -> str:
    """Resolves a path for any working directory. Defaults are relative to the project's folder.

    In the project's folder, and for a name on the hub, the path is returned as given.
    """
    if not name or Path.cwd() == PROJECT:
        return os.path.expanduser(name)
    here = Path(name).expanduser()
    in_project = PROJECT / here
    if name == default or (is_input and not here.exists()):
        return str(in_project) if in_project.exists() or name == default else name
    return str(here.absolute())


def _read_recipe(path: Path, cls: type) -> dict[str, Any]:
    import yaml

    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(recipe, dict):
        raise InputError(f"{path} must hold settings as `name: value` lines")
    known = {f.name: str(f.type) for f in fields(cls)}
    checked = {}
    for key, value in recipe.items():
        if key not in known:
            raise InputError(f"{path}: unknown setting {key!r}; known: {', '.join(known)}")
        kind: Any = {"int": int, "float": (int, float), "str": str, "bool": bool}[known[key]]
        if known[key] == "float" and isinstance(value, str):  # YAML reads 5e-5 as text
            try:
                value = float(value)
            except ValueError:
                raise InputError(f"{path}: {key} is {value!r}, not a number") from None
        if not isinstance(value, kind) or (isinstance(value, bool) and known[key] != "bool"):
            raise InputError(f"{path}: {key} is {value!r}, not of type {known[key]}")
        checked[key] = value
    return checked


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raises InputError unless low <= value <= high."""
    if not low <= value <= high:
        raise InputError(f"--{name} is {value}: give a value in {low}..{high}")


# Set before the libraries are imported: no progress bars, no telemetry, no download of a price list.
QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "TOKENIZERS_PARALLELISM": "false",
}


def run_script(main: Callable[[], None]) -> None:
    """Runs a command. An InputError or a failed write becomes one line on stderr and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # redirected output on Windows may not encode every character
            stream.reconfigure(errors="backslashreplace")
    gc.set_threshold(10_000)  # imports leave little garbage, and collecting it took a quarter of the start-up
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.getLogger().setLevel(logging.ERROR)
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped: start again with the same command to go on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if not (cause := failed_write(error)):
            raise
        print(f"error: {cause}; make room and start again with the same command", file=sys.stderr)
        sys.exit(2)


def failed_write(error: Exception) -> str | None:
    """The message if a failed write (for example a full disk) stopped the run, else None.

    Libraries report failed writes in three ways.
    """
    text = str(error)
    if isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EFBIG,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
    ):
        return f"{error.filename or 'a file'} cannot be written ({error.strerror})"
    if type(error).__name__ == "SafetensorError" and "I/O error" in text:
        return f"weights cannot be written ({text.partition('I/O error: ')[2]})"
    if isinstance(error, RuntimeError) and ("PytorchStreamWriter" in text or "file write failed" in text):
        return "a checkpoint cannot be written (the disk may be full)"
    return None
