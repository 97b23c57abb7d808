"""Runs a second with 1 to 4 workers of a Dask cluster on this machine, what a run costs besides its training, and where
more workers stop helping.

Scheduler, workers and client are processes of their own on loopback. Workers have one thread each, so on a machine with
fewer cores than workers the curve bends where the cores end, and not where the cluster does; that point is computed.
"""

import contextlib
import json
import os
import pickle
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from benchmarks import contender

WORKERS = (1, 2, 3, 4)
#: All runs of a study have this many texts, so they take the same time.
TEXTS = 250
RUNS = 8
STEPS = 30
#: Runs that are next to nothing: what remains is what the cluster takes.
EMPTY_RUNS = 200
#: For the part on paper: a network as common ones are, in bytes a second.
NETWORK = 1e9 / 8
#: The paper's set-up on GPUs, on paper: its corpora, encoder and annotators (arXiv 2504.15432), with ten seeds. The
#: number and the length of its texts are not known to us and assumed. Parameters that multiply: twelve layers of width
#: 768 (RoBERTa-base), and what the annotators' names say. The rate is the peak of an A100 in bfloat16 by its data
#: sheet, of which a share is reached.
PAPER = {
    "corpora": 4,
    "label sources": 3,
    "sizes": [125, 250, 500, 1000, 2000, 4000, 8000],
    "seeds": 10,
    "test texts": 2000,
    "tokens a text": 256,
    "epochs": 2,
    "encoder": 12 * (4 * 768**2 + 2 * 768 * 3072),
    "annotators": [3e9, 7e9],
    "flops a second": 312e12,
    "share": 0.3,
    "GPUs": [1, 16],
}


def measure(*, workers: tuple[int, ...] = WORKERS, runs: int = RUNS, empty: int = EMPTY_RUNS) -> dict:
    """The curve, the overheads, and the number of workers at which the curve ends."""
    curve = [contender.run("scaling", "sweep", workers=count, runs=runs) for count in workers]
    empty_runs = contender.run("scaling", "sweep", workers=1, runs=empty, trivial=True)
    trips = contender.run("scaling", "round_trips", times=empty)
    sizes = contender.run("scaling", "sizes")
    run_seconds = statistics.median(curve[0]["seconds"])
    paper = limit(
        run_seconds=run_seconds,
        client_seconds=empty_runs["client_cpu_seconds"] / empty,
        scheduler_seconds=empty_runs["scheduler_cpu_seconds"] / empty,
        gap_seconds=max(0.0, empty_runs["wall_seconds"] - sum(empty_runs["seconds"])) / empty,
        bytes_per_run=sizes["sent"] + sizes["received"],
        bytes_per_second=NETWORK,
    )
    found = {"curve": curve, "empty_runs": empty_runs, "round_trip": trips, "bytes": sizes, "limit": paper}
    overhead = paper["gap_seconds"] + max(paper["serial_seconds"].values())
    return found | {"paper": PAPER | {"hours": paper_setup(PAPER, overhead_seconds=overhead)}}


def paper_setup(setup: dict, *, overhead_seconds: float) -> dict[str, dict[str, float]]:
    """Hours that the set-up takes on each number of GPUs: annotating, training, and what the cluster adds to a run.

    Runs go to whoever is free, longest first. A forward pass takes two operations for each parameter and token, a
    training step three forward passes (Kaplan et al., 2020, arXiv 2001.08361, section 2.1); attention between tokens is
    left out.
    """
    rate = setup["flops a second"] * setup["share"]
    forward = 2 * setup["tokens a text"]
    texts = setup["corpora"] * (max(setup["sizes"]) + setup["test texts"])
    annotating = sum(forward * texts * parameters for parameters in setup["annotators"]) / rate
    seconds = [
        forward * setup["encoder"] * (3 * setup["epochs"] * n + setup["test texts"]) / rate
        for n in sorted(setup["sizes"], reverse=True)
        for _ in range(setup["corpora"] * setup["label sources"] * setup["seeds"])
    ]
    found = {}
    for gpus in setup["GPUs"]:
        free = [0.0] * gpus
        for run in seconds:
            free[free.index(min(free))] += run + overhead_seconds
        found[str(gpus)] = {
            "annotating": annotating / gpus / 3600,
            "training": max(free) / 3600,
            "of it overhead": overhead_seconds * len(seconds) / gpus / 3600,
        }
    return found | {"runs": len(seconds)}


def limit(
    *,
    run_seconds: float,
    client_seconds: float,
    scheduler_seconds: float,
    gap_seconds: float,
    bytes_per_run: float,
    bytes_per_second: float,
) -> dict:
    """Where more workers stop helping.

    W workers would finish W / (run + gap) runs a second. Client, scheduler and network each serve one run after the
    other, so no more than 1 / c runs a second pass, c being the slowest of the three. Both meet at (run + gap) / c
    workers; from there on the rate is 1 / c.

    Parameters
    ----------
    run_seconds
        Training of a run, on one thread.
    client_seconds, scheduler_seconds
        Time of the processor for each run.
    gap_seconds
        From the end of a run to the start of the next on the same worker.
    bytes_per_run, bytes_per_second
        What passes the client's network, and how fast.
    """
    serial = {
        "client": client_seconds,
        "scheduler": scheduler_seconds,
        "network": bytes_per_run / bytes_per_second,
    }
    slowest = max(serial, key=serial.get)
    return {
        "run_seconds": run_seconds,
        "gap_seconds": gap_seconds,
        "serial_seconds": serial,
        "slowest": slowest,
        "workers": (run_seconds + gap_seconds) / serial[slowest],
        "runs_per_second": 1 / serial[slowest],
        "efficiency_before": run_seconds / (run_seconds + gap_seconds),
    }


# --- contenders


def sweep(workers: int, runs: int, *, trivial: bool = False) -> dict:
    """A study of equal runs, on that many workers that have computed before."""
    import psutil

    from helpers import sweep as sweeping
    from helpers.cluster import Cluster
    from helpers.ledger import Ledger

    with _site(workers) as (address, scheduler, folder), Cluster(address) as pool:
        while pool.size < workers:
            time.sleep(0.1)
        # Two short runs for each worker, so that all of them have loaded what they load once.
        warm = _study("warm", 2 * workers, trivial=trivial, short=True)
        sweeping.run(warm, Ledger(results=folder, own=folder / "warm"), pool=pool)
        study, ledger = _study("equal", runs, trivial=trivial), Ledger(results=folder, own=folder / "equal")
        client = psutil.Process()
        before, start = [_cpu(client), _cpu(scheduler)], time.perf_counter()
        sweeping.run(study, ledger, pool=pool)
        wall = time.perf_counter() - start
        after = [_cpu(client), _cpu(scheduler)]
        seconds = [ledger[key].seconds for key in study.runs_by_key()]
        peak = max(pool.submit(_peak_mb).result() for _ in range(workers))
    return {
        "workers": workers,
        "runs": runs,
        "wall_seconds": wall,
        "runs_per_second": runs / wall,
        "seconds": seconds,
        "busy": sum(seconds) / (workers * wall),
        "client_cpu_seconds": after[0] - before[0],
        "scheduler_cpu_seconds": after[1] - before[1],
        "worker_peak_mb": peak,
    }


def round_trips(times: int) -> dict:
    """Seconds from sending a task that does nothing to its result, one at a time."""
    from helpers.cluster import Cluster

    with _site(1) as (address, _, _), Cluster(address) as pool:
        pool.submit(os.getpid).result()
        seconds = []
        for _ in range(times):
            start = time.perf_counter()
            pool.submit(os.getpid).result()
            seconds.append(time.perf_counter() - start)
    return {"median_seconds": statistics.median(seconds), "slowest_seconds": max(seconds)}


def sizes() -> dict:
    """Bytes, pickled: the corpus, which a worker fetches once, and what each run sends and receives."""
    from helpers import sweep as sweeping

    (run,) = _study("size", 1, trivial=True).runs_by_key().values()
    sent = [getattr(run, field.name) for field in fields(run) if field.name != "corpus"]
    return {
        "corpus": len(pickle.dumps(run.corpus)),
        "sent": len(pickle.dumps([run.key, *sent])),
        "received": len(pickle.dumps(sweeping.train(run))),
    }


def _study(name: str, runs: int, *, trivial: bool, short: bool = False):
    from helpers.studies import Study

    student = {"kind": "probe" if trivial else "finetune", "epochs": 1, "min_steps": 1 if trivial else STEPS}
    if short:
        student["min_steps"] = 2
    return Study(name=name, corpora=["tweets"], sizes=[TEXTS], seeds=runs, student=student)


@contextlib.contextmanager
def _site(workers: int) -> Iterator[tuple[str, object, Path]]:
    """A scheduler and workers on loopback: address, the scheduler's process, and a folder."""
    import psutil

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, processes = f"tcp://127.0.0.1:{port}", []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "DASK_TEMPORARY_DIRECTORY": folder}
        common = ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        commands = [["distributed.cli.dask_scheduler", "--port", str(port), *common]]
        commands += [["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", *common]] * workers
        try:
            for command in commands:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", *command],
                        env=environment,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
                )
            yield address, psutil.Process(processes[0].pid), Path(folder)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _cpu(process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _peak_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=1) + "\n")
