"""What a reader should know of a corpus: of its texts, its classes, and how it was split."""

import numpy as np
import pandas as pd

from helpers.corpora import splits
from helpers.corpora.classes import NOTHING
from helpers.corpora.corpus import Corpus

#: Share of the test texts that may share a group with another without a word.
_FEW_TOGETHER = 0.1


def of_rows(rows: pd.DataFrame, known: list[str]) -> list[str]:
    """Texts that contradict each other, gold that was spent on examples, and classes too rare to speak of.

    `rows` has the columns of `Corpus.rows`, and `known` the names of the classes.
    """
    said = []
    group = splits.same(rows["text"])
    contested = pd.Series(rows["gold"].to_numpy()).groupby(group).nunique() > 1
    if contested.any():
        said.append(f"{int(contested.sum())} texts occur more than once with different labels")
    spent = int((rows["rank"] == splits.SPENT).sum())
    if spent:
        said.append(f"{spent} gold labels are spent on examples in the prompt")
    rare = [name for k, name in enumerate(known) if (rows["gold"] == k).sum() < 10]
    if rare and len(rows):
        said.append(f"fewer than ten texts are {', '.join(map(repr, rare))}: of those, nothing can be said")
    return said


def of_groups(grouping: np.ndarray) -> list[str]:
    """Whether many test texts stand together with others: `grouping` is the group of each, int (texts,)."""
    _, group, size = np.unique(grouping, return_inverse=True, return_counts=True)
    shared = int((size[group] > 1).sum())
    if shared <= _FEW_TOGETHER * len(grouping):
        return []
    return [
        f"{shared} of {len(grouping)} tested texts share a group with another: intervals take texts to be independent, "
        "and are too narrow where those of a group are alike"
    ]


def of_split(corpus: Corpus, asked: int | None) -> list[str]:
    """Parts of one class only, and fewer test texts than were due: `asked`, or None where no number was asked for."""
    said = []
    for part in corpus.parts:
        at = "" if part.part is None else f" of fold {part.part}"
        for where, rows in (("training pool", part.pool), ("test split", part.test)):
            found = set(part.gold[rows].tolist()) - {-1}
            if len(found) == 1:
                said.append(f"the {where}{at} has one class only, {corpus.labels[found.pop()]!r}")
    if asked is not None and len(corpus.test) < asked / 2:
        why = (
            f"texts that stay together make a test split of {len(corpus.test)} texts"
            if corpus.fully_gold
            else f"of the test split, {len(corpus.test)} texts have a gold label and are tested on"
        )
        said.append(f"{why}, where {asked} were due")
    return said


def of_names(known: list[str], frame: pd.DataFrame, groups: list[str]) -> list[str]:
    """Classes and groups that are called as programs write what is missing, such as R's NA: they may be none."""
    said = [
        f"{name!r} is a class here: if it stands for a missing label, leave these cells empty"
        for name in known
        if name.casefold() in NOTHING
    ]
    for column in groups:
        found = frame["group", column].dropna().astype(str).unique()
        said += [
            f"texts whose {column} is {name!r} are one group: if that is missing, leave the cells empty"
            for name in found
            if name.casefold() in NOTHING
        ]
    return said
