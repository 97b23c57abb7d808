"""The table that annotators write: one log-probability per label for every text, with where it came from.

A finished table is one parquet file, `<corpus>/<annotator>.<prompt>.parquet`: the id of each row, a column a label, the
reason where a row failed, whether its text looks like an order to a language model (`helpers.orders`; older tables lack
that column, and nothing here reads it), and the provenance in the file's metadata. It holds no text. Tables are looked
for in the repository (`annotations/`, which is what the book replays) and then in the user's ledger.

While an annotator works, parts are appended to a folder beside the table, each written whole or not at all. The plan of
the parts follows from the texts that are left to annotate and their lengths, so work that was interrupted goes on at
the first missing part and ends in the same numbers.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from tqdm.auto import tqdm

from helpers import orders, places
from helpers.annotators import origin, specs
from helpers.annotators.scoring import Annotator, Part, Scored, Scores, Spreads
from helpers.corpora import Corpus
from helpers.corpora.classes import RESERVED
from helpers.errors import UserError, first_line
from helpers.prompts import Prompt

#: How the names of wordings end whose tables no annotator wrote, but a classifier of its labels: `helpers.crossfit`.
CROSSFIT = "-crossfit"

_META = b"label-risk"
#: What the metadata of a part has beside: the core-seconds that it took.
_TOOK = b"core-seconds"
_TEXTS_PER_PART = 256
_KEPT = "part-kept.parquet"
#: Texts that an annotator on this machine fails on, one after the other, until something is wrong with itself.
_HOPELESS = 16
_HARMLESS = "This is a test."
_NO_SCORE = "the model gave a score that is not a number"
#: Tokens of one batch: enough to keep the matrix units busy, few enough to stay in the processor's caches.
_TOKENS_PER_BATCH = 2048


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


def annotate(
    corpus: Corpus,
    annotator: Scores | Spreads,
    prompt: Prompt,
    *,
    folder: Path,
    rows: np.ndarray | None = None,
) -> Path:
    """Annotate rows of `corpus` and write the finished table; go on where an earlier call stopped.

    Of a table from before rows were added to the corpus, the other rows are kept. One that is there already stays.

    Parameters
    ----------
    folder
        The table goes to `<folder>/<corpus>/<annotator>.<prompt>.parquet`.
    rows
        Positions of the rows to annotate; all of them by default. The table then says in its provenance that it is
        not whole.

    Returns
    -------
    Path
        The finished table.

    Raises
    ------
    UserError
        If another process is annotating the same table, of these or of other rows, or a label has the name of another
        column of it.
    """
    _check_labels(corpus, prompt)
    target = path(folder, corpus.name, annotator.name, prompt.name)
    annotator.use(prompt)
    rows = None if rows is None or len(rows) == len(corpus.rows) else np.unique(rows)
    provenance = annotator.provenance() | _provenance(corpus, annotator.name, prompt, rows)
    asked = np.arange(len(corpus.rows)) if rows is None else rows
    kept = _kept(corpus, annotator, prompt, asked, target)
    # The plan of the parts follows from the texts that are left.
    made = provenance | {"machine": _digits(provenance)}
    identity = json.dumps([made, kept["row"].to_pylist()] if kept else made, sort_keys=True)
    identity = hashlib.sha256(identity.encode()).hexdigest()
    parts = target.with_name(f".{target.stem}-{identity[:12]}")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Of the table and not of these parts: whoever makes it of other rows would put another one in its place.
    lock = FileLock(target.with_name(f".{target.stem}.lock"), blocking=False)
    try:
        held = lock.acquire()
    except TimeoutError:
        raise UserError(f"another process is writing {places.shown(target)}: wait for it, or stop it") from None
    with held:
        if not _is_there(corpus, annotator, prompt, rows, target):
            parts.mkdir(exist_ok=True)
            if kept:
                _write(kept, parts / _KEPT)
                asked = np.setdiff1d(asked, kept["row"].to_numpy())
            _write_parts(corpus, annotator, parts, asked)
            _finish(corpus, parts, target, provenance)
            shutil.rmtree(parts)
        Path(lock.lock_file).unlink()
    return target


def _kept(corpus: Corpus, annotator: Annotator, prompt: Prompt, rows: np.ndarray, target: Path) -> pa.Table | None:
    """What need not be asked again, as a part: rows of a table from before others were added to the corpus.

    It must have been made by the very same annotator on the very same kind of machine, for a table says of one that it
    made it all. Rows that failed are tried again.
    """
    for folder in (target.parents[1], places.ROOT / "annotations", places.ledger() / "annotations"):
        file = path(folder, corpus.name, annotator.name, prompt.name)
        try:
            table = read(file, corpus, prompt, rows=np.empty(0, int))
        except (OSError, pa.ArrowException, UserError):
            continue  # there is none, or it is of other texts
        if _made_by(annotator, table) and table.held is not None and "rows" not in table.provenance:
            known = rows[table.held[rows] & ~np.isnan(table.logp[rows]).any(axis=1)]
            columns = {"row": pa.array(known)}
            columns |= {label: pa.array(table.logp[known, k], pa.float32()) for k, label in enumerate(corpus.labels)}
            return pa.table(columns | {"failure": pa.nulls(len(known), pa.string())}) if len(known) else None
    return None


def _is_there(corpus: Corpus, annotator: Annotator, prompt: Prompt, rows: np.ndarray | None, target: Path) -> bool:
    """Whether another process finished the table while the annotator was loading, which may take minutes."""
    try:
        return _made_by(annotator, read(target, corpus, prompt, rows=rows))
    except (OSError, UserError):
        return False


def _made_by(annotator: Annotator, table: Annotations) -> bool:
    """Whether a table is of the very same annotator on the very same kind of machine."""
    here, there = json.loads(json.dumps(annotator.provenance())), table.provenance
    there = there | {"machine": _digits(there)}
    return all(there.get(what) == value for what, value in (here | {"machine": _digits(here)}).items())


def _digits(provenance: dict) -> dict:
    """What of a machine the digits may depend on: all but the number of its cores."""
    return {what: value for what, value in provenance.get("machine", {}).items() if what != "cores"}


def write(
    corpus: Corpus, name: str, prompt: Prompt, logp: np.ndarray, *, folder: Path, rows: np.ndarray, provenance: dict
) -> Path:
    """Write a table whose log-probabilities are there already, float (rows, labels) in the order of `rows`, or nan.

    `provenance` says how they were made; what it is about is added. See `annotate` for the other parameters.
    """
    _check_labels(corpus, prompt)
    target = path(folder, corpus.name, name, prompt.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    order = np.argsort(rows)
    columns = {"id": pa.array(corpus.rows["id"].iloc[rows[order]])}
    columns |= {label: pa.array(logp[order, k], pa.float32()) for k, label in enumerate(corpus.labels)}
    failed = np.isnan(logp[order]).any(axis=1)
    columns["failure"] = pa.array([_NO_SCORE if fails else None for fails in failed], pa.string())
    partial = None if len(rows) == len(corpus.rows) else rows[order]
    _stamp(pa.table(columns), target, provenance | _provenance(corpus, name, prompt, partial))
    return target


def _check_labels(corpus: Corpus, prompt: Prompt) -> None:
    if taken := RESERVED & set(prompt.labels):
        raise UserError(
            f"{corpus.name}: a label cannot be called {min(taken)!r}, the table of annotations has a column of that "
            "name; give it another with `labels`"
        )


def _provenance(corpus: Corpus, annotator: str, prompt: Prompt, rows: np.ndarray | None) -> dict:
    """What a table is about; `rows` (sorted) where it is not all."""
    about = {
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
        about["rows"] = {"count": len(rows), "hash": digest}
    return about


def _plan(lengths: np.ndarray) -> list[list[np.ndarray]]:
    """Parts as lists of batches as arrays of row positions; the texts of a batch have one length."""
    if not len(lengths):
        return []
    parts: list[list[np.ndarray]] = [[]]
    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        size = max(1, _TOKENS_PER_BATCH // max(1, int(lengths[same[0]]) + 8))
        for start in range(0, len(same), size):
            if sum(map(len, parts[-1])) >= _TEXTS_PER_PART:
                parts.append([])
            parts[-1].append(same[start : start + size])
    return parts


def _write_parts(corpus: Corpus, annotator: Scores | Spreads, folder: Path, rows: np.ndarray) -> None:
    texts = corpus.rows["text"].iloc[rows].tolist()
    lengths = annotator.lengths(texts)
    missing = {}
    for number, plan in enumerate(_plan(lengths), start=int((folder / _KEPT).exists())):
        file = folder / f"part-{number:05}.parquet"
        if not file.exists():
            batches = [[texts[i] for i in batch] for batch in plan]
            where = [rows[batch] for batch in plan]
            missing[file] = Part(where, batches, [int(lengths[batch[0]]) for batch in plan], number)
    files, parts = list(missing), list(missing.values())
    done = int(lengths.sum()) - sum(part.size for part in parts)
    # Time goes with tokens, not with texts: the time left is right although short texts come first.
    with tqdm(
        total=int(lengths.sum()),
        initial=done,
        unit="token",
        unit_scale=True,
        desc=f"{annotator.name}: {corpus.name}",
    ) as bar:
        if hasattr(annotator, "spread"):
            made = annotator.spread(parts)
        else:
            made = ((i, score(annotator, part, len(corpus.labels), bar.update)) for i, part in enumerate(parts))
        for i, scored in made:
            columns = {"row": pa.array(np.concatenate(parts[i].rows))}
            columns |= {label: pa.array(scored.logp[:, k], pa.float32()) for k, label in enumerate(corpus.labels)}
            columns["failure"] = pa.array(scored.failures, pa.string())
            took = {} if np.isnan(scored.core_seconds) else {_TOOK: str(scored.core_seconds)}
            _write(pa.table(columns, metadata=took), files[i])
            done += parts[i].size
            bar.update(done - bar.n)  # nothing where the batches were counted


def score(annotator: Scores, part: Part, n_labels: int, tick: Callable[[int], object] = lambda _: None) -> Scored:
    """Score one part.

    Parameters
    ----------
    tick
        Called after each batch with the sum of its lengths.

    Raises
    ------
    UserError
        If the annotator fails on one text after the other, and on a harmless one: then it is not the texts.
    """
    logp = np.full((sum(map(len, part.texts)), n_labels), np.nan)
    failures: list[str | None] = [None] * len(logp)
    start, failed, began = 0, 0, time.perf_counter()
    for batch in _joined(part, annotator):
        texts = [text for texts, _ in batch for text in texts]
        rows = slice(start, start + len(texts))
        # Lengths ascend, and those that cannot be annotated are in batches of their own.
        logp[rows], failures[rows] = _score(annotator, texts, batch[-1][1], n_labels)
        for reason in failures[rows] if 0 < batch[-1][1] <= annotator.room else ():
            failed = failed + 1 if reason else 0
            if failed == _HOPELESS:
                _, [still] = _score(annotator, [_HARMLESS], 1, n_labels)
                if still:
                    raise UserError(
                        f"annotator {annotator.name} failed on {failed} texts one after the other, the last time with: "
                        f"{reason}. What it labelled before is kept, and the same command goes on from there"
                    )
                failed = 0  # neighbours are as long as each other: a device may be too small for all of them
        start += len(texts)
        tick(sum(length * len(texts) for texts, length in batch))
    return Scored(logp, failures, (time.perf_counter() - began) * annotator.cores)


def _joined(part: Part, annotator: Scores) -> Iterator[list[tuple[list[str], int]]]:
    """Neighbouring batches of a part with their lengths, together as large as the annotator takes at once.

    The plan of the parts, and so what an interrupted table has, does not depend on it.
    """
    batch: list[tuple[list[str], int]] = []
    for texts, length in zip(part.texts, part.lengths, strict=True):
        padded = length * (len(texts) + sum(len(others) for others, _ in batch))
        if batch and (padded > annotator.at_once or not batch[-1][1] or length > annotator.room):
            yield batch
            batch = []
        batch.append((texts, length))
    yield batch


def _score(annotator: Scores, texts: list[str], length: int, n_labels: int) -> tuple[np.ndarray, list[str | None]]:
    """Scores of one batch, or the reason why there are none; what fails together is tried one by one."""
    nothing = np.full((len(texts), n_labels), np.nan)
    if not length:
        return nothing, ["the text is empty"] * len(texts)
    if length > annotator.room:
        return nothing, [f"the text has {length} tokens, the model has room for {annotator.room}"] * len(texts)
    try:
        logp = annotator.score(texts)
    except (RuntimeError, ValueError) as error:
        if len(texts) == 1:
            return nothing, [first_line(error)]
        alone = [_score(annotator, [text], length, n_labels) for text in texts]
        return np.concatenate([scores for scores, _ in alone]), [reasons[0] for _, reasons in alone]
    finite = np.isfinite(logp).all(axis=1)
    return np.where(finite[:, None], logp, np.nan), [None if ok else _NO_SCORE for ok in finite]


def _finish(corpus: Corpus, parts: Path, target: Path, provenance: dict) -> None:
    """Join the parts in the order of the corpus, with the provenance, and put the table in its place."""
    tables = [_part(file) for file in sorted(parts.glob("part-*.parquet"))]
    if timed := [table for table in tables if _TOOK in (table.schema.metadata or {})]:
        seconds = sum(float(table.schema.metadata[_TOOK]) for table in timed)
        took = {"texts": sum(map(len, timed)), "core_seconds": round(seconds, 3)}
        provenance = provenance | {"took": took}
    table = pa.concat_tables(tables).sort_by("row")
    asked = corpus.rows.iloc[table["row"].to_numpy()]
    table = table.drop_columns("row").add_column(0, "id", pa.array(asked["id"]))
    _stamp(table.append_column("looks_like_order", pa.array(orders.flags(asked["text"]))), target, provenance)


def _part(file: Path) -> pa.Table:
    try:
        return pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{places.shown(file)} is damaged ({first_line(error)}): remove it, and the same command makes it again"
        ) from None


def _stamp(table: pa.Table, target: Path, provenance: dict) -> None:
    """Put a finished table in its place, with where it came from."""
    provenance = provenance | {"date": datetime.now(UTC).date().isoformat()}
    _write(table.replace_schema_metadata({_META: json.dumps(provenance, sort_keys=True)}), target)


def _write(table: pa.Table, file: Path) -> None:
    """Write whole or not at all: a reader, or a killed process, never leaves half a file behind."""
    with places.whole(file) as part:
        pq.write_table(table, part, compression="zstd")
