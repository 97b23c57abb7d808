"""A table of the user's own as a corpus: a file, a folder that `datasets` saved, or a data set on the hub.

What people keep in tables varies, so the rule here is: leave texts as they are, count what is left out, and
refuse what could be meant in two ways, with the rows and columns in the message. No code of a data set is run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import SkipValidation

from helpers import places
from helpers.corpora import classes, partial, people, reading, ready, remarks, splits
from helpers.corpora.built_in import check_name
from helpers.corpora.classes import Labels
from helpers.corpora.corpus import Corpus
from helpers.corpora.options import (
    Column,
    MaybeColumn,
    MaybeColumns,
    MaybePath,
    MaybeText,
    Questions,
    Seed,
    Text,
    checked,
)
from helpers.corpora.reading import TableError
from helpers.corpora.rows import FEWEST, SHOWN, Columns, Rows, frame_of, set_gold, validate
from helpers.errors import UserError

_MOST_TEST_ROWS = 1500
_MOST_FOLDS = 10
_SHORT = 600
_NO_TEXT, NO_LABEL = "the text is missing or blank", "the label is missing"
_STRADDLES = "a training text that shares a group with a test text"
_LIKE_AN_EXAMPLE = "a text that shares a group with an example in the prompt, and would be tested"


@checked
def load(
    *,
    name: SkipValidation[str],
    text: Column,
    label: MaybeColumn = None,
    path: MaybePath = None,
    hub: MaybeText = None,
    config: MaybeText = None,
    split: MaybeText = None,
    encoding: MaybeText = None,
    delimiter: MaybeText = None,
    quotes: MaybeText = None,
    sheet: MaybeText = None,
    labels: SkipValidation[Labels | None] = None,
    id: MaybeColumn = None,
    votes: SkipValidation[Sequence[str] | None] = None,
    raters: SkipValidation[Sequence[str] | None] = None,
    ready_made: SkipValidation[Mapping[str, ready.Columns] | None] = None,
    groups: MaybeColumns = None,
    near_duplicates: SkipValidation[float | None] = None,
    split_by: MaybeColumn = None,
    parts: SkipValidation[Mapping[str, object] | None] = None,
    test_size: SkipValidation[int | None] = None,
    folds: SkipValidation[int | None] = None,
    split_seed: Seed = splits.SPLIT_SEED,
    about: Text = "text",
    question: Questions = None,
    descriptions: SkipValidation[Mapping[str, str] | None] = None,
    examples: SkipValidation[int] = 0,
    unlabelled: SkipValidation[str] = "drop",
) -> Corpus:
    """Load a table as a corpus. A study file gives these options as a mapping.

    Parameters
    ----------
    name
        What files and charts call the corpus: letters, digits, `.`, `_`, `-`.
    text, label
        The columns with the texts and with the gold classes: class names or integers. Without `label`, gold is what
        most of the votes say, or, with `unlabelled: keep` and `labels`, there is none.
    path
        A CSV, TSV, JSON Lines, JSON, Parquet or Excel file, or a folder written by `datasets`' `save_to_disk`,
        relative to the working folder.
    hub
        Instead of `path`, the id of a data set on the hub, with or without a revision (`helpers.hub`), and its `config`
        if it has several.
    split
        The split to read, of a data set that has several, or some of them, as `train+test`: then `split_by: "@split"`
        keeps them apart. On the hub also `train[:5000]`.
    encoding, delimiter, quotes, sheet
        How to read the file, where what is found out is wrong: see `helpers.corpora.reading.read`.
    labels
        The names of the classes in the order of the class indices: a list, or a mapping from values of the column
        to names (several values may share one). Where the column holds integers, a list of names stands for 0, 1,
        2 and so on. By default the values themselves, in the order of a `ClassLabel` feature, of numbers, or of
        the alphabet.
    id
        The column with row ids; by default rows are numbered from 1.
    votes
        Columns with the number of human votes for each class, in the order of the classes (see `labels`). A note of
        the corpus says where another order fits `label` better.
    raters
        Instead of `votes`, a column for each rater, with the class that the rater gave or nothing.
    ready_made
        Labels of LLMs that are in the table: name of the annotator -> the column of its labels, or a mapping from
        classes to columns of probabilities (or of natural log-probabilities). A study names them `ready:NAME`.
    groups
        A column, or some, whose rows of one value must not straddle training pool and test split, like authors.
        Rows without a value are alone. Spaces around a value and how its accents are composed do not matter; case does.
    near_duplicates
        Texts that are alike to this degree do not straddle either, 0 to 1: see `splits.near_duplicates`. Texts that
        are equal but for case and spaces never do.
    split_by
        The column with the split of each row, which is used as it is. Rows of the training pool that share a group with
        a test row are left out.
    parts
        What the values of `split_by` mean: `{train: …, test: …}`, each a value or a list of them. By default `train` or
        `training`, and `test`. Other rows are left out.
    test_size
        Number of texts in the test split; by default 20 % of the rows, at most 1500. The classes have the shares of
        the whole.
    folds
        Instead of a test split, divide the rows into so many parts: each is tested by students of the others, and
        results are of all. For small tables. The parts are as alike and as separate as a test split would be.
    split_seed
        Another one is another split.
    about
        What prompts call a text.
    question
        What an annotator is asked, instead of the built-in wording's first paragraph: one text for all wordings, or
        wording -> text.
    descriptions
        What each class means, class -> text, for the prompt. It may be long: a codebook.
    examples
        Examples of each class in the prompt. They come from the training pool, leave it, and count as gold that is
        spent.
    unlabelled
        What becomes of rows without a label: `drop` leaves them out; `keep` makes them a part of the training pool
        without gold (`helpers.corpora.partial`). Half of the gold labels are then for testing: `test_size` changes it,
        and counts as if all rows had a label. With `labels`, the column may be empty, or missing.

    Returns
    -------
    Corpus
        Texts are stripped and rid of control characters other than newline and tab, and of terminal escapes. Rows
        without a text or a label are left out and counted in `dropped`.

    Raises
    ------
    UserError
        If the table cannot be read or used; the message names columns and rows. Rows of a CSV, TSV or Excel file are
        counted as spreadsheets do, with the header as row 1; those of other formats from 1.
    """
    check_name(name)
    if (path is None) == (hub is None):
        raise UserError(f"corpus {name}: give either `path` or `hub`")
    if path is not None and config is not None:
        raise UserError(f"corpus {name}: `config` goes with `hub`, not with `path`")
    file = None if path is None else places.path(path)
    where = hub if file is None else places.shown(file)
    with _naming(where):
        keep = _keeps(unlabelled, label, labels, votes or raters or folds or split_by or examples)
        options = Columns.of(
            text=text,
            label=label,
            id=id,
            votes=votes,
            raters=raters,
            ready_made=ready_made,
            groups=groups,
            split_by=split_by,
            without_gold=keep,
        )
        table = reading.read(
            options.wanted(),
            path=file,
            hub=hub,
            config=config,
            split=split,
            encoding=encoding,
            delimiter=delimiter,
            quotes=quotes,
            sheet=sheet,
        )
        rows, names, known = _labelled(table, options, labels, keep=keep)
        real = known[: len(known) - keep]  # without that of no label
        fold, grouping, size = _divided(
            rows,
            options,
            known,
            keep=keep,
            parts=parts,
            near_duplicates=near_duplicates,
            test_size=test_size,
            folds=folds,
            seed=split_seed,
        )
        fold, grouping = _without_examples(rows, fold, grouping, examples, known, folds=folds, seed=split_seed)
        ranks = np.stack([splits.ranked(fold, k, seed=split_seed) for k in range(folds or 1)])
        finished = rows.frame[["id", "text"]].astype(str).reset_index(drop=True)
        finished = finished.assign(gold=rows.gold, rank=ranks[0])
        meant = {value: name for value, name in names.items() if name in real}
        made = {
            who: ready.make(rows.frame, said_in, meant, real, annotator=who)
            for who, said_in in options.ready_made.items()
        }
        described = _described(descriptions, real)
    notes = _notes_on_reading(where, table, options, rows, known)
    notes += _notes_on_rows(finished, fold, grouping, real, folds=folds)
    notes += remarks.of_names(real, rows.frame, options.groups)
    corpus = Corpus(
        name=name,
        labels=tuple(known),
        rows=finished,
        votes=rows.votes,
        about=about,
        dropped={reason: len(numbers) for reason, numbers in rows.left_out.items()},
        notes=tuple(notes),
        left_out=rows.left_out,
        detected=table.detected,
        ready=made,
        ranks=None if folds is None else ranks,
        sources=grouping if groups else None,
        question=question or "",
        descriptions=described,
    )
    if keep:
        corpus = partial.hide(corpus, grouping, seed=split_seed)
    asked = None if folds or split_by or (keep and test_size is None) else size
    if asked is not None and not corpus.fully_gold:  # `test_size` counts as if all rows had a label
        asked = round(asked * (corpus.gold >= 0).sum() / len(corpus.gold))
    with _naming(where):
        _check_tested(corpus)
    return replace(corpus, notes=(*corpus.notes, *remarks.of_split(corpus, asked)))


def columns(options: Mapping[str, Any]) -> list[str]:
    """Names of all columns of a table. Of the `options` of `load`, `text` and those on reading it are looked at.

    Raises
    ------
    UserError
        If the table cannot be read.
    """
    how = {
        option: options.get(option) for option in ("hub", "config", "split", "encoding", "delimiter", "quotes", "sheet")
    }
    file = None if how["hub"] else places.path(options["path"])
    with _naming(how["hub"] or places.shown(file)):
        return reading.read([options["text"]], path=file, **how).names


# What becomes of rows


def _labelled(
    table: reading.Table, options: Columns, labels: Labels | None, *, keep: bool
) -> tuple[Rows, dict[str, str], list[str]]:
    """The rows that have a text and a gold label, value -> class, and the classes in the order of their indices.

    With `keep`, rows without a label stay, and their class, `partial.UNKNOWN`, is the last.
    """
    frame, names = frame_of(table, options, labels)
    if keep:
        frame["label"] = [partial.UNKNOWN if value is None else value for value in frame["label"]]
        names = names | {partial.UNKNOWN: partial.UNKNOWN}
    known = list(dict.fromkeys(names.values()))
    rows = Rows(frame)
    rows.drop(_NO_TEXT, frame["text"].map(classes.is_missing))
    if options.label is not None:
        rows.drop(NO_LABEL, rows.frame["label"].isna())
    rows.check_number()
    validate(rows.frame, names, options, table.first_row)
    if len(known) == keep:  # with `unlabelled: keep`; else there are no rows by now
        raise TableError(
            f"column {options.label!r} is empty, so nothing says which classes there are: name them with `labels` "
            "(--classes A,B,…)"
        )
    if len(known) - keep == 1:
        raise TableError(f"every row has the same class, {known[0]!r}")
    set_gold(rows, options, names, known)
    return rows, names, known


def _divided(
    rows: Rows,
    options: Columns,
    known: list[str],
    *,
    keep: bool,
    parts: Mapping[str, object] | None,
    near_duplicates: float | None,
    test_size: int | None,
    folds: int | None,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Divide the rows, and leave out those that can be on neither side.

    Returns
    -------
    fold : int array (rows,)
        Which fold tests each row; without folds, 0 for the test split and 1 for the training pool.
    grouping : int array (rows,)
        Group of each row: those of one are on one side.
    size : int or None
        How many texts the test split should have; None where that is not said by a number.
    """
    in_test = None if options.split_by is None else _own_split(rows, options.split_by, parts)
    if in_test is None and parts is not None:
        raise TableError("`parts` says what the values of `split_by` mean: give that too")
    if keep:
        _check_gold(int((rows.gold < len(known) - 1).sum()))
    else:
        rows.check(known)
    grouping = _grouping(rows.frame, options.groups, near_duplicates)
    size = None
    if in_test is not None:
        if test_size is not None or folds is not None:
            raise TableError("`split_by` and `test_size` or `folds` contradict each other: leave one out")
        straddle = splits.straddling(in_test, grouping)
        rows.drop(_STRADDLES, straddle)
        rows.check(known)
        in_test, grouping = in_test[~straddle], grouping[~straddle]
        fold = np.where(in_test, 0, 1)
    elif folds is not None:
        if test_size is not None:
            raise TableError("`folds` and `test_size` contradict each other: leave one out")
        fold = splits.folds(rows.gold, grouping, _folds(folds, grouping), seed=seed)
    else:
        # Of few gold labels, half are for testing.
        size = _test_size(len(rows.gold) // 2 if keep and test_size is None else test_size, len(rows.gold))
        fold = np.where(splits.stratified(rows.gold, grouping, size, seed=seed), 0, 1)
    if (fold == 0).all():
        raise TableError(
            f"a test split of {len(fold)} texts, duplicates and groups kept together, leaves none to train on"
        )
    return fold, grouping, size


def _without_examples(
    rows: Rows,
    fold: np.ndarray,
    grouping: np.ndarray,
    examples: int,
    known: list[str],
    *,
    folds: int | None,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """`fold`, with `splits.OUT` for the examples in the prompt, and `grouping`, of the rows that are left."""
    texts = rows.frame["text"].reset_index(drop=True)
    spent = _spent(texts, rows.gold, splits.ranked(fold, 0, seed=seed), examples, known, grouping)
    if folds is not None and spent:  # what stands beside an example in its fold is tested there, by who saw it
        beside = np.isin(grouping, grouping[spent])
        beside[spent] = False
        rows.drop(_LIKE_AN_EXAMPLE, beside)
        fold, grouping, spent = fold[~beside], grouping[~beside], (np.cumsum(~beside) - 1)[spent]
    fold[spent] = splits.OUT
    if folds is not None and len(set(fold) - {splits.OUT}) < folds:
        raise TableError("`examples` takes all texts of a fold: ask for fewer `examples`, or fewer `folds`")
    return fold, grouping


def _notes_on_reading(where: str, table: reading.Table, options: Columns, rows: Rows, known: list[str]) -> list[str]:
    """What gold is, whether votes fit it, and what was found out of the file."""
    notes = [f"gold is the column {options.label!r} of {where}"] if options.label else []
    notes += [f"gold is what most votes of {where} say"] if rows.votes is not None and not options.label else []
    notes += people.doubt(rows.votes, rows.gold, options.votes, known) if options.label and options.votes else []
    return notes + [f"read with {what} {value!r}, found by looking" for what, value in table.detected.items()]


def _notes_on_rows(
    finished: pd.DataFrame, fold: np.ndarray, grouping: np.ndarray, real: list[str], *, folds: int | None
) -> list[str]:
    """Folds that differ in size, and what a reader should know of the texts and their groups."""
    notes = []
    sizes = np.bincount(fold[fold != splits.OUT])
    if folds is not None and sizes.max() > 2 * sizes.min():
        notes.append(f"texts that stay together make folds of {sizes.min()} to {sizes.max()} texts")
    tested = fold == 0 if folds is None else fold != splits.OUT
    has_gold = (finished["gold"] < len(real)).to_numpy()  # with `unlabelled: keep`, who has no label is not tested
    notes += remarks.of_rows(finished[has_gold], real)
    return notes + remarks.of_groups(grouping[tested & has_gold])


def _keeps(unlabelled: str, label: str | None, labels: Labels | None, *others: object) -> bool:
    """Whether rows without a label stay."""
    if unlabelled not in ("drop", "keep"):
        raise TableError(f"`unlabelled` is {unlabelled!r}, but must be drop or keep")
    if unlabelled == "keep" and (not (label or labels) or any(others)):
        raise TableError(
            "`unlabelled: keep` takes a `label` column, or the names of the classes in `labels`, and no votes, folds, "
            "`split_by` or `examples`"
        )
    return unlabelled == "keep"


def _check_gold(known: int) -> None:
    """Refuse gold labels that are too few to test on, where rows without one stay."""
    if 0 < known < FEWEST:
        raise TableError(
            f"{known} rows have a gold label, and {FEWEST} are the fewest to test on: label more, or leave the "
            "column out and name the classes in `labels`"
        )


def _check_tested(corpus: Corpus) -> None:
    """Refuse a split whose gold labels are all on one side."""
    if (corpus.gold >= 0).any() and not (corpus.gold[corpus.test] >= 0).any():
        raise TableError(
            "no text with a gold label is left to test on, for those that have one stand in few large groups: divide "
            "`groups` further, or leave them out"
        )


@contextmanager
def _naming(where: str) -> Iterator[None]:
    try:
        yield
    except TableError as error:
        raise UserError(f"{where}: {error}") from error.__cause__


# Splits and examples


def _own_split(rows: Rows, column: str, parts: Mapping[str, object] | None) -> np.ndarray:
    """Leave out what is neither training nor test; which of the others are test rows, bool (rows,)."""
    meant = {"train": ["train", "training"], "test": ["test"]}
    if parts is not None:
        if not isinstance(parts, Mapping) or set(parts) != {"train", "test"}:
            raise TableError("`parts` must be a mapping with `train` and `test`, each a value of the column or a list")
        meant = {part: [values] if not isinstance(values, list) else values for part, values in parts.items()}
    meant = {part: {str(classes.whole(value)).casefold() for value in values} for part, values in meant.items()}
    value = rows.frame["part"].map(lambda cell: "" if cell is None else cell.casefold())
    in_train, in_test = (value.isin(meant[part]).to_numpy() for part in ("train", "test"))
    if not in_train.any() or not in_test.any():
        some = ", ".join(map(repr, sorted(set(rows.frame["part"].dropna()))[:SHOWN]))
        lacking = "test" if in_train.any() else "training"
        raise TableError(
            f"column {column!r} gives no {lacking} rows; it holds {some or 'nothing'}: say which is which, "
            "`parts: {train: …, test: …}` (--train …, --test …)"
        )
    rows.drop(f"{column!r} is neither training nor test", ~(in_train | in_test))
    return in_test[in_train | in_test]


def _grouping(frame: pd.DataFrame, groups: Sequence[str], near: float | None) -> np.ndarray:
    """Group of each row, int (rows,)."""
    texts = frame["text"].reset_index(drop=True)
    found = [splits.same(texts)]
    for column in groups:
        codes, values = pd.factorize(frame["group", column])
        alone = codes < 0
        codes[alone] = len(values) + np.arange(alone.sum())
        found.append(codes)
    if near is not None:
        if isinstance(near, bool) or not isinstance(near, int | float) or not 0.3 <= near <= 1:
            raise TableError(f"`near_duplicates` is {near!r}, but must be a similarity from 0.3 to 1")
        found.append(splits.near_duplicates(texts.tolist(), float(near)))
    return splits.joined(*found) if len(found) > 1 else found[0]


def _test_size(test_size: int | None, rows: int) -> int:
    if test_size is None:
        return min(_MOST_TEST_ROWS, rows // 5)
    if isinstance(test_size, bool) or not isinstance(test_size, int) or not 0 < test_size < rows:
        raise TableError(f"`test_size` is {test_size!r}, but must be an integer from 1 to {rows - 1}")
    return test_size


def _folds(folds: int, groups: np.ndarray) -> int:
    if isinstance(folds, bool) or not isinstance(folds, int) or not 2 <= folds <= _MOST_FOLDS:
        raise TableError(f"`folds` is {folds!r}, but must be an integer from 2 to {_MOST_FOLDS}")
    apart = len(np.unique(groups))
    if apart < folds:
        raise TableError(
            f"{folds} folds of {len(groups)} texts, duplicates and groups kept together, leave one empty: there are "
            f"{apart} that can stand apart; lower `folds` (--folds), or leave `groups` or `near_duplicates` out "
            "(--near-duplicates 0)"
        )
    return folds


def _spent(
    texts: pd.Series, gold: np.ndarray, rank: np.ndarray, examples: int, known: list[str], grouping: np.ndarray
) -> list[int]:
    """Positions of the examples for the prompt: the last of each class in the pool, so that small subsets keep theirs.

    Long texts are passed over while there are short ones; of long ones, the shortest are taken. Texts that are alone in
    their group come first.
    """
    if isinstance(examples, bool) or not isinstance(examples, int) or not 0 <= examples <= 10:
        raise TableError(f"`examples` is {examples!r}, but must be a number of examples a class, 0 to 10")
    pool = np.flatnonzero(rank >= 0)
    last = pool[np.argsort(-rank[pool])]
    length = texts.str.len().to_numpy()[last]
    shared = np.bincount(grouping)[grouping][last] > 1
    best = last[np.lexsort((np.where(length > _SHORT, length, 0), shared))]
    chosen: list[int] = []
    for k, name in enumerate(known):
        of_class = best[gold[best] == k][:examples].tolist()
        if len(of_class) < examples:
            raise TableError(f"`examples` is {examples}, but the training pool has {len(of_class)} texts of {name!r}")
        chosen += of_class
    return chosen


def _described(descriptions: Mapping[str, str] | None, known: list[str]) -> dict[str, str]:
    if descriptions is None:
        return {}
    if not isinstance(descriptions, Mapping):
        raise TableError("`descriptions` must be a mapping from classes to what they mean")
    given = {str(name).strip(): " ".join(str(text or "").split()) for name, text in descriptions.items()}
    for name in given:
        if name not in known:
            raise TableError(f"`descriptions` has {name!r}, but the classes are {', '.join(map(repr, known))}")
    return {name: given[name] for name in known if given.get(name)}
