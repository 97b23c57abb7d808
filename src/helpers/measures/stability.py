"""How much predictions change when only the training seed changes.

All of these compare S runs on the same T texts. Their expectation over seeds does not depend on S, except for
`unchanged_share`, which one should compare only at equal numbers of seeds.
"""

import numpy as np
from scipy.special import xlogy

from helpers.measures._checks import as_distributions, as_runs


def class_counts(pred, *, n_classes=None):
    """How many seeds predict each class for each text, int (S, T) -> int (T, K).

    Every measure of this module is a function of these counts. K is the largest id + 1 when `n_classes` is
    None.
    """
    pred = as_runs(pred, "pred", n_classes=n_classes)
    n_classes = int(pred.max()) + 1 if n_classes is None else n_classes
    return np.stack([(pred == k).sum(0) for k in range(n_classes)], axis=-1)


def pairwise_disagreement(pred):
    """Mean over pairs of distinct seeds of the share of texts on which the two disagree, (S, T) -> 0 to 1."""
    return float(disagreement_by_text(class_counts(pred)).mean())


def disagreement_by_text(counts):
    """Share of pairs of seeds that disagree on each text, counts (T, K) -> (T,), 0 to 1."""
    n_seeds = counts[0].sum()
    return 1 - (counts * (counts - 1)).sum(-1) / (n_seeds * (n_seeds - 1))


def krippendorff_alpha(pred, *, n_classes):
    """Krippendorff's alpha for nominal values, with seeds as coders and no missing value.

    alpha = 1 - D_o / D_e (Krippendorff, 2018, Content Analysis, 4th ed., ch. 12). With S coders who all code
    all T units, the coincidence matrix reduces to two numbers: D_o is the mean pairwise disagreement, and D_e
    the chance that two values drawn without replacement from all S x T values differ. 1 means that seeds
    always agree, 0 that they agree as often as chance; negative values are possible.

    Parameters
    ----------
    pred : int array (S, T), S >= 2
    n_classes : int

    Returns
    -------
    float, at most 1; nan when all values are one class. Nothing varies then, so chance agreement is total and
    the coefficient is 0/0: a collapsed student is neither reliable nor unreliable. `pairwise_disagreement`
    still reads 0.
    """
    counts = class_counts(pred, n_classes=n_classes)
    return float(alpha_from_counts(counts, np.ones((1, len(counts))))[0])


def alpha_from_counts(counts, text_weights):
    """Alpha on B weighted versions of the texts, counts (T, K) and non-negative weights (B, T) -> (B,).

    Weights that sum to T on each row keep the small-sample term of D_e what it is on the data.
    """
    observed = text_weights @ disagreement_by_text(counts) / text_weights.sum(-1)
    pooled = text_weights @ counts
    n_values = pooled.sum(-1)
    expected = 1 - (pooled * (pooled - 1)).sum(-1) / (n_values * (n_values - 1))
    varies = (pooled > 0).sum(-1) > 1
    ratio = np.divide(observed, expected, out=np.full(observed.shape, np.nan), where=varies)
    return 1 - ratio


def unchanged_share(pred):
    """Proportion of unchanged predictions (PUC): share of texts on which all S seeds agree, (S, T) -> 0 to 1.

    It falls as seeds are added, so compare it only at equal S. Source: Lu & Smith (2025), arXiv 2504.15432.
    """
    pred = as_runs(pred, "pred")
    return float((pred == pred[0]).all(0).mean())


def label_entropy(p, *, normalised=False):
    """Shannon entropy of label distributions, (..., K) -> (...,).

    In nats, 0 to log K; divided by log K when `normalised`, 0 to 1.
    """
    p = as_distributions(p, "p")
    entropy = np.maximum(-xlogy(p, p).sum(-1), 0.0)
    return entropy / np.log(p.shape[-1]) if normalised else entropy
