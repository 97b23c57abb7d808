"""Controls: gold with errors at an annotator's rate, of which only the place is random."""

import zlib

import numpy as np

from helpers.labels.source import LabelSource, Subset, Targets, method, one_hot, said_by

# Seeds the errors of the controls, together with the number of the draw.
_NOISE_SEED = 2504


@method(needs="gold")
def uniform(subset: Subset, source: LabelSource) -> Targets:
    """A control: gold, with as many labels flipped as the annotator got wrong, whichever texts and classes."""
    known, said = said_by(subset, source.annotators[0])
    gold = subset.gold[known]
    which, where_to = _draw(subset, source)[:, known]
    flipped = np.argsort(which, kind="stable")[: int((said != gold).sum())]
    labels = gold.copy()
    # One of the other classes, each with the same chance.
    steps = 1 + np.floor(where_to[flipped] * (subset.n_labels - 1)).astype(int)
    labels[flipped] = (gold[flipped] + steps) % subset.n_labels
    return Targets(subset.rows[known], one_hot(labels, subset.n_labels))


@method(needs="gold")
def class_conditional(subset: Subset, source: LabelSource) -> Targets:
    """A control: every label drawn at random from what the annotator says of texts of that gold class."""
    known, said = said_by(subset, source.annotators[0])
    gold = subset.gold[known]
    confusion = np.zeros((subset.n_labels, subset.n_labels))
    np.add.at(confusion, (gold, said), 1)
    upto = np.cumsum(confusion, axis=1)[gold]
    drawn, _ = _draw(subset, source)[:, known]
    labels = (drawn[:, None] * upto[:, -1:] >= upto).sum(axis=1)
    return Targets(subset.rows[known], one_hot(labels, subset.n_labels))


@method(needs="gold")
def shuffled(subset: Subset, source: LabelSource) -> Targets:
    """A control: the annotator's labels permuted among the texts of each gold class; its confusions stay, exactly."""
    known, said = said_by(subset, source.annotators[0])
    gold = subset.gold[known]
    drawn, _ = _draw(subset, source)[:, known]
    labels = said.copy()
    for k in range(subset.n_labels):
        of_class = np.flatnonzero(gold == k)
        labels[of_class] = said[of_class[np.argsort(drawn[of_class], kind="stable")]]
    return Targets(subset.rows[known], one_hot(labels, subset.n_labels))


def _draw(subset: Subset, source: LabelSource) -> np.ndarray:
    """Two numbers in [0, 1) for each text, (2, n): the same for a text at every size.

    So most errors of `uniform` and `class_conditional` stay when labels are added. What `shuffled` deals out depends on
    all the texts there are, and is dealt anew.
    """
    name = zlib.crc32(f"{source.method} {' '.join(source.annotators)}".encode())
    numbers = np.random.default_rng([_NOISE_SEED, name, source.draw]).random((int(subset.rows.max()) + 1, 2))
    return numbers[subset.rows].T
