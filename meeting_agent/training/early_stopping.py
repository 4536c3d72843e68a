"""Early stopping that a killed run remembers."""

from __future__ import annotations

from transformers import EarlyStoppingCallback


class ResumableEarlyStopping(EarlyStoppingCallback):
    """Transformers' callback, which after a resume may find that its patience had run out before the kill.

    Needs `restore_callback_states_from_checkpoint`. The trainer clears the sign to stop when it starts, so it is given
    again: at most one more step is made, and the best checkpoint is loaded as it would have been.
    """

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True
