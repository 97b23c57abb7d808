"""Labelling a study: which tables it lacks, what they will take, what servers will charge, and having them written.

Nothing is printed or asked here: whoever calls says what is there already, and has the plans agreed to.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from helpers import annotating, annotations, artifacts, orders, places, shards
from helpers.annotators import check, load, specs
from helpers.annotators.scoring import Scores
from helpers.annotators.spending import Plan, Use
from helpers.corpora import Corpus
from helpers.errors import UserError
from helpers.labels import annotator_of, tables
from helpers.pools import Pool
from helpers.prompts import Prompt
from helpers.studies import Study

#: Ids that a message names, and characters of one.
_NAMED, _LONGEST = 5, 40
#: Share of texts without a label from which a table is worth a look.
_MANY_FAILED = 0.05
#: Probability below which the labels are not what the annotator would say by itself.
_ENOUGH_ON_LABELS = 0.5
#: Tokens of the batch that is timed on a processor: a larger one is hardly faster a token.
_TIMED_TOKENS = 512
#: Tokens after the text: the end of the turn.
_TAIL = 8


@dataclass(frozen=True)
class Table:
    """A table of annotations that a study reads.

    Attributes
    ----------
    spec, corpus, wording
        Who labels what, and how it is asked.
    rows
        Positions of the rows that are needed; None for all.
    there
        Where its labels are already, in words; empty where they are to be made.
    took
        Core-seconds that they took; nan where that was not noted, or nothing was computed.
    """

    spec: specs.Spec
    corpus: Corpus
    wording: Prompt
    rows: np.ndarray | None
    there: str = ""
    took: float = np.nan

    @property
    def texts(self) -> int:
        """Number of texts that are needed."""
        return len(self.corpus.rows) if self.rows is None else len(self.rows)

    @property
    def second(self) -> bool:
        """Whether it is the second opinion of a classifier, which reads what the annotator wrote."""
        return self.wording.name.endswith(annotations.CROSSFIT)


@dataclass(frozen=True)
class Written:
    """A table that was written just now.

    Attributes
    ----------
    rows, failed
        Texts that were asked about, and those of them that have no label.
    flagged
        Ids of the texts that look like orders to a language model.
    on_labels
        Probability that the labels have together, 0 to 1: median over the texts, nan where all failed.
    """

    corpus: str
    file: Path
    rows: int
    failed: int
    flagged: tuple[str, ...]
    on_labels: float

    def __str__(self) -> str:
        said = f"{places.shown(self.file)}: {self.rows} rows, {self.failed} failed"
        return f"{said}, {len(self.flagged)} look like orders" if self.flagged else said


def find(
    study: Study,
    *,
    corpora: Sequence[str] | None = None,
    annotators: Sequence[str] | None = None,
    prompt: str | None = None,
    folder: Path | None = None,
) -> Iterator[Table]:
    """Tables that a study reads, with those that are there checked.

    Parameters
    ----------
    corpora
        Names of corpora of the study; by default all.
    annotators
        Names of annotators of the study, or specifications of others; by default all of the study.
    prompt
        Another wording than the study's, to be put to everything.
    folder
        Where to look; by default the repository, then the user's ledger.

    Raises
    ------
    UserError
        If a name is unknown, or a table is there that was made from something else.
    """
    known = study.annotator_specs
    for spec in specs.choose(known, annotators) if annotators else known:
        for name in corpora or study.corpus_names:
            yield from _tables(study, study.corpus(name), spec, prompt, folder)


def lacking(study: Study, corpora: Sequence[str] | None = None) -> Iterator[Table]:
    """All tables of every annotator and corpus that lack at least one of theirs; those that are there are checked.

    Parameters
    ----------
    corpora
        Names of corpora of the study; by default all.

    Raises
    ------
    UserError
        As `find`.
    """
    loaded = {name: study.corpus(name) for name in corpora or study.corpus_names}
    for spec in study.annotator_specs:
        for corpus in loaded.values():
            found = list(_tables(study, corpus, spec))
            if not all(table.there for table in found):
                yield from found


def _tables(
    study: Study, corpus: Corpus, spec: specs.Spec, prompt: str | None = None, folder: Path | None = None
) -> Iterator[Table]:
    for name, rows in _needed(study, corpus, spec.name, prompt).items():
        table = Table(spec, corpus, tables.wording(corpus, name, study.prompt), rows)
        yield _looked_up(table, folder)


def _needed(study: Study, corpus: Corpus, annotator: str, prompt: str | None = None) -> dict[str, np.ndarray | None]:
    """Tables of one annotator and the rows each needs (None: all), or the one of the wording that was asked for."""
    needed = study.needed_rows(corpus)
    if prompt is None and annotator in study.annotator_names:
        return {table: rows for table, rows in needed.items() if annotator_of(table) == annotator}
    if prompt and prompt.endswith(annotations.CROSSFIT):
        raise UserError(
            f"{prompt} is no wording but the second opinion on one, which is made where a study filters by `confident`"
        )
    prompt = prompt or study.prompt  # an annotator that the study does not have labels everything
    table = annotator if prompt == study.prompt else f"{annotator}@{prompt}"
    return {table: needed.get(table)}


def _looked_up(table: Table, folder: Path | None) -> Table:
    """The table with where its labels are, if anywhere; checks that they are the right ones."""
    spec, corpus = table.spec, table.corpus
    found = annotations.find(corpus, spec.name, table.wording, rows=table.rows, spec=spec, folder=folder)
    if found is None:
        return table
    where, made = found
    if "ready_made" in made.provenance:
        return replace(table, there=f"{spec.name}: its labels of {corpus.name} come with the table")
    took = made.provenance.get("took", {}).get("core_seconds", np.nan)
    return replace(table, there=f"{where}: there already", took=took)


def at_hand(spec: specs.Spec) -> bool:
    """Whether an annotator computes here and nothing has to be downloaded for it."""
    if isinstance(spec, specs.Shipped):
        return artifacts.folder(spec.name).is_dir()
    if isinstance(spec, specs.Gguf):
        return places.path(spec.gguf).is_file()
    return isinstance(spec, specs.HuggingFace) and places.path(spec.hf).is_dir()


def expected_seconds(tables: Sequence[Table]) -> list[float]:
    """Time that this machine will take for each table, by one batch that is timed for each annotator.

    It is nan for second opinions, and for annotators that do not compute here or are not `at_hand`.
    """
    asked: dict[str, list[int]] = {}
    for i, table in enumerate(tables):
        if not table.second and at_hand(table.spec):
            asked.setdefault(table.spec.name, []).append(i)
    seconds = [np.nan] * len(tables)
    for positions in tqdm(asked.values(), desc="time a batch", unit="annotator", leave=False, disable=None):
        try:
            expected = _expected([tables[i] for i in positions])
        except (MemoryError, RuntimeError, ValueError):  # a device that is too small: labelling goes text by text
            continue
        for i, its in zip(positions, expected, strict=True):
            seconds[i] = its
    return seconds


def _expected(tables: Sequence[Table]) -> list[float]:
    """Seconds for each table of one annotator, which is in memory no longer than this takes."""
    annotator, rate, seconds = load(tables[0].spec), None, []
    annotator.use(tables[0].wording)
    for table in tables:
        texts = table.corpus.rows["text"].to_numpy()[_positions(table)]
        lengths = annotator.lengths(texts.tolist())
        usable = (lengths > 0) & (lengths <= annotator.room)
        if usable.any() and rate is None:
            rate = _seconds_a_token(annotator, texts[usable], lengths[usable])
        seconds.append((rate or 0.0) * float((lengths[usable] + _TAIL).sum()))
    return seconds


def _seconds_a_token(annotator: Scores, texts: np.ndarray, lengths: np.ndarray) -> float:
    """From one batch of texts about as long as those that hold most of the tokens."""
    order = np.argsort(lengths, kind="stable")
    middle = int(np.searchsorted(lengths[order].cumsum(), lengths.sum() / 2))
    size = max(1, (annotator.at_once or _TIMED_TOKENS) // (int(lengths[order[middle]]) + _TAIL))
    start = max(0, min(middle - size // 2, len(order) - size))
    batch = order[start : start + size]
    annotator.score(texts[batch[:1]].tolist())  # what the first call prepares is not timed
    began = time.perf_counter()
    annotator.score(texts[batch].tolist())
    return (time.perf_counter() - began) / float((lengths[batch] + _TAIL).sum())


class Labelling:
    """Tables that are to be made, and the servers that will be asked for them.

    Parameters
    ----------
    here
        Whether this machine computes: then models must be at hand, or to be had.

    Raises
    ------
    UserError
        If an annotator is nowhere, or a server's key is not in the environment.
    """

    def __init__(self, todo: Iterable[Table], *, here: bool = True):
        # Second opinions read what was just annotated, so they come last.
        self._todo = sorted((table for table in todo if not table.there), key=lambda table: table.second)
        asked = {table.spec.name: table.spec for table in self._todo if not table.second}
        for spec in asked.values():
            if here or not isinstance(spec, specs.COMPUTING):
                check(spec)
        self._servers = {name: load(spec) for name, spec in asked.items() if isinstance(spec, specs.Server)}
        self._loaded = None

    def plans(self) -> Iterator[Plan]:
        """What servers will be asked, a plan a table. Nothing is asked."""
        before: dict[str, Use] = {}  # all tables of an annotator are paid out of one budget
        for table in self._todo:
            name = table.spec.name
            if not table.second and name in self._servers:
                texts = table.corpus.rows["text"].iloc[_positions(table)].tolist()
                plan = self._servers[name].plan(table.corpus.name, texts, table.wording, before=before.get(name))
                before[name] = before.get(name, Use()) + plan.expected
                yield plan

    def carry_out(self, study: Study, *, folder: Path, pool: Pool | None = None) -> Iterator[Written]:
        """Write the tables, one after the other; each goes on where it was stopped.

        Those that another process has finished meanwhile are left as they are.

        Parameters
        ----------
        folder
            Where the tables go.
        pool
            Who computes, instead of this machine.

        Raises
        ------
        UserError
            If an annotator cannot be loaded or asked. What it labelled so far is kept.
        """
        for table in self._todo:
            corpus, wording = table.corpus, table.wording
            if _looked_up(table, folder).there:
                continue
            if table.second:
                from helpers import crossfit  # brings torch, which servers and replays do without

                file = crossfit.write(
                    corpus,
                    table.spec.name,
                    wording,
                    rows=table.rows,
                    folder=folder,
                    encoder=study.student.encoder,
                    max_tokens=study.student.max_tokens,
                )
            else:
                file = annotating.annotate(
                    corpus, self._annotator(table, pool), wording, folder=folder, rows=table.rows
                )
            made = annotations.read(file, corpus, wording, rows=table.rows)
            rows = len(corpus.rows) if made.held is None else int(made.held.sum())
            # A second opinion is a classifier's: orders are lost on it, and it says nothing but labels.
            flagged, on_labels = ((), 1.0) if table.second else (_flagged(table), _on_labels(made))
            yield Written(corpus.name, file, rows, len(made.failures), flagged, on_labels)

    def _annotator(self, table: Table, pool: Pool | None):
        """Whoever labels a table: servers as they were planned with, models as long as they have tables in a row."""
        spec = table.spec
        if spec.name in self._servers:
            return self._servers[spec.name]
        if not isinstance(spec, specs.COMPUTING):
            return load(spec, corpus=table.corpus)
        if self._loaded is None or self._loaded.name != spec.name:
            self._loaded = None  # there may not be room for two
            self._loaded = load(spec) if pool is None else shards.RemoteAnnotator(spec, pool)
        return self._loaded


def _positions(table: Table) -> np.ndarray:
    return np.arange(len(table.corpus.rows)) if table.rows is None else table.rows


def _flagged(table: Table) -> tuple[str, ...]:
    asked = table.corpus.rows.iloc[_positions(table)]
    return tuple(asked["id"][orders.flags(asked["text"])])


def _on_labels(made: annotations.Annotations) -> float:
    known = made.missing[np.isfinite(made.missing)]
    return 1 - float(np.median(known)) if known.size else np.nan


def cautions(written: Iterable[Written]) -> Iterator[str]:
    """What to look at: annotators that would say something else than a label, and texts that look like orders."""
    written = list(written)
    for table in written:
        # A second opinion has none where the annotator has none, which is said of its table.
        if table.failed > _MANY_FAILED * table.rows and not table.file.stem.endswith(annotations.CROSSFIT):
            yield (
                f"{places.shown(table.file)}: {table.failed} of {table.rows} texts have no label; the column `failure` "
                "says why"
            )
        if table.on_labels < _ENOUGH_ON_LABELS:
            yield (
                f"{places.shown(table.file)}: the labels have {table.on_labels:.0%} of the probability (median). Left "
                "to itself, the annotator would answer something else. What is left over for the labels decides; "
                "another wording, or labels as it would write them, may serve better"
            )
    found: dict[str, dict[str, None]] = {}
    for table in written:
        if table.flagged:
            found.setdefault(table.corpus, {}).update(dict.fromkeys(table.flagged))
    for corpus, ids in found.items():
        # As Python writes them: an id may hold what acts in a terminal.
        named = ", ".join(repr(id_[:_LONGEST]) for id_ in list(ids)[:_NAMED]) + (", …" if len(ids) > _NAMED else "")
        yield (
            f"{corpus}: texts that look like orders to a language model: {len(ids)}, by id {named}. Read them: such a "
            "text may have chosen its own label; the book's page *Texts that give orders* says how far models obey"
        )
