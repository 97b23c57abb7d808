"""Another encoder's students beside a study's own, on runs whose answers are known: no training."""

from dataclasses import replace

import pytest
from test_decisions import FLAWED, only, results, students

from helpers import findings, studies
from helpers.errors import UserError
from helpers.studies import Cell


def other(gold, flawed, **changed):
    """What `test_decisions.results` makes, of an encoder that is called large."""
    made = results([gold] * 4, flawed)
    student = made.study.student.model_copy(update={"encoder": "large"})
    return replace(made, study=made.study.model_copy(update={"student": student, "name": "theirs", **changed}))


@pytest.mark.parametrize(
    ("gold", "flawed", "advice", "more"),
    [
        (0.9, 0.5, "loss", 30.0),
        (0.9, 0.8, "loss", 0.0),
        (0.8, 0.8, "no loss shown", -10.0),
        (0.7, 0.9, "gain", -30.0),
    ],
)
def test_losses_stand_beside_each_other(gold, flawed, advice, more):
    found = findings.encoders(results([0.9] * 4, 0.8), other=other(gold, flawed))
    row, (own, larger) = only(found.table), found.frame.to_dict("records")
    assert row["Answer"] == only(found.verdicts)["verdict"] == advice
    assert row["Labels"] == 800
    assert row["Loss, minilm, points"] == 10.0
    assert row["Loss, large, points"] == pytest.approx(100 * (gold - flawed))
    assert row["Loss of large minus that of minilm, points"] == more
    assert (own["encoder"], own["loss"]) == ("minilm", pytest.approx(0.1))
    assert (larger["encoder"], larger["loss"]) == ("large", pytest.approx(gold - flawed))
    clearly = "larger than that of minilm in 1 of 1" if more > 0 else "smaller in 1" if more < 0 else "smaller in 0"
    assert clearly in found.summary


def test_the_largest_number_of_labels_that_both_have_is_looked_at():
    theirs = other(0.9, 0.5, sizes=[200])
    cells = dict(theirs.corpora["news"].cells) | {Cell(FLAWED, 200): students(0.6, 0.6)}
    theirs = replace(theirs, corpora={"news": replace(theirs.corpora["news"], cells=cells)})
    mine = results([0.9] * 4, 0.8)
    cells = dict(mine.corpora["news"].cells) | {Cell(FLAWED, 200): students(0.7, 0.7, 0.7)}
    mine = replace(mine, corpora={"news": replace(mine.corpora["news"], cells=cells)})
    found = findings.encoders(mine, other=theirs)
    row = only(found.table)
    assert row["Labels"] == 200
    assert row["Loss, large, points"] == 30.0
    assert only(found.verdicts)["n_runs"] == 4  # two seeds of gold and of the annotator
    elsewhere = replace(theirs, study=theirs.study.model_copy(update={"sizes": [300]}))
    assert "no number of labels of a corpus in common" in findings.encoders(mine, other=elsewhere).summary


def test_what_cannot_be_compared_is_said():
    mine = results([0.9] * 4, 0.8)
    assert "train the same encoder, minilm" in findings.encoders(mine, other=mine).summary
    assert "no number of labels" in findings.encoders(mine, other=other(0.9, 0.5, corpora=["olds"])).summary
    probing = other(0.9, 0.5)
    student = probing.study.student.model_copy(update={"kind": "probe"})
    probing = replace(probing, study=probing.study.model_copy(update={"student": student}))
    assert "differ in more than their encoder" in findings.encoders(mine, other=probing).summary
    found = findings.encoders(mine, other=other(0.9, 0.5, annotators=[]))
    assert "or other annotators, none" in found.summary
    assert found.table.empty
    assert (
        "of other wordings, prompt1 and reversed"
        in findings.encoders(mine, other=other(0.9, 0.5, prompt="reversed")).summary
    )
    found = findings.encoders(mine, other=other(0.9, 0.5, annotators=["hf:elsewhere/flawed"]))
    assert "or other annotators, flawed" in found.summary  # of the same name, and another model
    with pytest.raises(UserError, match="there is no study"):
        findings.encoders(mine, other="studies/nowhere.yml")


def test_a_study_that_cannot_stand_beside_it_shows_the_shipped_two():
    found = findings.encoders(studies.load("studies/quick.yml"), corpus="amazon")
    assert found.summary.endswith("The studies are default and base.")
    assert len(found.verdicts) == 6
