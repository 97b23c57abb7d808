"""A study's missing runs, trained by a pool of workers: processes on this machine, or a Dask cluster.

Whoever computes, the flow is the same: this process looks up what is missing, sends each run with all that it needs,
and writes each result as it comes. Workers need no access to the ledger, and an interruption loses what is in work and
no more.
"""

import time
from collections.abc import Iterator
from dataclasses import fields
from typing import NamedTuple

from filelock import FileLock, Timeout

from helpers import device, hub, pools, progress
from helpers.corpora import Corpus
from helpers.errors import DeadWorkersError, UserError
from helpers.ledger import Ledger, Record
from helpers.pools import Pool
from helpers.studies import Run, Study

#: Runs that one process has in work at most, each with a lock file of its own open: systems allow 1024 open files.
_MOST_IN_WORK = 800


class Swept(NamedTuple):
    """Number of runs that a sweep trained, and that are left, because another process has them in work."""

    trained: int
    left: int


def run(
    study: Study,
    ledger: Ledger,
    *,
    corpora: list[str] | None = None,
    workers: int | None = None,
    pool: Pool | None = None,
) -> Swept:
    """Train the missing runs of `study`; an interruption loses at most the runs in work.

    Parameters
    ----------
    workers
        Number of processes on this machine, by default `device.workers`.
    pool
        Who trains, instead of processes on this machine. It is left open.

    Raises
    ------
    UserError
        If workers died of a run: the others are trained first, and the message names it. Or if the pool says that
        nothing can be trained: then at once.
    """
    runs = study.runs_by_key(corpora)
    todo = [run for key, run in runs.items() if key not in ledger]
    if not todo:
        return Swept(0, 0)
    with progress.Live(study, runs, todo, ledger) as live:
        if pool is not None:
            return _run(todo, ledger, pool, live)
        device.compute_type()  # measured once, before workers do so all at the same time
        shared = {(run.corpus.name, run.corpus.part): run.corpus for run in todo}.values()
        with pools.mourned(), pools.Processes(min(workers or device.workers(), len(todo)), shared) as pool:
            return _run(todo, ledger, pool, live)


def train(run: Run) -> Record:
    """Train one run here and now."""
    from helpers import students
    from helpers.students import encoders

    start = time.perf_counter()
    probs = students.train(run.student, run.corpus, run.made.rows, run.made.targets, seed=run.seed)
    seconds = time.perf_counter() - start
    environment = device.describe() | {"compute": device.compute_type()}
    if commit := hub.commit(encoders.folder(run.student.encoder)):
        environment["encoder_commit"] = commit
    return Record(run.key, run.specification, probs.astype("float16"), round(seconds, 2), environment)


def _run(todo: list[Run], ledger: Ledger, pool: Pool, live: progress.Live) -> Swept:
    locks: dict[str, FileLock] = {}
    done, died = 0, []
    live.look(pool.size)
    try:
        for run, future in pools.flow(pool, _tasks(todo, ledger, locks), most=_MOST_IN_WORK):
            try:
                record = future.result()
            except DeadWorkersError as error:
                died.append(run)
                live.failed(run, error)
            else:
                ledger.add(record)
                done += 1
                live.finished(run, record, pool.size)
            locks.pop(run.key).release()
            live.look(pool.size)
    finally:
        for lock in locks.values():
            lock.release()
    if died:
        raise UserError(
            f"workers died of {len(died)} of {len(todo)} runs, the first is {died[0]}: look into their logs, most "
            "often it is memory; the other runs are in the ledger, and the same command tries again"
        )
    return Swept(done, sum(run.key not in ledger for run in todo))


def _tasks(todo: list[Run], ledger: Ledger, locks: dict[str, FileLock]) -> Iterator[tuple]:
    """What to send, each run with its lock in `locks`, unless another process has finished it or is at it."""
    for run in todo:
        lock = FileLock(ledger.lock(run.key), blocking=False)
        try:
            lock.acquire()
        except Timeout:
            continue
        if run.key in ledger:
            lock.release()
            continue
        locks[run.key] = lock
        # The corpus is an argument of its own: a pool sends it to a worker once, and not with every run.
        yield run, _train, (run.key, *(getattr(run, field.name) for field in fields(Run)))


def _train(key: str, corpus: Corpus, *rest) -> Record:
    """In a worker: train the run that whoever sent it calls `key`."""
    run = Run(corpus, *rest)
    # The key covers texts, targets, encoder and the version of the training code: here they are this worker's.
    if run.key != key:
        raise UserError(
            f"{run}: a worker would train another run than was asked for, its encoder {run.student.encoder} or its "
            "training code is not the same: bring the workers to the same commit and the same files"
        )
    return train(run)
