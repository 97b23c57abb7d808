"""The vote of an annotator's students, and how right it is: of these very students, and of those of other seeds."""

from collections.abc import Callable
from itertools import combinations
from math import comb

import numpy as np

from helpers.findings.results import Students

#: Sets of voters whose votes are averaged; of more, as many are drawn.
_MOST_SETS = 500


def vote(probs: np.ndarray) -> np.ndarray:
    """Class with the most votes of the students, (seeds, texts, K) -> int (texts,); ties by mean probability."""
    votes = np.eye(probs.shape[2])[probs.argmax(axis=2)].sum(axis=0)
    # A mean probability is at most 1, less than a vote; halved, it cannot make one up either.
    return (votes + probs.mean(axis=0) / 2).argmax(axis=1)


def mean(probs: np.ndarray) -> np.ndarray:
    """Class of highest mean probability, (seeds, texts, K) -> int (texts,)."""
    return probs.mean(axis=0).argmax(axis=1)


def votes_by_seed(
    students: Students, voters: int, *, together: Callable[[np.ndarray], np.ndarray] = vote
) -> np.ndarray:
    """Correctness of a vote of `voters` students, float (seeds, texts), whose rows can be compared as students' are.

    The mean over the rows is how often a vote is right, over all sets of voters among the students: a U-statistic. Row
    s is the jackknife's pseudo-value of that seed, S times the mean over all sets less S - 1 times that over the sets
    without s (Efron & Stein, 1981, Annals of Statistics 9). So the mean over all rows but one is that of the votes
    without that seed, and intervals that leave out seeds allow for votes of others. Rows may lie beyond 0 and 1.

    With no more students than voters there is one set, and one voter fewer votes where a seed is left out. Such a vote
    has more ties and gains less. In simulation, intervals of five students of whom five or three vote are wider than
    need be, with a coverage of .99 and above; those of three of ten are not.
    """
    n_seeds = students.seeds
    if n_seeds <= voters:
        whole = (together(students.probs) == students.gold).astype(float)
        without = np.stack([together(np.delete(students.probs, s, axis=0)) == students.gold for s in range(n_seeds)])
        return whole + (n_seeds - 1) * (without.mean(axis=0) - without)
    votes_in = np.zeros((min(comb(n_seeds, voters), _MOST_SETS), n_seeds), bool)
    if comb(n_seeds, voters) <= _MOST_SETS:
        for row, chosen in zip(votes_in, combinations(range(n_seeds), voters), strict=True):
            row[list(chosen)] = True
    else:
        votes_in[:, :voters] = True
        votes_in = np.random.default_rng(n_seeds).permuted(votes_in, axis=1)
    right = np.stack([together(students.probs[chosen]) == students.gold for chosen in votes_in]).astype(float)
    without = (~votes_in).T @ right / (~votes_in).sum(axis=0)[:, None]
    return n_seeds * right.mean(axis=0) - (n_seeds - 1) * without
