"""What is left of a study: cells by finding, and time by what was measured."""

import logging

import numpy as np
import pandas as pd
import pytest
import yaml

from helpers import device, findings, labelling, needs, progress, prompts, status, studies
from helpers.labels import LabelSource, tables
from helpers.ledger import Ledger, Record, compact
from helpers.speed import Speed
from helpers.studies import Cell

STUDY = {
    "name": "progress-test",
    "corpora": ["tweets"],
    "annotators": ["smollm2-135m", "qwen2.5-coder-0.5b"],
    "sizes": [100, 200, 400],
    "seeds": 2,
    "student": {"kind": "probe", "min_steps": 1, "epochs": 1},
    "filtering": {"size": 400, "fractions": [0.3]},
    "ensembling": {"size": 400},
    "controls": {"methods": ["shuffled"]},
    "stability": {"seeds": 3, "draws": 2},
}
DRAWS = STUDY["seeds"]  # of random errors


def load(folder, **changes):
    file = folder / "study.yml"
    file.write_text(yaml.safe_dump(STUDY | changes), encoding="utf-8")
    return studies.load(file)


def test_every_finding_has_its_cells_and_every_cell_a_finding(tmp_path):
    study = load(tmp_path)
    needed = needs.cells(study, "tweets")
    assert list(needed) == list(findings.FINDINGS)
    assert set().union(*needed.values()) == set(study.grid("tweets"))
    assert len(needed["degradation"]) == 3
    assert len(needed["plateau"]) == 9 + 6 * DRAWS  # beside random errors
    # Subsets drawn anew, and random errors of one draw at the largest size.
    assert len(needed["instability"]) == 9 + 6 + 2
    assert len(needed["controls"]) == 9 + 6 * DRAWS
    a, b = (LabelSource("annotator", (name,)) for name in study.annotator_names)
    # Of 400 texts 0.3 is 120: random subsets of that size, beside the filtered ones.
    filters = {Cell(LabelSource("entropy", a.annotators, 0.3), 400)}
    assert {Cell(a, 120), Cell(b, 120), Cell(a, 400), *filters} < needed["filtering"]
    assert Cell(LabelSource("vote", (*a.annotators, *b.annotators)), 400) in needed["ensembling"]
    assert needed["propagation"] == {Cell(source, n) for source in (a, b) for n in (100, 200, 400)}


def test_ensembling_needs_the_students_that_as_many_calls_buy(tmp_path):
    """Two annotators on 100 texts are 200 calls; a wording and its reverse put to one are as many."""
    study = load(tmp_path, ensembling={"size": 100}, filtering=None, wordings=["reversed"])
    needed = needs.cells(study, "tweets")["ensembling"]
    a, b = (LabelSource("annotator", (name,)) for name in study.annotator_names)
    assert {Cell(a, 200), Cell(b, 200)} < needed
    assert not {cell for cell in needed if cell.n not in (100, 200)}
    # Where the calls buy no more texts than the joined labels have, there is nothing to compare with.
    largest = needs.cells(load(tmp_path), "tweets")["ensembling"]
    assert {cell.n for cell in largest} == {400}


def test_a_finding_that_has_nothing_to_show_needs_nothing(tmp_path):
    nothing = dict.fromkeys(("filtering", "ensembling", "controls", "stability"))
    needed = needs.cells(load(tmp_path, seeds=1, sizes=[100], **nothing), "tweets")
    assert {finding for finding, cells in needed.items() if cells} == {"degradation", "propagation"}


def record(run, seconds, **environment):
    probs = np.full((len(run.corpus.test), 2), 0.5, np.float16)
    return Record(run.key, run.specification, probs, seconds, {"processor": "A", "cores": 2} | environment)


def test_time_is_a_constant_and_a_rate_and_a_slow_start_does_not_count(tmp_path):
    runs = load(tmp_path).runs("tweets")
    speed = Speed()
    assert np.isnan(speed.seconds(runs[0]))
    speed.add(runs[0], 2 + 0.01 * runs[0].cost + 30)
    for run in runs[1:20]:
        speed.add(run, 2 + 0.01 * run.cost)
    for run in runs:
        assert speed.seconds(run) == pytest.approx(2 + 0.01 * run.cost, rel=0.02)
    assert speed.total(runs) == pytest.approx(sum(2 + 0.01 * run.cost for run in runs), rel=0.02)


def test_times_that_round_to_nothing_are_a_speed(tmp_path):
    runs, speed = load(tmp_path).runs("tweets"), Speed()
    for run in runs:
        speed.add(run, 0.0)
    assert len({run.cost for run in runs}) > 1
    assert 0 < speed.total(runs) <= 0.011 * len(runs)


def test_left_is_divided_by_workers_and_learns_from_the_ledger_what_this_machine_did(tmp_path):
    study, ledger = load(tmp_path), Ledger(results=tmp_path, own=tmp_path)
    runs = study.runs("tweets")
    for run in runs[:6]:
        ledger.add(record(run, 0.01 * run.cost))
    for run in runs[6:12]:
        ledger.add(record(run, 5.0 * run.cost, processor="B"))
    todo, before = runs[12:], list(logging.getLogger("helpers.progress").handlers)
    with progress.Live(study, study.runs_by_key(), todo, ledger) as live:
        assert np.isnan(live.left(1))
        live.finished(todo[0], record(todo[0], 0.01 * todo[0].cost, cores=64), 2)
        expected = sum(0.01 * run.cost for run in todo[1:])
        assert live.left(1) == pytest.approx(expected, rel=1e-3)
        assert live.left(2) == pytest.approx(expected / 2, rel=1e-3)
        # However many workers: the last run has to end.
        assert live.left(10**6) == pytest.approx(max(0.01 * run.cost for run in todo[1:]), rel=1e-3)
    assert logging.getLogger("helpers.progress").handlers == before


def test_status_counts_by_finding(tmp_path):
    study, ledger = load(tmp_path), Ledger(results=tmp_path, own=tmp_path)
    for run in study.runs("tweets"):
        if run.cell in needs.cells(study, "tweets")["degradation"]:
            ledger.add(record(run, 3.6))
    said = {line.split()[0]: line for line in status.report(study, ledger, []).splitlines() if line.startswith("  ")}
    assert "9 of 9" in said["degradation"]
    assert "9 of 37, 0." in said["plateau"]  # 16 of them on random errors
    assert "core-hours left" in said["plateau"]
    assert "6 of 14" in said["propagation"]


def test_no_finding_is_counted_where_none_is_judged(tmp_path, capsys):
    rows = pd.DataFrame({"body": [f"text number {i}" for i in range(60)], "tone": ["a", "b", None] * 20})
    rows.to_csv(tmp_path / "mine.csv", index=False)
    mine = {"name": "mine", "path": str(tmp_path / "mine.csv"), "text": "body", "label": "tone", "unlabelled": "keep"}
    parts = dict.fromkeys(("filtering", "ensembling", "controls", "stability"))
    study = load(tmp_path, corpora=[mine], annotators=[], sizes=[10], **parts)
    ledger = Ledger(results=tmp_path, own=tmp_path)
    assert "no finding is judged: that takes gold for every text" in status.report(study, ledger, [])
    runs = study.runs_by_key()
    with progress.Live(study, runs, list(runs.values()), ledger) as live:
        live.finished(next(iter(runs.values())), record(next(iter(runs.values())), 1.0), 1)
    assert ": 1 of 2 done, about" in capsys.readouterr().err


def test_status_says_what_each_part_took_and_will_take(tmp_path):
    study, ledger = load(tmp_path), Ledger(results=tmp_path, own=tmp_path)
    for run in study.runs("tweets"):
        if run.source.method == "gold" and not run.drawn:
            ledger.add(record(run, 36.0 * run.cost / 1000))
    runs = study.runs_by_key()
    speed = Speed()
    for key, run in runs.items():
        if key in ledger:
            speed.add(run, ledger[key].seconds)
    parts = status.costs(runs, ledger, speed)
    gold = parts["tweets", "gold"]
    assert (gold.runs, gold.done, gold.left) == (7, 7, 0)
    assert gold.spent == pytest.approx(
        sum(0.036 * r.cost for r in runs.values() if r.source.method == "gold" and not r.drawn)
    )
    assert {kind for _, kind in parts} >= {
        "gold, other subsets",
        "vote of annotators",
        "shuffled smollm2-135m",
        "entropy smollm2-135m",
    }
    vote = parts["tweets", "vote of annotators"]
    assert vote.left == pytest.approx(sum(0.036 * r.cost for r in runs.values() if r.source.method == "vote"), rel=0.01)
    said = status.report(study, ledger, [])
    assert "core-hours spent" in said
    assert "core-hours left" in said


def test_a_study_that_was_never_run_is_priced_by_shipped_runs_of_equal_students(tmp_path):
    shipped = load(tmp_path, name="shipped", sizes=[100, 400], seeds=1, annotators=[])
    results = tmp_path / "results"
    results.mkdir()
    runs = shipped.runs("tweets")
    compact([record(run, 0.01 * run.cost) for run in runs[:2]], results / "shipped.parquet")
    new = load(tmp_path, name="new", sizes=[200], seeds=2, annotators=[], stability=None, filtering=None)
    ledger = Ledger(results=results, own=tmp_path / "own")
    hours = sum(0.01 * run.cost for run in new.runs("tweets")) / 3600
    said = status.report(new, ledger, []).splitlines()[-1]
    other = "other kinds of machines than this one"
    assert said.startswith(f"left: about {hours:.2f} core-hours at the speed of {other} (")
    other = load(tmp_path, name="other", student={"kind": "probe", "min_steps": 2}, stability=None)
    assert status.report(other, ledger, []).splitlines()[-1].startswith("left: not known before the first run")


def test_what_other_machines_took_does_not_count_where_this_kind_has_finished_runs(tmp_path):
    study, ledger = load(tmp_path), Ledger(results=tmp_path, own=tmp_path)
    first, second, *rest = study.runs_by_key().values()
    here = device.describe() | {"compute": device.compute_type()}
    ledger.add(record(first, 0.001 * first.cost, **here | {"compute": "another"}))
    hours = 0.001 * sum(run.cost for run in [second, *rest]) / 3600
    assert f"left: about {hours:.2f} core-hours at the speed of other" in status.report(study, ledger, [])
    ledger.add(record(second, 1.0 * second.cost, **here | {"cores": 64}))
    hours = sum(run.cost for run in rest) / 3600
    said = status.report(study, ledger, []).splitlines()[-1]
    assert said == f"left: about {hours:.2f} core-hours at the speed of this kind of machine"


def test_the_bill_is_stored_with_the_results(tmp_path):
    study, ledger = load(tmp_path), Ledger(results=tmp_path, own=tmp_path)
    for run in study.runs("tweets")[:3]:
        ledger.add(record(run, 1800.0, compute="float32"))
    bill = yaml.safe_load(status.bill(study, ledger, []))
    assert bill == {
        "study": "progress-test",
        "runs": 3,
        "core_hours": 1.5,
        "machines": ["A, float32"],
        "parts": {
            "tweets": {
                "gold": {"runs": 2, "core_hours": 1.0},
                "annotator smollm2-135m": {"runs": 1, "core_hours": 0.5},
            }
        },
    }


def test_labels_are_on_the_bill_as_far_as_their_time_was_noted(tmp_path):
    study, ledger = load(tmp_path), Ledger(results=tmp_path, own=tmp_path)
    corpus, (a, b) = study.corpus("tweets"), study.annotator_specs
    prompt1, second = prompts.render(corpus), tables.wording(corpus, f"{a.name}@prompt1-crossfit", "prompt1")
    there = [labelling.Table(spec, corpus, prompt1, None, "there", took) for spec in (a, b) for took in (3600, 1800)]
    there += [labelling.Table(b, corpus, prompt1, None, "there"), labelling.Table(a, corpus, second, None, "there")]
    missing = labelling.Table(a, corpus, prompt1, None)
    assert yaml.safe_load(status.bill(study, ledger, [*there, missing]))["labels"] == {
        "tweets": {
            a.name: {"tables": 2, "timed": 2, "core_hours": 1.5},
            b.name: {"tables": 3, "timed": 2, "core_hours": 1.5},
        }
    }
    assert status.report(study, ledger, there).splitlines()[1] == (
        "  labels: 5 of 5 tables, 3.00 core-hours spent on 4 of them"
    )
    untimed = status.report(study, ledger, there[4:]).splitlines()[1]
    assert untimed == "  labels: 1 of 1 tables; how long they took was not noted"


def test_the_log_survives_and_is_plain(tmp_path, capsys):
    study, ledger = load(tmp_path), Ledger(results=tmp_path, own=tmp_path)
    runs = study.runs("tweets")[:3]
    live = progress.Live(study, study.runs_by_key(), runs, ledger)
    with live:
        live.look(2)
        live.finished(runs[0], record(runs[0], 1.0), 2)
    log = live.file.read_text(encoding="utf-8")
    assert f"run {runs[0]}: 1.00 s, 1 of 3 done" in log
    assert "end: 1 of 3 runs trained" in log
    shown = capsys.readouterr().err
    assert str(live.file) in shown
    assert not set("\r\x1b") & set(log + shown)
