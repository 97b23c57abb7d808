import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measures.agreement import (
    any_right,
    best_rule,
    effective_voters,
    error_correlation,
    independent_vote,
    mean_correlation,
    vote_right,
)

GOLD = np.zeros(8, int)


def test_correlation_of_mistakes_by_hand():
    # Wrong on half of the texts each: the second on the same, the third on the others, the fourth on half of the same.
    said = np.array(
        [[1, 1, 1, 1, 0, 0, 0, 0], [2, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1, 0, 0]]
    )
    found = error_correlation(said, GOLD)
    assert found[0] == pytest.approx([1, 1, -1, 0])
    assert np.array_equal(found, found.T)
    assert mean_correlation(said[:2], GOLD) == pytest.approx(1)
    assert np.isnan(mean_correlation(np.stack([GOLD, GOLD]), GOLD))


def test_effective_voters():
    assert effective_voters(5, 1.0) == 1
    assert effective_voters(5, 0.0) == 5
    assert effective_voters(3, 0.5) == pytest.approx(1.5)
    assert np.isnan(effective_voters(3, -0.5))


def test_a_vote_shares_ties():
    said = np.array([[0, 0, 1, 0], [0, 1, 1, 1], [1, 1, 1, 2]])
    assert vote_right(said, np.array([0, 0, 0, 0]), n_classes=3) == pytest.approx([1, 0, 0, 1 / 3])


def test_independent_votes_by_hand():
    """Three voters that are right in 3 of 4 texts of each class: 27/64 + 27/64 = 54/64."""
    gold = np.repeat([0, 1], 8)
    said = np.stack([np.where(np.arange(16) % 4 == i, 1 - gold, gold) for i in range(3)])
    assert independent_vote(said, gold, n_classes=2) == pytest.approx(54 / 64)
    assert vote_right(said, gold, n_classes=2).mean() == 1  # they never err on the same text
    assert independent_vote(said[:1], gold, n_classes=2) == pytest.approx(0.75)
    same = np.stack([said[0]] * 3)
    assert vote_right(same, gold, n_classes=2).mean() == 0.75
    with pytest.raises(ValueError, match="too many patterns"):
        independent_vote(np.zeros((20, 4), int), np.zeros(4, int), n_classes=2)


def test_independent_votes_against_simulation():
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 3, 60_000)
    said = np.where(rng.random((4, 60_000)) < 0.6, gold, rng.integers(0, 3, (4, 60_000)))
    assert vote_right(said, gold, n_classes=3).mean() == pytest.approx(
        independent_vote(said, gold, n_classes=3), abs=0.006
    )


def test_the_best_rule_and_any_right_by_hand():
    gold = np.array([0, 0, 0, 1, 1, 1])
    said = np.array([[0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1]])
    # Patterns 00 (gold 0, 0, 1), 10 (0, 1), 01 (1): two, one and one are right.
    assert best_rule(said, gold) == pytest.approx(4 / 6)
    assert any_right(said, gold) == pytest.approx(5 / 6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 3))
def test_no_vote_is_better_than_the_best_rule(seed, voters, classes):
    rng = np.random.default_rng(seed)
    said, gold = rng.integers(0, classes, (voters, 30)), rng.integers(0, classes, 30)
    most = best_rule(said, gold)
    assert vote_right(said, gold, n_classes=classes).mean() <= most + 1e-9
    assert max((said == gold).mean(1)) <= most + 1e-9


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="n_voters, n_texts"):
        error_correlation(GOLD, GOLD)
    with pytest.raises(ValueError, match="numbers of texts differ"):
        any_right(np.zeros((2, 3), int), GOLD)
