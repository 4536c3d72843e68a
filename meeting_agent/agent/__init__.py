"""Agents: their tool calls, their answers, the file of their trajectories."""
