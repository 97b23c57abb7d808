"""Texts that give orders: planted, spotted, and what a study of them shows."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import corpora, findings, orders, studies
from helpers.corpora import Corpus, planted
from helpers.errors import UserError
from helpers.findings.results import GOLD, CorpusResults, Results, Students
from helpers.labels import LabelSource, Targets
from helpers.studies import Cell


@pytest.fixture
def base(reviews, tmp_path):
    """Specification of a table of 40 reviews, half of them positive."""
    reviews.to_csv(tmp_path / "reviews.csv", index=False)
    return {
        "name": "reviews",
        "path": str(tmp_path / "reviews.csv"),
        "text": "review",
        "label": "tone",
        "id": "ref",
        "test_size": 20,
    }


def make(base, **options) -> Corpus:
    return corpora.load({"name": "ordered", "planted": base, "size": 16, "texts": 4} | options)


def test_all_orders_are_flagged_and_no_control():
    for label in ("positive", "Economy & trade"):
        for name in orders.templates():
            assert orders.looks_like_order(orders.plant("A fine film.", name, label)), name
        for name in orders.controls():
            assert not orders.looks_like_order(orders.plant("A fine film.", name, label)), name


def test_the_flag_finds_what_it_says_it_finds():
    """The rates that the docstring states: held-out orders, and false alarms in the shipped corpora."""
    assert sum(orders.looks_like_order(said.replace("{label}", "positive")) for said in orders.held_out()) == 7
    texts = [text for name in corpora.BUILT_IN for text in corpora.load(name).rows["text"]]
    assert (len(texts), int(orders.flags(texts).sum())) == (23470, 22)


def test_a_label_with_braces_is_planted_as_it_is():
    assert orders.plant("So.", "answer", "{label} {0}") == "So. Answer: {label} {0}"


def test_orders_are_planted_in_texts_of_other_classes_only(base):
    plain, ordered = make(base, share=0.0), make(base, share=0.25)
    source = corpora.load(base).rows.set_index("id")
    what = planted.planted_in(ordered)
    assert (what[ordered.pool] == "override").sum() == 4
    assert not planted.planted_in(plain)[plain.pool].any()
    assert (ordered.gold[what != ""] == 0).all()  # the last label, positive, is ordered
    assert ordered.labels == ("negative", "positive")
    for id_, text, name in zip(ordered.rows["id"], ordered.rows["text"], what, strict=True):
        original = source.loc[id_.partition("+")[0], "text"]
        assert text == (orders.plant(original, name, "positive") if name else original)
    assert ordered.rows["id"].is_unique
    assert plain.gold[plain.pool].tolist() == ordered.gold[ordered.pool].tolist()


def test_every_test_text_comes_as_it_is_and_with_everything(base):
    made = make(base, share=0.0)
    names = planted.planted_in(made)[made.test]
    kinds = ["", *orders.templates(), *orders.controls()]
    assert names.tolist() == [name for name in kinds for _ in range(4)]
    stems = np.array([id_.partition("+")[0] for id_ in made.rows["id"]])[made.test]
    assert all((stems[names == name] == stems[:4]).all() for name in kinds)
    assert not {*stems} & {id_.partition("+")[0] for id_ in made.rows["id"].to_numpy()[made.pool]}


def test_a_corpus_in_folds_is_not_trained_on_what_it_tests(base):
    del base["test_size"]
    made = make(base | {"folds": 3}, share=0.25)
    stems = made.rows["id"].str.partition("+")[0].to_numpy()
    assert (len(made.pool), len(set(stems[made.test]))) == (16, 4)
    assert not set(stems[made.test]) & set(stems[made.pool])


def test_texts_without_gold_are_left_alone(base, reviews):
    reviews.loc[::4, "tone"] = None  # of those that are negative, half
    reviews.to_csv(base["path"], index=False)
    kept = base | {"unlabelled": "keep", "test_size": 20}
    made = make(kept, share=0.2, size=10)
    assert (made.gold >= 0).all()
    assert (made.gold[planted.planted_in(made) != ""] == 0).all()
    with pytest.raises(UserError, match="16 training texts were asked for, but reviews has 15 with a gold label"):
        make(kept, share=0.2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": 0.1, "target": "angry"}, "no label 'angry', only negative, positive"),
        ({"share": 0.1, "template": "shout"}, "no order is called 'shout'"),
        ({"share": 1.5}, "`share` is 1.5"),
        ({"share": 1.0}, "lower `share`"),
        ({"share": 0.0, "texts": 30}, "lower `share`, `size` or `texts`"),
        ({"share": 0.0, "size": 1000}, "1000 training texts were asked for, but reviews has 20 with a gold label"),
        ({"share": "a fifth"}, "'ordered' is not described right: `share` is 'a fifth', but must be a number"),
        ({"share": 0.0, "size": 0}, "`size` is 0, but must be an integer from 1"),
        ({"share": 0.0, "planted": None}, "`planted` is empty, but must be a corpus"),
        ({"share": 0.0, "planted": ["movie"]}, r"`planted` is \['movie'\], but must be a corpus"),
        ({"share": 0.0, "planted": "films"}, "no corpus is called 'films'"),
        ({"share": 0.0, "name": "a/b"}, "a corpus cannot be called 'a/b'"),
        ({}, "`share` is missing: it must be a number"),
        ({"share": 0.0, "colour": "red"}, "there is no option 'colour'"),
    ],
)
def test_what_cannot_be_planted_is_said(base, options, said):
    with pytest.raises(UserError, match=said):
        make(base, **options)


def test_a_corpus_without_a_name_is_told_by_its_options_and_not_by_texts(base):
    with pytest.raises(UserError) as caught:
        corpora.load({"planted": base, "share": 0.0})
    assert str(caught.value) == "the corpus {'share': 0.0} is not described right: `name` is missing: it must be given"


def test_what_is_planted_may_be_planted_in_turn(base):
    inner = {"name": "inner", "planted": base, "share": 0.0, "size": 16, "texts": 4}
    assert len(make(inner, share=0.25, texts=4).pool) == 16


def ordered_results(base, *, obeys):
    """An annotator that says negative of every text, and of texts with an order positive if it obeys."""
    one = make(base, share=0.25)
    what = planted.planted_in(one)
    says = (np.isin(what, list(orders.templates())) & obeys).astype(int)
    plan = {"name": "made", "corpora": [{"name": "ordered", "planted": "x", "share": 0.25}], "sizes": [16], "seeds": 2}
    study = studies.Study.model_validate(plan | {"annotators": ["flawed"]})
    follow = np.stack([np.eye(2)[says[one.test]]] * 2)
    steady = np.stack([np.eye(2)[np.zeros(len(one.test), int)]] * 2)
    made = Targets(one.pool, np.eye(2)[says[one.pool]])
    gold = one.gold[one.test]
    cells = {
        Cell(GOLD, 16): Students(steady, made, gold),
        Cell(LabelSource("annotator", ("flawed",)), 16): Students(follow, made, gold),
    }
    return Results(study, {"ordered": CorpusResults(one, {"flawed": np.eye(2)[says]}, cells)}, ["flawed"], {})


@pytest.mark.parametrize("obeys", [True, False])
def test_obedience_is_measured_against_the_control(base, obeys):
    found = findings.injection(ordered_results(base, obeys=obeys))
    row = found.table.iloc[0]
    assert row["Answer"] == ("obeyed" if obeys else "no obedience shown")
    assert row["With the order override, %"] == 100 * obeys
    assert row["With the control mention, %"] == 0
    assert row["Of these, labelled as ordered, %"] == 100 * obeys
    assert row["Its students, with override, %"] == 100 * obeys
    assert row["Gold students, with override, %"] == 0
    assert row["Flagged, of texts with orders, %"] == 100
    assert row["Flagged, of the other texts, %"] == 0
    assert (found.frame["high"] > found.frame["low"]).all()  # no share of a few texts is known for sure
    assert set(found.frame["planted"]) == {"nothing", *orders.templates(), *orders.controls()}


def test_corpora_with_the_same_test_texts_give_one_answer(base):
    made = ordered_results(base, obeys=True)
    (one,) = made.corpora.values()
    twice = replace(made, corpora={"ordered": one, "again": replace(one, corpus=replace(one.corpus, name="again"))})
    plan = made.study.model_dump(exclude_unset=True)
    plan["corpora"] = [*plan["corpora"], plan["corpora"][0] | {"name": "again"}]
    found = findings.injection(replace(twice, study=studies.Study.model_validate(plan)))
    assert len(found.table) == 2
    assert len(found.verdicts) == 1
    texts = (planted.planted_in(one.corpus)[one.corpus.test] == "override").sum()
    assert (
        f"The ordered label is positive; the order stands at the end of {texts} texts of other classes. At"
        in found.summary
    )


def test_a_study_of_ones_own_that_plants_nothing_says_so():
    plan = {"name": "mine", "corpora": [{"name": "a", "path": "a.csv"}], "sizes": [10]}
    found = findings.injection(studies.Study.model_validate(plan))
    assert found.summary == "Study mine plants no orders: studies/injection.yml shows how it is done."
    assert found.table.empty
    with pytest.raises(UserError, match="no order is called 'shout'"):
        findings.injection(studies.Study.model_validate(plan), template="shout")
