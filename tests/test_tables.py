import json
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers import annotations, corpora, prompts, studies
from helpers.corpora import classes, tables
from helpers.errors import UserError
from helpers.findings import results
from helpers.ledger import Ledger, Record

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


@pytest.mark.parametrize("order", [["no", "yes"], ["yes", "no"]])
def test_votes_whose_order_does_not_fit_the_labels_are_doubted(reviews, order):
    right = reviews["tone"] == "positive"
    asked = reviews.assign(no=np.where(right, 1, 4), yes=np.where(right, 2, 1))
    asked.loc[0, ["no", "yes"]] = 3
    doubts = [note for note in load(write(asked, "a.csv"), votes=order).notes if "in the order of the classes" in note]
    said = (
        "are `votes` in the order of the classes? The label has the most votes in 2% of the rows, and would in 100% "
        "with 'no' for 'negative', 'yes' for 'positive'"
    )
    assert doubts == ([] if order == ["no", "yes"] else [said])


def test_a_data_set_with_splits_needs_one_named(reviews):
    halves = {"train": reviews[:20], "test": reviews[20:]}
    frames = {name: datasets.Dataset.from_pandas(half, preserve_index=False) for name, half in halves.items()}
    datasets.DatasetDict(frames).save_to_disk("saved")
    assert load("saved", split="test").rows["text"].tolist() == reviews["review"][20:].tolist()
    with pytest.raises(UserError, match=r"saved: the splits are train, test: name one .*, or some, as train\+test"):
        load("saved")
    with pytest.raises(UserError, match="'dev' is none of them"):
        load("saved", split="dev")


def test_the_splits_of_a_data_set_can_be_the_split(reviews):
    parts = {"train": reviews[:20], "dev": reviews[20:28], "test": reviews[28:]}
    Path("repository").mkdir()
    for name, part in parts.items():
        write(part, f"repository/{name}.parquet")
    frames = {name: datasets.Dataset.from_pandas(part, preserve_index=False) for name, part in parts.items()}
    datasets.DatasetDict(frames).save_to_disk("saved")
    files = [f"  - {{split: {name}, path: {name}.parquet}}" for name in parts]
    card = ["---", "configs:", "- config_name: default", "  data_files:", *files, "---", ""]
    Path("repository/README.md").write_text("\n".join(card), encoding="utf-8")
    for source in ({"path": "saved"}, {"hub": "./repository"}):
        options = {"name": "mine", "id": "ref", "split_by": "@split"} | source | COLUMNS
        both = tables.load(split="train+test", **options)
        assert both.rows["id"][both.pool].sort_index().tolist() == reviews["ref"][:20].tolist()
        assert both.rows["id"][both.test].tolist() == reviews["ref"][28:].tolist()
        every = tables.load(split="train+dev+test", parts={"train": ["train", "dev"], "test": "test"}, **options)
        assert (len(every.pool), len(every.test)) == (28, 12)
        with pytest.raises(UserError, match="there is no column '@split'"):
            tables.load(split="train", **options)
    with pytest.raises(UserError, match=r"'train\[:5\]' is none of them"):
        load("saved", split="train[:5]+test")
    some = tables.load(name="mine", hub="./repository", split="train[:15] + test", split_by="@split", **COLUMNS)
    assert (len(some.pool), len(some.test)) == (15, 12)


def test_a_column_of_the_same_name_stays(reviews):
    reviews["@split"] = ["test", "train"] * 20
    parts = {"train": reviews[:20], "test": reviews[20:]}
    frames = {name: datasets.Dataset.from_pandas(part, preserve_index=False) for name, part in parts.items()}
    datasets.DatasetDict(frames).save_to_disk("saved")
    corpus = load("saved", split="train+test", split_by="@split")
    assert corpus.test.tolist() == list(range(0, 40, 2))


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


def test_a_split_column_of_indices_may_have_gaps(reviews):
    reviews["part"] = [0, 1] * 18 + [None, -1, 0, 1]
    frame = datasets.Dataset.from_pandas(reviews.astype({"part": "Int64"}))
    frame.cast_column("part", datasets.ClassLabel(names=["train", "test"])).to_parquet("a.parquet")
    corpus = load("a.parquet", split_by="part")
    assert (len(corpus.pool), len(corpus.test)) == (19, 19)
    assert corpus.left_out == {"'part' is neither training nor test": [37, 38]}


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


# Votes, splits, groups, labels of LLMs, and the codebook.


def test_raters_in_columns_of_their_own(reviews):
    reviews["r1"] = reviews["tone"]
    reviews["r2"] = ["positive", None] * 20
    reviews["r3"] = ["negative", "positive", None, "positive"] * 10
    corpus = load(write(reviews, "a.csv"), label=None, raters=["r1", "r2", "r3"])
    assert corpus.labels == ("negative", "positive")
    # Rows of four: two and one against, all three agree, one each (a tie), all agree.
    assert corpus.votes.tolist() == [[2, 1], [0, 2], [0, 2]] * 10
    assert corpus.gold.tolist() == [0, 1, 1] * 10
    assert corpus.dropped == {"two classes share most of the votes": 10}
    assert corpus.notes[0] == "gold is what most votes of a.csv say"


def test_counts_alone_name_the_classes(reviews):
    reviews.loc[0, ["no", "yes"]] = 0
    corpus = load(write(reviews, "a.csv"), label=None, votes=["no", "yes"])
    assert corpus.labels == ("no", "yes")
    assert corpus.gold.tolist() == ([0, 1] * 20)[1:]
    assert corpus.dropped == {"nobody voted": 1}


def test_an_own_split_is_used_as_it_is_and_does_not_leak(reviews):
    reviews["fold"] = ["Train"] * 28 + ["dev"] * 4 + ["TEST"] * 8
    reviews["author"] = [f"w{i % 14}" if i < 32 else "w0" if i == 32 else f"v{i}" for i in range(40)]
    corpus = load(write(reviews, "a.csv"), id="ref", split_by="fold", groups="author")
    assert corpus.rows["id"].iloc[corpus.test].tolist() == [f"a{i}" for i in range(32, 40)]
    assert sorted(corpus.rows["id"].iloc[corpus.pool]) == sorted(f"a{i}" for i in range(28) if i % 14)
    assert corpus.dropped == {
        "'fold' is neither training nor test": 4,
        "a training text that shares a group with a test text": 2,
    }
    other = load("a.csv", split_by="fold", parts={"train": ["train", "test"], "test": "dev"})
    assert (len(other.pool), len(other.test)) == (36, 4)


def test_authors_do_not_straddle(reviews):
    reviews["author"] = [f"w{i // 4}" if i < 36 else None for i in range(40)]
    corpus = load(write(reviews, "a.csv"), groups="author", id="ref")
    authors = reviews.set_index("ref")["author"][corpus.rows["id"]].to_numpy()
    train, test = ({a for a in authors[rows] if isinstance(a, str)} for rows in (corpus.pool, corpus.test))
    assert train
    assert test
    assert not train & test


def test_authors_that_look_the_same_do_not_straddle(reviews):
    names = ["Zoé", "Zoe\u0301 ", "\tZoé", "Zoé\u200f", "Ann  Lee", " Ann Lee"]
    reviews["author"] = (names * 3 + ["Bo", "bo"] + [f"w{i}" for i in range(20)])[:40]
    corpus = load(write(reviews, "a.jsonl"), groups="author", folds=10)
    fold = np.argmax([np.isin(np.arange(40), part.test) for part in corpus.parts], axis=0)
    first = reviews["author"].isin(names[:4]).to_numpy()
    second = reviews["author"].isin(names[4:]).to_numpy()
    assert len(set(fold[first])) == len(set(fold[second])) == 1
    plain = reviews.assign(author=np.select([first, second], ["a", "b"], reviews["author"]))
    same = load(write(plain, "b.jsonl"), groups="author", folds=10)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(corpus.parts, same.parts, strict=True))


@pytest.mark.parametrize(
    ("value", "group"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1", "1"),
        (1.5, "1.5"),
        (" a ", "a"),
        ("A", "A"),
        ("", None),
        (None, None),
        ("\u200b", None),
    ],
)
def test_groups_are_compared_as_they_look(value, group):
    assert classes.group(value) == group


def test_another_seed_is_another_split(reviews):
    path = write(reviews, "a.csv")
    assert load(path, split_seed=1).test.tolist() != load(path).test.tolist()
    assert load(path, split_seed=1).fingerprint == load(path).fingerprint


def test_ready_made_labels_become_annotations(reviews):
    reviews["gpt"] = ["Negative.", " positive", "unsure", None] * 10
    reviews["p_no"], reviews["p_yes"] = [0.7, 0.25] * 20, [0.2, 0.75] * 20
    reviews.loc[5, "p_no"] = None
    ready = {"gpt-9": "gpt", "llama": {"positive": "p_yes", "negative": "p_no"}}
    corpus = load(write(reviews, "a.csv"), ready_made=ready)
    hard, soft = (annotations.lookup(corpus, name, prompts.render(corpus)) for name in ready)
    assert hard.probs[:2].tolist() == [[1, 0], [0, 1]]
    assert hard.failures[2] == "the label 'unsure' is no class"
    assert hard.failures[3] == "no label"
    assert np.isnan(hard.probs[2:4]).all()
    assert hard.provenance["hard"]
    assert soft.logp[0] == pytest.approx(np.log([0.7, 0.2]))
    assert soft.missing[0] == pytest.approx(0.1)
    assert soft.failures == {5: "a probability is missing"}
    with pytest.raises(UserError, match="no ready-made labels of 'claude', only gpt-9, llama"):
        annotations.ready(corpus, "claude")


def test_rows_without_probabilities_are_missing_answers(reviews):
    """The rule is that of a replay: see `test_replay.py`."""
    reviews["p_no"], reviews["p_yes"] = pd.Series([0.7] * 40, dtype=object), pd.Series([0.2] * 40, dtype=object)
    reviews.loc[2, ["p_no", "p_yes"]] = 0
    reviews.loc[3, "p_yes"], reviews.loc[4, "p_yes"] = "n/a", "refused"
    reviews.loc[5, "p_no"] = reviews["review"].iloc[5]
    ready = {"llama": {"negative": "p_no", "positive": "p_yes"}}
    assert load(write(reviews, "a.csv"), ready_made=ready).ready["llama"].failures == {
        2: "all probabilities are 0",
        3: "a probability is missing",
        4: "'refused' is no number",
        5: "what is there is no number",
    }


@pytest.mark.parametrize("words", [20, 21])
def test_probabilities_that_are_mostly_words_are_the_wrong_column(reviews, words):
    """Half of them may be; of more, the first is named."""
    ready = {"llama": {"negative": "p_no", "positive": "p_no"}}
    path = write(reviews.assign(p_no=["0,5"] * words + [0.5] * (40 - words)), "a.csv")
    if words == 20:
        assert len(load(path, ready_made=ready).ready["llama"].failures) == words
    else:
        with pytest.raises(UserError, match="llama, column 'p_no', row 2: '0,5' is no number"):
            load(path, ready_made=ready)


def test_log_probabilities_are_seen_as_such(reviews):
    reviews["l_no"], reviews["l_yes"] = np.log(0.7), np.log(0.2)
    ready = {"llama": {"negative": "l_no", "positive": "l_yes"}}
    corpus = load(write(reviews, "a.parquet"), ready_made=ready)
    assert corpus.ready["llama"].logp[3] == pytest.approx(np.log([0.7, 0.2]))


def test_ready_made_labels_that_mean_two_classes_are_refused(reviews):
    """Stars are stored as 0 and 1 and called 1 and 2; what does the LLM's column say?"""
    frame = reviews.assign(tone=[0, 1] * 20, gpt=["1", "2"] * 20)
    with pytest.raises(UserError, match="column 'gpt' says '1', which is the name of one class and stands for another"):
        load(write(frame, "a.csv"), labels={0: "1", 1: "2"}, ready_made={"gpt": "gpt"})
    frame["gpt"] = ["0", "two"] * 20  # which only one thing can mean
    corpus = load(write(frame, "b.csv"), labels={0: "1", 1: "two"}, ready_made={"gpt": "gpt"})
    assert corpus.ready["gpt"].logp.argmax(1).tolist() == [0, 1] * 20


def test_ready_made_labels_follow_their_rows(reviews):
    """Through everything that leaves rows out."""
    reviews["gpt"] = reviews["tone"]
    reviews.loc[2, "review"] = None
    reviews["fold"] = ["train"] * 30 + ["test"] * 10
    reviews.loc[[3, 5], "fold"] = "dev"
    reviews.loc[35, "review"] = reviews.loc[7, "review"]
    corpus = load(write(reviews, "a.csv"), ready_made={"gpt": "gpt"}, split_by="fold")
    assert corpus.ready["gpt"].logp.argmax(axis=1).tolist() == corpus.gold.tolist()
    assert sum(corpus.dropped.values()) == 4


def test_a_study_names_ready_made_labels(reviews):
    reviews["gpt"] = reviews["tone"]
    spec = {"name": "mine", "path": write(reviews, "a.csv"), "ready_made": {"gpt": "gpt"}} | COLUMNS
    content = {"name": "s", "corpora": [spec], "annotators": ["ready:gpt"], "sizes": [20], "seeds": 1}
    Path("s.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    runs = studies.load("s.yml").runs("mine")
    # The annotator is always right, so that its run is that of gold.
    assert len(runs) == 2
    assert runs[0].key == runs[1].key


def test_tested_texts_that_stand_together_are_counted_in_a_note(reviews):
    reviews["author"] = [f"w{i // 4}" for i in range(40)]
    said = "8 of 8 tested texts share a group with another: intervals take texts to be independent"
    assert any(note.startswith(said) for note in load(write(reviews, "a.csv"), groups="author").notes)
    assert not any("share a group" in note for note in load("a.csv").notes)


def test_examples_leave_the_pool_and_are_counted(reviews):
    path = write(reviews, "a.csv")
    plain, corpus = load(path, id="ref"), load(path, id="ref", examples=2)
    assert corpus.gold[corpus.spent].tolist() == [0, 0, 1, 1]
    assert len(corpus.pool) == len(plain.pool) - 4
    assert not set(corpus.spent) & (set(corpus.pool) | set(corpus.test))
    assert corpus.subset(8).tolist() == plain.subset(8).tolist()  # they come from the end
    assert corpus.fingerprint == plain.fingerprint
    assert "4 gold labels are spent on examples in the prompt" in corpus.notes


def test_examples_are_short_texts_where_there_are_any_else_the_shortest(reviews):
    short = load(write(reviews, "a.csv"), id="ref", examples=1)
    # Negative texts are all long, each longer than the one before; of the positive, the one that was taken above is.
    long = reviews.assign(review=[f"{text}{' so' * (300 + 9 * i)}" for i, text in enumerate(reviews["review"])])
    taken = long["ref"].isin(short.rows["id"].iloc[short.spent])
    whole = reviews.assign(review=reviews["review"].where((reviews["tone"] == "positive") & ~taken, long["review"]))
    corpus = load(write(whole, "b.csv"), id="ref", examples=1)
    negative, positive = corpus.spent
    lengths = corpus.rows["text"].str.len()
    pool = np.append(corpus.pool, corpus.spent)
    assert lengths[negative] == lengths[pool[corpus.gold[pool] == 0]].min() > 600
    assert lengths[positive] < 600
    assert corpus.rows["id"][positive] not in set(long["ref"][taken])
    few = reviews.drop(reviews.index[reviews["tone"] == "negative"][2:])
    with pytest.raises(UserError, match="`examples` is 10, but the training pool has 2 texts of 'negative'"):
        load(write(few, "c.csv"), id="ref", examples=10)


def test_examples_are_alone_in_their_group_where_some_texts_are(reviews):
    """Also where the first rows leave, for they share an author with a tested text."""
    reviews["fold"] = ["train"] * 32 + ["test"] * 8
    reviews["author"] = ["x" if i < 8 or i == 32 else f"w{i // 2}" if i < 28 else f"v{i}" for i in range(40)]
    corpus = load(write(reviews, "a.csv"), id="ref", split_by="fold", groups="author", examples=1)
    assert corpus.dropped == {"a training text that shares a group with a test text": 8}
    assert set(corpus.rows["id"].iloc[corpus.spent]) <= {f"a{i}" for i in range(28, 32)}


def test_a_table_is_read_once_unless_it_changes(reviews):
    spec = {"name": "mine", "path": write(reviews, "a.csv"), "id": "ref"} | COLUMNS
    first = corpora.load(spec)
    assert corpora.load(dict(spec)) is first
    assert corpora.load(spec | {"test_size": 12}) is not first
    write(reviews.iloc[:36], "a.csv")
    assert len(corpora.load(spec).rows) == 36
    folder = spec | {"path": write(reviews, "saved")}
    assert corpora.load(folder) is not corpora.load(folder)


def test_the_codebook_is_in_the_prompt_and_no_text_in_the_record(reviews):
    corpus = load(
        write(reviews, "a.csv"),
        id="ref",
        examples=1,
        question="Is the critic {for} or against?",
        descriptions={"positive": "likes it,\n  on the whole"},
    )
    prompt = prompts.render(corpus)
    texts, ids = (corpus.rows[column].iloc[corpus.spent].tolist() for column in ("text", "id"))
    expected = (
        "Is the critic {{for}} or against? Answer with one of these labels and nothing else: negative or positive.\n\n"
        "positive: likes it, on the whole\n\nThe text:\n{}\nAnswer: negative\n\nThe text:\n{}\nAnswer: positive"
        "\n\nThe text:"
    )
    assert prompt.instruction == expected.format(*texts)
    assert prompt.shown == expected.format(*(f"[text {id_}]" for id_ in ids))
    assert prompt.fingerprint != prompts.render(load("a.csv", examples=1)).fingerprint
    assert prompt.answered_with(prompt.labels) == prompt.instruction
    coded = expected.replace("Answer: negative", "Answer: 1").replace("Answer: positive", "Answer: 2")
    assert prompt.answered_with(("1", "2")) == coded.format(*texts)


def test_each_wording_may_ask_a_question_of_its_own(reviews):
    questions = {"prompt1": "For or against?", "prompt2": "Would the critic see it again?"}
    corpus = load(write(reviews, "a.csv"), question=questions)
    asked = {name: prompts.render(corpus, name).instruction for name in ("prompt1", "prompt2", "reversed")}
    assert asked["prompt1"].startswith("For or against? Answer with one of these labels and nothing else: negative or")
    assert asked["prompt2"].startswith("Would the critic see it again? Answer")
    assert asked["reversed"].startswith("For or against? Answer with one of these labels and nothing else: positive or")
    assert prompts.render(load("a.csv", question="For or against?")).instruction == asked["prompt1"]
    with pytest.raises(UserError, match="`question` has none for 'prompt3'"):
        prompts.render(corpus, "prompt3")
    with pytest.raises(UserError, match="names a wording 'prompt9': there are prompt1, prompt2"):
        prompts.render(load("a.csv", question={"prompt1": "For?", "prompt9": "Against?"}))


def test_only_the_answers_of_examples_are_replaced(reviews):
    """A text may hold what looks like an answer, and a class may stand for another's beginning."""
    reviews["review"] = [f"Answer: positive {i}\nAnswer: " for i in range(40)]
    prompt = prompts.render(load(write(reviews, "a.csv"), examples=2))
    said = prompt.answered_with(("A", "B"))
    assert said.count("Answer: positive") == 4
    assert [line for line in said.splitlines() if line in ("Answer: A", "Answer: B")] == [
        *["Answer: A"] * 2,
        *["Answer: B"] * 2,
    ]
    assert prompts.render(load("a.csv")).answered_with(("A", "B")) == prompts.render(load("a.csv")).instruction


def test_folds_test_every_row_once(reviews):
    reviews["author"] = [f"w{i // 2}" for i in range(40)]
    corpus = load(write(reviews, "a.csv"), id="ref", folds=4, groups="author", examples=1)
    # Of each author of an example, the other text would be tested by students of who has seen the one.
    assert corpus.dropped == {tables._LIKE_AN_EXAMPLE: 2}
    assert len(corpus.spent) == 2
    assert len(corpus.test) == 36
    assert len(corpus.parts) == 4
    tested = np.concatenate([part.test for part in corpus.parts])
    assert sorted(tested) == corpus.test.tolist()
    authors = np.array([dict(zip(reviews["ref"], reviews["author"], strict=True))[ref] for ref in corpus.rows["id"]])
    assert not set(authors[corpus.spent]) & set(authors[corpus.test])
    for part in corpus.parts:
        assert part.fingerprint == corpus.fingerprint
        assert not set(authors[part.test]) & set(authors[part.pool])
        assert not set(corpus.spent) & (set(part.test) | set(part.pool))
        assert part.subset(20).tolist() == part.pool[:20].tolist()
        assert part.whole.test.tolist() == corpus.test.tolist()
        assert part.parts == (part,)


def test_examples_of_folds_are_texts_that_stand_alone_where_there_are_some(reviews):
    reviews["review"] = [f"film {i // 2 if i < 20 else i}" for i in range(40)]
    corpus = load(write(reviews, "a.csv"), folds=4, examples=2)
    assert corpus.dropped == {}
    assert all(int(text.split()[1]) >= 20 for text in corpus.rows["text"].iloc[corpus.spent])


@pytest.mark.parametrize("folds", [1, 11, True, "many"])
def test_folds_out_of_range(reviews, folds):
    with pytest.raises(UserError, match=r"`folds` is .*, but must be an integer from 2 to 10"):
        load(write(reviews, "a.csv"), folds=folds)


def test_a_large_group_is_a_fold_of_its_own(reviews):
    reviews["author"] = ["w"] * 25 + [f"w{i}" for i in range(15)]
    corpus = load(write(reviews, "a.csv"), folds=4, groups="author")
    assert sorted(len(part.test) for part in corpus.parts) == [5, 5, 5, 25]
    assert "texts that stay together make folds of 5 to 25 texts" in corpus.notes
    with pytest.raises(UserError, match="`examples` takes all texts of a fold"):
        load("a.csv", folds=10, groups="author", examples=6)


def test_students_of_all_folds_are_seen_as_one(reviews, tmp_path, monkeypatch):
    """Each text gets the prediction of the student that has not been trained on it."""
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "ledger"))
    spec = {"name": "mine", "path": write(reviews, "a.csv"), "folds": 4} | COLUMNS
    content = {"name": "s", "corpora": [spec], "sizes": [10], "seeds": 2}
    Path("s.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    study, book = studies.load("s.yml"), Ledger()
    runs = study.runs("mine")
    assert len({run.key for run in runs}) == len(runs) == 8
    assert [run.specification["fold"] for run in runs] == [0, 0, 1, 1, 2, 2, 3, 3]
    for run in runs:
        right = np.eye(2)[run.corpus.gold[run.corpus.test]]
        right[:, 0] += run.seed  # seed 1 is always for class 0
        book.add(Record(run.key, run.specification, right.astype(np.float16), 1.0, {}))
    students = results.load(study, ledger=book).corpora["mine"].students(None, 10)
    assert students.correct.shape == (2, 40)
    assert students.correct[0].all()
    assert students.correct[1].mean() == 0.5


def test_a_split_that_shows_little_is_remarked(reviews):
    reviews["part"] = ["train" if i % 2 else "test" for i in range(40)]
    reviews["tone"] = ["positive" if i % 2 or i < 10 else "negative" for i in range(40)]
    notes = load(write(reviews, "a.csv"), split_by="part").notes
    assert "the training pool has one class only, 'positive'" in notes
    assert not any("test split has one class" in note for note in notes)
    reviews["author"] = [f"w{i // 12}" for i in range(40)]  # of 12, 12, 12 and 4 texts
    notes = load(write(reviews, "a.csv"), groups="author", test_size=11).notes
    assert "texts that stay together make a test split of 4 texts, where 11 were due" in notes


def test_gold_that_cannot_be_tested_is_refused(reviews):
    reviews["author"] = ["one"] * 30 + [f"w{i}" for i in range(10)]
    reviews.loc[30:, "tone"] = None
    with pytest.raises(UserError, match="no text with a gold label is left to test on"):
        load(write(reviews, "a.csv"), groups="author", unlabelled="keep", test_size=8)


def test_integers_that_a_file_writes_with_a_point_are_those_without(reviews):
    """As pandas writes integers of a column with gaps."""
    reviews["a"] = (reviews["tone"] == "positive").astype(int)
    reviews["b"] = reviews["a"].astype(float).where(reviews.index > 4)
    reviews["part"] = [float(i < 30) if i < 39 else None for i in range(40)]
    write(reviews, "a.csv")
    assert "1.0" in Path("a.csv").read_text(encoding="utf-8")
    corpus = load("a.csv", label=None, raters=["a", "b"], labels=["bad", "good"], id="ref")
    assert corpus.labels == ("bad", "good")
    assert corpus.votes.sum() == 75
    assert corpus.dropped == {}
    corpus = load("a.csv", label="b", labels={1.0: "good", 0: "bad"}, ready_made={"llm": "a"}, id="ref")
    assert corpus.labels == ("good", "bad")
    assert np.array_equal(corpus.ready["llm"].logp.argmax(axis=1), corpus.gold)
    corpus = load("a.csv", label="a", split_by="part", parts={"train": 1, "test": 0})
    assert (len(corpus.pool), len(corpus.test)) == (30, 9)


def test_only_the_label_column_says_which_classes_there_are(reviews):
    """Not the order, or the names, in which an LLM's or a rater's column has them."""
    reviews["llm"] = reviews["tone"].map({"negative": 1, "positive": 0})
    data = datasets.Dataset.from_pandas(reviews)
    data.cast_column("llm", datasets.ClassLabel(names=["positive", "negative"])).save_to_disk("typed")
    corpus = load("typed", ready_made={"llm": "llm"})
    assert corpus.labels == ("negative", "positive")
    assert np.array_equal(corpus.ready["llm"].logp.argmax(axis=1), corpus.gold)
    corpus = load("typed", label=None, raters=["llm", "tone"])
    assert corpus.labels == ("positive", "negative")


def test_remarks_on_the_rows(reviews):
    reviews.loc[0, "review"] = reviews.loc[1, "review"].upper()
    reviews["tone"] = ["a", "b"] * 18 + ["c"] * 4
    notes = load(write(reviews, "a.csv")).notes
    assert notes[1] == "1 texts occur more than once with different labels"
    assert "fewer than ten texts are 'c'" in notes[2]


def test_what_programs_write_for_nothing_is_remarked(reviews):
    """R writes NA. It may be a class, so it is one; a reader should know."""
    reviews["tone"] = ["a", "b", "NA", "a"] * 10
    reviews["author"] = [f"w{i}" if i % 4 else "None" for i in range(40)]
    notes = "; ".join(load(write(reviews, "a.csv"), groups="author").notes)
    assert "'NA' is a class here: if it stands for a missing label, leave these cells empty" in notes
    assert "texts whose author is 'None' are one group" in notes


def test_a_test_split_with_few_gold_labels_is_remarked(reviews):
    many = pd.concat([reviews.assign(review=reviews["review"] + f" {i}") for i in range(3)], ignore_index=True)
    many["ref"] = [f"r{i}" for i in range(120)]
    many.loc[24:, "tone"] = None
    # A quarter of the texts, as if all had a label: of those that have one, a quarter too, and that is no surprise.
    assert not any("were due" in note for note in load(write(many, "a.csv"), unlabelled="keep", test_size=30).notes)
    # Of a group with gold, which is large, the test split holds all or nothing.
    many["thread"] = np.where(many.index < 20, "one", many["ref"])
    notes = load(write(many, "c.csv"), unlabelled="keep", test_size=60, groups="thread").notes
    assert any("texts have a gold label and are tested on, where 12 were due" in note for note in notes)
    assert not any("were due" in note for note in load(write(many, "b.csv"), unlabelled="keep").notes)


def test_a_number_that_no_votes_reach_is_refused(reviews):
    """An id, perhaps: as an integer, it might even turn negative."""
    reviews["yes"] = [1e30, *reviews["yes"][1:]]
    with pytest.raises(UserError, match="column 'yes', row 2: must be a number of votes, but is 1e"):
        load(write(reviews, "a.csv"), votes=["no", "yes"])


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
        ({"votes": ["no", "yes"], "raters": ["tone"]}, "not both"),
        ({"label": None}, r"there must be a `label` column \(--label\), or votes"),
        ({"ready_made": ["ref"]}, "`ready_made` must be a mapping"),
        ({"ready_made": {"a/b": "ref"}}, "an annotator cannot be called 'a/b'"),
        ({"ready_made": {"gold": "ref"}}, "an annotator cannot be called 'gold', pages call something else so"),
        ({"ready_made": {"gpt": 3}}, "gpt must be a column of labels"),
        ({"ready_made": {"gpt": "ref"}}, r"gpt has a usable label in 0 of 40 rows \(the label 'a0' is no class"),
        ({"ready_made": {"gpt": {"bad": "no", "good": "yes"}}}, "names columns for 'bad', 'good', but the classes"),
        ({"ready_made": {"gpt": {"negative": "no", "positive": "yes"}}}, "gpt, row 2: 3, 1 are no probabilities"),
        ({"groups": "author"}, "there is no column 'author'"),
        ({"split_by": "ref"}, "gives no training rows|gives no test rows"),
        ({"split_by": "tone", "parts": {"train": "positive"}}, "`parts` must be a mapping with `train` and `test`"),
        ({"split_by": "tone", "parts": {"train": "positive", "test": "negative"}, "test_size": 3}, "contradict"),
        ({"parts": {"train": 1, "test": 2}}, "`parts` says what the values of `split_by` mean"),
        ({"near_duplicates": 7}, "`near_duplicates` is 7, but must be a similarity"),
        ({"examples": 99}, "`examples` is 99, but must be"),
        ({"descriptions": {"happy": "…"}}, "`descriptions` has 'happy', but the classes are 'negative', 'positive'"),
        ({"descriptions": "…"}, "`descriptions` must be a mapping"),
        ({"encoding": "latin-17"}, "there is no encoding 'latin-17'"),
        ({"sheet": "one"}, "`sheet` means nothing"),
        ({"text": 3}, r"`text` is 3, but must be the name of a column \(a number in quotes\)$"),
        ({"text": None}, "'mine' is not described right: `text` is empty, but must be the name of a column"),
        ({"raters": [3]}, "a column cannot be called 3"),
        ({"raters": [{"anna": "no"}]}, "a column cannot be called {'anna': 'no'}"),
        ({"votes": [{"negative": "no"}, {"positive": "yes"}]}, "a column cannot be called {'negative': 'no'}"),
        ({"labels": ["negative", "happy"], "unlabelled": "keep"}, "must be one of 'negative', 'happy', but is"),
        ({"groups": 5}, r"`groups` is 5, but must be the name of a column \(a number in quotes\), or a list of such"),
        ({"groups": ["ref", 5]}, r"`groups` is \['ref', 5\], but must be"),
        ({"path": 5}, "`path` is 5, but must be the path of a file or folder"),
        ({"delimiter": 5}, "`delimiter` is 5, but must be a text"),
        ({"split_seed": "abc"}, "`split_seed` is 'abc', but must be an integer from 0"),
        ({"split_seed": -1}, "`split_seed` is -1, but must be an integer from 0"),
        ({"split_seed": True}, "`split_seed` is True, but must be"),
        ({"about": 5}, "`about` is 5, but must be a text"),
        ({"question": ["What now?"]}, r"`question` is \['What now\?'\], but must be a text, or a mapping"),
        ({"question": {"prompt1": 7}}, "`question` is {'prompt1': 7}, but must be a text, or a mapping from wordings"),
        (
            {"label": "yes", "labels": ["bad", "good"]},
            r"those of 0 to 1, and the label column has .* \(--classes \d=NAME",
        ),
        ({"lables": ["a", "b"]}, "there is no option 'lables'; is it 'labels'?"),
        ({"test_size": 40}, "`test_size` is 40, but must be an integer from 1 to 39"),
        ({"split": "train"}, "a file has no splits"),
        ({"name": "a/b"}, "cannot be called 'a/b'"),
        ({"name": "all"}, "cannot be called 'all', pages call all of them so"),
        ({"name": "movie"}, "a built-in one"),
        ({"name": "Movie"}, "cannot be called 'Movie': that is a built-in one"),
        ({"hub": "x/y"}, "either `path` or `hub`"),
        ({"config": "plain"}, "`config` goes with `hub`"),
    ],
)
def test_wrong_descriptions(reviews, options, said):
    with pytest.raises(UserError, match=said):
        load(**({"path": write(reviews, "a.csv")} | options))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tone": None}, "there are 0 rows with"),
        ({"tone": "positive"}, "every row has the same class, 'positive'"),
        (
            {"tone": ["a", "b"] * 9 + ["a"] + [None] * 21},
            r"are 19 rows .* \(left out: the label is missing: 21\)",
        ),
        ({"tone": ["Pos", "pos", "neg", "neg"] * 10}, "'Pos' and 'pos' differ only by case or surrounding spaces"),
        ({"tone": ["pos\u200f", "pos", "neg", "neg"] * 10}, "or by characters that cannot be seen"),
        ({"tone": ["pos ", "pos", "neg", "neg"] * 10}, "'pos ' and 'pos' differ only by case or surrounding spaces"),
        ({"ref": ["a", "b", "b", *range(36), "a"]}, "column 'ref', rows 2, 3, 4, 41: must be unique, but is 'a', 'b'"),
        ({"ref": [None, *range(39)]}, "column 'ref', row 2: must not be missing"),
        ({"yes": [-1, *[2] * 39]}, "column 'yes', row 2: must be a number of votes, but is -1.0"),
        ({"yes": [2.5, "many", *[2] * 38]}, "column 'yes', row 3: must be a number of votes, but is 'many'"),
        ({"yes": [2.5, None, *[2] * 38]}, "column 'yes', row 3: must not be missing.*column 'yes', row 2: must be a"),
        ({"review": "the same"}, "duplicates and groups kept together, leaves none to train on"),
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
        ("a.doc", b"PK", r"must end in \.csv, \.tsv"),
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"review,tone\n", "there is a header and nothing below it"),
        ("a.csv", "review,tone\nfade,a\ncafé,b\n".encode("latin-1"), "there are 2 rows"),
        ("a.csv", "review,tone\ncafé,b\n".encode("utf-16"), "there are 1 rows"),
        ("a.csv", "review,tone\ncafe,b\n".encode("utf-16-le"), "there are 1 rows"),
        ("a.csv", b"review,tone\nfine,a\nnow, then,b\n", "row 3 has 3 fields, the header has 2; put texts with a"),
        ("a.csv", b"review,tone\nnow, then,b\nfine,a\n", "row 2 has 3 fields, the header has 2"),
        ("a.csv", b'review,tone\n"never closed,a\n', "line 2 opens a quote that is never closed"),
        (
            "a.tsv",
            b'review\ttone\nfine\ta\n"No\tb\nand "no"\ta\n"so ""they"" say"\tb\n',
            "line 4: .*in a quoted cell, double the quotes",
        ),
        ("a.parquet", b"review,tone\nfine,a\n", "this is no Parquet file"),
        ("a.jsonl", b'{"review": "fine", "tone"\n', "line 2, character 1: not JSON"),
        ("a.json", bytes(range(128, 256)), "neither UTF-8 nor any encoding"),
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
    with pytest.raises(UserError, match="`text` is missing: it must be the name of a column"):
        corpora.load({"name": "mine", "label": "tone"})
