"""Label sources: pure functions from gold and annotations to training targets.

A source says whose labels a student gets and which texts it sees. A new mitigation is one function decorated with
`method`: it takes a `Pool` and returns the rows it keeps, with a target distribution for each.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from helpers.annotations import Annotations
from helpers.errors import UserError

#: Seeds the errors of the controls. A constant of the design: another seed is another control.
_NOISE_SEED = 2504


@dataclass(frozen=True, order=True)
class LabelSource:
    """Where a student's labels come from.

    Attributes
    ----------
    method
        A name in `METHODS`: `gold`, `annotator`, `entropy` (keep the labels of lowest entropy), `vote`; and gold with
        errors at an annotator's rate, of which only the place is random: `uniform`, `class_conditional`, `shuffled`.
    annotators
        The annotators involved; none for gold.
    keep
        Share of the texts that is kept, in (0, 1].
    """

    method: str
    annotators: tuple[str, ...] = ()
    keep: float = 1.0

    def __str__(self) -> str:
        who = "+".join(self.annotators) or "people"
        share = "" if self.keep == 1 else f" {self.keep:g}"
        return {"gold": "gold", "annotator": who}.get(self.method, f"{self.method}{share} of {who}")


@dataclass(frozen=True)
class Pool:
    """What a label source may look at: the training subset and nothing else.

    Attributes
    ----------
    rows
        Positions in the corpus of the training texts, int array (n,).
    gold
        Their gold classes, int array (n,).
    annotations
        Annotator -> table for the whole corpus, in the order of the source's annotators.
    n_labels
        Number of classes K.
    """

    rows: np.ndarray
    gold: np.ndarray
    annotations: dict[str, Annotations]
    n_labels: int

    def probs(self, annotator: str) -> np.ndarray:
        """Renormalised label probabilities of the training texts, (n, K); nan where the annotator failed."""
        return self.annotations[annotator].probs[self.rows]


@dataclass(frozen=True)
class Targets:
    """What a student is trained on: row positions (m,) and a target distribution for each, float32 (m, K)."""

    rows: np.ndarray
    targets: np.ndarray


Method = Callable[[Pool, LabelSource], Targets]
METHODS: dict[str, Method] = {}


def method(function: Method) -> Method:
    """Register a label source under its function's name."""
    METHODS[function.__name__] = function
    return function


def make(source: LabelSource, pool: Pool) -> Targets:
    """Training targets of `source` on the texts of `pool`. Texts that an annotator failed on are left out.

    Raises
    ------
    UserError
        If the method is unknown, or it leaves no text to train on.
    """
    if source.method not in METHODS:
        raise UserError(f"no label source is called {source.method!r}: the known ones are {', '.join(METHODS)}")
    made = METHODS[source.method](pool, source)
    if not len(made.rows):
        raise UserError(f"{source} leaves no text to train on: its annotators failed on all {len(pool.rows)}")
    return made


@method
def gold(pool: Pool, source: LabelSource) -> Targets:
    """The gold labels."""
    return Targets(pool.rows, _one_hot(pool.gold, pool.n_labels))


@method
def annotator(pool: Pool, source: LabelSource) -> Targets:
    """The most probable label of one annotator."""
    return _hard(pool, pool.probs(source.annotators[0]))


@method
def entropy(pool: Pool, source: LabelSource) -> Targets:
    """The labels of one annotator with the lowest entropy: the share `keep` of the texts (the paper's filter)."""
    probs = pool.probs(source.annotators[0])
    order = np.argsort(entr(probs).sum(axis=1), kind="stable")  # nan, a failure, sorts last
    chosen = np.sort(order[: round(source.keep * len(order))])
    return _hard(pool, np.where(np.isin(np.arange(len(probs)), chosen)[:, None], probs, np.nan))


@method
def vote(pool: Pool, source: LabelSource) -> Targets:
    """One vote an annotator for its most probable label; a tie goes to the higher mean probability."""
    probs = np.stack([pool.probs(name) for name in source.annotators])
    votes = _one_hot(np.nan_to_num(probs).argmax(axis=2), pool.n_labels).sum(axis=0)
    return _hard(pool, votes + np.clip(probs.mean(axis=0), 0, 0.999))


@method
def uniform(pool: Pool, source: LabelSource) -> Targets:
    """A control: gold, with as many labels flipped as the annotator got wrong, whichever texts and classes."""
    known, said = _said(pool, source.annotators[0])
    gold = pool.gold[known]
    which, where_to = _draw(pool, source)[:, known]
    flipped = np.argsort(which, kind="stable")[: int((said != gold).sum())]
    labels = gold.copy()
    # One of the other classes, each with the same chance.
    steps = 1 + np.floor(where_to[flipped] * (pool.n_labels - 1)).astype(int)
    labels[flipped] = (gold[flipped] + steps) % pool.n_labels
    return Targets(pool.rows[known], _one_hot(labels, pool.n_labels))


@method
def class_conditional(pool: Pool, source: LabelSource) -> Targets:
    """A control: every label drawn at random from what the annotator says of texts of that gold class."""
    known, said = _said(pool, source.annotators[0])
    gold = pool.gold[known]
    confusion = np.zeros((pool.n_labels, pool.n_labels))
    np.add.at(confusion, (gold, said), 1)
    upto = np.cumsum(confusion, axis=1)[gold]
    drawn, _ = _draw(pool, source)[:, known]
    labels = (drawn[:, None] * upto[:, -1:] >= upto).sum(axis=1)
    return Targets(pool.rows[known], _one_hot(labels, pool.n_labels))


@method
def shuffled(pool: Pool, source: LabelSource) -> Targets:
    """A control: the annotator's labels permuted among the texts of each gold class; its confusions stay, exactly."""
    known, said = _said(pool, source.annotators[0])
    gold = pool.gold[known]
    drawn, _ = _draw(pool, source)[:, known]
    labels = said.copy()
    for k in range(pool.n_labels):
        of_class = np.flatnonzero(gold == k)
        labels[of_class] = said[of_class[np.argsort(drawn[of_class], kind="stable")]]
    return Targets(pool.rows[known], _one_hot(labels, pool.n_labels))


def _said(pool: Pool, annotator: str) -> tuple[np.ndarray, np.ndarray]:
    """Whether the annotator labelled each text, bool (n,), and its most probable class for those it did, int."""
    probs = pool.probs(annotator)
    known = np.isfinite(probs).all(axis=1)
    return known, probs[known].argmax(axis=1)


def _draw(pool: Pool, source: LabelSource) -> np.ndarray:
    """Two numbers in [0, 1) for each text, (2, n): the same for a text in every subset, so that subsets stay nested."""
    name = zlib.crc32(f"{source.method} {' '.join(source.annotators)}".encode())
    numbers = np.random.default_rng([_NOISE_SEED, name]).random((int(pool.rows.max()) + 1, 2))
    return numbers[pool.rows].T


def _one_hot(labels: np.ndarray, n_labels: int) -> np.ndarray:
    return np.eye(n_labels, dtype=np.float32)[labels]


def _hard(pool: Pool, scores: np.ndarray) -> Targets:
    """The class of highest score for every text that has scores."""
    known = np.isfinite(scores).all(axis=1)
    return Targets(pool.rows[known], _one_hot(scores[known].argmax(axis=1), pool.n_labels))
