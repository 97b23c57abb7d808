import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measures import power


def test_a_value_by_hand():
    """(1.9600 sqrt(.3) + .8416 sqrt(.29))^2 / .01 = 233.1."""
    assert power.texts_needed(0.1, discordant=0.3) == 234


@given(st.integers(30, 100_000), st.floats(0.05, 1))
def test_gap_and_number_are_inverse(texts, discordant):
    gap = power.detectable_gap(texts, discordant=discordant)
    if math.isfinite(gap):
        assert abs(power.texts_needed(gap, discordant=discordant) - texts) <= 1
        assert power.detectable_gap(4 * texts, discordant=discordant) < gap


def test_the_power_is_what_it_says():
    """Ten thousand simulated tests at the smallest gap."""
    rng, texts, discordant = np.random.default_rng(1), 500, 0.2
    gap = power.detectable_gap(texts, discordant=discordant)
    shares = [(discordant + gap) / 2, (discordant - gap) / 2, 1 - discordant]
    better, worse, _ = rng.multinomial(texts, shares, size=10_000).T
    found = (better - worse) / np.sqrt(better + worse) > 1.96
    assert found.mean() == pytest.approx(0.8, abs=0.02)


def test_too_few_texts_show_nothing():
    assert power.detectable_gap(3, discordant=0.2) == math.inf
    assert power.detectable_gap(20, discordant=0.05) == math.inf


@pytest.mark.parametrize(
    ("texts", "options"),
    [(0, {"discordant": 0.2}), (9, {"discordant": 0}), (9, {"discordant": 0.2, "alpha": 0}), (9, {"discordant": 2})],
)
def test_arguments_out_of_range(texts, options):
    with pytest.raises(ValueError, match="expected"):
        power.detectable_gap(texts, **options)
    with pytest.raises(ValueError, match="expected"):
        power.texts_needed(0.3, discordant=0.2)
