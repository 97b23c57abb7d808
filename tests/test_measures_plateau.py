import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from helpers.measures.plateau import (
    Censored,
    censored_interval,
    curve_draws,
    fit_curve,
    gain_per_doubling,
    gains_between_sizes,
    gold_equivalent,
    gold_equivalent_bounds,
    onset,
    onset_interval,
)

SIZES = np.array([50, 100, 200, 400, 800, 1600, 3200])


def rng(seed=0):
    return np.random.default_rng(seed)


def power_law(a, b, c, sizes=SIZES):
    return a - b * sizes ** -float(c)


def runs(mean, sd, n_seeds=5, seed=0):
    return mean + rng(seed).normal(0, sd, (n_seeds, len(mean)))


def test_gain_per_doubling_recovers_a_line_in_log2():
    line = 0.5 + 0.03 * np.log2(SIZES)
    curves = np.stack([line, np.full(7, 0.8), -line])
    np.testing.assert_allclose(gain_per_doubling(SIZES, curves), [0.03, 0, -0.03], atol=1e-12)
    np.testing.assert_allclose(gains_between_sizes(SIZES, line), 0.03)


def test_gain_per_doubling_is_the_least_squares_slope():
    accuracy = rng().random(7)
    assert gain_per_doubling(SIZES, accuracy) == pytest.approx(np.polyfit(np.log2(SIZES), accuracy, 1)[0])


def test_onset_is_the_first_size_with_a_small_gain():
    curves = np.array([[0.5, 0.6, 0.65, 0.66], [0.5, 0.51, 0.7, 0.8], [0.5, 0.6, 0.7, 0.8]])
    np.testing.assert_array_equal(onset([100, 200, 400, 800], curves, 0.02), [400, 100, np.nan])
    # Fourfold is two doublings: 0.03 in all is 0.015 for each.
    assert onset([100, 400], [0.50, 0.53], 0.02) == 100


def test_an_onset_may_be_at_every_size_that_no_gain_rules_out():
    """2000 texts, three seeds that agree: gains of ten points are clear, and of half a point are not."""

    def bounds(*shares, **options):
        right = np.stack([np.arange(2000) < 2000 * share for share in shares]).astype(float)
        found = onset_interval([100, 200, 400, 800], np.stack([right] * 3), 0.02, rng=rng(), **options)
        return found.at, found.low, found.high, found.identified

    first, third = Censored(100, ""), Censored(400, "")
    assert bounds(0.5, 0.6, 0.7, 0.7) == (third, third, third, True)
    assert bounds(0.5, 0.5, 0.6, 0.7) == (first, first, first, True)
    assert bounds(0.5, 0.6, 0.7, 0.8) == (Censored(400, ">"),) * 3 + (False,)
    # A gain of 1.8 points may be one of two, and then the curve falls under it nowhere.
    assert bounds(0.5, 0.6, 0.7, 0.718) == (third, third, Censored(400, ">"), False)
    assert np.isnan(onset_interval([1, 2], np.ones((1, 2, 9)), 0.02, rng=rng()).low.value)


def test_the_gains_of_an_onset_are_of_a_doubling():
    """Three points in four doublings are under one of two points."""
    right = np.stack([np.arange(2000) < known for known in (1000, 1060)]).astype(float)
    found = onset_interval([100, 1600], np.stack([right] * 3), 0.02, rng=rng())
    assert (found.at, found.low, found.high) == (Censored(100, ""),) * 3


def test_an_onset_among_many_sizes_allows_for_each_gain_that_may_err():
    """The last of nine gains, 1.35 points, is clearly under two points as the only one, and not as one of nine."""
    sizes = [100 * 2**i for i in range(10)]
    right = np.stack([np.arange(2000) < known for known in [*range(1000, 1801, 100), 1827]]).astype(float)
    found = onset_interval(sizes, np.stack([right] * 3), 0.02, rng=rng())
    assert found.at == Censored(25600, "")
    assert found.high == Censored(25600, ">")
    assert not found.identified


def test_the_interval_of_bounds_is_of_their_order():
    values = [Censored(float(value), "") for value in range(1, 42)]
    assert censored_interval(values[::-1]) == (Censored(2, ""), Censored(40, ""))
    assert censored_interval(values, level=0.5) == (Censored(11, ""), Censored(31, ""))
    bounds = [Censored(50, "<")] * 3 + values + [Censored(5, ">")] * 3
    assert censored_interval(bounds) == (Censored(50, "<"), Censored(5, ">"))


@pytest.mark.parametrize("sizes", [[100, 100, 200], [200, 100, 50], [0, 1, 2], [[1, 2, 3]], [100]])
def test_sizes_must_increase(sizes):
    with pytest.raises(ValueError, match="strictly increasing"):
        gain_per_doubling(sizes, [0.1, 0.2, 0.3])


def test_curves_must_match_their_sizes_and_be_finite():
    with pytest.raises(ValueError, match="expected 7 sizes"):
        gain_per_doubling(SIZES, np.ones(6))
    with pytest.raises(ValueError, match="finished run"):
        gain_per_doubling(SIZES, [0.5, np.nan, 0.5, 0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize(("a", "b", "c"), [(0.9, 2.0, 0.5), (0.95, 1.0, 0.25), (0.7, 30.0, 1.2)])
def test_fit_recovers_an_exact_power_law(a, b, c):
    fit = fit_curve(SIZES, np.tile(power_law(a, b, c), (3, 1)), rng=rng(), n_boot=10)
    assert fit.asymptote.effect == pytest.approx(a, abs=1e-3)
    assert fit.rate == pytest.approx(c, rel=1e-2)
    assert fit.scale == pytest.approx(b, rel=2e-2)
    np.testing.assert_allclose(fit.predict(SIZES), power_law(a, b, c), atol=1e-4)
    assert fit.identified, fit.reason


def test_fit_is_as_good_as_a_general_optimiser():
    for seed in range(10):
        mean = runs(power_law(0.9, 1.5, 0.5), 0.01, 1, seed)[0]
        fit = fit_curve(SIZES, mean[None], rng=rng())
        starts = [(0.9, 1.0, c) for c in (0.05, 0.3, 1.0)]
        box = ([0, 0, 0.01], [1, np.inf, 2])
        best = min(
            least_squares(lambda x, y=mean: power_law(*x) - y, s, bounds=box, x_scale=(1, 1, 0.1)).cost for s in starts
        )
        assert ((fit.predict(SIZES) - mean) ** 2).sum() / 2 <= best * 1.001 + 1e-12


def test_asymptote_interval_covers_the_truth():
    hits = []
    for seed in range(60):
        fit = fit_curve(SIZES, runs(power_law(0.9, 2.0, 0.5), 0.01, 5, seed), rng=rng(seed), n_boot=200)
        assert fit.asymptote.low <= fit.asymptote.effect <= fit.asymptote.high
        hits.append(fit.asymptote.low <= 0.9 <= fit.asymptote.high)
    assert np.mean(hits) >= 0.9


@pytest.mark.parametrize(
    ("accuracy", "reason"),
    [
        (runs(0.5 + 0.05 * np.log2(SIZES / 50), 0.0005), "no limit below"),
        (np.tile(np.full(7, 0.8), (3, 1)), "does not rise"),
        (np.tile(np.linspace(0.9, 0.8, 7), (3, 1)), "does not rise"),
        (np.tile([0.5, 0.6, 0.7, 0.75, 0.76, 0.75, 0.74], (3, 1)), "falls at the end"),
        (np.tile(power_law(0.8, 5e3, 3), (3, 1)), "flat after"),
        (runs(power_law(0.85, 2.0, 0.4), 0.04), "more than 10|no limit below"),
        (runs(power_law(0.99, 2.0, 0.5), 0.01), "no limit below"),
        (power_law(0.9, 2.0, 0.5)[None], "one seed"),
    ],
)
def test_fit_says_why_an_asymptote_is_not_to_be_printed(accuracy, reason):
    fit = fit_curve(SIZES, accuracy, rng=rng(), n_boot=200)
    assert not fit.identified
    assert any(part in fit.reason for part in reason.split("|")), fit.reason
    assert np.abs(fit.predict(SIZES) - accuracy.mean(0)).max() < 0.06


def test_fit_needs_five_sizes_to_be_identified():
    fit = fit_curve(SIZES[:4], np.tile(power_law(0.9, 2, 0.5, SIZES[:4]), (3, 1)), rng=rng(), n_boot=10)
    assert fit.reason == "fewer than 5 sizes"


def test_fit_repeats_with_the_same_seed():
    accuracy = runs(power_law(0.9, 2.0, 0.5), 0.01)
    assert fit_curve(SIZES, accuracy, rng=rng(3), n_boot=50) == fit_curve(SIZES, accuracy, rng=rng(3), n_boot=50)


def test_curve_draws_have_the_spread_of_the_mean_over_seeds():
    accuracy = runs(power_law(0.9, 2.0, 0.5), 0.02)
    draws = curve_draws(accuracy, rng=rng(), n_boot=40_000)[0]
    np.testing.assert_allclose(draws.mean(0), accuracy.mean(0), atol=5e-4)
    # 2.776 / 1.960: the t of four degrees of freedom against the normal.
    expected = 2.776 / 1.960 * accuracy.std(0, ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(draws.std(0), expected, rtol=0.03)


def test_curve_draws_add_the_spread_of_texts_and_pair_curves():
    correct = (rng().random((1, 1, 300)) < np.linspace(0.6, 0.8, 4)[:, None]).astype(float)
    alike = np.repeat(correct, 3, axis=0)
    first, second = curve_draws(alike, alike, rng=rng(1), n_boot=5000)
    np.testing.assert_array_equal(first, second)
    p = correct[0].mean(1)
    np.testing.assert_allclose(first.std(0), np.sqrt(p * (1 - p) / 300), rtol=0.06)


def test_curve_draws_count_once_what_seeds_and_texts_share():
    """In 400ths of a squared unit: seeds 2, texts 4, and what they share 1; on a second curve, texts 4 alone."""
    of_seeds, of_texts = np.array([[-1.0], [0.0], [1.0]]), np.tile([1.0, 1.0, -1.0, -1.0], 100)
    of_both = np.sqrt(1.5) * np.array([[1.0], [-1.0], [0.0]]) * np.tile([1.0, -1.0], 200)
    first = np.sqrt(6 / 400) * of_seeds + 2 * of_texts + np.sqrt(798 / 400) * of_both
    accuracy = np.stack([first, np.tile(2 * of_texts, (3, 1))], axis=1)
    draws = curve_draws(accuracy, rng=rng(), n_boot=10_000)[0]
    # 4.303 / 1.960: the t of two degrees of freedom against the normal.
    np.testing.assert_allclose(draws.var(0), np.array([4 + (4.303 / 1.960) ** 2, 4]) / 400, rtol=0.06)


def test_curve_draws_refuse_what_they_cannot_pair():
    with pytest.raises(ValueError, match="at least 2 seeds"):
        curve_draws(np.ones((1, 4)), rng=rng())
    with pytest.raises(ValueError, match="differ in seeds"):
        curve_draws(np.ones((3, 4)), np.ones((2, 4)), rng=rng())
    with pytest.raises(ValueError, match="n_seeds, n_sizes"):
        curve_draws(np.ones(4), rng=rng())


def test_gold_equivalent_interpolates_in_log_n():
    sizes, gold = [100, 400, 1600], [0.6, 0.7, 0.8]
    assert gold_equivalent(sizes, gold, 0.7) == (pytest.approx(400), "")
    assert gold_equivalent(sizes, gold, 0.75) == (pytest.approx(800), "")
    assert gold_equivalent(sizes, gold, 0.6) == (100, "")
    assert gold_equivalent(sizes, gold, 0.59) == (100, "<")
    assert gold_equivalent(sizes, gold, 0.8) == (pytest.approx(1600), "")
    assert gold_equivalent(sizes, gold, 0.81) == (1600, ">")


def test_gold_equivalent_levels_dips_and_takes_the_fewest_labels():
    sizes = [100, 200, 400, 800]
    # The dip at 400 pools 200 and 400 at 0.70.
    assert gold_equivalent(sizes, [0.6, 0.72, 0.68, 0.8], 0.7).value == pytest.approx(200)
    assert gold_equivalent(sizes, [0.6, 0.72, 0.68, 0.8], 0.75).value == pytest.approx(400 * np.sqrt(2))
    assert gold_equivalent(sizes, [0.7, 0.7, 0.7, 0.7], 0.7) == (100, "")


@given(st.lists(st.floats(0, 1), min_size=7, max_size=7), st.floats(0, 1), st.floats(0, 1))
def test_gold_equivalent_grows_with_the_target(gold, one, other):
    low, high = (gold_equivalent(SIZES, gold, target) for target in sorted((one, other)))
    assert low.value <= high.value * (1 + 1e-12)
    assert SIZES[0] <= low.value
    assert high.value <= SIZES[-1] * (1 + 1e-12)


def test_gold_equivalent_wants_one_mean_curve_and_a_number():
    with pytest.raises(ValueError, match="mean over seeds"):
        gold_equivalent(SIZES, np.ones((2, 7)), 0.5)
    with pytest.raises(ValueError, match="finite"):
        gold_equivalent(SIZES, np.linspace(0, 1, 7), np.nan)


def test_gold_equivalent_bounds_hold_the_estimate_and_may_be_censored():
    gold = runs(power_law(0.9, 2.0, 0.5), 0.005)
    target = runs(np.full(1, power_law(0.9, 2.0, 0.5)[3]), 0.005, seed=1)[:, 0]
    low, high = gold_equivalent_bounds(SIZES, gold, target, rng=rng(), n_boot=300)
    estimate = gold_equivalent(SIZES, gold.mean(0), target.mean()).value
    assert 200 < low.value < estimate < high.value < 800
    assert (low.flag, high.flag) == ("", "")
    assert gold_equivalent_bounds(SIZES, gold, target, rng=rng(), n_boot=300) == (low, high)
    low, high = gold_equivalent_bounds(SIZES, gold, target + 0.06, rng=rng(), n_boot=300)
    assert low.flag == ""
    assert high == Censored(3200.0, ">")
    with pytest.raises(ValueError, match="without its axis of sizes"):
        gold_equivalent_bounds(SIZES, gold, target[0], rng=rng())


def test_gold_equivalent_bounds_pair_texts():
    # The target equals gold at 400 on every text and seed, so whatever is drawn the answer is 400.
    one_run = (rng().random((1, 1, 200)) < power_law(0.9, 2.0, 0.5)[:, None]).astype(float)
    correct = np.repeat(one_run, 3, axis=0)
    low, high = gold_equivalent_bounds(SIZES, correct, correct[:, 3], rng=rng(), n_boot=100)
    assert low.value == pytest.approx(400)
    assert high.value == pytest.approx(400)
