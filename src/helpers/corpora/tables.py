"""A table of the user's own as a corpus: a file, a folder that `datasets` saved, or a data set on the hub.

What people keep in tables varies, so the rule here is: leave texts as they are, count what is left out, and
refuse what could be meant in two ways, with the rows and columns in the message. No code of a data set is run.
"""

import glob
import re
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pandera.pandas as pa

from helpers import places
from helpers.corpora import BUILT_IN, Corpus, ranks
from helpers.errors import UserError

_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
}
_FEWEST_ROWS = 20
_MOST_CLASSES = 50
_MOST_TEST_ROWS = 1500
_ROWS_SHOWN = 5
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")

Labels = Sequence[str] | Mapping[Hashable, str]


def load(
    *,
    name: str,
    text: str,
    label: str,
    path: str | Path | None = None,
    hub: str | None = None,
    config: str | None = None,
    split: str | None = None,
    labels: Labels | None = None,
    id: str | None = None,
    about: str = "text",
    test_size: int | None = None,
    votes: Sequence[str] | None = None,
) -> Corpus:
    """Load a table as a corpus. A study file gives these options as a mapping.

    Parameters
    ----------
    name
        What files and charts call the corpus: letters, digits, `.`, `_`, `-`.
    text, label
        The columns with the texts and with the gold classes: class names or integers.
    path
        A CSV, TSV, JSON Lines, JSON or Parquet file, or a folder written by `datasets`' `save_to_disk`, relative
        to the working folder. Text files are UTF-8.
    hub
        Instead of `path`, the id of a data set on the hub, with its `config` if it has several.
    split
        The split to read, of a data set that has several; on the hub also `train+test` or `train[:5000]`.
    labels
        The names of the classes in the order of the class indices: a list, or a mapping from values of the column
        to names (several values may share one). Where the column holds integers, a list of names stands for 0, 1,
        2 and so on. By default the values themselves, in the order of a `ClassLabel` feature, of numbers, or of
        the alphabet.
    id
        The column with row ids; by default rows are numbered from 1.
    about
        What prompts call a text.
    test_size
        Number of texts in the test split; by default 20 % of the rows, at most 1500.
    votes
        Columns with the number of human votes for each class, in the order of the classes.

    Returns
    -------
    Corpus
        Texts are stripped and rid of control characters other than newline and tab. Rows without a text or a
        label are left out and counted in `dropped`.

    Raises
    ------
    UserError
        If the table cannot be read or used; the message names columns and rows. Rows of a CSV or TSV are counted
        as spreadsheets do, with the header as row 1; those of other formats from 1.
    """
    _check_name(name)
    if (path is None) == (hub is None):
        raise UserError(f"corpus {name}: give either `path` or `hub`")
    if path is not None and config is not None:
        raise UserError(f"corpus {name}: `config` goes with `hub`, not with `path`")
    file = None if path is None else Path(path).expanduser()
    where = hub if file is None else places.shown(file)
    with _naming(where):
        with _reading():
            data = _from_hub(hub, config, split) if file is None else _from_path(file, split)
        first_row = 2 if file is not None and _FORMATS.get(file.suffix.lower()) == "csv" else 1
        table, order = _select(data, text=text, label=label, id=id, votes=votes, labels=labels)
        table.index += first_row
        table, dropped = _drop_missing(table)
        names = _name_classes(table["label"].unique().tolist(), labels, order)
        _validate(table, names, {"text": text, "label": label, "id": id}, votes or (), first_row)
        classes = list(dict.fromkeys(names.values()))
        gold = table["label"].map(names).map(classes.index).to_numpy(dtype=int)
        _check_size(gold, classes, dropped)
        counts = _counts(table, votes, classes)
        rows = table[["id", "text"]].astype(str).reset_index(drop=True).assign(gold=gold)
        rows["rank"] = _ranks(rows["text"], test_size)
    notes = (f"gold is the column {label!r} of {where}",)
    return Corpus(name, tuple(classes), rows, counts, about, dropped, notes)


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UserError(f"a corpus cannot be called {name!r}: use letters, digits, `.`, `_` and `-`")
    if name in BUILT_IN:
        raise UserError(f"a corpus of your own cannot be called {name!r}: that is a built-in one")


class _TableError(Exception):
    """What is wrong with a table; `_naming` adds with which."""


@contextmanager
def _naming(where: str) -> Iterator[None]:
    try:
        yield
    except _TableError as error:
        raise UserError(f"{where}: {error}") from error.__cause__


# Reading


@contextmanager
def _reading() -> Iterator[None]:
    """Turn whatever a reader raises into one message.

    The readers of the formats and the client of the hub raise dozens of types, and here each means the same: this
    is not the table it was said to be. The original stays attached as the cause.
    """
    verbosity = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it logs as an error it also raises
    try:
        yield
    except _TableError:
        raise
    except Exception as error:
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        said = (str(root).strip().splitlines() or ["no reason given"])[0][:300]
        raise _TableError(f"cannot be read: {said} ({type(root).__name__})") from error
    finally:
        datasets.logging.set_verbosity(verbosity)


def _from_hub(hub: str, config: str | None, split: str | None) -> datasets.Dataset:
    data = datasets.load_dataset(hub, config, split=split, cache_dir=_cache_dir())
    return data if split is not None else _one_split(data, None)


def _from_path(path: Path, split: str | None) -> datasets.Dataset:
    if not path.exists():
        raise _TableError(f"there is no such file (the working folder is {Path.cwd()})")
    if path.is_dir():
        return _one_split(datasets.load_from_disk(str(path)), split)
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise _TableError(f"the format is not known; the name of a file must end in {', '.join(_FORMATS)}")
    if split is not None:
        raise _TableError("a file has no splits; leave `split` out")
    options = {}
    if _FORMATS[suffix] != "parquet":
        _check_utf8(path)
    if _FORMATS[suffix] == "csv":
        options = _csv_options(path, "\t" if suffix == ".tsv" else ",")
    # Escaped, because `datasets` takes a file name for a pattern.
    files = glob.escape(str(path.resolve()))
    data = datasets.load_dataset(_FORMATS[suffix], data_files=files, split="train", cache_dir=_cache_dir(), **options)
    if suffix == ".tsv":
        _check_quotes(data)
    return data


def _cache_dir() -> str:
    return str(places.cache() / "datasets")


def _one_split(data: datasets.Dataset | datasets.DatasetDict, split: str | None) -> datasets.Dataset:
    if isinstance(data, datasets.Dataset):
        if split is not None:
            raise _TableError("this data set has no splits; leave `split` out")
        return data
    if split is None and len(data) == 1:
        return next(iter(data.values()))
    if split not in data:
        asked = "name one with `split`" if split is None else f"{split!r} is none of them"
        raise _TableError(f"the splits are {', '.join(data)}: {asked}")
    return data[split]


def _check_utf8(path: Path) -> None:
    advice = "save it as UTF-8 (spreadsheets call it “CSV UTF-8”)"
    number = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                raise _TableError(f"not UTF-8: line {number} has the byte 0x{byte:02x}; {advice}") from None
            if number == 1 and b"\0" in line:
                raise _TableError(f"not UTF-8: line 1 has NUL bytes, as UTF-16 has; {advice}")
    if not number:
        raise _TableError("the file is empty")


def _csv_options(path: Path, separator: str) -> dict[str, Any]:
    """Options with which the CSV reader keeps what the file says.

    Left alone, it guesses types, and takes words such as *None* and *NA* for missing, which may well be classes.
    """
    plain = {"sep": separator, "encoding": "utf-8-sig", "keep_default_na": False, "na_values": [""]}
    head = pd.read_csv(path, nrows=1, dtype=str, **plain)
    if head.empty:
        raise _TableError("there is a header and nothing below it")
    if not isinstance(head.index, pd.RangeIndex):
        raise _TableError(f"row 2 has more fields than the header; put texts with a {separator!r} in quotes")
    features = datasets.Features({column: datasets.Value("string") for column in head.columns})
    return plain | {"features": features, "skip_blank_lines": False}


def _check_quotes(data: datasets.Dataset) -> None:
    """Refuse cells into which a text that opens with a quote has drawn the rows after it."""
    for column in data.column_names:
        for row, cell in enumerate(data[column], 2):
            if cell is not None and "\t" in cell and "\n" in cell:
                raise _TableError(
                    f"row {row} runs on over the next: its column {column!r} opens with a quote, so it lasts until "
                    "another quote; double the quotes inside and put the whole in quotes, or save the table as Parquet"
                )


# From columns to texts, classes and votes


def _select(
    data: datasets.Dataset,
    *,
    text: str,
    label: str,
    id: str | None,
    votes: Sequence[str] | None,
    labels: Labels | None,
) -> tuple[pd.DataFrame, list[str] | None]:
    """Take the columns that are needed as `text`, `label`, `id` and ("votes", column).

    The second value is the order of the classes, if a `ClassLabel` feature gives one.
    """
    if isinstance(votes, str):
        raise _TableError("`votes` must be a list of columns, one a class")
    needed = dict.fromkeys([text, label, *([id] if id is not None else []), *(votes or [])])
    for column in needed:
        if column not in data.column_names:
            raise _TableError(f"there is no column {column!r}, only {', '.join(map(repr, data.column_names))}")
    columns = data.select_columns(list(needed)).with_format(None).to_dict()
    classes, order = columns[label], None
    if isinstance(data.features[label], datasets.ClassLabel):
        classes, order = _class_names(classes, data.features[label].names, labels)
    keys = [None if _is_missing(value) else _key(value, label) for value in classes]
    ids = range(1, len(data) + 1) if id is None else columns[id]
    series = {
        "text": [_clean(value) for value in columns[text]],
        "label": keys,
        "id": [None if _is_missing(value) else str(value) for value in ids],
    }
    table = pd.DataFrame({column: pd.Series(values, dtype=object) for column, values in series.items()})
    for column in votes or ():
        counts = pd.Series(columns[column], dtype=object)
        table["votes", column] = pd.to_numeric(counts, errors="coerce").astype(float)
    return table, order


def _class_names(
    values: list[int | None], names: list[str], labels: Labels | None
) -> tuple[list[int | str | None], list[str] | None]:
    """Turn the indices of a `ClassLabel` into names, unless `labels` maps the indices themselves."""
    known = [None if value is None or value < 0 else value for value in values]  # -1 means: not labelled
    if isinstance(labels, Mapping) and all(_is_integer(str(key)) for key in labels):
        return known, None
    return [None if value is None else names[value] for value in known], names


def _clean(value: Any) -> Any:
    return _CONTROL.sub("", value).strip() if isinstance(value, str) else value


def _is_missing(value: Any) -> bool:
    blank = isinstance(value, str) and not value.strip()
    return blank or value is None or (isinstance(value, float) and np.isnan(value))


def _key(value: Any, column: str) -> str:
    """Write a value of the label column as text, the same for 1, 1.0 and "1"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float):
        raise _TableError(f"column {column!r} holds {str(value)[:60]}: a class must be a name or an integer")
    return str(value)


def _is_integer(value: str) -> bool:
    return re.fullmatch(r"-?[0-9]+", value) is not None


def _drop_missing(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    no_text = table["text"].map(_is_missing).astype(bool)
    no_label = table["label"].isna() & ~no_text
    reasons = {"the text is missing or blank": no_text, "the label is missing": no_label}
    dropped = {reason: int(which.sum()) for reason, which in reasons.items() if which.any()}
    return table[~(no_text | no_label)], dropped


def _name_classes(found: list[str], labels: Labels | None, order: list[str] | None) -> dict[str, str]:
    """Map values of the label column to class names, in the order of the class indices."""
    if labels is not None:
        accepted = _accepted(found, labels)
        _check_spellings(found, accepted)
        return accepted
    _check_spellings(found, ())
    if len(found) > _MOST_CLASSES:
        some = ", ".join(repr(value[:40]) for value in found[:5])
        raise _TableError(
            f"the label column has {len(found)} distinct values ({some}, …), and {_MOST_CLASSES} classes are the most: "
            "is it the right column?"
        )
    if order is None:
        order = sorted(found, key=int if all(map(_is_integer, found)) else str)
    return {value: value.strip() for value in order if value in found}


def _accepted(found: list[str], labels: Labels) -> dict[str, str]:
    """Read `labels` as a mapping from values of the column to class names."""
    mapped = isinstance(labels, Mapping)
    if isinstance(labels, str) or not (mapped or isinstance(labels, Sequence)):
        raise _TableError("`labels` must be a list of class names, or a mapping from values to names")
    names = list(labels.values() if mapped else labels)
    if any(isinstance(name, bool) for name in names):
        raise _TableError(f"`labels` has {names}: YAML takes yes, no, on and off for booleans; put them in quotes")
    names = [str(name).strip() for name in names]
    distinct = set(names) if mapped else names
    if "" in distinct or len({_folded(name) for name in distinct}) < len(distinct):
        raise _TableError(f"`labels` has {names}: class names must differ, and not only by case")
    if len(distinct) > _MOST_CLASSES:
        raise _TableError(f"`labels` has {len(distinct)} classes; {_MOST_CLASSES} are the most")
    by_index = not mapped and all(map(_is_integer, found)) and not all(map(_is_integer, names))
    values = range(len(names)) if by_index else labels
    return dict(zip(map(str, values), names, strict=True))


def _check_spellings(found: list[str], accepted: Collection[str]) -> None:
    """Refuse two spellings of one label, unless `labels` says of each what it means."""
    known = {_folded(value): value for value in accepted}
    for value in found:
        other = known.setdefault(_folded(value), value)
        if other != value and value not in accepted:
            raise _TableError(
                f"the labels {other!r} and {value!r} differ only by case or surrounding spaces; make them one in the "
                "file, or let `labels` map both to one name"
            )


def _folded(value: str) -> str:
    return value.strip().casefold()


def _validate(
    table: pd.DataFrame,
    labels: Collection[str],
    columns: dict[str, str | None],
    votes: Collection[str],
    first_row: int,
) -> None:
    """Check every cell, and say which rows of which columns are wrong."""

    def are_strings(cells: pd.Series) -> pd.Series:
        return cells.map(lambda cell: isinstance(cell, str)).astype(bool)

    def are_unique(cells: pd.Series) -> pd.Series:
        return ~cells.duplicated(keep=False)

    def are_counts(cells: pd.Series) -> pd.Series:
        return (cells >= 0) & (cells % 1 == 0)

    listed = ", ".join(map(repr, labels))
    rules = {
        "text": pa.Check(are_strings, error="must be text"),
        "label": pa.Check.isin(list(labels), error=f"must be one of {listed}"),
        "id": pa.Check(are_unique, error="must be unique"),
    }
    rules |= {("votes", column): pa.Check(are_counts, error="must be a number of votes") for column in votes}
    columns = columns | {("votes", column): column for column in votes}
    try:
        pa.DataFrameSchema({key: pa.Column(checks=rule) for key, rule in rules.items()}).validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        said = []
        for (key, rule), cases in errors.failure_cases.groupby(["column", "check"], sort=False):
            rule = "must not be missing" if rule == "not_nullable" else rule
            values = ", ".join(dict.fromkeys(repr(value)[:60] for value in cases["failure_case"][:_ROWS_SHOWN]))
            said.append(f"column {columns[key]!r}, {_rows(cases['index'])}: {rule}, but is {values}")
        counted = "; the header is row 1" if first_row == 2 else ""
        raise _TableError("; ".join(said) + counted) from None


def _rows(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(int(number)) for number in numbers[:_ROWS_SHOWN])
    more = f" and {len(numbers) - _ROWS_SHOWN} more" if len(numbers) > _ROWS_SHOWN else ""
    return f"{'row' if len(numbers) == 1 else 'rows'} {shown}{more}"


def _check_size(gold: np.ndarray, classes: list[str], dropped: dict[str, int]) -> None:
    if len(gold) < _FEWEST_ROWS:
        without = f" with a text and a label ({sum(dropped.values())} without)" if dropped else ""
        raise _TableError(f"there are {len(gold)} rows{without}, and {_FEWEST_ROWS} are the fewest")
    if (gold == gold[0]).all():
        raise _TableError(f"every row has the same class, {classes[gold[0]]!r}")


def _counts(table: pd.DataFrame, votes: Sequence[str] | None, classes: list[str]) -> np.ndarray | None:
    if votes is None:
        return None
    if len(votes) != len(classes):
        raise _TableError(
            f"`votes` names {len(votes)} columns for {len(classes)} classes: name one for each of "
            f"{', '.join(map(repr, classes))}, in this order"
        )
    counts = np.stack([table["votes", column] for column in votes], axis=1).astype(int)
    without = table.index[counts.sum(axis=1) == 0]
    if len(without):
        raise _TableError(f"there is no vote in {_rows(without)}; leave such rows out of the table")
    return counts


def _ranks(texts: pd.Series, test_size: int | None) -> np.ndarray:
    if test_size is None:
        test_size = min(_MOST_TEST_ROWS, len(texts) // 5)
    if isinstance(test_size, bool) or not isinstance(test_size, int) or not 0 < test_size < len(texts):
        raise _TableError(f"`test_size` is {test_size!r}, but must be an integer from 1 to {len(texts) - 1}")
    rank = ranks(texts, test_size)
    if rank.max() < 0:
        raise _TableError(f"a test split of {test_size} texts, duplicates kept together, leaves none to train on")
    return rank
