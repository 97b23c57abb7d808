"""Shares from a few gold labels: exact cases, what bad input gets, and coverage by simulation."""

import numpy as np
import ppi_py
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from helpers.measures.prevalence import labels_for_precision, powered_share, wilson


def test_wilson_by_hand():
    """8 of 10: (0.8 + z²/20 ± z √(0.016 + z²/400)) / (1 + z²/10)."""
    z = stats.norm.ppf(0.975)
    half, centre = z * np.sqrt(0.8 * 0.2 / 10 + z**2 / 400), 0.8 + z**2 / 20
    found = wilson(8, 10)
    assert found.effect == 0.8
    assert (found.low, found.high) == pytest.approx(
        ((centre - half) / (1 + z**2 / 10), (centre + half) / (1 + z**2 / 10))
    )


def test_no_label_gives_no_share():
    assert np.isnan([wilson(0, 0).effect, wilson(0, 0).low]).all()
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


@given(st.floats(0, 1), st.floats(0.005, 0.3))
def test_so_many_labels_give_the_precision_and_one_fewer_does_not(share, half_width):
    def reach(n):
        z2 = stats.norm.ppf(0.975) ** 2
        half = np.sqrt(z2) * np.sqrt(share * (1 - share) / n + z2 / 4 / n**2) / (1 + z2 / n)
        return half + abs((share + z2 / 2 / n) / (1 + z2 / n) - share)

    n = labels_for_precision(share, half_width)
    assert reach(n) <= half_width * (1 + 1e-6)
    assert n == 1 or reach(n - 1) > half_width * (1 - 1e-6)


def test_an_annotator_that_knows_nothing_leaves_the_gold_labels_alone():
    gold = np.array([1, 1, 0, 0, 0] * 10)
    found = powered_share(gold, np.full(50, 0.3), np.full(500, 0.3))
    assert found.effect == pytest.approx(0.4)
    # Two labels more, one each way: (20 + 1) / 52, with the variance of 52 labels on 50.
    labels = np.append(gold, [1, 0])
    half = stats.t.ppf(0.975, 49) * np.sqrt(labels.var(ddof=1) / 50)
    assert (found.low, found.high) == pytest.approx((21 / 52 - half, 21 / 52 + half))


def test_an_annotator_that_is_never_wrong_gives_its_share_of_all_texts():
    rng = np.random.default_rng(0)
    gold, rest = rng.random(400) < 0.3, rng.random(40000) < 0.3
    found = powered_share(gold, gold.astype(float), rest.astype(float))
    assert found.effect == pytest.approx(rest.mean(), abs=0.003)
    assert found.high - found.low < 0.5 * (wilson(gold.sum(), 400).high - wilson(gold.sum(), 400).low)


def test_a_biased_annotator_is_corrected():
    """It calls a further tenth of the texts of the class, wrongly; the gold labels show it."""
    rng = np.random.default_rng(1)
    of_class = rng.random(20000) < 0.2
    says = of_class | (rng.random(20000) < 0.125)
    found = powered_share(of_class[:500], says[:500].astype(float), says[500:].astype(float))
    assert says.mean() > 0.28
    assert found.low < 0.2 < found.high < 0.25


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=30), st.lists(st.floats(0, 1)))
def test_bounds_lie_within_0_and_1_and_hold_the_estimate(labelled, rest):
    gold, says = map(np.array, zip(*labelled, strict=True))
    found = powered_share(gold, says, np.array(rest, dtype=float))
    assert 0 <= found.low <= found.effect <= found.high <= 1


def test_a_sample_without_the_class_is_not_certain():
    found = powered_share(np.zeros(50, int), np.zeros(50), np.zeros(1000))
    assert found.effect == found.low == 0
    assert 0.03 < found.high < 0.15


@pytest.mark.parametrize(
    ("gold", "predicted", "rest", "said"),
    [
        ([], [], [0.5], "n_texts >= 1"),
        ([0, 1], [0.5], [0.5], "expected predictions"),
        ([0, 1], [0.5, np.nan], [0.5], "finite"),
        ([0, 2], [0.5, 0.5], [0.5], "class ids"),
    ],
)
def test_bad_input_is_refused(gold, predicted, rest, said):
    with pytest.raises(ValueError, match=said):
        powered_share(np.array(gold, int), np.array(predicted), np.array(rest))


def test_one_label_has_no_interval():
    assert np.isnan(powered_share([1], [0.5], [0.5, 0.6]).low)


def _drawn(share, accuracy, k, rest, *, soft, rng):
    """Gold labels of `k` texts, and what an annotator of that accuracy says of these and of `rest` others."""
    gold = rng.random(k + rest) < share
    score = np.where(gold, 1, -1) * stats.norm.ppf(accuracy) + rng.standard_normal(k + rest)
    says = 1 / (1 + np.exp(-2 * score)) if soft else (score > 0).astype(float)
    return gold[:k], says[:k], says[k:]


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("accuracy", [0.55, 0.75, 0.95])
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_many_labels_of_frequent_classes_give_what_the_authors_package_gives(share, accuracy, soft):
    """The two added labels and the t weigh a thousandth of the labels then."""
    rng = np.random.default_rng([int(100 * share), int(100 * accuracy)])
    gold, says, rest = _drawn(share, accuracy, 2000, 20_000, soft=soft, rng=rng)
    found = powered_share(gold, says, rest)
    (theirs,) = np.ravel(ppi_py.ppi_mean_pointestimate(gold.astype(float), says, rest))
    low, high = map(float, np.ravel(ppi_py.ppi_mean_ci(gold.astype(float), says, rest, alpha=0.05)))
    width = high - low
    assert found.effect == pytest.approx(theirs, abs=0.01 * width)
    assert found.high - found.low == pytest.approx(width, rel=0.02)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02 * width)


def _coverage(share, accuracy, k, *, soft, samples=1000):
    """How often the interval holds the share, and how often that of the authors' package does."""
    rng, ours, theirs = np.random.default_rng([k, int(1000 * share), int(100 * accuracy)]), 0, 0
    for _ in range(samples):
        gold, says, rest = _drawn(share, accuracy, k, 3000, soft=soft, rng=rng)
        found = powered_share(gold, says, rest)
        ours += found.low <= share <= found.high
        low, high = np.ravel(ppi_py.ppi_mean_ci(gold.astype(float), says, rest, alpha=0.05))
        theirs += low <= share <= high
    return ours / samples, theirs / samples


@pytest.mark.slow
@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("k", [50, 200])
@pytest.mark.parametrize("accuracy", [0.55, 0.75, 0.98])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.2, 0.5])
def test_intervals_hold_the_share_as_often_as_stated(share, accuracy, k, soft):
    """A thousand samples know a coverage of .95 to within .014: .93 is what .94 can look like."""
    ours, theirs = _coverage(share, accuracy, k, soft=soft)
    assert ours > 0.93
    if share == 0.02:  # as `helpers.measures.prevalence` states
        low, high = {50: (0.5, 0.7), 200: (0.82, 0.93)}[k]
        assert low < theirs < high


def test_intervals_hold_the_share_where_the_usual_one_fails():
    ours, theirs = _coverage(0.02, 0.9, 50, soft=False, samples=200)
    assert ours > 0.93
    assert theirs < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["movie", "amazon", "tweets", "editorials"])
def test_intervals_hold_the_shares_of_the_corpora(corpus):
    """With the real annotations: samples of 200 gold labels against the share of all of them."""
    from helpers import studies

    study = studies.load("studies/default.yml")
    loaded, hits, rng = study.corpus(corpus), [], np.random.default_rng(4)
    tables = study.annotations(loaded)
    for table in (tables[name] for name in study.annotator_names):  # further wordings have some rows only
        for c in range(len(loaded.labels)):
            for _ in range(300):
                sample = rng.choice(len(loaded.gold), 200, replace=False)
                rest = np.setdiff1d(np.arange(len(loaded.gold)), sample)
                says = table.probs[:, c]
                found = powered_share(loaded.gold[sample] == c, says[sample], says[rest])
                hits.append(found.low <= (loaded.gold == c).mean() <= found.high)
    assert np.mean(hits) > 0.94
