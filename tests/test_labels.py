"""Label sources on four texts whose labels can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

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


# --- controls


@st.composite
def pools(draw):
    """A pool of a few texts of a larger corpus, with an annotator that is wrong now and then and fails now and then."""
    n_labels = draw(st.integers(2, 4))
    size = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gold = rng.integers(0, n_labels, size)
    probs = rng.dirichlet(np.ones(n_labels), size)
    probs[rng.random(size) < 0.1] = np.nan
    rows = np.sort(rng.permutation(size + 20)[:size])
    table = np.full((size + 20, n_labels), np.nan)
    table[rows] = probs
    return Pool(rows, gold, {"a": Annotations(np.log(table), {}, {})}, n_labels)


def errors(pool, made):
    """Confusion matrix, gold by label, of the texts in `made`."""
    gold = dict(zip(pool.rows, pool.gold, strict=True))
    found = np.zeros((pool.n_labels, pool.n_labels), int)
    np.add.at(found, ([gold[row] for row in made.rows], made.targets.argmax(1)), 1)
    return found


@given(pools())
def test_controls_have_the_annotators_texts_and_rate_of_error(pool):
    assume(np.isfinite(pool.probs("a")).all(1).any())
    real = labels.make(LabelSource("annotator", ("a",)), pool)
    uniform, conditional, shuffled = (
        labels.make(LabelSource(method, ("a",)), pool) for method in ("uniform", "class_conditional", "shuffled")
    )
    for made in (uniform, conditional, shuffled):
        assert np.array_equal(made.rows, real.rows)
        assert np.array_equal(errors(pool, made).sum(1), errors(pool, real).sum(1))
    assert np.trace(errors(pool, uniform)) == np.trace(errors(pool, real))
    assert np.array_equal(errors(pool, shuffled), errors(pool, real))
    # What the annotator never says of a class, no control says of it.
    assert not errors(pool, conditional)[errors(pool, real) == 0].any()


def test_random_errors_do_not_follow_the_texts():
    rng = np.random.default_rng(0)
    n, classes_ = 20_000, 3
    gold = rng.integers(0, classes_, n)
    hard = np.arange(n) < n // 5  # all errors fall on a fifth of the texts
    said = np.where(hard, (gold + 1) % classes_, gold)
    pool = Pool(np.arange(n), gold, {"a": Annotations(np.log(np.eye(3)[said] * 0.97 + 0.01), {}, {})}, classes_)
    for method, to_the_next in [("uniform", 0.5), ("class_conditional", 1), ("shuffled", 1)]:
        made = labels.make(LabelSource(method, ("a",)), pool).targets.argmax(1)
        wrong = made != gold
        assert abs(wrong.mean() - 0.2) < 0.01
        assert abs(wrong[hard].mean() - 0.2) < 0.03
        assert abs((made[wrong] == (gold[wrong] + 1) % classes_).mean() - to_the_next) < 0.03


def test_uniform_and_conditional_errors_are_nearly_the_same_in_a_smaller_subset():
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 2, 2000)
    said = np.where(rng.random(2000) < 0.3, 1 - gold, gold)
    tables = {"a": Annotations(np.log(np.eye(2)[said] * 0.98 + 0.01), {}, {})}
    for method in ("uniform", "class_conditional"):
        small, large = (
            labels.make(LabelSource(method, ("a",)), Pool(np.arange(n), gold[:n], tables, 2)).targets
            for n in (500, 2000)
        )
        assert (small == large[:500]).all(axis=1).mean() > 0.9


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
