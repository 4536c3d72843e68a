"""Agents: the loop, tool calls, answers, rollouts and the trajectory file."""
