"""Labels of LLMs that a table brings along: as class names, or as probabilities of the classes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers.corpora.classes import NOTHING, folded
from helpers.corpora.reading import TableError, clean
from helpers.errors import repeats

#: Share of the rows that must have a usable label: below it, it is the wrong column.
FEWEST = 0.5
#: How far the probabilities of a row may add up beyond 1: they may have been written with two digits.
ROUNDING = 2e-2

#: What tables and choices of the pages call something else: no annotator has such a name.
TAKEN = frozenset({"gold", "people", "all"})

Columns = str | Mapping[str, str]


@dataclass(frozen=True)
class Ready:
    """What a column, or some, say of every row.

    Attributes
    ----------
    logp
        float64 (rows, classes), natural logarithms; nan where nothing usable is said.
    failures
        Row position -> what is there instead.
    columns
        Where it was read.
    hard
        Whether only labels are known: the probabilities are 0 and 1, and their entropy says nothing.
    """

    logp: np.ndarray
    failures: dict[int, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    hard: bool = False


def check(ready: Mapping[str, Columns] | None) -> dict[str, Columns]:
    """Look at the option `ready_made` before the table is read.

    Raises
    ------
    TableError
        If it is no mapping from names that annotators can have to a column or to columns.
    """
    if ready is None:
        return {}
    if not isinstance(ready, Mapping):
        raise TableError("`ready_made` must be a mapping from names to a column, or to a column for each class")
    for name, columns in ready.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise TableError(
                f"`ready_made`: an annotator cannot be called {name!r}: use letters, digits, `.`, `_` and `-`"
            )
        if name.casefold() in TAKEN:
            raise TableError(f"`ready_made`: {taken(name)}")
        if not isinstance(columns, str) and not (
            isinstance(columns, Mapping) and all(isinstance(column, str) for column in columns.values())
        ):
            raise TableError(f"`ready_made`: {name} must be a column of labels, or a mapping from classes to columns")
    return dict(ready)


def taken(name: str) -> str:
    """What to tell the user of an annotator's name in `TAKEN`."""
    return f"an annotator cannot be called {name!r}, pages call something else so: give it another name"


def columns_of(columns: Columns) -> list[str]:
    """The columns that one annotator is read from."""
    return [columns] if isinstance(columns, str) else list(columns.values())


def make(
    table: pd.DataFrame, columns: Columns, names: Mapping[str, str], classes: Sequence[str], *, annotator: str
) -> Ready:
    """Read one annotator; `table` has the columns ("ready", name) and is indexed by row numbers.

    Labels are compared without regard to case, spaces and a final full stop, as LLMs vary them. A row that names no
    class is a failure of the annotator and not an error of the table, unless most do.

    Raises
    ------
    TableError
        If most rows name no class or hold no numbers, a value may mean two classes, or numbers are no probabilities.
    """
    if isinstance(columns, str):
        made = _from_labels(table["ready", columns], table["text"], names, classes, columns)
    else:
        made = _from_probabilities(table, columns, classes, annotator)
    known = np.isfinite(made.logp).any(axis=1)
    if known.mean() < FEWEST:
        some = ", ".join(dict.fromkeys(list(made.failures.values())[:3]))
        raise TableError(
            f"`ready_made`: {annotator} has a usable label in {int(known.sum())} of {len(known)} rows ({some}): is it "
            "the right column?"
        )
    return made


def no_class(said: str, text: str) -> str:
    """Why a cell is no label; what an LLM answers may repeat the text, which is not kept."""
    shown = said[:40]
    return "what is there is no class" if repeats(text, shown) else f"the label {shown!r} is no class"


def no_number(said: str, text: str) -> str:
    """Why a cell that has to be a number is none, as `no_class`."""
    shown = said[:40]
    return "what is there is no number" if repeats(text, shown) else f"{shown!r} is no number"


def _from_labels(
    cells: pd.Series, texts: pd.Series, names: Mapping[str, str], classes: Sequence[str], column: str
) -> Ready:
    index = {plain(name): k for k, name in enumerate(classes)}
    values = {plain(value): classes.index(name) for value, name in names.items()}
    said = {plain(cell) for cell in cells if cell is not None}
    if twofold := sorted(value for value, k in values.items() if value in said and index.get(value, k) != k):
        raise TableError(
            f"`ready_made`: column {column!r} says {', '.join(map(repr, twofold))}, which is the name of one class and "
            "stands for another in the label column: give the classes other names with `labels`"
        )
    index |= values
    logp = np.full((len(cells), len(classes)), np.nan)
    failures = {}
    for row, (cell, text) in enumerate(zip(cells, texts, strict=True)):
        k = None if cell is None else index.get(plain(cell))
        if k is None:
            failures[row] = "no label" if cell is None else no_class(cell, text)
        else:
            logp[row] = -np.inf
            logp[row, k] = 0
    return Ready(logp, failures, (column,), hard=True)


def plain(value: str) -> str:
    """A label as it is compared: LLMs vary case, spaces and a final full stop."""
    return folded(value).rstrip(".")


def _from_probabilities(
    table: pd.DataFrame, columns: Mapping[str, str], classes: Sequence[str], annotator: str
) -> Ready:
    by_class = {plain(str(name)): column for name, column in columns.items()}
    if set(by_class) != {plain(name) for name in classes}:
        raise TableError(
            f"`ready_made`: {annotator} names columns for {', '.join(map(repr, columns))}, but the classes are "
            f"{', '.join(map(repr, classes))}"
        )
    ordered = [by_class[plain(name)] for name in classes]
    cells = [table["ready", column].rename(column) for column in ordered]
    try:
        _, logp, failures = log_probabilities(cells, table["text"])
    except TableError as error:
        raise TableError(f"`ready_made`: {annotator}, {error}") from None
    return Ready(logp, failures, tuple(ordered))


def log_probabilities(
    columns: Sequence[pd.Series], texts: Sequence[str], kind: str = "auto", *, row: str = "row"
) -> tuple[str, np.ndarray, dict[int, str]]:
    """Read what a file has in a column for each class: probabilities, or natural logarithms of such.

    An answer is missing where a cell is empty, or says so as programs do (`NOTHING`), where one holds another word, and
    where all probabilities are 0.

    Parameters
    ----------
    columns
        The cells of each class. The names of the series and their index stand in messages.
    texts
        The text of each row: a word that repeats it is not kept.
    kind
        "probabilities", "logprobs", or "auto": told by the signs.
    row
        What messages call a row, before its name in the index.

    Returns
    -------
    kind : str
        "probabilities" or "logprobs".
    logp : float64 array (rows, classes)
        Natural logarithms, at most 0; nan where an answer is missing.
    failures : dict
        Row position -> why its answer is missing.

    Raises
    ------
    TableError
        If more than half of the rows that are not empty hold a word, for it is the wrong column then; or if numbers are
        negative probabilities, or probabilities that sum to more than 1.
    """
    values = np.full((len(texts), len(columns)), np.nan)
    words: dict[int, tuple[str, str]] = {}  # row position -> the column, and what it says instead of a number
    for k, cells in enumerate(columns):
        for i, cell in enumerate(cells):
            try:
                values[i, k] = _number(cell)
            except ValueError:
                words.setdefault(i, (str(cells.name), str(cell)))
    said = ~np.isnan(values).all(axis=1)
    said[list(words)] = True  # empty rows say nothing of whether it is the right column
    names = columns[0].index.tolist()
    if len(words) > (1 - FEWEST) * said.sum():
        first = min(words)
        column, word = words[first]
        raise TableError(f"column {column!r}, {row} {names[first]!r:.42}: {word[:40]!r} is no number")
    known = ~np.isnan(values).any(axis=1)
    if kind == "auto":
        kind = "logprobs" if logarithms(values[known]) else "probabilities"
    if kind == "logprobs":  # float32 rounds past zero
        values = np.where(values <= ROUNDING, np.minimum(values, 0), values)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        probs, logp = (np.exp(values), values) if kind == "logprobs" else (values, np.log(values))
    wrong = known & ((probs < 0).any(axis=1) | (probs.sum(axis=1) > 1 + ROUNDING))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise TableError(
            f"{row} {names[first]!r:.42}: {', '.join(f'{value:g}' for value in values[first])} are no {kind}: none may "
            f"be {'above' if kind == 'logprobs' else 'below'} 0, and together they are at most 1"
        )
    none = known & np.isneginf(logp).all(axis=1)
    failures = dict.fromkeys(np.flatnonzero(~known).tolist(), "a probability is missing")
    failures |= dict.fromkeys(np.flatnonzero(none).tolist(), "all probabilities are 0")
    texts = list(texts)
    failures |= {i: no_number(word, texts[i]) for i, (_, word) in words.items()}
    return kind, np.where((known & ~none)[:, None], np.minimum(logp, 0), np.nan), failures


def logarithms(values: np.ndarray) -> bool:
    """Whether numbers that may be probabilities are logarithms: some are below 0, and none above.

    Where some are above, one that is below stands for something else, such as -1 for a value that is missing.
    """
    return bool((values < -ROUNDING).any() and not (values > ROUNDING).any())


def _number(cell: object) -> float:
    """A cell as a number, nan where it says nothing; raises ValueError where it holds another word."""
    said = "" if cell is None else str(clean(cell))
    return float("nan") if not said or said.casefold() in NOTHING else float(said)
