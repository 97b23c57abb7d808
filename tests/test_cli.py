"""The command line as a user meets it."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import sentences

from helpers import crossfit, doctor, findings, places, studies
from helpers.cli import annotate, app, main
from helpers.errors import UserError
from helpers.findings.finding import VERDICT_COLUMNS
from helpers.ledger import Ledger

COMMANDS = [command.callback.__name__ for command in app.registered_commands]


@pytest.fixture
def label_risk(monkeypatch, capsys):
    """Runs a command in this process: a start takes seconds. Gives its exit status, and what it said."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["label-risk", *arguments])
        with pytest.raises(SystemExit) as ended:  # and no other exception, which a user would see as a traceback
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_process_ends_with_the_status_and_one_line():
    command = [sys.executable, "-m", "helpers.cli", "run", "no-such-study.yml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("label-risk: there is no study no-such-study.yml")
    assert len(done.stderr.splitlines()) == 1


def test_names_that_others_chose_do_nothing_in_the_terminal(label_risk, monkeypatch):
    def fails(_):
        raise UserError("\x1b]0;mine\x07 a model type of \x9b2J,\n\tin two lines\r")

    monkeypatch.setattr(studies, "load", fails)
    assert (
        label_risk("run", "a.yml")[2] == "label-risk: \\x1b]0;mine\\x07 a model type of \\x9b2J,\n\tin two lines\\r\n"
    )
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("a card", True, "\x1b[2J")])
    assert label_risk("doctor")[1] == "ok  a card  \\x1b[2J\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, label_risk):
    status, out, _ = label_risk(command, "--help")
    assert status == 0
    assert f"label-risk {command}" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "no-such-study.yml"],
        ["run", "studies/quick.yml", "--workers", "0"],
        ["run", "studies/quick.yml", "--workers", "1", "--scheduler", "tcp://127.0.0.1:1"],
        ["run", "studies/quick.yml", "--resources", "GPU=1"],
        ["run", "studies/quick.yml", "--resources", "GPU", "--scheduler", "tcp://127.0.0.1:1"],
        ["annotate", "studies/quick.yml", "--threads", "1", "--scheduler", "tcp://127.0.0.1:1"],
        ["annotate", "studies/quick.yml", "--annotator", "no-such-model"],
        ["annotate", "studies/quick.yml", "--corpus", "moviez"],
        ["fetch", "no-such-artifact"],
        ["no-such-command"],
        ["verify", "--sample", "-1"],
        ["book", "no-such-study.yml", "--out", "unused"],
        ["book", "studies/quick.yml", "--parameter", "corpus"],
        ["book", "studies/quick.yml", "--parameter", "corpus=["],
        ["book", "studies/quick.yml", "--parameter", "corpus=" + "[" * 9999],
        ["book", "studies/quick.yml", "--parameter", "corpus=!!python/name:os.system"],
        ["book", "studies/quick.yml", "--parameter", "corpus=2026-13-45"],
    ],
)
def test_bad_usage_exits_2_without_a_traceback(arguments, label_risk, tmp_path, monkeypatch):
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path))
    status, _, err = label_risk(*arguments)
    assert status == 2
    assert err.strip()
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.parquet"))


def test_verify_does_not_agree_where_there_is_nothing_to_check(label_risk, tmp_path, monkeypatch):
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "empty"))
    texts, tones = zip(*sentences(60), strict=True)
    pd.DataFrame({"text": texts, "label": tones, "gpt": tones}).to_csv(tmp_path / "t.csv", index=False)
    corpus = {
        "name": "t",
        "path": str(tmp_path / "t.csv"),
        "text": "text",
        "label": "label",
        "ready_made": {"gpt": "gpt"},
    }
    study = {"name": "s", "corpora": [corpus], "annotators": ["ready:gpt"], "sizes": [20], "seeds": 1}
    (tmp_path / "s.yml").write_text(yaml.safe_dump(study), encoding="utf-8")
    foreign = study | {"corpora": ["tweets"], "annotators": ["somebodys-table"]}
    (tmp_path / "foreign.yml").write_text(yaml.safe_dump(foreign), encoding="utf-8")
    for file, *more in (
        ["s.yml"],
        ["s.yml", "--sample", "0"],
        ["s.yml", "--annotations"],
        ["foreign.yml", "--annotations"],
        ["foreign.yml", "--annotations", "--sample", "0"],
    ):
        status, out, err = label_risk("verify", str(tmp_path / file), *more)
        assert (status, out) == (2, "")
        assert err.startswith("label-risk: nothing to check: ")
        assert len(err.splitlines()) == 1


def test_where_nothing_can_be_judged_verdicts_are_a_sentence(label_risk, monkeypatch):
    monkeypatch.setattr(findings, "verdicts", lambda _: pd.DataFrame(columns=VERDICT_COLUMNS))
    assert label_risk("verdicts", "studies/quick.yml")[1].startswith("no verdict: the claims take an annotator, and")
    assert json.loads(label_risk("verdicts", "studies/quick.yml", "--json")[1]) == []


def test_verdicts_as_json_cover_findings_controls_and_mitigations(quick_ledger, label_risk):
    status, out, err = label_risk("verdicts", "studies/quick.yml", "--json")
    assert status == 0, err
    rows = json.loads(out)
    main = {(row["finding"], row["corpus"], row["annotator"]) for row in rows if not row["variant"]}
    both = [("tweets", "amazon"), ("smollm2-135m", "qwen2.5-coder-0.5b")]
    assert main == {(finding, corpus, who) for finding in findings.claims() for corpus in both[0] for who in both[1]}
    variants = {(row["finding"], row["variant"]) for row in rows if row["variant"]}
    assert {
        ("filtering", "entropy, 0.25 kept"),
        ("controls", "shuffled within class, 100 labels"),
        ("instability", "random errors, shuffled within class"),
    } <= variants
    # The students of one class only have no alpha, and so no interval of it.
    bounded = [row for row in rows if row["low"] is not None]
    assert all(row["low"] <= row["effect"] <= row["high"] for row in bounded)
    assert all(row["verdict"] == "not shown" for row in rows if row not in bounded)
    assert len(bounded) > 0.9 * len(rows)


def test_further_wordings_are_put_with_the_texts_that_are_read(tiny_model, tmp_path, monkeypatch, capsys):
    """The whole corpus in the study's own wording; in others, and for second opinions, the texts of filters."""
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path))
    texts = [text for text, _ in sentences(60)]
    pd.DataFrame({"text": texts, "label": ["negative", "positive"] * 30}).to_csv(tmp_path / "table.csv", index=False)
    filtering = {"size": 20, "fractions": [0.5], "methods": ["prompt_agreement", "confident"]}
    entry = {"name": "own", "path": str(tmp_path / "table.csv"), "text": "text", "label": "label", "test_size": 20}
    plan = {
        "name": "s",
        "corpora": [entry],
        "annotators": [f"hf:{tiny_model}"],
        "wordings": ["reversed"],
        "sizes": [20],
    }
    (tmp_path / "s.yml").write_text(yaml.safe_dump(plan | {"filtering": filtering}))
    monkeypatch.setattr(crossfit.probe, "embeddings", lambda encoder, corpus, most: np.eye(len(corpus.rows)))
    monkeypatch.setattr(crossfit.encoders, "fingerprint", lambda encoder: "0" * 64)
    annotate(str(tmp_path / "s.yml"))
    name = tiny_model.name
    *said, _, caution = capsys.readouterr().out.splitlines()
    assert [line.split("own/")[1] for line in said] == [
        f"{name}.prompt1.parquet: 60 rows, 0 failed",
        f"{name}.reversed.parquet: 20 rows, 0 failed",
        f"{name}.prompt1-crossfit.parquet: 20 rows, 0 failed",
    ]
    assert "of the probability (median). Left to itself, the annotator would answer something else" in caution
    study = studies.load(str(tmp_path / "s.yml"))
    made = {run.source.method: run.made for run in study.runs("own")}
    assert len(made["confident"].rows) == len(made["prompt_agreement"].rows) == 10
    annotate(str(tmp_path / "s.yml"))
    assert capsys.readouterr().out.count("there already") == 3
    # More texts are needed now than were put in the other wording.
    (tmp_path / "s.yml").write_text(yaml.safe_dump(plan | {"sizes": [30], "filtering": filtering | {"size": 30}}))
    with pytest.raises(UserError, match="holds 20 of the 60 rows of own, and lacks 10 of those that are needed"):
        annotate(str(tmp_path / "s.yml"))


def test_run_writes_the_labels_first_and_status_says_what_both_take(tiny_model, tmp_path, monkeypatch, label_risk):
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "ledger"))
    texts = [text for text, _ in sentences(40)]
    pd.DataFrame({"text": texts, "label": ["negative", "positive"] * 20}).to_csv(tmp_path / "table.csv", index=False)
    plan = {
        "name": "s",
        "corpora": [{"name": "own", "path": str(tmp_path / "table.csv"), "text": "text", "label": "label"}],
        "annotators": [f"hf:{tiny_model}"],
        "sizes": [10, 20],
        "seeds": 1,
        "student": {"kind": "probe", "min_steps": 1, "epochs": 1},
    }
    study = tmp_path / "s.yml"
    study.write_text(yaml.safe_dump(plan))
    status, out, _ = label_risk("status", str(study))
    assert status == 0
    assert "labels are not all there yet" in out
    assert f"{tiny_model.name} with prompt1: 40 texts, about 0.00 core-hours" in out
    assert "labels: about 0.00 core-hours, by a batch that was timed now" in out
    assert re.search(r"own +gold +2 trainings", out)
    assert "in all: 4 trainings" in out
    assert not (tmp_path / "ledger").exists()
    status, out, err = label_risk("run", str(study), "--workers", "1")
    assert status == 0, err
    assert out.splitlines()[0].endswith(f"{tiny_model.name}.prompt1.parquet: 40 rows, 0 failed")
    assert "4 runs trained" in out
    status, out, _ = label_risk("status", str(study))
    assert "4 of 4 runs are in the ledger" in out
    assert "labels: 1 of 1 tables, 0.00 core-hours spent" in out
    status, out, _ = label_risk("run", str(study))
    assert out == "nothing to do: every run of the study is in the ledger\n"
    plan["wordings"] = ["reversed"]  # which nothing reads as yet, so that there is no table of it
    study.write_text(yaml.safe_dump(plan))
    status, out, _ = label_risk("verify", str(study), "--sample", "2", "--annotations")
    assert (status, out.count(" with prompt1, id "), out.count("reversed")) == (0, 2, 0)
    # Read by a filter, on the training texts only.
    plan |= {"filtering": {"size": 20, "fractions": [0.5], "methods": ["prompt_agreement"]}}
    study.write_text(yaml.safe_dump(plan))
    assert label_risk("annotate", str(study))[0] == 0
    status, out, _ = label_risk("verify", str(study), "--sample", "6", "--annotations")
    assert status == 0
    assert out.count(f"{tiny_model.name} on own with prompt1, id ") == 3
    assert out.count(f"{tiny_model.name} on own with reversed, id ") == 3
    (file,) = (tmp_path / "ledger").rglob(f"{tiny_model.name}.prompt1.parquet")
    table = pq.read_table(file)
    for column in ("negative", "positive"):  # a nat is more than any number type rounds away
        moved = pc.add(table[column], pa.scalar(1, table[column].type))
        table = table.set_column(table.column_names.index(column), table.schema.field(column), moved)
    pq.write_table(table, file)
    status, out, _ = label_risk("verify", str(study), "--sample", "2", "--annotations")
    assert status == 1
    assert re.search(r"MISMATCH.*with prompt1, id .*: largest difference 1\.0e\+00 nats", out)


def test_one_corpus_is_run_alone_and_finished_runs_are_written_into_one_file(tmp_path, monkeypatch, label_risk):
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "ledger"))
    texts = [text for text, _ in sentences(80)]
    for name, half in (("one", texts[:40]), ("two", texts[40:])):
        pd.DataFrame({"text": half, "label": ["negative", "positive"] * 20}).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    columns = {"text": "text", "label": "label"}
    plan = {
        "name": "pair",
        "corpora": [{"name": name, "path": str(tmp_path / f"{name}.csv"), **columns} for name in ("one", "two")],
        "sizes": [10],
        "seeds": 2,
        "student": {"kind": "probe", "min_steps": 1, "epochs": 1},
    }
    study = tmp_path / "s.yml"
    study.write_text(yaml.safe_dump(plan))
    status, out, err = label_risk("run", str(study), "--corpus", "one", "--workers", "1")
    assert status == 0, err
    assert "2 runs trained" in out
    found = [Ledger()[run.key] for run in studies.load(study).runs("one")]
    assert [record.specification["corpus"] for record in found] == ["one", "one"]
    assert not any(run.key in Ledger() for run in studies.load(study).runs("two"))
    monkeypatch.setattr(places, "ROOT", tmp_path / "checkout")
    (tmp_path / "checkout/results").mkdir(parents=True)
    status, out, _ = label_risk("compact", str(study))
    assert (status, out.count("2 of 4 runs")) == (0, 1)
    assert set(Ledger(own=tmp_path / "nowhere").committed) == {record.key for record in found}
    bill = yaml.safe_load((tmp_path / "checkout/results/pair.cost.yml").read_text())
    assert (bill["study"], bill["runs"], bill["parts"]["one"]["gold"]["runs"]) == ("pair", 2, 2)
    # A study that goes on from there adds what it has more.
    study.write_text(yaml.safe_dump(plan | {"name": "more", "seeds": 3}))
    assert label_risk("run", str(study), "--corpus", "one", "--workers", "1")[0] == 0
    status, out, _ = label_risk("compact", str(study))
    assert "3 of 6 runs, 2 of them in other files" in out
    assert pq.read_table(tmp_path / "checkout/results/more.parquet").num_rows == 1
    assert len(Ledger(own=tmp_path / "nowhere").committed) == 3
    # Another study of that name, or the same with other options.
    study.write_text(yaml.safe_dump(plan | {"seeds": 1}))
    status, _, err = label_risk("compact", str(study))
    assert status == 2
    assert f"results/pair.parquet holds 1 runs that {study} does not ask for: if they are of another study" in err
    assert len(Ledger(own=tmp_path / "nowhere").committed) == 3
    # What another study asks for stays.
    other = tmp_path / "checkout/studies/more.yml"
    other.parent.mkdir()
    other.write_text(yaml.safe_dump(plan | {"name": "more", "seeds": 3}))
    status, out, _ = label_risk("compact", str(study), "--prune")
    assert (status, out.count("1 of 2 runs, and 1 that other studies ask for")) == (0, 1)
    assert len(Ledger(own=tmp_path / "nowhere").committed) == 3
    # Nor is anything dropped where it cannot be told what others ask for.
    broken = other.with_name("mine.yml")
    broken.write_text(yaml.safe_dump(plan | {"name": "mine", "corpora": [{"name": "gone", "path": "gone.csv"}]}))
    status, _, err = label_risk("compact", str(study), "--prune")
    assert (status, "studies/mine.yml asks for runs that would be dropped cannot be told: " in err) == (2, True)
    assert len(Ledger(own=tmp_path / "nowhere").committed) == 3
    unlabelled = plan | {"name": "mine", "annotators": [{"name": "gone", "replay": "gone.csv"}]}
    broken.write_text(yaml.safe_dump(unlabelled))
    _, _, err = label_risk("compact", str(study), "--prune")
    assert "cannot be told: the labels of one by gone are not here" in err
    broken.unlink()
    other.unlink()
    status, out, _ = label_risk("compact", str(study), "--prune")
    assert (status, out.count("1 of 2 runs;")) == (0, 1)
    assert len(Ledger(own=tmp_path / "nowhere").committed) == 2


def test_the_doctor_names_what_is_not_as_pinned(label_risk, monkeypatch):
    status, out, _ = label_risk("doctor")
    assert status == ("!!  " in out)
    version = doctor.metadata.version
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "0.1" if name == "numpy" else version(name))
    status, out, _ = label_risk("doctor")
    assert status == 1
    assert re.search(r"numpy 0\.1, pinned \d", out)

    def gone(name):
        if name == "papermill":
            raise doctor.metadata.PackageNotFoundError
        return version(name)

    monkeypatch.setattr(doctor.metadata, "version", gone)
    status, out, _ = label_risk("doctor")
    assert status == 1
    assert "papermill is missing: `make --always-make install`" in out


def test_an_interruption_says_that_nothing_is_lost(monkeypatch, label_risk):
    def stopped(file):
        raise KeyboardInterrupt

    monkeypatch.setattr(studies, "load", stopped)
    status, out, err = label_risk("run", "studies/quick.yml")
    assert (status, out) == (130, "")
    assert err == "label-risk: stopped; what was finished is kept, the same command goes on from there\n"


def test_importing_the_command_line_loads_no_torch():
    """`label-risk run` with nothing to do answers in a moment."""
    code = "import sys, helpers.cli, helpers.sweep; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
