"""The numbers in the solutions of `book/teaching.md`, computed with what the pages use."""

import numpy as np
import pytest

from helpers import places
from helpers.measures.plateau import gold_equivalent
from helpers.measures.prevalence import labels_for_precision, wilson
from helpers.measures.propagation import decompose_by_text


@pytest.fixture(scope="module")
def solutions() -> dict[str, str]:
    """Title of an exercise -> its solution, in one line."""
    page = places.ROOT.joinpath("book/teaching.md").read_text("utf-8")
    exercises = dict(part.split("\n", 1) for part in page.split("\n### ")[1:])
    return {title: " ".join(text.split("{dropdown} Solution")[1].split()) for title, text in exercises.items()}


def written(number: float, form: str) -> str:
    return format(number, form).replace("-", "−")


def test_three_terms_by_hand(solutions):
    said = solutions["2. Three terms by hand"]
    people, annotator = np.array([[0.7, 0.3]]), np.array([[0.9, 0.1]])
    terms = []
    for positive in (0.8, 0.95):
        found = decompose_by_text(people, annotator, np.array([[[positive, 1 - positive]]]))
        terms.append({term: float(value.item()) for term, value in found.items()})
    near, close = terms
    assert f"= {near['approximation']:.3f}$ both times" in said
    cross = written(near["cross"], ".3f")
    assert f"estimation is {near['estimation']:.3f}, the cross term {cross}, and" in said
    assert f"the divergence from people {near['total']:.3f}." in said
    assert f"they are {close['estimation']:.3f}, +{close['cross']:.3f} and {close['total']:.3f}" in said
    sums = [one["approximation"] + one["estimation"] for one in terms]
    assert sums[1] < sums[0]
    assert near["total"] < close["total"]


def test_a_filter_that_moves_the_classes(solutions):
    before, after = np.array([60, 40]) / 100, np.array([45, 5]) / 50
    moved = 100 * np.abs(after - before).sum() / 2
    assert (
        f"*Positive* were 60 % and are {100 * after[0]:.0f} %: {moved:.0f} points"
        in (solutions["5. A filter that moves the classes"])
    )


def test_three_heads(solutions):
    right = [sum(answers) >= 2 for answers in np.ndindex(2, 2, 2)]
    share = sum(0.7 ** sum(a) * 0.3 ** (3 - sum(a)) for a, ok in zip(np.ndindex(2, 2, 2), right, strict=True) if ok)
    assert rf"= {100 * share:.1f}\,\%$" in solutions["6. Three heads"]


def test_how_good_is_my_annotator(solutions):
    found, said = wilson(240, 300), solutions["7. How good is my annotator?"]
    bounds = f"between {100 * found.low:.1f} and {100 * found.high:.1f} %"
    assert f"{100 * found.effect:.0f} %, and by Wilson's interval {bounds}" in said
    assert f"takes {labels_for_precision(0.8, 0.02)} labels" in said


def test_what_are_they_worth(solutions):
    sizes, gold = [250, 500, 1000, 2000], np.array([0.70, 0.74, 0.78, 0.80])
    said = solutions["8. What are they worth?"]
    assert f"the logarithm of the number: {gold_equivalent(sizes, gold, 0.75).value:.0f}." in said
    low, high = (gold_equivalent(sizes, gold, accuracy).value for accuracy in (0.74, 0.76))
    assert (high - low) / 2 == pytest.approx(100, abs=10)
