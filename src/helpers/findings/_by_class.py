"""Where the loss is: what each gold class adds to it."""

import numpy as np
import pandas as pd

from helpers.findings.claims import Claim
from helpers.findings.finding import Part, bounds, minus, out_of, percent
from helpers.findings.results import CorpusResults, Results, Students, paired
from helpers.measures.intervals import Interval, paired_difference


def loss_by_class(results: Results, claim: Claim, seed: int) -> Part:
    """The gap to gold, taken apart by the gold class of the test texts; the parts of all classes add up to it.

    The part of a class is the share of all test texts that are of this class and that the gold students get right,
    less that which the annotator's get right. Its interval is over seeds and texts.
    """
    rows, listed, without_most = [], [], []
    for one in results.corpora.values():
        largest: list[tuple[int, float, float]] = []
        n = results.study.sizes_of(one.name)[-1]
        for annotator in results.annotators:
            gold, students = paired(one.students(None, n), one.students(annotator, n))
            _, said = one.annotated(annotator)
            known = said[said >= 0]
            parts = []
            for k, label in enumerate(one.corpus.labels):
                of_class = one.gold == k
                part = _part(gold, students, of_class, results.rng(one.name, f"{annotator} on {label}", seed))
                parts.append(part.effect)
                rows.append(
                    {
                        "Corpus": one.name,
                        "Annotator": annotator,
                        "Gold class": label,
                        "Part of the gap, points": percent(part.effect),
                        "95 % interval": bounds(claim, part),
                        "Of all texts, %": percent(of_class.mean()),
                        "Of the annotator's labels, %": percent((known == k).mean()) if len(known) else np.nan,
                        "Gold student finds, %": _found(gold, of_class),
                        "Its student finds, %": _found(students, of_class),
                    }
                )
            most, gap = int(np.argmax(parts)), float(sum(parts))
            largest.append((most, parts[most], gap))
            rng = results.rng(one.name, f"{annotator} without one class", seed)
            without_most.append(_part(gold, students, one.gold != most, rng))
        if largest:
            listed.append((one.name, _sentence(one, largest)))
    if not rows:
        return Part(pd.DataFrame(), "There is nothing to take apart.")
    clear = sum(interval.sign == 1 for interval in without_most)
    said = (
        "Without the texts of the class that adds most to it, the gap is still clear in "
        f"{out_of(clear, len(without_most), 'cell')}. The class that adds most:"
    )
    return Part(pd.DataFrame(rows), said, tuple(listed))


def _part(gold: Students, students: Students, which: np.ndarray, rng: np.random.Generator) -> Interval:
    """What the texts of `which`, bool (texts,), add to the gap."""
    return paired_difference(gold.correct * which, students.correct * which, rng=rng)


def _found(students: Students, of_class: np.ndarray) -> float:
    return percent(students.correct[:, of_class].mean()) if of_class.any() else np.nan


def _sentence(one: CorpusResults, largest: list[tuple[int, float, float]]) -> str:
    """For example `neutral for 3 of 3 annotators, with 12.3 points of 15.0 in the median`."""
    classes = [most for most, _, _ in largest]
    often = max(set(classes), key=classes.count)
    part, gap = (np.median([found[i] for found in largest if found[0] == often]) for i in (1, 2))
    return (
        f"{one.corpus.labels[often]} for {out_of(classes.count(often), len(classes), 'annotator')}, with "
        f"{minus(f'{percent(part)}')} points where the whole gap is {minus(f'{percent(gap)}')}"
        f"{' in the median' if classes.count(often) > 1 else ''}."
    )
