"""What more labels buy: slopes, asymptotes, and how many gold labels an annotator's labels are worth.

Sizes are numbers of training texts, strictly increasing. Accuracies are shares, 0 to 1, along the last axis
in the order of the sizes; any other score that rises towards a limit of at most 1 (macro-F1) serves as well.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.optimize import isotonic_regression

from helpers.measures._checks import as_generator
from helpers.measures.intervals import Interval, paired_difference, text_weights

_MIN_SIZES = 5
# The sizes that are the end of a curve.
_LAST = 3
_MAX_ASYMPTOTE_WIDTH = 0.1
# Below the lower rate, n^-c is log n in all but name and its limit lies beyond any data; above the upper one,
# the curve has flattened before the first size.
_RATE_BOUNDS = (0.01, 2.0)
# Less than one text in a million: the flat edge of the fit, up to rounding.
_LEAST_RISE = 1e-6
# Pooling equal accuracies can move them by the last digit, which must not decide on which side a target lies.
_ROUNDING = 1e-12


def gain_per_doubling(sizes, accuracy):
    """Mean gain per doubling of n: least-squares slope of accuracy on log2 n, (..., n_sizes) -> (...,)."""
    sizes, accuracy = _curve(sizes, accuracy, min_sizes=2)
    x = np.log2(sizes)
    x = x - x.mean()
    return accuracy @ x / (x @ x)


def gains_between_sizes(sizes, accuracy):
    """Gain per doubling between neighbouring sizes, (..., n_sizes) -> (..., n_sizes - 1)."""
    sizes, accuracy = _curve(sizes, accuracy, min_sizes=2)
    return np.diff(accuracy, axis=-1) / np.diff(np.log2(sizes))


def onset(sizes, accuracy, threshold):
    """First n after which the gain per doubling falls under `threshold`, (..., n_sizes) -> (...,) of sizes.

    The gain at n is that between n and the next size, so the largest size is never an onset; nan when no gain
    falls under the threshold. One noisy step is enough to set it: see `onset_interval`.
    """
    below = gains_between_sizes(sizes, accuracy) < threshold
    return np.where(below.any(-1), np.asarray(sizes, dtype=float)[below.argmax(-1)], np.nan)[()]


class Censored(NamedTuple):
    """A number, or a bound on it: `flag` is "<" or ">" where only that is known, else ""."""

    value: float
    flag: str


class Onset(NamedTuple):
    """Where a curve flattens, with the bounds of its interval: each a size, or ">" and the last size that was tried."""

    at: Censored
    low: Censored
    high: Censored

    @property
    def identified(self) -> bool:
        """Whether the curve and both bounds flatten within the sizes."""
        return not (self.at.flag or self.low.flag or self.high.flag) and bool(np.isfinite(self.low.value))


def onset_interval(sizes, accuracy, threshold, *, rng, n_boot=2000, level=0.95):
    """Onset of the mean curve, and the sizes that it may be at.

    A size may be the onset unless the gain after it is clearly not under the threshold, or an earlier gain clearly is.
    Clearly means by an interval of the gain over seeds and texts; with m gains each errs to one side in (1 - level) / m
    of all cases, so the sizes that are left hold the onset at `level` or more (Bonferroni). Curves that are drawn about
    a noisy curve are of no use here: they fall under the threshold too early.

    Parameters
    ----------
    accuracy : float array (S, n_sizes, T)
        Correctness by seed, size and text.
    threshold : float
        As in `onset`.

    Returns
    -------
    Onset
        From the first of the sizes that are left to the last; ">" where the curve may not fall under the threshold
        within the sizes. Bounds nan with one seed.
    """
    accuracy = np.asarray(accuracy, dtype=float)
    last = Censored(float(sizes[-2]), ">")
    found = onset(sizes, accuracy.mean((0, 2)), threshold)
    at = last if np.isnan(found) else Censored(float(found), "")
    if len(accuracy) < 2:
        return Onset(at, Censored(np.nan, ""), Censored(np.nan, ""))
    doublings = np.diff(np.log2(sizes))
    each = 1 - 2 * (1 - level) / len(doublings)
    gains = [
        paired_difference(accuracy[:, i + 1], accuracy[:, i], rng=rng, n_boot=n_boot, level=each)
        for i in range(len(doublings))
    ]
    above = np.array([gain.low for gain in gains]) / doublings >= threshold
    below = np.array([gain.high for gain in gains]) / doublings < threshold
    before = np.concatenate([[False], np.logical_or.accumulate(below)])
    left = [Censored(float(n), "") for n, no in zip(sizes, above | before[:-1], strict=False) if not no]
    left += [] if before[-1] else [last]
    return Onset(at, left[0], left[-1])


def curve_draws(*curves, rng, n_boot=1000, level=0.95):
    """Plausible mean learning curves, drawn over seeds and, where texts are given, over texts.

    Texts are resampled with replacement, the same ones at every size, because all sizes are tested on the same
    texts. Seeds are few, so they are not resampled: to the means on these texts come normal deviations with the
    covariance of the means over seeds, widened by t / z at `level` on S - 1 degrees of freedom. What seeds and texts
    share is in the covariances of both, and is left out of that of the seeds, as in `helpers.measures.intervals`;
    where it is the larger by chance, no deviation is drawn.

    Parameters
    ----------
    *curves : float array (S, n_sizes) or (S, n_sizes, T)
        Accuracy of each run, or correctness of each run on each text. Without the texts, spread is that of
        the seeds on these very texts. The same seeds and texts are drawn for all curves, so comparisons are
        paired.
    rng : numpy.random.Generator

    Returns
    -------
    list of float arrays (n_boot, n_sizes), one per curve; not clipped to 0..1

    Raises
    ------
    ValueError
        When S < 2, or curves hold different seeds or texts.
    """
    as_generator(rng)
    curves = [np.asarray(curve, dtype=float) for curve in curves]
    if not curves or any(curve.ndim not in (2, 3) for curve in curves):
        raise ValueError("expected curves of shape (n_seeds, n_sizes) or (n_seeds, n_sizes, n_texts)")
    seeds, texts = {len(c) for c in curves}, {c.shape[2] for c in curves if c.ndim == 3}
    if len(seeds) > 1 or len(texts) > 1:
        raise ValueError(f"curves differ in seeds {sorted(seeds)} or texts {sorted(texts)}; select the same in all")
    n_seeds = seeds.pop()
    if n_seeds < 2:
        raise ValueError("one seed has no spread to draw from; run at least 2 seeds")
    n_texts = max(texts, default=1)
    # A curve without texts is the same on all of them.
    whole = [curve[..., None] if curve.ndim == 2 else curve for curve in curves]
    scores = np.concatenate([np.broadcast_to(c, (*c.shape[:2], n_texts)) for c in whole], axis=1)
    on_texts = text_weights(n_texts, rng=rng, n_boot=n_boot) / n_texts @ scores.mean(0).T
    rest = scores - scores.mean(0)
    rest -= rest.mean(2, keepdims=True)
    shared = np.tensordot(rest, rest, ([0, 2], [0, 2])) / (n_seeds * n_texts * (n_seeds - 1) * max(n_texts - 1, 1))
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(scores.mean(2).T)) / n_seeds - shared)
    widen = stats.t.ppf(0.5 + level / 2, n_seeds - 1) / stats.norm.ppf(0.5 + level / 2)
    # The symmetric root is one and the same, whatever signs and order the vectors come in.
    root = (widen * np.sqrt(np.maximum(values, 0.0)) * vectors) @ vectors.T
    draws = on_texts + rng.standard_normal((n_boot, len(root))) @ root
    return np.split(draws, np.cumsum([curve.shape[1] for curve in curves])[:-1], axis=1)


@dataclass(frozen=True)
class CurveFit:
    """accuracy(n) = asymptote - scale * n ** -rate, and whether the data can tell.

    `asymptote` is an Interval. Print it only where `identified`; otherwise print `reason`, which says why
    not.
    """

    asymptote: Interval
    scale: float
    rate: float
    identified: bool
    reason: str

    def predict(self, sizes):
        """Fitted accuracy at `sizes`. Inside the range of the data it is good even where not identified."""
        return self.asymptote.effect - self.scale * np.asarray(sizes, dtype=float) ** -self.rate


def fit_curve(sizes, accuracy, *, rng, n_boot=1000, level=0.95):
    """Fit a power law with an asymptote to a learning curve, with the interval of the asymptote.

    accuracy(n) = a - b n^-c with 0 <= a <= 1, b >= 0 and 0.01 <= c <= 2, least squares on the mean over
    seeds. For a given c the law is linear in a and b, so c is the only one to search (variable projection;
    Golub & Pereyra, 1973, SIAM Journal on Numerical Analysis 10): no starting point, no local optimum by bad
    luck, all draws at once. The form is the usual one for learning curves (Viering & Loog, 2023, IEEE TPAMI
    45, survey it and its failures).

    Parameters
    ----------
    sizes : array (n_sizes,)
    accuracy : float array (S, n_sizes) or (S, n_sizes, T)
        As in `curve_draws`, which gives the interval.
    rng : numpy.random.Generator

    Returns
    -------
    CurveFit
        Not identified, with the reason, when there are fewer than 5 sizes or 2 seeds, when the curve does not
        rise, or falls over the last three sizes (the law rises throughout, and ends above such data), when c ends at
        a bound, or when the interval of the asymptote reaches 1 or is wider than 0.1.
    """
    as_generator(rng)
    accuracy = np.asarray(accuracy, dtype=float)
    if accuracy.ndim not in (2, 3):
        raise ValueError(f"accuracy: expected (n_seeds, n_sizes) or (n_seeds, n_sizes, n_texts), got {accuracy.shape}")
    sizes, mean = _curve(sizes, accuracy.mean((0, *range(2, accuracy.ndim))), min_sizes=3)
    a, b, c = (float(value[0]) for value in _fit_power_law(sizes, mean[None]))
    low = high = np.nan
    if len(accuracy) > 1:
        draws = curve_draws(accuracy, rng=rng, n_boot=n_boot, level=level)[0]
        low, high = np.quantile(_fit_power_law(sizes, draws)[0], [0.5 - level / 2, 0.5 + level / 2])
    asymptote = Interval(a, float(min(low, a)), float(max(high, a)))
    rise = b * (sizes[0] ** -c - sizes[-1] ** -c)
    at_the_end = float(gain_per_doubling(sizes[-_LAST:], mean[-_LAST:]))
    reason = _why_not_identified(len(sizes), len(accuracy), asymptote, rise, at_the_end, c)
    return CurveFit(asymptote=asymptote, scale=b, rate=c, identified=not reason, reason=reason)


def _why_not_identified(n_sizes, n_seeds, asymptote, rise, at_the_end, rate):
    if n_sizes < _MIN_SIZES:
        return f"fewer than {_MIN_SIZES} sizes"
    if n_seeds < 2:
        return "one seed, so no interval"
    if rise <= _LEAST_RISE:
        return "accuracy does not rise with n"
    if at_the_end < -_LEAST_RISE:
        return "accuracy falls at the end, and the fit cannot"
    if asymptote.high >= 1 or rate <= _RATE_BOUNDS[0] * 1.01:
        return "the fit sets no limit below 100 %"
    if rate >= _RATE_BOUNDS[1] * 0.99:
        return "the fit is flat after the first sizes"
    width = asymptote.high - asymptote.low
    if not width <= _MAX_ASYMPTOTE_WIDTH:
        return f"its interval is {100 * width:.0f} points wide, more than {100 * _MAX_ASYMPTOTE_WIDTH:.0f}"
    return ""


def _fit_power_law(sizes, curves):
    """Least squares a, b, c, each (B,), of B curves (B, n_sizes): a grid over c, then ever finer ones."""
    low, high = (np.full(len(curves), bound) for bound in _RATE_BOUNDS)
    for points in (65, 17, 17, 17):
        rates = np.geomspace(low, high, points, axis=-1)
        a, b, loss = _fit_given_rate(sizes, curves, rates)
        best = loss.argmin(-1)
        rows = np.arange(len(curves))
        low, high = rates[rows, np.maximum(best - 1, 0)], rates[rows, np.minimum(best + 1, points - 1)]
    return a[rows, best], b[rows, best], rates[rows, best]


def _fit_given_rate(sizes, curves, rates):
    """Best a in 0..1, b >= 0 and their squared error, each (B, G), of B curves at G rates of their own."""
    # n relative to the smallest size keeps b of the order of the accuracies; it is scaled back at the end.
    decay = (sizes / sizes[0]) ** -rates[..., None]
    curves = curves[:, None, :]
    mean_x, mean_y = decay.mean(-1), curves.mean(-1)
    x = decay - mean_x[..., None]
    free_b = -(x * curves).sum(-1) / (x * x).sum(-1)

    # Convex in a and b: where the free optimum leaves the box, the best point lies on one of its edges.
    flat_a, flat_b = np.clip(mean_y, 0, 1) + np.zeros_like(free_b), np.zeros_like(free_b)
    top_a, top_b = (
        np.ones_like(free_b),
        np.maximum(((1 - curves) * decay).sum(-1) / (decay * decay).sum(-1), 0),
    )
    free_a = mean_y + free_b * mean_x
    candidates = [(free_a, free_b), (flat_a, flat_b), (top_a, top_b)]
    losses = np.stack([((a[..., None] - b[..., None] * decay - curves) ** 2).sum(-1) for a, b in candidates])
    losses[0] = np.where((free_a >= 0) & (free_a <= 1) & (free_b >= 0), losses[0], np.inf)
    choice = losses.argmin(0)[None]

    def chosen(values):
        return np.take_along_axis(np.stack(values), choice, axis=0)[0]

    a, b = chosen([a for a, _ in candidates]), chosen([b for _, b in candidates])
    return a, b * sizes[0] ** rates, chosen(losses)


def gold_equivalent(sizes, gold_accuracy, target_accuracy):
    """How many gold labels give `target_accuracy`, read from the gold-trained learning curve.

    The curve is made non-decreasing (isotonic least squares) and interpolated linearly in log n. On a flat
    stretch the answer is its first n: the fewest gold labels that do.

    Parameters
    ----------
    sizes : array (n_sizes,)
    gold_accuracy : float array (n_sizes,)
        Mean over seeds of the gold-trained student.
    target_accuracy : float

    Returns
    -------
    Censored
        Flag "<" with the smallest size when the target lies under the whole curve, ">" with the largest when
        above.
    """
    sizes, gold_accuracy = _curve(sizes, gold_accuracy, min_sizes=2)
    if gold_accuracy.ndim != 1:
        raise ValueError(f"gold_accuracy: expected (n_sizes,), got {gold_accuracy.shape}; take the mean over seeds")
    if not np.isfinite(target_accuracy):
        raise ValueError(f"target_accuracy must be finite, got {target_accuracy}")
    curve = isotonic_regression(gold_accuracy).x
    if target_accuracy < curve[0] - _ROUNDING:
        return Censored(float(sizes[0]), "<")
    if target_accuracy > curve[-1] + _ROUNDING:
        return Censored(float(sizes[-1]), ">")
    right = int(np.searchsorted(curve, target_accuracy - _ROUNDING, side="left"))
    if right == 0:
        return Censored(float(sizes[0]), "")
    step = min((target_accuracy - curve[right - 1]) / (curve[right] - curve[right - 1]), 1.0)
    log_n = np.log(sizes[right - 1]) + step * np.log(sizes[right] / sizes[right - 1])
    return Censored(float(np.exp(log_n)), "")


def gold_equivalent_bounds(sizes, gold, target, *, rng, n_boot=1000, level=0.95):
    """Interval of `gold_equivalent`, paired by seed and text; a bound may itself be censored.

    Simulated coverage of 95 %: .98 with three seeds, five sizes and a thousand texts.

    Parameters
    ----------
    gold : float array (S, n_sizes) or (S, n_sizes, T)
        The gold-trained runs, as in `curve_draws`.
    target : float array (S,) or (S, T)
        The runs whose labels are to be priced, on the same seeds and texts.

    Returns
    -------
    (low, high) : Censored, Censored
    """
    gold, target = np.asarray(gold, dtype=float), np.asarray(target, dtype=float)
    if target.ndim != gold.ndim - 1:
        raise ValueError(f"target must be gold without its axis of sizes, got {target.shape} for {gold.shape}")
    curves, targets = curve_draws(gold, target[:, None], rng=rng, n_boot=n_boot, level=level)
    found = [gold_equivalent(sizes, curve, value) for curve, (value,) in zip(curves, targets, strict=True)]
    return censored_interval(found, level=level)


def censored_interval(draws, *, level=0.95):
    """Interval of numbers of which only a bound may be known: a list of Censored -> (low, high), both Censored."""
    # "<" sorts before and ">" after every uncensored value; ties in between sort by the value.
    ordered = sorted(draws, key=lambda c: (("<", "", ">").index(c.flag), c.value))
    tail = 0.5 - level / 2
    return ordered[int(np.floor(tail * (len(ordered) - 1)))], ordered[int(np.ceil((1 - tail) * (len(ordered) - 1)))]


def _curve(sizes, accuracy, *, min_sizes):
    sizes, accuracy = np.asarray(sizes, dtype=float), np.asarray(accuracy, dtype=float)
    if sizes.ndim != 1 or len(sizes) < min_sizes or (sizes <= 0).any() or (np.diff(sizes) <= 0).any():
        raise ValueError(f"sizes: expected at least {min_sizes} positive, strictly increasing numbers, got {sizes}")
    if accuracy.ndim == 0 or accuracy.shape[-1] != len(sizes):
        raise ValueError(f"accuracy: expected {len(sizes)} sizes on the last axis, got shape {accuracy.shape}")
    if not np.isfinite(accuracy).all():
        raise ValueError("accuracy: found nan or infinite values; leave out the sizes that have no finished run")
    return sizes, accuracy
