"""Filters side by side: what each does at the same share of labels, over all corpora and annotators."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.findings.claims import Claim
from helpers.findings.finding import Part, out_of, percent
from helpers.measures.intervals import Interval

#: What a reader sees for a method; others go by their name.
_CHOICES = {
    "entropy": "lowest entropy",
    "confident": "confident learning",
    "dawid_skene": "Dawid-Skene",
    "soft": "soft labels",
    "smoothed": "label smoothing",
    "prior_corrected": "prior correction",
    "tempered": "temperature scaling",
    "calibrated": "matrix scaling",
}


def choice_of(method: str) -> str:
    """What a reader sees for a method."""
    return _CHOICES.get(method, method.replace("_", " "))


class Compared(NamedTuple):
    """One filter at one share, for a corpus and an annotator.

    Attributes
    ----------
    all_labels, random, entropy
        Accuracy of its students minus that of the students of all labels, of as many chosen at random, and of those of
        lowest entropy over all classes; the last only of `class_entropy`, which keeps the balance of the classes.
    closed
        Share of the gap to gold that it closes; nan where there is none.
    moved
        How far the balance of the classes moved, 0 to 1.
    purer
        Whether its labels are right more often than all.
    judge, judged
        Of a filter that asks a classifier: how often the classifier's own labels are right, and the annotator's on the
        same texts, 0 to 1; None of others.
    """

    corpus: str
    annotator: str
    choice: str
    kept: float
    all_labels: Interval
    random: Interval
    entropy: Interval | None
    closed: float
    moved: float
    purer: bool
    judge: float | None = None
    judged: float | None = None


def choices(claim: Claim, compared: list[Compared], fraction: float) -> Part:
    """The filters side by side, over all corpora and annotators, and what they come to at one kept share."""
    if not compared:
        return Part(pd.DataFrame(), "There is nothing to compare.", frame=pd.DataFrame())
    rows, listed = [], []
    for (choice, kept), found in _grouped(compared).items():
        row = {"Choice": choice, "Kept, %": percent(kept), "Cells": len(found)}
        for what, intervals in _beside(found).items():
            row |= {
                f"Better than {what} in": sum(interval.sign == 1 for interval in intervals),
                f"Worse than {what} in": sum(interval.sign == -1 for interval in intervals),
                f"Median difference to {what}, points": percent(np.median([i.effect for i in intervals])),
            }
        closed = [one.closed for one in found if np.isfinite(one.closed)]
        row["Median of the gap closed, %"] = percent(np.median(closed)) if closed else np.nan
        row["Class balance moved by, median points"] = percent(np.median([one.moved for one in found]))
        rows.append(row)
        if kept == fraction:
            random = [one.random for one in found]
            better, worse = (sum(interval.sign == sign for interval in random) for sign in (1, -1))
            listed.append(
                (
                    choice,
                    f"clearly better in {out_of(better, len(found), 'cell')} and clearly worse in {worse}; the median "
                    f"difference is {claim.shown(np.median([one.effect for one in random]))}."
                    f"{_balanced(found)}{_judge(found)}",
                )
            )
    said = (
        f"At the kept share {100 * fraction:g} %, {_purer(compared, fraction)}each filter beside a random choice of as "
        "many:"
    )
    return Part(pd.DataFrame(rows), said, tuple(listed), _points_beside(compared, fraction))


def _balanced(found: list[Compared]) -> str:
    signs = [one.entropy.sign for one in found if one.entropy]
    if not signs:
        return ""
    counts = f"clearly better in {signs.count(1)} and clearly worse in {signs.count(-1)}"
    return f" Compared with lowest entropy over all classes, it is {counts}."


def _judge(found: list[Compared]) -> str:
    """How often the classifier that a filter asks is right, beside the annotator whose labels it judges."""
    asked = [one for one in found if one.judge is not None]
    if not asked:
        return ""
    better = out_of(sum(one.judge > one.judged for one in asked), len(asked), "cell")
    judge, judged = (percent(np.median([getattr(one, whose) for one in asked])) for whose in ("judge", "judged"))
    return (
        f" In the median, its classifier's own labels are right on {judge} % of the texts, and the annotator's on "
        f"{judged} %; the classifier is right more often in {better}."
    )


def _beside(found: list[Compared]) -> dict[str, list[Interval]]:
    """What filters are compared with -> the intervals."""
    return {"all labels": [one.all_labels for one in found], "a random choice": [one.random for one in found]}


def _points_beside(compared: list[Compared], fraction: float) -> pd.DataFrame:
    """For the chart: a row a filter, kept share, corpus, annotator and what it is compared with.

    Those of the share that the verdicts are about come first, and so the chart begins with it.
    """
    compared = sorted(compared, key=lambda one: one.kept != fraction)
    return pd.DataFrame(
        [
            {
                "corpus": one.corpus,
                "annotator": one.annotator,
                "choice": one.choice,
                "kept": one.kept,
                "beside": what,
                "difference": interval.effect,
                "low": interval.low,
                "high": interval.high,
            }
            for what, intervals in _beside(compared).items()
            for one, interval in zip(compared, intervals, strict=True)
        ]
    )


def _purer(compared: list[Compared], fraction: float) -> str:
    """What the filter by entropy is for, and what it does: labels right more often, and a student that is worse."""
    kept = [one for one in compared if one.choice == _CHOICES["entropy"] and one.kept == fraction]
    purer = [one for one in kept if one.purer]
    worse = [one for one in purer if one.all_labels.sign == -1]
    if not purer:
        return ""
    said = (
        "the labels of lowest entropy are right more often than all in "
        f"{out_of(len(purer), len(kept), 'cell')}, and in {len(worse)} of these the student is clearly worse all the "
        "same"
    )
    if worse:
        said += f"; there the balance of the classes moved by {percent(np.median([one.moved for one in worse]))} points"
        said += " in the median"
    return f"{said}. At that share, "


def _grouped(compared: list[Compared]) -> dict[tuple[str, float], list[Compared]]:
    found: dict[tuple[str, float], list[Compared]] = {}
    for one in compared:
        found.setdefault((one.choice, one.kept), []).append(one)
    return found
