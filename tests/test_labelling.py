"""Which tables a study lacks, and having them written: with answers from a file, so that no model is needed."""

import weakref
from dataclasses import replace
from itertools import count

import numpy as np
import pandas as pd
import pytest
import yaml

from helpers import annotating, annotations, annotators, crossfit, labelling, orders, shards, status, studies
from helpers.annotators import specs
from helpers.annotators.local import LocalAnnotator
from helpers.errors import UserError
from helpers.labels import tables
from helpers.ledger import Ledger

TEXTS = [f"text number {i}" for i in range(40)]


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Writes a study of tables called `one` and `two`, and what two annotators said of them; gives the study."""
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "ledger"))

    def make(texts=TEXTS, ids=None, **fields):
        ids = [f"r{i}" for i in range(len(texts))] if ids is None else ids
        rows = pd.DataFrame({"id": ids, "text": texts, "label": ["no", "yes"] * (len(texts) // 2)})
        corpora = []
        for name in ("one", "two"):
            rows.to_csv(tmp_path / f"{name}.csv", index=False)
            path = str(tmp_path / f"{name}.csv")
            corpora.append({"name": name, "path": path, "text": "text", "label": "label", "id": "id", "test_size": 10})
        said = [{"replay": str(tmp_path / "one.csv"), "name": name} for name in ("a", "b")]
        study = {"name": "s", "corpora": corpora, "annotators": said, "sizes": [10], "seeds": 1}
        file = tmp_path / "s.yml"
        file.write_text(yaml.safe_dump(study | fields), encoding="utf-8")
        return studies.load(file)

    return make


def write(study, tables, folder):
    return list(labelling.Labelling(tables).carry_out(study, folder=folder))


def named(tables):
    return [(table.spec.name, table.corpus.name, table.wording.name, bool(table.there)) for table in tables]


@pytest.mark.parametrize("changes", [{"sizes": [10, 5000]}, {"ensembling": {"size": 5000}}])
def test_what_the_pool_is_too_small_for_is_said_before_anything_is_labelled(made, changes):
    study = made(**changes)
    with pytest.raises(UserError, match="training subset of 5000 texts was asked for, but the pool has 30 of one"):
        next(labelling.find(study))
    with pytest.raises(UserError, match="5000 texts"):
        study.costs(study.corpus("one"))


def test_tables_that_are_there_are_said_and_the_others_are_written(made, tmp_path):
    study, folder = made(), tmp_path / "ledger" / "annotations"
    write(study, labelling.find(study, corpora=["one"], annotators=["b"]), folder)
    found = list(labelling.find(study))
    assert named(found) == [
        ("a", "one", "prompt1", False),
        ("a", "two", "prompt1", False),
        ("b", "one", "prompt1", True),
        ("b", "two", "prompt1", False),
    ]
    assert found[2].there.endswith("b.prompt1.parquet: there already")
    written = write(study, found, folder)
    assert [str(one).split("annotations/")[1] for one in written] == [
        f"{where}.prompt1.parquet: 40 rows, 0 failed" for where in ("one/a", "two/a", "two/b")
    ]
    assert all(table.there for table in labelling.find(study))
    assert list(labelling.cautions(written)) == []
    # They were lacking when they were looked for, and another process was faster.
    assert write(study, found, folder) == []


def test_time_is_expected_from_one_batch_an_annotator(tiny_model, made, monkeypatch):
    """Of 60 texts of equal length: a batch of 512 tokens takes a second, whatever table it is from."""
    study = made([f"a fine {thing} indeed" for thing in ["film", "plot", "cast"] * 20])
    tables = [
        replace(table, spec=specs.parse(f"hf:{tiny_model}")) if table.spec.name == "a" else table
        for table in labelling.find(study)
    ]
    clock = count()
    monkeypatch.setattr(labelling.time, "perf_counter", lambda: next(clock))
    expected = labelling.expected_seconds(tables)
    assert next(clock) == 2
    (length,) = set(LocalAnnotator("tiny", tiny_model).lengths(tables[0].corpus.rows["text"].tolist()))
    assert expected[:2] == pytest.approx([60 / (512 // (length + 8))] * 2)
    assert np.isnan(expected[2:]).all()  # a file is read, nothing is computed


def test_a_model_that_is_not_on_this_machine_is_not_timed(made, tmp_path):
    lacking = [f"gguf:{tmp_path / 'none.gguf'}", f"hf:{tmp_path / 'nowhere'}"]
    study = made(annotators=lacking)
    assert np.isnan(labelling.expected_seconds(list(labelling.find(study)))).all()
    (tmp_path / "none.gguf").touch()
    assert [labelling.at_hand(spec) for spec in study.annotator_specs] == [True, False]


def test_a_shipped_table_of_fewer_rows_stays_and_all_rows_are_lacking(made, tmp_path, monkeypatch):
    """Further wordings were put with some texts only; a study may take one of them for its own prompt."""
    made()  # an empty ledger
    file = tmp_path / "other.yml"
    plan = {"name": "other", "corpora": ["tweets"], "annotators": ["smollm2-135m"], "sizes": [10], "seeds": 1}
    file.write_text(yaml.safe_dump(plan | {"prompt": "prompt2"}), encoding="utf-8")
    study = studies.load(file)
    (table,) = labelling.lacking(study)
    assert (table.there, table.texts) == ("", 4004)
    monkeypatch.setattr(labelling, "at_hand", lambda _: False)
    said = status.forecast(study, Ledger(results=tmp_path, own=tmp_path), [table]).splitlines()[1]
    assert said.endswith("4004 texts, for a time that can be told once the model is here")
    prompt = tables.wording(table.corpus, "smollm2-135m@prompt2", "prompt1")
    where, shipped = annotations.find(table.corpus, "smollm2-135m", prompt, rows=np.empty(0, int))
    assert where == "annotations/tweets/smollm2-135m.prompt2.parquet"
    held = np.flatnonzero(shipped.held)
    assert 0 < len(held) < 4004
    assert annotations.find(table.corpus, "smollm2-135m", prompt, rows=held)[0] == where
    # Once the user has one of all rows, that is read.
    annotations.write(
        table.corpus,
        "smollm2-135m",
        prompt,
        np.log(np.full((4004, 3), 1 / 3)),
        folder=tmp_path / "ledger" / "annotations",
        rows=np.arange(4004),
        provenance=shipped.provenance,
    )
    (found,) = labelling.find(study)
    assert found.there.startswith(str(tmp_path))


def test_a_folder_of_ones_own_is_the_only_one_that_is_looked_into(made, tmp_path):
    study, own = made(), tmp_path / "own"
    write(study, labelling.find(study, folder=own), own)
    assert all(table.there for table in labelling.find(study, folder=own))
    assert not any(table.there for table in labelling.find(study))


def test_a_table_of_other_texts_is_refused(made, tmp_path):
    study = made()
    write(study, labelling.find(study), tmp_path / "ledger" / "annotations")
    with pytest.raises(UserError, match="was made from other texts than one has now"):
        list(labelling.find(made([f"{text}!" for text in TEXTS])))


@pytest.fixture
def said(tmp_path):
    """Writes what an annotator said of the texts to a file of its own, and gives the annotator."""

    def write(labels):
        rows = pd.DataFrame({"id": [f"r{i}" for i in range(40)], "label": labels * (40 // len(labels))})
        rows.to_csv(tmp_path / "said.csv", index=False)
        return {"replay": str(tmp_path / "said.csv"), "name": "a"}

    return write


def test_a_table_of_somebody_else_is_refused_on_every_path(made, said, tmp_path):
    """`run` and `book` begin with what is lacking and go on to the runs; `annotate` and `status` find all tables."""
    study = made(annotators=[said(["no", "yes"])])
    write(study, labelling.find(study), tmp_path / "ledger" / "annotations")
    paths = [
        lambda study: list(labelling.lacking(study)),
        lambda study: list(labelling.find(study)),
        lambda study: study.annotations(study.corpus("one")),
        lambda study: study.runs("two"),
    ]
    for path in paths:
        path(study)
    for other in (said(["yes", "no"]), {"openai": "m", "base_url": "http://127.0.0.1:9/v1", "name": "a"}):
        for path in paths:
            with pytest.raises(UserError, match=r"a\.prompt1\.parquet was made by another a: "):
                path(made(annotators=[other]))
    for path in paths:
        path(made(annotators=["a"]))  # a plain name takes what is there
        (tmp_path / "said.csv").unlink(missing_ok=True)  # and what is not here cannot be compared
        path(study)


def test_a_second_opinion_on_other_labels_is_refused(made, said, tmp_path):
    fields = {"filtering": {"size": 10, "fractions": [0.5], "methods": ["confident"]}, "sizes": [10, 20]}
    study, folder = made(annotators=[said(["no", "yes"])], **fields), tmp_path / "ledger" / "annotations"
    write(study, (table for table in labelling.find(study) if not table.second), folder)
    for name in ("one", "two"):
        corpus = study.corpus(name)
        prompt = tables.wording(corpus, "a@prompt1-crossfit", "prompt1")
        rows = study.needed_rows(corpus)["a@prompt1-crossfit"]
        first = annotations.lookup(corpus, "a", tables.wording(corpus, "a", "prompt1"))
        about = {"labels_hash": first.labels_hash(rows)}
        annotations.write(corpus, "a", prompt, first.logp[rows], folder=folder, rows=rows, provenance=about)
    assert all(table.there for table in labelling.find(study))
    study.runs("one")
    study = made(annotators=[said(["yes", "yes", "no", "no"])], **fields)
    for file in folder.rglob("a.prompt1.parquet"):
        file.unlink()
    write(study, (table for table in labelling.find(study) if not table.second), folder)
    for path in (lambda: list(labelling.lacking(study)), lambda: study.runs("two")):
        with pytest.raises(UserError, match=r"a\.prompt1-crossfit\.parquet is a second opinion on other labels than"):
            path()


def test_what_a_study_lacks_is_whole_annotators_on_whole_corpora(made, tmp_path):
    study, folder = made(), tmp_path / "ledger" / "annotations"
    assert named(labelling.lacking(study)) == named(labelling.find(study))
    write(study, labelling.find(study, corpora=["one"]), folder)
    write(study, labelling.find(study, annotators=["a"]), folder)
    assert named(labelling.lacking(study)) == [("b", "two", "prompt1", False)]
    study = made(filtering={"size": 10, "fractions": [0.5], "methods": ["confident"]})
    assert named(labelling.lacking(study)) == [
        (who, where, wording, there)
        for who, where, first in [("a", "one", True), ("a", "two", True), ("b", "one", True), ("b", "two", False)]
        for wording, there in [("prompt1", first), ("prompt1-crossfit", False)]
    ]


def test_second_opinions_come_after_the_tables_that_they_read(made, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(crossfit, "write", lambda *said, rows, folder, **more: written.append(said) or first)
    study, folder = made(filtering={"size": 10, "fractions": [0.5], "methods": ["confident"]}), tmp_path / "out"
    tables = list(labelling.find(study, corpora=["one"]))
    assert [table.second for table in tables] == [False, True, False, True]
    work = labelling.Labelling(tables).carry_out(study, folder=folder)
    first = next(work).file
    assert next(work).file.name == "b.prompt1.parquet"
    assert written == []
    monkeypatch.setattr(
        labelling.annotations, "read", lambda *_, **__: type("Made", (), {"held": None, "failures": {}})
    )
    assert len(list(work)) == len(written) == 2


def test_another_wording_is_put_to_everything(made):
    (table,) = labelling.find(made(), corpora=["one"], annotators=["a"], prompt="prompt2")
    assert (table.wording.name, table.rows) == ("prompt2", None)


def test_an_annotator_that_the_study_does_not_have_labels_everything(made, tmp_path):
    (table,) = labelling.find(made(), corpora=["one"], annotators=[f"replay:{tmp_path / 'two.csv'}"])
    assert (table.spec.name, table.wording.name, table.rows) == ("two", "prompt1", None)


def test_plans_of_servers_are_made_before_anything_is_asked(made):
    # Nobody listens there.
    study = made(annotators=[{"openai": "m", "base_url": "http://127.0.0.1:9/v1"}])
    plans = list(labelling.Labelling(labelling.find(study)).plans())
    assert [(plan.corpus, plan.texts) for plan in plans] == [("one", 40), ("two", 40)]


def test_the_tables_of_one_annotator_are_planned_out_of_one_budget(made):
    server = {"openai": "m", "base_url": "http://127.0.0.1:9/v1", "answers": "logprobs", "budget": {"calls": 60}}
    study = made(annotators=[server, server | {"name": "other"}])
    plans = list(labelling.Labelling(labelling.find(study)).plans())
    assert [(plan.spec.name, plan.expected.calls) for plan in plans] == [
        ("m", 41),
        ("m", 41),
        ("other", 41),
        ("other", 41),
    ]
    assert [plan.beyond for plan in plans] == [None, "60 calls"] * 2
    assert "60 calls in all: enough" in str(plans[0])
    assert "60 calls in all, also for what is planned above: it stops before the end, at 60 calls" in str(plans[1])


def test_texts_that_look_like_orders_are_counted_and_named(made, tmp_path):
    texts = [*TEXTS]
    for row in (3, 8, 12, 13, 25, 31):
        texts[row] = orders.plant(texts[row], "override", "yes")
    ids = [f"r{i}" for i in range(40)]
    ids[8] = "\u202er8" + "x" * 99
    study = made(texts, ids)
    written = write(study, labelling.find(study), tmp_path / "out")
    assert [str(one).rpartition(": ")[2] for one in written] == ["40 rows, 0 failed, 6 look like orders"] * 4
    one, two = labelling.cautions(written)
    assert one.startswith("one: texts that look like orders to a language model: 6, by id 'r3', '\\u202er8xxx")
    assert "'r12', 'r13', 'r25', …. Read them" in one
    assert "r31" not in one
    assert "x" * 40 not in one
    assert two.startswith("two: ")


def test_an_annotator_that_would_answer_something_else_is_named(tmp_path):
    def written(on_labels: float) -> labelling.Written:
        return labelling.Written("one", tmp_path / "a.parquet", 40, 0, (), on_labels)

    (said,) = labelling.cautions([written(0.113), written(0.5), written(1.0), written(float("nan"))])
    assert "a.parquet: the labels have 11% of the probability (median)" in said


def test_a_table_with_many_failures_is_named(tmp_path):
    some, few = (labelling.Written("one", tmp_path / "a.parquet", 40, failed, (), 1.0) for failed in (3, 2))
    assert not list(labelling.cautions([few]))
    (said,) = labelling.cautions([some])
    assert "a.parquet: 3 of 40 texts have no label" in said


@pytest.mark.parametrize(("said", "message"), [("mni", "no annotator 'mni'"), ("gguf:no.gguf", "no file no.gguf")])
def test_an_annotator_that_is_nowhere_is_said_before_another_one_works(made, said, message):
    tables = list(labelling.find(made(), annotators=["a", said]))
    with pytest.raises(UserError, match=message):
        labelling.Labelling(tables)


def test_one_model_leaves_before_the_next_one_comes(tmp_path, made, monkeypatch):
    """There may not be room for two."""
    alive = []

    class Model:
        def __init__(self, spec, **_):
            assert not [other for other in alive if other() is not None], "two in memory"
            alive.append(weakref.ref(self))
            self.name, self.room, self.at_once = spec.name, 9, 0

        def use(self, prompt):
            pass

        def lengths(self, texts):
            return np.ones(len(texts), dtype=int)

        score = lengths

    monkeypatch.setattr(labelling, "load", Model)
    monkeypatch.setattr(annotators, "load", Model)
    monkeypatch.setattr(labelling, "at_hand", lambda spec: True)
    monkeypatch.setattr(annotating, "annotate", lambda corpus, model, *_, **__: model.name)
    study = made(annotators=["hf:x/a", "hf:x/b"])
    work = labelling.Labelling(labelling.find(study))
    for table in work._todo:
        annotating.annotate(table.corpus, work._annotator(table, None))
    assert len(alive) == 2
    work._loaded = None
    labelling.expected_seconds(list(labelling.find(study)))
    for said in ("hf:x/a", "hf:x/b"):
        shards._loaded(specs.parse(said))
    shards._in_use.clear()
    assert len(alive) == 6


def test_a_corpus_that_grew_lacks_its_new_rows_only(made, tmp_path):
    study, folder = made(), tmp_path / "ledger" / "annotations"
    write(study, labelling.find(study), folder)
    fewer = {"annotators": ["a"]}  # a plain name: the file that was replayed is the corpus's own, and changes with it
    assert all(table.there for table in labelling.find(made(**fewer)))
    study = made([*TEXTS, "new", "newer"], **fewer)
    assert named(labelling.lacking(study)) == [("a", "one", "prompt1", False), ("a", "two", "prompt1", False)]
    study = made([*TEXTS, "new", "newer"])
    with pytest.raises(UserError, match=r"one\.csv was .* Remove it to have it made again"):
        list(labelling.lacking(study))
