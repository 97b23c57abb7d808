"""What a corpus is: texts with gold labels, whoever made them, and fixed splits."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import pandas as pd

from helpers.corpora.ready import Ready
from helpers.corpora.splits import SPENT, SPLIT_SEED, TEST
from helpers.errors import UserError

#: Columns beside those of the labels, in a table of annotations or in a part of one: no class is called so.
_RESERVED = {"id", "row", "failure", "looks_like_order"}


@dataclass(frozen=True)
class Corpus:
    """Texts with gold labels and fixed splits.

    Attributes
    ----------
    name
        Name of the corpus, as files and charts show it.
    labels
        Names of the K classes, in the order of the class indices.
    rows
        One row a text, in file order: `id` (str, unique), `text` (str), `gold` (int, 0..K-1, or -1 where it is not
        known) and `rank` (int): the position in the training pool, -1 for a text of the test split, or -2 for a text
        that is neither trained on nor tested on: an example in the prompt, or one that is left out. The training
        subset of size n is the texts with rank 0..n-1, so subsets are nested.
    votes
        Human votes, int array (rows, K), or None where only gold labels are known.
    about
        What prompts call a text, e.g. "movie review snippet".
    dropped
        What was left out of the source, reason -> number of rows.
    left_out
        The same as row numbers, where the source is a table of the user's own.
    detected
        How the source was read, where that was found out and not said: `encoding`, `delimiter`, `quotes`, `sheet`.
    notes
        How gold was made, for the reader.
    ready
        Labels of LLMs that the table brings along, annotator -> what it says of every row.
    ranks
        Where there are folds, `rank` in each of them, int array (folds, rows). Then `rank` in `rows` is that of the
        first, and `test` is every text that some fold tests.
    part
        Which fold this is, of a corpus made by `parts`.
    sources
        What each text is from, such as a review of which it is one sentence: a number for each, int array (rows,).
        Texts of one source may be alike. None where it is not known.
    question
        What an annotator is asked, where it is not a built-in wording: one text for all wordings, or wording -> text.
    descriptions
        What classes mean, class -> text, for the prompt.

    Raises
    ------
    UserError
        If a class has the name of another column of the tables of annotations.
    """

    name: str
    labels: tuple[str, ...]
    rows: pd.DataFrame
    votes: np.ndarray | None = None
    about: str = "text"
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: dict[str, list[int]] = field(default_factory=dict)
    detected: dict[str, str] = field(default_factory=dict)
    ready: dict[str, Ready] = field(default_factory=dict)
    ranks: np.ndarray | None = None
    part: int | None = None
    sources: np.ndarray | None = None
    question: str | Mapping[str, str] = ""
    descriptions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if taken := _RESERVED & set(self.labels):
            raise UserError(
                f"{self.name}: a label cannot be called {min(taken)!r}, the table of annotations has a column of that "
                "name; give it another with `labels`"
            )

    def __getstate__(self) -> dict:
        """What another process gets: not what was worked out here, which may be as large again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def pool(self) -> np.ndarray:
        """Row positions of the training pool in rank order, int array (pool size,)."""
        rank = self.rows["rank"].to_numpy()
        train = np.flatnonzero(rank >= 0)
        return train[np.argsort(rank[train], kind="stable")]

    @cached_property
    def test(self) -> np.ndarray:
        """Row positions of the test split in file order, int array (test size,)."""
        whole = self.ranks is not None and self.part is None
        return np.flatnonzero((self.ranks == TEST).any(axis=0) if whole else self.rows["rank"].to_numpy() == TEST)

    @cached_property
    def parts(self) -> tuple["Corpus", ...]:
        """What to train and test on in turn: the corpus itself, or one for each fold, with the same rows."""
        if self.ranks is None or self.part is not None:
            return (self,)
        return tuple(replace(self, rows=self.rows.assign(rank=rank), part=k) for k, rank in enumerate(self.ranks))

    @cached_property
    def whole(self) -> "Corpus":
        """The corpus that this is a fold of; itself where there are none."""
        return self if self.part is None else replace(self, rows=self.rows.assign(rank=self.ranks[0]), part=None)

    @cached_property
    def spent(self) -> np.ndarray:
        """Row positions of the examples in the prompt, by class and file order, int array (examples,)."""
        # Without gold, a text of that rank is only left out: it stands beside a tested one (`helpers.corpora.partial`).
        rows = np.flatnonzero((self.rows["rank"].to_numpy() == SPENT) & (self.gold >= 0))
        return rows[np.argsort(self.gold[rows], kind="stable")]

    @cached_property
    def gold(self) -> np.ndarray:
        """Gold class of every row, int array (rows,); -1 where it is not known."""
        return self.rows["gold"].to_numpy()

    @cached_property
    def n_gold(self) -> int:
        """Size of the largest training subset whose gold labels are all known: those that are, come first."""
        unknown = self.gold[self.pool] < 0
        return int(unknown.argmax()) if unknown.any() else len(self.pool)

    @property
    def fully_gold(self) -> bool:
        """Whether the gold label of every row is known."""
        return bool((self.gold >= 0).all())

    @cached_property
    def encoded(self) -> np.ndarray:
        """Text of every row as bytes to hash, with a zero byte at its end, object array (rows,)."""
        return np.array([text.encode("utf-8", "surrogatepass") + b"\0" for text in self.rows["text"]], dtype=object)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over ids and texts: what annotations of this corpus must have been made from."""
        digest = hashlib.sha256()
        for id_, text in zip(self.rows["id"], self.rows["text"], strict=True):
            digest.update(f"{id_}\0{text}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def subset(self, n: int, *, draw: int = 0) -> np.ndarray:
        """Row positions of a training subset of size `n`.

        Subsets of one draw are nested: the smaller is the beginning of the larger.

        Parameters
        ----------
        draw
            0 for the order of `pool`, which all label sources share; another number for another order, always the
            same for the same number.

        Raises
        ------
        UserError
            If the pool holds fewer than `n` texts.
        """
        if not 1 <= n <= len(self.pool):
            raise UserError(
                f"{self.name}: a training subset of {n} texts was asked for, but the pool has {len(self.pool)}; "
                "lower `sizes` in the study"
            )
        pool = np.random.default_rng([SPLIT_SEED, draw]).permutation(self.pool) if draw else self.pool
        return pool[:n]
