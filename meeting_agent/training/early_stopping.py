"""Early stopping that works across a kill and a resume."""

from __future__ import annotations

from transformers import EarlyStoppingCallback


class ResumableEarlyStopping(EarlyStoppingCallback):
    """Transformers' early stopping for runs whose patience had run out before a kill.

    Needs `restore_callback_states_from_checkpoint`. The trainer clears the stop flag when it starts, so this callback
    sets it again. The resumed run makes at most one more step and then loads the best checkpoint.
    """

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True
