"""Prints one short line of progress with the time left, instead of the trainer's dictionaries."""

from __future__ import annotations

from transformers import PrinterCallback, TrainerCallback

from meeting_agent.common.progress import Pace


class ProgressLine(TrainerCallback):
    """Prints the metrics `names` (key -> label) of the trainer's log at every `every`-th step and at evaluations."""

    def __init__(self, names: dict[str, str], every: int = 1):
        self.names, self.every = names, every

    def on_train_begin(self, args, state, control, **kwargs):
        self.pace = Pace(state.global_step, state.max_steps)

    def on_log(self, args, state, control, logs=None, **kwargs):
        shown = [f"{label} {logs[key]:.4f}" for key, label in self.names.items() if key in (logs or {})]
        if shown and state.is_world_process_zero and (state.global_step % self.every == 0 or "eval_loss" in logs):
            step, left = state.global_step, self.pace.left(state.global_step)
            print(f"  step {step}/{state.max_steps}  {'  '.join(shown)}  {left}", flush=True)


def show_progress(trainer, names: dict[str, str], every: int = 1) -> None:
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(ProgressLine(names, every))
