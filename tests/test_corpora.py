import copy
import hashlib
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import make_corpus
from hypothesis import given
from hypothesis import strategies as st

from helpers import artifacts, corpora
from helpers.corpora import hutto, ranks
from helpers.errors import UserError

# rows, shares of the classes, left out, repeated texts, test size, fewest and most votes of a text, sha256 of the ranks
KNOWN = {
    "movie": (10_568, (0.51, 0.49), 37, 2, 1500, (2, 29), "cd118cf3abec77ce"),
    "amazon": (3_708, (0.35, 0.18, 0.47), 0, 11, 1000, (20, 20), "0c3239ddad534abe"),
    "tweets": (4_004, (0.27, 0.17, 0.56), 196, 0, 1000, (20, 99), "c7da6109c014d327"),
    "editorials": (5_190, (0.35, 0.44, 0.21), 0, 71, 1000, (20, 20), "1e9e70c76cb69340"),
}
NAMES = list(KNOWN)


@pytest.mark.parametrize("label", ["id", "row", "failure", "looks_like_order"])
def test_no_class_is_called_as_a_column_of_annotations_is(label):
    """Whoever made the corpus: a table of annotations would have two columns of that name."""
    corpus = make_corpus(["So.", "And so."])
    with pytest.raises(UserError, match=f"small: a label cannot be called '{label}'.*with `labels`"):
        replace(corpus, labels=("success", label))


def folded(texts: pd.Series) -> list[str]:
    return [" ".join(text.casefold().split()) for text in texts]


@pytest.mark.parametrize("name", NAMES)
def test_rows_and_classes(name):
    corpus = corpora.load(name)
    count, shares, dropped, _, test_size, votes, _ = KNOWN[name]
    assert len(corpus.rows) == count
    assert np.bincount(corpus.gold) / count == pytest.approx(shares, abs=0.02)
    assert sum(corpus.dropped.values()) == dropped
    assert (len(corpus.test), len(corpus.pool)) == (test_size, count - test_size)
    assert corpus.rows["id"].is_unique
    assert corpus.rows["text"].str.len().min() > 0
    assert corpus.votes.shape == (count, len(shares))
    assert (corpus.votes.sum(axis=1).min(), corpus.votes.sum(axis=1).max()) == votes


@pytest.mark.parametrize("name", NAMES)
def test_the_split_is_the_same_everywhere(name):
    # Ledgers and annotations refer to these ranks: a change here makes all of them worthless.
    ranks_ = corpora.load(name).rows["rank"].to_numpy().astype("<i8")
    assert hashlib.sha256(ranks_.tobytes()).hexdigest()[:16] == KNOWN[name][-1]


@pytest.mark.parametrize("name", NAMES)
def test_equal_texts_are_on_one_side(name):
    corpus = corpora.load(name)
    texts = np.array(folded(corpus.rows["text"]), dtype=object)
    assert len(texts) - len(set(texts)) == KNOWN[name][3]
    assert not set(texts[corpus.test]) & set(texts[corpus.pool])


def test_subsets_are_nested():
    corpus = corpora.load("amazon")
    assert np.array_equal(corpus.subset(250), corpus.subset(500)[:250])
    assert np.array_equal(corpus.subset(250, draw=3), corpus.subset(500, draw=3)[:250])
    draws = [set(corpus.subset(500, draw=draw)) for draw in range(4)]
    assert all(len(a) == 500 and not a & set(corpus.test) for a in draws)
    assert len({frozenset(a) for a in draws}) == 4
    assert sorted(corpus.subset(2708)) == sorted(set(range(3708)) - set(corpus.test))
    assert corpus.rows["rank"].iloc[corpus.subset(5)].tolist() == [0, 1, 2, 3, 4]
    for n in (0, 2709):
        with pytest.raises(UserError, match=f"amazon: a training subset of {n} texts.*the pool has 2708"):
            corpus.subset(n)


def means(name: str) -> pd.Series:
    """Mean rating by id, read in a way of its own."""
    lines = (artifacts.fetch("hutto2014") / f"{hutto._STEMS[name]}_GroundTruth.txt").read_bytes().splitlines()
    fields = [line.removeprefix(b"\xef\xbb\xbf").split(b"\t") for line in lines]
    return pd.Series({id_.decode(): float(mean) for id_, mean, *_ in fields})


def test_gold_of_movie_is_the_sign_of_the_mean():
    corpus = corpora.load("movie")
    mean = means("movie")[corpus.rows["id"]]
    assert np.array_equal(corpus.gold, mean > 0)
    assert (mean != 0).all()


@pytest.mark.parametrize("name", NAMES[1:])
def test_gold_is_the_plurality_and_ties_follow_the_rule(name):
    corpus = corpora.load(name)
    mean = means(name)[corpus.rows["id"]].to_numpy()
    ties = 0
    for votes, gold, mean_ in zip(corpus.votes, corpus.gold, mean, strict=True):
        first = [k for k in range(3) if votes[k] == max(votes)]
        by_sign = 1 + (mean_ > 0) - (mean_ < 0)
        ties += len(first) > 1
        assert gold == (first[0] if len(first) == 1 else by_sign if by_sign in first else 1)
    assert f"{ties / len(mean):.1%}" in corpus.notes[0]


@pytest.mark.parametrize(("name", "count", "what"), [("amazon", 300, "reviews"), ("editorials", 498, "editorials")])
def test_sentences_know_what_they_are_taken_from(name, count, what):
    """The beginning of the id says it; of the others nothing does."""
    corpus = corpora.load(name)
    by_id = corpus.rows["id"].str.partition("_")[0]
    assert len(set(corpus.sources)) == len(set(zip(corpus.sources, by_id, strict=True))) == len(set(by_id)) == count
    assert corpus.notes[1].startswith(f"texts are sentences of {count} {what}, and ")
    assert corpora.load("movie").sources is corpora.load("tweets").sources is None


def test_plurality():
    votes = np.array([[3, 2, 1], [2, 2, 1], [2, 2, 1], [2, 0, 2], [2, 0, 2], [2, 1, 2], [1, 2, 2]])
    sign = np.array([1, -1, 1, 1, 0, -1, 1])
    gold, tied = hutto._plurality(votes, sign)
    assert gold.tolist() == [0, 0, 1, 2, 1, 0, 2]
    assert tied.tolist() == [False, *[True] * 6]


def test_fields_of_a_messy_file(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_bytes(b"\xef\xbb\xbf1\t0.5\ta\tb\r\n\r\n2\t-1\tcaf\xe9\n3\t0\t\xe2\x80\xa8line\n")
    assert hutto._fields(file, 3) == [["1", "0.5", "a\tb"], ["2", "-1", "caf\ufffd"], ["3", "0", "\u2028line"]]


def test_texts_are_one_line_without_entities():
    texts = corpora.load("tweets").rows["text"]
    assert not texts.str.contains(r"&amp;|&lt;|&gt;|&quot;|[\x00-\x1f\x7f-\x9f]|  |^ | $").any()


def test_unknown_names_get_the_list():
    with pytest.raises(UserError, match=r"'imdb'.*movie, amazon, tweets, editorials"):
        corpora.load("imdb")


# Texts of two letters, blanks and capitals, so that many are equal but for those.
texts = st.lists(st.text("aB b", min_size=1, max_size=4), min_size=1, max_size=40).map(pd.Series)


@given(texts, st.integers(1, 40))
def test_ranks_split_groups_of_equal_texts(texts, test_size):
    rank = ranks(texts, test_size)
    groups = np.array(folded(texts), dtype=object)
    train = rank >= 0
    assert sorted(rank[train]) == list(range(train.sum()))
    assert set(rank[~train]) == {-1}
    assert not set(groups[train]) & set(groups[~train])
    largest = max(np.unique(groups, return_counts=True)[1])
    wanted = min(test_size, len(texts))
    assert wanted <= (~train).sum() < wanted + largest


@given(texts, st.integers(1, 40))
def test_ranks_depend_on_nothing_but_which_texts_are_equal(texts, test_size):
    codes = pd.Series(pd.factorize(pd.Series(folded(texts)))[0].astype(str))
    assert np.array_equal(ranks(texts, test_size), ranks(codes, test_size))


def test_another_process_gets_a_corpus_without_what_was_worked_out_here():
    movie = replace(corpora.load("movie"))
    fresh = len(pickle.dumps(movie))
    assert len(movie.encoded) == len(movie.rows)
    assert movie.fingerprint
    assert len(pickle.dumps(movie)) == fresh
    there = copy.deepcopy(movie)
    assert there.fingerprint == movie.fingerprint
    assert there.pool.tolist() == movie.pool.tolist()
