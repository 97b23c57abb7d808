import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from helpers.measures.accuracy import (
    accuracy,
    brier_score,
    expected_calibration_error,
    macro_f1,
    predictions,
    recall_by_class,
)

labels = st.integers(2, 4).flatmap(
    lambda k: st.tuples(
        st.just(k),
        st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=30),
    )
)


def test_predictions_take_the_most_probable_class_and_break_ties_downwards():
    assert predictions([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]]).tolist() == [1, 0]


def test_predictions_refuse_scores_that_are_no_distribution():
    with pytest.raises(ValueError, match="sum to 1"):
        predictions([[2.0, 3.0]])


def test_accuracy_keeps_the_seed_axis():
    gold = np.array([0, 1, 1, 2])
    pred = np.array([[0, 1, 1, 2], [0, 0, 0, 2], [1, 0, 0, 0]])
    assert accuracy(pred, gold).tolist() == [1.0, 0.5, 0.0]
    assert accuracy(pred[1], gold) == 0.5


def test_accuracy_refuses_other_texts_and_missing_labels():
    with pytest.raises(ValueError, match="pred has 3, gold has 2"):
        accuracy(np.zeros(3, int), np.zeros(2, int))
    with pytest.raises(ValueError, match=r"found -1\.\.0"):
        accuracy(np.zeros(2, int), np.array([0, -1]))
    with pytest.raises(TypeError, match="integer class ids"):
        accuracy(np.array([0.2, 0.8]), np.array([0, 1]))
    with pytest.raises(ValueError, match="n_texts >= 1"):
        accuracy(np.zeros((3, 0), int), np.zeros(0, int))


@given(labels)
def test_macro_f1_and_recall_agree_with_scikit_learn(case):
    n_classes, pairs = case
    pred, gold = np.array(pairs).T
    ids = range(n_classes)
    expected = f1_score(gold, pred, labels=ids, average="macro", zero_division=0)
    assert macro_f1(pred, gold, n_classes=n_classes) == pytest.approx(expected, abs=1e-12)
    expected = recall_score(gold, pred, labels=ids, average=None, zero_division=np.nan)
    np.testing.assert_allclose(recall_by_class(pred, gold, n_classes=n_classes), expected)


def test_macro_f1_by_hand_for_two_seeds():
    gold = np.array([0, 0, 1, 1])
    pred = np.array([[0, 0, 1, 1], [0, 0, 0, 0]])
    # Second seed: class 0 has F1 = 2 * 2 / (4 + 2), class 1 has 0.
    np.testing.assert_allclose(macro_f1(pred, gold, n_classes=2), [1, 1 / 3])
    np.testing.assert_allclose(recall_by_class(pred, gold, n_classes=3), [[1, 1, np.nan], [1, 0, np.nan]])
    with pytest.raises(ValueError, match=r"0\.\.0"):
        macro_f1(pred, gold, n_classes=1)


def test_brier_score_ranges_from_zero_to_two():
    gold = np.array([0, 1])
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert brier_score(np.stack([sure, sure[::-1], np.full((2, 2), 0.5)]), gold).tolist() == [0.0, 2.0, 0.5]


def test_calibration_error_by_hand():
    gold = np.array([0, 0, 0, 1])
    probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    # Bin of 0.9: accuracy 1, gap 0.1. Bin of 0.6: accuracy 0.5, gap 0.1. Each holds half of the texts.
    assert expected_calibration_error(probs, gold, n_bins=10) == pytest.approx(0.1)
    # In a single bin, confidence 0.75 meets accuracy 0.75.
    assert expected_calibration_error(probs, gold, n_bins=1) == pytest.approx(0.0)


def test_calibration_bins_are_closed_on_the_right():
    probs = np.array([[0.75, 0.25], [0.76, 0.24]])
    # 0.75 (right) and 0.76 (wrong) fall into different quarters, so their gaps do not cancel.
    assert expected_calibration_error(probs, np.array([0, 1]), n_bins=4) == pytest.approx((0.25 + 0.76) / 2)


def test_calibration_error_vanishes_for_calibrated_probabilities_and_keeps_the_seed_axis():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet([1, 1, 1], 50_000)
    gold = (rng.random((50_000, 1)) > probs.cumsum(1)).sum(1)
    overconfident = np.eye(3)[probs.argmax(1)]
    calibrated, sure = expected_calibration_error(np.stack([probs, overconfident]), gold)
    assert calibrated < 0.01
    assert sure == pytest.approx(1 - accuracy(probs.argmax(1), gold))
