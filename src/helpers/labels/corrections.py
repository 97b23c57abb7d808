"""Corrections: all of one annotator's labels, made soft or moved to other classes, or with a little gold among them.

No text is left out but those that the annotator failed on. Whatever spends gold looks at the first `source.gold` gold
labels of the training subset and at no other; the pool's order is random.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from helpers.labels.source import LabelSource, Subset, Targets, hard, method, one_hot, said_by

#: What `smoothed` takes from the label and deals out to all classes alike.
_SMOOTHING = 0.1
#: Temperatures that `tempered` may find, and the least probability that it takes the logarithm of.
_COLDEST, _HOTTEST, _LEAST = 0.05, 20.0, 1e-6


@method(needs="probabilities")
def soft(subset: Subset, source: LabelSource) -> Targets:
    """The annotator's probabilities as they are: the student learns how sure it was (Hinton et al., 2015)."""
    return _softened(subset, source, 1.0)


@method
def smoothed(subset: Subset, source: LabelSource) -> Targets:
    """Label smoothing: a tenth of the probability is dealt out to all classes alike (Szegedy et al., 2016)."""
    made = hard(subset, subset.probs(source.annotators[0]))
    return Targets(made.rows, (1 - _SMOOTHING) * made.targets + np.float32(_SMOOTHING / subset.n_labels))


@method(needs="probabilities")
def prior_corrected(subset: Subset, source: LabelSource) -> Targets:
    """The label whose probability is furthest above what its class gets on average (batch calibration).

    Each class's probability is divided by its mean over the texts, which takes from the annotator what it believes of
    any text, and all classes to be about as frequent (Zhou et al., 2024, International Conference on Learning
    Representations). No gold is looked at.
    """
    probs = subset.probs(source.annotators[0])
    known, _ = said_by(subset, source.annotators[0])
    if not known.any():
        return hard(subset, probs)
    return hard(subset, probs / np.maximum(probs[known].mean(axis=0), np.finfo(float).tiny))


@method(needs="probabilities", spends_gold=True)
def tempered(subset: Subset, source: LabelSource) -> Targets:
    """The annotator's probabilities at the temperature that fits the gold labels best (Guo et al., 2017)."""
    spent = _spent(subset, source)
    probs, gold = subset.probs(source.annotators[0])[spent], subset.gold[spent]
    known = np.isfinite(probs).all(axis=1)
    if not known.any():
        return _softened(subset, source, 1.0)

    def surprise(log_temperature: float) -> float:
        made = _at(probs[known], np.exp(log_temperature))
        return float(-np.log(np.maximum(made[np.arange(len(made)), gold[known]], _LEAST)).mean())

    found = minimize_scalar(surprise, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded")
    return _softened(subset, source, float(np.exp(found.x)))


@method(needs="probabilities", spends_gold=True)
def calibrated(subset: Subset, source: LabelSource) -> Targets:
    """The label that is most probable by what the gold labels say of the annotator's probabilities.

    A logistic regression of gold on their logarithms, the matrix scaling of Guo et al. (2017, International Conference
    on Machine Learning): it may move labels to a class that the annotator hardly ever gives. Where the spent labels are
    all of one class, nothing moves.
    """
    # Half a second, which only this source should pay.
    from sklearn.linear_model import LogisticRegression

    spent, probs = _spent(subset, source), subset.probs(source.annotators[0])
    known, _ = said_by(subset, source.annotators[0])
    spent = spent[known[spent]]
    if len(np.unique(subset.gold[spent])) < 2:
        return hard(subset, probs)
    logs = np.log(np.maximum(probs, _LEAST))
    fitted = LogisticRegression(max_iter=1000).fit(logs[spent], subset.gold[spent])
    scores = np.full(probs.shape, np.nan)
    scores[known] = 0
    scores[np.ix_(known, fitted.classes_)] = fitted.predict_proba(logs[known])
    return hard(subset, scores)


@method(spends_gold=True)
def gold_added(subset: Subset, source: LabelSource) -> Targets:
    """The annotator's labels, but for the texts whose gold label is spent: those have it."""
    known, said = said_by(subset, source.annotators[0])
    labels = np.full(len(known), -1)
    labels[known] = said
    spent = _spent(subset, source)
    labels[spent] = subset.gold[spent]
    return Targets(subset.rows[labels >= 0], one_hot(labels[labels >= 0], subset.n_labels))


def _spent(subset: Subset, source: LabelSource) -> np.ndarray:
    """Positions in the subset of the texts whose gold labels are spent, int (source.gold,) or fewer."""
    return np.flatnonzero(subset.gold >= 0)[: source.gold]


def _softened(subset: Subset, source: LabelSource, temperature: float) -> Targets:
    probs = subset.probs(source.annotators[0])
    known = np.isfinite(probs).all(axis=1)
    made = probs[known] if temperature == 1 else _at(probs[known], temperature)
    return Targets(subset.rows[known], made.astype(np.float32))


def _at(probs: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities at another temperature, (n, K): above 1 they are less sure."""
    logs = np.log(np.maximum(probs, _LEAST)) / temperature
    made = np.exp(logs - logs.max(axis=1, keepdims=True))
    return made / made.sum(axis=1, keepdims=True)
