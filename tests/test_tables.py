import json
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest

from helpers import corpora
from helpers.corpora import tables
from helpers.errors import UserError

COLUMNS = {"text": "review", "label": "tone"}


@pytest.fixture(autouse=True)
def _own_folders(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def load(path: str, **options):
    return tables.load(**({"name": "mine", "path": path} | COLUMNS | options))


def write(frame: pd.DataFrame, path: str) -> str:
    """Write `frame` in the format that the end of `path` names."""
    kind = Path(path).suffix
    if kind in (".csv", ".tsv"):
        frame.to_csv(path, index=False, sep="\t" if kind == ".tsv" else ",")
    elif kind == ".parquet":
        frame.to_parquet(path)
    elif kind in (".json", ".jsonl"):
        frame.to_json(path, orient="records", lines=kind == ".jsonl")
    elif path == "saved":
        datasets.Dataset.from_pandas(frame).save_to_disk(path)
    else:
        datasets.DatasetDict({"all": datasets.Dataset.from_pandas(frame)}).save_to_disk(path)
    return path


@pytest.mark.parametrize(
    "path", ["a.csv", "odd [name]*.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet", "saved", "saved-dict"]
)
def test_every_format_gives_the_same_corpus(reviews, path):
    corpus = load(write(reviews, path), id="ref", votes=["no", "yes"], about="film review")
    assert corpus.labels == ("negative", "positive")
    assert corpus.rows["id"].tolist() == reviews["ref"].tolist()
    assert corpus.rows["text"].tolist() == reviews["review"].tolist()
    assert np.array_equal(corpus.gold, reviews["tone"] == "positive")
    assert np.array_equal(corpus.votes, reviews[["no", "yes"]])
    assert (len(corpus.test), len(corpus.pool), corpus.dropped, corpus.about) == (8, 32, {}, "film review")


def test_a_data_set_with_splits_needs_one_named(reviews):
    halves = {"train": reviews[:20], "test": reviews[20:]}
    frames = {name: datasets.Dataset.from_pandas(half, preserve_index=False) for name, half in halves.items()}
    datasets.DatasetDict(frames).save_to_disk("saved")
    assert load("saved", split="test").rows["text"].tolist() == reviews["review"][20:].tolist()
    with pytest.raises(UserError, match="saved: the splits are train, test: name one"):
        load("saved")
    with pytest.raises(UserError, match="'dev' is none of them"):
        load("saved", split="dev")


def test_a_hub_data_set_is_read_through_the_same_door(reviews):
    # `datasets` reads a local repository by the code that reads one of the hub.
    Path("repository").mkdir()
    write(reviews[:30], "repository/train.parquet")
    write(reviews[30:], "repository/test.parquet")
    options = {"name": "mine", "hub": "./repository"} | COLUMNS
    assert tables.load(split="train", **options).rows["text"].tolist() == reviews["review"][:30].tolist()
    assert len(tables.load(split="train+test", **options).rows) == 40
    with pytest.raises(UserError, match="the splits are train, test"):
        tables.load(**options)


def test_a_hub_that_is_out_of_reach_is_one_message():
    with pytest.raises(UserError, match=r"^nobody/nothing: cannot be read: .+"):
        tables.load(name="mine", hub="nobody/nothing", **COLUMNS)


def test_csv_is_read_as_it_is_written(reviews):
    texts = ["=1+1", "a, b", 'she said "no"', "two\nlines", "NA", "007", "zero\x00wid\x1fth", "  padded\t"]
    reviews.loc[: len(texts) - 1, "review"] = texts
    reviews["tone"] = ["None", "NA"] * 20
    Path("a.csv").write_bytes(b"\xef\xbb\xbf" + reviews.to_csv(index=False, lineterminator="\r\n").encode())
    corpus = load("a.csv")
    clean = [*texts[:6], "zerowidth", "padded"]
    assert corpus.rows["text"].tolist()[: len(texts)] == clean
    assert corpus.labels == ("NA", "None")
    assert corpus.dropped == {}


def test_a_changed_file_is_read_again(reviews):
    before = load(write(reviews, "a.csv"))
    reviews.loc[0, "review"] = "another text"
    assert load(write(reviews, "a.csv")).fingerprint != before.fingerprint


@pytest.mark.parametrize("path", ["a.csv", "a.jsonl", "a.parquet"])
def test_integers_are_classes_in_their_own_order(reviews, path):
    reviews["tone"] = [10, 9] * 20
    assert load(write(reviews, path)).labels == ("9", "10")
    reviews["tone"] -= 9
    named = load(write(reviews, path), labels=["bad", "good"])
    assert named.labels == ("bad", "good")
    assert named.gold.tolist() == reviews["tone"].tolist()


def test_missing_values_do_not_turn_integers_into_fractions(reviews):
    reviews["tone"] = [0.0, 1.0] * 19 + [np.nan, 1.0]
    corpus = load(write(reviews, "a.parquet"))
    assert corpus.labels == ("0", "1")
    assert corpus.dropped == {"the label is missing": 1}


def test_a_mapping_orders_names_and_merges(reviews):
    reviews["tone"] = [1, 2, 4, 5] * 10
    corpus = load(write(reviews, "a.csv"), labels={4: "good", 5: "good", 1: "bad", 2: "bad"})
    assert corpus.labels == ("good", "bad")
    assert corpus.gold.tolist() == [1, 1, 0, 0] * 10


def test_class_label_features_are_honoured(reviews):
    data = datasets.Dataset.from_pandas(reviews.assign(tone=[1, 0, 2, -1] * 10))
    names = datasets.ClassLabel(names=["worst", "best", "as before", "never"])
    data.cast_column("tone", names).save_to_disk("saved")
    corpus = load("saved")
    assert corpus.labels == ("worst", "best", "as before")
    assert corpus.gold.tolist() == [1, 0, 2] * 10
    assert corpus.dropped == {"the label is missing": 10}
    assert load("saved", labels={2: "c", 1: "b", 0: "a"}).labels == ("c", "b", "a")
    assert load("saved", labels={"as before": "c", "best": "b", "worst": "a"}).gold.tolist() == [1, 2, 0] * 10


def test_rows_without_text_or_label_are_left_out_and_counted(reviews):
    reviews.loc[[1, 3], "review"] = [None, " \t\x07 "]
    reviews.loc[[3, 5, 6], "tone"] = None
    for path in ("a.csv", "a.jsonl", "a.parquet"):
        corpus = load(write(reviews, path), id="ref", votes=["no", "yes"])
        assert corpus.dropped == {"the text is missing or blank": 2, "the label is missing": 2}
        kept = reviews.drop(index=[1, 3, 5, 6])
        assert corpus.rows["id"].tolist() == kept["ref"].tolist()
        assert np.array_equal(corpus.votes, kept[["no", "yes"]])


def test_the_test_split_is_a_fifth_and_never_over_1500(reviews):
    long = pd.DataFrame({"review": [f"text {i}" for i in range(9000)], "tone": ["a", "b"] * 4500})
    assert len(load(write(long, "long.csv")).test) == 1500
    assert len(load(write(reviews, "a.csv"), test_size=3).test) == 3


def test_equal_texts_never_straddle_the_split(reviews):
    reviews["review"] = [f"Text {i // 4}" + " " * (i % 2) for i in range(40)]
    corpus = load(write(reviews, "a.parquet"))
    texts = corpus.rows["text"]
    assert not set(texts.iloc[corpus.test]) & set(texts.iloc[corpus.pool])


# What is wrong with a table, and what is then said.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"text": "body"}, r"a\.csv: there is no column 'body', only 'ref', 'review', 'tone', 'no', 'yes'"),
        ({"votes": ["no", "maybe"]}, "no column 'maybe'"),
        ({"votes": "yes"}, "`votes` must be a list"),
        ({"votes": ["yes"]}, "1 columns for 2 classes: name one for each of 'negative', 'positive'"),
        (
            {"labels": ["negative", "happy"]},
            r"column 'tone', rows 3, 5, 7, 9, 11 and 15 more: must be one of 'negative'",
        ),
        ({"labels": ["Negative", "positive"]}, "'Negative' and 'negative' differ only by case"),
        ({"labels": ["positive", "Positive "]}, "class names must differ"),
        ({"labels": [True, False]}, "put them in quotes"),
        ({"labels": "negative, positive"}, "must be a list"),
        ({"test_size": 40}, "`test_size` is 40, but must be an integer from 1 to 39"),
        ({"split": "train"}, "a file has no splits"),
        ({"name": "a/b"}, "cannot be called 'a/b'"),
        ({"name": "movie"}, "a built-in one"),
        ({"hub": "x/y"}, "either `path` or `hub`"),
        ({"config": "plain"}, "`config` goes with `hub`"),
    ],
)
def test_wrong_descriptions(reviews, options, said):
    with pytest.raises(UserError, match=said):
        load(write(reviews, "a.csv"), **options)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tone": None}, "there are 0 rows with"),
        ({"tone": "positive"}, "every row has the same class, 'positive'"),
        ({"tone": ["a", "b"] * 9 + ["a"] + [None] * 21}, r"there are 19 rows with a text and a label \(21 without\)"),
        ({"tone": ["Pos", "pos", "neg", "neg"] * 10}, "'Pos' and 'pos' differ only by case or surrounding spaces"),
        ({"tone": ["pos ", "pos", "neg", "neg"] * 10}, "'pos ' and 'pos' differ only by case or surrounding spaces"),
        ({"ref": ["a", "b", "b", *range(36), "a"]}, "column 'ref', rows 2, 3, 4, 41: must be unique, but is 'a', 'b'"),
        ({"ref": [None, *range(39)]}, "column 'ref', row 2: must not be missing"),
        ({"yes": [-1, *[2] * 39]}, "column 'yes', row 2: must be a number of votes, but is -1.0"),
        ({"yes": [2.5, "many", *[2] * 38]}, "column 'yes', row 3: must not be missing.*column 'yes', row 2: must be a"),
        ({"yes": [0, *[2] * 39], "no": [0, *[2] * 39]}, "no vote in row 2"),
        ({"review": "the same"}, "duplicates kept together, leaves none to train on"),
    ],
)
def test_wrong_cells(reviews, change, said):
    path = write(reviews.assign(**change), "a.csv")
    with pytest.raises(UserError, match=said):
        load(path, id="ref", votes=["no", "yes"])


def test_more_than_fifty_classes_are_a_wrong_column(reviews):
    many = pd.concat([reviews] * 2).assign(tone=[f"c{i}" for i in range(80)])
    with pytest.raises(UserError, match=r"80 distinct values.*is it the right column"):
        load(write(many, "a.csv"))


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("none.csv", None, r"none\.csv: there is no such file \(the working folder is "),
        ("a.xlsx", b"PK", r"must end in \.csv, \.tsv"),
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"review,tone\n", "there is a header and nothing below it"),
        ("a.csv", "review,tone\nfade,a\ncafé,b\n".encode("latin-1"), "not UTF-8: line 3 has the byte 0xe9"),
        ("a.csv", "review,tone\ncafé,b\n".encode("utf-16"), "not UTF-8: line 1 has the byte 0xff"),
        ("a.csv", "review,tone\ncafe,b\n".encode("utf-16-le"), "line 1 has NUL bytes, as UTF-16 has"),
        ("a.csv", b"review,tone\nfine,a\nnow, then,b\n", "Expected 2 fields in line 3, saw 3"),
        ("a.csv", b"review,tone\nnow, then,b\nfine,a\n", "row 2 has more fields than the header"),
        ("a.csv", b'review,tone\n"never closed,a\n', "cannot be read: .*EOF inside string"),
        ("a.tsv", b'review\ttone\nfine\ta\n"No\tb\nand "no"\ta\n', "row 3 runs on over the next: its column 'review'"),
        ("a.parquet", b"review,tone\nfine,a\n", "cannot be read: .*[Pp]arquet"),
        ("a.jsonl", b'{"review": "fine", "tone"\n', "cannot be read: JSON parse error"),
        ("a.json", bytes(range(128, 256)), "not UTF-8: line 1 has the byte 0x80"),
    ],
)
def test_wrong_files(path, content, said):
    if content is not None:
        Path(path).write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_datasets_did_not_write():
    Path("folder").mkdir()
    with pytest.raises(UserError, match=r"^folder: cannot be read"):
        load("folder")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"review": ["a", "list"], "tone": "a"}, r"column 'review', row 21: must be text, but is \['a', 'list'\]"),
        ({"review": 17, "tone": "a"}, "column 'review', row 21: must be text, but is 17"),
        ({"review": "fine", "tone": ["a"]}, r"column 'tone' holds \['a'\]: a class must be a name or an integer"),
    ],
)
def test_cells_of_another_kind_in_json(row, said):
    rows = [{"review": f"text {i}", "tone": "ab"[i % 2]} for i in range(20)]
    Path("a.jsonl").write_text("\n".join(map(json.dumps, [*rows, row])), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        load("a.jsonl")


def test_a_study_describes_a_table_by_a_mapping(reviews):
    spec = {"name": "mine", "path": write(reviews, "a.csv")} | COLUMNS
    assert corpora.load(spec).name == "mine"
    with pytest.raises(UserError, match=r"'mine' is not described right: .*'lable'"):
        corpora.load(spec | {"lable": "tone"})
    with pytest.raises(UserError, match="missing a required argument: 'label'"):
        corpora.load({"name": "mine", "text": "review"})
