"""What an annotator is: what it is asked, and what it gives back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from helpers.prompts import Prompt


@dataclass(frozen=True)
class Part:
    """Texts that are annotated together and written together, in batches of one length.

    Attributes
    ----------
    rows
        Position in the corpus of the texts of each batch, int arrays.
    texts
        The texts of each batch.
    lengths
        Length of the texts of each batch, in the annotator's own unit.
    number
        Its place in the plan of the table; 0 where nothing of the table was there before it.
    """

    rows: list[np.ndarray]
    texts: list[list[str]]
    lengths: list[int]
    number: int

    @property
    def size(self) -> int:
        """Sum of the lengths of all texts."""
        return sum(length * len(texts) for length, texts in zip(self.lengths, self.texts, strict=True))


class Scored(NamedTuple):
    """What came of a part.

    Attributes
    ----------
    logp
        Log-probabilities, float (texts, labels); nan where there are none.
    failures
        For each text the reason why it has none, or None.
    core_seconds
        Time that it took, times the cores that were busy; nan where nothing was computed.
    """

    logp: np.ndarray
    failures: list[str | None]
    core_seconds: float = float("nan")


class Annotator(Protocol):
    """Whoever can give label log-probabilities: one that `Scores`, or one that `Spreads`; see `helpers.annotators`."""

    name: str

    def use(self, prompt: Prompt) -> None:
        """Prepare for one prompt."""

    def lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Length of each text in the annotator's own unit, int array (texts,)."""

    def provenance(self) -> dict:
        """What another person needs to get the same numbers: model hash, settings, versions."""


class Scores(Annotator, Protocol):
    """An annotator that computes here, one batch after the other."""

    @property
    def room(self) -> int:
        """Longest text, in the same unit, that can be annotated."""

    @property
    def at_once(self) -> int:
        """Tokens that `score` takes best in one call; 0: the batch as it was planned, of few texts of one length."""

    @property
    def cores(self) -> int:
        """Number of cores that `score` keeps busy; 1 where a graphics card computes."""

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Log-probability of every label, float array (texts, labels), for texts of like lengths."""


class Spreads(Annotator, Protocol):
    """An annotator that has whole parts scored, by a server, by workers or from a file."""

    def spread(self, parts: Sequence[Part]) -> Iterator[tuple[int, Scored]]:
        """Position and scores of each part, in any order."""
