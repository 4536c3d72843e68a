"""Maximum-weight matchings over candidate pairs of people."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Pair = tuple[int, int]  # indices of two people, the smaller one first


def best_matching(weights: Mapping[Pair, float], everybody: bool = False) -> list[Pair]:
    """The matching with the greatest sum of weights; nobody is in two pairs.

    With `everybody`, the matching with the most pairs and, among those, the greatest sum. Uses NetworkX's blossom
    algorithm (Edmonds, 1965; Galil, 1986).
    """
    import networkx

    graph = networkx.Graph()
    graph.add_weighted_edges_from((a, b, weight) for (a, b), weight in sorted(weights.items()))
    return sorted((min(pair), max(pair)) for pair in networkx.max_weight_matching(graph, maxcardinality=everybody))


def best_partners(scores: np.ndarray, count: int) -> list[Pair]:
    """All pairs in which one person is among the `count` best partners of the other.

    `scores` (n, n) is symmetric, with NaN for pairs that cannot meet. A partner is ranked by the score minus the mean
    scores of both people. Otherwise a person with high scores for everybody would fill every list, but can meet only
    one person.
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
    """The pairs of the best matching, then of the best matching without those pairs, and so on.

    `rounds` matchings give everybody up to `rounds` candidates.
    """
    left, found = dict(weights), []
    for _ in range(rounds):
        for pair in best_matching(left, everybody=True):
            found.append(pair)
            del left[pair]
    return found
