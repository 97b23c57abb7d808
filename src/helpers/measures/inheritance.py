"""Whether a student repeats the mistakes of the annotator that taught it, on texts that neither has trained on.

Only texts that the annotator gets wrong count, and only the very same wrong class. Hard texts attract the same mistake
from everybody, so the share is read beside two others on the same texts: that of a student of gold labels, and the one
to be expected if the student's mistakes knew nothing of the annotator's beyond the text's gold class.
"""

import numpy as np

from helpers.measures._checks import as_labels, same_texts
from helpers.measures.intervals import Interval, paired_bootstrap, paired_difference


def error_inheritance(pred, annotator_pred, gold):
    """Of the texts that the annotator mislabels, the share where the student makes the very same mistake.

    Parameters
    ----------
    pred : int array (..., T)
        The student's predictions.
    annotator_pred, gold : int array (T,)

    Returns
    -------
    float array (...,), 0 to 1; nan when the annotator makes no mistake
    """
    pred, annotator_pred, gold = _three(pred, annotator_pred, gold)
    mistaken = annotator_pred != gold
    if not mistaken.any():
        return np.full(pred.shape[:-1], np.nan)[()]
    return (pred == annotator_pred)[..., mistaken].mean(-1)


def expected_by_class(pred, annotator_pred, gold):
    """What `error_inheritance` would be if, given the gold class, the student did not follow the annotator's mistakes.

    On a text of class c that the annotator calls j, the student says j as often as on any text of class c, that one
    included: of a class of m texts, what is beyond comes out too small by about one part in m.

    Parameters and what is returned are those of `error_inheritance`.
    """
    pred, annotator_pred, gold = _three(pred, annotator_pred, gold)
    mistakes = np.unique(np.stack([gold, annotator_pred])[:, annotator_pred != gold], axis=1, return_counts=True)
    if not mistakes[1].size:
        return np.full(pred.shape[:-1], np.nan)[()]
    rates = [(pred[..., gold == c] == j).mean(-1) for c, j in mistakes[0].T]
    return np.average(np.stack(rates, axis=-1), axis=-1, weights=mistakes[1])


def inherited(student, gold_student, annotator_pred, gold, *, rng, n_boot=2000, level=0.95):
    """Share of the annotator's mistakes that its student repeats, minus the share that a gold student makes.

    The texts are those that the annotator mislabels; seeds and these texts are resampled.

    Parameters
    ----------
    student, gold_student : int array (S, T)
    annotator_pred, gold : int array (T,)

    Returns
    -------
    Interval
        All nan when the annotator makes no mistake; without bounds when S = 1.
    """
    student, annotator_pred, gold = _three(student, annotator_pred, gold)
    gold_student = as_labels(gold_student, "gold_student")
    mistaken = annotator_pred != gold
    if not mistaken.any():
        return _nothing()
    same = [(pred == annotator_pred)[..., mistaken] for pred in (student, gold_student)]
    return paired_difference(*same, rng=rng, n_boot=n_boot, level=level)


def beyond_class(student, annotator_pred, gold, *, gold_student=None, rng, n_boot=500, level=0.95):
    """`error_inheritance` minus `expected_by_class`: what a student's mistakes know of its annotator's.

    Hard texts alone make it positive, so it is read beside that of a gold student: with `gold_student`, int (S, T), it
    is the difference to the gold student's, paired by seed and text. Seeds and all texts are resampled. The other
    parameters and what is returned are those of `inherited`.
    """
    student, annotator_pred, gold = _three(student, annotator_pred, gold)
    if (annotator_pred == gold).all():
        return _nothing()

    def excess(pred, said, truth):
        return np.mean(error_inheritance(pred, said, truth) - expected_by_class(pred, said, truth))

    def more(pred, other, said, truth):
        return excess(pred, said, truth) - excess(other, said, truth)

    options = {"rng": rng, "n_boot": n_boot, "level": level}
    if gold_student is None:
        return paired_bootstrap(excess, student, annotator_pred, gold, **options)
    return paired_bootstrap(more, student, as_labels(gold_student, "gold_student"), annotator_pred, gold, **options)


def _three(pred, annotator_pred, gold):
    pred, gold = as_labels(pred, "pred"), as_labels(gold, "gold")
    annotator_pred = as_labels(annotator_pred, "annotator_pred")
    same_texts(pred=pred, annotator_pred=annotator_pred, gold=gold)
    return pred, annotator_pred, gold


def _nothing():
    return Interval(np.nan)
