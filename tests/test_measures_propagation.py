import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import multivariate_hypergeom

from helpers.measures.propagation import (
    FLOOR,
    decompose,
    decompose_brier,
    decompose_brier_by_text,
    decompose_by_text,
    harden,
    kl,
    smooth_votes,
    split_half_brier,
    split_half_kl,
    vote_bias,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def distributions(*shape):
    raw = hnp.arrays(float, shape, elements=st.floats(0.0, 1.0)).filter(lambda w: (w.sum(-1) > 1e-3).all())
    return raw.map(lambda w: w / w.sum(-1, keepdims=True))


votes = hnp.arrays(np.int64, (5, 3), elements=st.integers(0, 6))


def test_smoothed_votes_by_hand():
    np.testing.assert_allclose(smooth_votes([[3, 1], [0, 0]]), [[3.5 / 5, 1.5 / 5], [0.5, 0.5]])
    np.testing.assert_allclose(smooth_votes([[3, 1]], alpha=0), [[0.75, 0.25]])


def test_votes_are_checked():
    with pytest.raises(ValueError, match="has no votes"):
        smooth_votes([[0, 0]], alpha=0)
    with pytest.raises(ValueError, match="whole counts"):
        smooth_votes([[0.4, 0.6]])
    with pytest.raises(ValueError, match="whole counts"):
        smooth_votes([[-1, 2]])


def test_kl_of_known_distributions():
    assert kl([0.5, 0.5], [0.25, 0.75]) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))
    assert kl([1.0, 0.0], [0.5, 0.5]) == pytest.approx(np.log(2))
    assert kl([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert kl([0.0, 1.0], [1.0, 0.0], floor=FLOOR) == pytest.approx(-np.log(FLOOR), abs=1e-3)


@given(distributions(6, 3), distributions(6, 3))
def test_kl_is_non_negative_and_zero_only_for_equal_distributions(p, q):
    assert (kl(p, p) == 0).all()
    divergence = kl(p, q, floor=1e-6)
    assert (divergence >= 0).all()
    # Pinsker: KL >= half of the squared L1 distance. The floor moves q by at most 6e-6.
    far = np.abs(p - q).sum(1)
    assert (divergence >= np.maximum(far - 1e-5, 0) ** 2 / 2 - 1e-12).all()


@given(distributions(4, 3), distributions(4, 3), distributions(2, 4, 3), st.sampled_from([1e-6, 1e-4, 0.1]))
def test_terms_sum_to_the_total_for_every_text_and_seed(p, p_s, p_hat, floor):
    terms = decompose_by_text(p, p_s, p_hat, floor=floor)
    parts = terms["approximation"] + terms["estimation"] + terms["cross"]
    np.testing.assert_allclose(parts, terms["total"], atol=1e-10)
    assert {values.shape for values in terms.values()} == {(2, 4)}
    assert (terms["approximation"] >= -1e-12).all()
    assert (terms["estimation"] >= -1e-12).all()
    means = decompose(p, p_s, p_hat, floor=floor)
    assert means == {term: pytest.approx(values.mean()) for term, values in terms.items()}


@given(distributions(4, 3), distributions(4, 3), distributions(2, 4, 3))
def test_squared_error_splits_too_and_needs_no_floor(p, p_s, p_hat):
    terms = decompose_brier_by_text(p, p_s, p_hat)
    parts = terms["approximation"] + terms["estimation"] + terms["cross"]
    np.testing.assert_allclose(parts, terms["total"], atol=1e-12)
    assert (terms["total"] <= 2 + 1e-12).all()
    means = decompose_brier(p, p_s, p_hat)
    assert means == {term: pytest.approx(values.mean()) for term, values in terms.items()}


def test_each_term_by_hand():
    p, p_s, p_hat = np.array([[0.5, 0.5]]), np.array([[0.8, 0.2]]), np.array([[0.6, 0.4]])
    terms = decompose(p, p_s, p_hat, floor=0)
    assert terms["approximation"] == pytest.approx(0.5 * np.log(0.5 / 0.8) + 0.5 * np.log(0.5 / 0.2))
    assert terms["estimation"] == pytest.approx(0.8 * np.log(0.8 / 0.6) + 0.2 * np.log(0.2 / 0.4))
    assert terms["cross"] == pytest.approx(-0.3 * np.log(0.8 / 0.6) + 0.3 * np.log(0.2 / 0.4))
    assert terms["total"] == pytest.approx(0.5 * np.log(0.5 / 0.6) + 0.5 * np.log(0.5 / 0.4))
    brier = decompose_brier(p, p_s, p_hat)
    assert brier == pytest.approx({"approximation": 0.18, "estimation": 0.08, "cross": -0.24, "total": 0.02})


def test_a_student_that_copies_leaves_the_approximation_alone():
    p, p_s = rng(0).dirichlet([1, 1, 1], 20), rng(1).dirichlet([1, 1, 1], 20)
    terms = decompose(p, p_s, p_s)
    assert terms["estimation"] == terms["cross"] == 0
    assert terms["total"] == pytest.approx(terms["approximation"])


def test_decomposition_refuses_zeros_and_other_texts():
    p = np.array([[0.5, 0.5], [1.0, 0.0]])
    with pytest.raises(ValueError, match="floor > 0"):
        decompose(p, p, p, floor=0)
    with pytest.raises(ValueError, match="align by row id"):
        decompose(p, p[:1], p)
    with pytest.raises(ValueError, match="sum to 1"):
        decompose(p, p * 0.9, p)
    with pytest.raises(ValueError, match="floor must lie"):
        decompose(p, p, p, floor=0.5)


def test_hard_labels_keep_a_floor():
    hard = harden([[0.2, 0.5, 0.3]], floor=0.01)
    np.testing.assert_allclose(hard, np.array([[0.01, 1, 0.01]]) / 1.02)
    assert np.isfinite(kl([[1.0, 0.0, 0.0]], hard)).all()


@given(votes, st.integers(0, 2**32 - 1))
def test_human_ceiling_is_finite_reproducible_and_wants_two_votes(counts, seed):
    ceiling = split_half_kl(counts, rng=rng(seed), n_splits=3)
    np.testing.assert_array_equal(ceiling, split_half_kl(counts, rng=rng(seed), n_splits=3))
    enough = counts.sum(1) >= 2
    assert np.isnan(ceiling[~enough]).all()
    assert (ceiling[enough] >= 0).all()
    # All votes on one class, an even number: both halves are the same.
    unanimous = enough & (counts.max(1) == counts.sum(1)) & (counts.sum(1) % 2 == 0)
    np.testing.assert_allclose(ceiling[unanimous], 0, atol=1e-12)


def both_ways(p, q):
    return (kl(p, q) + kl(q, p)) / 2


def squared(p, q):
    return ((p - q) ** 2).sum()


@pytest.mark.parametrize(("ceiling", "distance"), [(split_half_kl, both_ways), (split_half_brier, squared)])
def test_human_ceiling_is_the_mean_over_all_splits(ceiling, distance):
    counts = np.array([4, 2, 2])
    law = multivariate_hypergeom(counts, 4)
    expected = 0.0
    for a in range(5):
        for b in range(3):
            half = np.array([a, b, 4 - a - b])
            if (half >= 0).all() and (half <= counts).all():
                first, second = (smooth_votes([v])[0] for v in (half, counts - half))
                expected += law.pmf(half) * distance(first, second)
    drawn = ceiling(np.tile(counts, (4000, 1)), rng=rng(), n_splits=5)
    assert drawn.mean() == pytest.approx(expected, rel=0.03)


def test_an_odd_number_of_votes_is_split_as_evenly_as_it_can_be():
    def divergence(half):
        first, second = (smooth_votes([v])[0] for v in (half, [2, 1] - half))
        return (kl(first, second) + kl(second, first)) / 2

    one = 2 / 3 * divergence(np.array([1, 0])) + 1 / 3 * divergence(np.array([0, 1]))
    drawn = split_half_kl(np.tile([2, 1], (20_000, 1)), rng=rng(), n_splits=1)
    assert drawn.mean() == pytest.approx(one, rel=0.03)


@pytest.mark.parametrize(("n_votes", "alpha"), [(6, 0), (20, 0), (50, 0.5)])
def test_vote_bias_estimates_what_few_votes_add(n_votes, alpha):
    truth, annotator = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])
    counts = rng().multinomial(n_votes, truth, size=5000)
    measured = kl(smooth_votes(counts, alpha=alpha), annotator)
    added = measured.mean() - kl(truth, annotator)
    annotators = np.tile(annotator, (5000, 1))
    estimate = vote_bias(counts, annotators, rng=rng(1), n_splits=5, alpha=alpha).mean()
    assert added > 0.01
    assert estimate == pytest.approx(added, rel=0.25)


def test_vote_bias_wants_two_votes():
    bias = vote_bias([[1, 0], [1, 1]], [[0.5, 0.5], [0.5, 0.5]], rng=rng(), alpha=0)
    assert np.isnan(bias[0])
    # Halves of one vote each are certain, log 2 from uniform; the whole is uniform.
    assert bias[1] == pytest.approx(np.log(2), abs=1e-3)
