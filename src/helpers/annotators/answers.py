"""From what a server answers to label log-probabilities. Pure functions: no network, no files.

A server knows tokens, and labels are words. A token counts for a label if it is the label or begins it, whatever the
case and the space before it; one that begins two labels counts for neither. What is left over, other words and
tokens that are not listed, is the missing mass.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

#: Answers of one character: digits are one token everywhere and no word of any language; letters where they run out.
#: Those that are words of English, with which a refusal begins ("I cannot"), come last.
_DIGITS = "123456789"
_LETTERS = "BCDEFGHJKLMNOPQRSTUVWXYZbcdefghjklmnopqrstuvwxyzai"
_WORDS = ("I", "A")
#: What models put before an answer, and after.
_BEFORE, _AFTER = " \t\r\n\u2581\u0120\"'`*_([{<-", " \t\r\n\"'`*_)]}>.,:;!"
#: Labels that share so many letters at their beginning may share a token; of other scripts one character is enough.
_SHARED_LETTERS = 3
#: Mass on tokens that begin two labels from which an answer is taken to be undecided.
_UNDECIDED = 0.5
#: Least probability of a label that is not listed. It keeps the logarithm finite and means nothing else.
_LEAST = 1e-12
#: What a label that is not listed has of one that is, at most: as float32 they must differ.
_BELOW = 0.999
#: How far listed probabilities may add up beyond 1: servers round.
_ROUNDING = 1e-2


@dataclass(frozen=True)
class Coding:
    """What a model is to answer for each label: the label itself, or one character.

    Attributes
    ----------
    labels
        The labels, in the order of the class indices.
    answers
        The answer for each.
    """

    labels: tuple[str, ...]
    answers: tuple[str, ...]

    @property
    def coded(self) -> bool:
        """Whether an answer is a character that stands for a label."""
        return self.answers != self.labels

    @property
    def request(self) -> str:
        """What to add after the text, empty where the labels are the answers."""
        if not self.coded:
            return ""
        pairs = ", ".join(f"{answer} for {label}" for answer, label in zip(self.answers, self.labels, strict=True))
        return f"\n\nAnswer with one character and nothing else: {pairs}."

    @cached_property
    def _folded(self) -> tuple[str, ...]:
        return self.answers if self.coded and self.answers[0] in _LETTERS else tuple(map(str.casefold, self.answers))

    def _fold(self, said: str) -> str:
        return said if self._folded is self.answers else said.casefold()

    @cached_property
    def _around(self) -> tuple[str, str]:
        """Marks to strip before and after an answer: none that an answer itself begins with or consists of."""
        marks = "".join(answer for answer in self.answers if not answer.rstrip(_AFTER))
        before = "".join(mark for mark in _BEFORE if not any(answer.startswith(mark) for answer in self.answers))
        return before, "".join(mark for mark in _AFTER if mark not in marks)

    def begun(self, token: str) -> list[int]:
        """Classes whose answer `token` is, or begins; none for a token that says nothing or something else."""
        before, after = self._around
        said = self._fold(token.lstrip(before))
        bare = said.rstrip(after)
        if not bare or "\N{REPLACEMENT CHARACTER}" in bare:
            return []
        if token.lstrip(before).rstrip(after) in _WORDS:
            # A word of its own: "I" begins "I agree", and does not begin "insult".
            return [k for k, answer in enumerate(self._folded) if re.match(rf"{re.escape(bare)}(?!\w)", answer)]
        # In bytes, because a token may end in the middle of a character: `text_of` says how that is written.
        begins = tuple(one.encode("utf-8", "surrogateescape") for one in (said, bare))
        return [k for k, answer in enumerate(self._folded) if any(map(answer.encode().startswith, begins))]

    def meant(self, answer: str) -> int | None:
        """The class that a whole answer begins with, or None: `Positive.` is `positive`, `not positive` is nothing."""
        said = self._fold(answer.lstrip(self._around[0]))
        found = [
            k for k, label in enumerate(self._folded) if said.startswith(label) and not said[len(label) :][:1].isalnum()
        ]
        return max(found, key=lambda k: len(self._folded[k]), default=None)


def text_of(token: str, raw: Sequence[int] | None) -> str:
    """A token as text; a byte that is no whole character is written as Python's `surrogateescape` writes it."""
    try:
        return token if raw is None else bytes(raw).decode("utf-8", "surrogateescape")
    except ValueError:
        return token


def coding(labels: tuple[str, ...], how: str = "auto") -> Coding:
    """Decide what is to be answered: with `auto` the labels, unless two of them may begin with the same token.

    Which tokens a server's model has is not known, so the rule is careful: labels that have their first three letters
    or their first word in common, or of which one begins another, get codes.

    Raises
    ------
    ValueError
        If there are more labels than codes.
    """
    if how == "labels" or (how == "auto" and not _collide(labels)):
        return Coding(labels, labels)
    # Numbers as codes of labels that hold numbers would be read as these.
    plain = len(labels) <= len(_DIGITS) and not any(c.isdigit() for label in labels for c in label)
    codes = _DIGITS if plain else _LETTERS
    if len(labels) > len(codes):
        raise ValueError(f"there are {len(labels)} labels, and codes for {len(codes)}")
    return Coding(labels, tuple(codes[: len(labels)]))


def _collide(labels: Sequence[str]) -> bool:
    folded = sorted(label.casefold() for label in labels)
    if any(label != label.lstrip(_BEFORE) or not label.rstrip(_AFTER) for label in folded):
        return True
    return any(_share(one, other) for one, other in pairwise(folded))  # in this order neighbours share most


def _share(one: str, other: str) -> bool:
    common = 0
    while common < min(len(one), len(other)) and one[common] == other[common]:
        common += 1
    shared = one[:common]
    if not shared:
        return False
    word = common == min(len(one), len(other)) or not all(map(str.isalpha, shared))
    return word or common >= _SHARED_LETTERS or not shared.isascii()


def from_tokens(top: Sequence[tuple[str, float]], coding: Coding) -> np.ndarray:
    """Log-probabilities of the labels from the likeliest first tokens.

    A label with no token among them has a probability that is not known but bounded: it gets the highest that it can
    have, which is that of the least likely listed token and an equal part of what the list leaves over, but less than
    any label that is listed.

    Parameters
    ----------
    top
        Token and natural log-probability, in any order.

    Returns
    -------
    np.ndarray
        float64 (labels,), <= 0; exp of it sums to at most 1.

    Raises
    ------
    ValueError
        With the reason why the answer says nothing; it repeats nothing that the server said.
    """
    logp = np.array([value for _, value in top], dtype=float)
    if not len(top) or np.isnan(logp).any() or (logp > _ROUNDING).any():
        raise ValueError("the server's log-probabilities are no log-probabilities")
    p = np.exp(np.minimum(logp, 0))
    if p.sum() > 1 + _ROUNDING:
        raise ValueError("the server's probabilities add up to more than 1")
    mass, undecided = np.zeros(len(coding.labels)), 0.0
    for (token, _), share in zip(top, p, strict=True):
        begun = coding.begun(token)
        if len(begun) == 1:
            mass[begun[0]] += share
        elif begun:
            undecided += share
    if undecided > _UNDECIDED:
        raise ValueError("the answer begins like two of the labels: set `answer_with: codes`")
    if not mass.any():
        raise ValueError("none of the likeliest first tokens begins a label")
    unlisted = mass == 0
    if unlisted.any():
        rest = max(0.0, 1 - p.sum())
        mass[unlisted] = min(p.min(), rest / unlisted.sum(), _BELOW * mass[~unlisted].min())
    mass = np.maximum(mass, _LEAST)
    return np.log(mass / max(1.0, mass.sum()))


def from_votes(answers: Sequence[str], coding: Coding) -> np.ndarray:
    """Log of the share of each label among sampled answers; what is no label is missing mass.

    Returns
    -------
    np.ndarray
        float64 (labels,), minus infinity for a label that was never given.

    Raises
    ------
    ValueError
        If no answer is a label.
    """
    votes = np.zeros(len(coding.labels))
    for answer in answers:
        if (k := coding.meant(answer)) is not None:
            votes[k] += 1
    if not votes.any():
        what = (
            "all are empty: a model that thinks first needs more `max_tokens`, or not to"
            if not any(answer.strip() for answer in answers)
            else "they are other words"
        )
        raise ValueError(f"none of {len(answers)} sampled answers is a label; {what}")
    with np.errstate(divide="ignore"):
        return np.log(votes / len(answers))


def described(mode: str, coding: Coding, *, top: int, samples: int) -> Mapping[str, object]:
    """What a table says of how its numbers came from the answers."""
    said: dict[str, object] = {"answers": mode, "answered_with": "codes" if coding.coded else "labels"}
    if coding.coded:
        said["codes"] = dict(zip(coding.answers, coding.labels, strict=True))
    return said | ({"top": top} if mode == "logprobs" else {"samples": samples})
