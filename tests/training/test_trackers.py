"""A tracker that fails ends no training: at the start it is one line, later a warning."""

import sys
from types import SimpleNamespace

import pytest
from transformers.integrations import INTEGRATION_TO_CALLBACK

from meeting_agent.common.files import InputError
from meeting_agent.training import trackers as reporting
from meeting_agent.training.trackers import check_reporter, guard_reporters


class Tracker(INTEGRATION_TO_CALLBACK["tensorboard"]):
    def __init__(self, fails_on):
        self.fails_on, self.seen = fails_on, []

    def on_train_begin(self, *_):
        self.happen("on_train_begin")

    def on_log(self, *_):
        self.happen("on_log")

    def on_train_end(self, *_):
        self.happen("on_train_end")

    def happen(self, event):
        self.seen.append(event)
        if event == self.fails_on:
            raise ConnectionError("no network\nat all")


def guarded(fails_on):
    tracker = Tracker(fails_on)
    guard_reporters(SimpleNamespace(callback_handler=SimpleNamespace(callbacks=[tracker])))
    return tracker


def test_a_tracker_that_cannot_start_is_one_line():
    with pytest.raises(InputError, match=r"cannot be reported to \(ConnectionError: no network\): see to it"):
        guarded("on_train_begin").on_train_begin()


def test_a_tracker_that_fails_later_falls_silent(capsys):
    tracker = guarded("on_log")
    tracker.on_train_begin()
    for _ in range(3):
        tracker.on_log()
    tracker.on_train_end()
    assert tracker.seen == ["on_train_begin", "on_log"]
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_tracker_without_a_login_is_refused_before_any_work(tmp_path, monkeypatch):
    class Callback:
        pass

    monkeypatch.setattr("transformers.integrations.get_reporting_integration_callbacks", lambda _: [Callback])
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(login=lambda prompt: False))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="no login here"):
        check_reporter("wandb", tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_reporter("wandb", tmp_path)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "x")
    check_reporter("wandb", tmp_path)
    assert reporting.knows_wandb_login()
