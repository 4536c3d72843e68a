"""Only whole checkpoints of the same run are gone on with."""

import json

from meeting_agent.checkpoints import checkpoint_folder, last_whole_checkpoint


def test_a_torn_checkpoint_is_passed_over(tmp_path):
    assert last_whole_checkpoint(tmp_path / "none") is None
    for step in (20, 100, 40):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    assert last_whole_checkpoint(tmp_path).endswith("checkpoint-100")
    (tmp_path / "checkpoint-100" / "trainer_state.json").write_text('{"global_st')
    assert last_whole_checkpoint(tmp_path).endswith("checkpoint-40")
    (tmp_path / "checkpoint-40" / "trainer_state.json").unlink()
    assert last_whole_checkpoint(tmp_path).endswith("checkpoint-20")


def test_other_settings_or_other_data_are_another_run(tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("a")
    first = checkpoint_folder(tmp_path, {"seed": 1}, data)
    assert first == checkpoint_folder(tmp_path, {"seed": 1}, data)
    assert first != checkpoint_folder(tmp_path, {"seed": 2}, data)
    data.write_text("b")
    assert first != checkpoint_folder(tmp_path, {"seed": 1}, data)
