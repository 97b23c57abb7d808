"""Filters: a share of one annotator's labels, those that look best by some score, with the label unchanged.

A filter keeps the share `keep` of the texts that have a score, and so never one that the annotator failed on: a random
subset of that share of all texts has as many labels. Of equal scores the text that comes first in the pool is kept; the
pool's order is random.
"""

import numpy as np
from scipy.special import entr

from helpers.labels.source import LabelSource, Subset, Targets, hard, method, said_by


@method(needs="probabilities")
def entropy(subset: Subset, source: LabelSource) -> Targets:
    """The labels with the lowest entropy (the paper's filter)."""
    return _keep(subset, source, -entr(subset.probs(source.annotators[0])).sum(axis=1))


@method(needs="probabilities")
def class_entropy(subset: Subset, source: LabelSource) -> Targets:
    """The labels with the lowest entropy of each predicted class, the same share of each: their balance stays."""
    probs = subset.probs(source.annotators[0])
    known, said = said_by(subset, source.annotators[0])
    doubt = entr(probs[known]).sum(axis=1)
    # A text's place in its class, from 0, the surest, to 1: what all classes are cut at alike.
    place = np.empty(len(said))
    for k in np.unique(said):
        of_class = np.flatnonzero(said == k)
        place[of_class[np.argsort(doubt[of_class], kind="stable")]] = (np.arange(len(of_class)) + 0.5) / len(of_class)
    score = np.full(len(probs), np.nan)
    score[known] = -place
    return _keep(subset, source, score)


@method(needs="probabilities")
def margin(subset: Subset, source: LabelSource) -> Targets:
    """The labels that are furthest ahead of the second most probable one."""
    second, first = np.sort(subset.probs(source.annotators[0]), axis=1)[:, -2:].T
    return _keep(subset, source, first - second)


@method
def prompt_agreement(subset: Subset, source: LabelSource) -> Targets:
    """The labels that the annotator gives in most wordings; ties by the label's mean probability in all of them.

    The label is that of the first table, the others (`NAME@WORDING`) only confirm it. A wording that the annotator
    failed in confirms nothing.
    """
    known, said = said_by(subset, source.annotators[0])
    score = np.full(len(known), np.nan)
    score[known] = 0
    for name in source.annotators:
        probs = np.nan_to_num(subset.probs(name)[known])
        its = probs[np.arange(len(said)), said]
        # A probability is at most 1: all wordings together are worth less than one that confirms.
        score[known] += (probs.any(axis=1) & (probs.argmax(axis=1) == said)) + 0.5 * its / len(source.annotators)
    return _keep(subset, source, score)


@method
def confident(subset: Subset, source: LabelSource) -> Targets:
    """The labels that a classifier which has not seen them finds most likely (cleanlab's adjusted self-confidence).

    Of confident learning this is the ranking of labels, of which a fixed share is kept, as by every filter here. It is
    not the pruning, which estimates the joint distribution of given and true labels, and from it how many to drop.

    The second table holds that classifier's probabilities: see `helpers.crossfit`. A label's score is its probability
    there, less the mean probability that texts with this label get, so that a class which the classifier is never sure
    of does not lose all of its texts (Northcutt, Jiang & Chuang, 2021, Journal of Artificial Intelligence Research 70).
    """
    # Two seconds, which only this source should pay.
    from cleanlab.rank import get_label_quality_scores

    annotator, judge = source.annotators
    known, said = said_by(subset, annotator)
    known, said = known & said_by(subset, judge)[0], said[said_by(subset, judge)[0][known]]
    score = np.full(len(known), np.nan)
    if known.any():
        score[known] = get_label_quality_scores(
            said, subset.probs(judge)[known], method="self_confidence", adjust_pred_probs=True
        )
    return _keep(subset, source, score)


@method(needs="gold")
def oracle(subset: Subset, source: LabelSource) -> Targets:
    """Right labels before wrong ones, as only gold can tell: what a filter could give at best."""
    known, said = said_by(subset, source.annotators[0])
    score = np.full(len(known), np.nan)
    score[known] = said == subset.gold[known]
    return _keep(subset, source, score)


def _keep(subset: Subset, source: LabelSource, score: np.ndarray) -> Targets:
    """The first annotator's labels of the texts with the highest scores, float (n,), nan for a failure."""
    order = np.argsort(-score, kind="stable")  # nan sorts last
    chosen = np.zeros(len(score), bool)
    usable = int(np.isfinite(score).sum())
    # A label at least: how many failed is not known when a study is checked.
    chosen[order[: min(usable, max(1, round(source.keep * usable)))]] = True
    return hard(subset, np.where(chosen[:, None], subset.probs(source.annotators[0]), np.nan))
