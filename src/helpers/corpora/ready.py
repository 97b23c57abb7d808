"""Labels of LLMs that a table brings along: as class names, or as probabilities of the classes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers.corpora.classes import folded
from helpers.corpora.reading import TableError
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
        If most rows name no class, a value may mean two classes, or numbers are no probabilities.
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
    cells = [pd.Series([_number(cell) for cell in table["ready", column]], dtype=float) for column in ordered]
    values = np.stack(cells, axis=1)
    failures = {int(row): "a probability is missing" for row in np.flatnonzero(np.isnan(values).any(axis=1))}
    known = ~np.isnan(values).any(axis=1)
    with np.errstate(divide="ignore", over="ignore"):
        probs = np.exp(values) if logarithms(values[known]) else values
        total = probs.sum(axis=1)
        wrong = known & ((probs < 0).any(axis=1) | (total > 1 + ROUNDING) | (total <= 0))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            shown = ", ".join(f"{value:g}" for value in values[row])
            raise TableError(
                f"`ready_made`: {annotator}, row {table.index[row]}: {shown} are no probabilities: "
                "they must lie between 0 and 1 and sum to 1 at most, or be natural logarithms of such"
            )
        logp = np.where(known[:, None], np.minimum(np.log(probs), 0), np.nan)
    return Ready(logp, failures, tuple(ordered))


def logarithms(values: np.ndarray) -> bool:
    """Whether numbers that may be probabilities are logarithms: some are below 0, and none above.

    Where some are above, one that is below stands for something else, such as -1 for a value that is missing.
    """
    return bool((values < -ROUNDING).any() and not (values > ROUNDING).any())


def _number(cell: object) -> float:
    try:
        return float(cell) if isinstance(cell, str | int | float) else float("nan")
    except ValueError:
        return float("nan")
