import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measures.inheritance import beyond_class, error_inheritance, expected_by_class, inherited


def rng(seed=0):
    return np.random.default_rng(seed)


def test_error_inheritance_counts_the_same_mistake_only():
    gold = np.array([0, 0, 0, 0, 1])
    annotator = np.array([1, 1, 2, 0, 1])
    pred = np.array([[1, 2, 2, 1, 1], [0, 0, 0, 1, 0]])
    np.testing.assert_allclose(error_inheritance(pred, annotator, gold), [2 / 3, 0])
    assert error_inheritance(annotator, annotator, gold) == 1.0
    assert np.isnan(error_inheritance(pred, gold, gold)).all()
    assert error_inheritance(pred, gold, gold).shape == (2,)


def test_what_to_expect_by_hand():
    gold = np.array([0, 0, 0, 0, 1, 1])
    annotator = np.array([1, 1, 2, 0, 0, 1])
    pred = np.array([0, 1, 1, 2, 0, 0])
    # It calls half of class 0 1 and a quarter 2, and all of class 1 0; the mistakes are 0-1, 0-1, 0-2, 1-0.
    assert expected_by_class(pred, annotator, gold) == pytest.approx((0.5 + 0.5 + 0.25 + 1) / 4)
    assert expected_by_class(np.stack([pred, gold]), annotator, gold) == pytest.approx([0.5625, 0])
    assert np.isnan(expected_by_class(pred, gold, gold))


@given(st.integers(0, 2**32 - 1))
def test_a_shuffle_within_classes_leaves_what_is_expected(seed):
    """The expectation is a function of the two confusion matrices alone, and the mean over all shuffles."""
    draw = rng(seed)
    gold, annotator, pred = draw.integers(0, 3, (3, 40))
    mixed = pred.copy()
    for c in range(3):
        mixed[gold == c] = draw.permutation(pred[gold == c])
    assert expected_by_class(mixed, annotator, gold) == pytest.approx(
        expected_by_class(pred, annotator, gold), nan_ok=True
    )


def world(copied, n_texts=2000, n_seeds=3):
    """An annotator wrong on 30 % of the texts, gold students wrong on 20 %; students copy `copied` of its mistakes."""
    draw = rng(4)
    gold = draw.integers(0, 2, n_texts)
    annotator = np.where(draw.random(n_texts) < 0.3, 1 - gold, gold)
    own = np.where(draw.random((2, n_seeds, n_texts)) < 0.2, 1 - gold, gold)
    return np.where(draw.random((n_seeds, n_texts)) < copied, annotator, own[0]), own[1], annotator, gold


@pytest.mark.parametrize("copied", [0.0, 0.5])
def test_copied_mistakes_are_found_and_chance_is_not(copied):
    student, gold_student, annotator, gold = world(copied)
    share = error_inheritance(student, annotator, gold).mean()
    assert share == pytest.approx(0.2 + copied * 0.8, abs=0.03)
    beside = inherited(student, gold_student, annotator, gold, rng=rng())
    beyond = beyond_class(student, annotator, gold, rng=rng())
    assert beside.effect == pytest.approx(0.8 * copied, abs=0.04)
    # Copies are 30 % wrong and the student's own labels 20 %: so it errs in 25 % of the texts where it copies half.
    assert beyond.effect == pytest.approx(share - (0.2 + 0.1 * copied), abs=0.03)
    assert beside.sign == beyond.sign == (1 if copied else 0)


def test_nothing_to_inherit_and_one_seed():
    student, gold_student, annotator, gold = world(0.5)
    for interval in (
        inherited(student, gold_student, gold, gold, rng=rng()),
        beyond_class(student, gold, gold, rng=rng()),
    ):
        assert np.isnan([interval.effect, interval.low, interval.high]).all()
    lone = inherited(student[:1], gold_student[:1], annotator, gold, rng=rng())
    assert np.isfinite(lone.effect)
    assert np.isnan(lone.low)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="numbers of texts differ"):
        inherited(np.zeros((2, 4), int), np.zeros((2, 4), int), np.zeros(3, int), np.zeros(4, int), rng=rng())
