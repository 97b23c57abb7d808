"""Prompts: how a task is put to an annotator. The wordings are data, in `prompts.yml`."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from helpers.corpora import Corpus
from helpers.errors import UserError


@dataclass(frozen=True)
class Prompt:
    """One wording for one corpus.

    Attributes
    ----------
    name
        `prompt1`, `prompt2`, …, `reversed`: the name in `prompts.yml`.
    instruction
        What stands in the user's turn before the text.
    labels
        The answers to be scored, in the order of the class indices.
    shown
        The instruction as records keep it: without the texts of its examples.
    solved
        Of each example in the instruction, where its answer stands, and the index of the class.
    examples
        The texts of the examples.
    """

    name: str
    instruction: str
    labels: tuple[str, ...]
    shown: str = ""
    solved: tuple[tuple[int, int], ...] = ()
    examples: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.shown:
            object.__setattr__(self, "shown", self.instruction)

    def answered_with(self, answers: Sequence[str]) -> str:
        """The instruction with `answers`, one a class, in its examples: for who is not to answer with the labels."""
        said, done = [], 0
        for start, k in self.solved:
            said += [self.instruction[done:start], answers[k]]
            done = start + len(self.labels[k])
        return "".join([*said, self.instruction[done:]])

    @property
    def fingerprint(self) -> str:
        """sha256 of everything the annotator is told apart from the text."""
        return hashlib.sha256("\0".join([self.instruction, *self.labels]).encode()).hexdigest()


@cache
def wordings() -> dict[str, dict[str, str]]:
    """Task -> wording -> template."""
    return yaml.safe_load(Path(__file__).with_name("prompts.yml").read_text(encoding="utf-8"))


def render(corpus: Corpus, name: str = "prompt1", *, task: str | None = None) -> Prompt:
    """The wording `name` with the corpus's labels filled in.

    A corpus's own question takes the place of the first paragraph of the wording; what its classes mean, and its
    examples, stand before the last, which leads to the text. Where it has a question for each wording, `reversed` asks
    that of `prompt1`, unless it has its own.

    `task` is a key of `prompts.yml`; by default `sentiment` where the labels are its words, else `classify`.

    Raises
    ------
    UserError
        If the task or the wording is unknown, or the corpus has questions, but none for this wording.
    """
    if task is None:
        task = "sentiment" if set(corpus.labels) <= {"negative", "neutral", "positive"} else "classify"
    if task not in wordings():
        raise UserError(f"no task is called {task!r}: the known ones are {', '.join(wordings())}")
    if name not in wordings()[task]:
        raise UserError(f"task {task!r} has no wording {name!r}: it has {', '.join(wordings()[task])}")
    words = {"about": corpus.about, "labels": _in_words(corpus.labels), "reversed": _in_words(corpus.labels[::-1])}
    # Not str.format, and all at once: a label may hold braces.
    instruction = re.sub(r"\{(about|labels|reversed)\}", lambda hole: words[hole[1]], wordings()[task][name])
    question = _own_question(corpus, name, wordings()[task])
    listed = words["reversed" if "{reversed}" in wordings()[task][name] else "labels"]
    ids, texts = (corpus.rows[column].iloc[corpus.spent].tolist() for column in ("id", "text"))
    shown, _ = _with_codebook(corpus, instruction, question, listed, [f"[text {id_}]" for id_ in ids])
    whole, solved = _with_codebook(corpus, instruction, question, listed, texts)
    return Prompt(name, whole, corpus.labels, shown, solved, tuple(texts))


def _in_words(labels: tuple[str, ...]) -> str:
    *most, last = labels
    return f"{', '.join(most)} or {last}"


def _own_question(corpus: Corpus, wording: str, known: Mapping[str, str]) -> str:
    if isinstance(corpus.question, str):
        return corpus.question
    if unknown := [name for name in corpus.question if name not in known]:
        raise UserError(
            f"corpus {corpus.name}: `question` names a wording {unknown[0]!r}: there are {', '.join(known)}"
        )
    asked = "prompt1" if wording == "reversed" and wording not in corpus.question else wording
    if not corpus.question.get(asked):
        raise UserError(f"corpus {corpus.name}: `question` has none for {asked!r}, with which the study asks")
    return corpus.question[asked]


def _with_codebook(
    corpus: Corpus, instruction: str, question: str, listed: str, examples: list[str]
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The instruction with its spent texts, in the words of `examples`, and the meaning of the corpus's classes.

    Its own `question` stands in front, unless it is empty. Also where the answers of the examples are, as
    `Prompt.solved` has it.
    """
    task, _, lead = instruction.rpartition("\n\n")
    if question:
        task = f"{question} Answer with one of these labels and nothing else: {listed}."
    meanings = "\n".join(f"{label}: {meaning}" for label, meaning in corpus.descriptions.items())
    said, solved = "\n\n".join(part for part in (task, meanings) if part), []
    for text, k in zip(examples, corpus.gold[corpus.spent].tolist(), strict=True):
        said += ("\n\n" if said else "") + f"{lead}\n{text}\nAnswer: "
        solved.append((len(said), k))
        said += corpus.labels[k]
    return "\n\n".join(part for part in (said, lead) if part), tuple(solved)
