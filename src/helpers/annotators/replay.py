"""What somebody else's annotator said, from a file: labels, probabilities or log-probabilities by row id.

The file is read as a table of one's own is, by `helpers.corpora.reading`. It is data: nothing in it is evaluated, and a
cell that cannot be meant ends in one message that names it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import places
from helpers.annotators import origin
from helpers.annotators.scoring import Part, Scored
from helpers.annotators.specs import Replay
from helpers.corpora import Corpus, classes, reading, ready
from helpers.corpora.reading import NoColumnError, TableError
from helpers.errors import UserError, without_controls
from helpers.prompts import Prompt

_NO_ANSWER = "the file has no answer in this row"


class ReplayAnnotator:
    """An annotator that reads its answers from a file.

    What is looked up is the row and not the text.

    Parameters
    ----------
    spec
        The file, and which of its columns hold what.
    corpus
        The corpus whose row ids the file has.
    """

    def __init__(self, spec: Replay, corpus: Corpus):
        self.name, self._spec, self._corpus = spec.name, spec, corpus
        self._file = places.path(spec.replay)
        # A column of floats has 1.0 here and 1 there, by the format; unless both are ids, that is one.
        self._ids = corpus.rows["id"].map(classes.whole)
        self._whole = self._ids.is_unique
        if not self._whole:
            self._ids = corpus.rows["id"]
        self._texts = dict(zip(self._ids, corpus.rows["text"], strict=True))
        self._other: dict[str, str] = {}  # id -> what is there instead of an answer

    def use(self, prompt: Prompt) -> None:
        """Read the file; only the labels of the prompt matter.

        Raises
        ------
        UserError
            If the file cannot be read, or does not hold what it was said to hold.
        """
        if not self._file.is_file():
            raise UserError(
                f"there is no file {places.shown(self._file)} to replay: give its path as seen from the working folder"
            )
        labels = prompt.labels
        try:
            names = reading.read([self._spec.id], path=self._file).names
            columns = self._columns(names, labels)
            table = self._by_id(_read(self._file, [self._spec.id, *columns]))
            if len(columns) > 1:
                self._kind, self._logp = self._numbers(table, columns)
            else:
                self._kind, self._logp = "labels", self._labels(table, columns[0], labels)
        except TableError as error:
            said = f"annotator {self.name}: {places.shown(self._file)}: {without_controls(str(error))}"
            if isinstance(error, NoColumnError):
                said += f"; say in the study which it is, as {{replay: {self._file.name}, id: COLUMN, label: COLUMN}}"
            raise UserError(said) from None
        self._listed = self._ids.isin(table.index).to_numpy()

    @property
    def hard(self) -> bool:
        """Whether the file says one label a text, and no probabilities."""
        return self._kind == "labels"

    def provenance(self) -> dict:
        """Name and hash of the file, what is read of it, and whether labels, probabilities or log-probabilities."""
        return {
            "model_hash": origin.sha256(self._file),
            "replay": self._file.name,
            "read": self._spec.reading,
            "answers": self._kind,
        }

    def lengths(self, texts: Sequence[str]) -> np.ndarray:
        """One for each text: a text is not looked at."""
        return np.ones(len(texts), dtype=int)

    def spread(self, parts: Sequence[Part]) -> Iterator[tuple[int, Scored]]:
        """Position and scores of each part."""
        for number, part in enumerate(parts):
            rows = np.concatenate(part.rows)
            known = np.isfinite(self._logp[rows].max(axis=1))
            reasons = [
                None if ok else self._other.get(id_, _NO_ANSWER) if listed else "the file has no row of this id"
                for ok, listed, id_ in zip(known, self._listed[rows], self._ids.iloc[rows], strict=True)
            ]
            yield number, Scored(np.where(known[:, None], self._logp[rows], np.nan), reasons)

    def _by_id(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows under their ids."""
        ids = map(_text, table[self._spec.id])
        table.index = pd.Index(list(map(classes.whole, ids) if self._whole else ids))
        if (twice := table.index.duplicated()).any():
            raise TableError(f"the id {_shown(table.index[twice][0])} is there more than once")
        found = table.index.isin(self._ids).sum()
        if not found:
            raise TableError(
                f"none of its {len(table)} ids in column {self._spec.id!r} is an id of {self._corpus.name} (which "
                f"has {', '.join(map(_shown, self._corpus.rows['id'].head(3)))}, …); name the right column "
                f"in the study, as {{replay: {self._file.name}, id: COLUMN}}"
            )
        self._check_numbering(set(table.index))
        return table

    def _check_numbering(self, ids: set[str]) -> None:
        """Refuse numbers of rows that count from 0, or the header: almost all would be found, each beside its row."""
        count = len(self._corpus.rows) + sum(self._corpus.dropped.values())
        if not all(id_.isdecimal() and 1 <= int(id_) <= count for id_ in self._ids):
            return  # names, or numbers of another kind
        if "0" in ids or (str(count + 1) in ids and "1" not in ids):
            first = "0" if "0" in ids else "2"
            raise TableError(
                f"its ids in column {self._spec.id!r} are numbers of rows that begin with {first}, and those of "
                f"{self._corpus.name} begin with 1: every label would go to the row beside its own. Write the corpus's "
                "ids, or give the corpus a column of ids"
            )

    def _columns(self, names: Sequence[str], labels: tuple[str, ...]) -> list[str]:
        """Where the numbers for each label are, in their order; or the one column with the label of each row."""
        if self._spec.label is not None:
            return [self._spec.label]
        if self._spec.columns is not None:
            if set(self._spec.columns) != set(labels):
                raise TableError(f"`columns` must name one for each label: {', '.join(labels)}")
            return [self._spec.columns[label] for label in labels]
        if all(label in names for label in labels):
            return list(labels)
        if "label" in names:
            return ["label"]
        raise TableError(
            f"it has neither a column for each label ({', '.join(labels)}) nor one called 'label', but "
            f"{', '.join(map(_shown, names))}: name what it has in the study, as {{replay: {self._file.name}, label: "
            "COLUMN} or {…, columns: {LABEL: COLUMN, …}}"
        )

    def _numbers(self, table: pd.DataFrame, columns: Sequence[str]) -> tuple[str, np.ndarray]:
        texts = [self._texts.get(id_, "") for id_ in table.index]
        cells = [table[column] for column in columns]
        kind, logp, failures = ready.log_probabilities(cells, texts, self._spec.values, row="row of id")
        if np.isnan(logp).all():
            raise TableError(f"its columns {', '.join(map(repr, columns))} are empty, or all 0")
        self._other = {table.index[row]: why for row, why in failures.items()}
        return kind, self._in_order(table, logp)

    def _labels(self, table: pd.DataFrame, column: str, labels: tuple[str, ...]) -> np.ndarray:
        said = [_text(value) for value in table[column]]
        exact = {label: k for k, label in enumerate(labels)}
        folded = {ready.plain(label): k for k, label in enumerate(labels)}
        if len(folded) < len(labels):
            folded = {}  # labels that differ by case only
        found = [exact.get(value, folded.get(ready.plain(value))) for value in said]
        unknown = [(i, value) for i, value in enumerate(said) if value and found[i] is None]
        if unknown and len(unknown) > (1 - ready.FEWEST) * sum(map(bool, said)):  # empty ones say nothing of labels
            row, value = unknown[0]
            raise TableError(
                f"{len(unknown)} rows have a label that {self._corpus.name} does not have, the first {_shown(value)} "
                f"at id {_shown(table.index[row])}; the labels are {', '.join(labels)}"
            )
        self._other = {
            table.index[row]: ready.no_class(value, self._texts.get(table.index[row], "")) for row, value in unknown
        }
        logp = np.full((len(said), len(labels)), np.nan)
        for i, k in enumerate(found):
            if k is not None:
                logp[i] = -np.inf
                logp[i, k] = 0
        return self._in_order(table, logp)

    def _in_order(self, table: pd.DataFrame, logp: np.ndarray) -> np.ndarray:
        """Log-probabilities of the corpus's rows; nan where the file has none."""
        at = pd.Series(np.arange(len(table)), index=table.index).reindex(self._ids).to_numpy()
        known = np.isfinite(at)
        out = np.full((len(at), logp.shape[1]), np.nan)
        out[known] = logp[at[known].astype(int)]
        return out


def _read(file: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of the file, without blank rows."""
    table = reading.read(columns, path=file)
    cells = table.columns | {name: classes.decoded(table.columns[name], of) for name, of in table.classes.items()}
    return pd.DataFrame(cells, dtype=object).dropna(how="all")


def _text(value: object) -> str:
    """A cell as text; empty where it holds nothing. Numbers that were read as 3.0 because others are missing are 3."""
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).strip()


def _shown(value: object) -> str:
    """Something from a file as it can be printed."""
    return repr(without_controls(str(value))[:40])
