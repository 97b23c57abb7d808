"""A world small enough that every term of the error decomposition has a closed form.

Inputs fall into C cells. In cell x, gold labels follow P(y | x) and the annotator's follow P_S(y | x), which
is P with some noise. The student sees n of the annotator's labels in each cell and predicts their smoothed
frequencies,

    P̂_k = (N_k + alpha) / (n + K alpha),   N ~ Multinomial(n, P_S),

the posterior mean under a Dirichlet(alpha) prior. P̂ enters every term of the Kullback-Leibler decomposition
through E log P̂_k alone, and N_k is binomial, so expectations over all possible training sets are sums of n +
1 numbers: nothing is sampled, for any number of classes. Terms are those of `helpers.measures.propagation`.
"""

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import rel_entr, xlogy

from helpers.measures._checks import as_distributions


def uniform_noise(p, rate):
    """Replace a label, with probability `rate`, by one of the K - 1 others at random.

    Parameters
    ----------
    p : float array (C, K)
    rate : float or array (C,), 0 to 1
        An array makes some cells harder than others, without making any answer systematic.

    Returns
    -------
    float array (C, K)
    """
    p = _cells(p, "p")
    rate = _rates(rate, p)
    return (1 - rate) * p + rate * (1 - p) / (p.shape[1] - 1)


def cell_noise(p, rate, target):
    """Err systematically: in cell x, with probability `rate[x]`, say `target[x]` whatever the label is.

    Parameters
    ----------
    p : float array (C, K)
    rate : float or array (C,), 0 to 1
    target : int or int array (C,)

    Returns
    -------
    float array (C, K)
    """
    p = _cells(p, "p")
    rate = _rates(rate, p)
    return (1 - rate) * p + rate * np.eye(p.shape[1])[np.broadcast_to(target, len(p))]


def expected_decomposition(p, p_s, n, alpha, *, weights=None):
    """Exact expectation over training sets of every term of KL(P ‖ P̂), averaged over cells, in nats.

    Parameters
    ----------
    p, p_s : float array (C, K)
        Gold and annotator; p_s may be zero only where p is.
    n : int or array of int
        Labels per cell, 0 or more.
    alpha : float
        The student's smoothing, above 0.
    weights : array (C,), optional
        Share of inputs in each cell; equal when None.

    Returns
    -------
    pandas.DataFrame
        One row per n: n, approximation, estimation, cross, total. The first does not depend on n, the second
        falls to 0 (once n outweighs alpha), and so does the cross: what remains is the approximation.
    """
    p, p_s, sizes, weights = _world(p, p_s, n, alpha, weights)
    if ((p > 0) & (p_s == 0)).any():
        raise ValueError("p_s: zero where p is not, so KL(p ‖ p_s) is infinite; mix in a little uniform_noise")
    approximation = rel_entr(p, p_s).sum(1)
    negative_entropy = xlogy(p_s, p_s).sum(1)
    rows = []
    for size in sizes:
        log_student = expected_log_student(p_s, size, alpha)
        rows.append(
            {
                "n": size,
                "approximation": weights @ approximation,
                "estimation": weights @ (negative_entropy - (p_s * log_student).sum(1)),
                "cross": weights @ (xlogy(p, p_s).sum(1) - negative_entropy - ((p - p_s) * log_student).sum(1)),
                "total": weights @ (xlogy(p, p).sum(1) - (p * log_student).sum(1)),
            }
        )
    return pd.DataFrame(rows)


def expected_brier_decomposition(p, p_s, n, alpha, *, weights=None):
    """As `expected_decomposition`, for the squared error ‖P - P̂‖², from the mean and variance of P̂."""
    p, p_s, sizes, weights = _world(p, p_s, n, alpha, weights)
    n_classes = p.shape[1]
    rows = []
    for size in sizes:
        mean = (size * p_s + alpha) / (size + n_classes * alpha)
        variance = (size * p_s * (1 - p_s) / (size + n_classes * alpha) ** 2).sum(1)
        rows.append(
            {
                "n": size,
                "approximation": weights @ ((p - p_s) ** 2).sum(1),
                "estimation": weights @ (((p_s - mean) ** 2).sum(1) + variance),
                "cross": weights @ (2 * ((p - p_s) * (p_s - mean)).sum(1)),
                "total": weights @ (((p - mean) ** 2).sum(1) + variance),
            }
        )
    return pd.DataFrame(rows)


def expected_accuracy(p, p_s, n, *, weights=None):
    """Exact expectation over training sets of how often the student says what most people say, for two classes.

    The student says the class that it saw more often; of two that it saw equally often, either. So the share follows
    from the binomial distribution of its labels.

    Parameters
    ----------
    p, p_s : float array (C, 2)
        Gold and annotator. Most people must be of one mind in every cell.
    n, weights
        As for `expected_decomposition`.

    Returns
    -------
    float array (one per n), each 0 to 1

    Raises
    ------
    ValueError
        If there are more than two classes, or people are divided into halves.
    """
    p, p_s, sizes, weights = _world(p, p_s, n, 1.0, weights)
    if p.shape[1] != 2:
        raise ValueError(f"expected two classes, got {p.shape[1]}: for more there is no such closed form")
    if (p[:, 0] == p[:, 1]).any():
        raise ValueError("p: people are divided into halves in some cell, so no class is what most of them say")
    right = p_s[np.arange(len(p)), p.argmax(1)]
    size = np.array(sizes)[:, None]
    more, as_often = stats.binom.sf(size // 2, size, right), stats.binom.pmf(size / 2, size, right)
    return (more + as_often / 2) @ weights


def expected_log_student(p_s, n, alpha):
    """E log P̂_k for N_k ~ Binomial(n, p_s): float array (C, K). Exact up to rounding; costs C x K x n."""
    counts = np.arange(n + 1)
    log_student = np.log(counts + alpha) - np.log(n + alpha * p_s.shape[1])
    return stats.binom.pmf(counts, n, p_s[..., None]) @ log_student


def _world(p, p_s, n, alpha, weights):
    p, p_s = _cells(p, "p"), _cells(p_s, "p_s")
    if p.shape != p_s.shape:
        raise ValueError(f"p and p_s must have the same cells and classes, got {p.shape} and {p_s.shape}")
    sizes = np.atleast_1d(n)
    if not np.issubdtype(sizes.dtype, np.integer) or (sizes < 0).any():
        raise ValueError(f"n: expected whole numbers of labels per cell, 0 or more, got {n}")
    if not alpha > 0:
        raise ValueError(
            f"alpha must be above 0, got {alpha}; at 0 an unseen class has probability 0 and infinite loss"
        )
    weights = np.ones(len(p)) if weights is None else np.asarray(weights, dtype=float)
    if weights.shape != (len(p),) or (weights < 0).any() or not weights.sum() > 0:
        raise ValueError(f"weights: expected {len(p)} non-negative shares, one per cell, got {weights}")
    return p, p_s, sizes.tolist(), weights / weights.sum()


def _cells(p, name):
    p = as_distributions(p, name)
    if p.ndim != 2:
        raise ValueError(f"{name}: expected (n_cells, n_classes), got shape {p.shape}")
    return p


def _rates(rate, p):
    rate = np.asarray(rate, dtype=float)
    if rate.ndim > 1 or (rate < 0).any() or (rate > 1).any():
        raise ValueError(f"rate: expected one share or one per cell, each 0 to 1, got {rate}")
    return np.broadcast_to(rate, len(p))[:, None]
