"""A world small enough to compute: what students learn from errors that fall evenly, and from errors that do not."""

import numpy as np
import pandas as pd

from helpers.findings._decomposition import TERMS
from helpers.findings.finding import Part, percent
from helpers.measures import toy

#: Of each kind of texts in turn, the share of people that is of one mind.
_OF_ONE_MIND = (0.95, 0.7)
_KINDS = 10
_SMOOTHING = 1.0
_SIZES = (1, 3, 9, 27, 81, 243, 729)
#: Percent of the annotator's labels that are turned into the other class, and how much of that falls on few kinds.
_ERRORS, _GATHERED = range(0, 50, 5), (0, 25, 50, 75, 100)
#: The rate of errors that is told in words.
_TOLD = 25


def toy_world() -> dict[str, Part]:
    """The parts "toy accuracy" and "toy terms", exact expectations for every setting of the two sliders.

    There are ten kinds of texts, equally frequent, and two classes. On half of the kinds 95 % of the people are of one
    mind, on the others 70 %. The annotator turns a share of labels into the other class: evenly, or gathered on few
    kinds, all of whose labels are turned then. A student sees `n` labels of each kind and predicts their frequencies,
    smoothed.

    Returns
    -------
    dict[str, Part]
        Frames have a row a setting (`errors` and `gathered`, in percent) and `n`; and of "toy accuracy", `who` (people,
        the annotator's students, the annotator itself) and `accuracy`, which is how often that is what most people say;
        of "toy terms", the four terms in nats. Tables tell one rate of errors.
    """
    people = np.array([[share, 1 - share] for share in _OF_ONE_MIND * (_KINDS // 2)])
    taught_by_people = toy.expected_accuracy(people, people, _SIZES)
    accuracies, terms = [], []
    for errors in _ERRORS:
        for gathered in _GATHERED:
            annotator = toy.uniform_noise(people, _rates(errors / 100, gathered / 100))
            students = toy.expected_accuracy(people, annotator, _SIZES)
            setting = {"errors": errors, "gathered": gathered}
            for i, n in enumerate(_SIZES):
                known = {
                    "student of people": taught_by_people[i],
                    "student of the annotator": students[i],
                    "the annotator": annotator[:, 0].mean(),
                }
                accuracies += [setting | {"n": n, "who": who, "accuracy": share} for who, share in known.items()]
            terms.append(toy.expected_decomposition(people, annotator, _SIZES, _SMOOTHING).assign(**setting))
    accuracy, split = pd.DataFrame(accuracies).round(6), pd.concat(terms, ignore_index=True).round(6)
    return {
        "toy accuracy": _students(accuracy),
        "toy terms": _sums(split),
    }


def _rates(errors: float, gathered: float) -> np.ndarray:
    """Error rate of each kind; their mean is `errors`, however they are spread."""
    one_after_the_other = np.clip(_KINDS * errors - np.arange(_KINDS), 0, 1)
    return (1 - gathered) * errors + gathered * one_after_the_other


def _students(frame: pd.DataFrame) -> Part:
    told = frame[(frame["errors"] == _TOLD) & (frame["n"].isin([_SIZES[0], _SIZES[-1]]))]
    at = told.pivot_table(index="gathered", columns=["who", "n"], values="accuracy", sort=False)
    student, annotator = at["student of the annotator", _SIZES[-1]], at["the annotator", _SIZES[-1]]
    even, few = _GATHERED[0], _GATHERED[-1]
    minds = " or ".join(f"{100 * share:g} %" for share in _OF_ONE_MIND)
    said = (
        f"There are {_KINDS} kinds of texts and two classes; {minds} of the people are of one mind, on half of the "
        f"kinds each. A student that has seen n labels of a kind gives a class the probability "
        f"(count + {_SMOOTHING:g}) / (n + {2 * _SMOOTHING:g}). With {_TOLD} % of the labels turned and {_SIZES[-1]} "
        f"labels of each kind, students say what most people say of {percent(student[even])} % of the texts where "
        f"errors fall evenly, and of {percent(student[few])} % where "
        f"they fall on few kinds. Of the annotator's own labels, {percent(annotator[even])} % and "
        f"{percent(annotator[few])} % are what most people say."
    )
    columns = {
        "Gathered on few kinds, %": _GATHERED,
        "The annotator, %": annotator.map(percent),
        **{
            f"Its student, {n} {'label' if n == 1 else 'labels'} a kind, %": at["student of the annotator", n].map(
                percent
            )
            for n in (_SIZES[0], _SIZES[-1])
        },
        f"A student of people, {_SIZES[-1]} labels a kind, %": at["student of people", _SIZES[-1]].map(percent),
    }
    return Part(pd.DataFrame(columns), said, frame=frame)


def _sums(frame: pd.DataFrame) -> Part:
    told = frame[(frame["errors"] == _TOLD) & (frame["n"].isin([_SIZES[0], _SIZES[-1]]))]
    total = told.pivot_table(index="gathered", columns="n", values="total", sort=False)
    even, few = (total.loc[gathered] for gathered in (_GATHERED[0], _GATHERED[-1]))
    first, last = _SIZES[0], _SIZES[-1]
    said = (
        f"With {_TOLD} % of the labels turned, the student's divergence from people goes from {even[first]:.3f} nats "
        f"at {first} label of each kind to {even[last]:.3f} at {last} where errors fall evenly, and from "
        f"{few[first]:.3f} to {few[last]:.3f} where they fall on few kinds."
    )
    rows = [
        {
            "Gathered on few kinds, %": row["gathered"],
            "Labels of each kind": row["n"],
            **{f"{term.capitalize()}, nats": round(row[term], 3) + 0.0 for term in TERMS},
        }
        for row in told.to_dict("records")
    ]
    return Part(pd.DataFrame(rows), said, frame=frame)
