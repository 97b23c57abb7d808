"""Where two learning curves cross: an annotator's own errors against as many random ones.

Random errors average out as labels are added, and errors that depend on the text do not. So real errors may cost less
where labels are few and more where they are many; the number of labels between is the crossing. Sizes are numbers of
training texts, strictly increasing.
"""

from typing import NamedTuple

import numpy as np

from helpers.measures.plateau import Censored, censored_interval, curve_draws

# Pooling equal differences can move them by the last digit, which must not decide on which side of zero they lie.
_ROUNDING = 1e-12


class Crossing(NamedTuple):
    """Number of labels at which curve `a` falls to curve `b`, with the bounds of its interval.

    Each may be no more than a bound: flag "<" with the smallest size where `a` is not above `b` at any, ">" with the
    largest where it is above at all.
    """

    at: Censored
    low: Censored
    high: Censored

    @property
    def identified(self) -> bool:
        """Whether the whole interval lies between the smallest and the largest size."""
        return bool(np.isfinite(self.low.value) and not self.low.flag and not self.high.flag)

    @property
    def absent(self) -> str:
        """Why there is none, if the interval says so: "below" where `a` is under `b` from the start, "above", or ""."""
        return {("<", "<"): "below", (">", ">"): "above"}.get((self.low.flag, self.high.flag), "")


def crossing(sizes, a, b, *, rng, n_boot=1000, level=0.95):
    """Number of labels at which the scores of `a` fall to those of `b`, paired by seed and text.

    The difference a - b over the sizes is made non-increasing (antitonic least squares), so that it has one zero at
    most, which is interpolated linearly in log n. The interval is that of the zeros of curves drawn over seeds and
    texts (`plateau.curve_draws`). A difference that rises with n contradicts the model: it is pooled to a level one,
    which never crosses.

    Parameters
    ----------
    a, b : float array (S, n_sizes, T)
        Correctness of each run on each text, of the same seeds, sizes and texts.
    rng : numpy.random.Generator

    Returns
    -------
    Crossing
        Both bounds nan with one seed.
    """
    sizes = np.asarray(sizes, dtype=float)
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or a.ndim != 3 or a.shape[1] != len(sizes):
        raise ValueError(
            f"a and b must both be (n_seeds, {len(sizes)} sizes, n_texts), got shapes {a.shape} and {b.shape}"
        )
    at = _zeros(sizes, (a - b).mean((0, 2))[None])[0]
    if len(a) < 2:
        return Crossing(at, Censored(np.nan, ""), Censored(np.nan, ""))
    # The draws are linear in the scores, so a curve of differences is the difference of the curves.
    draws = curve_draws(a - b, rng=rng, n_boot=n_boot, level=level)[0]
    return Crossing(at, *censored_interval(_zeros(sizes, draws), level=level))


def _zeros(sizes, differences):
    """Where each of B curves of differences, (B, n_sizes), falls to zero: a list of Censored."""
    found = []
    for curve in _falling(differences):
        under = np.flatnonzero(curve <= _ROUNDING)
        if not len(under):
            found.append(Censored(float(sizes[-1]), ">"))
        elif under[0] == 0:
            found.append(Censored(float(sizes[0]), "<"))
        else:
            right = under[0]
            left, step = right - 1, curve[right - 1] / (curve[right - 1] - curve[right])
            found.append(Censored(float(sizes[left] * (sizes[right] / sizes[left]) ** min(step, 1.0)), ""))
    return found


def _falling(curves):
    """Non-increasing least squares of B curves (B, n): the min-max formula, in one sweep for all.

    Robertson, Wright & Dykstra (1988), Order Restricted Statistical Inference, theorem 1.4.4. SciPy's
    `isotonic_regression` takes one curve at a time, and a thousand of them are drawn.
    """
    n = curves.shape[1]
    sums = np.concatenate([np.zeros((len(curves), 1)), curves.cumsum(1)], axis=1)
    fit = np.full(curves.shape, np.inf)
    for k in range(n):
        for start in range(k + 1):
            ends = np.arange(k + 1, n + 1)
            highest = ((sums[:, ends] - sums[:, [start]]) / (ends - start)).max(1)
            fit[:, k] = np.minimum(fit[:, k], highest)
    return fit
