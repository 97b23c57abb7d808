"""Check that what is stored is what the code gives: digests of all, and a random sample computed again.

Training is deterministic on one kind of machine without a GPU. On another kind (other processor, other version of
torch, bfloat16 instead of float32) sums are rounded otherwise, and so they are from time to time on a GPU, which adds
up the gradients of embeddings in the order in which its threads come. A hundred optimiser steps carry that into the
predictions; then a run is compared by what it says and not by its digits.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from helpers import annotations, annotators, device, pools, prompts, sweep
from helpers.annotators import specs
from helpers.errors import UserError
from helpers.ledger import Ledger, Record
from helpers.studies import Run, Study

#: Same machine: what storage as float16 rounds away, and no more.
SAME_MACHINE = 1e-3
#: Another kind of machine: share of test texts that get the same class, at least, and difference in accuracy, at most.
#: Measured between bfloat16 and float32. On one processor, six runs at n = 250 and 500: .979 to .998 of the texts get
#: the same class and accuracy differs by .002 at most, where seeds of one cell agree in .81 to .94. On another one, six
#: shipped runs of the default study at n = 500 to 4190 (`label-risk verify --sample 12 --seed 1`, half of it): .973 to
#: .999, and .007. Of nine more of its runs (those of `--sample 10 --seed 3855829228` that bfloat16 had computed), eight
#: agree in .984 to .999 of the texts; .952 is that of a student of the quarter of the labels that a filter kept.
OTHER_AGREEMENT, OTHER_ACCURACY = 0.95, 0.02
_KILLED = "what was compared stands above; the same `--seed` draws the same runs"
#: Label log-probabilities, in nats, of texts scored in other batches: rounding of float32, and of bfloat16.
NATS = {"float32": 1e-2, "bfloat16": 0.5}


@dataclass(frozen=True)
class Check:
    """Outcome of one comparison."""

    what: str
    ok: bool
    detail: str


def check_any(study: Study, ledger: Ledger, *, again: bool = False) -> None:
    """Refuse to agree where there is nothing to compare: no finished run, or no annotator that computes here.

    Parameters
    ----------
    again
        Whether annotations are to be checked, and not runs.

    Raises
    ------
    UserError
        If there is nothing.
    """
    if again:
        if not any(isinstance(spec, specs.COMPUTING) for spec in study.annotator_specs):
            raise UserError(
                f"nothing to check: no annotator of study {study.name} computes on this machine, and what others said "
                "cannot be computed again"
            )
    elif not any(run.key in ledger for corpus in study.corpus_names for run in study.runs(corpus)):
        raise UserError(
            f"nothing to check: no run of study {study.name} is finished; `label-risk run` trains them, and "
            "LABEL_RISK_LEDGER names another ledger"
        )


def digests(study: Study, ledger: Ledger) -> Iterator[Check]:
    """Compare every finished run of the study with the digest that was stored with it; yields the failures only."""
    for key, run in study.runs_by_key().items():
        if key in ledger:
            record = ledger[key]
            if record.content_digest != record.digest:
                yield Check(f"{run} ({key[:12]})", False, "the stored probabilities are not those that were written")


def sample(study: Study, ledger: Ledger, size: int, *, rng: np.random.Generator, short: bool = False) -> list[Run]:
    """Draw `size` finished runs, all different; with `short`, from the cheapest quarter."""
    runs = [run for key, run in study.runs_by_key().items() if key in ledger]
    pool = sorted(runs, key=lambda run: (run.cost, run.key))
    if short:
        pool = pool[: max(size, len(pool) // 4)]
    return [pool[i] for i in rng.permutation(len(pool))[:size]]


def retrain(runs: list[Run], ledger: Ledger) -> Iterator[Check]:
    """Train `runs` again, in as many processes as a sweep would, and compare with the ledger."""
    if not runs:
        return
    device.compute_type()  # before workers measure it, all at the same time
    with pools.reporting_killed(_KILLED), pools.Processes(min(device.workers(), len(runs))) as pool:
        for run, fresh in zip(runs, pool.map(sweep.train, runs), strict=True):
            yield compare(run, ledger[run.key], fresh)


def compare(run: Run, stored: Record, fresh: Record) -> Check:
    """Compare a run that was trained again with what is stored of it."""
    name = f"{run} ({run.key[:12]})"
    before, now = stored.probs.astype(float), fresh.probs.astype(float)
    if before.shape != now.shape:
        return Check(name, False, f"stored for {before.shape} texts and labels, trained again for {now.shape}")
    apart = float(np.abs(before - now).max())
    by_gpu = not fresh.environment["device"].startswith("cpu")
    if device.same_kind(stored.environment, fresh.environment) and not by_gpu:
        return Check(name, apart <= SAME_MACHINE, f"largest difference {apart:.1e}, allowed {SAME_MACHINE:.0e}")
    gold = run.corpus.gold[run.corpus.test]
    same = float((before.argmax(1) == now.argmax(1)).mean())
    right, was_right = ((probs.argmax(1) == gold).sum() for probs in (now, before))
    shift = float(right - was_right) / len(gold)  # of counts: a difference of shares is rounded past the limit
    return Check(
        name,
        same >= OTHER_AGREEMENT and abs(shift) <= OTHER_ACCURACY,
        f"{'a GPU' if by_gpu else 'another kind of machine'}: {same:.1%} of the predictions agree (at least "
        f"{OTHER_AGREEMENT:.0%}), accuracy {shift:+.3f} (at most {OTHER_ACCURACY})",
    )


def annotate_again(study: Study, size: int, *, rng: np.random.Generator) -> Iterator[Check]:
    """Score `size` random texts with each annotator again and compare with the tables.

    They are spread over the corpora, and over the wordings of the prompt that the study reads.
    """
    for spec in study.annotator_specs:
        name = spec.name
        if not isinstance(spec, specs.COMPUTING):
            yield Check(name, True, "a server or a file said it: it cannot be computed again here")
            continue
        annotator = None  # there may not be room for two
        annotator = annotators.load(spec)
        for corpus_name, share in zip(study.corpus_names, _shares(size, len(study.corpora)), strict=True):
            corpus = study.corpus(corpus_name)
            needed = study.needed_rows(corpus)
            asked = {study.prompt: name} | {wording: f"{name}@{wording}" for wording in study.wordings}
            read = {wording: needed[table] for wording, table in asked.items() if table in needed}
            for (wording, rows), texts in zip(read.items(), _shares(share, len(read)), strict=True):
                if not texts:
                    continue
                prompt = prompts.render(corpus, wording)
                table = annotations.lookup(corpus, name, prompt, rows=rows, spec=spec)
                allowed = max(NATS[annotator.compute], NATS[table.provenance["compute"]])
                annotator.use(prompt)
                held = np.setdiff1d(np.flatnonzero(np.isfinite(table.logp).all(axis=1)), [*table.failures])
                for row in rng.choice(held, min(texts, len(held)), replace=False):
                    fresh = annotator.score([corpus.rows["text"].iloc[row]])[0]
                    apart = float(np.abs(fresh - table.logp[row]).max())
                    what = f"{name} on {corpus_name} with {wording}, id {corpus.rows['id'].iloc[row]!r}"
                    yield Check(what, apart <= allowed, f"largest difference {apart:.1e} nats, allowed {allowed}")


def _shares(total: int, parts: int) -> list[int]:
    return [total // parts + (i < total % parts) for i in range(parts)]
