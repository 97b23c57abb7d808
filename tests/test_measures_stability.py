import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.measures.stability import (
    class_counts,
    krippendorff_alpha,
    label_entropy,
    pairwise_disagreement,
    unchanged_share,
)

runs = hnp.arrays(np.int64, st.tuples(st.integers(2, 6), st.integers(1, 15)), elements=st.integers(0, 2))
weights = hnp.arrays(float, (7, 4), elements=st.floats(0.0, 1.0)).filter(lambda w: (w.sum(1) > 1e-3).all())


def test_alpha_by_hand():
    # Values 0 0 | 0 1 | 1 1 | 1 1: one of 4 texts differs, D_o = 1/4. Pooled: three 0 and five 1,
    # D_e = 1 - (3*2 + 5*4) / (8*7) = 30/56.
    pred = np.array([[0, 0, 1, 1], [0, 1, 1, 1]])
    assert krippendorff_alpha(pred, n_classes=2) == pytest.approx(1 - (1 / 4) / (30 / 56))


@given(runs)
def test_alpha_agrees_with_the_reference_implementation(pred):
    alpha = krippendorff_alpha(pred, n_classes=3)
    if len(np.unique(pred)) == 1:
        assert np.isnan(alpha)
        return
    expected = krippendorff.alpha(pred, level_of_measurement="nominal", value_domain=[0, 1, 2])
    assert alpha == pytest.approx(expected, abs=1e-9)
    assert alpha <= 1


def test_alpha_is_one_for_identical_runs_and_near_zero_for_unrelated_ones():
    rng = np.random.default_rng(0)
    run = rng.integers(0, 3, 500)
    assert krippendorff_alpha(np.stack([run] * 4), n_classes=3) == 1.0
    assert abs(krippendorff_alpha(rng.integers(0, 3, (5, 20_000)), n_classes=3)) < 0.01


def test_alpha_is_undefined_for_a_collapsed_student():
    pred = np.zeros((3, 10), int)
    assert np.isnan(krippendorff_alpha(pred, n_classes=2))
    assert pairwise_disagreement(pred) == 0.0
    assert unchanged_share(pred) == 1.0


@given(runs, st.randoms(use_true_random=False))
def test_measures_ignore_the_order_of_seeds_and_texts_and_the_names_of_classes(pred, random):
    seeds, texts, names = (random.sample(range(n), n) for n in (*pred.shape, 3))
    shuffled = np.array(names)[pred][seeds][:, texts]
    np.testing.assert_allclose(
        krippendorff_alpha(shuffled, n_classes=3), krippendorff_alpha(pred, n_classes=3), atol=1e-12
    )
    assert unchanged_share(shuffled) == pytest.approx(unchanged_share(pred))
    assert pairwise_disagreement(shuffled) == pytest.approx(pairwise_disagreement(pred))


@given(runs)
def test_disagreement_is_the_mean_over_pairs(pred):
    pairs = [(pred[i] != pred[j]).mean() for i in range(len(pred)) for j in range(i)]
    assert pairwise_disagreement(pred) == pytest.approx(np.mean(pairs))


@given(runs)
def test_measures_bound_each_other(pred):
    changed, disagree = 1 - unchanged_share(pred), pairwise_disagreement(pred)
    assert 0 <= disagree <= changed + 1e-12
    assert changed <= 1
    # Where any seed differs at all, at least S - 1 of the S (S - 1) / 2 pairs disagree.
    assert disagree >= changed * 2 / len(pred) - 1e-12


def test_counts_hold_every_seed():
    counts = class_counts(np.array([[0, 2], [0, 1]]), n_classes=4)
    assert counts.tolist() == [[2, 0, 0, 0], [0, 1, 1, 0]]


@pytest.mark.parametrize("measure", [pairwise_disagreement, unchanged_share])
def test_one_seed_has_nothing_to_be_compared_with(measure):
    with pytest.raises(ValueError, match="at least 2 seeds"):
        measure(np.zeros((1, 5), int))


@given(weights)
def test_entropy_lies_between_certainty_and_uniformity(raw):
    p = raw / raw.sum(1, keepdims=True)
    entropy = label_entropy(p)
    assert (entropy >= 0).all()
    assert (entropy <= np.log(4) + 1e-9).all()
    np.testing.assert_allclose(label_entropy(p, normalised=True), entropy / np.log(4))
    np.testing.assert_allclose(label_entropy(p[:, ::-1]), entropy, atol=1e-12)


def test_entropy_of_known_distributions():
    p = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]])
    expected = [0, np.log(2), -0.25 * np.log(0.25) - 0.75 * np.log(0.75)]
    np.testing.assert_allclose(label_entropy(p), expected)
    assert label_entropy(p, normalised=True)[1] == pytest.approx(1.0)
