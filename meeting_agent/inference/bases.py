"""Which base model a name means: a folder of this machine, or a name on the Hugging Face Hub, and never by accident."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from meeting_agent.common.files import ADAPTER_WEIGHTS, BASE_WEIGHTS, InputError, digest, read_json
from meeting_agent.common.settings import PROJECT

ADAPTER_SETTINGS = "adapter_config.json"
HUB_TIMEOUT_SECONDS = 5
FILE_ENDS = (".gguf", ".safetensors", ".bin", ".pt", ".json")


def base_place(name: str) -> str:
    """What to load for `name`: a folder that is there, in the working directory or else the project, or a hub name.

    Raises InputError for an empty name, a LoRA adapter, and a name that looks like a path where nothing is.
    """
    if not name.strip():
        raise InputError("--base_model_name is empty: give a folder or a hub name")
    here = Path(name).expanduser()
    place = here if here.exists() else PROJECT / here
    if not place.exists():
        if looks_local(name):
            raise InputError(
                f"base model {name!r} cannot be loaded: there is no such folder; give one that is there, or a name on "
                "the Hugging Face Hub like google/gemma-3-270m-it"
            )
        return name
    if (place / ADAPTER_SETTINGS).exists():
        raise InputError(
            f"base model {name!r} is a LoRA adapter: merge it into its base with `python -m "
            f"meeting_agent.inference.export --adapter {name} --output build/merged` and give build/merged"
        )
    return name if place is here else str(place)


def looks_local(name: str) -> bool:
    """Whether a name cannot be meant for the hub, where names are NAME or OWNER/NAME."""
    first = Path(name).parts[0] if Path(name).parts else name
    return (
        Path(name).is_absolute()
        or name.startswith((".", "~"))
        or name.endswith(("/", *FILE_ENDS))
        or "\\" in name
        or name.count("/") > 1
        or ("/" in name and (Path(first).is_dir() or (PROJECT / first).is_dir()))
    )


def ask_hub(name: str) -> None:
    """Raises InputError for a hub name that is not in the cache while the hub does not answer.

    The libraries would try for a minute; with the cache alone they are told not to. Behind a proxy only they can tell.
    """
    if Path(name).exists() or getproxies():
        return
    host = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    try:
        socket.create_connection((host.hostname, host.port or 443), HUB_TIMEOUT_SECONDS).close()
    except OSError:
        import huggingface_hub

        if not isinstance(huggingface_hub.try_to_load_from_cache(name, "config.json"), str):
            raise InputError(
                f"base model {name!r} cannot be loaded: the Hugging Face Hub does not answer, and it is not in the "
                "cache: connect, or give a folder"
            ) from None
        huggingface_hub.constants.HF_HUB_OFFLINE = True


def why_not_loaded(name: str, error: Exception) -> str:
    """What a library said of a base that it could not load, in one line with what to do."""
    says = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "gated" in str(error) and not Path(base_place(name)).exists():
        return f"{says}; accept its terms at https://huggingface.co/{name} and run `hf auth login`"
    return says


def portable_name(name: str) -> str:
    """The name to keep in files: a folder of the project as seen from there, any other as it is."""
    place = Path(name)
    inside = place.is_absolute() and place.is_relative_to(PROJECT)
    return place.relative_to(PROJECT).as_posix() if inside else name


def weight_files(name: str) -> list[Path]:
    """The weights of a base that is a folder: one file, or several in order; none of a hub name."""
    place = Path(base_place(name))
    whole = place / BASE_WEIGHTS
    return [whole] if whole.is_file() else sorted(place.glob("*.safetensors"))


def base_digest(name: str) -> str | None:
    """SHA-256 of a base's weights: of the file, or of the digests of several; None for a hub name."""
    files = weight_files(name)
    if len(files) > 1:
        return hashlib.sha256("\n".join(map(digest, files)).encode()).hexdigest()
    return digest(files[0]) if files else None


def check_base(adapter: Path) -> None:
    """Raises InputError if the base of an adapter that phase 1 trained has been changed since."""
    base = base_of_adapter(adapter)
    known = read_json(adapter / "training_log.json", "starter_sft.py").get("sha256", {}).get("base")
    if known and (found := base_digest(base)) and found != known:
        raise InputError(f"{adapter} was trained on another {base}: run starter_sft.py again")


def check_adapter(adapter: str | Path, written_by: str = "starter_sft.py") -> None:
    """Raises InputError, naming the script to run, unless the folder `adapter` holds an adapter's weights."""
    if not (Path(adapter) / ADAPTER_WEIGHTS).exists():
        raise InputError(f"{adapter} holds no adapter: run {written_by} first")


def base_of_adapter(adapter: Path) -> str:
    """The base that an adapter's own settings name; raises InputError if it is no adapter."""
    try:
        name = json.loads((adapter / ADAPTER_SETTINGS).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{adapter} holds no LoRA adapter ({error})") from None
    if not isinstance(name, str) or not name:
        raise InputError(f"{adapter} holds no LoRA adapter (its settings name no base model)")
    return name
