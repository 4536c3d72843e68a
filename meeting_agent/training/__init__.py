"""Training: rows, losses, pairs, callbacks, checkpoints, and kernels for CPUs."""
