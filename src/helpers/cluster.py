"""A Dask cluster as a pool of workers: all that is Dask's is in this file, which is read only when it is asked for.

What Dask does: it places tasks, starts those of a dead worker on another, and gives up on a task of which too many
workers have died. What is added here:

- Workers are asked what they run before they get work, and each one again with each task, since workers come late.
- A corpus is sent to the scheduler once and fetched once by a worker. It is sent as a task and not as data, so it is
  made again if the worker that holds it dies.
- When the scheduler is lost, everything that has no result is sent again to the one that takes its place.
"""

import gc
import hashlib
import logging
import math
import pickle
import threading
import time
import traceback
import uuid
import warnings
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from platform import python_version

from distributed import Client, get_worker
from distributed.client import ClosedClientError
from distributed.scheduler import KilledWorker
from distributed.versions import VersionMismatchWarning

from helpers import device, students
from helpers.corpora import Corpus
from helpers.errors import DeadWorkersError, UserError, first_line
from helpers.progress import log

#: Packages whose versions are part of the numbers, or of what client, scheduler and workers say to each other.
_SAME = ("dask", "distributed", "numpy", "safetensors", "tokenizers", "torch", "transformers")
_CONNECT = 10.0
#: Seconds that a lost scheduler is waited for.
PATIENCE = 300.0
_ANSWER = 1.0  # seconds for which the number of workers, once asked, is taken to be right
_GO_ON = "what was finished is kept, and the same command goes on from there"


class Cluster(Executor):
    """Workers of a Dask scheduler.

    Futures are those of `concurrent.futures`. They outlive the scheduler: a result arrives, or an exception that says
    why there is none.

    Parameters
    ----------
    address
        Of the scheduler, `tcp://host:port` or `tls://host:port`.
    resources
        What a task needs of its worker, as the worker's `--resources` name it, for example `{"GPU": 1}`.
    patience
        Seconds that a lost scheduler is waited for.

    Raises
    ------
    UserError
        If no scheduler answers, or a worker has other code or other versions, or more than one thread.
    """

    def __init__(self, address: str, *, resources: dict[str, float] | None = None, patience: float = PATIENCE):
        self.address, self.resources, self._patience = address, resources or {}, patience
        # Dask tells of a lost scheduler at length, each part of it for itself; here it is one line.
        for part in ("distributed", "distributed.client"):
            logging.getLogger(part).setLevel(logging.CRITICAL)
        warnings.simplefilter("ignore", VersionMismatchWarning)  # checked below, and more strictly
        self._lock = threading.RLock()
        self._work: dict[Future, tuple[Callable, tuple]] = {}
        self._sent: dict[Future, object] = {}  # Dask's futures; dropping one cancels its task
        self._shared: dict[int, tuple[Corpus, object]] = {}
        self._closing = False
        self._size, self._asked = 0, float("-inf")
        try:
            self._client = _connect(address, _CONNECT)
        except (OSError, ValueError, TypeError) as error:  # the last where tls:// is not configured
            raise UserError(
                f"no Dask scheduler answers at {address}: {first_line(error)}; start one with `dask scheduler`"
            ) from None
        try:
            self._check()
        except BaseException:
            self._client.close()
            raise

    @property
    def size(self) -> int:
        """Number of workers that can be given a task, now."""
        if time.monotonic() - self._asked > _ANSWER and self._lock.acquire(blocking=False):
            try:
                with suppress(OSError, RuntimeError, ValueError, ClosedClientError):  # lost, or being lost
                    self._size = len(self._suitable())
                self._asked = time.monotonic()
            finally:
                self._lock.release()
        return self._size

    def _suitable(self) -> list[str]:
        """Addresses of the workers that offer what a task needs."""
        if not self.resources:
            return list(self._client.nthreads())  # the shorter answer
        return [
            address
            for address, worker in self._client.scheduler_info(n_workers=-1)["workers"].items()
            if all(worker["resources"].get(name, 0) >= amount for name, amount in self.resources.items())
        ]

    @property
    def room(self) -> int:
        """As many tasks as workers: one that waits behind a deadly one would be suspected with it."""
        return self.size

    def submit(self, function: Callable, /, *args) -> Future:
        """Have a worker compute `function(*args)`; what an argument is must be known there, and corpora are shared."""
        future = Future()
        with self._lock:
            self._work[future] = function, args
            self._send(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, after the last result or, with `cancel_futures`, at once."""
        if wait and not cancel_futures:
            futures.wait(list(self._work))
        self._closing = True
        for future in list(self._work):
            future.cancel()
        self._work.clear()
        with suppress(OSError, TimeoutError):
            self._client.close(timeout=5)

    def __exit__(self, kind, *_) -> None:
        """Do not wait for results that nobody will use."""
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def _send(self, future: Future) -> None:
        function, args = self._work[future]
        try:
            sent = self._client.submit(
                _compute,
                about(),
                function,
                *map(self._share, args),
                key=f"{function.__module__}.{function.__qualname__}-{uuid.uuid4()}",
                resources=self.resources or None,
                pure=False,
            )
        except (OSError, RuntimeError, ClosedClientError):  # the scheduler is gone, and Dask has given it up
            self._mend()
            return
        self._sent[future] = sent
        sent.add_done_callback(lambda sent: self._arrived(future, sent))

    def _share(self, value):
        """A corpus becomes the name of a task that gives it; a worker that has it does not get it again."""
        if not isinstance(value, Corpus):
            return value
        if id(value) not in self._shared:
            digest = hashlib.sha256(pickle.dumps(value)).hexdigest()
            key = f"corpus-{value.name}-{digest[:16]}"
            task = self._client.submit(_itself, value, key=key, resources=self.resources or None)
            self._shared[id(value)] = value, task
        return self._shared[id(value)][1]

    def _arrived(self, future: Future, sent) -> None:
        """In the one thread in which Dask calls back: pass on what came of a task."""
        if self._closing or self._sent.get(future) is not sent:  # it has been sent again since
            return
        result = error = None
        try:
            if sent.status != "cancelled":
                result = sent.result()
        except KilledWorker as killed:
            died = f"{killed.allowed_failures + 1} workers died while they computed it"
            error = DeadWorkersError(f"{died}: look into their logs, most often it is memory")
        except (ImportError, AttributeError) as missing:
            error = _no_label_risk("a worker", missing)
        except BaseException as raised:  # a cancelled task is no `Exception`
            error = raised
        if sent.status == "cancelled":
            self._mend()
            return
        with self._lock:
            self._sent.pop(future, None)
            if self._work.pop(future, None) is None:  # given up meanwhile
                return
        if future.set_running_or_notify_cancel():
            future.set_exception(error) if error else future.set_result(result)

    def _mend(self) -> None:
        """Find the scheduler again and send it what has no result yet, or end all of that with an error."""
        with self._lock:
            self._sent.clear()
            self._shared.clear()
            error = None
            if not self._closing:
                log.warning("the scheduler at %s is lost: waiting for it for %d s", self.address, self._patience)
                try:
                    error = self._reconnect()
                except Exception as unforeseen:  # in Dask's own thread nobody would see it, and all would wait on
                    error = unforeseen
            if error or self._closing:
                lost, self._work = self._work, {}
                for future in lost:
                    if future.set_running_or_notify_cancel():
                        future.set_exception(error or UserError(f"the connection to {self.address} was closed"))
                return
            log.warning("the scheduler is back: %d tasks are sent again", len(self._work))
            for future in list(self._work):
                if future in self._work and future not in self._sent:  # it may be lost, and sent, once more meanwhile
                    self._send(future)

    def _reconnect(self) -> UserError | None:
        with suppress(Exception):  # whatever is wrong with it
            self._client.close(timeout=1)
        deadline = time.monotonic() + self._patience
        while not self._closing:
            try:
                self._client = _connect(self.address, min(_CONNECT, self._patience))
                self._check()
                return None
            except UserError as error:
                return error
            except (OSError, RuntimeError, ValueError, ClosedClientError):
                if time.monotonic() > deadline:
                    return UserError(
                        f"the scheduler at {self.address} is lost and did not come back within "
                        f"{self._patience:g} s: {_GO_ON}"
                    )
                time.sleep(0.5)
        return None

    def _check(self) -> None:
        """Compare code and versions of the scheduler, which reads tasks, and of suitable workers with those here."""
        try:
            scheduler = self._client.run_on_scheduler(about)
        except (ImportError, AttributeError) as error:
            raise _no_label_risk(f"the scheduler at {self.address}", error) from None
        _compare(f"the scheduler at {self.address}", scheduler)
        suitable = self._suitable()
        for address, found in self._client.run(_inspect, workers=suitable, on_error="return").items():
            if isinstance(found, OSError):  # it is going; if it is not, its first task is checked
                continue
            if isinstance(found, Exception):
                raise _no_label_risk(f"worker {address}", found)
            _compare(f"worker {address}", found)


def _connect(address: str, timeout: float) -> Client:
    """Make a client while no garbage is collected.

    Dask starts the client's thread under a lock that the finaliser of every client takes as well. A collection in the
    new thread that finds a client which never connected would make each wait for the other, forever.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return Client(address, timeout=timeout, set_as_default=False)
    finally:
        if collects:
            gc.enable()


def parse_resources(pairs: list[str]) -> dict[str, float]:
    """`["GPU=1", "MEMORY=4e9"]` as a mapping.

    Raises
    ------
    UserError
        If one is no `NAME=NUMBER`.
    """
    found = {}
    for pair in pairs:
        name, _, amount = pair.partition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            found[name] = math.nan
        if not name or not 0 < found[name] < math.inf:
            raise UserError(f"--resources {pair}: write it as NAME=NUMBER, for example GPU=1 or MEMORY=4e9") from None
    return found


@lru_cache(maxsize=1)
def about() -> dict[str, str]:
    """What must be the same here and at the workers, so that a run is the one that was asked for."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*")):
        if file.suffix in (".py", ".yml"):
            digest.update(f"{file.relative_to(package).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    # A local version (2.13.0+cu128) is another build of the same release.
    versions = {name: metadata.version(name).partition("+")[0] for name in _SAME}
    return {
        "training code": f"version {students.VERSION}",
        "label-risk code": digest.hexdigest()[:12],
        "python": python_version().rpartition(".")[0],
        **versions,
    }


def _compare(who: str, found: dict[str, str], expected: dict[str, str] | None = None) -> None:
    wanted = (expected or about()).items()
    if other := [f"{what} {found.get(what)} and not {value}" for what, value in wanted if found.get(what) != value]:
        raise UserError(
            f"{who} cannot take part, it has {', '.join(other)}: install the same commit and versions "
            f"(constraints.txt) there; {_GO_ON}"
        )
    if found.get("threads", "1") != "1":
        raise UserError(
            f"{who} has {found['threads']} threads: a run draws from generators of its whole process, so start workers "
            f"with --nthreads 1, and several of them with --nworkers; {_GO_ON}"
        )


def _no_label_risk(who: str, error: BaseException) -> UserError:
    return UserError(f"{who} has no label-risk, or another one ({first_line(error)}): install the same commit there")


# --- what workers do


def _inspect(dask_worker) -> dict[str, str]:
    return about() | {"threads": str(dask_worker.state.nthreads)}


def _itself(value):
    return value


def _compute(expected: dict[str, str], function: Callable, *args):
    worker = get_worker()
    _compare(f"worker {worker.address}", _inspect(worker), expected)
    device.compute_alone()
    try:
        return function(*args)
    except UserError as error:
        raise error from None
    except Exception:
        # As text: a traceback that cannot be sent would leave the client waiting forever.
        raise RuntimeError(f"on worker {worker.address}:\n{traceback.format_exc(limit=-20)}") from None
