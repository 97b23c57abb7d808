import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.special import ndtr

from helpers.measures.accuracy import accuracy, macro_f1
from helpers.measures.intervals import (
    Interval,
    _SeedPart,
    _two_level,
    bootstrap_of_means,
    brown_forsythe,
    design_effect,
    disagreement_contrast,
    log_variance_ratio,
    paired_bootstrap,
    paired_difference,
    ratio_interval,
    sd_interval,
    stability_difference,
    stability_interval,
    text_weights,
)
from helpers.measures.stability import krippendorff_alpha, pairwise_disagreement, unchanged_share

STABILITY = {
    "krippendorff_alpha": lambda pred: krippendorff_alpha(pred, n_classes=3),
    "pairwise_disagreement": pairwise_disagreement,
    "unchanged_share": unchanged_share,
}


def rng(seed=0):
    return np.random.default_rng(seed)


def noisy_runs(seed, n_seeds, n_texts, noise):
    draw = rng(seed)
    base = draw.integers(0, 3, n_texts)
    other = draw.integers(0, 3, (n_seeds, n_texts))
    return np.where(draw.random((n_seeds, n_texts)) < noise, other, base)


def crossed_correctness(draw, n_seeds, n_texts, seed_sd):
    """Two arms on the same texts, correct where skill + text + seed exceed noise, and their true gap."""
    easy = draw.normal(0, 1.2, n_texts)
    arms, gap = [], 0.0
    for skill, sign in ((1.6, 1), (1.3, -1)):
        latent = skill + easy + draw.normal(0, 0.8, n_texts) + draw.normal(0, seed_sd, (n_seeds, 1))
        arms.append((draw.normal(0, 0.7, (n_seeds, n_texts)) < latent).astype(float))
        gap += sign * ndtr(skill / np.sqrt(1.2**2 + 0.8**2 + 0.7**2 + seed_sd**2))
    return *arms, gap


def test_interval_reads_its_direction():
    assert Interval(0.1, 0.05, 0.2).sign == 1
    assert Interval(-0.1, -0.2, -0.05).sign == -1
    assert Interval(0.1, -0.1, 0.3).sign == 0
    assert Interval(0.1, 0.0, 0.3).sign == 0
    assert Interval(0.1).sign == 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        Interval(0.1, 0.0, 0.2).low = 1.0


@settings(deadline=None, max_examples=50)
@given(
    hnp.arrays(float, (2, 4, 9), elements=st.sampled_from([0.0, 1.0])),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.5, 0.95]),
)
def test_interval_holds_its_estimate_and_repeats_with_the_same_seed(correct, seed, level):
    a, b = correct
    interval = paired_difference(a, b, rng=rng(seed), n_boot=50, level=level)
    assert interval.low <= interval.effect <= interval.high
    assert interval.effect == pytest.approx(a.mean() - b.mean())
    assert interval == paired_difference(a, b, rng=rng(seed), n_boot=50, level=level)


def test_swapping_the_arms_mirrors_the_interval():
    a, b, _ = crossed_correctness(rng(1), 5, 400, 0.2)
    forward, backward = (paired_difference(*arms, rng=rng(2)) for arms in ((a, b), (b, a)))
    assert forward.effect == pytest.approx(-backward.effect)
    assert forward.high == pytest.approx(-backward.low, abs=0.004)


def test_identical_arms_differ_by_exactly_nothing():
    a = rng().integers(0, 2, (3, 50))
    assert paired_difference(a, a, rng=rng()) == Interval(0.0, 0.0, 0.0)


def test_pairing_by_text_is_what_makes_intervals_short():
    a, b, _ = crossed_correctness(rng(3), 5, 500, 0.0)
    paired = paired_difference(a, b, rng=rng())
    unpaired = paired_difference(a, b[:, rng(4).permutation(500)], rng=rng())
    assert paired.high - paired.low < 0.8 * (unpaired.high - unpaired.low)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 1.0, -0.5]), st.sampled_from([(3, 120), (120,)]))
@settings(deadline=None, max_examples=40)
def test_a_ratio_lies_on_the_side_of_zero_where_its_numerator_does(seed, share, shape):
    draw = rng(seed)
    gap = draw.normal(0.5, 1.0, shape)
    won = share * gap + draw.normal(0, 1.0, shape)
    found = ratio_interval(won, gap, rng=rng(seed), n_boot=200)
    if bootstrap_of_means(np.positive, gap, rng=rng(seed), n_boot=200).sign < 1:
        assert np.isnan(found.low)
        assert np.isnan(found.high)
    else:
        assert found.effect == pytest.approx(won.mean() / gap.mean())
    if np.isfinite(found.low):
        assert found.low <= found.effect <= found.high
        assert found.sign == bootstrap_of_means(np.positive, won, rng=rng(seed), n_boot=200).sign


def test_a_ratio_without_noise_and_without_a_denominator():
    gap = rng(0).normal(1, 0.1, (3, 50))
    exact = ratio_interval(0.25 * gap, gap, rng=rng())
    assert [exact.effect, exact.low, exact.high] == pytest.approx([0.25] * 3, abs=1e-9)
    rounded = ratio_interval(gap / 3, gap, rng=rng())
    assert [rounded.effect, rounded.low, rounded.high] == pytest.approx([1 / 3] * 3, abs=1e-9)
    none = ratio_interval(gap, -gap, rng=rng())
    assert np.isnan([none.effect, none.low, none.high]).all()
    lone = ratio_interval(gap[:1], gap[:1], rng=rng())
    assert (lone.effect, np.isnan(lone.low)) == (1, True)


def test_a_ratio_of_a_small_denominator_reaches_further_on_the_far_side():
    """Fieller's interval is not symmetric: what divides may be close to zero."""
    draw = rng(3)
    gap = draw.normal(0.3, 1.0, 200)
    found = ratio_interval(0.5 * gap + draw.normal(0.3, 1.0, 200), gap, rng=rng())
    assert found.high - found.effect > 1.5 * (found.effect - found.low)


def test_closed_form_and_general_bootstrap_agree():
    a, b, _ = crossed_correctness(rng(5), 4, 200, 0.3)
    fast = paired_difference(a, b, rng=rng(6), n_boot=8000)
    general = paired_bootstrap(lambda x, y: x.mean() - y.mean(), a, b, rng=rng(7), n_boot=8000)
    assert fast.effect == pytest.approx(general.effect)
    width = fast.high - fast.low
    assert fast.low == pytest.approx(general.low, abs=0.04 * width)
    assert fast.high == pytest.approx(general.high, abs=0.04 * width)


@pytest.mark.parametrize("seeds", [(3, 3), (3, 1), (None, None), (1, 1)])
def test_a_statistic_of_means_has_the_interval_of_the_general_bootstrap(seeds):
    """Both draw the same texts from the same generator, so that they agree to rounding, but for the interaction."""
    a, b = (rng(i).random(150 if count is None else (count, 150)) for i, count in enumerate(seeds))
    a += 0.05 * rng(9).random((len(a), 1)) if a.ndim == 2 else 0  # seeds differ by more than by chance

    def share(a, b):
        return np.divide(a - b, a)

    fast = bootstrap_of_means(share, a, b, rng=rng(5), n_boot=700)
    general = paired_bootstrap(lambda a, b: share(a.mean(), b.mean()), a, b, rng=rng(5), n_boot=700)
    rounding = 1e-9 if max(seeds, key=lambda n: n or 0) != 3 else 0.03 * (fast.high - fast.low)
    assert dataclasses.astuple(fast) == pytest.approx(dataclasses.astuple(general), abs=rounding, nan_ok=True)


def test_a_statistic_of_means_that_is_often_undefined_has_no_bounds():
    a, b = np.ones((3, 50)), np.zeros((3, 50))
    b[:, 0] = 1  # a third of the draws lack that text

    def ratio(a, b):
        with np.errstate(divide="ignore"):
            return np.where(b > 0, np.divide(a, b), np.nan)

    interval = bootstrap_of_means(ratio, a, b, rng=rng(), n_boot=500)
    assert interval.effect == pytest.approx(50)
    assert np.isnan([interval.low, interval.high]).all()
    with pytest.raises(ValueError, match="different numbers of texts"):
        bootstrap_of_means(np.subtract, a, b[:, :5], rng=rng())
    with pytest.raises(ValueError, match=r"each \(n_texts,\) or"):
        bootstrap_of_means(np.positive, np.ones((2, 2, 2)), rng=rng())


def test_an_interval_of_a_standard_deviation_takes_four_seeds_that_differ():
    scores = np.array([0.80, 0.82, 0.79, 0.83, 0.81])
    found = sd_interval(scores)
    assert found.effect == pytest.approx(scores.std(ddof=1))
    assert 0 < found.low < found.effect < found.high
    # By hand: the jackknife of the log variance, and half of its reach for the log of the root.
    parts = np.log([np.delete(scores, i).var(ddof=1) for i in range(5)])
    error = np.sqrt(4 / 5 * ((parts - parts.mean()) ** 2).sum())
    assert found.high == pytest.approx(found.effect * np.exp(2.776 * error / 2), rel=1e-3)
    # Of other units, the same but for the unit.
    assert dataclasses.astuple(sd_interval(100 * scores))[:3] == pytest.approx(
        [100 * value for value in dataclasses.astuple(found)[:3]]
    )
    for few in (scores[:3], np.full(6, 0.8), np.array([0.8, 0.8, 0.8, 0.9])):
        assert np.isnan([sd_interval(few).low, sd_interval(few).high]).all()
    assert np.isnan(sd_interval(scores[:1]).effect)


def test_widths_match_theory_where_one_level_is_all_there_is():
    # Seeds only: a t interval on three means, half-width t(2) * s / sqrt(3).
    level = np.array([[0.1], [0.2], [0.4]])
    seeds = paired_difference(np.repeat(level, 30, axis=1), np.zeros((3, 30)), rng=rng(), n_boot=200_000)
    expected = 4.3027 * level.std(ddof=1) / np.sqrt(3)
    assert (seeds.high - seeds.low) / 2 == pytest.approx(expected, rel=0.02)
    # Texts only: every seed is right on the same half of 1000 texts.
    correct = np.tile(np.arange(1000) % 2, (3, 1))
    texts = paired_difference(correct, np.zeros_like(correct), rng=rng(), n_boot=10_000)
    assert (texts.high - texts.low) / 2 == pytest.approx(1.96 * 0.5 / np.sqrt(1000), rel=0.05)


def crossed(seed_sd, text_sd, both_sd):
    """Scores of three seeds on 400 texts whose levels, and what is left without them, have these standard deviations.

    As variances of a mean: seed_sd ** 2 / 3, text_sd ** 2 / 400, and for what is left, which has 2 * 399 degrees of
    freedom of 1200, both_sd ** 2 / 798.
    """
    of_seeds, of_texts = np.array([[-1.0], [0.0], [1.0]]), np.tile([1.0, 1.0, -1.0, -1.0], 100)
    of_both = np.sqrt(1.5) * np.array([[1.0], [-1.0], [0.0]]) * np.tile([1.0, -1.0], 200)
    return seed_sd * of_seeds + text_sd * of_texts + both_sd * of_both


def test_what_seeds_and_texts_share_is_counted_once():
    # In 400ths of a squared unit: seeds 2, texts 4, and what they share 1.
    scores = crossed(np.sqrt(6 / 400), 2.0, np.sqrt(798 / 400))
    freedom = 1 / ((2 / 5) ** 2 / 2 + (4 / 5) ** 2 / 399)
    expected = stats.t.ppf(0.975, freedom) * np.sqrt(5 / 400)
    found = paired_difference(scores, np.zeros(400), rng=rng(), n_boot=100_000)
    assert (found.low, found.high) == pytest.approx((-expected, expected), rel=0.015)
    general = paired_bootstrap(np.mean, scores, rng=rng(), n_boot=4000)
    assert (general.low, general.high) == pytest.approx((-expected, expected), rel=0.05)


def test_what_is_shared_is_at_most_the_smaller_part():
    # Seeds 1, texts 16, and what they share 2, by chance more than what seeds have: texts alone are left.
    scores = crossed(np.sqrt(3 / 400), 4.0, np.sqrt(2 * 798 / 400))
    found = paired_difference(scores, np.zeros(400), rng=rng(), n_boot=100_000)
    freedom = 1 / ((1 / 16) ** 2 / 2 + 1 / 399)
    assert found.high == pytest.approx(stats.t.ppf(0.975, freedom) * np.sqrt(16 / 400), rel=0.03)


@given(st.floats(0, 10), st.floats(0, 10), st.integers(2, 10), st.integers(1, 2))
@settings(deadline=None, max_examples=100)
def test_an_interval_is_no_wider_than_if_both_counted_and_no_narrower_than_of_either(seeds, share, n_seeds, sets):
    """Texts have a variance of 1; all draws are the quantiles of a normal law, in two orders."""
    draws = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    texts, normal = rng(0).permutation(draws), rng(1).permutation(draws)

    def width(interaction):
        parts = [_SeedPart(seeds / sets, interaction / sets, n_seeds)] * sets
        found = _two_level(0.0, parts, texts, n_texts=500, normal=normal, level=0.95)
        return found.high - found.low

    assert width(share) <= 1.03 * width(0.0)
    assert width(share) >= 0.97 * 2 * 1.96 * np.sqrt(max(seeds, 1.0))


@pytest.mark.parametrize("statistic", ["krippendorff_alpha", "pairwise_disagreement"])
def test_agreement_counts_once_what_seeds_and_texts_share(statistic):
    """Runs that differ in which texts they get wrong, and not in how many: seeds add next to nothing to the texts."""
    pred = noisy_runs(0, 8, 1500, 0.4)
    found = stability_interval(pred, statistic=statistic, rng=rng())
    index = rng(1).integers(0, 1500, (500, 1500))
    of_texts = np.std([STABILITY[statistic](pred[:, drawn]) for drawn in index])
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * of_texts, rel=0.25)


def test_an_arm_without_seeds_is_shared_by_all():
    student = rng().integers(0, 2, (4, 100))
    annotator = rng(1).integers(0, 2, 100)
    expected = paired_difference(student, np.tile(annotator, (4, 1)), rng=rng(2))
    assert paired_difference(student, annotator, rng=rng(2)) == expected
    assert paired_difference(annotator, student, rng=rng(2)).effect == pytest.approx(-expected.effect)


def test_one_seed_gives_an_effect_and_no_interval():
    one = np.ones((1, 20))
    for interval in (
        paired_difference(one, np.zeros((1, 20)), rng=rng()),
        paired_bootstrap(np.mean, one, rng=rng()),
    ):
        assert interval.effect == 1.0
        assert np.isnan([interval.low, interval.high]).all()


def test_bootstrap_serves_statistics_with_gold_beside_runs():
    gold = rng(1).integers(0, 3, 300)
    good, bad = (np.where(rng(2 + i).random((5, 300)) < p, gold, 0) for i, p in enumerate((0.9, 0.5)))

    def gap(a, b, gold):
        return (macro_f1(a, gold, n_classes=3) - macro_f1(b, gold, n_classes=3)).mean()

    interval = paired_bootstrap(gap, good, bad, gold, rng=rng(), n_boot=300)
    assert interval.effect == pytest.approx(gap(good, bad, gold))
    assert interval.sign == 1
    assert interval == paired_bootstrap(gap, good, bad, gold, rng=rng(), n_boot=300)


def test_bootstrap_of_texts_alone_is_the_percentile_interval():
    gold = np.zeros(400, int)
    annotator = (np.arange(400) % 4 == 0).astype(int)
    interval = paired_bootstrap(accuracy, annotator, gold, rng=rng(), n_boot=4000)
    assert interval.effect == 0.75
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * np.sqrt(0.75 * 0.25 / 400), rel=0.06)


def test_bootstrap_resamples_seeds_and_texts_alike_in_all_arrays():
    table = rng().random((4, 50))

    def spread(a, b, c):
        assert a.shape == b.shape
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a[:1].shape, c.shape)
        return a.mean() - b.mean()

    assert paired_bootstrap(spread, table, table, table[:1], rng=rng(), n_boot=20) == Interval(0, 0, 0)


@pytest.mark.parametrize("sign", [1, -1])
def test_interval_holds_its_estimate_even_where_every_draw_lies_on_one_side(sign):
    # Resampled texts always repeat some, so their number of distinct values only falls.
    interval = paired_bootstrap(lambda x: sign * len(np.unique(x)), np.arange(30), rng=rng(), n_boot=100)
    assert interval.effect == sign * 30
    assert (interval.high if sign == 1 else interval.low) == interval.effect
    assert (interval.low if sign == 1 else interval.high) != interval.effect


@pytest.mark.parametrize(("rare", "has_interval"), [(1, False), (9, True)])
def test_a_few_undefined_draws_are_dropped_and_many_leave_no_interval(rare, has_interval):
    gold, pred = (np.arange(20) < rare).astype(int), np.arange(20) % 2

    def recall(pred, gold):
        return pred[gold == 1].mean() if gold.any() else np.nan

    draws_without_the_class = (1 - rare / 20) ** 20
    assert (draws_without_the_class < 0.001) == has_interval
    interval = paired_bootstrap(recall, pred, gold, rng=rng(), n_boot=2000)
    assert np.isfinite(interval.effect)
    assert np.isfinite([interval.low, interval.high]).all() == has_interval


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones((3, 5)), np.ones((3, 6))), "numbers of texts"),
        ((np.ones((3, 5)), np.ones((4, 5))), "numbers of seeds"),
        ((np.ones((3, 5)), np.ones(4)), "numbers of texts"),
        ((), "at least one array"),
        ((np.float64(1),), "at least one array"),
    ],
)
def test_bootstrap_refuses_arrays_that_do_not_fit(arrays, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(lambda *a: 0.0, *arrays, rng=rng(), n_boot=2)


def test_options_are_checked():
    table = np.ones((3, 5))
    with pytest.raises(TypeError, match=r"numpy\.random\.Generator"):
        paired_difference(table, table, rng=0)
    with pytest.raises(ValueError, match=r"95 % is 0\.95"):
        paired_difference(table, table, rng=rng(), level=95)
    with pytest.raises(ValueError, match="n_boot"):
        paired_difference(table, table, rng=rng(), n_boot=0)
    with pytest.raises(ValueError, match="same seeds"):
        paired_difference(table, np.ones((2, 5)), rng=rng())


def test_text_weights_are_multinomial():
    weights = text_weights(10, rng=rng(), n_boot=20_000)
    assert (weights.sum(1) == 10).all()
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.03)
    np.testing.assert_allclose(weights.var(0), 0.9, atol=0.05)


@pytest.mark.parametrize("statistic", sorted(STABILITY))
def test_stability_difference_agrees_with_the_general_bootstrap(statistic):
    a, b = noisy_runs(0, 5, 150, 0.2), noisy_runs(1, 5, 150, 0.4)
    measure = STABILITY[statistic]
    fast = stability_difference(a, b, statistic=statistic, rng=rng(), n_boot=1500)
    slow = paired_bootstrap(lambda x, y: measure(x) - measure(y), a, b, rng=rng(1), n_boot=1500)
    assert fast.effect == pytest.approx(measure(a) - measure(b))
    width = fast.high - fast.low
    assert fast.low == pytest.approx(slow.low, abs=0.1 * width)
    assert fast.high == pytest.approx(slow.high, abs=0.1 * width)
    assert fast.low < fast.effect < fast.high


@pytest.mark.parametrize("statistic", sorted(STABILITY))
def test_stability_bootstrap_is_not_pulled_towards_agreement(statistic):
    # Were seeds drawn with replacement, a fifth of the pairs would be a seed against itself, and draws for
    # the noisy arm would be centred well off its estimate.
    quiet, noisy = np.tile(noisy_runs(0, 1, 400, 0.0), (5, 1)), noisy_runs(0, 5, 400, 0.6)
    interval = stability_difference(noisy, quiet, statistic=statistic, rng=rng(), n_boot=2000)
    middle = (interval.low + interval.high) / 2
    assert middle == pytest.approx(interval.effect, abs=0.08 * (interval.high - interval.low))


def test_stability_difference_needs_three_seeds_and_a_known_statistic():
    two = noisy_runs(0, 2, 50, 0.3)
    interval = stability_difference(two, two[::-1], statistic="pairwise_disagreement", rng=rng())
    assert interval.effect == 0
    assert np.isnan(interval.low)
    with pytest.raises(ValueError, match="krippendorff_alpha, pairwise_disagreement, unchanged_share"):
        stability_difference(two, two, statistic="kappa", rng=rng())
    with pytest.raises(ValueError, match="same seeds and texts"):
        stability_difference(two, two[:, :9], statistic="pairwise_disagreement", rng=rng())


@pytest.mark.parametrize("statistic", sorted(STABILITY))
def test_runs_that_share_no_seed_may_differ_in_number_and_their_variances_add_up(statistic):
    a, b = noisy_runs(0, 6, 150, 0.2), noisy_runs(1, 4, 150, 0.4)
    interval = stability_difference(a, b, statistic=statistic, rng=rng(), paired=False)
    assert interval.effect == pytest.approx(STABILITY[statistic](a) - STABILITY[statistic](b))
    turned = stability_difference(b, a, statistic=statistic, rng=rng(), paired=False)
    width = interval.high - interval.low
    assert (turned.effect, turned.low, turned.high) == pytest.approx(
        (-interval.effect, -interval.high, -interval.low), abs=0.05 * width
    )
    # Runs that all say the same add nothing, and the order of runs says nothing.
    constant = np.tile(b[:1], (3, 1))
    alone = stability_interval(a, statistic=statistic, rng=rng())
    if statistic == "pairwise_disagreement":
        against = stability_difference(a, constant, statistic=statistic, rng=rng(), paired=False)
        assert (against.low, against.high) == pytest.approx((alone.low, alone.high))
    assert stability_difference(a, b[::-1], statistic=statistic, rng=rng(), paired=False) == interval
    assert np.isnan(stability_difference(a, b[:2], statistic=statistic, rng=rng(), paired=False).low)
    with pytest.raises(ValueError, match="must hold the same texts"):
        stability_difference(a, b[:, :9], statistic=statistic, rng=rng(), paired=False)


def test_variances_of_runs_that_share_no_seed_are_added():
    """Without a seed the disagreement is 2/3, 2/3, 2/3 or 0: a variance of 1/4 on each side, 6 degrees of freedom."""
    pred = np.repeat([[0], [0], [0], [1]], 4, axis=1)
    found = stability_difference(pred, pred, statistic="pairwise_disagreement", rng=rng(), n_boot=50_000, paired=False)
    assert found.effect == 0
    half_width = stats.t.ppf(0.975, 6) * np.sqrt(0.5)
    assert (found.low, found.high) == pytest.approx((-half_width, half_width), rel=0.03)


def test_undefined_alpha_gives_no_interval():
    collapsed = np.zeros((4, 60), int)
    interval = stability_difference(noisy_runs(0, 4, 60, 0.3), collapsed, statistic="krippendorff_alpha", rng=rng())
    assert np.isnan([interval.effect, interval.low, interval.high]).all()


def test_variance_ratio_by_hand_and_by_scale():
    a, b = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.5, 0.5, 0.6, 0.6])
    interval = log_variance_ratio(a, b)
    assert interval.effect == pytest.approx(np.log(a.var(ddof=1) / b.var(ddof=1)))
    assert interval.low < interval.effect < interval.high
    # Paired by seed: what is common to both leaves no doubt of the ratio.
    certain = log_variance_ratio(2 * a, a)
    assert (certain.effect, certain.low, certain.high) == pytest.approx((np.log(4),) * 3)
    doubled = log_variance_ratio(2 * a, b)
    assert doubled.effect - interval.effect == pytest.approx(np.log(4))
    assert doubled.high - doubled.low == pytest.approx(interval.high - interval.low)


def test_variance_ratio_stays_silent_where_it_knows_nothing():
    three = log_variance_ratio(np.array([0.1, 0.2, 0.4]), np.array([0.1, 0.3, 0.2]))
    assert np.isfinite(three.effect)
    assert np.isnan([three.low, three.high]).all()
    constant = log_variance_ratio(np.full(6, 0.5), rng().random(6))
    assert np.isnan([constant.effect, constant.low, constant.high]).all()
    # Without its one deviating run the second set is constant, so the jackknife has no answer.
    lone = log_variance_ratio(rng().random(5), np.array([0.5, 0.5, 0.5, 0.5, 0.9]))
    assert np.isfinite(lone.effect)
    assert np.isnan(lone.low)
    # Students of the same labels, as an annotator that is always right has them.
    for count in (5, 10):
        same = log_variance_ratio(*[rng().random(count)] * 2, rng=rng())
        assert (same.effect, np.isnan(same.low), np.isnan(same.high)) == (0, True, True)


def test_resampling_gives_another_interval_of_the_same_ratio_and_scales_with_it():
    a, b = rng(1).random(10), rng(2).random(10)
    plain, drawn = log_variance_ratio(a, b), log_variance_ratio(a, b, rng=rng())
    assert plain.effect == drawn.effect == pytest.approx(np.log(a.var(ddof=1) / b.var(ddof=1)))
    assert drawn.low < drawn.effect < drawn.high
    assert (plain.low, plain.high) != (drawn.low, drawn.high)
    assert log_variance_ratio(9 * a, b, rng=rng()).high == pytest.approx(drawn.high + np.log(81))
    few = log_variance_ratio(a[:5], b[:5], rng=rng())
    assert few == log_variance_ratio(a[:5], b[:5])


@pytest.mark.slow
@pytest.mark.parametrize("law", ["normal", "t"])
def test_resampled_variance_ratio_covers_the_truth(law):
    draw, hits = rng(), 0
    for _ in range(1000):
        a, b = (draw.normal(0, s, 10) if law == "normal" else s * draw.standard_t(5, 10) for s in (3, 1))
        interval = log_variance_ratio(a, b, rng=draw, n_boot=500)
        hits += interval.low <= np.log(9) <= interval.high
    assert 0.92 < hits / 1000 < 0.98


def test_brown_forsythe_by_hand():
    # Distances from the medians: 2 1 0 1 2 and 4 2 0 2 4, means 1.2 and 2.4.
    a, b = np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 3, 5, 7, 9])
    f, p = brown_forsythe(a, b)
    between = 5 * (0.6**2 + 0.6**2)
    within = (4 * 0.7 + 4 * 2.8) / 8
    assert f == pytest.approx(between / within)
    assert 0 < p < 1
    assert np.isnan(brown_forsythe(np.ones(4), np.ones(4))).all()
    assert np.isnan(brown_forsythe(a[:2], b[:2])).all()


def test_levels_of_stability_have_intervals():
    pred = noisy_runs(0, 5, 300, 0.2)
    for statistic in ("krippendorff_alpha", "pairwise_disagreement", "unchanged_share"):
        one = stability_interval(pred, statistic=statistic, rng=rng())
        assert one.low < one.effect < one.high
        assert np.isnan(stability_interval(pred[:2], statistic=statistic, rng=rng()).low)
    few = np.zeros((3, 300), int)
    few[0, 0] = few[1, 1] = 1
    few[:, 100:] = 1
    for statistic in ("krippendorff_alpha", "pairwise_disagreement", "unchanged_share"):
        one = stability_interval(few, statistic=statistic, rng=rng())
        assert 0 <= one.low <= one.effect <= one.high <= 1
    with pytest.raises(ValueError, match="expected one of"):
        stability_interval(pred, statistic="mood", rng=rng())


def test_flips_are_contrasted_between_groups_of_texts():
    """Seeds disagree on the first half of the texts only."""
    pred = np.zeros((4, 200), int)
    pred[:, :100] = noisy_runs(0, 4, 100, 0.4)
    first = np.arange(200) < 100
    found = disagreement_contrast(pred, first, ~first, rng=rng())
    assert found.effect == pytest.approx(pairwise_disagreement(pred[:, :100]))
    assert found.sign == 1
    assert disagreement_contrast(pred, ~first, first, rng=rng()).sign == -1
    with pytest.raises(ValueError, match="at least one of the 200"):
        disagreement_contrast(pred, first, np.zeros(200, bool), rng=rng())


def test_variance_ratio_covers_the_truth():
    draw, hits = rng(), 0
    for _ in range(1000):
        interval = log_variance_ratio(draw.normal(0, 3, 6), draw.normal(0, 1, 6))
        hits += interval.low <= np.log(9) <= interval.high
    assert 0.92 < hits / 1000 < 0.98


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_design_effect_is_how_many_texts_count_as_one(alike, seed):
    values = np.repeat(rng(seed).normal(size=300), alike)
    found = design_effect(values, np.repeat(np.arange(300), alike))
    assert found == pytest.approx(alike, rel=0.01)
    # Each on its own: what intervals take texts to be.
    assert design_effect(values, np.arange(len(values))) == pytest.approx(1)


def test_no_design_effect_without_groups_or_without_spread():
    assert np.isnan(design_effect([1.0, 1.0, 1.0], [0, 1, 1]))
    assert np.isnan(design_effect([1.0, 0.0, 1.0], [7, 7, 7]))
