"""A corpus of which only some texts have gold labels, or none.

A table is read as if rows without a label were a class of their own, so that splits, groups and ready-made labels
are the ordinary ones; then that class is taken away here.
"""

from dataclasses import replace

import numpy as np

from helpers.corpora.corpus import Corpus
from helpers.corpora.splits import SPENT, SPLIT_SEED, TEST

#: The class of rows without a label while a table is read. No file can hold it: control characters are dropped.
UNKNOWN = "\x00unknown"


def hide(corpus: Corpus, groups: np.ndarray, *, seed: int = SPLIT_SEED) -> Corpus:
    """Take the class `UNKNOWN`, the last of the corpus, away: its rows have gold -1.

    The test split keeps the rows with a gold label, and the training pool begins with those it has: then subsets are
    nested, and the smallest are gold. Rows without one follow in random order, except those that share a group with a
    test row, which are left out of the pool. Where no row has a gold label, the split stays as it is.

    Parameters
    ----------
    groups
        Group of each row, int (rows,): texts that must not straddle.
    """
    rows, unknown = corpus.rows.copy(), corpus.gold == corpus.labels.index(UNKNOWN)
    rank = rows["rank"].to_numpy().copy()
    if not unknown.all():
        tested = np.isin(groups, groups[(rank == TEST) & ~unknown])
        known = np.flatnonzero(~unknown & (rank >= 0))
        known = known[np.argsort(rank[known], kind="stable")]
        bare = np.random.default_rng(seed).permutation(np.flatnonzero(unknown & ~tested))
        rank[unknown] = SPENT
        rank[np.concatenate([known, bare])] = np.arange(len(known) + len(bare))
    rows["rank"], rows["gold"] = rank, np.where(unknown, -1, corpus.gold)
    notes = corpus.notes
    if unknown.any():
        count = "no text has a gold label" if unknown.all() else f"{int(unknown.sum())} texts have no gold label"
        notes = (*notes, count)
    return replace(corpus, labels=corpus.labels[:-1], rows=rows, notes=notes)
