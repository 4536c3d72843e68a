"""Scores with their uncertainty, baselines, criteria, replications."""
