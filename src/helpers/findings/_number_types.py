"""Whether students that were computed in different number types differ by more than their seeds."""

from itertools import combinations

import numpy as np
import pandas as pd

from helpers.findings.finding import Part, minus, out_of, percent
from helpers.findings.results import Results, Students, one_each


def number_types(results: Results) -> Part:
    """Two seeds of one number type beside two of different types, and the accuracy of each type's students.

    A row for gold and every annotator at the largest size of each corpus, where both kinds of pairs are there.
    """
    rows, more, types = [], [], set()
    for one in results.corpora.values():
        n = results.study.sizes_of(one.name)[-1]
        for labels in [None, *results.annotators]:
            students = one.students(labels, n)
            equal, different = disagreements(students)
            if not (equal.size and different.size):
                continue
            more.append(different.mean() - equal.mean())
            types |= {*students.types}
            rows.append(
                {
                    "Corpus": one.name,
                    "Labels of": labels or "gold",
                    "Labels": n,
                    "Two of one type disagree, %": percent(equal.mean()),
                    "Two of different types disagree, %": percent(different.mean()),
                }
                | _by_type(students)
            )
    table = pd.DataFrame(rows)
    if table.empty:
        return Part(table, "No cell has students of two number types, and two of one of them: nothing to compare.")
    often = out_of(sum(difference > 0 for difference in more), len(more), "row")
    said = (
        f"Two students of different number types disagree more often than two of one type in {often}, by "
        f"{_points(np.mean(more))} points in the mean of all."
    )
    if len(types) == 2:
        first, second = sorted(types)
        apart = table[f"Accuracy in {second}, %"] - table[f"Accuracy in {first}, %"]
        said += (
            f" Accuracy in {second} minus that in {first} is {_points(apart.mean() / 100)} points in the mean, "
            f"from {_points(apart.min() / 100)} to {_points(apart.max() / 100)}."
        )
    if (mixed := _mixed(results)).size:
        said += f" Of the pairs of one seed that pages compare at these sizes, {percent(mixed.mean())} % are mixed."
    return Part(table, said)


def _mixed(results: Results) -> np.ndarray:
    """Whether the two students of each pair differ in type, bool: an annotator's, and gold's or random errors'."""
    mixed, controls = [], results.study.controls
    for one in results.corpora.values():
        n = results.study.sizes_of(one.name)[-1]
        for annotator in results.annotators:
            its, others = one.students(annotator, n), [one.students(None, n)]
            for method in controls.methods if controls else ():
                others.append(one_each(one.controlled(method, annotator, n), redraw=controls.redraw))
            for other in others:
                mixed += mixed_pairs(its, other)
    return np.array(mixed)


def mixed_pairs(a: Students, b: Students) -> list[bool]:
    """Whether the two students of each seed differ in number type; of nothing where types are not known."""
    return [first != second for first, second in zip(a.types, b.types, strict=False)]


def mixed_by(pairs: dict[str, list[bool]]) -> str:
    """A sentence on how many of the pairs that a page compares are mixed, and where most; nothing if none is."""
    every = [mixed for found in pairs.values() for mixed in found]
    if not any(every):
        return ""
    shares = {name: np.mean(found) for name, found in pairs.items() if found}
    most = max(shares, key=shares.get)
    return (
        f" Of the pairs of one seed that are compared here, {percent(np.mean(every))} % are of two number types, most "
        f"often those of {most} ({percent(shares[most])} %); what that changes by itself is on the page on instability."
    )


def disagreements(students: Students) -> tuple[np.ndarray, np.ndarray]:
    """Shares of texts on which two students differ, 0 to 1: of pairs of one number type, and of different ones."""
    equal, different = [], []
    for i, j in combinations(range(len(students.types)), 2):
        share = float((students.pred[i] != students.pred[j]).mean())
        (equal if students.types[i] == students.types[j] else different).append(share)
    return np.array(equal), np.array(different)


def _by_type(students: Students) -> dict[str, float]:
    """Number of students of each number type, and their mean accuracy."""
    correct, types = students.correct.mean(axis=1), np.array(students.types)
    row = {}
    for name in sorted({*students.types}):
        row[f"Students in {name}"] = int((types == name).sum())
        row[f"Accuracy in {name}, %"] = percent(correct[types == name].mean())
    return row


def _points(difference: float) -> str:
    return minus(f"{percent(difference):+}").replace("+0.0", "0.0")
