"""Corpora of which only some texts have gold labels, or none."""

import numpy as np
import pytest

from helpers import corpora, findings, prompts, studies
from helpers.errors import UserError
from helpers.ledger import Ledger


@pytest.fixture
def table(reviews, tmp_path):
    """Writes the forty reviews with the labels of the first `known` only, and returns the specification."""

    def write(known, **options):
        kept = reviews.assign(tone=[tone if i < known else None for i, tone in enumerate(reviews["tone"])])
        kept.to_csv(tmp_path / "reviews.csv", index=False)
        spec = {
            "name": "reviews",
            "path": str(tmp_path / "reviews.csv"),
            "text": "review",
            "label": "tone",
            "id": "ref",
        }
        return spec | {"unlabelled": "keep"} | options

    return write


def test_gold_labels_come_first_and_half_of_them_test(table):
    one = corpora.load(table(20))
    assert one.labels == ("negative", "positive")
    assert len(one.rows) == 40
    assert (one.gold[one.test] >= 0).all()
    assert (one.gold >= 0).sum() == 20
    assert len(one.test) == 10
    assert one.n_gold == 10
    assert not one.fully_gold
    assert (one.gold[one.pool[:10]] >= 0).all()
    assert (one.gold[one.pool[10:]] == -1).all()
    assert sorted(one.rows["rank"].to_numpy()[one.pool]) == list(range(30))
    assert "20 texts have no gold label" in one.notes
    assert corpora.load(table(20)).fingerprint == one.fingerprint


def test_a_text_without_gold_that_is_also_tested_is_not_trained_on(reviews, tmp_path):
    doubled = reviews.assign(ref=[f"b{i}" for i in range(40)], tone=None)
    both = np.concatenate([reviews.to_numpy(), doubled.to_numpy()])
    reviews.__class__(both, columns=reviews.columns).to_csv(tmp_path / "both.csv", index=False)
    spec = {"name": "both", "path": str(tmp_path / "both.csv"), "text": "review", "label": "tone", "id": "ref"}
    one = corpora.load(spec | {"unlabelled": "keep"})
    texts = one.rows["text"].to_numpy()
    assert not {*texts[one.test]} & {*texts[one.pool]}
    assert len(one.pool) + len(one.test) < len(texts)
    assert len(one.spent) == 0  # left out, and no example in the prompt, for nobody knows its class
    assert "Answer:" not in prompts.render(one).instruction


def test_where_every_row_has_gold_nothing_is_said_of_the_others(table):
    one = corpora.load(table(40))
    assert one.fully_gold
    assert not any("no gold label" in note for note in one.notes)


def test_no_gold_at_all(table):
    one = corpora.load(table(0, labels=["negative", "positive"], test_size=8))
    assert one.labels == ("negative", "positive")
    assert (one.gold == -1).all()
    assert len(one.test) == 8
    assert one.n_gold == 0


def test_labels_that_are_there_already_have_the_real_classes_only(table):
    one = corpora.load(table(30, ready_made={"words": "tone"}))
    assert one.ready["words"].logp.shape == (40, 2)
    assert len(one.ready["words"].failures) == 10


def test_no_label_column(reviews, table):
    spec = table(40, label=None, labels=["negative", "positive"], test_size=8)
    one = corpora.load(spec)
    assert (one.gold == -1).all()
    assert one.fingerprint == corpora.load(table(0, labels=["negative", "positive"], test_size=8)).fingerprint
    assert one.notes == ("no text has a gold label",)


@pytest.mark.parametrize("known", [1, 19])
def test_gold_that_is_too_little_to_test_on_is_refused(table, known):
    with pytest.raises(UserError, match=f"{known} rows have a gold label, and 20 are the fewest"):
        corpora.load(table(known, labels=["negative", "positive"]))


def test_a_study_asks_for_no_more_gold_than_there_is(table):
    plan = {"name": "little", "corpora": [table(20)], "sizes": [5, 10, 30], "annotators": ["smollm2-135m"]}
    cells = studies.Study.model_validate(plan).grid("reviews")
    assert [cell.n for cell in cells if cell.source.method == "gold"] == [5, 10]
    assert [cell.n for cell in cells if cell.source.method == "annotator"] == [5, 10, 30]
    controls = {"methods": ["uniform"], "redraw": False}
    everything = studies.Study.model_validate(plan | {"controls": controls}).grid("reviews")
    assert [cell.n for cell in everything if cell.source.method == "uniform"] == [5, 10]


def test_a_study_that_has_nothing_to_train_says_so(table, tmp_path):
    plan = studies.Study.model_validate({"name": "little", "corpora": [table(20)], "sizes": [15, 20]})
    with pytest.raises(UserError, match="study little has no run on reviews: 10 of its training texts have a gold"):
        findings.load(plan, ledger=Ledger(tmp_path / "results", tmp_path / "own"))


@pytest.mark.parametrize(
    "options", [{"folds": 3}, {"examples": 1}, {"label": None}, {"label": None, "votes": ["no", "yes"]}]
)
def test_what_does_not_go_together_is_said(table, options):
    with pytest.raises(UserError, match="`unlabelled: keep` takes a `label` column"):
        corpora.load(table(20, **options))
    with pytest.raises(UserError, match="must be drop or keep"):
        corpora.load(table(20, unlabelled="maybe"))
