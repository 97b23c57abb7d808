"""What a label source is: whose labels a student gets, and which texts it sees."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from helpers.annotations import CROSSFIT, Annotations, likeliest
from helpers.errors import UserError


@dataclass(frozen=True, order=True)
class LabelSource:
    """Where a student's labels come from.

    Attributes
    ----------
    method
        A name in `METHODS`: `gold`, `annotator`, a control, a filter, a combination or a correction.
    annotators
        Names of the tables involved; none for gold. The table of an annotator with the study's wording has the
        annotator's name, that with another wording is `NAME@WORDING`.
    keep
        Share of the texts that a filter keeps, in (0, 1].
    draw
        Which draw of its random errors a control has, 0 or more.
    gold
        How many gold labels a correction spends, of all in `SPEND_GOLD`; else 0.
    """

    method: str
    annotators: tuple[str, ...] = ()
    keep: float = 1.0
    draw: int = 0
    gold: int = 0

    @property
    def who(self) -> frozenset[str]:
        """Names of the annotators themselves, in whatever wordings they were asked."""
        return frozenset(map(annotator_of, self.annotators))

    def __str__(self) -> str:
        who = "+".join(self.annotators) or "people"
        share = "" if self.keep == 1 else f" {self.keep:g}"
        draw = f", draw {self.draw}" if self.draw else ""
        gold = f", {self.gold} gold labels" if self.gold else ""
        return {"gold": "gold", "annotator": who}.get(self.method, f"{self.method}{share} of {who}{draw}{gold}")


def annotator_of(table: str) -> str:
    """Name of the annotator whose labels a table holds: `NAME` of `NAME` or `NAME@WORDING`."""
    return table.partition("@")[0]


def llm_calls(source: LabelSource, n: int) -> int:
    """How many texts are put to an LLM for `n` texts of the pool, wordings counted one by one."""
    return n * sum(not table.endswith(CROSSFIT) for table in source.annotators)


@dataclass(frozen=True)
class Subset:
    """A training subset: all that a label source may look at.

    Attributes
    ----------
    rows
        Positions in the corpus of the training texts, int array (n,).
    gold
        Their gold classes, int array (n,).
    annotations
        Table's name -> table, in the order of the source's annotators.
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


Method = Callable[[Subset, LabelSource], Targets]
METHODS: dict[str, Method] = {}
#: Sources that look at the gold label of every text: they are left out where one is unknown, and are no remedies.
NEED_GOLD: set[str] = set()
#: Sources that say nothing where an annotator gives labels alone.
NEED_PROBABILITIES: set[str] = set()
#: Sources that look at `LabelSource.gold` gold labels, the first of the subset, and at no other.
SPEND_GOLD: set[str] = set()


def method(
    function: Method | None = None,
    *,
    needs: Literal["gold", "probabilities"] | None = None,
    spends_gold: bool = False,
):
    """Register a label source under its function's name, `@method` or `@method(needs="gold")`.

    What it needs is said there, as nothing else can tell: see `NEED_GOLD`, `NEED_PROBABILITIES` and `SPEND_GOLD`.
    """
    if function is None:
        return partial(method, needs=needs, spends_gold=spends_gold)
    METHODS[function.__name__] = function
    if spends_gold:
        SPEND_GOLD.add(function.__name__)
    if needs:
        {"gold": NEED_GOLD, "probabilities": NEED_PROBABILITIES}[needs].add(function.__name__)
    return function


def make(source: LabelSource, subset: Subset) -> Targets:
    """Training targets of `source` on the texts of `subset`. Texts that an annotator failed on are left out.

    Raises
    ------
    UserError
        If the method is unknown, or it leaves no text to train on.
    """
    if source.method not in METHODS:
        raise UserError(f"no label source is called {source.method!r}: the known ones are {', '.join(METHODS)}")
    made = METHODS[source.method](subset, source)
    if not len(made.rows):
        why = "failed on all or never agree" if len(source.annotators) > 1 else "failed on all"
        raise UserError(f"{source} leaves no text of {len(subset.rows)} to train on: its annotators {why}")
    return made


@method(needs="gold")
def gold(subset: Subset, source: LabelSource) -> Targets:
    """The gold labels."""
    return Targets(subset.rows, one_hot(subset.gold, subset.n_labels))


@method
def annotator(subset: Subset, source: LabelSource) -> Targets:
    """The most probable label of one annotator."""
    return hard(subset, subset.probs(source.annotators[0]))


def said_by(subset: Subset, annotator: str) -> tuple[np.ndarray, np.ndarray]:
    """Whether the annotator labelled each text, bool (n,), and its most probable class for those it did, int."""
    said = likeliest(subset.probs(annotator))
    return said >= 0, said[said >= 0]


def one_hot(labels: np.ndarray, n_labels: int) -> np.ndarray:
    """All of the probability on the label, int (m,) -> float32 (m, K)."""
    return np.eye(n_labels, dtype=np.float32)[labels]


def hard(subset: Subset, scores: np.ndarray) -> Targets:
    """The class of highest score for every text that has scores."""
    known = np.isfinite(scores).all(axis=1)
    return Targets(subset.rows[known], one_hot(scores[known].argmax(axis=1), subset.n_labels))
