"""Having an annotator write its table: part by part, resumed where it stopped.

While an annotator works, parts are appended to a folder beside the table, each written whole or not at all. The plan of
the parts follows from the texts that are left to annotate and their lengths, so work that was interrupted goes on at
the first missing part and ends in the same numbers.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from tqdm.auto import tqdm

from helpers import annotations, orders, places
from helpers.annotators.scoring import Annotator, Part, Scored, Scores, Spreads
from helpers.corpora import Corpus
from helpers.errors import UserError, first_line
from helpers.prompts import Prompt

#: What the metadata of a part has: the core-seconds that it took.
_TOOK = b"core-seconds"
_TEXTS_PER_PART = 256
_KEPT = "part-kept.parquet"
#: Hexadecimal digits that tell folders of parts from each other, and how they are looked for.
_DIGITS = 12
_HASH = "[0-9a-f]" * _DIGITS
#: Texts that an annotator on this machine fails on, one after the other, until something is wrong with itself.
_HOPELESS = 16
_HARMLESS = "This is a test."
#: Tokens of one batch: enough to keep the matrix units busy, few enough to stay in the processor's caches.
_TOKENS_PER_BATCH = 2048


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
    rows = None if rows is None or len(rows) == len(corpus.rows) else np.unique(rows)
    about = annotations.about(corpus, annotator.name, prompt, rows)
    target = annotations.path(folder, corpus.name, annotator.name, prompt.name)
    annotator.use(prompt)
    provenance = annotator.provenance() | about
    asked = np.arange(len(corpus.rows)) if rows is None else rows
    kept = _kept(corpus, annotator, prompt, asked, target)
    # The plan of the parts follows from the texts that are left.
    made = provenance | {"machine": _digits(provenance)}
    identity = json.dumps([made, kept["row"].to_pylist()] if kept else made, sort_keys=True)
    identity = hashlib.sha256(identity.encode()).hexdigest()
    parts = target.with_name(f".{target.stem}-{identity[:_DIGITS]}")
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
                annotations.save(kept, parts / _KEPT)
                asked = np.setdiff1d(asked, kept["row"].to_numpy())
            _write_parts(corpus, annotator, parts, asked)
            _finish(corpus, parts, target, provenance)
        for left in [parts] if rows is not None else target.parent.glob(f".{target.stem}-{_HASH}"):
            shutil.rmtree(left, ignore_errors=True)  # of a table that holds every row, nobody needs any parts
        Path(lock.lock_file).unlink()
    return target


def _kept(corpus: Corpus, annotator: Annotator, prompt: Prompt, rows: np.ndarray, target: Path) -> pa.Table | None:
    """What need not be asked again, as a part: rows of a table from before others were added to the corpus.

    It must have been made by the very same annotator on the very same kind of machine, for a table says of one that it
    made it all. Rows that failed are tried again.
    """
    for folder in (target.parents[1], places.ROOT / "annotations", places.ledger() / "annotations"):
        file = annotations.path(folder, corpus.name, annotator.name, prompt.name)
        try:
            table = annotations.read(file, corpus, prompt, rows=np.empty(0, int))
        except UserError:
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
        return _made_by(annotator, annotations.read(target, corpus, prompt, rows=rows))
    except UserError:
        return False


def _made_by(annotator: Annotator, table: annotations.Annotations) -> bool:
    """Whether a table is of the very same annotator on the very same kind of machine."""
    here, there = json.loads(json.dumps(annotator.provenance())), table.provenance
    there = there | {"machine": _digits(there)}
    return all(there.get(what) == value for what, value in (here | {"machine": _digits(here)}).items())


def _digits(provenance: dict) -> dict:
    """What of a machine the digits may depend on: all but the number of its cores."""
    return {what: value for what, value in provenance.get("machine", {}).items() if what != "cores"}


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
            annotations.save(pa.table(columns, metadata=took), files[i])
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
    return np.where(finite[:, None], logp, np.nan), [None if ok else annotations.NO_SCORE for ok in finite]


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
    annotations.stamp(
        table.append_column("looks_like_order", pa.array(orders.flags(asked["text"]))), target, provenance
    )


def _part(file: Path) -> pa.Table:
    try:
        return pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{places.shown(file)} is damaged ({first_line(error)}): remove it, and the same command makes it again"
        ) from None
