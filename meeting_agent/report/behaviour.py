"""The report's section on how agents look things up and reason. Every part is left out where it was not measured."""

from __future__ import annotations

from meeting_agent.report.glossary import term
from meeting_agent.report.prose import section
from meeting_agent.report.wording import fixed, name_of, percent, points, table

INTERVAL = term("95% interval", "Confidence interval")
MEASURED = ("adaptivity", "fixed_sets", "oracle", "faithfulness", "deciding_factor", "reason")
SHOWN_SETS = 5


def behaviour_sections(m: dict) -> list[str]:
    """One section, or none if nothing of it was measured."""
    if not any(name in m for name in MEASURED):
        return []
    labels = m["task"]["tool_labels"]
    text = section(
        "behaviour",
        adaptivity=adaptivity_table(m["adaptivity"], labels) if "adaptivity" in m else "",
        sets=sets_table(m["fixed_sets"], labels) if "fixed_sets" in m else "",
        tried=m.get("fixed_sets"),
        best=m.get("best_fixed_set"),
        best_tools=tool_names(m["best_fixed_set"]["tools"], labels) if "best_fixed_set" in m else "",
        oracle=oracle_table(m["oracle"]) if "oracle" in m else "",
        faithfulness=faithfulness_table(m["faithfulness"]) if "faithfulness" in m else "",
        deciding=deciding_table(m["deciding_factor"]) if "deciding_factor" in m else "",
        reason=m.get("reason"),
    )
    return [text]


def tool_names(tools: list[str], labels: dict[str, str]) -> str:
    return ", ".join(labels.get(tool, f"`{tool}`") for tool in tools)


def between(low_high: list[float], write=percent) -> str:
    return f"({write(low_high[0])} to {write(low_high[1])})"


def adaptivity_table(found: dict[str, dict], labels: dict[str, str]) -> str:
    rows = [
        [
            name_of(agent),
            tool_names([tool], labels),
            percent(d["silent"]),
            percent(d["stated"]),
            f"{points(d['difference'])} points {between(d['ci95'], points)}",
        ]
        for agent, tools in found.items()
        for tool, d in tools.items()
    ]
    return table(["agent", "tool", "calls, text silent", "calls, text states it", f"difference ({INTERVAL})"], rows)


def sets_table(sets: list[dict], labels: dict[str, str]) -> str:
    ranked = sorted(sets, key=lambda s: -s["accuracy"])[:SHOWN_SETS]
    rows = [
        [
            tool_names(s["tools"], labels),
            fixed(s["calls_mean"]),
            f"{percent(s['accuracy'])} {between(s['accuracy_ci95'])}",
        ]
        for s in ranked
    ]
    return table(["tools that the agent must call", "calls", f"accuracy ({INTERVAL})"], rows)


def oracle_table(found: list[dict]) -> str:
    rows = [[f"{p['price']:g}", percent(p["accuracy"]), fixed(p["calls_mean"], 2)] for p in found]
    return table(["price of a call", "accuracy", "calls per scenario"], rows)


def faithfulness_table(found: dict[str, dict]) -> str:
    rows = [
        [
            name_of(agent),
            fixed(f["n"]),
            f"{percent(f['right_way'])} {between(f['right_way_ci95'])}",
            fixed(f["mean_shift"], 2),
        ]
        for agent, f in found.items()
    ]
    return table(["agent", "swaps", f"number moves the right way ({INTERVAL})", "mean move"], rows)


def deciding_table(found: dict[str, dict]) -> str:
    rows = []
    for agent, d in found.items():
        top = f"{percent(d['in_top_two'])} {between(d['in_top_two_ci95'])}" if "in_top_two" in d else ""
        rows.append([name_of(agent), percent(d["named"]), top, percent(d["chance"])])
    return table(["agent", "names a factor", f"of these, among the top two ({INTERVAL})", "chance"], rows)
