"""Harnesses that try to break the pipeline. Each writes its results to `results/reliability.json`."""
