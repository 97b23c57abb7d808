"""The table that annotators write (`helpers.annotating`): a log-probability per label for every text, and its origin.

A finished table is one parquet file, `<corpus>/<annotator>.<prompt>.parquet`: the id of each row, a column a label, the
reason where a row failed, whether its text looks like an order to a language model (`helpers.orders`; older tables lack
that column, and nothing here reads it), and the provenance in the file's metadata. It holds no text. Tables are looked
for in the repository (`annotations/`, which is what the book replays) and then in the user's ledger.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from helpers import places
from helpers.annotators import origin, specs
from helpers.corpora import Corpus
from helpers.errors import UserError, first_line
from helpers.prompts import Prompt

#: How the names of wordings end whose tables no annotator wrote, but a classifier of its labels: `helpers.crossfit`.
CROSSFIT = "-crossfit"

_META = b"label-risk"
#: Why a row failed whose log-probabilities are not numbers.
NO_SCORE = "the model gave a score that is not a number"


@dataclass(frozen=True)
class Annotations:
    """Label log-probabilities of one annotator for the rows of a corpus, in the corpus's order.

    Attributes
    ----------
    logp
        float64 (rows, labels), natural logarithms, not renormalised; nan where the annotator failed or was not asked.
    failures
        Row position -> reason, for the rows that have no log-probabilities.
    provenance
        Annotator, prompt, hashes, versions and date, as they were when the table was written; `took`, where a model
        on this machine or a cluster labelled: the number of `texts`, and what they took, `core_seconds`.
    held
        Whether the annotator was asked, bool (rows,); None where it was asked about all.
    """

    logp: np.ndarray
    failures: dict[int, str]
    provenance: dict
    held: np.ndarray | None = None

    @cached_property
    def missing(self) -> np.ndarray:
        """Probability outside the label set, (rows,), 0..1: how far the annotator strays from the question."""
        return np.clip(1 - np.exp(self.logp).sum(axis=1), 0, 1)

    @cached_property
    def probs(self) -> np.ndarray:
        """Probabilities renormalised over the labels, (rows, labels); rows sum to 1, or are nan where it failed."""
        shifted = np.exp(self.logp - self.logp.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def labels_hash(self, rows: np.ndarray) -> str:
        """sha256 over the likeliest label of each of `rows`: what a second opinion is about."""
        return hashlib.sha256(likeliest(self.probs[np.sort(rows)]).astype("<i4").tobytes()).hexdigest()


def likeliest(probs: np.ndarray) -> np.ndarray:
    """The most probable label, (..., rows, labels) -> int (..., rows); -1 where there are no probabilities.

    A tie goes to the lower class id.
    """
    return np.where(np.isfinite(probs).all(axis=-1), np.nan_to_num(probs).argmax(axis=-1), -1)


def lookup(
    corpus: Corpus,
    annotator: str,
    prompt: Prompt,
    *,
    rows: np.ndarray | None = None,
    spec: specs.Spec | None = None,
) -> Annotations:
    """The finished table of `annotator` for `corpus`, from the repository or from the user's ledger.

    Parameters
    ----------
    rows
        Positions of the rows that are needed; all of them by default.
    spec
        What a study says of the annotator: the table must be of that one. By default whoever bore the name will do.

    Raises
    ------
    UserError
        If there is none, it was made by somebody else, from other texts or with another wording, or it lacks rows
        that are needed.
    """
    if found := find(corpus, annotator, prompt, rows=rows, spec=spec):
        return found[1]
    raise UserError(
        f"no annotations of {corpus.name} by {annotator} with {prompt.name}: make them with "
        f"`label-risk annotate STUDY --corpus {corpus.name} --annotator {annotator}`"
    )


def find(
    corpus: Corpus,
    annotator: str,
    prompt: Prompt,
    *,
    rows: np.ndarray | None = None,
    spec: specs.Spec | None = None,
    folder: Path | None = None,
) -> tuple[str, Annotations] | None:
    """As `lookup`, with what to call the place; None if there is no table, there or in `folder` alone.

    A table from before rows were added is none, if those are needed; nor is one of the repository that lacks rows.

    Raises
    ------
    UserError
        If a table is damaged, or was made of other texts, in another wording or by another annotator.
    """
    second = prompt.name.endswith(CROSSFIT)
    if not second and (annotator in corpus.ready or isinstance(spec, specs.Ready)):
        where, table = f"what the table of {corpus.name} says of {annotator}", ready(corpus, annotator)
        if spec is not None:
            origin.check(spec, table.provenance, where)
        return where, table
    folders = [folder] if folder else [places.ROOT / "annotations", places.ledger() / "annotations"]
    files = [path(folder, corpus.name, annotator, prompt.name) for folder in folders]
    files = [file for file in files if file.is_file()]
    if not files:
        return None
    # The user's own may hold rows that the repository's does not: it comes last, and its complaint is the one to read.
    for file in files:
        table = read(file, corpus, prompt, rows=np.empty(0, int), spec=spec)
        if not _lacking(table, len(corpus.rows), rows):
            break
    else:
        if table.provenance["corpus_hash"] != corpus.fingerprint:
            return None  # rows were added: they are to be labelled, and the others are kept
        if files[-1].is_relative_to(places.ROOT / "annotations") and folder is None:
            return None  # a shipped table is of fewer rows: one of all goes to the user's ledger, and this one stays
        table = read(file, corpus, prompt, rows=rows, spec=spec)  # says what it lacks
    if second:
        first = replace(prompt, name=prompt.name.removesuffix(CROSSFIT))
        held = np.arange(len(corpus.rows)) if table.held is None else np.flatnonzero(table.held)
        found = find(corpus, annotator, first, rows=held, spec=spec, folder=folder)
        if found is None and folder:
            found = find(corpus, annotator, first, rows=held, spec=spec)
        if found and not _about(table.provenance, found[1], held):
            raise UserError(
                f"{places.shown(file)} is a second opinion on other labels than {found[0]} has now: remove it to have "
                "it made again"
            )
    return places.shown(file), table


def _about(second: dict, first: Annotations, rows: np.ndarray) -> bool:
    """Whether the provenance of a second opinion is about the labels that the annotator's table has."""
    if "labels_hash" in second:
        return second["labels_hash"] == first.labels_hash(rows)
    return second.get("annotator_hash") == first.provenance.get("model_hash")  # older ones say no more


def ready(corpus: Corpus, annotator: str) -> Annotations:
    """What the corpus's own table says for `annotator`; see `ready_made` of `helpers.corpora.tables.load`.

    Raises
    ------
    UserError
        If the table brings no labels of that name.
    """
    if annotator not in corpus.ready:
        known = ", ".join(corpus.ready) or "none"
        raise UserError(
            f"{corpus.name}: there are no ready-made labels of {annotator!r}, only {known}: name their column under "
            "`ready_made` of the corpus"
        )
    found = corpus.ready[annotator]
    provenance = {
        "annotator": annotator,
        "corpus": corpus.name,
        "corpus_hash": corpus.fingerprint,
        "labels": list(corpus.labels),
        "ready_made": ", ".join(found.columns),
        "hard": found.hard,
        "model_hash": hashlib.sha256(np.ascontiguousarray(found.logp, dtype="<f8").tobytes()).hexdigest(),
    }
    return Annotations(found.logp, found.failures, provenance)


def path(folder: Path, corpus: str, annotator: str, prompt: str) -> Path:
    """Where a finished table lies below `folder`."""
    return folder / corpus / f"{annotator}.{prompt}.parquet"


def read(
    file: Path,
    corpus: Corpus,
    prompt: Prompt,
    *,
    rows: np.ndarray | None = None,
    spec: specs.Spec | None = None,
) -> Annotations:
    """Read a finished table; check that it belongs to these texts, this wording and `spec`, and holds `rows` (all).

    A corpus may have got more rows since: then the table holds some of them.

    Raises
    ------
    UserError
        If it is damaged, or of other texts, another wording or another annotator, or lacks rows.
    """
    try:
        table = pq.read_table(file)
        provenance = json.loads(table.schema.metadata[_META])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:  # it may be whole
            raise UserError(f"{places.shown(file)} cannot be read: {first_line(error)}") from None
        raise UserError(
            f"{places.shown(file)} is no table of annotations ({first_line(error)}): remove it and annotate again"
        ) from None
    at = pd.Index(corpus.rows["id"]).get_indexer(pd.Index(table["id"].to_pylist()))
    texts = corpus.fingerprint
    # All rows of that time, with the ids and texts that they had: the others were added since.
    if provenance["corpus_hash"] != texts and "rows" not in provenance and (at >= 0).all():
        texts = replace(corpus, rows=corpus.rows.iloc[at]).fingerprint
    for what, found, expected in [
        ("texts", provenance["corpus_hash"], texts),
        ("wording", provenance["prompt_hash"], prompt.fingerprint),
    ]:
        if found != expected:
            raise UserError(
                f"{places.shown(file)} was made from other {what} than {corpus.name} has now "
                f"({found[:12]}…, not {expected[:12]}…): remove it and annotate again, go back to its "
                "data, or give the corpus another `name`, which keeps both"
            )
    if spec is not None and not prompt.name.endswith(CROSSFIT):
        origin.check(spec, provenance, places.shown(file))
    logp = np.stack([table[label].to_numpy() for label in corpus.labels], axis=1).astype(float)
    reasons = table["failure"].to_pylist()
    if "rows" not in provenance and texts == corpus.fingerprint:
        return Annotations(logp, {i: reason for i, reason in enumerate(reasons) if reason}, provenance)
    everywhere, held = np.full((len(corpus.rows), len(corpus.labels)), np.nan), np.zeros(len(corpus.rows), bool)
    everywhere[at], held[at] = logp, True
    found = Annotations(everywhere, {int(i): why for i, why in zip(at, reasons, strict=True) if why}, provenance, held)
    if lacking := _lacking(found, len(held), rows):
        raise UserError(
            f"{places.shown(file)} holds {len(at)} of the {len(held)} rows of {corpus.name}, and lacks {lacking} of "
            "those that are needed: remove it and annotate again"
        )
    return found


def _lacking(table: Annotations, n_rows: int, rows: np.ndarray | None) -> int:
    """How many of the rows that are needed (all, if None) the annotator was not asked about."""
    if table.held is None:
        return 0
    return int((~table.held[np.arange(n_rows) if rows is None else rows]).sum())


def write(
    corpus: Corpus, name: str, prompt: Prompt, logp: np.ndarray, *, folder: Path, rows: np.ndarray, provenance: dict
) -> Path:
    """Write a table whose log-probabilities are there already, float (rows, labels) in the order of `rows`, or nan.

    `provenance` says how they were made; what it is about is added. See `helpers.annotating.annotate` for the other
    parameters.
    """
    order = np.argsort(rows)
    provenance = provenance | about(corpus, name, prompt, None if len(rows) == len(corpus.rows) else rows[order])
    target = path(folder, corpus.name, name, prompt.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    columns = {"id": pa.array(corpus.rows["id"].iloc[rows[order]])}
    columns |= {label: pa.array(logp[order, k], pa.float32()) for k, label in enumerate(corpus.labels)}
    failed = np.isnan(logp[order]).any(axis=1)
    columns["failure"] = pa.array([NO_SCORE if fails else None for fails in failed], pa.string())
    stamp(pa.table(columns), target, provenance)
    return target


def about(corpus: Corpus, annotator: str, prompt: Prompt, rows: np.ndarray | None) -> dict:
    """The part of a table's provenance that says what it is about; `rows`, ascending, where it is not all."""
    said = {
        "annotator": annotator,
        "corpus": corpus.name,
        "corpus_hash": corpus.fingerprint,
        "prompt": prompt.name,
        "prompt_hash": prompt.fingerprint,
        "instruction": prompt.shown,
        "labels": list(prompt.labels),
    }
    if rows is not None:
        digest = hashlib.sha256(np.ascontiguousarray(rows, dtype="<i8").tobytes()).hexdigest()
        said["rows"] = {"count": len(rows), "hash": digest}
    return said


def stamp(table: pa.Table, target: Path, provenance: dict) -> None:
    """Put a finished table in its place, with where it came from."""
    provenance = provenance | {"date": datetime.now(UTC).date().isoformat()}
    save(table.replace_schema_metadata({_META: json.dumps(provenance, sort_keys=True)}), target)


def save(table: pa.Table, file: Path) -> None:
    """Write whole or not at all: a reader, or a killed process, never leaves half a file behind."""
    with places.whole(file) as part:
        pq.write_table(table, part, compression="zstd")
