"""Where runs write: nothing of a user's is ever lost, links and mounts are followed, a kill is made good."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meeting_agent.common import manifest
from meeting_agent.common.files import InputError, read_json, write_text
from meeting_agent.common.manifest import RECORD, Manifest, finish_moving
from meeting_agent.common.outputs import Output, check_outputs, complete_inputs

KIND = "an adapter"


def folder_output(path, kind=KIND, **options):
    return Output("--output", path, kind, is_folder=True, **options)


def write_run(output, files):
    """A run that writes `files` ({name: text}) into an output."""
    output.check()
    with output.writing() as folder:
        for name, text in files.items():
            write_text(folder / name, text)


def files_in(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file() and p.name != RECORD
    }


# ----------------------------------------------------------------------------- folders


def test_a_second_run_replaces_what_the_first_one_wrote(tmp_path):
    path = tmp_path / "adapter"
    write_run(folder_output(path), {"weights": "1", "card": "1", "extra/more": "1"})
    write_run(folder_output(path), {"weights": "2", "card": "2"})
    assert files_in(tmp_path) == {"adapter/weights": "2", "adapter/card": "2"}
    assert sorted(p.name for p in path.iterdir() if p.is_file()) == [RECORD, "card", "weights"]


def test_a_run_that_fails_leaves_the_old_files(tmp_path):
    path = tmp_path / "adapter"
    write_run(folder_output(path), {"weights": "1"})
    with pytest.raises(ZeroDivisionError), folder_output(path).writing() as folder:
        write_text(folder / "weights", f"{1 / 0}")
    assert files_in(tmp_path) == {"adapter/weights": "1"}


@pytest.mark.parametrize(
    "name", ["notes.txt", "weights", "deep/down/notes.txt", ".unfinished/mine", "../.adapter.unfinished/mine", RECORD]
)
def test_a_strangers_file_is_refused_and_kept(tmp_path, name):
    path = tmp_path / "adapter"
    write_text(path / name, "mine")
    with pytest.raises(InputError):
        write_run(folder_output(path), {"weights": "2"})
    assert (path / name).read_text() == "mine"
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1


def test_overwrite_replaces_what_is_in_the_way_and_nothing_else(tmp_path):
    path = tmp_path / "adapter"
    for name in ("notes.txt", "weights"):
        write_text(path / name, "mine")
    write_run(folder_output(path, overwrite=True), {"weights": "2"})
    assert files_in(path) == {"notes.txt": "mine", "weights": "2"}
    with pytest.raises(InputError, match="notes"):
        write_run(folder_output(path), {"weights": "3"})


def test_a_file_that_the_user_changed_is_the_users(tmp_path):
    path = tmp_path / "adapter"
    write_run(folder_output(path), {"weights": "1", "card": "1"})
    (path / "card").write_text("my own words")
    with pytest.raises(InputError, match="card"):
        write_run(folder_output(path), {"weights": "2", "card": "2"})
    write_run(folder_output(path, overwrite=True), {"weights": "2"})
    assert files_in(path) == {"weights": "2", "card": "my own words"}


def test_what_another_kind_of_run_wrote_is_no_place(tmp_path):
    path = tmp_path / "base"
    write_run(folder_output(path, "a base model"), {"weights": "1"})
    with pytest.raises(InputError, match="holds a base model"):
        folder_output(path).check()
    with pytest.raises(InputError, match="holds a base model"):
        folder_output(tmp_path).check()


def test_a_file_that_appears_during_the_run_is_kept(tmp_path):
    path = tmp_path / "adapter"
    output = folder_output(path)
    output.check()

    def work():
        with output.writing() as folder:
            write_text(folder / "weights", "1")
            write_text(folder / "card", "1")
            write_text(path / "weights", "mine")

    with pytest.raises(InputError, match="has appeared or changed"):
        work()
    assert files_in(path) == {"weights": "mine"}


def test_what_systems_leave_in_folders_is_nobodys(tmp_path):
    for name in (".DS_Store", "Thumbs.db", ".gitkeep"):
        write_text(tmp_path / name, "")
    (tmp_path / "lost+found").mkdir()
    write_run(folder_output(tmp_path), {"weights": "1"})
    assert (tmp_path / "weights").read_text() == "1"


# ----------------------------------------------------------------------------- links, mounts, places


def test_links_are_followed(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    link = tmp_path / "adapter"
    link.symlink_to(disk)
    write_run(folder_output(link), {"weights": "1"})
    assert link.is_symlink()
    assert (disk / "weights").read_text() == "1"
    file = tmp_path / "traces.json"
    file.symlink_to(disk / "real.json")
    Output("--traces_path", file, "trajectories").write("2")
    assert file.is_symlink()
    assert (disk / "real.json").read_text() == "2"


def test_a_link_among_the_files_is_the_users(tmp_path):
    write_text(tmp_path / "mine", "mine")
    path = tmp_path / "adapter"
    write_run(folder_output(path), {"weights": "mine"})
    (path / "weights").unlink()
    (path / "weights").symlink_to(tmp_path / "mine")
    with pytest.raises(InputError):
        write_run(folder_output(path), {"weights": "2"})
    assert (tmp_path / "mine").read_text() == "mine"


def test_the_working_directory_is_a_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(folder_output("."), {"weights": "1"})
    write_run(folder_output("."), {"weights": "2"})
    assert files_in(tmp_path) == {"weights": "2"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize("what", ["folder", "bound", "file"])
def test_a_mount_point_is_a_place(tmp_path, what):
    import subprocess
    import sys

    code = """
import subprocess, sys
from pathlib import Path
from meeting_agent.common.outputs import Output
here = Path(sys.argv[1])
if sys.argv[2] != "file":
    for folder in ("m", "real"):
        (here / folder).mkdir()
    what = ["-t", "tmpfs", "none"] if sys.argv[2] == "folder" else ["--bind", here / "real"]
    subprocess.run(["mount", *what, here / "m"], check=True)
    outputs = [Output("--o", here / "m", "k", is_folder=True)] * 2
    name = "weights"
else:
    for file in ("m", "real"):
        (here / file).write_text("")
    subprocess.run(["mount", "--bind", here / "real", here / "m"], check=True)
    outputs = [Output("--o", here / "m", "k", overwrite=True), Output("--o", here / "m", "k")]
    name = "m"
for number, output in enumerate(outputs):
    output.check()
    with output.writing() as folder:
        (folder / name).write_text(str(number))
    assert (here / "m" if sys.argv[2] == "file" else here / "m" / name).read_text() == str(number)
print("written")
"""
    command = ["unshare", "--mount", sys.executable, "-c", code, str(tmp_path), what]
    done = subprocess.run(command, capture_output=True, text=True)
    if "unshare" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("this machine lets nobody mount")
    assert done.stdout == "written\n", done.stderr


def test_a_place_of_the_wrong_type_is_refused(tmp_path):
    write_text(tmp_path / "file", "mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for output in (
        lambda: folder_output(tmp_path / "file"),
        lambda: folder_output(tmp_path / "file" / "below"),
        lambda: Output("--o", tmp_path / "folder", KIND),
        lambda: Output("--o", tmp_path / "pipe", KIND),
        lambda: Output("--o", tmp_path / "loop", KIND),
        lambda: Output("--o", "a\0b", KIND),
    ):
        with pytest.raises(InputError):
            output().check()


# ----------------------------------------------------------------------------- inputs


def test_an_output_is_no_input(tmp_path):
    data, base = tmp_path / "data.csv", tmp_path / "models" / "base"
    write_text(data, "mine")
    write_text(base / "weights", "mine")
    (tmp_path / "link").symlink_to(base)
    inputs = {"--data": str(data), "--base": str(base)}
    for output in (
        folder_output(base, overwrite=True),
        folder_output(tmp_path / "link", overwrite=True),
        folder_output(base.parent, overwrite=True),
        folder_output(tmp_path, overwrite=True),
        folder_output(base / "below", overwrite=True),
        Output("--o", data, KIND, overwrite=True),
        Output("--o", base / "more.json", KIND, overwrite=True),
        Output("--o", tmp_path / "traces.json", KIND, beside=["data.csv"], overwrite=True),
    ):
        with pytest.raises(InputError, match=r"--data|--base"):
            check_outputs([output], inputs)
    check_outputs([folder_output(tmp_path / "models" / "new"), Output("--o", tmp_path / "t.json", KIND)], inputs)


def test_outputs_are_not_in_each_others_way(tmp_path):
    for one, other in (
        (folder_output(tmp_path / "a"), folder_output(tmp_path / "a")),
        (folder_output(tmp_path / "a"), folder_output(tmp_path / "a" / "b")),
        (folder_output(tmp_path / "a"), Output("--o", tmp_path / "a" / "b.json", KIND)),
        (Output("--o", tmp_path / "a.json", KIND), Output("--p", tmp_path / "a.json", KIND)),
        (Output("--o", tmp_path / "a.json", KIND, beside=["b.json"]), Output("--p", tmp_path / "b.json", KIND)),
    ):
        for pair in ([one, other], [other, one]):
            with pytest.raises(InputError, match="each"):
                check_outputs(pair, {})


# ----------------------------------------------------------------------------- kills


def in_a_child(work, monkeypatch_after=None):
    """Runs `work` in a process that dies, without any clean-up, at the given renaming; the number of renamings."""
    child = os.fork()
    if child == 0:
        count, replace = 0, os.replace

        def counted(*arguments):
            nonlocal count
            if count == monkeypatch_after:
                os._exit(99)
            count += 1
            replace(*arguments)

        os.replace = counted
        try:
            work()
            os._exit(min(count, 98))
        except BaseException:
            os._exit(98)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


OLD = {"weights": "1", "card": "1", "stale": "1"}
NEW = {"weights": "2", "card": "2", "extra/more": "2"}


def test_a_kill_at_any_renaming_is_made_good(tmp_path):
    renamings = in_a_child(lambda: write_run(folder_output(tmp_path / "whole"), NEW))
    assert 5 < renamings < 98
    for moment in range(renamings):
        path = tmp_path / str(moment)
        write_run(folder_output(path), OLD)
        assert in_a_child(lambda path=path: write_run(folder_output(path), NEW), moment) == 99
        complete_inputs(str(path))  # as a later phase does that reads it
        assert files_in(path) in (OLD, NEW)
        write_run(folder_output(path), NEW)
        assert files_in(path) == NEW
        assert sorted(p.name for p in path.iterdir()) == [RECORD, "card", "extra", "weights"]
        assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_a_record_from_a_stranger_leads_nowhere(tmp_path):
    victim = tmp_path / "victim" / "ready"
    write_text(victim / "file", "mine")
    digest = manifest.digest(victim / "file")
    for source, name in (
        ("../victim/ready", "file"),
        (str(victim), "file"),
        (".unfinished/ready", "../victim/ready/file"),
        (".unfinished/ready", str(victim / "file")),
    ):
        folder = tmp_path / "downloaded"
        moving = {"source": source, "kind": KIND, "whole": True, "files": {name: digest}}
        files = {"../victim/ready/file": {"kind": KIND, "sha256": digest}}
        for record in ({"files": {}, "moving": moving}, {"files": files}, {"files": files, "moving": moving}):
            manifest_file = folder / RECORD
            write_text(manifest_file, json.dumps(record))
            finish_moving(folder)
            assert Manifest.read(folder).files == {}
            with pytest.raises(InputError):
                folder_output(folder).check()
            assert (victim / "file").read_text() == "mine"
        shutil.rmtree(folder)


# ----------------------------------------------------------------------------- any tree, any choice of places

NAMES = st.sampled_from(
    ["a", "weights", "card", "traces.json", ".unfinished", ".traces.json.unfinished", ".a.unfinished", "ready", RECORD]
)
PLACES = st.lists(NAMES, min_size=0, max_size=3).map(lambda parts: "/".join(parts) or ".")
TREES = st.dictionaries(
    PLACES.filter(lambda p: p != "."), st.sampled_from(["file", "folder", "link", "ours"]), max_size=6
)
CHOICES = st.fixed_dictionaries(
    {
        "adapter": PLACES,
        "traces": PLACES.filter(lambda p: p != "."),
        "input": PLACES,
        "overwrite": st.booleans(),
        "killed_at": st.none() | st.integers(0, 12),
    }
)


def plant(root, tree):
    """Makes a tree of files; those of `ours` were written by an earlier run of ours."""
    for place, kind in sorted(tree.items()):
        path = root / place
        try:
            if kind == "ours":
                write_run(folder_output(path), {"weights": "ours", "card": "ours"})
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "file":
                with path.open("x") as file:
                    file.write(f"the user's {place}")
            elif kind == "folder":
                path.mkdir()
            else:
                path.symlink_to(root / "a")
        except (OSError, InputError):
            continue


def run_both(root, choice):
    adapter = folder_output(root / choice["adapter"], overwrite=choice["overwrite"])
    traces = Output(
        "--traces", root / choice["traces"], "trajectories", beside=["summary.json"], overwrite=choice["overwrite"]
    )
    check_outputs([adapter, traces], {"--input": str(root / choice["input"])})
    for output, names in ((adapter, ("weights", "card")), (traces, traces.names)):
        kept = output.unfinished_run("0" * 12)
        write_text(kept / "checkpoint", "ours")
        with output.writing() as folder:
            for name in names:
                write_text(folder / name, "new")
        output.remove_unfinished("0" * 12)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=TREES, choice=CHOICES)
def test_no_run_touches_what_is_not_ours(tmp_path_factory, tree, choice):
    """Completed, refused, failed or killed and started again: every file of the user's is as it was."""
    root = tmp_path_factory.mktemp("tree")
    plant(root, tree)

    def users_files():
        found = {}
        for path in root.rglob("*"):
            if path.is_symlink():
                found[path] = os.readlink(path)
            elif path.is_file() and path.read_text().startswith("the user's"):
                found[path] = path.read_text()
        return found

    before = users_files()
    folders = [p for p in root.rglob("*") if p.is_dir()]

    def run():
        try:
            run_both(root, choice)
        except InputError:
            os._exit(2)

    for killed_at in (choice["killed_at"], None):
        in_a_child(run, killed_at)
        after = users_files()
        lost = {path: text for path, text in before.items() if after.get(path) != text}
        if not choice["overwrite"]:
            assert not lost
        for path in lost:  # replaced by a file of the same name, on request, and never the input
            assert path.read_text() == "new"
            read = (root / choice["input"]).resolve()
            assert path.resolve() != read
            assert read not in path.resolve().parents
    assert all(folder.is_dir() for folder in folders if not folder.name.endswith(".unfinished"))
    shutil.rmtree(root)


def test_the_committed_files_are_recorded_as_they_are():
    """Else `make run` in a fresh clone would refuse to renew them."""
    for folder in ("data", "models/base", "models/sft_prediction_model_gemma_270m", "models/dpo_aligned_adapter"):
        known = Manifest.read(Path(folder))
        assert known.files, folder
        assert all(known.kind_of(name) for name in known.files), folder
    for folder in ("results", "trajectories"):
        known = Manifest.read(Path(folder))
        assert {p.name for p in Path(folder).iterdir()} == {RECORD, *known.files}
        assert all(known.kind_of(name) for name in known.files), folder
    assert read_json(Path("trajectories") / RECORD, "")["files"]["agent_traces.json"]["kind"] == "trajectories"
