"""Numbers as README and report write them."""

from __future__ import annotations


def percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}%"


def points(value: float, digits: int = 1) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.{digits}f}"


def fixed(value: float, digits: int) -> str:
    """With thousands apart."""
    return f"{value:,.{digits}f}"


def score(scores: dict, name: str, digits: int) -> str:
    """A score that agents have only if one of their answers states a probability."""
    return f"{scores[name]:.{digits}f}" if name in scores else "none"


def with_interval(scores: dict) -> str:
    low, high = scores["accuracy_ci95"]
    return f"{percent(scores['accuracy'])} ({percent(low)} to {percent(high)})"


def p_text(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
