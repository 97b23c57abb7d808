"""From columns of a table to rows: which column is what, every cell checked, gold set, and what is left out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pandera.pandas as pa

from helpers.corpora import classes, partial, people, reading, ready
from helpers.corpora.classes import Labels
from helpers.corpora.reading import Table, TableError

#: Rows that a corpus must have.
FEWEST = 20
#: Rows or values that a message names.
SHOWN = 5
#: A count of votes above is none: an id, or a number that an integer cannot hold.
_MOST_VOTES = 1e9


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column is what.

    Attributes
    ----------
    text, label, id, split_by
        A column each, or None where there is none.
    votes, raters, groups
        Columns, in the order in which they were named.
    ready_made
        Annotator -> the column of its labels, or the columns of its probabilities.
    """

    text: str
    label: str | None = None
    id: str | None = None
    split_by: str | None = None
    votes: list[str] = field(default_factory=list)
    raters: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    ready_made: dict[str, ready.Columns] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        *,
        text: str,
        label: str | None,
        id: str | None,
        votes: Sequence[str] | None,
        raters: Sequence[str] | None,
        ready_made: Mapping[str, ready.Columns] | None,
        groups: str | Sequence[str] | None,
        split_by: str | None,
        without_gold: bool,
    ) -> "Columns":
        """Look at what options of `helpers.corpora.tables.load` say of columns.

        Parameters
        ----------
        without_gold
            Whether nothing has to say what gold is.

        Raises
        ------
        TableError
            If nothing says what gold is, or something is no name of a column.
        """
        for option, value in (("votes", votes), ("raters", raters)):
            if value is not None and (isinstance(value, str) or not isinstance(value, Sequence) or not value):
                what = "one a class" if option == "votes" else "one a rater"
                raise TableError(f"`{option}` must be a list of columns, {what}")
        if votes and raters:
            raise TableError("give `votes` (columns of counts) or `raters` (a column for each), not both")
        if label is None and not votes and not raters and not without_gold:
            raise TableError(
                "there must be a `label` column (--label), or votes to make gold of; without any gold, name the "
                "classes in `labels` (--classes) and say `unlabelled: keep`"
            )
        made = cls(
            text=text,
            label=label,
            id=id,
            split_by=split_by,
            votes=list(votes or ()),
            raters=list(raters or ()),
            groups=[groups] if isinstance(groups, str) else list(groups or ()),
            ready_made=ready.check(ready_made),
        )
        for column in [text, label, id, split_by, *made.votes, *made.raters, *made.groups]:
            if column is not None and not isinstance(column, str):
                raise TableError(f"a column cannot be called {column!r}: put its name in quotes")
        return made

    def wanted(self) -> list[str]:
        """All columns, each once."""
        single = [column for column in (self.text, self.label, self.id, self.split_by) if column is not None]
        ready_made = [column for columns in self.ready_made.values() for column in ready.columns_of(columns)]
        return list(dict.fromkeys([*single, *self.votes, *self.raters, *ready_made, *self.groups]))


def frame_of(table: Table, options: Columns, labels: Labels | None) -> tuple[pd.DataFrame, dict[str, str]]:
    """The cells that are needed, under names of their own and indexed by row number; and value -> class name.

    Raises
    ------
    TableError
        If a cell can be no class or no number of votes, or classes cannot be told apart.
    """
    said_in = [column for column in (options.label, *options.raters) if column is not None]
    said_in += [columns for columns in options.ready_made.values() if isinstance(columns, str)]
    labelled = {column: _labels(table, column, labels) for column in said_in}
    naming = [options.label] if options.label is not None else options.raters  # they say which classes there are
    order = list(dict.fromkeys(name for column in naming for name in labelled[column][1])) or None
    series: dict = {"text": [reading.clean(value) for value in table.columns[options.text]]}
    series["label"] = [None] * len(table) if options.label is None else labelled[options.label][0]
    ids = range(1, len(table) + 1) if options.id is None else table.columns[options.id]
    series["id"] = [None if classes.is_missing(value) else str(reading.clean(value)) for value in ids]
    series |= {("rater", column): labelled[column][0] for column in options.raters}
    for columns in options.ready_made.values():
        if isinstance(columns, str):
            series["ready", columns] = labelled[columns][0]
        else:
            series |= {("ready", column): table.columns[column] for column in columns.values()}
    for column in options.groups:
        series["group", column] = [classes.group(value) for value in table.columns[column]]
    if options.split_by is not None:
        series["part"] = [
            None if classes.is_missing(value) else str(classes.whole(reading.clean(value)))
            for value in _decoded(table, options.split_by)
        ]
    frame = pd.DataFrame({column: pd.Series(values, dtype=object) for column, values in series.items()})
    for column in options.votes:
        counts = pd.Series(table.columns[column], dtype=object)
        numbers = pd.to_numeric(counts, errors="coerce").astype(float)
        if (other := numbers.isna() & ~counts.map(classes.is_missing).astype(bool)).any():
            row = int(np.flatnonzero(other)[0])
            raise TableError(
                f"column {column!r}, row {row + table.first_row}: must be a number of votes, but is "
                f"{str(counts.iloc[row])[:60]!r}"
            )
        frame["votes", column] = numbers
    frame.index += table.first_row
    usable = ~frame["text"].map(classes.is_missing).astype(bool)
    cells = ["label"] if options.label is not None else [("rater", column) for column in options.raters]
    found = list(dict.fromkeys(value for column in cells for value in frame[column][usable] if value is not None))
    if not naming:  # columns of counts alone: the classes are called as the columns are
        found = options.votes
        order = options.votes
    return frame, classes.name(found, labels, order)


def _labels(table: Table, column: str, labels: Labels | None) -> tuple[list[str | None], list[str]]:
    """The cells of a column of labels as text; and what it says of its own of which classes there are, in order."""
    values, names = table.columns[column], None
    if column in table.classes:
        values, names = classes.of_feature(values, table.classes[column], labels)
    return [classes.key(value, column) for value in values], names or []


def _decoded(table: Table, column: str) -> list:
    cells, names = table.columns[column], table.classes.get(column)
    return cells if names is None else classes.decoded(cells, names)


class Rows:
    """Rows on their way to a corpus, in file order, and the numbers of those that were left out.

    Attributes
    ----------
    frame
        Cells by column, indexed by row number.
    gold
        Class of each row, int (rows,), once it is set.
    votes
        Votes, int (rows, classes), or None.
    left_out
        Reason -> row numbers.
    """

    def __init__(self, frame: pd.DataFrame):
        self.frame = frame
        self.gold: np.ndarray | None = None
        self.votes: np.ndarray | None = None
        self.left_out: dict[str, list[int]] = {}

    def drop(self, reason: str, which: object) -> None:
        """Leave out the rows where `which`, bool (rows,), holds."""
        gone = np.asarray(which, dtype=bool)
        if gone.any():
            self.left_out[reason] = self.frame.index[gone].tolist()
            self.frame = self.frame[~gone]
            self.gold, self.votes = (None if kept is None else kept[~gone] for kept in (self.gold, self.votes))

    def check_number(self) -> None:
        """Refuse too few rows.

        Raises
        ------
        TableError
            If there are fewer than `FEWEST`.
        """
        if len(self.frame) < FEWEST:
            reasons = "; ".join(f"{reason}: {len(numbers)}" for reason, numbers in self.left_out.items())
            without = f" (left out: {reasons})" if reasons else ""
            raise TableError(
                f"there are {len(self.frame)} rows with a text and a label{without}, and {FEWEST} are the fewest"
            )

    def check(self, known: Sequence[str]) -> None:
        """Refuse too few rows, and rows of one class.

        Raises
        ------
        TableError
            If there are too few, or no two classes.
        """
        self.check_number()
        if (self.gold == self.gold[0]).all():
            raise TableError(f"every row has the same class, {known[self.gold[0]]!r}")


def set_gold(rows: Rows, options: Columns, names: dict[str, str], known: list[str]) -> None:
    """Count the votes and set gold; rows that get none are left out.

    Raises
    ------
    TableError
        If the columns of votes are not one a class.
    """
    if options.votes:
        rows.votes = people.from_counts(rows.frame, options.votes, known)
    elif options.raters:
        rows.votes = people.from_raters(rows.frame, options.raters, names, known)
    if rows.votes is not None:
        rows.drop("nobody voted", rows.votes.sum(axis=1) == 0)
    if rows.votes is None or options.label is not None:
        rows.gold = rows.frame["label"].map(names).map(known.index).to_numpy(dtype=int)
    else:
        rows.gold = people.plurality(rows.votes)
        rows.drop(people.TIED, rows.gold < 0)


def validate(frame: pd.DataFrame, labels: Collection[str], options: Columns, first_row: int) -> None:
    """Check every cell.

    Raises
    ------
    TableError
        If some are wrong: it says which rows of which columns.
    """

    def are_strings(cells: pd.Series) -> pd.Series:
        return cells.map(lambda cell: isinstance(cell, str)).astype(bool)

    def are_unique(cells: pd.Series) -> pd.Series:
        return ~cells.duplicated(keep=False)

    def are_counts(cells: pd.Series) -> pd.Series:
        return (cells >= 0) & (cells % 1 == 0) & (cells < _MOST_VOTES)

    known = [label for label in labels if label != partial.UNKNOWN]
    one_of = pa.Check.isin(list(labels), error=f"must be one of {', '.join(map(repr, known))}")
    columns = {"text": options.text, "id": options.id}
    rules = {
        "text": pa.Column(checks=pa.Check(are_strings, error="must be text")),
        "id": pa.Column(checks=pa.Check(are_unique, error="must be unique")),
    }
    if options.label is not None:
        columns["label"], rules["label"] = options.label, pa.Column(checks=one_of)
    for column in options.votes:
        columns["votes", column] = column
        rules["votes", column] = pa.Column(checks=pa.Check(are_counts, error="must be a number of votes"))
    for column in options.raters:
        columns["rater", column] = column
        rules["rater", column] = pa.Column(checks=one_of, nullable=True)
    try:
        pa.DataFrameSchema(rules).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        said = []
        for (key, rule), cases in errors.failure_cases.groupby(["column", "check"], sort=False):
            rule = "must not be missing" if rule == "not_nullable" else rule
            values = ", ".join(dict.fromkeys(repr(value)[:60] for value in cases["failure_case"][:SHOWN]))
            said.append(f"column {columns[key]!r}, {_rows(cases['index'])}: {rule}, but is {values}")
        counted = "; the header is row 1" if first_row == 2 else ""
        raise TableError("; ".join(said) + counted) from None


def _rows(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(int(number)) for number in numbers[:SHOWN])
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"{'row' if len(numbers) == 1 else 'rows'} {shown}{more}"
