"""Evaluation: scores with confidence intervals, baselines, acceptance criteria, replications, ablations."""
