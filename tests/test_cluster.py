"""A real Dask scheduler and real workers, processes on loopback: what is lost there is not lost here."""

import gc
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import make_corpus, sentences
from distributed import Client

from helpers import annotating, annotations, annotators, cluster, places, prompts, shards, studies, sweep
from helpers.annotators import scoring
from helpers.errors import DeadWorkersError, UserError
from helpers.ledger import Ledger

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

STUDY = {
    "name": "cluster-test",
    "corpora": ["tweets"],
    "annotators": ["smollm2-135m"],
    "sizes": [100, 200],
    "seeds": 4,
    "student": {"kind": "probe", "batch_size": 32, "learning_rate": 0.01, "min_steps": 1500},
}
_LONG = 300  # seconds that anything may take on a machine that does much else


class Site:
    """A scheduler's address, and the processes that were started there. All of them end with it."""

    def __init__(self, folder: Path):
        self.folder, self.processes = folder, []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.environment = os.environ | {"OMP_NUM_THREADS": "1", "DASK_TEMPORARY_DIRECTORY": str(folder)}

    def start(self, *command, **environment) -> subprocess.Popen:
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *map(str, command)],
                env=self.environment | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def scheduler(self, **environment) -> subprocess.Popen:
        protocol, host, port = self.address.replace("//", "").split(":")
        options = ["--host", host, "--port", port, "--protocol", protocol]
        options += ["--dashboard-address", "127.0.0.1:0", "--no-dashboard"]
        return self.start("distributed.cli.dask_scheduler", *options, **environment)

    def worker(self, *options, threads=1, nanny="--no-nanny", **environment) -> subprocess.Popen:
        options = [*options, "--nthreads", threads, "--no-dashboard", nanny]
        return self.start("distributed.cli.dask_worker", self.address, "--host", "127.0.0.1", *options, **environment)

    def label_risk(self, *arguments, ledger: Path) -> subprocess.Popen:
        return self.start("helpers.cli", *arguments, "--scheduler", self.address, LABEL_RISK_LEDGER=str(ledger))

    def said(self, process: subprocess.Popen) -> str:
        return (self.folder / f"{self.processes.index(process)}.log").read_text(encoding="utf-8")

    def end(self) -> None:
        for process in self.processes:
            kill(process)


def kill(process: subprocess.Popen) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=_LONG)


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    site = Site(folder)
    try:
        yield site
    finally:
        site.end()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    file = tmp_path_factory.mktemp("study") / "study.yml"
    file.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    """The study, trained on this machine."""
    ledger = Ledger(own=tmp_path_factory.mktemp("here"))
    assert sweep.run(studies.load(study), ledger, workers=1) == (16, 0)
    return ledger


def until(condition, what: str) -> None:
    deadline = time.monotonic() + _LONG
    while not condition():
        assert time.monotonic() < deadline, f"still waiting: {what}"
        time.sleep(0.05)


def records(folder: Path) -> list[Path]:
    return sorted(folder.glob("runs/*/[!.]*.parquet"))


def log_of(folder: Path) -> str:
    return "".join(file.read_text(encoding="utf-8") for file in folder.glob("logs/*.log"))


def is_complete(study, folder: Path, finished: Ledger) -> None:
    """Every run is there with the same digits, and was written once."""
    found = Ledger(own=folder)
    runs = studies.load(study).runs("tweets")
    for run in runs:
        assert found[run.key].probs.tobytes() == finished[run.key].probs.tobytes()
        assert found[run.key].environment == finished[run.key].environment
    trained = re.findall(r" run (.*): [0-9.]+ s, ", log_of(folder))
    assert sorted(trained) == sorted(map(str, runs))


def test_a_worker_comes_late_and_the_first_is_killed(site, study, finished, tmp_path):
    ledger = tmp_path / "ledger"
    site.scheduler()
    first = site.worker()
    client = site.label_risk("run", study, ledger=ledger)
    until(lambda: len(records(ledger)) >= 2, "two runs of the first worker")
    site.worker()
    until(lambda: "workers: 2" in log_of(ledger), "the second worker")
    kill(first)
    assert client.wait(timeout=_LONG) == 0, site.said(client)
    assert "16 runs trained" in site.said(client)
    assert not set("\r\x1b") & set(site.said(client)), "this is no terminal"
    is_complete(study, ledger, finished)


@pytest.mark.slow
def test_the_scheduler_is_killed_and_another_takes_its_place(site, study, finished, tmp_path):
    ledger = tmp_path / "ledger"
    scheduler, worker = site.scheduler(), site.worker()
    client = site.label_risk("run", study, ledger=ledger)
    until(lambda: len(records(ledger)) >= 2, "two runs")
    kill(scheduler)
    until(lambda: "is lost: waiting for it" in log_of(ledger), "the client to notice")
    kill(worker)
    kept = {file: file.stat().st_mtime_ns for file in records(ledger)}
    assert 2 <= len(kept) < 16, "the kill came too late"
    site.scheduler()
    site.worker()
    assert client.wait(timeout=_LONG) == 0, site.said(client)
    assert all(file.stat().st_mtime_ns == when for file, when in kept.items()), "a finished run was done again"
    is_complete(study, ledger, finished)


FAULT = """
# What a worker with too little memory would do, for one cell and seed.
import os
from helpers import students
def deadly(student, corpus, rows, targets, *, seed, train=students.train):
    if len(rows) == 100 and seed == 1:
        os._exit(1)
    return train(student, corpus, rows, targets, seed=seed)
students.train = deadly
"""


@pytest.mark.slow
def test_a_run_that_kills_workers_is_named_and_the_others_go_on(site, study, finished, tmp_path):
    ledger, fault = tmp_path / "ledger", tmp_path / "fault.py"
    fault.write_text(FAULT, encoding="utf-8")
    site.scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    site.worker("--preload", fault, nanny="--nanny")
    client = site.label_risk("run", study, ledger=ledger)
    assert client.wait(timeout=_LONG) == 2, site.said(client)
    said = site.said(client)
    assert "2 of 16 runs cannot be trained, the first is tweets, gold, n=100, seed 1: 1 workers died while" in said
    assert "Traceback" not in site.said(client)
    assert len(records(ledger)) == 14


def test_workers_that_would_train_otherwise_are_refused(site, study, tmp_path):
    other = shutil.copytree(places.ROOT / "src", tmp_path / "src")
    code = other / "helpers/students/__init__.py"
    code.write_text(
        re.sub(r"(?m)^VERSION = (\d+)", r"VERSION = 9\1", code.read_text(encoding="utf-8")), encoding="utf-8"
    )
    site.scheduler()
    site.worker(PYTHONPATH=str(other))
    client = cluster.Client(site.address)
    try:
        client.wait_for_workers(1, timeout=_LONG)
    finally:
        client.close()
    before = site.label_risk("run", study, ledger=tmp_path / "ledger")
    assert before.wait(timeout=_LONG) == 2
    assert re.search(
        r"worker tcp\S+ cannot take part, it has training code version 9\d+ and not version", site.said(before)
    )
    assert "Traceback" not in site.said(before)
    assert not records(tmp_path / "ledger")


def test_a_late_worker_is_checked_as_well_and_so_are_threads(site, tmp_path):
    site.scheduler()
    with cluster.Cluster(site.address) as pool:
        waiting = pool.submit(os.getpid)
        site.worker(threads=2)
        with pytest.raises(UserError, match=r"has 2 threads.*start workers with --nthreads 1"):
            waiting.result(timeout=_LONG)
    with pytest.raises(UserError, match="has 2 threads"):
        cluster.Cluster(site.address)


def test_a_task_goes_where_its_resources_are(site):
    site.scheduler()
    site.worker()
    owner = site.worker("--resources", "GPU=1 MEMORY=4e9")
    needs = cluster.parse_resources(["GPU=1", "MEMORY=2e9"])
    with cluster.Cluster(site.address) as anywhere, cluster.Cluster(site.address, resources=needs) as pool:
        until(lambda: anywhere.size == 2, "both workers")
        until(lambda: pool.size == 1, "the worker with the resources")
        assert {pool.submit(os.getpid).result(timeout=_LONG) for _ in range(4)} == {owner.pid}
    site.worker(threads=2)  # whoever offers less gets nothing, and may be what it likes
    with cluster.Cluster(site.address, resources=needs) as pool:
        corpus = make_corpus(["the film is warm"] * 20)
        assert pool.submit(getattr, corpus, "name").result(timeout=_LONG) == corpus.name


@pytest.mark.parametrize("said", ["GPU", "=1", "GPU=nan", "GPU=-1", "GPU=0", "GPU=inf"])
def test_resources_are_names_and_numbers(said):
    with pytest.raises(UserError, match=f"--resources {said}: write it as NAME=NUMBER"):
        cluster.parse_resources([said])


@pytest.mark.slow
def test_no_scheduler_now_and_none_any_more(site):
    with pytest.raises(UserError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:"):
        cluster.Cluster(site.address)
    scheduler = site.scheduler()
    with cluster.Cluster(site.address, patience=1) as pool:
        waiting = [pool.submit(os.getpid) for _ in range(3)]
        kill(scheduler)
        for future in waiting:
            with pytest.raises(UserError, match=r"did not come back within 1 s: what was finished is kept"):
                future.result(timeout=_LONG)


def test_a_client_that_never_connected_is_no_trap_for_the_next(site):
    """Its finaliser takes the lock under which Dask starts a thread: collected in that thread, both would hang."""

    def collect(*_):  # as happens by itself, if rarely, when the new thread allocates
        sys.setprofile(None)
        if gc.isenabled():
            gc.collect()

    threshold = gc.get_threshold()
    gc.set_threshold(10**9)  # nowhere else
    try:
        with pytest.raises(UserError, match="no Dask scheduler answers"):
            cluster.Cluster("tls://127.0.0.1:9")  # without certificates Dask gives up in the middle
        assert "connecting" in {one.status for one in gc.get_objects() if type(one) is Client}
        site.scheduler()
        threading.setprofile(collect)
        with cluster.Cluster(site.address) as pool:
            assert pool.size == 0
    finally:
        threading.setprofile(None)
        gc.set_threshold(*threshold)


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
def test_with_certificates_and_not_without(site, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *made]
    subprocess.run(command, check=True, capture_output=True)
    names = {"ca-file": certificate}
    for role in ("client", "scheduler", "worker"):
        names |= {f"{role}.cert": certificate, f"{role}.key": key}
    for name, file in names.items():
        variable = name.replace(".", "__").replace("-", "_").upper()
        site.environment[f"DASK_DISTRIBUTED__COMM__TLS__{variable}"] = str(file)
    site.address = site.address.replace("tcp", "tls")
    site.scheduler()
    worker = site.worker()
    settings = {f"distributed.comm.tls.{name}": str(file) for name, file in names.items()}
    with dask.config.set(settings), cluster.Cluster(site.address) as pool:
        assert pool.submit(os.getpid).result(timeout=_LONG) == worker.pid
    with pytest.raises(UserError, match="no Dask scheduler answers at tls"):
        cluster.Cluster(site.address)


def test_a_task_that_fails_says_where_and_a_deadly_one_is_given_up(site):
    site.scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1")
    site.worker(nanny="--nanny")
    with cluster.Cluster(site.address) as pool:
        with pytest.raises(RuntimeError, match=r"on worker tcp:(?s:.*)RecursionError"):
            pool.submit(json.loads, "[" * 100_000).result(timeout=_LONG)
        with pytest.raises(DeadWorkersError, match="2 workers died"):
            pool.submit(os._exit, 1).result(timeout=_LONG)
        assert isinstance(pool.submit(os.getpid).result(timeout=_LONG), int)


def test_annotations_of_a_cluster_are_the_same_digits(site, tiny_model, tmp_path):
    texts = [text for text, _ in sentences(1200)]
    texts[7] = ""
    corpus, spec = make_corpus(texts), f"hf:{tiny_model}"
    prompt = prompts.render(corpus)
    here = annotating.annotate(corpus, annotators.load(spec), prompt, folder=tmp_path / "here")
    site.scheduler()
    first = site.worker()
    site.worker()
    with cluster.Cluster(site.address) as pool:
        until(lambda: pool.size == 2, "both workers")
        remote = shards.RemoteAnnotator(spec, pool)

        def spread(parts, spread=remote.spread):
            """One worker is killed when the first part is there."""
            assert len(parts) > 3
            for number, scored in enumerate(spread(parts)):
                yield scored
                if not number:
                    kill(first)

        remote.spread = spread
        there = annotating.annotate(corpus, remote, prompt, folder=tmp_path / "there")
    read = [annotations.read(file, corpus, prompt) for file in (here, there)]
    same = {"date": "", "took": {}}
    assert read[0].provenance | same == read[1].provenance | same
    assert [made.provenance["took"]["texts"] for made in read] == [len(corpus.rows)] * 2
    pd.testing.assert_frame_equal(*(pq.read_table(file).to_pandas() for file in (here, there)), check_exact=True)
    assert read[0].failures == read[1].failures == {7: "the text is empty"}
    assert [file for file in (tmp_path / "there").rglob("*") if file.is_file()] == [there]


def test_a_prompt_that_fails_does_not_spoil_the_annotator_for_the_one_before(monkeypatch):
    class Fragile:
        def use(self, prompt):
            self.prompt = prompt
            if not prompt.labels:
                raise UserError("no labels")

    monkeypatch.setattr(annotators, "load", lambda spec: Fragile())
    good, bad = prompts.Prompt("prompt1", "Which?", ("a", "b")), prompts.Prompt("prompt1", "Which?", ())
    assert shards._ready("fragile", good).prompt is good
    with pytest.raises(UserError, match="no labels"):
        shards._ready("fragile", bad)
    assert shards._ready("fragile", good).prompt is good


@pytest.mark.slow
def test_a_table_is_made_on_machines_of_one_kind(site, tiny_model):
    text = "a warm and lovely film"
    part = scoring.Part([np.array([0])], [[text]], [len(text)], 0)
    site.scheduler()
    first = site.worker(LABEL_RISK_COMPUTE="float32")
    with cluster.Cluster(site.address) as pool:
        remote = shards.RemoteAnnotator(f"hf:{tiny_model}", pool)
        remote.use(prompts.render(make_corpus([text] * 20)))
        ((_, (logp, failures, core_seconds)),) = remote.spread([part])
        assert np.isfinite(logp).all()
        assert failures == [None]
        assert core_seconds > 0
        kill(first)
        site.worker(LABEL_RISK_COMPUTE="bfloat16")
        with pytest.raises(UserError, match=r"a worker has compute bfloat16 and not float32\. A table is made"):
            list(remote.spread([part]))
