"""Where curves cross: exact cases, and simulated ones whose crossing is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import isotonic_regression

from helpers.measures.crossing import _falling, crossing
from helpers.measures.plateau import Censored

SIZES = [100, 200, 400, 800]
TEXTS = 200


def rng():
    return np.random.default_rng(0)


def right(*shares, seeds=3):
    """Correctness (seeds, sizes, texts): right on the first texts, the same for all seeds."""
    return np.broadcast_to(np.arange(TEXTS) < TEXTS * np.array(shares)[:, None], (seeds, len(shares), TEXTS)) * 1.0


def test_the_crossing_lies_where_the_difference_is_zero_in_log_n():
    found = crossing(SIZES, right(0.6, 0.6, 0.6, 0.6), right(0.4, 0.5, 0.7, 0.9), rng=rng())
    assert found.at.value == pytest.approx(200 * 2**0.5)
    assert found.at.flag == ""
    assert found.low.value < found.at.value < found.high.value
    assert found.identified
    assert found.absent == ""


@pytest.mark.parametrize(("own", "flag", "size", "absent"), [(0.3, "<", 100, "below"), (0.95, ">", 800, "above")])
def test_curves_that_do_not_cross_say_on_which_side_they_stay(own, flag, size, absent):
    found = crossing(SIZES, right(*[own] * 4), right(0.5, 0.6, 0.7, 0.8), rng=rng())
    assert found.at == Censored(size, flag)
    assert not found.identified
    assert found.absent == absent


def test_a_difference_that_rises_never_crosses():
    """On average a is under b, though it ends above."""
    found = crossing(SIZES, right(0.2, 0.4, 0.6, 0.8), right(0.6, 0.6, 0.6, 0.6), rng=rng())
    assert found.at == Censored(100, "<")


def test_equal_curves_do_not_cross_and_one_seed_has_no_interval():
    found = crossing(SIZES, right(*[0.5] * 4, seeds=1), right(*[0.5] * 4, seeds=1), rng=rng())
    assert found.at == Censored(100, "<")
    assert np.isnan(found.low.value)
    assert np.isnan(found.high.value)
    assert not found.absent


@pytest.mark.parametrize("shapes", [((3, 4, 5), (2, 4, 5)), ((3, 3, 5), (3, 3, 5)), ((3, 4), (3, 4))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="4 sizes"):
        crossing(SIZES, np.zeros(shapes[0]), np.zeros(shapes[1]), rng=rng())


@given(hnp.arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 7)), elements=st.floats(-1, 1)))
def test_the_falling_fit_is_scipys(curves):
    expected = [isotonic_regression(curve, increasing=False).x for curve in curves]
    np.testing.assert_allclose(_falling(curves), expected, atol=1e-9)


def simulate(generator, *, seeds, texts, spread):
    """Two noisy students whose accuracies, .7 and .6 + .05 log2(n / 100), cross at 400."""
    level = np.array([0.7] * 4), 0.6 + 0.05 * np.arange(4)
    hardness = generator.random(texts)
    shared = spread * generator.standard_normal((seeds, 4, 1))
    return [(hardness < p[:, None] + shared + spread * generator.standard_normal((seeds, 4, 1))) * 1.0 for p in level]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 10])
def test_intervals_hold_the_true_crossing_as_often_as_they_say(seeds):
    generator = np.random.default_rng(7)
    inside = 0
    for _ in range(400):
        a, b = simulate(generator, seeds=seeds, texts=400, spread=0.01)
        found = crossing(SIZES, a, b, rng=generator, n_boot=400)
        above = found.low.flag == "<" or (not found.low.flag and found.low.value <= 400)
        below = found.high.flag == ">" or (not found.high.flag and found.high.value >= 400)
        inside += above and below
    assert 0.92 <= inside / 400 <= 0.995
