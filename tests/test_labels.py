"""Label sources on four texts whose labels can be worked out by hand."""

import numpy as np
import pytest

from helpers import labels
from helpers.annotations import Annotations
from helpers.errors import UserError
from helpers.labels import LabelSource, Pool

# Probabilities of two annotators for five rows of a corpus; the third row failed for b.
A = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.55, 0.45], [0.5, 0.5]])
B = np.array([[0.3, 0.7], [0.1, 0.9], [np.nan, np.nan], [0.9, 0.1], [0.5, 0.5]])


@pytest.fixture
def pool():
    tables = {name: Annotations(np.log(probs * 0.8), {}, {}) for name, probs in [("a", A), ("b", B)]}
    rows = np.array([0, 1, 2, 3])
    return Pool(rows, np.array([0, 1, 1, 1]), tables, 2)


def classes(made):
    return made.targets.argmax(axis=1).tolist()


def test_gold_is_one_hot(pool):
    made = labels.make(LabelSource("gold"), pool)
    assert made.rows.tolist() == [0, 1, 2, 3]
    assert made.targets.tolist() == [[1, 0], [0, 1], [0, 1], [0, 1]]


def test_annotator_gives_its_most_probable_label(pool):
    assert classes(labels.make(LabelSource("annotator", ("a",)), pool)) == [0, 1, 1, 0]


def test_rows_that_failed_are_left_out(pool):
    made = labels.make(LabelSource("annotator", ("b",)), pool)
    assert made.rows.tolist() == [0, 1, 3]
    assert classes(made) == [1, 1, 0]


def test_entropy_keeps_the_surest_labels(pool):
    made = labels.make(LabelSource("entropy", ("a",), 0.5), pool)
    assert made.rows.tolist() == [0, 2]
    assert classes(made) == [0, 1]


def test_entropy_never_keeps_a_failure(pool):
    made = labels.make(LabelSource("entropy", ("b",), 0.75), pool)
    assert made.rows.tolist() == [0, 1, 3]


def test_vote_breaks_ties_by_mean_probability(pool):
    made = labels.make(LabelSource("vote", ("a", "b")), pool)
    assert made.rows.tolist() == [0, 1, 3]  # the third text has one vote only
    # Text 0: one vote each, means .6 and .4. Text 3: both say 0.
    assert classes(made) == [0, 1, 0]


def test_missing_mass_and_renormalisation(pool):
    table = pool.annotations["a"]
    assert table.missing == pytest.approx([0.2] * 5)
    assert table.probs == pytest.approx(A)


def test_unknown_method_lists_the_known(pool):
    with pytest.raises(UserError, match="gold, annotator, entropy, vote"):
        labels.make(LabelSource("magic"), pool)


def test_nothing_left_is_an_error(pool):
    nothing = Pool(np.array([2]), np.array([1]), pool.annotations, 2)
    with pytest.raises(UserError, match="no text to train on"):
        labels.make(LabelSource("annotator", ("b",)), nothing)
