"""Sweeps for real: linear heads on embeddings of a real corpus, killed, resumed, run by two processes at once."""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml
from filelock import FileLock

from helpers import studies, sweep, verify
from helpers.errors import UserError
from helpers.ledger import Ledger

STUDY = {
    "name": "sweep-test",
    "corpora": ["tweets"],
    "annotators": ["smollm2-135m"],
    "sizes": [100, 200],
    "seeds": 4,
    "student": {"kind": "probe", "batch_size": 32, "learning_rate": 0.01, "min_steps": 400},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    file = tmp_path_factory.mktemp("study") / "study.yml"
    file.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    """The study run without interruption."""
    ledger = Ledger(own=tmp_path_factory.mktemp("whole"))
    plan = studies.load(study)
    assert sweep.run(plan, ledger) == (len(plan.runs("tweets")), 0) == (16, 0)
    return ledger


def label_risk(*arguments, ledger: Path, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "helpers.cli", *map(str, arguments)],
        env=os.environ | {"LABEL_RISK_LEDGER": str(ledger)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def records(folder: Path) -> list[Path]:
    return sorted(folder.glob("runs/*/[!.]*.parquet"))


def test_students_learn_and_noisy_labels_cost(study, finished):
    """Accuracy at n = 200: gold labels are well above the share of the largest class, and above the weak LLM's."""
    runs = [run for run in studies.load(study).runs("tweets") if run.n == 200]
    gold = runs[0].corpus.gold[runs[0].corpus.test]
    accuracy = {"gold": [], "annotator": []}
    for run in runs:
        accuracy[run.source.method].append((finished[run.key].probs.argmax(axis=1) == gold).mean())
    assert np.mean(accuracy["gold"]) > np.bincount(gold).max() / len(gold) + 0.03
    assert np.mean(accuracy["gold"]) > np.mean(accuracy["annotator"])


def test_a_second_run_does_nothing(study, finished):
    assert sweep.run(studies.load(study), finished) == (0, 0)


def test_killed_and_resumed_it_ends_in_the_same_probabilities(study, finished, tmp_path):
    victim = label_risk("run", study, "--workers", 2, ledger=tmp_path)
    deadline = time.monotonic() + 120
    while len(records(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate()
    before = {file: file.stat().st_mtime_ns for file in records(tmp_path)}
    assert 3 <= len(before) < 16, "the kill came too late or nothing was written"

    out, _ = label_risk("run", study, ledger=tmp_path).communicate(timeout=300)
    assert f"{16 - len(before)} runs trained" in out
    assert all(file.stat().st_mtime_ns == when for file, when in before.items()), "a finished run was done again"
    resumed = Ledger(own=tmp_path)
    for run in studies.load(study).runs("tweets"):
        assert resumed[run.key].probs.tobytes() == finished[run.key].probs.tobytes()


def test_workers_end_when_their_parent_is_killed(study, finished, tmp_path):
    """Only the parent is killed here: workers must notice, and not wait for work forever."""
    parent = label_risk("run", study, "--workers", 2, ledger=tmp_path)
    deadline = time.monotonic() + 120
    while not records(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    parent.kill()
    parent.communicate(timeout=60)  # returns when the last worker has closed the pipe
    written = len(records(tmp_path))
    time.sleep(2)
    assert len(records(tmp_path)) == written < 16


def test_two_processes_share_the_work(study, finished, tmp_path):
    both = [label_risk("run", study, "--workers", 1, ledger=tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in both]
    trained = [int(text.split()[0]) for text in said if "runs trained" in text]
    assert sum(trained) == 16, said
    shared = Ledger(own=tmp_path)
    for run in studies.load(study).runs("tweets"):
        assert shared[run.key].probs.tobytes() == finished[run.key].probs.tobytes()


def test_runs_of_another_process_are_counted_and_not_taken_for_finished(study, finished, tmp_path):
    plan, ledger = studies.load(study), Ledger(results=tmp_path, own=tmp_path / "own")
    runs = plan.runs_by_key()
    first, *others = runs
    for key in others:
        ledger.add(finished[key])
    with FileLock(ledger.lock(first)):
        assert sweep.run(plan, ledger, workers=1) == (0, 1)


class Here(ThreadPoolExecutor):
    """A pool in this process that does something of its own before a run of which `at` is true."""

    size = room = 1

    def __init__(self, at, act):
        super().__init__(1)
        self.at, self.act = at, act

    def submit(self, function, /, key, *fields):
        if self.at(sweep.Run(*fields)):
            return super().submit(self.act, function, key, *fields)
        return super().submit(function, key, *fields)


def exhausted(*_):
    raise RuntimeError("out of memory\nand more of it")


def test_a_run_that_cannot_be_trained_is_named_and_the_others_go_on(study, finished, tmp_path):
    plan, ledger = studies.load(study), Ledger(results=tmp_path, own=tmp_path / "own")
    with (
        Here(lambda run: (run.n, run.seed) == (100, 1), exhausted) as pool,
        pytest.raises(UserError, match=r"2 of 16 runs cannot be trained, the first is tweets, gold, n=100, seed 1: o"),
    ):
        sweep.run(plan, ledger, pool=pool)
    assert sum(key in ledger for key in plan.runs_by_key()) == 14
    (log,) = (tmp_path / "own/logs").iterdir()
    assert "Traceback" in log.read_text()
    assert "and more of it" in log.read_text()


def test_if_nothing_can_be_trained_the_sweep_gives_up(study, tmp_path):
    plan, ledger = studies.load(study), Ledger(results=tmp_path, own=tmp_path / "own")
    with Here(lambda run: True, exhausted) as pool, pytest.raises(UserError, match="3 of 16 runs cannot be trained"):
        sweep.run(plan, ledger, pool=pool)


def test_a_run_whose_process_was_killed_is_trained_by_the_other_one(study, finished, tmp_path):
    """The lock of the first run is held when it is looked at, and let go when the last is trained."""
    plan, ledger = studies.load(study), Ledger(results=tmp_path, own=tmp_path / "own")
    runs = plan.runs_by_key()
    first, *others, last = runs
    for key in others:
        ledger.add(finished[key])
    lock = FileLock(ledger.lock(first), thread_local=False)
    lock.acquire()

    def let_go(function, *rest):
        lock.release()
        return function(*rest)

    with Here(lambda run: run.key == last, let_go) as pool:
        assert sweep.run(plan, ledger, pool=pool) == (2, 0)
    assert ledger[first].probs.tobytes() == finished[first].probs.tobytes()


def test_what_another_process_finished_is_counted_as_done(study, finished, tmp_path):
    plan, ledger = studies.load(study), Ledger(results=tmp_path, own=tmp_path / "own")
    first, second, *others = plan.runs_by_key()
    for key in others:
        ledger.add(finished[key])

    def add_second(function, *rest):
        ledger.add(finished[second])
        return function(*rest)

    with Here(lambda run: run.key == first, add_second) as pool:
        assert sweep.run(plan, ledger, pool=pool) == (1, 0)
    (log,) = (tmp_path / "own/logs").iterdir()
    assert re.search(r"end: 1 of 2 runs trained; degradation (\d+)/\1,", log.read_text())


def test_verify_agrees_and_names_a_run_that_was_changed(study, finished):
    plan = studies.load(study)
    assert not list(verify.digests(plan, finished))
    drawn = verify.sample(plan, finished, 2, rng=np.random.default_rng(0))
    checks = list(verify.retrain(drawn, finished))
    assert len(checks) == 2
    assert all(check.ok for check in checks), checks

    run = drawn[0]
    stored = finished[run.key]
    probs = stored.probs.copy()
    probs[3] = probs[3][::-1]
    assert not verify.compare(run, stored, sweep.Record(**vars(stored) | {"probs": probs})).ok


def test_a_short_check_draws_from_the_cheapest_runs(study, finished):
    plan = studies.load(study)
    cheapest = {run.key for run in sorted(plan.runs("tweets"), key=lambda run: (run.cost, run.key))[:4]}
    for seed in range(5):
        drawn = verify.sample(plan, finished, 2, rng=np.random.default_rng(seed), short=True)
        assert len({run.key for run in drawn} & cheapest) == 2


def test_a_worker_that_would_train_another_run_says_so(study):
    run = studies.load(study).runs("tweets")[0]
    with pytest.raises(UserError, match="would train another run than was asked for"):
        sweep._train("0" * 64, *(getattr(run, field.name) for field in fields(studies.Run)))


def test_verify_asks_for_the_same_digits_of_the_same_kind_of_machine_only(study, finished):
    (run,) = verify.sample(studies.load(study), finished, 1, rng=np.random.default_rng(0))
    stored = finished[run.key]
    probs = np.where(stored.probs > 0.5, stored.probs - 0.01, stored.probs + 0.01).astype(np.float16)
    fresh = sweep.Record(**vars(stored) | {"probs": probs, "environment": stored.environment | {"cores": 64}})
    assert not verify.compare(run, stored, fresh).ok
    other = sweep.Record(**vars(fresh) | {"environment": stored.environment | {"processor": "another"}})
    assert verify.compare(run, stored, other).ok


def test_verify_finds_one_changed_probability_in_the_file(study, finished, tmp_path):
    """Whatever is drawn: the digest of every stored run is compared."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    plan = studies.load(study)
    victim = plan.runs("tweets")[5]
    for run in plan.runs("tweets"):
        Ledger(own=tmp_path).add(finished[run.key])
    file = next(tmp_path.glob(f"runs/*/{victim.key}.parquet"))
    table = pq.read_table(file)
    probs = table["probs"].to_pylist()
    probs[0][7] = 1 - probs[0][7]
    column = table.schema.get_field_index("probs")
    pq.write_table(table.set_column(column, "probs", pa.array(probs, pa.list_(pa.float16()))), file)
    process = label_risk("verify", study, "--sample", 0, ledger=tmp_path)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert str(victim) in out
    assert victim.key[:12] in out
