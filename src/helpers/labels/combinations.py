"""Combinations: one label a text from several annotators, or from several wordings put to one of them.

A text that one of them failed on is left out, so that all combinations of the same tables are made of the same texts.
"""

import numpy as np

from helpers.labels.source import LabelSource, Subset, Targets, hard, method, one_hot

#: Added to every cell of a confusion matrix in `dawid_skene`: no annotator is taken to be infallible.
_PRIOR_COUNT = 0.01
_ROUNDS, _TOLERANCE = 200, 1e-9


@method
def vote(subset: Subset, source: LabelSource) -> Targets:
    """One vote an annotator for its most probable label; a tie goes to the higher mean probability."""
    probs = _probs(subset, source)
    votes = one_hot(np.nan_to_num(probs).argmax(axis=2), subset.n_labels).sum(axis=0)
    return hard(subset, votes + np.clip(probs.mean(axis=0), 0, 0.999))


@method
def mean(subset: Subset, source: LabelSource) -> Targets:
    """The label of highest mean probability."""
    return hard(subset, _probs(subset, source).mean(axis=0))


@method
def agreement(subset: Subset, source: LabelSource) -> Targets:
    """The label that all give; texts on which two of them differ are left out."""
    probs = _probs(subset, source)
    said = np.nan_to_num(probs).argmax(axis=2)
    return hard(subset, np.where((said == said[0]).all(axis=0)[:, None], probs.mean(axis=0), np.nan))


@method
def dawid_skene(subset: Subset, source: LabelSource) -> Targets:
    """The most probable label given how each annotator errs, which is estimated from how they differ, without gold."""
    probs = _probs(subset, source)
    known = np.isfinite(probs).all(axis=(0, 2))
    posterior = np.full(probs.shape[1:], np.nan)
    if known.any():
        posterior[known] = estimate_truth(probs[:, known].argmax(axis=2), subset.n_labels)
    return hard(subset, posterior)


def estimate_truth(said: np.ndarray, n_labels: int) -> np.ndarray:
    """Probability of each label by the model of Dawid & Skene (1979, Applied Statistics 28), fitted by EM.

    A text has a true label, and each annotator draws its own from that row of its confusion matrix, independently of
    the others. EM starts from the shares of the votes. Annotators that share their mistakes break the model: their
    agreement is then taken for skill.

    Parameters
    ----------
    said
        Labels, int (annotators, texts).

    Returns
    -------
    np.ndarray
        float (texts, K), rows sum to 1.
    """
    votes = np.eye(n_labels)[said]  # annotators, texts, K
    posterior = votes.mean(axis=0)
    for _ in range(_ROUNDS):
        prior = posterior.mean(axis=0)
        confusion = np.einsum("tk,atj->akj", posterior, votes) + _PRIOR_COUNT
        confusion /= confusion.sum(axis=2, keepdims=True)
        log = np.log(np.maximum(prior, 1e-300)) + np.einsum("atj,akj->tk", votes, np.log(confusion))
        before, posterior = posterior, np.exp(log - log.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        if np.abs(posterior - before).max() < _TOLERANCE:
            break
    return posterior


def _probs(subset: Subset, source: LabelSource) -> np.ndarray:
    """Probabilities of all tables, (annotators, n, K)."""
    return np.stack([subset.probs(name) for name in source.annotators])
