"""The four corpora of Hutto & Gilbert (ICWSM 2014), with every rater's vote.

Raters gave each text a rating from -4 to 4; a vote is its sign. The quirks of the files are handled here and counted
in `Corpus.dropped` and `Corpus.notes`, and nowhere else.
"""

import html
import json
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import artifacts
from helpers.corpora.corpus import Corpus
from helpers.corpora.splits import TEST, ranks

_STEMS = {
    "movie": "movieReviewSnippets",
    "amazon": "amazonReviewSnippets",
    "tweets": "tweets",
    "editorials": "nytEditorialSnippets",
}
_ABOUT = {
    "movie": "movie review snippet",
    "amazon": "product review snippet",
    "tweets": "tweet",
    "editorials": "newspaper editorial snippet",
}
#: What the sentences of a corpus are taken from; the beginning of their ids says which.
_SOURCES = {"amazon": "reviews", "editorials": "editorials"}
_TEST_SIZE = {"movie": 1500, "amazon": 1000, "tweets": 1000, "editorials": 1000}


def load(name: str) -> Corpus:
    """Load `movie`, `amazon`, `tweets` or `editorials`.

    `movie` is binary: its neutral class is 1 %, so votes of 0 are left out and gold is the sign of the mean rating. The
    others have three classes, and gold is the plurality of the votes; a tie goes to the sign of the mean rating if that
    class is among the tied, else to neutral.
    """
    table, dropped = _read(artifacts.fetch("hutto2014"), _STEMS[name])
    negative, neutral, positive = (table["ratings"].map(sign).to_numpy() for sign in _SIGN_COUNTS)
    if name == "movie":
        labels, votes = ("negative", "positive"), np.stack([negative, positive], axis=1)
        keep = (table["mean"] != 0).to_numpy()
        gold = (table["mean"] > 0).to_numpy().astype(int)
        _count(dropped, "a mean rating of exactly 0 has no sign", ~keep)
        notes = (f"{neutral.sum() / (negative + neutral + positive).sum():.1%} of the votes are neutral and left out",)
    else:
        labels, votes = ("negative", "neutral", "positive"), np.stack([negative, neutral, positive], axis=1)
        keep = np.ones(len(table), bool)
        gold, tied = _plurality(votes, np.sign(table["mean"].to_numpy()).astype(int))
        notes = (f"{tied.mean():.1%} of the texts had a tie for first place",)
    rows = pd.DataFrame({"id": table["id"], "text": table["text"], "gold": gold})[keep].reset_index(drop=True)
    rows["rank"] = ranks(rows["text"], _TEST_SIZE[name])
    sources = None
    if name in _SOURCES:
        sources, found = pd.factorize(rows["id"].str.partition("_")[0])
        tested = rows["rank"].to_numpy() == TEST
        beside = np.isin(sources[tested], sources[~tested]).mean()
        notes += (
            f"texts are sentences of {len(found)} {_SOURCES[name]}, and {beside:.1%} of the test texts have another of "
            "the same to train on",
        )
    return Corpus(name, labels, rows, votes[keep], _ABOUT[name], dropped, notes, sources=sources)


_SIGN_COUNTS = (
    lambda ratings: sum(r < 0 for r in ratings),
    lambda ratings: sum(r == 0 for r in ratings),
    lambda ratings: sum(r > 0 for r in ratings),
)


def _read(folder: Path, stem: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """One row a text: id, text, mean, ratings; and what was dropped."""
    texts = pd.DataFrame(_fields(folder / f"{stem}_GroundTruth.txt", 3), columns=["id", "mean", "text"])
    votes = pd.DataFrame(_fields(folder / f"{stem}_anonDataRatings.txt", 4), columns=["id", "mean", "sd", "ratings"])
    table = texts.merge(votes[["id", "mean", "ratings"]], on="id", suffixes=("", "_votes"), validate="1:1")
    table[["mean", "mean_votes"]] = table[["mean", "mean_votes"]].astype(float)
    table["ratings"] = table["ratings"].map(json.loads)
    # Tweets carry HTML entities (&amp;); runs of white space and control characters say nothing about sentiment.
    table["text"] = table["text"].map(html.unescape).str.replace(r"[\s\x00-\x1f\x7f-\x9f]+", " ", regex=True)
    table["text"] = table["text"].str.strip()
    dropped: dict[str, int] = {}
    # The ids of some tweets are out of step between the two files: then the votes belong to another text.
    keep = ((table["mean"] - table["mean_votes"]).abs() < 0.01) & (table["text"] != "")
    _count(dropped, "the two files disagree on the mean rating, so the votes may belong to another text", ~keep)
    return table[keep].reset_index(drop=True), dropped


def _fields(path: Path, columns: int) -> list[list[str]]:
    """Tab-separated fields of each line. The files have a BOM or none, and some bytes that are not UTF-8."""
    content = path.read_bytes().decode("utf-8-sig", errors="replace")
    return [line.rstrip("\r").split("\t", columns - 1) for line in content.split("\n") if line.strip()]


def _plurality(votes: np.ndarray, sign: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class with the most votes (rows,) and whether there was a tie; classes are negative, neutral, positive."""
    first = votes == votes.max(axis=1, keepdims=True)
    tied = first.sum(axis=1) > 1
    by_sign = sign + 1
    broken = np.where(first[np.arange(len(votes)), by_sign], by_sign, 1)
    return np.where(tied, broken, votes.argmax(axis=1)), tied


def _count(dropped: dict[str, int], reason: str, which: np.ndarray | pd.Series) -> None:
    if which.any():
        dropped[reason] = int(which.sum())
