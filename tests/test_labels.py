"""Label sources on four texts whose labels can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from helpers import labels
from helpers.annotations import Annotations
from helpers.errors import UserError
from helpers.labels import LabelSource, Subset

# Probabilities of two annotators for five rows of a corpus; the third row failed for b.
A = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.55, 0.45], [0.5, 0.5]])
B = np.array([[0.3, 0.7], [0.1, 0.9], [np.nan, np.nan], [0.9, 0.1], [0.5, 0.5]])


@pytest.fixture
def subset():
    tables = {name: Annotations(np.log(probs * 0.8), {}, {}) for name, probs in [("a", A), ("b", B)]}
    rows = np.array([0, 1, 2, 3])
    return Subset(rows, np.array([0, 1, 1, 1]), tables, 2)


def classes(made):
    return made.targets.argmax(axis=1).tolist()


def test_gold_is_one_hot(subset):
    made = labels.make(LabelSource("gold"), subset)
    assert made.rows.tolist() == [0, 1, 2, 3]
    assert made.targets.tolist() == [[1, 0], [0, 1], [0, 1], [0, 1]]


def test_annotator_gives_its_most_probable_label(subset):
    assert classes(labels.make(LabelSource("annotator", ("a",)), subset)) == [0, 1, 1, 0]


def test_rows_that_failed_are_left_out(subset):
    made = labels.make(LabelSource("annotator", ("b",)), subset)
    assert made.rows.tolist() == [0, 1, 3]
    assert classes(made) == [1, 1, 0]


def test_entropy_keeps_the_surest_labels(subset):
    made = labels.make(LabelSource("entropy", ("a",), 0.5), subset)
    assert made.rows.tolist() == [0, 2]
    assert classes(made) == [0, 1]


def test_entropy_never_keeps_a_failure(subset):
    """The share is of the texts that have a label, as a random subset has so many."""
    assert labels.make(LabelSource("entropy", ("b",), 1), subset).rows.tolist() == [0, 1, 3]
    for keep in (0.4, 0.6, 0.9):
        made = labels.make(LabelSource("entropy", ("b",), keep), subset)
        assert len(made.rows) == round(3 * keep)
        assert 2 not in made.rows


def test_vote_breaks_ties_by_mean_probability(subset):
    made = labels.make(LabelSource("vote", ("a", "b")), subset)
    assert made.rows.tolist() == [0, 1, 3]  # the third text has one vote only
    # Text 0: one vote each, means .6 and .4. Text 3: both say 0.
    assert classes(made) == [0, 1, 0]


# --- more filters

# Six texts of three classes; the last one failed. Most probable: 0 0 0 0 1 2.
SIX = np.array(
    [
        [0.80, 0.10, 0.10],
        [0.60, 0.40, 0.00],
        [0.50, 0.25, 0.25],
        [0.90, 0.10, 0.00],
        [0.30, 0.40, 0.30],
        [0.20, 0.20, 0.60],
        [np.nan, np.nan, np.nan],
    ]
)


def six(*tables, gold=(0, 1, 0, 0, 1, 1, 2)):
    """A subset of the rows 10 to 16, with the tables `a`, `a@p2`, `a@p3`, …"""
    names = ["a", *(f"a@p{i + 2}" for i in range(len(tables)))]
    whole = [np.concatenate([np.full((10, 3), np.nan), table]) for table in (SIX, *tables)]
    with np.errstate(divide="ignore"):
        found = {name: Annotations(np.log(probs), {}, {}) for name, probs in zip(names, whole, strict=True)}
    return Subset(np.arange(10, 17), np.array(gold), found, 3)


def kept(method, subset, keep):
    return (labels.make(LabelSource(method, tuple(subset.annotations), keep), subset).rows - 10).tolist()


def test_margin_and_entropy_may_differ():
    # Two classes are left of text 1, three of text 2: the second is less sure, but further ahead.
    assert kept("entropy", six(), 4 / 6) == [0, 1, 3, 5]
    assert kept("margin", six(), 4 / 6) == [0, 2, 3, 5]
    assert kept("margin", six(), 1) == [0, 1, 2, 3, 4, 5]


def test_entropy_within_classes_keeps_each_class():
    # Half of each class: of class 0 that is the texts 3 and 0; of the other two, with one text each, the first.
    assert kept("class_entropy", six(), 3 / 6) == [0, 3, 4]
    assert kept("class_entropy", six(), 4 / 6) == [0, 3, 4, 5]


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.25, 0.5, 0.9]))
def test_entropy_within_classes_keeps_the_balance(seed, keep):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet([1, 0.5, 0.2], 200)
    subset = Subset(np.arange(200), np.zeros(200, int), {"a": Annotations(np.log(probs), {}, {})}, 3)
    made = labels.make(LabelSource("class_entropy", ("a",), keep), subset)
    assert len(made.rows) == round(keep * 200)
    before = np.bincount(probs.argmax(1), minlength=3)
    assert (np.abs(made.targets.sum(0) - keep * before) <= 1).all()


def test_the_oracle_keeps_right_labels_first_and_then_the_pools_order():
    assert kept("oracle", six(), 2 / 6) == [0, 2]
    assert kept("oracle", six(), 4 / 6) == [0, 2, 3, 4]
    assert kept("oracle", six(), 5 / 6) == [0, 1, 2, 3, 4]  # the first of the wrong ones
    assert kept("oracle", six(), 1) == [0, 1, 2, 3, 4, 5]  # never a failure


def test_prompts_that_agree_confirm_a_label():
    second, third = SIX.copy(), SIX.copy()
    second[[0, 1]] = third[0] = [0.1, 0.8, 0.1]
    third[2] = np.nan
    subset = six(second, third)
    # Confirmed twice: 3, 4 and 5. Once: 1, and 2, whose third wording failed; 1 has .6 + .1 + .6 and 2 has .5 + .5.
    assert kept("prompt_agreement", subset, 3 / 6) == [3, 4, 5]
    assert kept("prompt_agreement", subset, 4 / 6) == [1, 3, 4, 5]
    assert kept("prompt_agreement", subset, 5 / 6) == [1, 2, 3, 4, 5]
    made = labels.make(LabelSource("prompt_agreement", tuple(subset.annotations), 1), subset)
    assert classes(made) == SIX[:6].argmax(1).tolist()  # the labels are the first table's


def test_confident_learning_drops_what_an_unseeing_classifier_finds_wrong():
    judge = np.full((7, 3), 1 / 3)
    judge[[0, 2, 3]] = [0.9, 0.05, 0.05]
    judge[1] = [0.1, 0.8, 0.1]  # says class 1, the annotator said 0
    # Of its class, text 5 is the only one, and as likely as texts of that class are.
    judge[5] = [0.45, 0.1, 0.45]
    assert kept("confident", six(judge), 5 / 6) == [0, 2, 3, 4, 5]
    judge[0] = np.nan
    assert 0 not in kept("confident", six(judge), 1)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1))
def test_filters_keep_the_share_and_never_change_a_label(seed, keep):
    rng = np.random.default_rng(seed)
    tables = {name: rng.dirichlet(np.ones(3), 40) for name in ("a", "a@p2")}
    tables["a"][rng.random(40) < 0.1] = np.nan
    found = {name: Annotations(np.log(probs), {}, {}) for name, probs in tables.items()}
    subset = Subset(np.arange(40), rng.integers(0, 3, 40), found, 3)
    said = np.nan_to_num(tables["a"]).argmax(1)
    known = int(np.isfinite(tables["a"]).all(1).sum())
    for method in ("entropy", "class_entropy", "margin", "prompt_agreement", "oracle", "confident"):
        made = labels.make(LabelSource(method, tuple(tables), keep), subset)
        assert len(made.rows) == round(keep * known)
        assert (np.diff(made.rows) > 0).all()
        assert classes(made) == said[made.rows].tolist()


@pytest.mark.parametrize("method", sorted({*labels.METHODS} - labels.NEED_GOLD - labels.SPEND_GOLD))
def test_what_does_not_say_that_it_needs_gold_does_not_look_at_it(method):
    """Where a gold label is unknown, -1 stands in its place."""
    rng = np.random.default_rng(5)
    tables = {name: Annotations(np.log(rng.dirichlet(np.ones(3), 40)), {}, {}) for name in ("a", "b")}
    known, unknown = (
        labels.make(LabelSource(method, tuple(tables), 0.5), Subset(np.arange(40), gold, tables, 3))
        for gold in (rng.integers(0, 3, 40), np.full(40, -1))
    )
    assert np.array_equal(known.rows, unknown.rows)
    assert np.array_equal(known.targets, unknown.targets)


# --- combinations


def test_mean_and_vote_may_differ():
    a, b, c = ([0.45, 0.55], [0.45, 0.55], [0.99, 0.01])
    tables = {n: Annotations(np.log([probs]), {}, {}) for n, probs in [("a", a), ("b", b), ("c", c)]}
    subset = Subset(np.array([0]), np.array([0]), tables, 2)
    assert classes(labels.make(LabelSource("vote", ("a", "b", "c")), subset)) == [1]
    assert classes(labels.make(LabelSource("mean", ("a", "b", "c")), subset)) == [0]


def test_agreement_keeps_what_all_say(subset):
    made = labels.make(LabelSource("agreement", ("a", "b")), subset)
    assert made.rows.tolist() == [1, 3]  # they differ on the first text, and b failed on the third
    assert classes(made) == [1, 0]


def test_dawid_skene_learns_whom_to_trust():
    """One annotator is right on 95 % of the texts, three guess: their majority is worse than the one."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 4000)
    said = np.stack([np.where(rng.random(4000) < share, truth, 1 - truth) for share in (0.95, 0.6, 0.6, 0.6)])
    found = labels.combinations.estimate_truth(said, 2)
    assert np.allclose(found.sum(1), 1)
    vote = (said.sum(0) + 0.5 * said[0] > 2.25).astype(int)
    assert (found.argmax(1) == truth).mean() > 0.94 > (vote == truth).mean()


def test_dawid_skene_undoes_an_annotator_that_mixes_classes_up():
    """Two are right, the third says the next class: it is understood, and outvotes nobody."""
    truth = np.arange(60) % 3
    said = np.stack([truth, np.where(np.arange(60) % 10, truth, (truth + 1) % 3), (truth + 1) % 3])
    assert (labels.combinations.estimate_truth(said, 3).argmax(1) == truth).all()


def test_dawid_skene_by_hand():
    """One step from the votes, then the fixed point: annotators that always agree leave no doubt."""
    found = labels.combinations.estimate_truth(np.array([[0, 0, 1, 1], [0, 0, 1, 1]]), 2)
    assert found == pytest.approx(np.array([[1, 0], [1, 0], [0, 1], [0, 1]]), abs=1e-3)
    # Two that differ on every text, and are otherwise alike: nothing tells them apart.
    assert labels.combinations.estimate_truth(np.array([[0, 1], [1, 0]]), 2) == pytest.approx(0.5)


def test_dawid_skene_as_a_source(subset):
    made = labels.make(LabelSource("dawid_skene", ("a", "b")), subset)
    assert made.rows.tolist() == [0, 1, 3]


# --- corrections


def of_two(p_of_first, gold, failed=()):
    """A subset of texts whose annotator `a` gives the first class these probabilities."""
    probs = np.stack([p_of_first, 1 - np.asarray(p_of_first)], axis=1)
    probs[list(failed)] = np.nan
    return Subset(np.arange(len(gold)), np.array(gold), {"a": Annotations(np.log(probs), {}, {})}, 2)


def corrected(method, subset, gold=0):
    return labels.make(LabelSource(method, ("a",), gold=gold), subset)


def test_soft_labels_are_the_probabilities_and_smoothed_ones_are_not(subset):
    assert corrected("soft", subset).targets == pytest.approx(A[:4])
    assert corrected("smoothed", subset).targets == pytest.approx(
        np.array([[0.95, 0.05], [0.05, 0.95], [0.05, 0.95], [0.95, 0.05]])
    )
    assert corrected("smoothed", six()).targets.sum(axis=1) == pytest.approx(np.ones(6))
    for method in ("soft", "smoothed", "prior_corrected"):
        assert corrected(method, six()).targets.dtype == np.float32


def test_a_class_that_is_always_believed_in_loses_what_it_gets_anyway():
    # All four are most probably the first class. Its mean is .7125: .6 and .55 are less than it gets on average.
    subset = of_two([0.9, 0.6, 0.8, 0.55, 0.5], [0, 1, 0, 1, 1], failed=[4])
    made = corrected("prior_corrected", subset)
    assert made.rows.tolist() == [0, 1, 2, 3]
    assert classes(made) == [0, 1, 0, 1]


def test_the_temperature_is_found_that_makes_probabilities_true():
    rng = np.random.default_rng(3)
    odds = rng.normal(0, 1.5, 6000)
    truly = 1 / (1 + np.exp(-odds))
    gold = (rng.random(6000) > truly).astype(int)
    overconfident = of_two(1 / (1 + np.exp(-2 * odds)), gold)
    made = corrected("tempered", overconfident, gold=3000)
    assert made.targets[:, 0] == pytest.approx(truly, abs=0.03)
    assert classes(made) == overconfident.probs("a").argmax(1).tolist()  # a temperature moves no label


def test_a_little_gold_says_what_the_probabilities_mean():
    """An annotator that hardly ever gives the second class, and yet knows it from the first."""
    rng = np.random.default_rng(4)
    gold = rng.integers(0, 2, 2000)
    p = np.where(gold == 0, 0.97, 0.8) + rng.normal(0, 0.04, 2000)
    subset = of_two(np.clip(p, 0.55, 0.999), gold)
    assert np.mean(corrected("annotator", subset).targets.argmax(1) == gold) < 0.55
    assert np.mean(corrected("calibrated", subset, gold=100).targets.argmax(1) == gold) > 0.95
    # Three labels of one class say nothing of another.
    alike = of_two([0.9, 0.8, 0.3, 0.6], [0, 0, 0, 1])
    assert classes(corrected("calibrated", alike, gold=3)) == [0, 0, 1, 0]


def test_a_class_without_a_spent_label_is_never_given():
    made = corrected("calibrated", six(gold=(0, 1, 0, 0, 1, 1, 2)), gold=6)
    assert made.rows.tolist() == list(range(10, 16))
    assert 2 not in classes(made)


def test_gold_is_added_to_the_first_texts_even_where_the_annotator_failed():
    subset = of_two([0.9, 0.9, 0.9, 0.9], [1, 0, 1, 1], failed=[0, 3])
    made = corrected("gold_added", subset, gold=2)
    assert made.rows.tolist() == [0, 1, 2]
    assert classes(made) == [1, 0, 0]


@pytest.mark.parametrize("method", sorted(labels.SPEND_GOLD))
def test_no_more_gold_is_looked_at_than_is_spent(method):
    rng = np.random.default_rng(6)
    gold, tables = rng.integers(0, 3, 60), {"a": Annotations(np.log(rng.dirichlet(np.ones(3), 60)), {}, {})}
    source = LabelSource(method, ("a",), gold=20)
    made = labels.make(source, Subset(np.arange(60), gold, tables, 3))
    hidden = labels.make(source, Subset(np.arange(60), np.where(np.arange(60) < 20, gold, -1), tables, 3))
    other = labels.make(source, Subset(np.arange(60), np.where(np.arange(60) < 20, (gold + 1) % 3, gold), tables, 3))
    assert np.array_equal(made.targets, hidden.targets)
    assert not np.array_equal(made.targets, other.targets)


def test_a_table_belongs_to_an_annotator_and_calls_are_counted():
    assert labels.annotator_of("a@p2") == labels.annotator_of("a") == "a"
    assert labels.llm_calls(LabelSource("gold"), 100) == 0
    assert labels.llm_calls(LabelSource("prompt_agreement", ("a", "a@p2", "a@p3"), 0.5), 100) == 300
    # The classifier of confident learning is no LLM.
    assert labels.llm_calls(LabelSource("confident", ("a", "a@prompt1-crossfit"), 0.5), 100) == 100


# --- controls


@st.composite
def subsets(draw):
    """A few texts of a larger corpus, and an annotator that is wrong now and then and fails now and then."""
    n_labels = draw(st.integers(2, 4))
    size = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gold = rng.integers(0, n_labels, size)
    probs = rng.dirichlet(np.ones(n_labels), size)
    probs[rng.random(size) < 0.1] = np.nan
    rows = np.sort(rng.permutation(size + 20)[:size])
    table = np.full((size + 20, n_labels), np.nan)
    table[rows] = probs
    return Subset(rows, gold, {"a": Annotations(np.log(table), {}, {})}, n_labels)


def errors(subset, made):
    """Confusion matrix, gold by label, of the texts in `made`."""
    gold = dict(zip(subset.rows, subset.gold, strict=True))
    found = np.zeros((subset.n_labels, subset.n_labels), int)
    np.add.at(found, ([gold[row] for row in made.rows], made.targets.argmax(1)), 1)
    return found


@given(subsets())
def test_controls_have_the_annotators_texts_and_rate_of_error(subset):
    assume(np.isfinite(subset.probs("a")).all(1).any())
    real = labels.make(LabelSource("annotator", ("a",)), subset)
    uniform, conditional, shuffled = (
        labels.make(LabelSource(method, ("a",)), subset) for method in ("uniform", "class_conditional", "shuffled")
    )
    for made in (uniform, conditional, shuffled):
        assert np.array_equal(made.rows, real.rows)
        assert np.array_equal(errors(subset, made).sum(1), errors(subset, real).sum(1))
    assert np.trace(errors(subset, uniform)) == np.trace(errors(subset, real))
    assert np.array_equal(errors(subset, shuffled), errors(subset, real))
    # What the annotator never says of a class, no control says of it.
    assert not errors(subset, conditional)[errors(subset, real) == 0].any()


@pytest.mark.parametrize("method", ["uniform", "class_conditional", "shuffled"])
def test_another_draw_puts_as_many_errors_elsewhere(method):
    rng = np.random.default_rng(2)
    gold = rng.integers(0, 2, 4000)
    said = np.where(rng.random(4000) < 0.3, 1 - gold, gold)
    subset = Subset(np.arange(4000), gold, {"a": Annotations(np.log(np.eye(2)[said] * 0.98 + 0.01), {}, {})}, 2)
    first, second, again = (
        labels.make(LabelSource(method, ("a",), draw=draw), subset).targets.argmax(1) != gold for draw in (0, 1, 1)
    )
    assert np.array_equal(second, again)
    assert abs(second.mean() - first.mean()) < 0.02
    # Errors of two draws have nothing to do with each other.
    assert abs(second[first].mean() - second.mean()) < 0.05


def test_random_errors_do_not_follow_the_texts():
    rng = np.random.default_rng(0)
    n, classes_ = 20_000, 3
    gold = rng.integers(0, classes_, n)
    hard = np.arange(n) < n // 5  # all errors fall on a fifth of the texts
    said = np.where(hard, (gold + 1) % classes_, gold)
    subset = Subset(np.arange(n), gold, {"a": Annotations(np.log(np.eye(3)[said] * 0.97 + 0.01), {}, {})}, classes_)
    for method, to_the_next in [("uniform", 0.5), ("class_conditional", 1), ("shuffled", 1)]:
        made = labels.make(LabelSource(method, ("a",)), subset).targets.argmax(1)
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
            labels.make(LabelSource(method, ("a",)), Subset(np.arange(n), gold[:n], tables, 2)).targets
            for n in (500, 2000)
        )
        assert (small == large[:500]).all(axis=1).mean() > 0.9


def test_missing_mass_and_renormalisation(subset):
    table = subset.annotations["a"]
    assert table.missing == pytest.approx([0.2] * 5)
    assert table.probs == pytest.approx(A)


def test_unknown_method_lists_the_known(subset):
    with pytest.raises(UserError, match=r"the known ones are gold, annotator, .*dawid_skene, .*entropy"):
        labels.make(LabelSource("magic"), subset)


def test_nothing_left_is_an_error(subset):
    nothing = Subset(np.array([2]), np.array([1]), subset.annotations, 2)
    with pytest.raises(UserError, match="no text of 1 to train on: its annotators failed on all"):
        labels.make(LabelSource("annotator", ("b",)), nothing)
    apart = Subset(np.array([0]), np.array([1]), subset.annotations, 2)
    with pytest.raises(UserError, match="no text of 1 to train on: its annotators failed on all or never agree"):
        labels.make(LabelSource("agreement", ("a", "b")), apart)
