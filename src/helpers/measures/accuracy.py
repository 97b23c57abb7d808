"""How good predictions are against gold labels.

Every function takes predictions with any leading axes, usually seeds, and keeps them: (S, T) in, (S,) out.
"""

import numpy as np

from helpers.measures._checks import as_distributions, as_labels, same_texts


def predictions(probs):
    """Most probable class, (..., T, K) -> int (..., T). A tie goes to the lower class id."""
    return np.argmax(as_distributions(probs, "probs"), axis=-1)


def accuracy(pred, gold):
    """Share of texts predicted as gold.

    Parameters
    ----------
    pred : int array (..., T)
    gold : int array (T,)

    Returns
    -------
    float array (...,), 0 to 1
    """
    pred, gold = as_labels(pred, "pred"), as_labels(gold, "gold")
    same_texts(pred=pred, gold=gold)
    return (pred == gold).mean(-1)


def macro_f1(pred, gold, *, n_classes):
    """Unweighted mean over classes of F1 = 2 tp / (predicted + gold), (..., T) -> (...,), 0 to 1.

    A class that is neither predicted nor in gold counts as 0, as in scikit-learn's
    `f1_score(average="macro", labels=range(n_classes), zero_division=0)`.
    """
    hits, predicted, actual = _class_counts(pred, gold, n_classes)
    either = predicted + actual
    return np.divide(2 * hits, either, out=np.zeros(either.shape), where=either > 0).mean(-1)


def recall_by_class(pred, gold, *, n_classes):
    """Share of each gold class that is found, (..., T) -> (..., K), 0 to 1; nan where gold lacks a class."""
    hits, _, actual = _class_counts(pred, gold, n_classes)
    actual = np.broadcast_to(actual, hits.shape)
    return np.divide(hits, actual, out=np.full(hits.shape, np.nan), where=actual > 0)


def _class_counts(pred, gold, n_classes):
    pred, gold = as_labels(pred, "pred", n_classes=n_classes), as_labels(gold, "gold", n_classes=n_classes)
    same_texts(pred=pred, gold=gold)
    # One class at a time: a one-hot of (S, T, K) would be K times larger than the predictions themselves.
    hits = np.stack([((pred == k) & (gold == k)).sum(-1) for k in range(n_classes)], axis=-1)
    predicted = np.stack([(pred == k).sum(-1) for k in range(n_classes)], axis=-1)
    actual = np.stack([(gold == k).sum(-1) for k in range(n_classes)], axis=-1)
    return hits, predicted, actual


def brier_score(probs, gold):
    """Mean squared distance between the predicted distribution and the gold one-hot.

    The multi-class sum over all classes (Brier, 1950, Monthly Weather Review 78), so the range is 0 to 2 and
    a two-class score is twice the one-column version.

    Parameters
    ----------
    probs : float array (..., T, K)
    gold : int array (T,)

    Returns
    -------
    float array (...,)
    """
    probs, gold = _probs_and_gold(probs, gold)
    return ((probs - np.eye(probs.shape[-1])[gold]) ** 2).sum(-1).mean(-1)


def expected_calibration_error(probs, gold, *, n_bins=15):
    """Mean gap between confidence and accuracy over equal-width bins of confidence, 0 to 1.

    The top-label, equal-width version of Guo et al. (2017, ICML, eq. 3): bins are open on the left and closed
    on the right, and weigh as many texts as they hold. It is biased upwards on few texts: compare it only
    between runs on the same texts.

    Parameters
    ----------
    probs : float array (..., T, K)
    gold : int array (T,)

    Returns
    -------
    float array (...,)
    """
    probs, gold = _probs_and_gold(probs, gold)
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}")
    confidence = probs.max(-1)
    excess = confidence - (probs.argmax(-1) == gold)
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    gaps = [np.abs(np.where(bins == b, excess, 0.0).sum(-1)) for b in range(n_bins)]
    return np.sum(gaps, axis=0) / gold.shape[-1]


def _probs_and_gold(probs, gold):
    probs = as_distributions(probs, "probs")
    gold = as_labels(gold, "gold", n_classes=probs.shape[-1])
    same_texts(probs=probs[..., 0], gold=gold)
    return probs, gold
