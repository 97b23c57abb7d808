"""Shares from a few gold labels: of right labels, and of classes with the help of an annotator's many labels.

A share among k gold labels has a Wilson interval. Prediction-powered inference (Angelopoulos, Bates, Fannjiang,
Jordan & Zrnic, 2023, Science 382; the tuned estimator is that of Angelopoulos, Duchi & Zrnic, 2023, arXiv
2311.01453, "PPI++") makes it narrower with the annotator's predictions f on the other N texts, and stays right
however wrong they are:

    share = mean(y) + lambda * (mean of f on the N texts - mean of f on the k texts)

lambda is 0 where the annotator knows nothing and near 1 where it knows all; it is estimated from the same data.
The authors' package `ppi-python` (0.2.3, MIT) brings numba, statsmodels and a downloader, 270 MB, for a formula of
four lines, so it is for the tests only. With 2000 gold labels of classes with a share of .2 and .5 the tests compare
estimate and interval with `ppi_mean_pointestimate` and `ppi_mean_ci`, lambda tuned: they agree to a fiftieth of the
interval's width.

Its interval, normal, fails where gold labels of a class are few: with a true share of 2 %, simulated coverage of a
95 % interval is .55 to .65 for k = 50 and .86 to .90 for k = 200, because a sample without the class looks certain.
Here, as Agresti & Coull (1998, The American Statistician 52) do for a plain share, two gold labels are added that
the annotator got wrong, one each way, and the quantile is a t's on k - 1 degrees of freedom. On the same samples
coverage is 1.00 for k = 50 and .96 to .97 for k = 200. For shares of .02 to .5, annotators right on .55 to .98 of the
texts, and k of 50 or 200, it is .94 to 1.00. It is too wide where the class is rare and k small, and no wider than the
plain interval of the gold labels by more than a tenth.
"""

import numpy as np
from scipy import stats

from helpers.measures._checks import as_labels
from helpers.measures.intervals import Interval


def wilson(count, total, *, level=0.95):
    """Share `count` / `total` with Wilson's interval (1927, JASA 22); nan throughout where `total` is 0."""
    if not 0 <= count <= total:
        raise ValueError(f"count must lie between 0 and total, got {count} of {total}")
    if total == 0:
        return Interval(np.nan)
    found = stats.binomtest(int(count), int(total)).proportion_ci(level, method="wilson")
    return Interval(count / total, float(found.low), float(found.high))


def labels_for_precision(share, half_width, *, level=0.95):
    """Fewest gold labels whose Wilson interval around `share` reaches no further than `half_width` to either side.

    Parameters
    ----------
    share : float, 0 to 1
        Share that the labels will show, such as an annotator's accuracy.
    half_width : float, 0 to 1
        How far the farther bound may be from the share; the interval is not centred on it.

    Returns
    -------
    int
    """
    if not 0 <= share <= 1 or not 0 < half_width < 1:
        raise ValueError(f"share and half_width must lie between 0 and 1, got {share} and {half_width}")
    z2 = stats.norm.ppf(0.5 + level / 2) ** 2

    def reach(n):
        centre_off = abs(0.5 - share) * z2 / n / (1 + z2 / n)
        return centre_off + np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)

    # It shrinks as n grows: double until it is small enough, and halve the rest.
    enough = 1
    while reach(enough) > half_width:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        enough, too_few = (middle, too_few) if reach(middle) <= half_width else (enough, middle)
    return enough


def powered_share(gold, predicted, rest, *, level=0.95):
    """Share of a class in the population that the texts are drawn from, by prediction-powered inference.

    Parameters
    ----------
    gold : bool or 0/1 array (k,)
        Whether each text with a gold label is of the class. These texts are a random sample.
    predicted : float array (k,)
        What the annotator says of the same texts: the probability of the class, or 0 and 1.
    rest : float array (N,)
        The same for texts without a gold label.

    Returns
    -------
    Interval
        Within 0 to 1. Without bounds where k < 2.

    Raises
    ------
    ValueError
        When there is no gold label, lengths differ, or a prediction is not finite.
    """
    y = as_labels(np.asarray(gold).astype(int), "gold", n_classes=2).astype(float)
    f, rest = np.asarray(predicted, dtype=float), np.asarray(rest, dtype=float)
    if f.shape != y.shape or rest.ndim != 1:
        raise ValueError(f"expected predictions (k,) for gold and (N,) for the rest, got {f.shape} and {rest.shape}")
    if not np.isfinite(f).all() or not np.isfinite(rest).all():
        raise ValueError(
            "predictions must be finite: give a text that the annotator failed on the same value as others"
        )
    k, n_rest = len(y), len(rest)
    # The two added labels: of the class and predicted not to be, and the reverse.
    y2, f2 = np.append(y, [1, 0]), np.append(f, [0, 1])
    power = _power(y2, f2, np.append(f, rest), k / n_rest) if n_rest else 0.0
    effect = float(y.mean() + power * ((rest.mean() if n_rest else 0.0) - f.mean()))
    effect = min(max(effect, 0.0), 1.0)
    if k < 2:
        return Interval(effect)
    error = y2 - power * f2
    centre = error.mean() + power * (rest.mean() if n_rest else 0.0)
    spread = error.var(ddof=1) / k + (power**2 * rest.var() / n_rest if n_rest else 0.0)
    half = stats.t.ppf(0.5 + level / 2, k - 1) * np.sqrt(spread)
    low, high = max(centre - half, 0.0), min(centre + half, 1.0)
    return Interval(effect, float(min(low, effect)), float(max(high, effect)))


def _power(y, f, everywhere, ratio):
    """Estimate the lambda of PPI++ that gives the least variance, kept within 0 and 1."""
    variance = everywhere.var()
    if variance == 0:
        return 0.0
    return float(np.clip(np.cov(y, f)[0, 1] / ((1 + ratio) * variance), 0, 1))
