"""Only whole checkpoints of the same run are gone on with."""

import json
import os

import pytest

from meeting_agent.training.checkpoints import is_whole, last_whole_checkpoint, sign
from starter_sft import SFTConfig, checkpoint_folder


def checkpoint(folder, step, best=None, signed=True):
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    (path / "adapter_model.safetensors").write_bytes(b"weights" * 100)
    (path / "optimizer.pt").write_bytes(b"moments" * 100)
    state = {"global_step": step, "best_model_checkpoint": best and str(folder / f"checkpoint-{best}")}
    (path / "trainer_state.json").write_text(json.dumps(state))
    if signed:
        sign(path)
    return path


def cut(path):
    os.truncate(path, 100)


DAMAGE = {
    "cut": cut,
    "empty": lambda path: os.truncate(path, 0),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("name", ["adapter_model.safetensors", "optimizer.pt", "trainer_state.json", "signature.json"])
def test_the_one_before_a_damaged_checkpoint_is_taken(tmp_path, capsys, name, damage):
    checkpoint(tmp_path, 20)
    damage(checkpoint(tmp_path, 100) / name)
    assert last_whole_checkpoint(tmp_path).endswith("checkpoint-20")
    (line,) = capsys.readouterr().out.splitlines()
    assert "checkpoint-100" in line
    assert "goes on from checkpoint-20" in line


def test_a_checkpoint_that_was_cut_while_written_is_passed_over(tmp_path):
    assert last_whole_checkpoint(tmp_path / "none") is None
    checkpoint(tmp_path, 40)
    checkpoint(tmp_path, 100, signed=False)
    assert last_whole_checkpoint(tmp_path).endswith("checkpoint-40")


def test_the_best_checkpoint_must_be_whole_too(tmp_path, capsys):
    best = checkpoint(tmp_path, 20)
    checkpoint(tmp_path, 40, best=20)
    assert last_whole_checkpoint(tmp_path).endswith("checkpoint-40")
    cut(best / "adapter_model.safetensors")
    assert last_whole_checkpoint(tmp_path) is None
    assert "starts anew" in capsys.readouterr().out


def test_every_byte_is_signed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("c")
    assert not is_whole(tmp_path)
    sign(tmp_path)
    assert is_whole(tmp_path)
    (tmp_path / "a" / "b").write_text("d")
    assert not is_whole(tmp_path)


def test_other_settings_data_or_base_are_another_run(tmp_path):
    data, base = tmp_path / "data.csv", tmp_path / "base"
    base.mkdir()
    data.write_text("a")
    config = {"sft_data_path": str(data), "base_model_name": str(base), "output_model_path": str(tmp_path / "sft")}

    def folder(**settings):
        return checkpoint_folder(SFTConfig(**config | settings))

    known = {folder(), folder(seed=2)}
    assert folder() in known
    assert folder(overwrite=True) in known
    data.write_text("b")
    known.add(folder())
    for shard in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        (base / shard).write_text(shard)
        known.add(folder())
    assert len(known) == 5
