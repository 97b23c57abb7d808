"""Uncertainty over training seeds and test texts together.

Accuracy measured on T texts with S seeds is a mean over a crossed S x T table: another seed would move a
whole row, another text a whole column. Both must be resampled, and the textbook way, drawing rows and columns
with replacement (Owen, 2007, Annals of Applied Statistics 1, the "pigeonhole" bootstrap), fails at our sizes.
With three seeds it draws from three values: its spread is too small by sqrt((S-1)/S), it knows nothing of the
heavy tails of a t with two degrees of freedom (Hesterberg, 2015, The American Statistician 69, "narrowness
bias"), and a seed drawn twice agrees with itself, which inflates every measure of agreement. So the two
levels are treated differently here:

- *texts*, of which there are hundreds, are resampled with replacement;
- *seeds*, of which there are a handful, enter through the delete-one-seed jackknife variance V_S (Tukey;
  Efron & Stein, 1981, Annals of Statistics 9: biased upwards if at all), drawn from a normal law. The
  jackknife never repeats a seed, so it serves statistics over pairs of seeds too, and for a mean it is the
  unbiased variance;
- V_S and V_T both hold the seed-by-text interaction V_I, how one seed does on one text beyond what either does as a
  rule (Cornfield & Tukey, 1956, Annals of Mathematical Statistics 27). It is subtracted once: the jackknife variance
  of what leaving out seeds does to other texts and not to all of them. Of a mean, this is the sum of squares of
  the doubly centred table over (S-1)(T-1), by S T; of other statistics the other texts are drawn anew. No more is
  subtracted than V_S or V_T, so that the total is never less than the larger of them;
- the deviations are widened by t_nu / z, with nu by Satterthwaite (1946, Biometrics Bulletin 2; Gaylor & Hopper, 1969,
  Technometrics 11, where a variance is subtracted) from V_S on S-1 and V_T on T-1 degrees of freedom and the total:
  near 1 when texts are the main source of error, 2.2 when three seeds are. No interval is wider than that of
  V_S + V_T on their degrees of freedom.

Simulated coverage of a 95 % interval for a difference of accuracies on 400 texts: with three seeds .95 where seeds do
not matter, .93 where they weigh as much as the texts and .92 where they are nearly all of the error (pigeonhole: .98,
.92 and .80); with five or ten seeds .93 to .96. Differences of agreement between seeds are covered at .95 to .97 from
five seeds on. With three they are covered too often, at .98 to .99, and so are votes of five students, at .99 and
above: there the jackknife is biased upwards by more than what is subtracted. `tests/test_coverage.py` repeats all
this but for the pigeonhole.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from helpers.measures._checks import as_generator, as_runs, same_texts
from helpers.measures.stability import alpha_from_counts, class_counts, disagreement_by_text

# A draw can be undefined (alpha on a sample with one class left). A few are dropped; more and there is no
# interval.
_MAX_UNDEFINED_DRAWS = 0.01
#: Seeds that an interval of a ratio of variances takes: a jackknife leaves three.
FEWEST_FOR_RATIO = 4
# Values without a seed on texts drawn anew, for what seeds and texts share: it is known to about a seventh by these.
_SHARED_VALUES = 150
#: Numbers that are drawn at a time.
_BLOCK = 2**16
# How far from a ratio the end of its interval is looked for, in ratios.
_STEPS = 2.0 ** np.arange(20)
# With fewer seeds, too many resamples hold two or three different ones, and their variances say nothing.
_FEWEST_TO_RESAMPLE = 8


@dataclass(frozen=True)
class Interval:
    """An effect and its interval; the bounds are nan where the data give none, as with a single seed."""

    effect: float
    low: float = np.nan
    high: float = np.nan

    @property
    def sign(self) -> int:
        """-1 or 1: the direction that the interval supports; 0 where it covers zero or does not exist."""
        return int(self.low > 0) - int(self.high < 0)


def paired_bootstrap(statistic, *arrays, rng, n_boot=2000, level=0.95):
    """Two-level interval of any statistic of several arrays, resampled together (see the module's docstring).

    Parameters
    ----------
    statistic : callable
        Receives the arrays with seeds left out or texts resampled, in the given order, and returns a number.
        It must not depend on how many seeds it gets, other than through noise (means and U-statistics do
        not).
    *arrays : array (T,) or (S, T, ...) or (1, T, ...)
        One axis: per text, as gold labels. Two or more: seeds by texts; a first axis of length 1 is shared by
        all seeds. The same texts and the same seeds are taken from all of them, so differences are paired by
        both. When all arrays have one axis, there is no seed to speak of and only texts are resampled.
    rng : numpy.random.Generator
    n_boot : int
        Resamples of the texts; `statistic` is called about n_boot + S + 150 times.

    Returns
    -------
    Interval
        Without bounds where arrays have a seed axis but S = 1.

    Raises
    ------
    ValueError
        When numbers of seeds or texts differ between arrays.

    Examples
    --------
    >>> gap = lambda a, b, gold: (macro_f1(a, gold, n_classes=4) - macro_f1(b, gold, n_classes=4)).mean()
    >>> paired_bootstrap(gap, pred_a, pred_b, gold, rng=np.random.default_rng(0))  # doctest: +SKIP
    """
    _check_options(rng, n_boot, level)
    arrays = [np.asarray(array) for array in arrays]
    if not arrays or min(array.ndim for array in arrays) == 0:
        raise ValueError("expected at least one array, each (n_texts,) or (n_seeds, n_texts, ...)")
    n_texts = _common_length([array.shape[min(array.ndim, 2) - 1] for array in arrays], "texts")
    n_seeds = _common_length([len(array) for array in arrays if array.ndim > 1 and len(array) > 1], "seeds")

    effect = float(statistic(*arrays))
    if n_seeds is None and any(array.ndim > 1 for array in arrays):
        return Interval(effect)

    def on_texts(index, arrays):
        return statistic(*(array[index] if array.ndim == 1 else array[:, index] for array in arrays))

    without = [
        [np.delete(a, seed, axis=0) if a.ndim > 1 and len(a) > 1 else a for a in arrays] for seed in range(n_seeds or 0)
    ]
    text_draws, both = [], []
    for i in range(n_boot):
        index = rng.integers(0, n_texts, n_texts)
        text_draws.append(on_texts(index, arrays))
        if without and i < _shared_draws(n_seeds):
            both.append([on_texts(index, some) for some in without])
    seeds = [_SeedPart.of([statistic(*some) for some in without], np.transpose(both))] if without else []
    normal = rng.standard_normal(n_boot)
    return _two_level(effect, seeds, np.array(text_draws, dtype=float), n_texts=n_texts, normal=normal, level=level)


def bootstrap_of_means(statistic, *scores, rng, n_boot=2000, level=0.95):
    """`paired_bootstrap` of a statistic that knows the scores by their means only, which is many times faster.

    Parameters
    ----------
    statistic : callable
        Receives the mean of each array, or as many means as there are draws, (B,) each, and returns as many values;
        nan where it is undefined.
    *scores : array (S, T), (1, T) or (T,)
        As for `paired_bootstrap`.

    Returns, Raises
        As `paired_bootstrap`.
    """
    of = _of_means(scores, rng=rng, n_boot=n_boot, level=level)
    return of(statistic)


def ratio_interval(numerator, denominator, *, rng, n_boot=2000, level=0.95):
    """Interval of mean(numerator) / mean(denominator), paired by seed and text: for a share of a gap.

    It holds each ratio r for which the interval of mean(numerator - r * denominator) holds zero (Fieller, 1954, Journal
    of the Royal Statistical Society B 16), all with the same draws. So it lies above zero exactly where
    `paired_difference` of the numerator alone does, by a generator in the same state; a bootstrap of the ratio itself
    is symmetric, and contradicts that where the denominator is uncertain.

    Parameters
    ----------
    numerator, denominator : array (S, T), or (T,) for one result of all seeds
        Of the same seeds and texts.

    Returns
    -------
    Interval
        Without bounds where the interval of the denominator does not lie clearly above zero, or when S = 1.
    """
    scores = [np.asarray(array, dtype=float) for array in (numerator, denominator)]
    of = _of_means(scores, rng=rng, n_boot=n_boot, level=level)
    top, bottom = (array.mean() for array in scores)
    if of(lambda _, gap: gap).sign < 1:
        return Interval(float(top / bottom) if bottom > 0 else np.nan)
    ratio = float(top / bottom)
    exact = of(lambda top, bottom: top - ratio * bottom)
    if exact.low == exact.high:  # one is a multiple of the other, but for rounding
        return Interval(ratio, ratio, ratio)

    def rest(share):
        return of(lambda top, bottom: top - share * bottom)

    def edge(direction, clear):
        """Go from the ratio to where what is left is clear of zero, and back to where it just is."""
        for step in direction * max(abs(ratio), 1.0) * _STEPS:
            if clear(ratio + step) > 0:
                return brentq(clear, ratio, ratio + step)
        return np.nan

    low, high = edge(-1, lambda share: rest(share).low), edge(1, lambda share: -rest(share).high)
    # A denominator that is just clear of zero may leave one side open.
    low, high = (low, high) if np.isfinite(low) and np.isfinite(high) else (np.nan, np.nan)
    return Interval(ratio, float(low), float(high))


def _of_means(scores, *, rng, n_boot, level):
    """The two-level interval as a function of the statistic of means: (B,) values each -> (B,). All share the draws."""
    _check_options(rng, n_boot, level)
    arrays = [np.asarray(array, dtype=float) for array in scores]
    if not arrays or any(array.ndim not in (1, 2) for array in arrays):
        raise ValueError("expected at least one array, each (n_texts,) or (n_seeds, n_texts)")
    n_texts = _common_length([array.shape[-1] for array in arrays], "texts")
    n_seeds = _common_length([len(array) for array in arrays if array.ndim > 1 and len(array) > 1], "seeds")
    by_seed = [np.atleast_1d(array.mean(axis=-1)) for array in arrays]
    whole = [means.mean() for means in by_seed]
    if n_seeds is None and any(array.ndim > 1 for array in arrays):
        return lambda statistic: Interval(float(statistic(*whole)))
    without = [(m.sum() - m) / (n_seeds - 1) if len(m) > 1 else np.repeat(m, n_seeds or 0) for m in by_seed]
    without_both = [_without_seed_and_text(array, n_seeds) for array in arrays] if n_seeds else []
    by_text = [np.atleast_2d(array).mean(axis=0) for array in arrays]
    means = np.empty((len(arrays), n_boot))
    # A block of draws at a time, as all of them do not fit into a processor's cache.
    block = max(1, _BLOCK // n_texts)
    for start in range(0, n_boot, block):
        drawn = rng.integers(0, n_texts, (min(block, n_boot - start), n_texts))
        means[:, start : start + len(drawn)] = [texts[drawn].mean(axis=1) for texts in by_text]
    normal = rng.standard_normal(n_boot)

    def interval(statistic):
        seeds = [_SeedPart.of(statistic(*without), statistic(*without_both), n_texts - 1)] if n_seeds else []
        values = float(statistic(*whole)), seeds, statistic(*means)
        return _two_level(*values, n_texts=n_texts, normal=normal, level=level)

    return interval


def _without_seed_and_text(scores, n_seeds):
    """Means of scores (S, T), (1, T) or (T,) without each seed and each text, (S, T)."""
    scores = np.atleast_2d(scores)
    others = (scores.sum(axis=0) - scores) / (n_seeds - 1) if len(scores) > 1 else np.repeat(scores, n_seeds, axis=0)
    return (others.sum(axis=1, keepdims=True) - others) / max(others.shape[1] - 1, 1)


def paired_difference(a, b, *, rng, n_boot=2000, level=0.95):
    """Interval of mean(a) - mean(b), paired by seed and text.

    Parameters
    ----------
    a, b : array (S, T)
        Any score per seed and text, such as correctness (0 or 1) or squared error. Either may be (T,) or (1,
        T), as the correctness of an annotator that has no seeds.

    Returns
    -------
    Interval
        Without bounds when S = 1.
    """
    a, b = np.atleast_2d(np.asarray(a, dtype=float)), np.atleast_2d(np.asarray(b, dtype=float))
    same_texts(a=a, b=b)
    if a.ndim != 2 or b.ndim != 2 or len({len(a), len(b), 1}) > 2:
        raise ValueError(f"a and b must be (n_seeds, n_texts) with the same seeds, got {a.shape} and {b.shape}")
    return bootstrap_of_means(np.positive, a - b, rng=rng, n_boot=n_boot, level=level)


def stability_difference(
    pred_a,
    pred_b,
    *,
    statistic: Literal["krippendorff_alpha", "pairwise_disagreement", "unchanged_share"],
    rng,
    paired=True,
    n_boot=2000,
    level=0.95,
):
    """Interval of a stability measure of runs `a` minus that of runs `b`, paired by text and, unless told, by seed.

    All three statistics depend on the texts through per-text class counts only, so resampling texts is a
    product of weights and counts. Seeds are never repeated (see the module's docstring): a seed compared with
    itself would agree, and every draw would look more stable than the data.

    Parameters
    ----------
    pred_a, pred_b : int array (S, T)
    paired : bool
        Whether run i of `a` and run i of `b` have something in common, such as their seed. If they have not, there
        may be more of the one than of the other, and the jackknife variances of both add up.

    Returns
    -------
    Interval
        Without bounds when S < 3, as a jackknife must leave a pair of seeds to compare, or where alpha is
        undefined.
    """
    _check_options(rng, n_boot, level)
    if statistic not in _STABILITY:
        raise ValueError(f"statistic: expected one of {', '.join(sorted(_STABILITY))}, got {statistic!r}")
    pred_a, pred_b = as_runs(pred_a, "pred_a"), as_runs(pred_b, "pred_b")
    shape_a, shape_b = (pred.shape if paired else pred.shape[1:] for pred in (pred_a, pred_b))
    if shape_a != shape_b:
        what = "seeds and texts" if paired else "texts"
        raise ValueError(f"pred_a and pred_b must hold the same {what}, got {pred_a.shape} and {pred_b.shape}")

    def of(pred):
        return lambda keep, weights: _STABILITY[statistic](class_counts(pred[keep]), weights)

    a, b = of(pred_a), of(pred_b)
    if paired:
        return _stability_interval(
            lambda keep, weights: a(keep, weights) - b(keep, weights), *shape_a, rng=rng, n_boot=n_boot, level=level
        )
    (n_a, n_texts), n_b = pred_a.shape, len(pred_b)
    all_a, all_b, all_texts = np.arange(n_a), np.arange(n_b), np.ones((1, n_texts))
    effect = a(all_a, all_texts)[0] - b(all_b, all_texts)[0]
    if min(n_a, n_b) < 3:
        return Interval(float(effect))
    weights = text_weights(n_texts, rng=rng, n_boot=n_boot)
    # What the other one is does not change how far these lie apart.
    seeds = [_SeedPart.weighted(a, all_a, weights), _SeedPart.weighted(b, all_b, weights)]
    text_draws = a(all_a, weights) - b(all_b, weights)
    normal = rng.standard_normal(n_boot)
    return _two_level(effect, seeds, text_draws, n_texts=n_texts, normal=normal, level=level)


def stability_interval(
    pred,
    *,
    statistic: Literal["krippendorff_alpha", "pairwise_disagreement", "unchanged_share"],
    rng,
    n_boot=2000,
    level=0.95,
):
    """Interval of a stability measure of one set of runs, int (S, T); see `stability_difference`."""
    _check_options(rng, n_boot, level)
    if statistic not in _STABILITY:
        raise ValueError(f"statistic: expected one of {', '.join(sorted(_STABILITY))}, got {statistic!r}")
    pred = as_runs(pred, "pred")

    def value(keep, weights):
        return _STABILITY[statistic](class_counts(pred[keep]), weights)

    found = _stability_interval(value, *pred.shape, rng=rng, n_boot=n_boot, level=level)
    # No more than 1, and shares no less than 0: alpha may be, where predictions agree less than by chance.
    least = -np.inf if statistic == "krippendorff_alpha" else 0.0
    return replace(found, low=float(np.maximum(found.low, least)), high=float(np.minimum(found.high, 1.0)))


def disagreement_contrast(pred, high, low, *, rng, n_boot=2000, level=0.95):
    """Interval of the disagreement of two seeds on the texts `high` minus that on the texts `low`.

    Parameters
    ----------
    pred : int array (S, T)
    high, low : bool array (T,)
        Two groups of texts; each must have one.

    Returns
    -------
    Interval
        Without bounds when S < 3.
    """
    _check_options(rng, n_boot, level)
    pred = as_runs(pred, "pred")
    groups = [np.asarray(group, dtype=bool) for group in (high, low)]
    if any(group.shape != pred.shape[1:] or not group.any() for group in groups):
        raise ValueError(f"high and low must each mark at least one of the {pred.shape[1]} texts")

    def contrast(keep, weights):
        disagreement = disagreement_by_text(class_counts(pred[keep]))
        # A draw may leave a small group without a text: it is undefined then.
        with np.errstate(invalid="ignore", divide="ignore"):
            up, down = (weights[:, g] @ disagreement[g] / weights[:, g].sum(-1) for g in groups)
        return up - down

    return _stability_interval(contrast, *pred.shape, rng=rng, n_boot=n_boot, level=level)


def _stability_interval(value, n_seeds, n_texts, *, rng, n_boot, level):
    """Two-level interval of value(seeds kept, weights of the texts (B, T)) -> (B,)."""
    seeds, all_texts = np.arange(n_seeds), np.ones((1, n_texts))
    effect = value(seeds, all_texts)[0]
    if n_seeds < 3:
        return Interval(float(effect))
    weights = text_weights(n_texts, rng=rng, n_boot=n_boot)
    parts, text_draws = [_SeedPart.weighted(value, seeds, weights)], value(seeds, weights)
    normal = rng.standard_normal(n_boot)
    return _two_level(effect, parts, text_draws, n_texts=n_texts, normal=normal, level=level)


def _disagreement_from_counts(counts, weights):
    return weights @ disagreement_by_text(counts) / weights.sum(-1)


def _unchanged_from_counts(counts, weights):
    return weights @ (counts.max(-1) == counts.sum(-1)) / weights.sum(-1)


_STABILITY = {
    "krippendorff_alpha": alpha_from_counts,
    "pairwise_disagreement": _disagreement_from_counts,
    "unchanged_share": _unchanged_from_counts,
}


def log_variance_ratio(a, b, *, rng=None, n_boot=2000, level=0.95):
    """Interval of log(var(a) / var(b)) over seeds, for two sets of run-level scores paired by seed.

    With a generator and 8 seeds or more, the studentised bootstrap (Efron & Tibshirani, 1993, An Introduction to the
    Bootstrap, ch. 12): seeds are resampled, and each draw is divided by its own jackknife error. Plain percentiles
    undercover (about .91 for .95 with ten seeds, .88 with five). With fewer seeds, or without a generator, the
    jackknife of the log variances with a t on S - 1 degrees of freedom (Miller, 1968, Annals of Mathematical
    Statistics 39), for draws of a handful are degenerate. The F ratio trusts normality that accuracies need not have;
    this trusts it less, but where one seed in seven collapses, .78 to .90 of the intervals hold the ratio.
    Expect wide intervals: five seeds tell apart only variances that differ by a factor of 30 or so, ten by one of 6,
    and saying so is the use of this function.

    Parameters
    ----------
    a, b : float array (S,)
        One score per run, as accuracy or macro-F1.
    rng : numpy.random.Generator, optional

    Returns
    -------
    Interval
        Without bounds when S < `FEWEST_FOR_RATIO`, or where both have the same scores; the effect too is nan when a
        variance is zero.
    """
    _check_level(level)
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"a and b must be one score per seed for the same seeds, got shapes {a.shape} and {b.shape}")
    n_seeds = len(a)

    effect, error = _log_ratio_and_error(a, b)
    if n_seeds < FEWEST_FOR_RATIO or not np.isfinite(effect) or error == 0:
        return Interval(float(effect))
    tail = 0.5 + level / 2
    if rng is None or n_seeds < _FEWEST_TO_RESAMPLE:
        low, high = np.array([-1, 1]) * stats.t.ppf(tail, n_seeds - 1)
    else:
        _check_options(rng, n_boot, level)
        index = rng.integers(0, n_seeds, (n_boot, n_seeds))
        ratios, errors = _log_ratio_and_error(a[index], b[index])
        with np.errstate(invalid="ignore", divide="ignore"):
            deviations = (ratios - effect) / errors
        # A draw of few different seeds has no variance to speak of.
        low, high = -np.nanquantile(np.where(np.isfinite(deviations), deviations, np.nan), [tail, 1 - tail])
    return Interval(float(effect), float(effect + low * error), float(effect + high * error))


def sd_interval(scores, *, level=0.95):
    """Standard deviation of run-level scores over seeds, and its interval: the jackknife of the log variance.

    As in `log_variance_ratio` with few seeds, and it trusts that scores are about normal as much as that does.

    Parameters
    ----------
    scores : float array (S,)
        One score per run.

    Returns
    -------
    Interval
        Without bounds when S < `FEWEST_FOR_RATIO`, or where the scores without one of the seeds are all equal.
    """
    _check_level(level)
    scores = np.asarray(scores, dtype=float)
    n = len(scores)
    sd = float(scores.std(ddof=1)) if n > 1 else np.nan
    if n < FEWEST_FOR_RATIO:
        return Interval(sd)
    whole, parts = _log_variances(scores)
    reach = stats.t.ppf(0.5 + level / 2, n - 1) * _jackknife_error(parts)
    return Interval(sd, float(np.exp((whole - reach) / 2)), float(np.exp((whole + reach) / 2)))


def _log_variances(scores):
    """Log of the variance of scores (..., S), (...,), and without each of them, (..., S); nan where it is zero."""
    n = scores.shape[-1]
    # From sums of squares about the mean, of all draws at once.
    centred = scores - scores.mean(-1, keepdims=True)
    total = (centred**2).sum(-1, keepdims=True)
    some = np.ptp(scores, axis=-1, keepdims=True) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        without = total - centred**2 * n / (n - 1)
        whole = np.log(np.where(some, total / (n - 1), np.nan))
        # Rounding leaves a trace where the others are all equal.
        parts = np.log(np.where(without > 1e-12 * total, without / (n - 2), np.nan))
    return whole[..., 0], parts


def _jackknife_error(parts):
    """Standard error of a statistic from its values without each seed, (..., S) -> (...,)."""
    n = parts.shape[-1]
    return np.sqrt((n - 1) / n * ((parts - parts.mean(-1, keepdims=True)) ** 2).sum(-1))


def _log_ratio_and_error(a, b):
    """Log ratio of the variances of scores (..., S) and its jackknife error, both (...,); nan where one is constant."""
    if a.shape[-1] < 2:
        return np.nan, np.nan
    (whole_a, parts_a), (whole_b, parts_b) = _log_variances(a), _log_variances(b)
    return whole_a - whole_b, _jackknife_error(parts_a - parts_b)


def brown_forsythe(a, b):
    """Test of equal variances that does not trust normality: F and p (Brown & Forsythe, 1974, JASA 69).

    It takes the two sets of scores, (S,) each, as independent; stand it beside `log_variance_ratio`, which says how
    large the difference may be. Both nan where scores are constant or fewer than 3.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if min(len(a), len(b)) < 3 or (np.ptp(a) == 0 and np.ptp(b) == 0):
        return np.nan, np.nan
    found = stats.levene(a, b, center="median")
    return float(found.statistic), float(found.pvalue)


def text_weights(n_texts, *, rng, n_boot):
    """Count how often each text is drawn: float (n_boot, n_texts), multinomial rows that sum to n_texts."""
    index = rng.integers(0, n_texts, (n_boot, n_texts)) + n_texts * np.arange(n_boot)[:, None]
    return np.bincount(index.ravel(), minlength=n_boot * n_texts).reshape(n_boot, n_texts).astype(float)


@dataclass(frozen=True)
class _SeedPart:
    """What a set of S seeds adds to the variance, and how much of that is how seeds and texts meet."""

    variance: float
    interaction: float
    n: int

    @classmethod
    def of(cls, without, on_other_texts, times=1):
        """From values without each seed: on all texts, (S,), and on other texts, (S, B).

        What seeds do on other texts and not on all of them is due to the texts. These are drawn anew; or they lack one
        text each, which moves a value so much less that the variance is `times` T - 1.
        """
        without = np.asarray(without, dtype=float)
        shared = _jackknife_variance(on_other_texts - without[:, None])
        shared = shared[np.isfinite(shared)]
        return cls(_jackknife_variance(without), times * shared.mean() if len(shared) else 0.0, len(without))

    @classmethod
    def weighted(cls, value, seeds, weights):
        """Of value(seeds kept, weights of the texts (B, T)) -> (B,)."""
        weights = np.concatenate([np.ones_like(weights[:1]), weights[: _shared_draws(len(seeds))]])
        values = np.stack([value(seeds != seed, weights) for seed in seeds])
        return cls.of(values[:, 0], values[:, 1:])


def _shared_draws(n_seeds):
    return max(_SHARED_VALUES // n_seeds, 1)


def _two_level(effect, seeds, text_draws, *, n_texts, normal, level):
    """Join the two levels: the part of each set of seeds, of which there may be none, and values on texts drawn anew.

    `normal` has a standard normal number for each of these draws, (B,): where the seeds' deviation is drawn.
    """
    defined = np.isfinite(text_draws)
    seed_variance = sum(part.variance for part in seeds)
    if not np.isfinite([effect, seed_variance]).all() or defined.mean() < 1 - _MAX_UNDEFINED_DRAWS:
        return Interval(float(effect))
    from_texts = text_draws[defined] - effect
    text_variance = from_texts.var()
    both = seed_variance + text_variance
    if both == 0:
        return Interval(float(effect), float(effect), float(effect))
    # Both hold the interaction, so neither can have less than it: where it is the larger, that is chance.
    shared = min(sum(part.interaction for part in seeds), seed_variance, text_variance)
    total = both - shared
    sources = [(part.variance, part.n) for part in seeds] + [(text_variance, n_texts)]
    tail = 0.5 + level / 2

    def reach(total):
        # Shares first: squares of tiny variances would underflow.
        freedom = 1 / sum((variance / total) ** 2 / max(n - 1, 1) for variance, n in sources)
        return stats.t.ppf(tail, freedom) * np.sqrt(total)

    # What is left of uncertain variances has fewer degrees of freedom; that must not cost more than it gains.
    widen = min(reach(total), reach(both)) / np.sqrt(total) / stats.norm.ppf(tail)
    deviations = widen * (np.sqrt(seed_variance - shared) * normal[defined] + from_texts)
    low, high = np.quantile(deviations, [1 - tail, tail])
    # A very skewed statistic can leave its own estimate outside the quantiles; an interval must hold what it
    # is about.
    return Interval(float(effect), float(effect + min(low, 0.0)), float(effect + max(high, 0.0)))


def _jackknife_variance(without):
    """From values without each seed, (S, ...) -> (...,)."""
    n = len(without)
    return (n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0)


def _common_length(lengths, what):
    found = sorted(set(lengths))
    if len(found) > 1:
        raise ValueError(f"arrays hold different numbers of {what}: {found}; select the same {what} in all of them")
    return found[0] if found else None


def _check_options(rng, n_boot, level):
    as_generator(rng)
    _check_level(level)
    if n_boot < 1:
        raise ValueError(f"n_boot must be at least 1, got {n_boot}")


def _check_level(level):
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}; 95 % is 0.95")


def design_effect(values, groups):
    """Variance of the mean of `values` if whole groups are sampled, over that if texts are: what intervals overlook.

    The ratio of the two linearised variances (Kish, 1965, Survey Sampling, ch. 5), for texts of which several are from
    one source. About 1 where those of one source are no more alike than others.

    Parameters
    ----------
    values : float array (T,)
    groups : int array (T,)

    Returns
    -------
    float, 0 or more; nan where all values are the same, or all texts of one group
    """
    values, (_, groups) = np.asarray(values, dtype=float), np.unique(groups, return_inverse=True)
    apart = values - values.mean()
    sums = np.bincount(groups, weights=apart)
    if len(sums) < 2 or not apart.any():
        return np.nan
    by_group = (sums**2).sum() * len(sums) / (len(sums) - 1)
    return float(by_group / ((apart**2).sum() * len(apart) / (len(apart) - 1)))
