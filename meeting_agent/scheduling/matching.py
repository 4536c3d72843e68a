"""Who with whom: maximum-weight matchings over the pairs that are worth considering."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Pair = tuple[int, int]  # indices of two people, the smaller one first


def best_matching(weights: Mapping[Pair, float], everybody: bool = False) -> list[Pair]:
    """The pairs with the greatest sum of weights, nobody in two of them; with `everybody` as many pairs as there can be
    and, among those, the greatest sum.

    Blossom algorithm (Edmonds, 1965; Galil, 1986) of NetworkX.
    """
    import networkx

    graph = networkx.Graph()
    graph.add_weighted_edges_from((a, b, weight) for (a, b), weight in sorted(weights.items()))
    return sorted((min(pair), max(pair)) for pair in networkx.max_weight_matching(graph, maxcardinality=everybody))


def best_partners(scores: np.ndarray, count: int) -> list[Pair]:
    """The pairs in which one is among the other's `count` best, by `scores` (n, n), symmetric, NaN for no meeting.

    Best against what either reaches on average: who is good for everybody would otherwise fill every list, and can
    meet only one.
    """
    usual = np.nansum(scores, axis=1) / np.maximum(1, np.isfinite(scores).sum(axis=1))
    gain = np.nan_to_num(scores - usual[:, None] - usual[None, :], nan=-np.inf)
    chosen = set()
    for person, row in enumerate(gain):
        for partner in np.argsort(-row, kind="stable")[:count]:
            if row[partner] > -np.inf:
                chosen.add((min(person, int(partner)), max(person, int(partner))))
    return sorted(chosen)


def disjoint_matchings(weights: Mapping[Pair, float], rounds: int) -> list[Pair]:
    """The pairs of the best matching, of the best one without those, and so on: `rounds` candidates for everybody."""
    left, found = dict(weights), []
    for _ in range(rounds):
        for pair in best_matching(left, everybody=True):
            found.append(pair)
            del left[pair]
    return found
