"""Harnesses that try to break the pipeline; each keeps its figures in `results/reliability.json`."""
