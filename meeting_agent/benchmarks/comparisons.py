"""Compares the speed of our implementations with the usual ones, in alternation on this machine.

    python -m meeting_agent.benchmarks.comparisons            # into results/benchmark.json and benchmark.png
    python -m meeting_agent.benchmarks.comparisons --quick    # fewer and smaller repeats
    python -m meeting_agent.benchmarks.comparisons --parts training,inference

Every repeat runs ours and then the peer, so that other load on the machine affects both. A ratio is the median over the
repeats; its range is the smallest and the largest ratio. `rollout_peers.py` and `training_peers.py` hold the peers.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from meeting_agent.benchmarks.growth import QUICK_SIZES, SIZES, growth
from meeting_agent.benchmarks.measure import QUICK_REPEATS, REPEATS, BenchmarkConfig, measured
from meeting_agent.common.files import InputError, read_json, write_json
from meeting_agent.common.machine import machine, versions
from meeting_agent.common.outputs import Output
from meeting_agent.common.settings import parse_settings, run_script
from meeting_agent.inference.bases import check_adapter


def main() -> None:
    config = parse_settings(BenchmarkConfig, __doc__.splitlines()[0])
    check_adapter(config.sft_model_path)
    from meeting_agent.benchmarks.rollout_peers import inference_comparisons, process_comparisons
    from meeting_agent.benchmarks.training_peers import training_comparisons

    peers = {"training": training_comparisons, "inference": inference_comparisons, "processes": process_comparisons}
    parts = set(config.parts.split(","))
    if not parts <= {*peers, "growth"}:
        raise InputError(f"--parts is {config.parts!r}: give some of {','.join(peers)},growth")
    output = Path(config.output)
    record = Output("--output", output, "results", beside=[f"{output.stem}.png"])
    record.check()
    origin = {"machine": machine(), "versions": versions(), "quick": config.quick}
    known = figures_of_other_parts(output, origin) if parts < {*peers, "growth"} else {}
    found = {c["name"]: c for c in known.get("comparisons", [])}
    for comparison in itertools.chain.from_iterable(peers[name](config) for name in peers if name in parts):
        print(f"{comparison.name} ...", end=" ", flush=True)
        found[comparison.name] = measured(comparison, QUICK_REPEATS if config.quick else REPEATS)
        print(line(found[comparison.name]), flush=True)
    sizes = QUICK_SIZES if config.quick else SIZES
    grown = growth(config.sft_model_path, config.traces_path, sizes) if "growth" in parts else []
    for row in grown:
        each, peak = f"{row['seconds_each']:.3f} s each", f"{row['peak_mib']:.0f} MiB at most"
        print(f"{row['phase']}, {row['scenarios']} scenarios: {each}, {peak}", flush=True)
    figures = {"comparisons": list(found.values()), "growth": grown or known.get("growth", [])}
    with record.writing() as folder:
        table, picture = (folder / name for name in record.names)
        write_json(table, origin | figures)
        draw(picture, list(found.values()))
    print(f"Figures in {output}")


def figures_of_other_parts(output: Path, origin: dict) -> dict:
    """The results that `output` already holds. Empty, with a warning, if they were measured under other conditions."""
    if not output.exists():
        return {}
    known = read_json(output, "python -m meeting_agent.benchmarks.comparisons")
    other = [name for name, value in origin.items() if known.get(name) != value]
    if other:
        print(
            f"warning: {output} was measured with other {' and '.join(other)}: its figures will be replaced", flush=True
        )
        return {}
    return known


def line(found: dict) -> str:
    met = "met" if found["ratio"] >= found["bar"] else "MISSED"
    return (
        f"{found['ours']:.4g} against {found['peer']:.4g} {found['unit']}: {found['ratio']:.2f} "
        f"({found['ratio_low']:.2f} to {found['ratio_high']:.2f}), bar {found['bar']:g} {met}"
    )


def draw(path: Path, found: list[dict]) -> None:
    """Plots the ratios with their ranges and bars on a logarithmic scale."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 0.6 * len(found) + 1.5))
    rows = range(len(found))
    ratios = [f["ratio"] for f in found]
    spread = [[f["ratio"] - f["ratio_low"] for f in found], [f["ratio_high"] - f["ratio"] for f in found]]
    axes.barh(rows, ratios, xerr=spread, color="#4c78a8", height=0.6, capsize=3)
    axes.scatter([f["bar"] for f in found], rows, marker="|", s=400, color="#b04a4a", zorder=3, label="bar")
    axes.set(xscale="log", yticks=list(rows), xlabel="ours / peer")
    axes.set_yticklabels([f["name"].replace("_", " ") for f in found])
    axes.invert_yaxis()
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None}, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    run_script(main)
