"""Splits: stratified, grouped, seeded; and near-duplicates."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpora import splits


@st.composite
def tables(draw):
    """Classes and groups of some rows; the first rows may be one large group."""
    rows = draw(st.integers(20, 200))
    gold = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
    groups = np.array(draw(st.lists(st.integers(0, rows), min_size=rows, max_size=rows)))
    groups[: draw(st.integers(0, rows))] = 0
    return np.array(gold), groups


@given(tables(), st.integers(1, 10), st.integers(0, 5))
def test_no_group_straddles(table, size, seed):
    gold, groups = table
    test = splits.stratified(gold, groups, size, seed=seed)
    assert not set(groups[test]) & set(groups[~test])
    assert test.any()
    assert np.array_equal(test, splits.stratified(gold, groups, size, seed=seed))


def test_the_test_split_has_the_shares_of_the_whole():
    gold = np.repeat([0, 1, 2], [950, 40, 10])
    test = splits.stratified(gold, np.arange(1000), 200)
    assert np.bincount(gold[test]).tolist() == [190, 8, 2]
    assert not np.array_equal(test, splits.stratified(gold, np.arange(1000), 200, seed=1))


@given(st.lists(st.integers(-1, 2), min_size=5, max_size=60))
def test_every_row_is_tested_trained_on_or_spent(fold):
    fold = np.array(fold)
    rank = splits.ranked(fold, 0)
    assert np.array_equal(rank == splits.TEST, fold == 0)
    assert np.array_equal(rank == splits.SPENT, fold == splits.OUT)
    assert sorted(rank[rank >= 0]) == list(range((fold > 0).sum()))
    # Which rows are spent changes the order of no others.
    whole = splits.ranked(np.where(fold == splits.OUT, 1, fold), 0)
    pool = rank >= 0
    assert np.array_equal(np.argsort(rank[pool]), np.argsort(whole[pool]))


@given(tables(), st.integers(2, 5))
def test_folds_are_whole_groups_and_cover_all(table, number):
    gold, groups = table
    fold = splits.folds(gold, groups, number)
    assert set(fold) <= set(range(number))
    assert len(set(fold)) == min(number, len(set(groups)))
    assert np.array_equal(fold, splits.folds(gold, groups, number))
    for k in range(number):
        assert not set(groups[fold == k]) & set(groups[fold != k])


def test_folds_are_stratified_and_of_one_size():
    gold = np.repeat([0, 1], [270, 30])
    fold = splits.folds(gold, np.arange(300), 5)
    for k in range(5):
        assert np.bincount(gold[fold == k]).tolist() == [54, 6]
        rank = splits.ranked(fold, k)
        assert np.array_equal(rank < 0, fold == k)
        assert sorted(rank[rank >= 0]) == list(range(240))


@pytest.mark.parametrize(("large", "sizes"), [(121, [44, 45, 45, 45, 121]), (200, [25, 25, 25, 25, 200])])
def test_a_large_group_leaves_no_fold_empty(large, sizes):
    gold, groups = np.arange(300) % 2, np.minimum(np.arange(300), 300 - large)
    fold = splits.folds(gold, groups, 5)
    counts = np.stack([np.bincount(gold[fold == k], minlength=2) for k in range(5)])
    assert sorted(counts.sum(axis=1)) == sizes
    assert abs(counts[:, 0] - counts[:, 1]).max() <= 5
    assert not np.array_equal(fold, splits.folds(gold, groups, 5, seed=1))


def test_folds_that_were_full_stay():
    """They are part of the key of every run on somebody's table."""
    gold, groups = np.arange(24) % 3, np.arange(24) // 2
    assert "".join(map(str, splits.folds(gold, groups, 4))) == "222233111122000011333300"


def test_what_straddles_a_given_split():
    in_test = np.array([True, False, False, True, False])
    straddles = splits.straddling(in_test, np.array([1, 1, 2, 3, 4]))
    assert straddles.tolist() == [False, True, False, False, False]


def test_groups_are_joined_over_what_they_share():
    joined = splits.joined(np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 8]))
    assert len(set(joined[:3])) == 1
    assert len(set(joined)) == 3


@pytest.mark.parametrize("language", ["en", "ja"])
def test_near_duplicates_are_found_in_any_script(own_cache, language):
    rng = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyz ") if language == "en" else [chr(c) for c in range(0x4E00, 0x4F00)]
    texts = ["".join(rng.choice(letters, 120)) for _ in range(200)]
    texts += [texts[3] + "!", texts[3].upper(), texts[7][:-2]]
    groups = splits.near_duplicates(texts, 0.8)
    assert groups[3] == groups[200] == groups[201]
    assert groups[7] == groups[202]
    assert len(set(groups)) == 200
    kept = list((own_cache / "groups").iterdir())
    assert len(kept) == 1
    assert np.array_equal(splits.near_duplicates(texts, 0.8), groups)


def test_near_duplicates_of_many_equal_texts(own_cache):
    """Linked through a text in between, and in the time of the distinct ones."""
    texts = ["Thank you very much", "thank  YOU very much"] * 1000 + ["Thank you very much!", "Thank you very much!?"]
    groups = splits.near_duplicates([*texts, "no"], 0.8)
    assert groups.tolist() == [0] * len(texts) + [1]
    assert splits.near_duplicates(["a b c d e f", "A b  c d e f", "a b c d e g"], 1.0).tolist() == [0, 0, 1]


def test_texts_shorter_than_a_piece_are_compared_too(own_cache):
    groups = splits.near_duplicates(["ok", "OK ", "no", ""], 0.9)
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3


def test_similarity_is_jaccard_of_pieces():
    a, b = splits._pieces("abcdefg"), splits._pieces("abcdefX")
    assert len(a) == 3
    assert splits._jaccard(a, b) == 2 / 4


def test_ranks_of_the_built_in_corpora_stay():
    """They are part of the key of every finished run."""
    rank = splits.ranks(pd.Series([f"text {i}" for i in range(12)]), 3)
    assert rank.tolist() == splits.ranks(pd.Series([f"TEXT  {i}" for i in range(12)]), 3).tolist()
    assert rank.tolist() == [0, 4, 5, 2, 3, 1, -1, -1, 6, 7, 8, -1]
