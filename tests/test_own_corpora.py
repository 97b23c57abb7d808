"""Two commands make a correct book of eight kinds of tables, and what the plan says is what is used.

As a user types them, in a folder of their own. Everything that a test expects follows from how its table was made: a
column of labels that is right on four rows of five, a class that is one row in twenty.
"""

import html
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import quoted

from helpers import artifacts, corpora, places, report, studies
from helpers.corpora import Corpus
from helpers.ledger import Ledger
from helpers.studies import Study

SMALLEST = "smollm2-135m"


@dataclass(frozen=True)
class Asked:
    """A table on disk, the options that describe it, and what must come out.

    Attributes
    ----------
    file, options
        What follows `label-risk new`.
    rows, classes
        What the plan must count.
    split
        What the plan must say of the split.
    annotators
        Name -> share of the labels that are right by construction; None for a language model that is asked.
    texts
        All texts of the table, of which none may be in the book.
    says
        Further words of the plan.
    """

    file: str
    options: list[str]
    rows: int
    classes: list[str]
    split: str
    annotators: dict[str, float | None]
    texts: list[str]
    says: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Built:
    """What the two commands left behind."""

    asked: Asked
    plan: str
    told: str
    study: Study
    corpus: Corpus
    pages: Path

    @cached_property
    def planned(self) -> int:
        """Number of trainings, by the plan."""
        return int(re.search(r"^runs +(\d+) trainings", self.plan, re.MULTILINE)[1])

    def read(self, page: str) -> str:
        """What a reader sees of a page, without marks and scripts."""
        bare = re.sub(r"<(script|style)\b.*?</\1>", " ", self.source(page), flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())

    def source(self, page: str) -> str:
        """The page of a notebook as it is."""
        return (self.pages / f"book/executed/{page}.html").read_text("utf-8")

    def tables(self, page: str) -> list[pd.DataFrame]:
        """The tables of a page, all cells as text."""
        found = []
        for table in re.findall(r'<table class="dataframe">(.*?)</table>', self.source(page), re.DOTALL):
            head, *rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
            cells = [re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in (head, *rows)]
            plain = [[html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in cells]
            found.append(pd.DataFrame(plain[1:], columns=plain[0]))
        return found

    def right(self, annotator: str) -> float:
        """Share of the annotator's labels of the test texts that are gold, by the corpus as it is loaded."""
        said = self.corpus.ready[annotator].logp.argmax(axis=1)
        return float((said == self.corpus.gold)[self.corpus.test].mean())


# Tables


def shuffled(rng: np.random.Generator, values: list) -> list:
    return [values[i] for i in rng.permutation(len(values))]


def shipped(name: str, count: int, *, shortest: int = 25) -> list[str]:
    """Distinct texts of a shipped corpus."""
    texts = dict.fromkeys(text for text in corpora.load(name).rows["text"] if len(text) >= shortest)
    return list(texts)[:count]


def mostly_right(labels: list[str], share: float, rng: np.random.Generator) -> list[str]:
    """The labels, of which `1 - share` are another one."""
    names, said = sorted(set(labels)), list(labels)
    for row in rng.permutation(len(labels))[: round((1 - share) * len(labels))]:
        others = [name for name in names if name != labels[row]]
        said[row] = others[int(rng.integers(len(others)))]
    return said


def two_classes() -> Asked:
    """A CSV of 10,000 reviews, with the labels of an LLM in a column."""
    rng = np.random.default_rng(1)
    shipped_rows = corpora.load("movie")
    known = shipped_rows.rows.assign(kind=[shipped_rows.labels[k] for k in shipped_rows.gold])
    known = known[known["kind"] != "neutral"].drop_duplicates("text")
    more = corpora.load("amazon")
    others = more.rows.assign(kind=[more.labels[k] for k in more.gold])
    known = pd.concat([known, others[others["kind"] != "neutral"]]).drop_duplicates("text")[:10_000]
    opinion = known["kind"].map({"negative": "thumbs down", "positive": "thumbs up"}).tolist()
    frame = pd.DataFrame({"comment": known["text"], "opinion": opinion, "gpt": mostly_right(opinion, 0.8, rng)})
    frame.to_csv("film comments.csv", index=False)
    return Asked(
        file="film comments.csv",
        options=["--text", "comment", "--label", "opinion", "--ready", "gpt=gpt", "--about", "film comment"],
        rows=10_000,
        classes=["thumbs down", "thumbs up"],
        split="8500 to train on, 1500 to test on",
        annotators={"gpt": 0.8},
        texts=known["text"].tolist(),
        says=["sizes         250, 500, 1000, 2000; 5 seeds", "gpt: its labels are there"],
    )


def long_texts() -> Asked:
    """A TSV of four classes whose texts are longer than students read, with an LLM's probabilities in columns."""
    rng = np.random.default_rng(2)
    desks = {
        "home affairs": ("council", "mayor", "village", "parish"),
        "money": ("bond", "ledger", "invoice", "dividend"),
        "science": ("enzyme", "comet", "glacier", "isotope"),
        "sport": ("referee", "goalkeeper", "marathon", "paddle"),
    }
    sentences = shipped("editorials", 4000)
    desk = shuffled(rng, [name for name in desks for _ in range(100)])
    texts = []
    for name in desk:
        words = [f"the {word} again" for word in rng.choice(desks[name], 3)]
        # Drawn for each: windows that overlap would be near-duplicates, which stay in one fold.
        texts.append("; ".join([*words, *rng.choice(sentences, 25, replace=False)]))
    names, said = list(desks), mostly_right(desk, 0.8, rng)
    frame = pd.DataFrame({"key": [f"e-{i}" for i in range(400)], "body": texts, "desk": desk})
    for k, name in enumerate(names):
        frame[f"p{k}"] = np.where(np.array(said) == name, 0.7 + 0.2 * rng.random(400), 0.02)
    frame.to_csv("essays.tsv", index=False, sep="\t")
    probabilities = ",".join(f"{name}:p{k}" for k, name in enumerate(names))
    options = ["--text", "body", "--label", "desk", "--id", "key", "--ready", f"llm={probabilities}"]
    return Asked(
        file="essays.tsv",
        options=options,
        rows=400,
        classes=names,
        split="5 folds: 320 or more to train on",
        annotators={"llm": 0.8},
        texts=texts,
        says=["of the texts are cut"],
    )


def imbalanced() -> Asked:
    """JSON Lines of 2,500 messages, of which one in twenty reports a fault."""
    rng = np.random.default_rng(3)
    texts = shipped("tweets", 2500)
    report = shuffled(rng, ["fault"] * 125 + ["chatter"] * 2375)
    texts = [
        f"outage at the pump station: {text}" if kind == "fault" else text
        for text, kind in zip(texts, report, strict=True)
    ]
    rows = {"msg": texts, "kind": report, "bot": mostly_right(report, 0.8, rng)}
    pd.DataFrame(rows).to_json("messages.jsonl", orient="records", lines=True)
    return Asked(
        file="messages.jsonl",
        options=["--text", "msg", "--label", "kind", "--ready", "bot=bot"],
        rows=2500,
        classes=["chatter", "fault"],
        split="1850 to train on, 650 to test on",
        annotators={"bot": 0.8},
        texts=texts,
        says=["chatter 2375 (95%), fault 125 (5%)", "look at macro-F1 and recall, accuracy says little"],
    )


def with_votes() -> Asked:
    """Parquet with a column of votes a class and no gold of its own, for a shipped LLM."""
    shipped_rows = corpora.load("tweets")
    text, votes = shipped_rows.rows["text"][:400], shipped_rows.votes[:400]
    frame = pd.DataFrame({"tweet": text, **{name: votes[:, k] for k, name in enumerate(("bad", "so-so", "good"))}})
    frame.to_parquet("voted.parquet")
    tied = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) > 1
    columns = [part for name in ("bad", "so-so", "good") for part in ("--votes", name)]
    rows = int((~tied).sum())
    return Asked(
        file="voted.parquet",
        options=["--text", "tweet", *columns, "--annotator", SMALLEST],
        rows=rows,
        classes=["bad", "so-so", "good"],
        split="5 folds",
        annotators={SMALLEST: None},
        texts=text.tolist(),
        says=[f"{tied.sum()}: two classes share most of the votes", f"{SMALLEST}: {rows} texts"],
    )


def several_llms() -> Asked:
    """Excel with the labels of two LLMs and the probabilities of a third, some missing."""
    rng = np.random.default_rng(5)
    rows = corpora.load("amazon")
    texts = shipped("amazon", 700)
    gold = dict(zip(rows.rows["text"], rows.gold, strict=True))
    verdict = ["yes" if gold[text] == len(rows.labels) - 1 else "no" for text in texts]
    third = np.where(np.array(mostly_right(verdict, 0.9, rng)) == "yes", 0.9, 0.1) + 0.05 * rng.random(700)
    book = openpyxl.Workbook()
    book.active.append(["Nr.", "Review text", "Would buy?", "mistral says", "llama says", "P(yes)", "P(no)"])
    one, other = mostly_right(verdict, 0.8, rng), mostly_right(verdict, 0.7, rng)
    for i, text in enumerate(texts):
        said = f"{one[i].upper()}." if i % 2 else one[i]
        book.active.append([f"n{i}", text, verdict[i], said, other[i], third[i], 1 - third[i]])
    book.save("reviews.xlsx")
    columns = ["--ready", "mistral=mistral says", "--ready", "llama=llama says", "--ready", "qwen=yes:P(yes),no:P(no)"]
    return Asked(
        file="reviews.xlsx",
        options=["--text", "Review text", "--label", "Would buy?", "--id", "Nr.", *columns],
        rows=700,
        classes=["no", "yes"],
        split="5 folds: 560 or more to train on",
        annotators={"mistral": 0.8, "llama": 0.7, "qwen": 0.9},
        texts=texts,
        says=["mistral, llama: labels without probabilities"],
    )


def three_hundred() -> Asked:
    """A CSV of 300 rows as a spreadsheet in Western Europe writes it, for an LLM in a GGUF file."""
    rng = np.random.default_rng(6)
    kinds = shuffled(rng, ["lob"] * 150 + ["tadel"] * 150)
    praise = {"lob": ("très agréable", "lovely", "a joy"), "tadel": ("une déception", "dreadful", "a bore")}
    stems = shipped("movie", 300)
    texts = [f"{rng.choice(praise[kind])}: {stem}" for kind, stem in zip(kinds, stems, strict=True)]
    frame = pd.DataFrame({"satz": texts, "urteil": kinds, "n": range(300)})
    frame.to_csv("urteile.csv", index=False, sep=";", encoding="cp1252", errors="replace")
    folder = artifacts.fetch(SMALLEST)
    return Asked(
        file="urteile.csv",
        options=["--text", "satz", "--label", "urteil", "--id", "n", "--annotator", f"gguf:{folder}/model.gguf"],
        rows=300,
        classes=["lob", "tadel"],
        split="5 folds: 240 or more to train on, and every text is tested once",
        annotators={folder.name: None},
        texts=texts,
        says=["encoding 'cp1252'", "delimiter ';'", "too small to show a difference of 5 points"],
    )


def japanese() -> Asked:
    """A CSV in the encoding of Japanese spreadsheets, labels and texts in Japanese, for a shipped LLM."""
    rng = np.random.default_rng(7)
    things = ("この映画", "新しい店", "駅前の宿", "昨日の講演", "隣の喫茶店", "古い図書館")
    praise = {
        "肯定": ("とても楽しかった", "また行きたい", "心が温まる", "期待以上だった"),
        "否定": ("退屈で眠くなった", "二度と行かない", "値段に合わない", "がっかりした"),
    }
    ends = ("と思う", "と友人に話した", "というのが正直な感想だ")
    stance = shuffled(rng, ["肯定"] * 125 + ["否定"] * 115)
    texts = []
    for i, kind in enumerate(stance):
        texts.append(f"{i}番。{rng.choice(things)}は{rng.choice(praise[kind])}{rng.choice(ends)}。")
    pd.DataFrame({"本文": texts, "立場": stance}).to_csv("投稿.csv", index=False, encoding="cp932")
    return Asked(
        file="投稿.csv",
        options=["--text", "本文", "--label", "立場", "--near-duplicates", "0", "--annotator", SMALLEST],
        rows=240,
        classes=["否定", "肯定"],
        split="5 folds: 192 or more to train on",
        annotators={SMALLEST: None},
        texts=texts,
        says=["encoding 'cp932'", "was trained on English", "否定 115 (48%), 肯定 125 (52%)"],
    )


def twenty_classes() -> Asked:
    """A folder that `datasets` saved, with twenty named classes and the labels of an LLM."""
    import datasets

    rng = np.random.default_rng(8)
    things = ("boats", "bikes", "pans", "toys", "clocks")
    names = [f"{kind} of {thing}" for kind in ("repair", "sale", "loss", "care") for thing in things]
    topic = shuffled(rng, [name for name in names for _ in range(60)])
    stems = shipped("tweets", 1200)
    texts = [f"about the {name.replace(' of ', ' and the ')}, {stem}" for name, stem in zip(topic, stems, strict=True)]
    feature = datasets.Features(
        {"post": datasets.Value("string"), "topic": datasets.ClassLabel(names=names), "llm": datasets.Value("string")}
    )
    columns = {"post": texts, "topic": [names.index(name) for name in topic], "llm": mostly_right(topic, 0.8, rng)}
    datasets.Dataset.from_dict(columns, features=feature).save_to_disk("posts")
    return Asked(
        file="posts",
        options=["--text", "post", "--label", "topic", "--ready", "llm=llm"],
        rows=1200,
        classes=names,
        split="5 folds: 960 or more to train on",
        annotators={"llm": 0.8},
        texts=texts,
        says=["repair of boats 60 (5%)"],
    )


KINDS: dict[str, Callable[[], Asked]] = {
    function.__name__: function
    for function in (
        two_classes,
        long_texts,
        imbalanced,
        with_votes,
        several_llms,
        three_hundred,
        japanese,
        twenty_classes,
    )
}


#: The one that also asks a language model is no slow test: all that a user does first is tried whenever tests run.
_ALWAYS = "three_hundred"


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=[] if kind == _ALWAYS else pytest.mark.slow) for kind in KINDS],
)
def built(request, tmp_path_factory) -> Built:
    """The table of one kind, and what `new` and `book` make of it."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        yield build(KINDS[request.param], folder, patch)


def build(table: Callable[[], Asked], folder: Path, patch: pytest.MonkeyPatch) -> Built:
    """Make a table in a folder, which becomes the working folder, and type the two commands."""
    patch.chdir(folder)
    patch.setenv("LABEL_RISK_LEDGER", str(folder / "ledger"))
    patch.setenv("PYTHONPATH", str(places.ROOT / "src"))
    asked = table()
    made = label_risk("new", asked.file, *asked.options, "--student", "probe")
    assert made.returncode == 0, made.stderr
    (study,) = Path("studies").glob("*.yml")
    done = label_risk("book", str(study), "--out", "a book")
    assert done.returncode == 0, done.stderr
    print(made.stdout, done.stdout)  # noqa: T201 (what a failure is best understood from)
    loaded = studies.load(study)
    return Built(asked, made.stdout, done.stdout, loaded, loaded.corpus(loaded.name), folder / "a book/_build/html")


def label_risk(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "helpers.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)


# What must hold of each


def test_the_plan_is_right_about_the_table(built):
    asked, corpus = built.asked, built.corpus
    assert f"rows          {asked.rows} used" in built.plan
    assert f"classes       {len(asked.classes)}: {asked.classes[0]}" in built.plan
    assert f"split         {asked.split}" in built.plan
    for said in asked.says:
        assert said in built.plan
    assert (len(corpus.rows), list(corpus.labels)) == (asked.rows, asked.classes)
    assert f"sizes         {', '.join(map(str, built.study.sizes))}; {built.study.seeds} seeds" in built.plan


def test_what_was_planned_is_what_was_used(built):
    runs = built.study.runs(built.study.name)
    ledger = Ledger()
    records = [ledger[path.stem] for path in ledger.own.rglob("*.parquet")]
    assert built.planned == len(runs)
    assert {record.key for record in records} == {run.key for run in runs}
    assert f"{len(records)} runs trained" in built.told
    planned = {name: int(count) for name, count in re.findall(r"^annotator +(\S+): (\d+) texts", built.plan, re.M)}
    tables = places.ledger() / "annotations" / built.study.name
    asked = {path.name.removesuffix(".prompt1.parquet"): pq.read_metadata(path).num_rows for path in tables.glob("*")}
    assert asked == planned
    assert set(asked) == {name for name, share in built.asked.annotators.items() if share is None}
    largest = max(record.specification["n"] for record in records)
    assert largest == built.study.sizes[-1]
    assert {record.specification["student"]["kind"] for record in records} == {"probe"}


def test_every_page_is_there_and_none_shows_an_error(built):
    pages = report.executed_pages(places.ROOT / "_toc.yml")
    for page in pages:
        said = built.read(page)
        assert built.study.name in said
        for wrong in ("Traceback", "Warning:", "label-risk: ", " nan ", " NaN "):
            assert wrong not in said, (page, said[max(0, said.find(wrong) - 200) :][:400])
        assert "output stderr" not in built.source(page)
    for prose in (places.ROOT / "book").glob("*.md"):
        assert (built.pages / f"book/{prose.stem}.html").is_file()


def test_tables_are_about_this_corpus_and_its_classes(built):
    overview, *_ = built.tables("overview")
    assert set(overview["Corpus"]) == {built.study.name}
    assert overview["Annotator"].tolist() == built.study.annotator_names == list(built.asked.annotators)
    shares, *_ = built.tables("prevalence")
    assert list(dict.fromkeys(shares["Class"])) == built.asked.classes
    decision, *_ = built.tables("decision")
    assert len(decision) == len(built.asked.annotators)
    assert all(decision["Advice"])


def test_shares_of_classes_are_those_of_the_table(built):
    shares, *_ = built.tables("prevalence")
    for k, name in enumerate(built.asked.classes):
        (gold,) = {float(share) for share in shares.loc[shares["Class"] == name, "All gold labels, %"]}
        assert gold == pytest.approx(100 * (built.corpus.gold == k).mean(), abs=0.051)


def test_annotators_are_as_right_as_they_were_made(built):
    table = built.tables("degradation")[0].set_index("Annotator")
    signs = built.tables("unaided")[0].set_index("Annotator")
    for name, share in built.asked.annotators.items():
        shown = float(table.loc[name, "Annotator itself, accuracy %"])
        if share is not None:
            assert shown == pytest.approx(100 * built.right(name), abs=0.051)
            assert shown == pytest.approx(100 * share, abs=0.051 if built.corpus.ranks is not None else 4)
            assert float(signs.loc[name, "Accuracy on its texts by gold, %"]) == pytest.approx(100 * share, abs=0.051)
        assert float(table.loc[name, "Gold student, accuracy %"]) > 100 / len(built.asked.classes)


def test_what_is_empty_says_why(built):
    hard = [name for name in built.asked.annotators if name in built.corpus.ready and built.corpus.ready[name].hard]
    empty = f"labels without probabilities have no entropy to filter by ({', '.join(hard)})"
    assert (empty in built.read("filtering")) == bool(hard)
    signs = built.tables("unaided")[0].set_index("Annotator")
    for name in built.asked.annotators:
        assert (signs.loc[name, "Certainty"] == "") == (name in hard)
    assert ("has votes of people, which this finding needs" in built.read("propagation")) == (
        built.corpus.votes is None
    )
    if built.corpus.votes is not None:
        assert float(built.tables("propagation")[0]["Total, nats"][0]) > 0


def test_no_text_of_the_corpus_is_in_the_book(built):
    looked = [file for file in built.pages.parents[1].rglob("*") if file.suffix in (".html", ".ipynb", ".json", ".js")]
    assert len(looked) > 20
    for file in looked:
        content = file.read_text("utf-8", errors="replace")
        assert quoted(built.asked.texts, content) == [], file
        assert quoted(built.asked.texts, unquote(content)) == [], file  # as links to numbers have it


# Little gold, and none


def _tickets(rows: int, known: int) -> list[str]:
    """Write `tickets.csv`: a queue for the first `known` rows, and what two LLMs say of all; returns the texts."""
    rng = np.random.default_rng(9)
    words = {"billing": "an invoice", "delivery": "a parcel", "other": "something else"}
    queue = shuffled(rng, [name for name in words for _ in range(rows // 3)])
    stems = shipped("amazon", rows)
    texts = [f"{stem} It is about {words[name]}." for name, stem in zip(queue, stems, strict=True)]
    said = {f"llm {i}": mostly_right(queue, share, rng) for i, share in enumerate((0.8, 0.7))}
    gold = [name if i < known else None for i, name in enumerate(queue)]
    pd.DataFrame({"message": texts, "queue": gold} | said).to_csv("tickets.csv", index=False)
    return texts


READY = ["--text", "message", "--ready", "one=llm 0", "--ready", "two=llm 1"]


@pytest.mark.slow
def test_little_gold_makes_a_book_of_what_it_tells(tmp_path, monkeypatch):
    def table() -> Asked:
        options = [*READY, "--label", "queue", "--unlabelled", "keep"]
        return Asked("tickets.csv", options, 600, [], "", {"one": 0.8, "two": 0.7}, _tickets(600, 150))

    built = build(table, tmp_path, monkeypatch)
    assert "gold          150 of 600, of which 75 to train on" in built.plan
    assert "split         525 to train on, 75 to test on" in built.plan
    test_what_was_planned_is_what_was_used(built)
    test_every_page_is_there_and_none_shows_an_error(built)
    test_no_text_of_the_corpus_is_in_the_book(built)
    decision = built.tables("decision")[0].set_index("Annotator")
    for name, share in built.asked.annotators.items():
        low, high = map(float, decision.loc[name, "95 % interval of its accuracy"].split(" to "))
        assert low < 100 * share < high
        assert decision.loc[name, "Worth, with the remedy if any, gold labels"]
    shares = built.tables("prevalence")[0]
    for low, high in (bounds.split(" to ") for bounds in shares["95 % interval of both"]):
        assert float(low) < 100 / 3 < float(high)
    assert "not every text has a gold label" in built.read("degradation")
    assert "The claims take a gold label for every text" in built.read("overview")


@pytest.mark.slow
def test_no_gold_makes_a_book_that_says_what_cannot_be_known(tmp_path, monkeypatch):
    def table() -> Asked:
        options = [*READY, "--classes", "billing,delivery,other"]
        return Asked("tickets.csv", options, 300, [], "", {"one": 0.8, "two": 0.7}, _tickets(300, 0))

    built = build(table, tmp_path, monkeypatch)
    assert "gold          0 of 300" in built.plan
    assert "nothing about how often they are right" in built.plan
    test_what_was_planned_is_what_was_used(built)
    test_every_page_is_there_and_none_shows_an_error(built)
    signs = built.tables("unaided")[0]
    one, two = (built.corpus.ready[name].logp.argmax(axis=1) for name in ("one", "two"))
    assert set(signs["Agreement with the other annotators, alpha"]) == {f"{alpha(one, two):.2f}"}
    assert set(signs["Accuracy on its texts by gold, %"]) == {""}
    assert "What no sign can tell is how often the labels are right" in built.read("unaided")
    assert "Without gold labels to test on nothing can be decided: tickets." in built.read("decision")
    assert "Without gold labels no share can be estimated: tickets." in built.read("prevalence")


def alpha(one: np.ndarray, two: np.ndarray) -> float:
    """Krippendorff's alpha of two raters without gaps, by its definition: 1 - observed / expected disagreement."""
    both = np.concatenate([one, two])
    shares = np.bincount(both) / len(both)
    expected = (1 - (shares**2).sum()) * len(both) / (len(both) - 1)
    return 1 - (one != two).mean() / expected
