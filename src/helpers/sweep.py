"""A study's missing runs, trained by a pool of workers: processes on this machine, or a Dask cluster.

Whoever computes, the flow is the same: this process looks up what is missing, sends each run with all that it needs,
and writes each result as it comes. Workers need no access to the ledger, and an interruption loses what is in work and
no more.
"""

import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields
from typing import NamedTuple

from filelock import FileLock, Timeout

from helpers import device, hub, places, pools, progress
from helpers.corpora import Corpus
from helpers.errors import DeadWorkersError, UserError, first_line
from helpers.ledger import Ledger, Record
from helpers.pools import Pool
from helpers.progress import log
from helpers.studies import Run, Study

#: Runs that fail one after the other before a sweep gives up: something is wrong with more than a run.
_ENOUGH = 3
#: Runs that one process has in work at most, each with a lock file of its own open: systems allow 1024 open files.
_MOST_IN_WORK = 800
_KILLED = (
    "the log names the runs that it may have been; what was finished is kept, the same command goes on; fewer "
    "`--workers` of `label-risk run` need less memory"
)


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
        If a run cannot be trained: the others are trained first, unless several fail one after the other, and the
        message names it. If a process was killed, or the pool says that nothing can be trained: then at once.
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
        with (
            pools.reporting_killed(_KILLED),
            pools.Processes(min(workers or device.workers(), len(todo)), shared) as pool,
        ):
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
    trained, failed, left = 0, {}, todo
    live.look(pool.size)
    while left:
        done = _pass(left, ledger, pool, live, failed, of=len(todo))
        trained += done
        left = [run for run in todo if run.key not in ledger and run.key not in failed]
        if not done:  # what is left is in work in another process, if that was not killed meanwhile
            break
    if failed:
        raise _not_trained(failed, len(todo), live)
    return Swept(trained, len(left))


def _not_trained(failed: dict[str, tuple[Run, Exception]], of: int, live: progress.Live) -> UserError:
    run, error = next(iter(failed.values()))
    return UserError(
        f"{len(failed)} of {of} runs cannot be trained, the first is {run}: {first_line(error)}; the log "
        f"{places.shown(live.file)} has more; what was finished is kept, and the same command tries again"
    )


def _pass(
    todo: list[Run],
    ledger: Ledger,
    pool: Pool,
    live: progress.Live,
    failed: dict[str, tuple[Run, Exception]],
    *,
    of: int,
) -> int:
    """Train what no other process is at, once; number of runs that were. What cannot be trained goes into `failed`.

    `of`: how many there are in all.
    """
    locks: dict[str, FileLock] = {}
    done = in_a_row = 0
    try:
        for run, future in pools.flow(pool, _tasks(todo, ledger, locks, live), most=_MOST_IN_WORK):
            try:
                record = future.result()
            except BrokenProcessPool:
                raise
            except Exception as error:
                if isinstance(error, UserError) and not isinstance(error, DeadWorkersError):
                    raise
                failed[run.key] = run, error
                live.failed(run, error)
                in_a_row += not isinstance(error, DeadWorkersError)
                if in_a_row == _ENOUGH:
                    raise _not_trained(failed, of, live) from None
            else:
                ledger.add(record)
                done, in_a_row = done + 1, 0
                live.finished(run, record, pool.size)
            locks.pop(run.key).release()
            live.look(pool.size)
    except BrokenProcessPool:
        log.warning("a process was ended; in work or next: %s", "; ".join(str(r) for r in todo if r.key in locks))
        raise
    finally:
        for lock in locks.values():
            lock.release()
    return done


def _tasks(todo: list[Run], ledger: Ledger, locks: dict[str, FileLock], live: progress.Live) -> Iterator[tuple]:
    """What to send, each run with its lock in `locks`, unless another process has finished it or is at it."""
    for run in todo:
        lock = FileLock(ledger.lock(run.key), blocking=False)
        try:
            lock.acquire()
        except Timeout:
            live.skipped(run)
            continue
        if run.key in ledger:
            lock.release()
            live.skipped(run)
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
