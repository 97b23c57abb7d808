"""Answers from a file."""

import json

import datasets
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import make_corpus, sentences

from helpers import annotating, annotations, annotators, prompts
from helpers.annotators import specs
from helpers.errors import UserError


@pytest.fixture
def corpus():
    return make_corpus([text for text, _ in sentences(20)])


def write(file, table: pd.DataFrame):
    if file.suffix == ".parquet":
        table.to_parquet(file)
    elif file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in table.to_dict("records")), encoding="utf-8")
    else:
        table.to_csv(file, index=False, sep="\t" if file.suffix == ".tsv" else ",")
    return file


def replay(file, corpus, folder, **fields):
    loaded = annotators.load({"replay": str(file)} | fields, corpus=corpus)
    prompt = prompts.render(corpus)
    written = annotating.annotate(corpus, loaded, prompt, folder=folder)
    return annotations.read(written, corpus, prompt)


def probabilities(corpus, seed=3):
    p = np.random.default_rng(seed).dirichlet([1, 1, 0.3], len(corpus.rows))[:, :2]
    return pd.DataFrame({"id": corpus.rows["id"], "negative": p[:, 0], "positive": p[:, 1]}), p


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_probabilities_by_id_in_any_order(corpus, tmp_path, suffix):
    table, p = probabilities(corpus)
    shuffled = table.sample(frac=1, random_state=1)
    read = replay(write(tmp_path / f"others{suffix}", shuffled), corpus, tmp_path / "out")
    assert np.exp(read.logp) == pytest.approx(p, rel=1e-5)
    assert read.missing == pytest.approx(1 - p.sum(axis=1), abs=1e-5)
    assert read.failures == {}
    assert read.provenance["answers"] == "probabilities"
    assert read.provenance["annotator"] == "others"
    assert len(read.provenance["model_hash"]) == 64
    assert str(tmp_path) not in json.dumps(read.provenance)


def test_log_probabilities_and_columns_of_other_names(corpus, tmp_path):
    table, p = probabilities(corpus)
    table = pd.DataFrame({"ref": table["id"], "p(-)": np.log(p[:, 0]), "p(+)": np.log(p[:, 1])})
    columns = {"negative": "p(-)", "positive": "p(+)"}
    read = replay(write(tmp_path / "a.csv", table), corpus, tmp_path, id="ref", columns=columns)
    assert read.provenance["answers"] == "logprobs"
    assert np.exp(read.logp) == pytest.approx(p, rel=1e-5)


def test_log_probabilities_that_are_rounded_past_zero(corpus, tmp_path):
    table = pd.DataFrame({"id": corpus.rows["id"], "negative": -17.0, "positive": 2e-7})
    for values in ("auto", "logprobs"):
        read = replay(write(tmp_path / "a.csv", table), corpus, tmp_path / values, values=values)
        assert read.provenance["answers"] == "logprobs"
        assert (read.logp == [-17, 0]).all()


def test_labels(corpus, tmp_path):
    said = ["Positive", "negative "] * 10
    said[4], said[5], said[6] = "", "I cannot tell", " POSITIVE."
    table = pd.DataFrame({"id": corpus.rows["id"], "label": said})
    read = replay(write(tmp_path / "a.csv", table), corpus, tmp_path)
    assert read.provenance["answers"] == "labels"
    assert read.failures == {4: "the file has no answer in this row", 5: "the label 'I cannot tell' is no class"}
    known = [i for i in range(20) if i not in (4, 5)]
    assert read.probs[known].tolist() == [[float(i % 2), float(i % 2 == 0)] for i in known]
    assert (read.missing[known] == 0).all()


def test_rows_that_the_file_lacks_fail_and_rows_of_others_are_left_alone(corpus, tmp_path):
    table, p = probabilities(corpus)
    other = pd.DataFrame({"id": ["zz"], "negative": [1.0], "positive": [0.0]})
    table = pd.concat([table.iloc[5:], other])
    table.loc[7, "negative"] = np.nan
    read = replay(write(tmp_path / "a.jsonl", table), corpus, tmp_path)
    assert read.failures == dict.fromkeys(range(5), "the file has no row of this id") | {7: "a probability is missing"}
    assert np.exp(read.logp[8:]) == pytest.approx(p[8:], rel=1e-5)


def test_rows_without_probabilities_are_missing_answers(corpus, tmp_path):
    """The rule is that of `ready_made`: see `test_tables.py`."""
    table = probabilities(corpus)[0].astype(object)
    table.loc[2, ["negative", "positive"]] = 0
    table.loc[3, "positive"], table.loc[4, "positive"] = "n/a", "refused"
    table.loc[5, "negative"] = corpus.rows["text"].iloc[5]
    assert replay(write(tmp_path / "a.csv", table), corpus, tmp_path / "out").failures == {
        2: "all probabilities are 0",
        3: "a probability is missing",
        4: "'refused' is no number",
        5: "what is there is no number",
    }


def test_a_finished_table_is_a_file_to_replay(corpus, tmp_path):
    table, p = probabilities(corpus)
    replay(write(tmp_path / "a.csv", table), corpus, tmp_path / "one")
    (file,) = (tmp_path / "one").rglob("*.parquet")
    assert "failure" in pq.read_table(file).column_names
    read = replay(file, corpus, tmp_path / "two", name="again")
    assert np.exp(read.logp) == pytest.approx(p, rel=1e-5)


def test_ids_that_are_numbers(tmp_path):
    corpus = make_corpus([text for text, _ in sentences(20)])
    corpus.rows["id"] = [str(i) for i in range(1, 21)]
    table = pd.DataFrame({"id": range(1, 21), "label": ["negative"] * 20})
    for suffix in (".csv", ".jsonl", ".parquet"):
        assert replay(write(tmp_path / f"a{suffix}", table), corpus, tmp_path / suffix).failures == {}


@pytest.mark.parametrize("first", [0, 2])
def test_rows_that_are_numbered_in_another_way_are_refused(tmp_path, first):
    """pandas counts them from 0, and who counts the header from 2: nearly all ids are there, beside their rows."""
    corpus = make_corpus([text for text, _ in sentences(20)])
    corpus.rows["id"] = [str(i) for i in range(1, 21)]
    table = pd.DataFrame({"id": range(first, first + 20), "label": ["negative"] * 20})
    with pytest.raises(UserError, match=f"numbers of rows that begin with {first}, and those of .* begin with 1"):
        replay(write(tmp_path / "a.csv", table), corpus, tmp_path)
    more = pd.DataFrame({"id": range(1, 41), "label": ["negative"] * 40})
    assert replay(write(tmp_path / "more.csv", more), corpus, tmp_path, name="more").failures == {}


def test_what_is_no_class_repeats_no_text_and_empty_rows_do_not_hide_that_none_is_one(corpus, tmp_path):
    table = pd.DataFrame({"id": corpus.rows["id"], "label": ["negative"] * 20})
    table.loc[3, "label"] = f"The text says {corpus.rows['text'].iloc[3]}"
    assert replay(write(tmp_path / "a.csv", table), corpus, tmp_path).failures == {3: "what is there is no class"}
    table["label"] = [None if i % 2 else "positiv" for i in range(20)]
    with pytest.raises(UserError, match=r"10 rows have a label that .* does not have, the first 'positiv'"):
        replay(write(tmp_path / "b.csv", table), corpus, tmp_path, name="b")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_ids_of_a_column_of_floats(tmp_path, suffix):
    """Formats write them in two ways, and the table of the corpus may have either."""
    table = pd.DataFrame({"id": np.arange(1.0, 21), "label": ["negative"] * 20})
    file = write(tmp_path / f"a{suffix}", table)
    for ids in ("1", "1.0"):
        corpus = make_corpus([text for text, _ in sentences(20)])
        corpus.rows["id"] = [ids.replace("1", str(i)) for i in range(1, 21)]
        assert replay(file, corpus, tmp_path / ids).failures == {}


def test_ids_that_differ_by_a_point_are_two_where_the_corpus_has_both(tmp_path):
    corpus = make_corpus([text for text, _ in sentences(20)])
    corpus.rows["id"] = ["1", "1.0", *(f"r{i}" for i in range(2, 20))]
    table = pd.DataFrame({"id": ["1.0", "1"], "label": ["negative", "positive"]})
    read = replay(write(tmp_path / "a.csv", table), corpus, tmp_path / "out")
    assert read.logp[:2].argmax(axis=1).tolist() == [1, 0]


def test_a_file_is_read_as_a_table_is(corpus, tmp_path):
    """Semicolons, an encoding of its own, Excel, one JSON array, indices of classes, blank lines at the end."""
    table = pd.DataFrame({"id": corpus.rows["id"], "café": ["negative", "positive"] * 10})
    wanted = corpus.rows["gold"].tolist()
    table.to_csv(tmp_path / "a.csv", sep=";", encoding="cp1252", index=False)
    with (tmp_path / "a.csv").open("a") as more:
        more.write("\n\n")
    table.to_excel(tmp_path / "a.xlsx", index=False)
    table.to_json(tmp_path / "a.json", orient="records")
    indices = datasets.Dataset.from_pandas(table.assign(café=wanted))
    indices.cast_column("café", datasets.ClassLabel(names=["negative", "positive"])).to_parquet(tmp_path / "a.parquet")
    for suffix in (".csv", ".xlsx", ".json", ".parquet"):
        read = replay(tmp_path / f"a{suffix}", corpus, tmp_path / suffix, label="café")
        assert read.failures == {}
        assert read.logp.argmax(axis=1).tolist() == wanted


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", None, "there is no file .*a.csv to replay"),
        ("a.xls", "", r"annotator a: .*a\.xls: this is the old format of Excel"),
        ("a.doc", "", r"the name of a file must end in \.csv"),
        ("a.csv", "", "the file is empty"),
        ("a.csv", bytes(range(128, 256)) * 9, "neither UTF-8 nor any encoding"),
        ("a.csv", 'id,label\nr0,"x\n', "line 2 opens a quote that is never closed"),
        (
            "a.csv",
            "ref,label\nr0,negative\n",
            r"no column 'id', only 'ref', 'label'; say in the study which it is, as \{replay: a",
        ),
        ("a.csv", "id,label,label\nr0,negative,positive\n", "there are two columns 'label'"),
        ("a.csv", "id,label\nq0,negative\n", "none of its 1 ids in column 'id' is an id of small"),
        ("a.csv", "id,label\nr0,negative\nr0,positive\n", "the id 'r0' is there more than once"),
        ("a.csv", "id,label\nr0,\x1b[31mgood\n", "1 rows have a label that small does not have, the first ' .31mgood'"),
        (
            "a.csv",
            "id,negative\nr0,0.5\n",
            r"neither a column for each label .* as \{replay: a\.csv, label: COLUMN\} or \{…, columns: \{LABEL",
        ),
        ("a.csv", "id,negative,positive\nr0,0.5,high\n", "column 'positive', row of id 'r0': 'high' is no number"),
        ("a.csv", "id,negative,positive\nr0,0.5,0.9\n", "row of id 'r0': 0.5, 0.9 are no probabilities"),
        ("a.csv", "id,negative,positive\nr0,-3,0.9\n", "are no probabilities: none may be below 0"),
        ("a.csv", "id,negative,positive\nr0,inf,0\n", "are no probabilities"),
        ("a.csv", "id,negative,positive\nr0,,\nr1,0,0\n", "are empty, or all 0"),
        ("a.csv", "id,negative,positive\nr0,-0.1,-0.1\n", "are no logprobs"),
        ("a.jsonl", "{}\n[1]\n", r"line 2 is \[1\], but must be an object"),
        ("a.jsonl", "{'id': __import__('os')}\n", "line 1, character 2: not JSON"),
        ("a.jsonl", "[" * 100_000, "nested too deeply"),
        ("a.parquet", b"PAR1 but not really PAR1", "this is no Parquet file"),
    ],
)
def test_files_that_cannot_be_replayed(corpus, tmp_path, name, content, message):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as caught:
        replay(file, corpus, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert not list((tmp_path / "out").rglob("*"))


def test_columns_have_to_name_every_label(corpus, tmp_path):
    file = write(tmp_path / "a.csv", probabilities(corpus)[0])
    with pytest.raises(UserError, match="`columns` must name one for each label: negative, positive"):
        replay(file, corpus, tmp_path, columns={"negative": "negative"})
    with pytest.raises(UserError, match="there is no column 'none'"):
        replay(file, corpus, tmp_path, columns={"negative": "negative", "positive": "none"})


def test_a_replay_needs_a_corpus():
    with pytest.raises(UserError, match="goes by the row ids of a corpus"):
        annotators.load(specs.parse("replay:a.csv"))
