"""The numbers in the solutions of `book/teaching.md`, computed with what the pages use."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers import places
from helpers.findings._filtering import _shift
from helpers.findings._toy_world import toy_world
from helpers.measures.agreement import independent_vote
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


def test_move_the_errors(solutions):
    said, world = solutions["3. Move the errors"], toy_world()
    accuracy = world["toy accuracy"].frame
    accuracy = accuracy[accuracy["who"] == "student of the annotator"]

    def of(frame, column, errors, gathered):
        chosen = frame[(frame["errors"] == errors) & (frame["gathered"] == gathered)]
        return chosen.set_index("n")[column].sort_index()

    even, gathered = 100 * of(accuracy, "accuracy", 45, 0), 100 * of(accuracy, "accuracy", 45, 100)
    assert f"from {even[1]:.1f} % with one label of each kind to {even[729]:.1f} % with 729" in said
    assert f"surer of the wrong one: from {gathered[1]:.1f} to {gathered[729]:.1f} %." in said
    away = of(world["toy terms"].frame, "total", 30, 100)
    assert away.is_monotonic_increasing
    assert f"goes from {away[1]:.3f} to {away[729]:.3f} nats" in said
    falling = 100 * of(accuracy, "accuracy", 40, 25)
    assert f"is {falling[81]:.1f} % with 81 labels of each kind and {falling[729]:.1f} % with 729" in said


def test_a_filter_that_moves_the_classes(solutions):
    everything, kept = (
        SimpleNamespace(targets=SimpleNamespace(targets=np.repeat(np.eye(2), counts, axis=0)))
        for counts in ([60, 40], [45, 5])
    )
    moved, after = 100 * _shift(kept, everything), 100 * kept.targets.targets.mean(axis=0)[0]
    assert (
        f"*Positive* were 60 % and are {after:.0f} %: {moved:.0f} points"
        in (solutions["5. A filter that moves the classes"])
    )


def test_three_heads(solutions):
    said, gold = np.array(3 * [7 * [0] + 3 * [1]]), np.zeros(10, dtype=int)
    share, said_of_it = independent_vote(said, gold, n_classes=2), solutions["6. Three heads"]
    assert rf"= {100 * share:.1f}\,\%$" in said_of_it
    assert f"The same mistakes: {100 * (said[0] == gold).mean():.0f} %" in said_of_it


def test_how_good_is_my_annotator(solutions):
    found, said = wilson(240, 300), solutions["7. How good is my annotator?"]
    bounds = f"between {100 * found.low:.1f} and {100 * found.high:.1f} %"
    assert f"{100 * found.effect:.0f} %, and by Wilson's interval {bounds}" in said
    assert f"says {np.ceil(1.96**2 * 0.8 * 0.2 / 0.02**2):.0f} labels for two points" in said
    assert f"and takes {labels_for_precision(0.8, 0.02)}:" in said


def test_what_are_they_worth(solutions):
    sizes, gold = [250, 500, 1000, 2000], np.array([0.70, 0.74, 0.78, 0.80])
    said = solutions["8. What are they worth?"]
    assert f"the logarithm of the number: {gold_equivalent(sizes, gold, 0.75).value:.0f}." in said
    low, high = (gold_equivalent(sizes, gold, accuracy).value for accuracy in (0.74, 0.76))
    assert (high - low) / 2 == pytest.approx(100, abs=10)
