"""Votes of several people: columns of counts, or a column for each rater; and the gold label that they give."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from helpers.corpora.reading import TableError

#: Why a row without a gold label of its own gets none from the votes.
TIED = "two classes share most of the votes"


def from_counts(table: pd.DataFrame, columns: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Votes from one column of counts a class, int (rows, classes).

    `table` has the columns ("votes", name) with checked numbers.

    Raises
    ------
    TableError
        If there are not as many columns as classes.
    """
    if len(columns) != len(classes):
        raise TableError(
            f"`votes` names {len(columns)} columns for {len(classes)} classes: name one for each of "
            f"{', '.join(map(repr, classes))}, in this order"
        )
    return np.stack([table["votes", column] for column in columns], axis=1).astype(int)


def from_raters(
    table: pd.DataFrame, columns: Sequence[str], names: Mapping[str, str], classes: Sequence[str]
) -> np.ndarray:
    """Votes from one column a rater that names a class, or nothing, int (rows, classes).

    `table` has the columns ("rater", name); `names` maps their values to classes.
    """
    index = {value: classes.index(name) for value, name in names.items()}
    counts = np.zeros((len(table), len(classes)), dtype=int)
    for column in columns:
        said = table["rater", column].map(index)
        known = said.notna().to_numpy()
        np.add.at(counts, (np.flatnonzero(known), said[known].astype(int).to_numpy()), 1)
    return counts


def plurality(votes: np.ndarray) -> np.ndarray:
    """Class with most votes, int (rows,); -1 where two share them."""
    first = votes == votes.max(axis=1, keepdims=True)
    return np.where(first.sum(axis=1) > 1, -1, votes.argmax(axis=1))


def doubt(votes: np.ndarray, gold: np.ndarray, columns: Sequence[str], classes: Sequence[str]) -> list[str]:
    """A remark where gold has the most votes in more rows if the columns stand in another order, else nothing.

    Columns in a wrong order would be silent: every count is a count.
    """
    first = votes == votes.max(axis=1, keepdims=True)
    agreed = np.stack([first[gold == k].sum(axis=0) for k in range(len(classes))])
    _, column = linear_sum_assignment(agreed, maximize=True)
    as_given, at_best = agreed.trace(), agreed[np.arange(len(classes)), column].sum()
    if at_best <= as_given:
        return []
    meant = ", ".join(f"{columns[j]!r} for {name!r}" for j, name in zip(column, classes, strict=True))
    return [
        f"are `votes` in the order of the classes? The label has the most votes in {as_given / len(gold):.0%} of the "
        f"rows, and would in {at_best / len(gold):.0%} with {meant}"
    ]
