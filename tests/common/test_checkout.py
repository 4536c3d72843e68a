"""A checkout on Windows, where git may be set to write CRLF, has the bytes that digests and readers know."""

import hashlib
import subprocess
from pathlib import Path


def git(*arguments, **options):
    return subprocess.run(["git", *map(str, arguments)], check=True, capture_output=True, **options)


def test_a_clone_that_would_convert_line_ends_has_none_converted(tmp_path):
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--shared", "-c", "core.autocrlf=true", Path.cwd(), clone)
    names = git("ls-files", "-z", cwd=clone, text=True).stdout.rstrip("\0").split("\0")
    text = [clone / name for name in names if name.endswith((".csv", ".json", ".toml", ".jinja", ".py"))]
    assert len(text) > 100
    assert [path for path in text if b"\r\n" in path.read_bytes()] == []
    for name in names:
        if name.endswith((".safetensors", ".png")):
            committed = git("cat-file", "blob", f"HEAD:{name}", cwd=clone).stdout
            assert hashlib.sha256((clone / name).read_bytes()).digest() == hashlib.sha256(committed).digest(), name
    assert git("status", "--porcelain", cwd=clone).stdout == b""
