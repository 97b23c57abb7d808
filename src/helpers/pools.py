"""Pools of workers: what a sweep asks of one, and processes on this machine. A Dask cluster is another one (`cluster`).

Each worker computes with one thread: two single-thread processes train faster than one process with two threads, and
the result of a run does not depend on the number of cores.
"""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol

from helpers import device
from helpers.corpora import Corpus
from helpers.errors import UserError

#: Seconds after which the number of workers is looked at again although no task has ended.
_LOOK = 2.0


#: What a corpus is called between processes: its name, and which fold it is.
Label = tuple[str, int | None]


class Pool(Protocol):
    """An executor of `concurrent.futures` that knows its workers."""

    @property
    def size(self) -> int:
        """Number of tasks that can be computed at once, now; workers may come and go."""

    @property
    def room(self) -> int:
        """Number of tasks that should be with the workers, waiting ones included."""

    def submit(self, function: Callable, /, *args) -> Future:
        """As in `concurrent.futures.Executor`."""


def flow(pool: Pool, tasks: Iterable[tuple[Any, Callable, tuple]], *, most: int | None = None) -> Iterator[tuple]:
    """Send tasks as there is room for them, and yield them as they end.

    Parameters
    ----------
    tasks
        Name, function and arguments of each. The next one is asked for when there is room for it.
    most
        Tasks that are with the workers at most, however many there are.

    Yields
    ------
    (Any, Future)
        Name, and a future that is done.
    """
    tasks, in_work = iter(tasks), {}
    while True:
        while len(in_work) < min(max(1, pool.room), most or len(in_work) + 1) and (task := next(tasks, None)):
            name, function, args = task
            in_work[pool.submit(function, *args)] = name
        if not in_work:
            return
        # Those that failed last: who stops at one has all the others.
        for future in sorted(wait(in_work, _LOOK, return_when=FIRST_COMPLETED).done, key=_failed):
            yield in_work.pop(future), future


def _failed(future: Future) -> bool:
    return future.cancelled() or future.exception() is not None


@contextmanager
def reporting_killed(what_now: str) -> Iterator[None]:
    """Say in one line that a process of a pool was killed, which is the end of the pool, and what can be done."""
    try:
        yield
    except BrokenProcessPool:
        raise UserError(f"a worker process was ended from outside, perhaps for want of memory: {what_now}") from None


class Processes(ProcessPoolExecutor):
    """Worker processes on this machine that end when this process does.

    Parameters
    ----------
    corpora
        Given to each worker once: a task that has one of them as an argument does not carry it.
    settle
        What each worker does first.
    """

    def __init__(
        self, count: int, corpora: Iterable[Corpus] = (), *, settle: Callable[[], None] = device.compute_alone
    ):
        self.size = count
        self.room = 2 * count  # one waits for each that is computed: no worker is idle while a result is written
        shared = {_label(corpus): corpus for corpus in corpora}
        self._shared = set(shared)
        # Workers are spawned and not forked: threads of torch do not survive a fork.
        super().__init__(
            count, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare, initargs=(shared, settle)
        )

    def submit(self, function: Callable, /, *args) -> Future:
        """As in `concurrent.futures.Executor`, without keyword arguments."""
        known = [isinstance(arg, Corpus) and _label(arg) in self._shared for arg in args]
        return super().submit(
            _call, function, known, *(_label(arg) if k else arg for arg, k in zip(args, known, strict=True))
        )

    def __exit__(self, kind, *_) -> None:
        """Do not wait for results that nobody will use: Python itself would, before it ends."""
        unwanted = [] if kind is None else list((self._processes or {}).values())
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)
        for process in unwanted:
            process.terminate()


def _label(corpus: Corpus) -> Label:
    return corpus.name, corpus.part


# --- what worker processes do

_corpora: dict[Label, Corpus] = {}


def _prepare(corpora: dict[Label, Corpus], settle: Callable[[], None]) -> None:
    _corpora.update(corpora)
    settle()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _call(function: Callable, known: list[bool], *args):
    return function(*(_corpora[arg] if k else arg for arg, k in zip(args, known, strict=True)))


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work forever."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
