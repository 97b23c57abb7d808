"""A study's missing runs, trained by processes on this machine.

Each worker process computes with one thread: two single-thread processes train faster than one process with two
threads, and the result of a run does not depend on the number of cores.
"""

import multiprocessing
import multiprocessing.connection
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from helpers import device
from helpers.ledger import Ledger, Record
from helpers.studies import Run, Study


def missing(study: Study, ledger: Ledger, *, corpora: list[str] | None = None) -> list[Run]:
    """Runs of `study` that `ledger` does not hold, each content once, in the order of the grid."""
    found: dict[str, Run] = {}
    for corpus in corpora or study.corpus_names:
        for run in study.runs(corpus):
            if run.key not in ledger:
                found.setdefault(run.key, run)
    return list(found.values())


def run(study: Study, ledger: Ledger, *, corpora: list[str] | None = None, workers: int | None = None) -> int:
    """Train the missing runs of `study`; an interruption loses at most the runs in work.

    Returns
    -------
    int
        Number of runs trained by this call.
    """
    todo = missing(study, ledger, corpora=corpora)
    if not todo:
        return 0
    done = 0
    with (
        # Bar in units of work, not of runs: a run at n = 2000 takes several times as long as one at 250.
        tqdm(total=sum(r.cost for r in todo), unit="text", unit_scale=True, desc=f"run {study.name}") as bar,
        processes(min(workers or device.cores(), len(todo))) as pool,
    ):
        futures = {pool.submit(_train, study, r.corpus.name, r.key, ledger): r for r in todo}
        try:
            for future in as_completed(futures):
                done += future.result()
                bar.set_postfix_str(str(futures[future]))
                bar.update(futures[future].cost)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return done


def train(run: Run) -> Record:
    """Train one run here and now."""
    from helpers import students

    start = time.perf_counter()
    probs = students.train(run.student, run.corpus, run.made.rows, run.made.targets, seed=run.seed)
    seconds = time.perf_counter() - start
    environment = device.describe() | {"compute": device.compute_type()}
    return Record(run.key, run.specification, probs.astype("float16"), round(seconds, 2), environment)


def processes(count: int) -> ProcessPoolExecutor:
    """Make a pool of worker processes that compute with one thread each and end when this process does."""
    # Workers are spawned and not forked: threads of torch do not survive a fork.
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare)


def _prepare() -> None:
    import torch

    torch.set_num_threads(1)
    device.keep_memory()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work forever."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _train(study: Study, corpus: str, key: str, ledger: Ledger) -> bool:
    """In a worker: train the run of `key` unless another process has it, or is at it."""
    try:
        with FileLock(ledger.lock(key), blocking=False):
            if key in ledger:
                return False
            ledger.add(train(_runs(study.model_dump_json(), corpus)[key]))
            return True
    except Timeout:
        return False


@lru_cache(maxsize=2)
def _runs(study: str, corpus: str) -> dict[str, Run]:
    """A worker finds its runs itself: sending texts to it would take longer."""
    return {run.key: run for run in Study.model_validate_json(study).runs(corpus)}
