"""The pages that advise, on runs whose answers are known, made by hand: no training."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers import charts, findings, studies
from helpers.charts import page
from helpers.corpora import Corpus
from helpers.corpora.splits import SPENT
from helpers.errors import UserError
from helpers.findings import _decision
from helpers.findings.results import GOLD, CorpusResults, Results, Students
from helpers.labels import LabelSource, Targets
from helpers.studies import Cell

TEXTS, POOL = 200, 800
FLAWED = LabelSource("annotator", ("flawed",))
HALF = LabelSource("entropy", ("flawed",), 0.5)


def corpus(*, labels=("no", "yes"), gold=None):
    """200 test texts, half of each class in turn, after a pool of 800."""
    count = POOL + TEXTS
    rows = pd.DataFrame({"id": [str(i) for i in range(count)], "text": [f"text {i}" for i in range(count)]})
    rows["gold"] = np.arange(count) % 2 if gold is None else gold
    rows["rank"] = np.where(np.arange(count) < POOL, np.arange(count), -1)
    return Corpus("news", labels, rows)


def students(*shares):
    """One student for each share: right on the first of the test texts, wrong on the others."""
    gold = np.arange(TEXTS) % 2
    pred = np.stack([np.where(np.arange(TEXTS) < round(share * TEXTS), gold, 1 - gold) for share in shares])
    probs = np.where(np.arange(2) == pred[..., None], 0.9, 0.1)
    return Students(probs, Targets(np.arange(POOL), np.eye(2)[np.arange(POOL) % 2]), gold)


def results(gold, flawed, *, half=None, one=None, said=None):
    """Gold students of these accuracies at 100, 200, 400 and 800 labels; those of `flawed` at 800."""
    one = corpus() if one is None else one
    sizes = [100, 200, 400, 800]
    plan = {"name": "made", "corpora": ["news"], "annotators": ["flawed"], "sizes": sizes, "seeds": 3}
    cells = {Cell(GOLD, n): students(a, a, a) for n, a in zip(sizes, gold, strict=False)}
    cells[Cell(FLAWED, 800)] = students(*[flawed] * 3)
    if half is not None:
        cells[Cell(HALF, 800)] = students(*[half] * 3)
    said = np.eye(2)[np.arange(POOL + TEXTS) % 2] if said is None else said
    study = studies.Study.model_validate(plan)
    return Results(study, {"news": CorpusResults(one, {"flawed": said}, cells)}, ["flawed"], {"label-risk": "0"})


def only(frame):
    assert len(frame) == 1
    return frame.iloc[0]


@pytest.mark.parametrize(("size", "of"), [(800, ""), (400, ", of 400 labels")])
@pytest.mark.parametrize("half", [0.6, 0.75])
def test_remedies_of_fewer_labels_must_beat_all_labels(size, of, half):
    made = results((0.5, 0.6, 0.7, 0.8), 0.65)
    filtering = studies.Filtering(size=size, fractions=[0.5])
    made = replace(made, study=made.study.model_copy(update={"filtering": filtering}))
    made.corpora["news"].cells[Cell(HALF, size)] = students(half, half, half)
    found = findings.decision(made)
    assert only(found.table)["Remedy"] == (f"the 50 % of lowest entropy{of}" if half > 0.65 else "")
    assert ("at 400 labels, which are not all" in found.summary) is bool(of)


@pytest.mark.parametrize(
    ("gold", "flawed", "half", "k", "advice", "remedy"),
    [
        ((0.5, 0.6, 0.7, 0.8), 0.9, None, 300, "train", ""),
        ((0.5, 0.6, 0.7, 0.8), 0.65, 0.9, 300, "train with the remedy", "the 50 % of lowest entropy"),
        ((0.4, 0.5, 0.6, 0.9), 0.7, None, 150, "train, at a loss", ""),
        ((0.4, 0.5, 0.6, 0.9), 0.3, 0.7, 150, "train, at a loss", "the 50 % of lowest entropy"),
        ((0.5, 0.7, 0.8, 0.9), 0.55, 0.4, 300, "label by hand", ""),
        ((0.4, 0.5, 0.6, 0.9), 0.6, None, 400, "not clear", ""),
        # Under the whole gold curve: fewer than 100, which may be more or fewer than 50.
        ((0.5, 0.7, 0.8, 0.9), 0.2, None, 50, "not clear", ""),
        ((0.5, 0.7, 0.8, 0.9), 0.2, None, 100, "not clear", ""),
        ((0.5, 0.7, 0.8, 0.9), 0.2, None, 101, "label by hand", ""),
    ],
)
def test_the_first_advice_whose_rule_holds_is_given(gold, flawed, half, k, advice, remedy):
    found = findings.decision(results(gold, flawed, half=half), k=k)
    row = only(found.table)
    assert (row["Advice"], row["Remedy"]) == (advice, remedy)
    assert only(found.verdicts)["verdict"] == advice
    best = half if remedy else flawed
    assert only(found.verdicts)["effect"] == pytest.approx(gold[-1] - best)
    assert len(found.frame) == 1 + bool(remedy)


@pytest.mark.parametrize(("tolerance", "advice"), [(0.1, "train"), (0.02, "train, at a loss")])
def test_a_loss_is_held_against_the_tolerance(tolerance, advice):
    """Of five points, with three to either side."""
    found = findings.decision(results((0.4, 0.5, 0.6, 0.8), 0.75), k=150, tolerance=tolerance)
    assert only(found.verdicts)["verdict"] == advice


@pytest.mark.parametrize(("others", "remedy"), [(0, "the 50 % of lowest entropy"), (11, "")])
def test_the_more_remedies_are_tried_the_more_each_must_gain(others, remedy):
    """Five of 200 texts are gained and none lost: by chance in one world of 160, too many for thirteen tries."""
    made = results((0.4, 0.5, 0.6, 0.9), 0.7)
    cells = made.corpora["news"].cells
    cells[Cell(HALF, 800)] = students(*[145 / 200] * 3)
    for i in range(others):
        cells[Cell(LabelSource("margin", ("flawed",), (i + 1) / 20), 800)] = students(0.7, 0.7, 0.7)
    assert only(findings.decision(made).table)["Remedy"] == remedy


def test_gold_that_was_spent_in_the_prompt_is_said():
    one = corpus()
    assert "examples" not in findings.decision(results((0.5, 0.6, 0.7, 0.8), 0.9, one=one)).summary
    rows = one.rows.assign(rank=one.rows["rank"].where(one.rows.index < POOL, -1))
    rows.loc[POOL - 4 : POOL - 1, "rank"] = SPENT
    made = results((0.5, 0.6, 0.7, 0.8), 0.9, one=Corpus("news", one.labels, rows))
    said = findings.decision(made, k=300).summary
    assert "examples in the prompt, 4 of news: the 300 are on top of these." in said


def test_every_advice_has_a_rule_a_colour_and_a_page():
    kinds = [kind for rule in findings.rules().values() for kind in rule.advice]
    assert set(kinds) == set(charts.theme.ADVICE)
    for name, rule in findings.rules().items():
        function = getattr(findings, name)
        assert {key: function.__kwdefaults__[key] for key in rule.parameters} == rule.parameters


def test_a_vote_of_students_is_a_remedy_if_it_clearly_helps():
    """Three students that err on different texts: every vote is right."""
    made = results((0.5, 0.6, 0.7, 0.9), 0.5)
    gold = np.arange(TEXTS) % 2
    pred = np.stack([np.where(np.arange(TEXTS) % 3 == seed, 1 - gold, gold) for seed in range(3)])
    cell = made.corpora["news"].cells[Cell(FLAWED, 800)]
    probs = np.where(np.arange(2) == pred[..., None], 0.9, 0.1)
    made.corpora["news"].cells[Cell(FLAWED, 800)] = Students(probs, cell.targets, gold)
    row = only(findings.decision(made).table)
    assert row["Remedy"] == "vote of 3 of its students"
    assert row["Expected loss, with the remedy if any, points"] == pytest.approx(-10)
    assert row["Gap to gold closed, %"] > 100


def test_a_remedy_that_may_not_help_is_none():
    assert only(findings.decision(results((0.5, 0.6, 0.7, 0.8), 0.7, half=0.705)).table)["Remedy"] == ""


def test_the_sample_tells_how_often_the_annotator_is_right():
    said = np.eye(2)[np.arange(POOL + TEXTS) % 2]
    said[: POOL // 2 : 2] = np.nan  # of what it did not label, nothing is known
    said[1 : POOL // 2 : 2] = said[1 : POOL // 2 : 2, ::-1]
    row = only(findings.decision(results((0.5, 0.6, 0.7, 0.8), 0.7, said=said), k=POOL, precision=0.05).table)
    assert (row["Gold labels"], row["Right on them, %"]) == (800, 66.7)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"tolerance": -0.1}, {"precision": 0.0}, {"tolerance": 1.0}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(UserError, match="k = "):
        findings.decision(results((0.5, 0.6, 0.7, 0.8), 0.7), **wrong)
    with pytest.raises(UserError, match="2 gold labels"):
        findings.prevalence(results((0.5, 0.6, 0.7, 0.8), 0.7), k=1)


def test_counted_shares_mislead_where_they_leave_the_interval():
    """The annotator says yes of every text of that class and of half of the others."""
    said = np.eye(2)[np.arange(POOL + TEXTS) % 2]
    said[np.arange(POOL + TEXTS) % 4 == 0] = [0.1, 0.9]
    found = findings.prevalence(results((0.5, 0.6, 0.7, 0.8), 0.7, said=said), k=400)
    row = found.table[found.table["Class"] == "yes"].iloc[0]
    assert row["Its labels counted, %"] == 75
    assert row["Answer"] == "counting misleads"
    assert row["All gold labels, %"] == 50
    estimate = found.frame.query("way == 'estimated' and who == 'flawed' and label == 'yes'").iloc[0]
    assert estimate["low"] < 0.5 < estimate["high"]
    assert row["As good as so many gold labels"] > 400
    # Of two classes one says what the other does, so one is counted.
    assert found.verdicts["variant"].tolist() == ["yes"]
    assert len(found.table) == 2
    fair = findings.prevalence(results((0.5, 0.6, 0.7, 0.8), 0.7), k=400)
    assert set(fair.table["Answer"]) == {"no bias shown"}


def test_four_times_the_gold_halves_an_interval_and_good_labels_narrow_it():
    """An annotator that is right on nine of ten texts, and gold of both classes in turn."""
    said = np.eye(2)[np.where(np.arange(POOL + TEXTS) % 10 == 0, 1, 0) ^ np.arange(POOL + TEXTS) % 2]
    found = findings.prevalence(results((0.5, 0.6, 0.7, 0.8), 0.7, said=said), k=100).parts["more gold"]
    widths = found.frame.pivot(index="k", columns="who", values="width")
    assert widths.index.tolist() == [12, 25, 50, 100, 200, 400]
    assert set(found.frame["drawn"]) == {"from the gold labels"}
    alone, helped = widths["gold alone"], widths["flawed"]
    assert alone[100] == pytest.approx(2 * 1.96 * 0.05, rel=0.03)
    assert alone[400] == pytest.approx(alone[100] / 2, rel=0.03)
    # Its labels explain two thirds of the variance of gold; a tenth of the texts have gold, so it helps a little less.
    assert helped[100] == pytest.approx(alone[100] / 3**0.5, rel=0.2)
    row = only(found.table)
    assert row["Gold labels"] == 100
    assert row["Width, points"] == pytest.approx(100 * alone[100], abs=0.06)
    assert row["Width with its labels and four times as many gold labels, points"] == pytest.approx(
        100 * helped[400], abs=0.06
    )
    both = f"from 100 gold labels, or {row['Width with its labels, points']} with an annotator's labels beside them"
    assert f"is {row['Width, points']} points wide {both}; " in found.said
    assert "at best (flawed in news; means over" in found.said


def test_more_gold_than_there_is_is_drawn_again():
    made = little_gold(known=60)
    found = findings.prevalence(made, k=100).parts["more gold"]
    kinds = found.frame.drop_duplicates("k").set_index("k")["drawn"]
    assert kinds[kinds == "from the gold labels"].index.tolist() == [15, 30, 60]
    assert kinds[kinds == "beyond them"].index.tolist() == [120, 240, 480]
    assert "from 60 gold labels" in found.said
    none = findings.prevalence(little_gold(known=0, tested=False)).parts["more gold"]
    assert none.said == "There are no gold labels to draw from."
    charts.PARTS["prevalence", "more gold"](page.part_of(findings.prevalence(made), "more gold")).to_dict()
    alone = replace(made, annotators=[])
    assert "with an annotator's labels" not in findings.prevalence(alone).parts["more gold"].said


# --- little gold, and none ---------------------------------------------------------------------------------------


def little_gold(known=100, tested=True):
    """Gold labels of the first `known` texts of the pool, and of the test texts or not."""
    gold = np.arange(POOL + TEXTS) % 2
    gold[known:POOL] = -1
    gold[POOL:] = gold[POOL:] if tested else -1
    one = corpus(gold=gold)
    made = results((0.5, 0.6, 0.7, 0.8), 0.7, one=one)
    cells = {
        cell: Students(s.probs, s.targets, one.gold[one.test])
        for cell, s in made.corpora["news"].cells.items()
        if cell.source != GOLD or cell.n <= known
    }
    return replace(
        made, corpora={"news": CorpusResults(one, {"flawed": np.eye(2)[np.arange(POOL + TEXTS) % 2]}, cells)}
    )


def test_the_gold_that_comes_first_is_what_there_is():
    assert corpus(gold=np.where(np.arange(1000) < 300, 1, -1)).n_gold == 300
    assert corpus().n_gold == POOL
    assert corpus().fully_gold


def test_pages_that_need_all_gold_say_so_in_one_sentence():
    made = little_gold()
    for name, function in findings.FINDINGS.items():
        found = function(made)
        assert found.verdicts.empty, name
        assert found.summary == "Left out, because not every text has a gold label: news.", name
        charts.CHARTS[name](found).to_dict()
        assert "Left out" in page.verdict_html(found)
    start = findings.overview(made)
    assert start.summary.startswith("The claims take a gold label for every text, which not all have of news.")
    assert "nothing to compare" in start.parts["paper"].said
    charts.CHARTS["overview"](start).to_dict()
    assert findings.telling(made).summary.endswith("Left out, because not every text has a gold label: news.")


def test_little_gold_still_tells_accuracy_worth_and_shares():
    made = little_gold(known=200)
    row = only(findings.decision(made, k=150).table)
    assert np.isnan(row["Expected loss, with the remedy if any, points"])
    assert row["Worth, with the remedy if any, gold labels"] == "> 200"
    assert row["Advice"] == "train, at a loss"
    assert (row["Gold labels"], row["Right on them, %"]) == (150, 100)
    shares = findings.prevalence(made, k=150)
    assert set(shares.table["Answer"]) == {"no bias shown"}
    assert shares.table["All gold labels, %"].isna().all()
    assert "For want of as many gold labels, the loss is not known of news." in findings.decision(made).summary


def test_labels_without_probabilities_are_not_called_certain():
    """Ones and noughts are how they are stored, and no sign of how sure the annotator was."""
    gold = np.arange(POOL + TEXTS) % 2
    said = np.eye(2)[np.where(np.arange(POOL + TEXTS) % 5 == 0, 1 - gold, gold)]
    hard = results((0.5, 0.6, 0.7, 0.8), 0.7, said=said)
    soft = results((0.5, 0.6, 0.7, 0.8), 0.7, said=0.8 * said + 0.1)
    for made, names in ((hard, ["flawed"]), (soft, [])):
        assert made.hard == names
        signs = findings.unaided(made)
        row = only(signs.table)
        assert np.isnan(row["Certainty"]) == (made is hard)
        assert ("Labels without probabilities" in signs.summary) == (made is hard)
        charts.CHARTS["unaided"](signs).to_dict()
        texts = findings.telling(made).table
        assert texts["With probability, %"].isna().all() == (made is hard)
    found = findings.degradation(hard).parts["inheritance by group"]
    assert found.table["Texts"].tolist() == ["gold is no", "gold is yes"]
    assert "do not say how sure they are: flawed" in found.said


def test_without_any_gold_what_cannot_be_known_is_said():
    made = little_gold(known=0, tested=False)
    assert findings.decision(made).summary == "Without gold labels to test on nothing can be decided: news."
    without = "Without gold labels in the training pool no share can be estimated: news."
    assert findings.prevalence(made).summary == without
    for name in ("decision", "prevalence"):
        charts.CHARTS[name](getattr(findings, name)(made)).to_dict()
    tested = findings.prevalence(little_gold(known=0))  # all of the gold is for testing, as a user may well say
    assert tested.summary == without
    found = findings.unaided(made)
    assert only(found.table)["Answer"] == "no warning"
    assert "What no sign can tell is how often the labels are right" in found.summary
    assert found.frame["accuracy"].isna().all()
    charts.CHARTS["unaided"](found).to_dict()


# --- remedies ------------------------------------------------------------------------------------------------------


def remedied(*, hard=False, **accuracies):
    """Students of 800 labels, .7 right of flawed and .9 of gold, and of corrections of these labels."""
    said = np.eye(2)[np.arange(POOL + TEXTS) % 2]
    made = results((0.5, 0.6, 0.7, 0.9), 0.7, half=0.6, said=said if hard else 0.8 * said + 0.1)
    correction = studies.Correction(size=800, methods=list(accuracies), gold=200)
    filtering = studies.Filtering(size=800, fractions=[0.5])
    made = replace(made, study=made.study.model_copy(update={"correction": correction, "filtering": filtering}))
    for method, accuracy in accuracies.items():
        made.corpora["news"].cells[made.study.corrected(method, "flawed")] = students(*[accuracy] * 3)
    return made


def test_remedies_stand_in_the_order_of_what_they_gain():
    found = findings.remedies(remedied(prior_corrected=0.75, calibrated=0.85))
    table = found.table.set_index("Remedy")
    assert table.index.tolist() == [
        "matrix scaling (200 gold)",
        "prior correction",
        "vote of 3 students",
        "mean of 3 students",
        "lowest entropy, 50 %",
        "200 gold alone",
    ]
    assert table["Median gain, points"].tolist() == [15, 5, 0, 0, -10, -10]
    assert table["Median of the gap closed, %"].tolist() == [75, 25, 0, 0, -50, -50]
    assert table["Gold labels"].tolist() == [200, 0, 0, 0, 0, 200]
    assert table["Trainings"].tolist() == [1, 1, 3, 3, 1, 1]
    # No call is made for gold alone; the other remedies need those that the labels took.
    assert table["LLM calls a label, median"].tolist() == [1, 1, 1, 1, 1, 0]
    assert found.verdicts["verdict"].value_counts().to_dict() == {"gain": 2, "loss": 2, "no gain shown": 2}
    runs = found.verdicts.set_index("variant")["n_runs"]
    assert (runs["vote of 3 students"], runs["prior correction"]) == (3, 6)
    assert "Of those without gold, prior correction gains most in the median: +5.0 points" in found.summary
    assert "Of those that spend gold, matrix scaling (200 gold) gains most" in found.summary
    assert found.summary.endswith("Clearly better nowhere: 4 of 6 remedies.")
    assert found.frame["remedy"].tolist() == table.index.tolist()
    assert only(found.parts["cells"].table.query("Remedy == 'prior correction'"))["95 % interval"].startswith("+")
    charts.CHARTS["remedies"](found).to_dict()


def test_labels_alone_have_no_probabilities_to_correct():
    for hard in (False, True):
        found = {*findings.remedies(remedied(soft=0.8, smoothed=0.8, hard=hard)).frame["remedy"]}
        assert "label smoothing" in found
        assert ("soft labels" in found, "lowest entropy, 50 %" in found) == (not hard, not hard)


def test_labels_of_all_annotators_are_judged_beside_the_strongest_alone():
    made = remedied(smoothed=0.7)
    one, names = made.corpora["news"], ["flawed", "worse"]
    said = np.where(np.arange(POOL + TEXTS)[:, None] % 3 == 0, 0.5, one.annotator_probs["flawed"])
    one.annotator_probs["worse"] = said
    one.cells[Cell(LabelSource("annotator", ("worse",)), 800)] = students(0.5, 0.5, 0.5)
    joined = LabelSource("vote", tuple(names))
    one.cells[Cell(joined, 800)] = students(0.65, 0.65, 0.65)
    changes = {
        "annotators": names,
        "ensembling": studies.Ensembling(size=800, juries=["annotators"]),
        "filtering": None,
    }
    made = replace(made, study=made.study.model_copy(update=changes), annotators=names)
    row = only(findings.remedies(made).parts["cells"].table.query("Remedy == 'vote of annotators'"))
    assert (row["Annotator"], row["Gain, points"], row["LLM calls"]) == ("flawed", -5, 1600)


def test_a_study_that_tries_nothing_is_told_what_to_ask_for():
    made = results((0.5, 0.6, 0.7, 0.8), 0.7)
    made = replace(made, study=made.study.model_copy(update={"seeds": 2}))
    assert "give it `filtering`, `ensembling` or `correction`" in findings.remedies(made).summary
    with pytest.raises(UserError, match="fraction = 2, but filters keep a share between 0 and 1"):
        findings.remedies(made, fraction=2)


@pytest.mark.parametrize(("k", "remedy"), [(200, "matrix scaling, 200 gold labels"), (199, "prior correction")])
def test_what_spends_more_gold_than_can_be_made_is_no_remedy(k, remedy):
    found = findings.decision(remedied(prior_corrected=0.8, calibrated=0.85), k=k)
    assert only(found.table)["Remedy"] == remedy


# --- without gold ------------------------------------------------------------------------------------------------


def test_signs_by_hand():
    """Students of three seeds: one dissents on a fifth of the texts. D_o = 2/15 as in test_findings, on 200 texts."""
    made = results((0.5, 0.6, 0.7, 0.8), 0.7, said=np.tile([0.9, 0.1], (POOL + TEXTS, 1)))
    one = made.corpora["news"]
    pred = np.stack([np.arange(TEXTS) % 2] * 3)
    pred[2, :40] = 1 - pred[2, :40]
    cell = one.cells[Cell(FLAWED, 800)]
    one.cells[Cell(FLAWED, 800)] = Students(np.eye(2)[pred], cell.targets, cell.gold)
    row = only(findings.unaided(made).table)
    assert row["Agreement of its students, alpha"] == pytest.approx(1 - (2 / 15) / (300 / 599), abs=0.005)
    assert np.isnan(row["Agreement with the other annotators, alpha"])  # there is no other
    assert row["Certainty"] == pytest.approx(0.53, abs=0.005)
    assert row["Accuracy on its texts by gold, %"] == 50
    assert only(findings.unaided(made, threshold=0.8).table)["Answer"] == "warning"


def test_an_annotator_that_labels_few_texts_is_warned_about():
    """Its students and those of another agree, and nothing else is wrong."""
    said = np.eye(2)[np.arange(POOL + TEXTS) % 2]
    said[::2][50:] = np.nan
    said[1::2][50:] = np.nan
    row = only(findings.unaided(results((0.5, 0.6, 0.7, 0.8), 0.7, said=said)).table)
    assert (row["Answer"], row["Texts without a label, %"]) == ("warning", 90.0)
    assert row["Accuracy on its texts by gold, %"] == 100


@pytest.mark.parametrize(("labels", "answer"), [([[0.9, 0.1]], "warning"), ([[0.9, 0.1], [0.1, 0.9]], "cannot tell")])
def test_without_anybody_to_agree_with_only_a_single_class_is_a_warning(labels, answer):
    """Students of one class have no alpha, and there is no other annotator."""
    said = np.resize(labels, (POOL + TEXTS, 2))
    made = results((0.5, 0.6, 0.7, 0.8), 0.7, said=said)
    one = made.corpora["news"]
    cell = one.cells[Cell(FLAWED, 800)]
    one.cells[Cell(FLAWED, 800)] = Students(np.tile([0.9, 0.1], (3, TEXTS, 1)), cell.targets, cell.gold)
    assert only(findings.unaided(made).table)["Answer"] == answer


def test_a_vote_as_a_remedy_allows_for_other_seeds():
    """Three students that are wrong on different fifths: on these, the vote without one of the others is a tie."""
    one = results((0.5, 0.6, 0.7, 0.8), 0.7).corpora["news"]
    wrong = np.arange(TEXTS) // (TEXTS // 5) == np.arange(3)[:, None]
    pred = np.where(wrong, 1 - one.gold, one.gold)
    plain = Students(np.eye(2)[pred], one.cells[Cell(FLAWED, 800)].targets, one.gold)
    remedy = _decision._remedy(plain, [], 800, 3, np.random.default_rng(0))
    assert remedy.name == "vote of 3 of its students"
    assert remedy.correct.shape == wrong.shape
    assert remedy.correct.mean(axis=0) == pytest.approx(np.ones(TEXTS))
    # A tie goes to the first class: where gold is the second, the vote hangs on each of the two that are right.
    tied = one.gold == 1
    for s in range(3):
        assert remedy.correct[s, wrong[s] & tied] == pytest.approx(1 - 2 * 2 / 3)
        assert remedy.correct[s, wrong[(s + 1) % 3] & tied] == pytest.approx(1 + 2 / 3)
    assert (remedy.correct[:, ~wrong.any(axis=0)] == 1).all()
    assert _decision._remedy(plain.first(2), [], 800, 3, np.random.default_rng(0)) is None


def test_whoever_fails_is_not_the_strongest():
    """It failed on all texts but two; the classes of gold are mostly the first."""
    made = results((0.5, 0.6, 0.7, 0.8), 0.7)
    one = made.corpora["news"]
    gold = one.corpus.gold
    fails = np.full((len(gold), 2), np.nan)
    fails[one.corpus.pool[:2]] = np.eye(2)[gold[one.corpus.pool[:2]]]
    poor = np.eye(2)[np.where(np.arange(len(gold)) % 5 < 3, gold, 1 - gold)]
    both = replace(one, annotator_probs={"fails": fails, "poor": poor})
    assert both.strongest(["poor", "fails"]) == "poor"
    with pytest.raises(UserError, match="threshold = "):
        findings.unaided(made, threshold=1.5)


def test_other_tables_of_one_annotator_are_no_other_annotator():
    """Its answers to another wording, and a second opinion on its labels: agreement with them is not with others."""
    made = results((0.5, 0.6, 0.7, 0.8), 0.7)
    tables = made.corpora["news"].annotator_probs
    alone = only(findings.unaided(made).table)["Agreement with the other annotators, alpha"]
    tables |= {"flawed@prompt2": tables["flawed"], "flawed@prompt1-crossfit": 1 - tables["flawed"]}
    assert np.isnan(alone)
    assert np.isnan(only(findings.unaided(made).table)["Agreement with the other annotators, alpha"])
    tables["other"] = tables["flawed"]
    assert only(findings.unaided(made).table)["Agreement with the other annotators, alpha"] == 1


# --- texts -------------------------------------------------------------------------------------------------------


def mistaken(**changes):
    """The annotator errs on the last 100 of 200 test texts; its students on 60 of these, gold students on 20."""
    said = np.eye(2)[np.arange(POOL + TEXTS) % 2]
    said[POOL + 100 :] = said[POOL + 100 :, ::-1] * 0.8 + 0.1
    made = results((0.5, 0.6, 0.7, 0.9), 0.7, said=said)
    return replace(made, study=made.study.model_copy(update=changes))


def test_texts_whose_mistake_is_handed_down_come_first():
    found = findings.telling(mistaken(texts=True), count=2)
    assert only(found.verdicts)["verdict"] == "repeated"
    assert only(found.verdicts)["effect"] == pytest.approx(0.4)  # 60 of 100 against 20
    assert found.table["Text"].tolist() == ["text 940", "text 941"]  # the first on which gold students are right
    assert found.table["Its students that say so, %"].tolist() == [100, 100]
    assert found.table["Gold students that say so, %"].tolist() == [0, 0]
    shares = found.frame.set_index(["students", "repeated"])["share"]
    assert shares["its students", 1.0] == pytest.approx(0.6)
    assert shares["gold students", 1.0] == pytest.approx(0.2)


@pytest.mark.parametrize("texts", [False, [], ["news"], True])
def test_texts_are_shown_only_where_they_may_be(texts, monkeypatch):
    found = findings.telling(mistaken(texts=texts))
    assert found.table.get("Text", pd.Series()).tolist() == (["text 940", "text 941", "text 942"] if texts else [])
    assert ("Texts of news are not shown" in found.summary) != bool(texts)
    monkeypatch.setenv("LABEL_RISK_NO_TEXTS", "1")
    hidden = findings.telling(mistaken(texts=texts))
    assert "Text" not in hidden.table
    for one in (found, hidden):
        assert one.table["Id"].tolist() == ["940", "941", "942"]


def test_corpora_whose_texts_are_not_shown_leave_their_rows_to_the_others():
    made = mistaken(texts=["news"])
    one = made.corpora["news"]
    olds = replace(one, corpus=replace(one.corpus, name="olds"))
    study = made.study.model_copy(update={"corpora": ["news", "olds"]})
    found = findings.telling(replace(made, study=study, corpora={"news": one, "olds": olds}))
    assert set(found.table["Corpus"]) == {"news"}
    assert set(found.frame["corpus"]) == set(found.verdicts["corpus"]) == {"news", "olds"}
    assert (
        "Texts of olds are not shown: the study does not allow it, or the book was built without texts."
        in found.summary
    )


def test_a_study_names_the_corpora_whose_texts_may_be_shown():
    plan = {"name": "made", "corpora": ["movie"], "sizes": [100]}
    assert not studies.Study.model_validate(plan).shows("movie")
    with pytest.raises(ValueError, match="`texts` names the corpora tweets"):
        studies.Study.model_validate(plan | {"texts": ["tweets"]})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 日本語 עברית é 👍\n\tx", "plain, 日本語 עברית é 👍\n\tx"),
        ("\x1b[31mred\x00", "⟨U+001B⟩[31mred⟨U+0000⟩"),
        ("\u202eevil\u2066", "⟨U+202E⟩evil⟨U+2066⟩"),
        ("in\u200bvisible\ufeff\U000e0041", "in⟨U+200B⟩visible⟨U+FEFF⟩⟨U+E0041⟩"),
    ],
)
def test_what_acts_unseen_is_written_out(text, shown):
    assert page.visible(text) == shown


def test_hostile_texts_are_escaped_and_cut():
    evil = "<img src=x onerror=alert(1)>\u202e" + "a" * 1000
    made = mistaken(texts=True)
    one = made.corpora["news"].corpus
    one.rows["text"] = evil
    drawn = page.table_html(findings.telling(made))
    assert "<img" not in drawn
    assert "&lt;img src=x onerror=alert(1)&gt;⟨U+202E⟩aaa" in drawn
    assert "a" * 401 not in drawn


def test_hostile_names_are_escaped():
    evil = "<script>alert(1)</script>"
    made = results((0.5, 0.6, 0.7, 0.8), 0.7, half=0.79, one=corpus(labels=("no", evil)))
    for found in (findings.decision(made), findings.prevalence(made), findings.unaided(made)):
        shown = page.table_html(found) + page.verdict_html(found)
        shown += page.to_html(charts.CHARTS[found.name](found), data=found.frame, name=found.name)
        assert evil not in shown
        assert "<script>alert" not in shown
