"""From a table to a study and its plan."""

import json
import sys
from io import StringIO
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import sentences

from helpers import annotations, cli, places, prompts, scaffold, studies
from helpers.errors import UserError
from helpers.measures import power
from helpers.students import Student
from helpers.studies import Study


@pytest.fixture(autouse=True)
def _own_folders(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(scaffold, "_reading_problems", lambda study, corpus: [])  # it needs an encoder


def table(rows: int, *, share: float = 0.5, classes: int = 2) -> dict:
    """The corpus option of a table of so many rows."""
    rng = np.random.default_rng(0)
    label = np.where(rng.random(rows) < share, 0, rng.integers(1, classes, rows)) if classes > 1 else np.zeros(rows)
    frame = pd.DataFrame(
        {
            "text": [f"{i} {text}" for i, (text, _) in enumerate(sentences(rows))],
            "label": [f"class {k}" for k in label],
            "gpt": [f"class {k}" for k in label],
            "p": 0.7,
            "q": 0.3,
        }
    )
    frame.to_csv("a.csv", index=False)
    return {"name": "a", "path": "a.csv", "text": "text", "label": "label"}


def test_the_study_that_is_written_is_the_one_that_was_meant():
    spec = table(900) | {"ready_made": {"gpt": "gpt", "llama": {"class 0": "p", "class 1": "q"}}}
    drawn = scaffold.draft(spec, measure=False)
    (file,) = scaffold.write(drawn, Path("studies/a.yml"))
    assert studies.load(file) == drawn.study
    assert drawn.study.annotator_names == ["gpt", "llama"]
    assert drawn.study.ensembling.size == drawn.study.sizes[-1]
    # What is commented out is right, too, if it is taken in.
    lines = file.read_text("utf-8").replace("    # ", "    ").replace("    #   ", "      ")
    taken_in = yaml.safe_load(lines.replace("For the prompt", "# For").replace("each, which are", "# each"))
    assert Study.model_validate(taken_in).corpora[0]["descriptions"] == {"class 0": "…", "class 1": "…"}


@pytest.mark.parametrize(
    ("rows", "split", "sizes"),
    [
        (300, {"folds": 5}, [30, 60, 120, 240]),
        (1000, {"folds": 5}, [100, 200, 400, 800]),
        (2000, {"test_size": 650}, [162, 325, 650, 1300]),
        (10_000, {"test_size": 1500}, [250, 500, 1000, 2000]),
    ],
)
def test_split_and_sizes_follow_from_the_rows(rows, split, sizes):
    drawn = scaffold.draft(table(rows), measure=False)
    assert {key: drawn.content["corpora"][0][key] for key in split} == split
    assert drawn.study.sizes == sizes
    assert scaffold.gap(drawn.corpus) == pytest.approx(0.2**0.5 * 2.8 / len(drawn.corpus.test) ** 0.5, rel=0.05)


def test_what_is_planned_is_what_is_run():
    for rows in (300, 2000):
        spec = table(rows) | {"ready_made": {"gpt": {"class 0": "p", "class 1": "q"}}}
        drawn = scaffold.draft(spec, measure=False)
        runs = drawn.study.runs("a")
        assert drawn.study.costs(drawn.corpus) == [(run.cell, run.cost) for run in runs]
        assert f"{len(runs)} trainings" in scaffold.plan(drawn)


def test_the_plan_says_what_an_annotator_is_asked():
    drawn = scaffold.draft(table(900), ["smollm2-135m"], measure=False)
    assert "asks          Decide whether the label of a text is class 0 or class 1." in scaffold.plan(drawn)
    assert "asks  " not in scaffold.plan(scaffold.draft(table(900), measure=False))


@pytest.mark.parametrize("said", ["smolm2", "gguf:gone.gguf"])
def test_an_annotator_that_is_nowhere_is_refused_before_a_study_is_written(said):
    with pytest.raises(UserError, match=r"smolm2|there is no file gone\.gguf"):
        scaffold.draft(table(900), [said], measure=False)


def test_a_split_and_values_of_ones_own_are_said_on_the_command_line(monkeypatch, capsys):
    table(400)
    frame = pd.read_csv("a.csv")
    frame["part"] = np.resize(["train", "dev", "test", "spare"], 400)
    frame["label"] = np.resize(["Pos", "pos", "neg"], 400)
    frame.to_csv("a.csv", index=False)
    said = "new a.csv --text text --label label --no-measure --split-by part --train train --train dev --test test"
    monkeypatch.setattr(
        sys, "argv", ["label-risk", *said.split(), "--classes", "Pos=positive, pos=positive,neg=negative"]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code, capsys.readouterr().err
    (drawn,) = studies.load(Path("studies/a.yml")).corpora
    assert drawn["parts"] == {"train": ["train", "dev"], "test": ["test"]}
    corpus = studies.load(Path("studies/a.yml")).corpus("a")
    assert corpus.labels == ("positive", "negative")
    assert (len(corpus.pool), len(corpus.test)) == (200, 100)


def test_an_annotator_of_the_table_has_one_name():
    with pytest.raises(UserError, match="--ready gpt=p: there is a gpt already"):
        scaffold.ready_made(["gpt=gpt", "gpt=p"], table(100))


def test_the_plan_says_what_is_left_out_and_warns():
    spec = table(200, share=0.96)
    frame = pd.read_csv("a.csv")
    frame.loc[[3, 5], "text"] = None
    frame.to_csv("a.csv", index=False)
    drawn = scaffold.draft(spec, measure=False)
    _, left_out = scaffold.write(drawn, Path("a.yml"))
    assert left_out.read_text("utf-8") == (
        "row,reason\n5,the text is missing or blank\n7,the text is missing or blank\n"
    )
    said = scaffold.plan(drawn)
    assert "rows          198 used, 2 left out" in said
    assert "2: the text is missing or blank" in said
    assert "too small to show a difference of 5 points; that takes 626" in said
    assert "'class 1' is " in said
    assert "accuracy says little" in said
    assert "there is no annotator" in said


def test_rare_classes_raise_the_smallest_size():
    assert scaffold.draft(table(4000, share=0.95), measure=False).study.sizes == [250, 500, 1000, 2000]
    sizes = scaffold.draft(table(4000, share=0.3, classes=20), measure=False).study.sizes
    assert sizes == [250, 500, 1000, 2000]
    assert scaffold.draft(table(1000, share=0.3, classes=20), measure=False).study.sizes == [200, 400, 800]


def test_what_was_found_out_about_the_file_is_written_down():
    spec = table(200)
    frame = pd.read_csv("a.csv")
    frame["text"] = frame["text"].str.replace("film", "café")
    frame.to_csv("a.csv", index=False, sep=";", encoding="cp1252")
    (file,) = scaffold.write(scaffold.draft(spec, measure=False), Path("a.yml"))
    described = studies.load(file).corpora[0]
    assert (described["encoding"], described["delimiter"]) == ("cp1252", ";")


def test_quotes_taken_for_characters_are_in_the_plan():
    spec = table(100) | {"path": "a.tsv"}
    lines = [f'"A" {i} text\tclass {i % 2}' for i in range(100)]
    Path("a.tsv").write_text("\n".join(["text\tlabel", *lines]), encoding="utf-8")
    drawn = scaffold.draft(spec, measure=False)
    assert "read with quotes 'plain', found by looking" in scaffold.plan(drawn)
    (file,) = scaffold.write(drawn, Path("a.yml"))
    assert studies.load(file).corpora[0]["quotes"] == "plain"
    assert studies.load(file).corpus("a").rows["text"][0] == '"A" 0 text'


def partly(rows: int, known: int) -> dict:
    """The corpus option of a table with gold labels for some rows, and those of an LLM for all."""
    spec = table(rows)
    frame = pd.read_csv("a.csv")
    frame.loc[np.random.default_rng(1).permutation(rows)[known:], "label"] = None
    frame.to_csv("a.csv", index=False)
    return spec | {"ready_made": {"gpt": {"class 0": "p", "class 1": "q"}}}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("A, B", ["A", "B"]),
        (" Against =no, For=yes,no=no", {" Against ": "no", "For": "yes", "no": "no"}),
        ("a=x,  a=x", {"a": "x", " a": "x"}),
        ("a=b=c", {"a=b": "c"}),
    ],
)
def test_values_with_spaces_can_be_named(said, meant):
    assert scaffold.class_names(said) == meant


def test_ready_made_labels_that_are_lacking_are_counted():
    spec = table(300) | {"ready_made": {"gpt": "gpt", "llama": "gpt"}}
    frame = pd.read_csv("a.csv")
    frame.loc[:9, "gpt"] = None
    frame.loc[10:39, "gpt"] = "in favour"
    frame.to_csv("a.csv", index=False)
    said = scaffold.plan(scaffold.draft(spec, measure=False))
    lacking = (
        "its labels are there, but for 40 of 300 texts (30 times the label 'in favour' is no class, 10 times no label)"
    )
    assert said.count(lacking) == 2


def test_rows_without_a_label_are_left_out_unless_they_are_asked_for():
    spec = partly(900, 300)
    without = scaffold.draft(spec, measure=False)
    assert len(without.corpus.rows) == 300
    assert "600 rows are left out for want of a label: with --unlabelled keep" in scaffold.plan(without)
    # Not where that costs more than it gives, cannot be asked for, or nobody labels them.
    few = partly(900, 880)
    for other in (few, spec | {"folds": 4}, {k: v for k, v in spec.items() if k != "ready_made"}):
        said = scaffold.plan(scaffold.draft(other, measure=False))
        assert "rows are left out for want of a label" in said
        assert "--unlabelled keep" not in said
    spec = partly(900, 300)
    drawn = scaffold.draft(spec | {"unlabelled": "keep"}, measure=False)
    said = scaffold.plan(drawn)
    assert "rows          900 used, 0 left out" in said
    assert "gold          300 of 900, of which 150 to train on" in said
    assert "split         750 to train on, 150 to test on" in said
    assert drawn.study.sizes == [37, 75, 93, 150, 187, 375, 750]  # gold ends at 150 and has a curve, too
    golden = [cell.n for cell in drawn.study.grid("a") if cell.source.method == "gold"]
    assert golden == [37, 75, 93, 150]
    assert len(drawn.study.costs(drawn.corpus)) == len(drawn.study.runs("a"))
    (file,) = scaffold.write(drawn, Path("a.yml"))
    assert studies.load(file) == drawn.study
    assert "examples" not in file.read_text("utf-8")


def test_much_gold_gets_a_test_split_of_the_usual_size():
    drawn = scaffold.draft(partly(6000, 2000) | {"unlabelled": "keep"}, measure=False)
    assert len(drawn.corpus.test) == pytest.approx(650, abs=2)
    assert drawn.corpus.n_gold == 2000 - len(drawn.corpus.test)
    assert not any("were due" in note for note in drawn.corpus.notes)
    assert drawn.study.sizes[-1] == 2000


def test_no_two_sizes_are_nearly_the_same():
    drawn = scaffold.draft(partly(300, 280) | {"unlabelled": "keep"}, measure=False)
    sizes = drawn.study.sizes
    assert drawn.corpus.n_gold in sizes
    assert all(after > 1.1 * before for before, after in pairwise(sizes[:-1]))


def test_nothing_is_kept_where_every_row_has_a_label():
    drawn = scaffold.draft(table(300) | {"unlabelled": "keep"}, measure=False)
    assert "unlabelled" not in drawn.content["corpora"][0]
    assert len(drawn.corpus.parts) == 5


def test_without_gold_there_is_a_study_of_what_remains():
    spec = {option: value for option, value in table(600).items() if option != "label"}
    spec |= {"labels": scaffold.class_names("class 0, class 1"), "unlabelled": "keep"}
    with pytest.raises(UserError, match="neither a gold label nor an annotator"):
        scaffold.draft(spec, measure=False)
    drawn = scaffold.draft(
        spec | {"ready_made": {"gpt": "gpt", "llama": {"class 0": "p", "class 1": "q"}}}, measure=False
    )
    assert drawn.study.sizes == [480]
    assert (drawn.study.filtering, drawn.study.ensembling) == (None, None)
    assert len(drawn.study.runs("a")) == len(drawn.study.costs(drawn.corpus)) == 10
    said = scaffold.plan(drawn)
    assert "gold          0 of 600, of which 0 to train on" in said
    assert "classes       2: class 0, class 1" in said
    assert "can show" not in said
    assert "nothing about how often they are right" in said
    (file,) = scaffold.write(drawn, Path("a.yml"))
    assert studies.load(file) == drawn.study


def test_new_takes_classes_instead_of_a_label_column(monkeypatch, capsys):
    table(100)
    options = ["--text", "text", "--classes", "class 0,class 1", "--ready", "gpt=gpt", "--no-measure"]
    monkeypatch.setattr(sys, "argv", ["label-risk", "new", "a.csv", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None), capsys.readouterr().err
    (described,) = studies.load("studies/a.yml").corpora
    assert described["labels"] == ["class 0", "class 1"]
    assert described["unlabelled"] == "keep"
    assert "label" not in described


def test_a_probe_gets_the_settings_of_a_probe():
    """Those of the shipped study of probes: with an encoder's it would stay where it starts."""
    shipped = studies.load("studies/quick.yml").student
    assert scaffold.draft(table(200), student={"kind": "probe"}, measure=False).study.student == shipped
    other = scaffold.draft(table(200), student={"kind": "probe", "epochs": 3}, measure=False)
    assert other.study.student == shipped.model_copy(update={"epochs": 3})
    assert scaffold.draft(table(200), measure=False).study.student == Student()


def test_an_encoder_of_base_size_gets_a_rate_of_its_own(tmp_path):
    for hidden in (384, 768):
        (tmp_path / f"bert-{hidden}").mkdir()
        config = {"model_type": "bert", "hidden_size": hidden}
        (tmp_path / f"bert-{hidden}" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    small, wide = (f"hf:{tmp_path / f'bert-{hidden}'}" for hidden in (384, 768))

    def rate(**student):
        return scaffold.draft(table(200), student=student, measure=False).study.student.learning_rate

    assert rate(encoder=small) == rate() == Student().learning_rate
    assert rate(encoder=wide) == studies.load("studies/base.yml").student.learning_rate
    assert rate(encoder=wide, learning_rate=1e-5) == 1e-5
    assert rate(encoder=wide, kind="probe") == studies.load("studies/quick.yml").student.learning_rate
    drawn = scaffold.draft(table(200), student={"encoder": wide}, measure=False)
    (file,) = scaffold.write(drawn, Path("studies/a.yml"))
    assert studies.load(file) == drawn.study
    assert "usual learning rate" in file.read_text("utf-8")
    with pytest.raises(UserError, match="encoder hf:nowhere: cannot read its configuration"):
        rate(encoder="hf:nowhere")


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("gpt", "gpt"),
        ("no:p,yes:q", {"no": "p", "yes": "q"}),
        ("gpt:label", "gpt:label"),  # for there is a column of this name
        ("no:gpt:no,yes:gpt:yes", {"no": "gpt:no", "yes": "gpt:yes"}),
        ("a:b:p", {"a:b": "p"}),
        ("a:b:nothing", {"a:b": "nothing"}),  # which is said when the table is read
    ],
)
def test_columns_of_labels_may_have_colons(said, read):
    Path("a.csv").write_text("text,gpt,p,q,gpt:label,gpt:no,gpt:yes\n1,2,3,4,5,6,7\n", encoding="utf-8")
    assert scaffold.ready_made([f"llm={said}"], {"path": "a.csv", "text": "text"}) == {"llm": read}


def test_an_own_split_stays():
    spec = table(400)
    frame = pd.read_csv("a.csv").assign(part=["train", "test"] * 200)
    frame.to_csv("a.csv", index=False)
    drawn = scaffold.draft(spec | {"split_by": "part"}, measure=False)
    assert len(drawn.corpus.test) == 200
    assert {"test_size", "folds"} & set(drawn.content["corpora"][0]) == set()


def test_annotators_are_named_in_the_plan():
    dear = {"openai": "dear", "base_url": "https://api.example.org/v1", "prices": {"input": 1, "output": 2}}
    drawn = scaffold.draft(table(200), ["smollm2-135m", "openai:big@https://api.example.org/v1", dear], measure=False)
    said = scaffold.plan(drawn)
    assert "smollm2-135m: 200 texts, time not measured\n" in said
    assert "big: 200 texts, time not measured\n" in said
    assert "dear: 200 texts, time not measured, may cost money: you are asked before the first call\n" in said
    with pytest.raises(UserError, match="the table has no labels of that name"):
        scaffold.draft(table(200), ["ready:gpt"], measure=False)


def test_labels_that_an_annotator_has_written_already_are_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "ledger"))
    spec, said = table(200), {"openai": "m", "base_url": "http://127.0.0.1:1/v1", "name": "train"}
    corpus = scaffold.draft(spec, [said], measure=False).corpus
    logp = np.log(np.full((len(corpus.rows), 2), 0.5))
    made = {"server": "http://127.0.0.1:1/v1", "model": "m", "answers": "logprobs"}
    annotations.write(
        corpus,
        "train",
        prompts.render(corpus),
        logp,
        folder=places.ledger() / "annotations",
        rows=np.arange(len(corpus.rows)),
        provenance=made,
    )
    drawn = scaffold.draft(spec, [said], measure=False)
    assert scaffold.calls(drawn) == {}
    assert "annotator     train: its labels are there" in scaffold.plan(drawn)


def test_an_annotator_may_have_any_name(monkeypatch):
    """The time of training is no annotator's time, whatever that one is called."""
    monkeypatch.setattr(scaffold, "_measure_training", lambda *_: 7200.0)
    monkeypatch.setattr(scaffold, "_measure_labelling", lambda *_: {"train": 12.0})
    drawn = scaffold.draft(table(200), [{"openai": "m", "base_url": "http://127.0.0.1:1/v1", "name": "train"}])
    assert (drawn.training, drawn.study.seeds) == (7200 * 3 / 5, 3)
    assert "train: 200 texts, about 12 s" in scaffold.plan(drawn)


def test_a_file_of_labels_alone_has_nothing_to_filter_by():
    spec = table(200)
    pd.DataFrame({"id": range(1, 201), "label": "class 0"}).to_csv("said.csv", index=False)
    pd.DataFrame({"id": range(1, 201), "class 0": 0.7, "class 1": 0.3}).to_csv("probs.csv", index=False)
    drawn = scaffold.draft(spec, ["replay:said.csv"], measure=False)
    assert "filtering" not in drawn.content
    assert any("said: labels without probabilities" in warning for warning in drawn.warnings)
    assert "filtering" in scaffold.draft(spec, ["replay:probs.csv"], measure=False).content


def test_nothing_is_overwritten():
    drawn = scaffold.draft(table(100), measure=False)
    scaffold.write(drawn, Path("a.yml"))
    with pytest.raises(UserError, match="there already"):
        scaffold.write(drawn, Path("a.yml"))
    scaffold.write(drawn, Path("a.yml"), force=True)


def test_the_list_of_rows_left_out_belongs_to_one_study():
    """`my.left-out.csv` is of `my.yml`, and not of `my.v2`."""
    spec = table(100)
    frame = pd.read_csv("a.csv")
    frame.loc[:4, "label"] = None
    frame.to_csv("a.csv", index=False)
    drawn = scaffold.draft(spec, measure=False)
    _, first = scaffold.write(drawn, Path("my.yml"))
    _, second = scaffold.write(drawn, Path("my.v2"))
    assert (first.name, second.name) == ("my.left-out.csv", "my.v2.left-out.csv")


def test_a_book_spends_no_money_unasked(monkeypatch, capsys, tmp_path):
    """Neither does it train: the plan comes first."""
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.setattr(sys, "stdin", StringIO())
    server = {"openai": "big", "base_url": "http://127.0.0.1:9/v1", "prices": {"input": 1, "output": 2}}
    scaffold.write(scaffold.draft(table(100), [server], measure=False), Path("a.yml"))
    monkeypatch.setattr(sys, "argv", ["label-risk", "book", "a.yml", "--out", "book"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert "big is to label a" in said.out
    assert "nothing was asked yet: read the plan above, then add --yes" in said.err
    assert not Path("book").exists()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("data/My Reviews.csv", "My-Reviews"),
        ("hub:owner/set", "set"),
        ("Movie.csv", "my-Movie"),
        ("all.csv", "my-all"),
        ("!.csv", "mine"),
    ],
)
def test_names(source, name):
    assert scaffold.name_of(source) == name


def test_the_page_says_how_many_texts_a_test_split_has_at_least():
    needed = power.texts_needed(scaffold.GAP, discordant=scaffold.DISCORDANT)
    least = scaffold._split(SimpleNamespace(rows=range(10_000), gold=np.zeros(1700)))["test_size"] * 1700 // 10_000
    page = places.ROOT.joinpath("book/rerun.md").read_text("utf-8")
    assert f"at least the {least} that it takes to see five points ({needed}, rounded up)" in " ".join(page.split())
