"""Resolves the name of a base model to a local folder or a name on the Hugging Face Hub."""

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
    """What to load for `name`: a folder in the working directory, else a folder in the project, else a hub name.

    Raises InputError for an empty name, for a LoRA adapter, and for a path that does not exist.
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
    """Whether a name must be a path. Names on the hub have the form NAME or OWNER/NAME."""
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
    """Raises InputError if the hub does not answer and the model is not in the local cache.

    Without this check the libraries retry for a minute. If the model is cached, they are set to offline mode. Behind a
    proxy nothing is checked, because only the libraries can connect through it.
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
    """One line with a library's error for a base that cannot be loaded, and how to fix it if that is known."""
    says = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "gated" in str(error) and not Path(base_place(name)).exists():
        return f"{says}; accept its terms at https://huggingface.co/{name} and run `hf auth login`"
    return says


def portable_name(name: str) -> str:
    """The name to write into files: a path relative to the project for a folder inside it, else `name` itself."""
    place = Path(name)
    inside = place.is_absolute() and place.is_relative_to(PROJECT)
    return place.relative_to(PROJECT).as_posix() if inside else name


def weight_files(name: str) -> list[Path]:
    """The weight files of a base in a local folder, in order. Empty for a hub name."""
    place = Path(base_place(name))
    whole = place / BASE_WEIGHTS
    return [whole] if whole.is_file() else sorted(place.glob("*.safetensors"))


def base_digest(name: str) -> str | None:
    """SHA-256 of a base's weight file, or of the joined digests of several files. None for a hub name."""
    files = weight_files(name)
    if len(files) > 1:
        return hashlib.sha256("\n".join(map(digest, files)).encode()).hexdigest()
    return digest(files[0]) if files else None


def check_base(adapter: Path) -> None:
    """Raises InputError if the base's weights changed after phase 1 trained the adapter on them."""
    base = base_of_adapter(adapter)
    known = read_json(adapter / "training_log.json", "starter_sft.py").get("sha256", {}).get("base")
    if known and (found := base_digest(base)) and found != known:
        raise InputError(f"{adapter} was trained on another {base}: run starter_sft.py again")


def check_adapter(adapter: str | Path, written_by: str = "starter_sft.py") -> None:
    """Raises InputError, which names the script to run, unless the folder `adapter` holds an adapter's weights."""
    if not (Path(adapter) / ADAPTER_WEIGHTS).exists():
        raise InputError(f"{adapter} holds no adapter: run {written_by} first")


def base_of_adapter(adapter: Path) -> str:
    """The name of the base in an adapter's settings. Raises InputError if the folder holds no adapter."""
    try:
        name = json.loads((adapter / ADAPTER_SETTINGS).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{adapter} holds no LoRA adapter ({error})") from None
    if not isinstance(name, str) or not name:
        raise InputError(f"{adapter} holds no LoRA adapter (its settings name no base model)")
    return name
