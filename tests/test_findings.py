"""Findings on runs whose answers are known, made by hand: no training."""

import re
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from helpers import annotating, charts, findings, places, prompts, studies
from helpers.corpora import Corpus
from helpers.errors import UserError
from helpers.findings import _encoders, _instability, _juries
from helpers.findings._controls import _dearer
from helpers.findings._flips import quarters
from helpers.findings._plateau import _flattening
from helpers.findings._toy_world import toy_world
from helpers.findings._votes import vote, votes_by_seed
from helpers.findings.finding import VERDICT_COLUMNS, Tally, bounds, signed, summarise
from helpers.findings.results import GOLD, CorpusResults, Results, Students
from helpers.labels import LabelSource, Targets
from helpers.ledger import Ledger, Record
from helpers.measures.intervals import Interval
from helpers.measures.stability import krippendorff_alpha, label_entropy
from helpers.studies import Cell

TEXTS = 100  # in the test split
POOL = 400
SIZES = [100, 200, 400]
FLAWED = LabelSource("annotator", ("flawed",))
NOTHING = Interval(np.nan)
EFFECTS = {"a": -0.5, "b": 0.1, "c": 0.3}


def corpus(name="news", *, labels=("no", "yes"), votes=None):
    """100 test texts, half of each class in turn, after a pool of 400."""
    count = POOL + TEXTS
    rows = pd.DataFrame({"id": [str(i) for i in range(count)], "text": [f"text {i}" for i in range(count)]})
    rows["gold"] = np.arange(count) % 2
    rows["rank"] = np.where(np.arange(count) < POOL, np.arange(count), -1)
    return Corpus(name, labels, rows, votes)


def right_on(*shares):
    """Predictions of one seed for each share: right on the first of the test texts, wrong on the others."""
    gold = np.arange(TEXTS) % 2
    return np.stack([np.where(np.arange(TEXTS) < round(share * TEXTS), gold, 1 - gold) for share in shares])


def students(pred, targets=None, sure=0.9):
    """Students of two classes that are `sure` of what they predict."""
    pred = np.asarray(pred)
    probs = np.where(np.arange(2) == pred[..., None], sure, 1 - sure)
    targets = Targets(np.arange(POOL), np.eye(2)[np.arange(POOL) % 2]) if targets is None else targets
    return Students(probs, targets, np.arange(TEXTS) % 2)


def study(**changes):
    plan = {"name": "made", "corpora": ["news"], "annotators": ["flawed"], "sizes": SIZES, "seeds": 3}
    return studies.Study.model_validate(plan | changes)


def results(cells, *, one=None, said=None, **changes):
    """Results of one corpus and the annotator `flawed`, who is 90 % sure of gold unless `said` gives probabilities."""
    one = corpus() if one is None else one
    plan = study(corpora=[one.name], **changes)
    said = 0.1 + 0.8 * np.eye(2)[one.gold] if said is None else said
    return Results(plan, {one.name: CorpusResults(one, {"flawed": said}, by_cell(cells))}, plan.annotator_names, {})


def by_cell(cells):
    """Cells whose keys may leave out that the subset is the nested one."""
    return {Cell(*key): cell for key, cell in cells.items()}


def at_all_sizes(gold, flawed):
    """Cells of gold and of the annotator: accuracies by size, the same for three seeds."""
    cells = {}
    for n, a, b in zip(SIZES, gold, flawed, strict=True):
        cells[GOLD, n], cells[FLAWED, n] = students(right_on(a, a, a)), students(right_on(b, b, b))
    return cells


def only(frame):
    assert len(frame) == 1
    return frame.iloc[0]


def test_students_of_fewer_labels_than_gold_students_are_named():
    cells = at_all_sizes((0.9,) * 3, (0.7,) * 3)
    cells[FLAWED, 400] = students(right_on(*[0.7] * 3), Targets(np.arange(250), np.eye(2)[np.arange(250) % 2]))
    said = findings.degradation(results(cells)).summary
    assert "its students have fewer than the gold students" in said
    assert "may be due to that: flawed of news 250 of 400." in said


def test_students_that_are_worse_than_the_most_frequent_class_are_named():
    """Half of the test texts are of either class."""
    said = findings.degradation(results(at_all_sizes((0.9,) * 3, (0.4,) * 3))).summary
    assert "In 1 of 1 cell an annotator's students are right less often than who always gives" in said
    assert "test texts: flawed of news." in said
    assert "who always gives" not in findings.degradation(results(at_all_sizes((0.9,) * 3, (0.6,) * 3))).summary


def test_texts_of_one_source_that_are_alike_are_said_to_be():
    """The students err on the last half of the test texts, which are of one source in tens."""
    one = corpus()
    tens = replace(one, sources=np.arange(len(one.rows)) // 10)
    said = findings.degradation(results(at_all_sizes((1.0,) * 3, (0.5,) * 3), one=tens)).summary
    assert re.search(r"the variance of the loss over test texts is (1\d\.\d\d) to \1 times as large", said)
    assert "source" not in findings.degradation(results(at_all_sizes((1.0,) * 3, (0.5,) * 3))).summary


def test_of_folds_each_is_a_training():
    tally = Tally("degradation", SimpleNamespace(corpora={"news": SimpleNamespace(folds=5)}))
    tally.judge("news", "flawed", Interval(0.1, 0.05, 0.15), 6)
    assert tally.verdicts[0]["n_runs"] == 30


# --- the rules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.2, "reproduced"),
        (-0.2, -0.01, "reversed"),
        (-0.1, 0.1, "not shown"),
        (0.0, 0.2, "not shown"),
        (-0.2, 0.0, "not shown"),
        (np.nan, np.nan, "not shown"),
    ],
)
def test_a_direction_is_shown_where_the_interval_excludes_zero(low, high, verdict):
    assert findings.claims()["degradation"].verdict(Interval((low + high) / 2, low, high)) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.09, 0.09, "reproduced"),
        (0.02, 0.05, "reproduced"),  # it excludes zero, and does not matter
        (0.11, 0.3, "reversed"),
        (-0.3, -0.11, "reversed"),
        (0.05, 0.3, "not shown"),
        (-0.3, 0.3, "not shown"),
        (-0.1, 0.1, "not shown"),
        (np.nan, np.nan, "not shown"),
    ],
)
def test_equivalence_is_shown_where_the_interval_lies_within_the_margin(low, high, verdict):
    claim = findings.claims()["propagation"]
    assert claim.margin == 0.1
    assert claim.verdict(Interval((low + high) / 2, low, high)) == verdict


def test_every_claim_has_a_function_and_its_parameters():
    assert list(findings.FINDINGS) == list(findings.claims())
    for name, function in findings.FINDINGS.items():
        assert function.__name__ == name
        assert set(findings.claims()[name].parameters) <= set(function.__kwdefaults__)
        for parameter, value in findings.claims()[name].parameters.items():
            assert function.__kwdefaults__[parameter] == value


@pytest.mark.parametrize(
    ("effect", "shown"),
    [
        (0.123, "+12.3 points"),
        (-0.0456, "−4.6 points"),
        (0.0001, "0.0 points"),
        (-1e-9, "0.0 points"),
        (np.nan, "undefined"),
    ],
)
def test_effects_are_shown_in_the_readers_units(effect, shown):
    assert findings.claims()["degradation"].shown(effect) == shown


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (-0.029, -0.0003, "−2.9 to −0.03"),
        (0.00004, 0.1, "+0.004 to +10.0"),
        (-0.01, 0.0, "−1.0 to 0.0"),
        (-0.01, 1e-9, "−1.0 to 0.0"),
        (np.nan, np.nan, "none"),
    ],
)
def test_a_bound_that_only_rounds_to_zero_shows_its_side(low, high, shown):
    interval = Interval(0.0, low, high)
    assert bounds(findings.claims()["degradation"], interval) == shown
    assert signed(interval) == shown.replace("none", "")


def test_the_median_size_of_an_equivalence_lets_no_signs_cancel():
    rows = [("propagation", "news", name, "", effect, 0, 0, "reversed", 2) for name, effect in EFFECTS.items()]
    said = summarise(findings.claims()["propagation"], pd.DataFrame(rows, columns=VERDICT_COLUMNS))
    assert said.endswith(
        "The median size of the effect is 0.30 of the divergence; it is smallest with +0.10 (news, b), largest with "
        "−0.50 (news, a)."
    )


# --- degradation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "flawed", "verdict"), [(0.9, 0.6, "reproduced"), (0.6, 0.9, "reversed"), (0.8, 0.8, "not shown")]
)
def test_degradation_is_the_gap_in_accuracy(gold, flawed, verdict):
    found = findings.degradation(results(at_all_sizes((0.5, 0.5, gold), (0.5, 0.5, flawed))))
    row = only(found.verdicts)
    assert list(found.verdicts) == VERDICT_COLUMNS
    assert row["effect"] == pytest.approx(gold - flawed)
    assert row["low"] <= row["effect"] <= row["high"]
    assert (row["verdict"], row["n_runs"]) == (verdict, 6)
    assert only(found.table)["Gap, points"] == pytest.approx(100 * (gold - flawed))


def test_inherited_mistakes_are_counted_beside_the_gold_students():
    """The annotator errs on texts 50..99; its students on 60..99, the gold students on 90..99."""
    one = corpus()
    said = np.eye(2)[one.gold]
    said[one.test[50:]] = said[one.test[50:], ::-1]
    found = findings.degradation(results(at_all_sizes((0.9,) * 3, (0.6,) * 3), one=one, said=said))
    assert only(found.table)["Annotator itself, accuracy %"] == 50
    row = only(found.parts["inheritance"].table)
    assert row["Its mistakes"] == 50
    assert row["Repeated by its student, %"] == 80
    assert row["Made by the gold student, %"] == 20
    # Both err on the second half of the texts, whatever the class: the student on 40 % of each.
    assert row["To be expected by class, %"] == 40
    assert row["Beyond that, points"] == 40
    assert "in 1 of 1 cell, less often in 0" in found.parts["inheritance"].said
    assert only(found.variants)[["variant", "effect", "verdict"]].tolist() == ["inherited mistakes", 0.6, "reproduced"]
    groups = found.parts["inheritance by group"].table
    assert groups["Texts"].tolist() == ["gold is no", "gold is yes"]
    assert groups["Its mistakes"].tolist() == [25, 25]


def test_few_mistakes_are_no_evidence_of_inheritance():
    """One, repeated by every seed and by no gold student, would have an interval without width."""
    one = corpus()
    said = np.eye(2)[one.gold]
    said[one.test[95:]] = said[one.test[95:], ::-1]
    found = findings.degradation(results(at_all_sizes((1.0,) * 3, (0.9,) * 3), one=one, said=said))
    assert only(found.variants)[["effect", "verdict"]].tolist() == [1.0, "not shown"]
    assert only(found.parts["inheritance"].table)["Its mistakes"] == 5
    assert "in 0 of 1 cell, less often in 0, and in 1 that is not clear" in found.parts["inheritance"].said


def test_quarters_do_not_depend_on_the_order_of_the_classes():
    votes = np.array([[1, 3, 6], [6, 3, 1], [3, 6, 1], [6, 1, 3]] * 5) / 10
    entropy = label_entropy(np.concatenate([votes, np.eye(3)[[0, 1, 2] * 6], np.full((8, 3), 1 / 3)]))
    assert len(set(quarters(entropy)[:20])) == 1


def test_inheritance_is_looked_at_by_how_sure_the_annotator_was():
    """It errs on the texts 50..99, and is surer of the last 25; its students err on 75..99, the gold students never."""
    one = corpus()
    said = np.eye(2)[one.gold] * 0.9 + 0.05
    said[one.test[50:]] = said[one.test[50:], ::-1]
    sure, unsure = one.test[75:], one.test[50:75]
    said[sure] = np.where(said[sure] > 0.5, 0.99, 0.01)
    said[unsure] = np.where(said[unsure] > 0.5, 0.6, 0.4)
    found = findings.degradation(results(at_all_sizes((1.0,) * 3, (0.75,) * 3), one=one, said=said))
    groups = found.parts["inheritance by group"].table.set_index("Texts")["Difference, points"]
    assert groups["surest quarter"] == 100
    assert groups["least sure quarter"] == 0
    assert "than where it is least sure in 1 of 1 cell" in found.parts["inheritance by group"].said
    with_fewer = findings.degradation(results(at_all_sizes((1.0,) * 3, (1.0,) * 3), one=one, said=said))
    assert "more often than a gold student makes it in 0 of 1 cell, less" in with_fewer.parts["inheritance"].said


def test_the_gap_is_taken_apart_by_class():
    """Half of the texts are of each class; the annotator's students find none of the second, and all of the first."""
    cells = at_all_sizes((0.9,) * 3, (0.7,) * 3)
    never = students(np.zeros((3, TEXTS), int))
    cells[FLAWED, 400] = never
    part = findings.degradation(results(cells)).parts["by class"]
    table = part.table.set_index("Gold class")
    gold = cells[GOLD, 400]
    found = {k: gold.correct[:, gold.gold == k].mean() for k in (0, 1)}
    assert table.loc["yes", "Part of the gap, points"] == pytest.approx(50 * found[1], abs=0.05)
    assert table.loc["no", "Part of the gap, points"] == pytest.approx(50 * (found[0] - 1), abs=0.05)
    assert table.loc["yes", "Its student finds, %"] == 0
    assert table["Of all texts, %"].tolist() == [50, 50]
    assert "still clear in 0 of 1 cell." in part.said
    ((_, sentence),) = part.listed
    assert sentence.startswith("yes for 1 of 1 annotator, with 4")
    # In each class a fifth is lost: without one of them the gap is as clear in the other.
    evenly = at_all_sizes((0.9,) * 3, (0.7,) * 3)
    both = findings.degradation(results(evenly)).parts["by class"]
    assert both.table["Part of the gap, points"].sum() == pytest.approx(20, abs=0.11)
    assert "still clear in 1 of 1 cell." in both.said


def test_classes_that_an_annotator_hardly_gives_are_named():
    one = corpus()
    said = np.tile([0.9, 0.1], (len(one.rows), 1))
    found = findings.degradation(results(at_all_sizes((0.9,) * 3, (0.7,) * 3), one=one, said=said))
    assert found.summary.endswith(
        "Students are clearly more accurate than their annotator in 1 of 1 cell and clearly less in 0. The class yes "
        "gets fewer than 1 % of the labels in 1 of 1 cell; there, students find 70.0 % of it in the median."
    )
    said[one.test[:2]] = [0.1, 0.9]
    assert "The class yes" not in findings.degradation(results(at_all_sizes((0.9,) * 3, (0.7,) * 3), said=said)).summary


def test_an_annotator_is_judged_on_the_texts_that_it_labelled():
    """It is right wherever it says something, and so no student is more accurate than it; silence is no mistake."""
    one = corpus()
    said = np.eye(2)[one.gold]
    said[one.test[20:]] = np.nan
    found = findings.degradation(results(at_all_sizes((0.9,) * 3, (0.6,) * 3), one=one, said=said))
    assert only(found.table)["Annotator itself, accuracy %"] == 100
    assert "it has no label for: flawed of news 80.0 %." in found.summary
    assert "clearly more accurate than their annotator in 0 of 1 cell" in found.summary
    own = found.frame[(found.frame["who"] == "annotator") & (found.frame["measure"] == "accuracy")]
    assert only(own)["value"] == 1
    assert found.parts["inheritance"].table.empty
    assert found.parts["inheritance"].said.startswith("There is no mistake")


def test_scores_of_every_seed_are_in_the_frame():
    cells = at_all_sizes((0.9,) * 3, (0.6,) * 3)
    cells[FLAWED, 400] = students(right_on(0.5, 0.6, 0.7))
    frame = findings.degradation(results(cells)).frame
    theirs = frame[(frame["labels"] == "flawed") & (frame["who"] == "student")]
    assert theirs.loc[theirs["measure"] == "accuracy", "value"].tolist() == pytest.approx([0.5, 0.6, 0.7])
    # Texts 0..49 are right: half of each class.
    recall = theirs[(theirs["measure"] == "recall of yes") & (theirs["seed"] == 0)]
    assert only(recall)["value"] == pytest.approx(0.5)


# --- instability -----------------------------------------------------------------------------------------------


def test_instability_is_lost_alpha():
    """One seed of three dissents on 20 texts, balanced: D_o = 2/15, D_e = 150/299."""
    cells = at_all_sizes((0.9,) * 3, (0.9,) * 3)
    pred = np.stack([np.arange(TEXTS) % 2] * 3)
    pred[2, :20] = 1 - pred[2, :20]
    cells[FLAWED, 400] = students(pred)
    found = findings.instability(results(cells))
    row = only(found.verdicts)
    assert row["effect"] == pytest.approx((2 / 15) / (150 / 299))
    assert row["n_runs"] == 6
    table = only(found.table)
    assert table["Unchanged (PUC), its students, %"] == 80
    assert table["Two seeds disagree, its students, %"] == pytest.approx(13.3)
    assert table["Accuracy, sd of its students, points"] == pytest.approx(np.std([100, 100, 80], ddof=1), abs=0.01)
    assert set(found.frame["n"]) == set(SIZES)


def test_ten_seeds_give_a_ratio_of_variances_and_its_interval():
    rng = np.random.default_rng(5)
    cells = at_all_sizes((0.9,) * 3, (0.9,) * 3)
    cells[GOLD, 400] = students(right_on(*(0.8 + 0.01 * rng.integers(-2, 3, 10))))
    cells[FLAWED, 400] = students(right_on(*(0.7 + 0.01 * rng.integers(-12, 13, 12))))
    found = findings.instability(results(cells, stability={"seeds": 10}))
    row = only(found.table)
    assert row["Seeds"] == only(found.verdicts)["n_runs"] / 2 == 10
    sd = [row[f"Accuracy, sd of {whose} students, points"] for whose in ("gold", "its")]
    assert row["Ratio of variances, of its students to gold's"] == pytest.approx((sd[1] / sd[0]) ** 2, rel=0.02)
    low, _, high = row["95 % interval of the ratio"].split()
    assert 1 < float(low) < row["Ratio of variances, of its students to gold's"] < float(high)
    assert found.summary.endswith(
        "larger than the gold students' in 1 of 1 cell where the ratio has an interval, and clearly smaller in 0."
    )
    three = findings.instability(results(at_all_sizes((0.9,) * 3, (0.9,) * 3)))
    assert only(three.table)["95 % interval of the ratio"] == "none"
    assert three.summary.endswith("Compared are 3 seeds: too few for an interval of the ratio of variances.")


def test_every_measure_of_stability_has_an_interval_from_four_seeds_on():
    cells = at_all_sizes((0.9,) * 3, (0.6,) * 3)
    cells[GOLD, 400] = students(right_on(0.90, 0.91, 0.92, 0.90, 0.93))
    cells[FLAWED, 400] = students(right_on(0.6, 0.7, 0.65, 0.62, 0.66))
    found = findings.instability(results(cells, stability={"seeds": 5}))
    levels = found.parts["levels"].table.set_index("Labels of")
    assert levels.index.tolist() == ["gold", "flawed"]
    intervals = [column for column in levels if column.startswith("95 %")]
    assert len(intervals) == 5
    for column in intervals:
        low, _, high = levels.loc["flawed", column].split()
        value = column.removeprefix("95 % interval: ")
        (value,) = (name for name in levels if name.startswith(value))
        assert float(low) <= levels.loc["flawed", value] <= float(high)
    ratio = only(found.table)["95 % interval of that ratio"].split()
    assert 0 < float(ratio[0]) < only(found.table)["Ratio of variances of macro-F1"] < float(ratio[2])
    three = findings.instability(results(at_all_sizes((0.9,) * 3, (0.9,) * 3))).parts["levels"].table
    assert set(three["95 % interval: Accuracy, sd"]) == {"none"}


@pytest.mark.parametrize(
    ("seeds", "ratios", "said"),
    [
        ([3, 3], [NOTHING] * 2, "Compared are 3 seeds: too few for an interval of the ratio of variances."),
        (
            [10],
            [NOTHING],
            "Compared are 10 seeds: no ratio of variances has an interval, for one of the two is zero, "
            "or both are of the same scores.",
        ),
        ([3, 10], [NOTHING, Interval(1, 0.5, 2)], "Compared are 3 to 10 seeds: the variance of accuracy is clearly"),
        (
            [10] * 3,
            [Interval(1, -0.5, 2), Interval(-1, -2, -0.5), NOTHING],
            "in 0 of 2 cells where the ratio has an interval",
        ),
    ],
)
def test_what_is_said_of_variances(seeds, ratios, said):
    assert said in _instability._variances(seeds, ratios)


def test_other_measures_are_judged_beside_alpha():
    """Its students nearly always give one class: they disagree less often than gold's, and not less than by chance."""
    cells = at_all_sizes((0.9,) * 3, (0.9,) * 3)
    right = np.arange(TEXTS) % 2
    restless = np.stack([right] * 3)
    for seed in range(3):
        restless[seed, 10 * seed : 10 * seed + 10] ^= 1
    cells[GOLD, 400] = students(restless)
    idle = np.ones((3, TEXTS), int)
    for seed in range(3):
        idle[seed, 5 * seed : 5 * seed + 5] = 0
    cells[FLAWED, 400] = students(idle)
    found = findings.instability(results(cells))
    assert only(found.verdicts)["verdict"] == "reproduced"
    others = found.variants.set_index("variant")
    assert others.index.tolist() == ["unchanged predictions", "disagreement of two seeds"]
    assert others["effect"].tolist() == pytest.approx([0.70 - 0.85, 0.10 - 0.20])
    assert (others["low"] <= others["effect"]).all()
    assert (others["effect"] <= others["high"]).all()
    assert set(others["verdict"]) == {"reversed"}
    assert "by the share of unchanged predictions (PUC) the claim is reversed in the one cell; by the" in found.summary
    assert "One of them or both reverse what alpha reproduces in 1 of 1 cell." in found.summary


def test_a_study_of_one_seed_that_controls_take_further_has_stability():
    cells = at_all_sizes((0.9,) * 3, (0.6,) * 3) | control_cells("shuffled", (0.5, 0.6, 0.7))
    found = findings.instability(results(cells, seeds=1, controls=ONCE | {"seeds": 3}))
    assert only(found.verdicts)["n_runs"] == 6
    assert findings.instability(results(cells, seeds=1)).verdicts.empty


def test_controls_of_one_seed_a_draw_have_no_stability():
    cells = at_all_sizes((0.9,) * 3, (0.6,) * 3) | control_cells("shuffled", (0.5, 0.6, 0.7), count=1)
    found = findings.instability(results(cells, controls=ONCE))
    assert found.table["Errors"].tolist() == ["its own"]


def test_texts_without_votes_have_no_entropy(recwarn):
    votes = np.tile([5, 4], (POOL + TEXTS, 1))
    votes[::3] = 0
    votes[1::3] = [9, 0]
    found = findings.instability(results(at_all_sizes((0.9,) * 3, (0.9,) * 3), one=corpus(votes=votes)))
    assert "people" in set(found.parts["flips"].table["Entropy of"])
    assert not [str(warning.message) for warning in recwarn]


def test_flips_are_counted_by_entropy_of_people_and_of_the_annotator():
    """People split, and the annotator is unsure, on the last half of the test texts; seeds disagree there."""
    rows = np.arange(POOL + TEXTS)
    unsure = rows >= POOL + 50
    one = corpus(votes=np.where(unsure[:, None], [5, 4], [9, 0]))
    said = np.where(unsure[:, None], [0.6, 0.4], [0.9, 0.1])
    cells = at_all_sizes((0.9,) * 3, (0.9,) * 3)
    pred = np.stack([np.arange(TEXTS) % 2] * 6)
    pred[::2, 50:] ^= 1
    pred[:, 50:] = np.random.default_rng(0).permuted(pred[:, 50:], axis=0)
    cells[FLAWED, 400] = students(pred)
    part = findings.instability(results(cells, one=one, said=said)).parts["flips"]
    theirs = part.table[part.table["Labels of"] == "flawed"]
    assert theirs["Entropy of"].tolist() == ["people", "flawed"]
    # Of fifteen pairs of seeds nine disagree on each of these texts. Equal entropies share a quarter.
    assert theirs["Two seeds disagree, highest, %"].tolist() == pytest.approx([60, 60])
    assert theirs["Two seeds disagree, second, %"].tolist() == [0, 0]
    assert theirs["Highest minus lowest, points"].tolist() == pytest.approx([60, 60])
    assert theirs["Two seeds disagree, lowest quarter, %"].isna().all()
    assert "entropy of people's votes is highest, flips are clearly more frequent than where it is lowest" in part.said
    assert part.said.count("in 1 of 2 rows, and clearly less frequent in 0.") == 1
    # An annotator that is as sure of every text, and no votes: nothing to order the texts by.
    assert "cannot be said" in findings.instability(results(cells)).parts["flips"].said


def test_subsets_drawn_anew_stand_beside_the_seeds():
    cells = at_all_sizes((0.9,) * 3, (0.6,) * 3)
    for k, share in enumerate((0.5, 0.6, 0.7), 1):
        cells[GOLD, 100, k], cells[FLAWED, 100, k] = students(right_on(share)), students(right_on(0.6))
    part = findings.instability(results(cells, stability={"draws": 3})).parts["subsets"]
    gold, flawed = part.table.to_dict("records")
    assert (gold["Subsets"], gold["Seeds"], gold["Labels"]) == (3, 3, 100)
    assert gold["Accuracy, sd over subsets, points"] == 10
    assert gold["Accuracy, sd for fresh texts, points"] == pytest.approx(10 / np.sqrt(1 - 100 / POOL), abs=0.01)
    assert gold["Two subsets disagree, %"] == pytest.approx(13.3)
    assert flawed["Two subsets disagree, %"] == 0
    assert gold["Subsets minus seeds, points"] == pytest.approx(13.3)
    more = "Another training subset changes more predictions than another seed in 1 of 2 rows"
    assert part.said.startswith(f"{more}: clearly more in 0, and clearly fewer in 0, by the interval. The claim over 3")
    noisy = dict(cells)
    for k in range(1, 6):  # each is wrong on a fifth of the texts, at random
        wrong = np.random.default_rng(k).random(TEXTS) < 0.2
        noisy[GOLD, 100, k] = students((np.arange(TEXTS) % 2 ^ wrong)[None])
    five = findings.instability(results(noisy, stability={"draws": 5})).parts["subsets"]
    assert five.said.startswith(f"{more}: clearly more in 1, and clearly fewer in 0, by the interval.")
    del cells[GOLD, 100, 3], cells[FLAWED, 100, 3]
    two = findings.instability(results(cells, stability={"draws": 2})).parts["subsets"]
    assert two.table["95 % interval of the difference"].tolist() == ["none", "none"]
    judged = "Two subsets give no interval, so the claim is not judged over them."
    assert two.said == f"{more}, by the point estimates. {judged}"
    quiet = findings.instability(results(at_all_sizes((0.9,) * 3, (0.6,) * 3))).parts["subsets"]
    assert quiet.table.empty
    assert "draws no training subset anew, and it takes two: give it a part `stability`" in quiet.said
    # One seed: subsets differ, and there is nothing to set beside them.
    single = {key: students(right_on(0.9)) if key[1] == 100 and len(key) == 2 else cell for key, cell in cells.items()}
    alone = findings.instability(results(single, seeds=1, stability={"draws": 2})).parts["subsets"]
    assert alone.said.startswith("There is one seed, so subsets cannot be set beside seeds.")
    assert alone.table["Two subsets disagree, %"].notna().all()
    assert alone.table["Two seeds disagree, %"].isna().all()


@pytest.mark.parametrize(
    ("restless", "effect", "verdict"), [("flawed", 1, "reproduced"), ("gold", -1, "reversed"), ("both", 0, "not shown")]
)
def test_the_claim_is_tested_over_training_subsets(restless, effect, verdict):
    """Each of five subsets turns another eighth of the predictions: two of them disagree on a quarter of the texts."""
    cells = at_all_sizes((0.9,) * 3, (0.6,) * 3)
    sources = {"gold": GOLD, "flawed": FLAWED}
    for k in range(5):
        turned = np.arange(TEXTS) // 2 % 8 == k
        for name, source in sources.items():
            flips = turned if restless in (name, "both") else np.zeros(TEXTS, bool)
            cells[source, 100, k + 1] = students((np.arange(TEXTS) % 2 ^ flips)[None])
    found = findings.instability(results(cells, stability={"draws": 5}))
    turned = np.stack([np.arange(TEXTS) // 2 % 8 == k for k in range(5)])
    pairs = [(turned[a] ^ turned[b]).mean() for a, b in combinations(range(5), 2)]
    alpha = krippendorff_alpha(np.arange(TEXTS) % 2 ^ turned, n_classes=2)
    variants = found.variants.set_index("variant")
    over, disagree = variants.loc["over training subsets"], variants.loc["disagreement of two training subsets"]
    assert over["effect"] == pytest.approx(effect * (1 - alpha))
    assert disagree["effect"] == pytest.approx(effect * np.mean(pairs))
    assert (over["verdict"], over["n_runs"], disagree["verdict"]) == (verdict, 10, verdict)
    assert over["low"] <= over["effect"] <= over["high"]
    gold, flawed = found.parts["subsets"].table.to_dict("records")
    assert flawed["Verdict over subsets"] == verdict
    assert flawed["Lost alpha over subsets"] == pytest.approx(over["effect"], abs=0.0005)
    assert flawed["Two subsets disagree, minus gold's, points"] == pytest.approx(100 * disagree["effect"], abs=0.05)
    assert flawed["Alpha over subsets"] == pytest.approx(1 if restless == "gold" else alpha, abs=0.0005)
    assert pd.isna(gold["Lost alpha over subsets"])
    assert found.parts["subsets"].said.endswith(
        "The claim over 5 training subsets of 100 labels each, paired by subset, in the place of seeds: "
        f"{verdict} in the one cell; by the disagreement of two subsets, {verdict} in the one cell."
    )
    listed = dict(findings.overview(results(cells, stability={"draws": 5})).listed)["Instability"]
    assert f"; over training subsets: {verdict} in the one cell" in listed


def test_filters_whose_students_are_of_another_number_type_are_named():
    cells = filtered_cells()
    typed = {key: replace(cell, types=("bfloat16",) * cell.seeds) for key, cell in cells.items()}
    assert "number types" not in findings.filtering(results(typed, **FILTERING)).summary
    mixed = {
        key: replace(cell, types=("float32",) * cell.seeds) if key[0].method == "entropy" else cell
        for key, cell in typed.items()
    }
    said = findings.filtering(results(mixed, **FILTERING)).summary
    assert "are of two number types, most often those of lowest entropy (100.0 %)" in said


def test_number_types_are_compared_by_pairs_and_by_accuracy():
    cells = at_all_sizes((0.9,) * 3, (0.6,) * 3)
    cells[GOLD, 400] = replace(students(right_on(0.9, 0.8, 0.6)), types=("bfloat16", "bfloat16", "float32"))
    cells[FLAWED, 400] = replace(students(right_on(0.6, 0.6, 0.6)), types=("float32",) * 3)
    part = findings.instability(results(cells)).parts["types"]
    (gold,) = part.table.to_dict("records")
    assert gold["Two of one type disagree, %"] == 10
    assert gold["Two of different types disagree, %"] == 25
    assert (gold["Students in bfloat16"], gold["Students in float32"]) == (2, 1)
    assert (gold["Accuracy in bfloat16, %"], gold["Accuracy in float32, %"]) == (85, 60)
    assert part.said == (
        "Two students of different number types disagree more often than two of one type in 1 of 1 row, by "
        "+15.0 points in the mean of all. Accuracy in float32 minus that in bfloat16 is −25.0 points in the mean, "
        "from −25.0 to −25.0. Of the pairs of one seed that pages compare at these sizes, 66.7 % are mixed."
    )
    # Of one student a type there is no pair of one type, and where types are not known there is nothing at all.
    for types in (("bfloat16", "float32"), ()):
        cells[GOLD, 400] = replace(students(right_on(0.9, 0.8)), types=types)
        assert findings.instability(results(cells)).parts["types"].table.empty


@pytest.mark.parametrize("restless", ["gold", "flawed"])
def test_instability_goes_both_ways(restless):
    rng = np.random.default_rng(1)
    cells = at_all_sizes((0.9,) * 3, (0.9,) * 3)
    noise = rng.permuted(np.stack([np.arange(TEXTS) < 30] * 5), axis=1)
    steady = np.stack([np.arange(TEXTS) % 2] * 5)
    for key in [GOLD, FLAWED]:
        moved = (key == GOLD) == (restless == "gold")
        cells[key, 400] = students(np.where(noise & moved, 1 - steady, steady))
        for n in SIZES[:2]:
            cells[key, n] = students(steady)
    row = only(findings.instability(results(cells, seeds=5)).verdicts)
    assert row["verdict"] == ("reversed" if restless == "gold" else "reproduced")


def test_collapsed_students_have_no_alpha_and_nothing_is_shown():
    """All students give one class for every text: agreement by chance is total, alpha is 0/0."""
    cells = at_all_sizes((0.9,) * 3, (0.9,) * 3)
    cells[FLAWED, 400] = students(np.zeros((3, TEXTS), int))
    found = findings.instability(results(cells))
    row = only(found.verdicts)
    assert np.isnan(row["effect"])
    assert row["verdict"] == "not shown"
    assert "The effect could not be computed." in found.summary


# --- plateau ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "flawed", "effect", "verdict"),
    [
        ((0.5, 0.6, 0.7), (0.5, 0.5, 0.5), 0.1, "reproduced"),
        ((0.5, 0.5, 0.5), (0.5, 0.6, 0.7), -0.1, "reversed"),
        ((0.5, 0.6, 0.7), (0.4, 0.5, 0.6), 0.0, "not shown"),
    ],
)
def test_plateau_is_the_difference_in_gain_per_doubling(gold, flawed, effect, verdict):
    row = only(findings.plateau(results(at_all_sizes(gold, flawed))).verdicts)
    assert row["effect"] == pytest.approx(effect)
    assert (row["verdict"], row["n_runs"]) == (verdict, 18)


def test_only_the_last_three_sizes_count_for_the_plateau():
    cells = at_all_sizes((0.5, 0.6, 0.7), (0.5, 0.5, 0.5))
    for source in (GOLD, FLAWED):
        cells[source, 50] = students(right_on(0.2, 0.2, 0.2))
    row = only(findings.plateau(results(cells, sizes=[50, *SIZES])).verdicts)
    assert row["effect"] == pytest.approx(0.1)


@pytest.mark.parametrize(("end", "worth"), [(0.6, "200"), (0.45, "< 100"), (0.8, "> 400"), (0.5, "100")])
def test_labels_are_priced_in_gold_with_bounds_where_that_is_all_one_knows(end, worth):
    table = only(findings.plateau(results(at_all_sizes((0.5, 0.6, 0.7), (0.4, 0.4, end)))).table)
    assert (table["Number of its labels"], table["Worth, gold labels"]) == (400, worth)
    assert table["Its students end at, %"] == "not identified: fewer than 5 sizes"


def test_curves_flatten_where_a_doubling_gains_less_than_the_threshold():
    made = results(at_all_sizes((0.5, 0.6, 0.7), (0.5, 0.8, 0.8)))
    found = findings.plateau(made)
    row = only(found.table)
    assert row["Gold curve first pauses at, labels"] == "not by 200"
    assert row["Its curve first pauses at, labels"] == "200 (200 to 200)"
    part = found.parts["gains"]
    assert part.listed == (("news", "flawed at 200 (200 to 200); not by 200 for gold."),)
    assert "gains less than 1 point of accuracy" in part.said
    assert part.table["Gain per doubling, points"].tolist() == [10, 10, 30, 0]
    assert part.table["From, labels"].tolist() == [100, 200] * 2
    steep = findings.plateau(made, threshold=0.2)
    assert only(steep.table)["Gold curve first pauses at, labels"] == "by 100"
    assert "less than 20 points of accuracy" in steep.parts["gains"].said


@pytest.mark.parametrize(
    ("onsets", "said"),
    [
        (
            {"gold": "not identified (250 to 500)", "a": "not identified (250 to > 500)"},
            "not identified, for any of the",
        ),
        (
            {"gold": "not by 500", "a": "250 (250 to 250)", "b": "not by 500"},
            "a at 250 (250 to 250); not by 500 for gold, b.",
        ),
        ({"gold": "by 250", "a": "by 250", "b": "not by 500"}, "by 250 for gold, a; not by 500 for b."),
        ({"gold": "not identified: one seed"}, "not identified: one seed for gold."),
    ],
)
def test_curves_that_flatten_nowhere_known_are_named_together(onsets, said):
    assert _flattening(onsets).startswith(said)


def test_an_onset_that_may_be_anywhere_is_not_identified():
    """Half of the draws lose a text or two on either step."""
    cells = at_all_sizes((0.5, 0.6, 0.7), (0.5, 0.51, 0.52))
    said = only(findings.plateau(results(cells), threshold=0.01).table)["Its curve first pauses at, labels"]
    assert said.startswith("not identified (100 to ")


def test_the_page_on_the_plateau_shows_random_errors_where_there_are_some():
    cells = at_all_sizes((0.5, 0.6, 0.7), (0.5, 0.6, 0.6))
    without = findings.plateau(results(cells)).parts["random errors"]
    assert "trains nothing on random errors" in without.said
    assert without.frame.empty
    made = results(cells | control_cells("shuffled", (0.5, 0.55, 0.65)), controls=ONCE)
    part = findings.plateau(made).parts["random errors"]
    assert part.listed == findings.controls(made).parts["by corpus"].listed
    assert set(part.frame["errors"]) == {"none (gold)", "its own", "shuffled within class"}


def test_what_the_data_tell_of_the_curves_is_counted():
    steep = results(at_all_sizes((0.3, 0.6, 0.9), (0.5, 0.6, 0.6)))
    said = findings.plateau(steep).summary
    assert "The data tell the level at which a curve ends for 0 of 2 curves; where it first pauses for 1 of 2 " in said
    assert "worth in gold, with both ends of the interval, for 1 of 1 curve." in said
    assert said.endswith("Curves are of the seeds that every size has: 3.")


def test_sizes_may_differ_by_corpus():
    cells = at_all_sizes((0.5, 0.6, 0.7), (0.5, 0.5, 0.5))
    both = results(cells)
    small = CorpusResults(corpus("small"), both.corpora["news"].annotator_probs, both.corpora["news"].cells)
    plan = study(corpora=["news", "small"], sizes={"news": SIZES, "small": [100, 200]})
    made = Results(plan, {"news": both.corpora["news"], "small": small}, both.annotators, {})
    found = findings.plateau(made)
    assert found.verdicts["n_runs"].tolist() == [18, 12]
    assert found.table["Number of its labels"].tolist() == [400, 200]
    assert findings.degradation(made).verdicts["effect"].tolist() == pytest.approx([0.2, 0.1])


# --- filtering -------------------------------------------------------------------------------------------------

FILTERING = {"filtering": {"size": 400, "fractions": [0.25, 0.5]}}


def filtered_cells(*, gold=0.9, everything=0.5, half=0.7, quarter=0.6, random=0.4):
    """Labels: all 400 are half right; of the kept 200, four fifths are right and three quarters are class 0."""
    rows = np.arange(POOL)
    truth = rows % 2
    said = np.where(rows < 200, truth, 1 - truth)
    kept = np.concatenate([np.flatnonzero(truth == 0)[:150], np.flatnonzero(truth == 1)[:50]])
    label = truth[kept].copy()
    label[:20] = 1 - label[:20]
    label[150:170] = 1 - label[150:170]  # as many the other way: the shares of the classes stay
    cells = at_all_sizes((gold,) * 3, (random, random, everything))
    cells[FLAWED, 400] = students(right_on(*[everything] * 3), Targets(rows, np.eye(2)[said]))
    for share, accuracy in [(0.5, half), (0.25, quarter)]:
        source = LabelSource("entropy", ("flawed",), share)
        cells[source, 400] = students(right_on(*[accuracy] * 3), Targets(kept, np.eye(2)[label]))
    return cells


@pytest.mark.parametrize(("half", "verdict"), [(0.7, "reproduced"), (0.3, "reversed"), (0.5, "not shown")])
def test_filtering_is_judged_against_all_labels(half, verdict):
    found = findings.filtering(results(filtered_cells(half=half), **FILTERING))
    row = only(found.verdicts)
    assert row["effect"] == pytest.approx(half - 0.5)
    assert (row["verdict"], row["n_runs"]) == (verdict, 6)


def test_the_fraction_chooses_the_verdict_and_the_table_has_all():
    found = findings.filtering(results(filtered_cells(), **FILTERING), fraction=0.25)
    assert only(found.verdicts)["effect"] == pytest.approx(0.1)
    assert found.table["Kept, %"].tolist() == [25, 50]
    assert "the kept share 25 %; all labels are 400" in found.summary


def test_filters_without_the_lowest_entropy_say_that_the_claim_is_about_it():
    cells = at_all_sizes((0.9,) * 3, (0.5,) * 3)
    cells |= {(LabelSource("margin", ("flawed",), 0.5), 400): cells[FLAWED, 200]}
    found = findings.filtering(results(cells, filtering={"size": 400, "fractions": [0.5], "methods": ["margin"]}))
    assert found.verdicts.empty
    assert found.summary == "The claim is about the labels of lowest entropy: add `entropy` to `filtering.methods`."


def test_all_points_of_the_filters_are_of_the_same_seeds():
    """Further seeds, which other pages look at, would move the curve of all labels and not that of the kept."""
    cells = filtered_cells()
    more = right_on(0.5, 0.5, 0.5, 0.9, 0.9)
    cells[FLAWED, 400] = students(more, cells[FLAWED, 400].targets)
    cells[FLAWED, 200] = students(right_on(0.4, 0.4, 0.4, 0.9, 0.9))
    found = findings.filtering(results(cells, **FILTERING))
    frame = found.frame.set_index(["choice", "kept"])["accuracy"]
    assert frame["lowest entropy", 1.0] == frame["random", 1.0] == pytest.approx(0.5)
    assert frame["random", 0.5] == pytest.approx(0.4)
    assert found.table.set_index("Kept, %").loc[50, "Minus a random subset of that size, points"] == pytest.approx(30)


def test_labels_without_probabilities_have_no_entropy_to_be_judged_by():
    found = findings.filtering(results(filtered_cells(), said=np.eye(2)[corpus().gold], **FILTERING))
    assert found.verdicts.empty
    assert found.table.empty
    assert "Labels without probabilities have no entropy to filter by: flawed." in found.summary
    for part in ("", "choices"):
        charts.show(found, part)
        charts.table(found, part)


def test_a_share_that_the_study_does_not_keep_has_no_verdict():
    found = findings.filtering(results(filtered_cells(), **FILTERING), fraction=0.3)
    assert "keeps the shares 0.25, 0.5, and the verdict is about 0.3: add it to `fractions`" in found.summary
    assert found.verdicts.empty


def test_what_the_filter_keeps_is_described():
    row = findings.filtering(results(filtered_cells(), **FILTERING)).table.iloc[1]
    assert row["Minus a random subset of that size, points"] == pytest.approx(30)
    assert row["Kept labels right, %"] == 80
    assert row["All labels right, %"] == 50
    assert row["Class balance moved by, points"] == 25
    assert row["Gap to gold closed, %"] == pytest.approx(50)
    assert row["Classes of all → of the kept, %"] == "no 50 → 75, yes 50 → 25"
    assert row["LLM calls"] == 400


def test_filters_are_set_side_by_side():
    cells = filtered_cells()
    for share, accuracy in [(0.5, 0.9), (0.25, 0.9)]:
        cells[LabelSource("oracle", ("flawed",), share), 400] = students(right_on(*[accuracy] * 3))
    plan = {"filtering": FILTERING["filtering"] | {"methods": ["entropy", "oracle"]}}
    found = findings.filtering(results(cells, **plan))
    part = found.parts["choices"]
    assert part.table["Choice"].tolist() == ["lowest entropy", "oracle"] * 2
    half = part.table[part.table["Kept, %"] == 50].set_index("Choice")
    assert half["Median difference to all labels, points"].tolist() == [20, 40]
    assert half["Median difference to a random choice, points"].tolist() == [30, 50]
    assert half["Better than a random choice in"].tolist() == [1, 1]
    assert half["Median of the gap closed, %"].tolist() == [50, 100]
    assert [name for name, _ in part.listed] == ["lowest entropy", "oracle"]
    said = "clearly better in 1 of 1 cell and clearly worse in 0; the median difference is +30.0 points."
    assert dict(part.listed)["lowest entropy"] == said
    assert "than all in 1 of 1 cell, and in 0 of these the student is clearly worse all the same." in part.said
    random = part.frame[(part.frame["beside"] == "a random choice") & (part.frame["kept"] == 0.5)].set_index("choice")
    assert random["difference"].tolist() == pytest.approx([0.3, 0.5])
    assert part.frame["kept"].iloc[0] == 0.5  # the chart begins with the share that the verdicts are about
    assert findings.filtering(results(cells, **plan), fraction=0.25).parts["choices"].frame["kept"].iloc[0] == 0.25
    assert (random["low"] <= random["difference"]).all()
    assert (random["difference"] <= random["high"]).all()
    for share in (0.5, 0.25):
        cells[LabelSource("class_entropy", ("flawed",), share), 400] = students(right_on(*[0.85] * 3))
    plan = {"filtering": FILTERING["filtering"] | {"methods": ["entropy", "class_entropy"]}}
    within = dict(findings.filtering(results(cells, **plan)).parts["choices"].listed)
    assert within["class entropy"].endswith(
        ". Compared with lowest entropy over all classes, it is clearly better in 1 and clearly worse in 0."
    )
    assert "over all classes" not in within["lowest entropy"]
    worse = findings.filtering(results(filtered_cells(half=0.1), **FILTERING)).parts["choices"]
    assert "in 0 of 1 cell and clearly worse in 1; the median difference is −30.0 points" in worse.listed[0][1]
    assert "and in 1 of these the student is clearly worse all the same; there the balance" in worse.said


def test_the_classifier_that_judges_labels_is_judged_as_well():
    """It knows half of the pool, and is right on three quarters of that; the annotator on all."""
    one = corpus()
    source = LabelSource("confident", ("flawed", "flawed@prompt1-crossfit"), 0.5)
    cells = filtered_cells() | {(source, 400): students(right_on(*[0.6] * 3))}
    plan = {"filtering": FILTERING["filtering"] | {"fractions": [0.5], "methods": ["entropy", "confident"]}}
    made = results(cells, one=one, **plan)
    second = np.eye(2)[np.where(np.arange(POOL + TEXTS) % 8 < 2, 1 - one.gold, one.gold)]
    second[200:] = np.nan
    tables = made.corpora["news"].annotator_probs | {source.annotators[1]: second}
    made = replace(made, corpora={"news": replace(made.corpora["news"], annotator_probs=tables)})
    found = findings.filtering(made)
    right = found.table.set_index("Choice")["Judging classifier right, %"]
    assert right["confident learning"] == 75
    assert np.isnan(right["lowest entropy"])
    listed = dict(found.parts["choices"].listed)
    assert listed["confident learning"].endswith(
        " In the median, its classifier's own labels are right on 75.0 % of the texts, and the annotator's on 100.0 %; "
        "the classifier is right more often in 0 of 1 cell."
    )
    assert "classifier" not in listed["lowest entropy"]
    assert "Judging classifier right, %" not in findings.filtering(results(filtered_cells(), **FILTERING)).table


def test_recovery_is_blank_where_the_gap_is_not_clear():
    found = findings.filtering(results(filtered_cells(gold=0.5), **FILTERING))
    assert found.table["Gap to gold closed, %"].isna().all()
    assert (found.table["95 % interval of that"] == "").all()


# --- ensembling ------------------------------------------------------------------------------------------------


def test_a_vote_of_students_that_err_in_different_places_is_right():
    """Each of three seeds errs on another tenth of the texts; the vote never does."""
    pred = np.stack([np.arange(TEXTS) % 2] * 3)
    for seed in range(3):
        pred[seed, 10 * seed : 10 * seed + 10] ^= 1
    cells = at_all_sizes((1.0,) * 3, (0.5,) * 3)
    cells[FLAWED, 400] = students(pred)
    found = findings.ensembling(results(cells))
    row = only(found.verdicts)
    assert row["effect"] == pytest.approx(0.1)
    assert (row["verdict"], row["n_runs"]) == ("reproduced", 3)
    table = only(found.table)
    assert table["Vote of students, %"] == 100
    assert table["Gap to gold closed, %"] == pytest.approx(100)
    assert (table["LLM calls"], table["Trainings"]) == (400, 3)
    # All gold students are right already, and a vote adds nothing to that.
    assert table["Gap to gold closed, gold voting too, %"] == pytest.approx(100)
    assert "Gold students gain at least as much from such a vote as the annotator's in 0 of 1 cell;" in found.summary


def outvoted(*shares, width=10):
    """Three students that are right as `right_on` has them, but for `width` of these texts that each misses alone."""
    pred = right_on(*shares)
    for seed in range(3):
        pred[seed, width * seed : width * (seed + 1)] ^= 1
    return students(pred)


@pytest.mark.parametrize(
    ("width", "left", "said"),
    [
        # One gold student: 80 %, and of the annotator's 60 %. Voting, gold is right on 90 %, and the annotator's on 65,
        # 70 or 75 %: 25, 20 or 15 points are left of a gap of 20.
        (5, -25, "in 1 of 1 cell; by the interval, the annotator's gain clearly more in 0 and clearly less in 1."),
        (10, 0, "in 1 of 1 cell; by the interval, the annotator's gain clearly more in 0 and clearly less in 0."),
        (15, 25, "in 0 of 1 cell; by the interval, the annotator's gain clearly more in 1 and clearly less in 0."),
    ],
)
def test_a_vote_closes_what_is_left_when_gold_votes_as_well(width, left, said):
    cells = at_all_sizes((0.8,) * 3, (0.6,) * 3)
    cells[GOLD, 400] = outvoted(*[0.9] * 3)
    cells[FLAWED, 400] = outvoted(*[0.6 + width / 100] * 3, width=width)
    found = findings.ensembling(results(cells))
    row = only(found.table)
    assert (row["One gold student, %"], row["One student, %"]) == (80, 60)
    assert row["Gap to gold closed, %"] == pytest.approx(100 * width / 20)
    assert row["Gap to gold closed, gold voting too, %"] == pytest.approx(left)
    ends = [float(end.replace("−", "-")) for end in row["95 % interval, gold voting too"].split(" to ")]
    assert ends[0] <= left <= ends[1]
    assert found.summary.endswith(f"Gold students gain at least as much from such a vote as the annotator's {said}")
    table = findings.overview(results(cells)).parts["paper"].table.set_index("Labels")["news"]
    assert table["ensembling, a vote of students"] == f"{100 * width / 20} (1 of 1)"
    assert table["ensembling, a vote of students, gold voting too"].replace("−", "-") == f"{left:.1f} (1 of 1)"


def test_without_a_clear_gap_gold_votes_in_vain():
    cells = at_all_sizes((0.8,) * 3, (0.8,) * 3)
    cells[GOLD, 400] = outvoted(*[0.9] * 3)
    row = only(findings.ensembling(results(cells)).table)
    assert np.isnan(row["Gap to gold closed, gold voting too, %"])
    assert row["95 % interval, gold voting too"] == ""


def test_a_vote_of_students_that_err_in_the_same_place_gains_nothing():
    row = only(findings.ensembling(results(at_all_sizes((0.9,) * 3, (0.5,) * 3))).verdicts)
    assert (row["effect"], row["low"], row["high"], row["verdict"]) == (0, 0, 0, "not shown")


def test_a_vote_of_most_who_err_is_worse_than_one():
    """Each of sixty texts has one student that is right, and two that are not."""
    pred = np.stack([np.arange(TEXTS) % 2] * 3)
    for seed in range(3):
        pred[seed, :60] ^= np.arange(60) % 3 != seed
    cells = at_all_sizes((0.9,) * 3, (0.5,) * 3)
    cells[FLAWED, 400] = students(pred)
    row = only(findings.ensembling(results(cells)).verdicts)
    assert row["effect"] == pytest.approx(0.4 - 0.6)
    assert row["verdict"] == "reversed"


def test_a_vote_that_helps_these_seeds_alone_is_not_shown():
    """One of five students fails on two in five texts, and all that a vote does is to outvote that one."""
    pred = np.stack([np.arange(TEXTS) % 2] * 5)
    pred[0, :40] ^= 1
    cells = at_all_sizes((0.9,) * 3, (0.5,) * 3)
    cells[FLAWED, 400], cells[GOLD, 400] = students(pred), students(right_on(*[0.9] * 5))
    row = only(findings.ensembling(results(cells)).verdicts)
    assert row["effect"] == pytest.approx(0.08)
    assert (row["verdict"], row["n_runs"]) == ("not shown", 5)


@pytest.mark.parametrize(("seeds", "voters"), [(5, 3), (4, 2), (10, 3), (5, 4)])
def test_votes_of_some_of_the_students_are_a_mean_over_all_sets_of_them(seeds, voters):
    draw = np.random.default_rng(seeds)
    made = Students(draw.dirichlet(np.ones(3), (seeds, 30)), None, draw.integers(0, 3, 30))

    def right(among):
        sets = list(combinations(among, voters))
        return np.mean([vote(made.probs[list(chosen)]) == made.gold for chosen in sets], axis=0)

    rows = votes_by_seed(made, voters)
    np.testing.assert_allclose(rows.mean(axis=0), right(range(seeds)), atol=1e-12)
    for s in range(seeds):
        others = [other for other in range(seeds) if other != s]
        np.testing.assert_allclose(rows[others].mean(axis=0), right(others), atol=1e-12)


def test_of_many_sets_of_voters_some_are_drawn():
    draw = np.random.default_rng(1)
    made = Students(draw.dirichlet(np.ones(2), (20, 40)), None, draw.integers(0, 2, 40))
    rows = votes_by_seed(made, 7)
    assert np.array_equal(rows, votes_by_seed(made, 7))
    every = np.mean([vote(made.probs[draw.permutation(20)[:7]]) == made.gold for _ in range(20_000)])
    assert rows.mean() == pytest.approx(every, abs=0.01)


def test_ties_of_a_vote_go_to_the_higher_mean_probability():
    probs = np.array([[[0.5, 0.3, 0.2]], [[0.1, 0.6, 0.3]], [[0.1, 0.4, 0.5]]])
    assert vote(probs).tolist() == [1]
    # Two sure voters cannot be outdone by one that is surer.
    assert vote(np.array([[[0.51, 0.49]], [[0.51, 0.49]], [[0.0, 1.0]]])).tolist() == [0]


def test_the_vote_of_annotators_is_a_row_of_its_own_with_its_budget():
    one = corpus()
    names = ("flawed", "other")
    cells = at_all_sizes((0.9,) * 3, (0.5,) * 3)
    cells |= {(LabelSource("annotator", ("other",)), n): cells[FLAWED, n] for n in SIZES}
    cells[LabelSource("vote", names), 400] = students(right_on(0.8, 0.8, 0.8))
    plan = study(annotators=list(names), ensembling={"size": 400})
    said = np.eye(2)[one.gold]
    found = findings.ensembling(
        Results(plan, {"news": CorpusResults(one, dict.fromkeys(names, said), by_cell(cells))}, list(names), {})
    )
    assert len(found.verdicts) == 2
    last = found.table.iloc[-1]
    assert last["Annotator"] == "vote of all 2"
    assert last["One student, %"] == 80
    assert (last["LLM calls"], last["Trainings"]) == (800, 3)
    # At another size than the votes of students there is no gold to set them beside.
    cells[LabelSource("vote", names), 300] = cells.pop((LabelSource("vote", names), 400))
    plan = study(annotators=list(names), ensembling={"size": 300})
    found = findings.ensembling(
        Results(plan, {"news": CorpusResults(one, dict.fromkeys(names, said), by_cell(cells))}, list(names), {})
    )
    assert found.table["Annotator"].tolist() == list(names)
    assert only(found.parts["labels together"].table)["Labels"] == "vote of all 2"


def jury(flawed, other, *, joined=0.8, sizes=SIZES, said=None, **changes):
    """Two annotators whose students have these accuracies, and students of their vote at 200 labels."""
    one, names = corpus(), ("flawed", "other")
    cells = {(GOLD, n): students(right_on(0.9, 0.9, 0.9)) for n in SIZES}
    for name, shares in zip(names, (flawed, other), strict=True):
        source = LabelSource("annotator", (name,))
        cells |= {(source, n): students(right_on(*[share] * 3)) for n, share in zip(SIZES, shares, strict=True)}
    for source in (LabelSource("vote", names), LabelSource("vote", ("other", "other@prompt2"))):
        cells[source, 200] = students(right_on(*[joined] * 3))
    plan = study(annotators=list(names), ensembling={"size": 200}, **changes)
    said = dict.fromkeys(names, np.eye(2)[one.gold]) if said is None else said(one)
    return Results(plan, {"news": CorpusResults(one, said, by_cell(cells))}, list(names), {})


def test_the_strongest_annotator_is_told_by_the_training_pool():
    """Not by its place in the study's list; of equal ones it is the last."""

    def said(one):
        wrong = np.eye(2)[1 - one.gold]
        wrong[one.test] = np.eye(2)[one.gold[one.test]]
        return {"flawed": np.eye(2)[one.gold], "other": wrong}

    (one,) = jury((0.5,) * 3, (0.5, 0.6, 0.85), said=said).corpora.values()
    assert one.strongest(["flawed", "other"]) == one.strongest(["other", "flawed"]) == "flawed"
    assert one.weakest(["flawed", "other"]) == one.weakest(["other", "flawed"]) == "other"
    (one,) = jury((0.5,) * 3, (0.5, 0.6, 0.85)).corpora.values()
    assert one.strongest(["flawed", "other"]) == "other"
    assert one.weakest(["flawed", "other"]) == "flawed"


def test_joined_labels_are_judged_beside_the_strongest_annotator_alone():
    """Beside the other, they would be better by what the strongest put into them."""
    made = jury((0.5,) * 3, (0.5, 0.85, 0.85))

    def variants(found):
        return found.variants[found.variants["variant"] == "vote of annotators"]

    row = only(variants(findings.ensembling(made)))
    assert (row["annotator"], row["n_runs"]) == ("other", 6)
    assert row["effect"] == pytest.approx(0.8 - 0.85)
    interval = only(findings.ensembling(made).parts["labels together"].table)["95 % interval"]
    assert interval == bounds(findings.claims()["ensembling"], Interval(row["effect"], row["low"], row["high"]))
    pd.testing.assert_frame_equal(
        variants(findings.ensembling(made, annotators="other")).reset_index(drop=True),
        variants(findings.ensembling(made)).reset_index(drop=True),
    )
    weaker = findings.ensembling(made, annotators="flawed")
    assert variants(weaker).empty
    assert only(weaker.parts["labels together"].table)["Beside"] == "flawed"
    assert "beside one of the strongest chosen annotator's" in weaker.parts["labels together"].said


def test_joined_labels_are_priced_in_calls():
    found = findings.ensembling(jury((0.5,) * 3, (0.5, 0.6, 0.85))).parts["labels together"]
    row = only(found.table)
    assert row["Labels"] == "vote of all 2"
    assert row["LLM calls"] == 400
    assert row["Beside"] == "other"
    assert row["Minus its student of all texts asked about, points"] == pytest.approx(20)
    # 400 calls buy 400 texts of one annotator, and their student is better.
    assert row["More texts for no more calls"] == row["LLM calls for those"] == 400
    assert row["Minus its student of those, points"] == pytest.approx(-5)
    assert row["Gap to gold closed, %"] == pytest.approx(66.7)
    same_texts, no_more_calls = found.said.removesuffix(".").split("; ")
    assert same_texts.endswith("of labels of the same texts clearly better in 1 of 1 row and clearly worse in 0")
    whole = "of more texts for no more calls (100 % of those of the joined labels)"
    assert no_more_calls == f"{whole} clearly better in 0 of 1 row and clearly worse in 1"
    # The study has no students of 400 texts: those of 300 are what it can compare with, for three calls in four.
    fewer = jury((0.5,) * 3, (0.5, 0.6, 0.85))
    news = fewer.corpora["news"]
    news.cells.update({Cell(key.source, 300): cell for key, cell in news.cells.items() if key.n == 400})
    plan = fewer.study.model_copy(update={"sizes": [100, 200, 300]})
    found = findings.ensembling(replace(fewer, study=plan)).parts["labels together"]
    row = only(found.table)
    assert (row["LLM calls"], row["More texts for no more calls"], row["LLM calls for those"]) == (400, 300, 300)
    assert "of more texts for no more calls (75 % of those of the joined labels) clearly better" in found.said


def test_wordings_of_one_annotator_are_a_jury_too():
    found = findings.ensembling(jury((0.5,) * 3, (0.5, 0.6, 0.7), wordings=["prompt2"]))
    rows = found.parts["labels together"].table.set_index("Labels")
    assert rows.loc["vote of 2 wordings, other", "LLM calls"] == 400
    assert "vote of 2 wordings, flawed" not in rows.index  # it has no students here
    # Sentences keep the two kinds of juries apart.
    annotators, wordings = found.parts["labels together"].said.split(". ")
    assert annotators.startswith("A student of all annotators' labels, beside")
    assert wordings.startswith("A student of all wordings' labels, beside")
    assert only(found.variants[found.variants["variant"] == "vote of 2 wordings"])["verdict"] == "reproduced"


def test_mistakes_that_annotators_share_are_measured():
    def said(one):
        """Both are wrong on the first fifth of the test texts, and one each on another fifth."""
        found = {}
        for name, start in (("flawed", 20), ("other", 40)):
            probs = np.eye(2)[one.gold] * 0.8 + 0.1
            wrong = one.test[[*range(20), *range(start, start + 20)]]
            probs[wrong] = probs[wrong, ::-1]
            found[name] = probs
        return found

    found = findings.ensembling(jury((0.5,) * 3, (0.5, 0.6, 0.7), said=said)).parts["shared mistakes"]
    both, pair = found.table.to_dict("records")
    # Wrong in .4 each and .2 together: (.2 - .16) / .24.
    assert both["Correlation of mistakes"] == pair["Correlation of mistakes"] == 0.17
    assert both["Vote, ties at random, %"] == 60  # ties at random: .4 right, .4 split, .2 wrong
    assert both["Vote, if they erred independently within classes, %"] == 60
    assert both["At least one is right, %"] == 80
    assert both["Worth so many independent voters"] == 1.7
    assert "correlate by 0.17 in the median" in found.said
    alone = findings.ensembling(results(at_all_sizes((0.9,) * 3, (0.5,) * 3)))
    assert alone.parts["shared mistakes"].table.empty
    assert alone.parts["labels together"].said.startswith("Study made joins no labels")


def test_too_many_patterns_of_answers_leave_a_blank(monkeypatch):
    monkeypatch.setattr(_juries, "MOST_PATTERNS", 3)
    found = findings.ensembling(jury((0.5,) * 3, (0.5, 0.6, 0.7))).parts["shared mistakes"]
    assert found.table["Vote, if they erred independently within classes, %"].isna().all()
    assert found.table["Vote, ties at random, %"].iloc[0] == 100
    assert "erred independently" not in found.said


def test_wordings_share_mistakes_on_the_texts_that_all_were_put_to():
    """The first fifth of 100 training texts is wrong in both wordings, and another fifth in each."""

    def said(one):
        found = dict.fromkeys(("flawed", "other"), np.eye(2)[one.gold])
        for name, start in (("other", 20), ("other@prompt2", 40)):
            probs = np.full((len(one.gold), 2), np.nan)
            asked = one.pool[:100]
            probs[asked] = np.eye(2)[one.gold[asked]]
            wrong = asked[[*range(20), *range(start, start + 20)]]
            probs[wrong] = probs[wrong, ::-1]
            found[name] = probs
        return found

    made = jury((0.5,) * 3, (0.5, 0.6, 0.7), said=said, wordings=["prompt2"])
    found = findings.ensembling(made).parts["shared mistakes"]
    row = found.table.set_index("Annotators").loc["2 wordings, other"]
    assert (row["Texts"], row["Correlation of mistakes"], row["At least one is right, %"]) == (100, 0.17, 80)
    assert "2 wordings, flawed" not in found.table["Annotators"].tolist()
    sentence = (
        "The mistakes of one annotator in 2 wordings correlate by 0.17 in the median, so that all of these are worth "
        "1.7 voters with unrelated mistakes."
    )
    assert sentence in found.said
    # An annotator that has nobody beside it still has its wordings.
    alone = findings.ensembling(made, annotators="other").parts["shared mistakes"]
    assert only(alone.table)["Annotators"] == "2 wordings, other"
    assert alone.said == sentence


# --- controls --------------------------------------------------------------------------------------------------


#: As the cells below: all seeds learn one draw of the errors.
ONCE = {"methods": ["shuffled"], "redraw": False}


def control_cells(method, accuracies, count=3):
    source = LabelSource(method, ("flawed",))
    return {(source, n): students(right_on(*[share] * count)) for n, share in zip(SIZES, accuracies, strict=True)}


def controlled(own, random, *, methods=("shuffled",), **changes):
    cells = at_all_sizes((0.9,) * 3, own)
    for method, accuracies in zip(methods, [random, (0.1, 0.1, 0.1)], strict=False):
        cells |= control_cells(method, accuracies)
    return findings.controls(results(cells, controls={"methods": list(methods), "redraw": False}, **changes))


@pytest.mark.parametrize(
    ("own", "random", "verdict", "crossing"),
    [
        ((0.6, 0.6, 0.6), (0.4, 0.6, 0.8), "reproduced", "200 ("),
        ((0.4, 0.4, 0.4), (0.6, 0.7, 0.8), "reproduced", "nowhere: its own cost more from the start"),
        ((0.9, 0.9, 0.9), (0.3, 0.4, 0.5), "reversed", "nowhere: its own cost less throughout"),
        ((0.6, 0.6, 0.6), (0.6, 0.6, 0.6), "not shown", "nowhere"),
        ((0.4, 0.5, 0.9), (0.6, 0.6, 0.6), "reversed", "not identified: they cross the other way"),
        # Clear at one end only, and the model pools it away.
        ((0.59, 0.7, 0.9), (0.6, 0.6, 0.6), "reversed", "not identified: if they cross, the other way"),
    ],
)
def test_controls_ask_whether_the_place_of_the_errors_matters(own, random, verdict, crossing):
    found = controlled(own, random)
    row = only(found.verdicts)
    assert row["effect"] == pytest.approx(random[-1] - own[-1])
    assert (row["verdict"], row["n_runs"], row["variant"]) == (verdict, 6, "")
    assert only(found.variants)["effect"] == pytest.approx(random[0] - own[0])
    assert only(found.table)["The curves cross at, labels"].startswith(crossing)


def test_curves_beside_each_other_are_of_the_same_seeds():
    """The control has two more, on which it is worse: the table pairs seeds, so the picture may not average them."""
    cells = at_all_sizes((0.9,) * 3, (0.6,) * 3)
    cells |= {(LabelSource("shuffled", ("flawed",)), n): students(right_on(0.7, 0.7, 0.7, 0.3, 0.3)) for n in SIZES}
    found = findings.controls(results(cells, controls=ONCE | {"seeds": 5}))
    assert only(found.table)["Its own cost more by, points"] == 10
    at_most = found.frame[found.frame["n"] == 400].set_index("errors")["accuracy"]
    assert at_most["shuffled within class"] - at_most["its own"] == pytest.approx(0.1)


def test_other_random_errors_are_counted_beside_those_of_the_verdict():
    found = controlled((0.6, 0.6, 0.6), (0.4, 0.6, 0.8), methods=("shuffled", "uniform"))
    assert only(found.verdicts)["verdict"] == "reproduced"
    assert found.summary.endswith("Against other random errors the claim is: uniform, reversed in the one cell.")


def test_the_sentence_on_controls_follows_from_the_curves():
    found = controlled((0.6, 0.6, 0.6), (0.4, 0.6, 0.8))
    assert found.summary.endswith(
        "The random errors are shuffled within class, drawn once, so that intervals do not allow for another draw. "
        "At the fewest labels they clearly cost more than the annotator's own in "
        "1 of 1 cell and clearly less in 0; where the curves cross is identified in 1."
    )
    ((name, said),) = found.parts["by corpus"].listed
    assert name == "news"
    assert said.startswith(
        "at 100 labels, random errors clearly cost more with 1 of 1 annotator; at 400 labels, the annotator's own "
        "errors clearly cost more with 1 of 1 annotator. The curves cross at 200 ("
    )
    assert said.endswith(") for flawed.")
    ((_, said),) = controlled((0.9, 0.9, 0.9), (0.3, 0.4, 0.89)).parts["by corpus"].listed
    assert said.endswith("at 400 labels, neither clearly cost more. No crossing of the curves is identified.")
    ((_, said),) = controlled((0.9, 0.9, 0.9), (0.3, 0.4, 0.5)).parts["by corpus"].listed
    assert said.endswith("The curves cross nowhere for flawed.")
    one = controlled((0.9, 0.9, 0.9), (0.3, 0.4, 0.5), sizes=[400])
    ((_, said),) = one.parts["by corpus"].listed
    assert said == "at 400 labels, random errors clearly cost more with 1 of 1 annotator."
    assert one.summary.endswith("drawn once, so that intervals do not allow for another draw.")


def test_every_seed_of_a_control_learns_errors_of_its_own():
    """The students of later draws are of one seed each; the first draw has more, for the page on instability."""
    plan = {"controls": {"methods": ["shuffled"]}}
    cells = at_all_sizes((0.9,) * 3, (0.6,) * 3) | control_cells("shuffled", (0.8, 0.8, 0.8))
    for n in SIZES:
        for draw, right in ((1, 0.7), (2, 0.6)):
            source = LabelSource("shuffled", ("flawed",), draw=draw)
            cells[source, n] = students(right_on(right), Targets(np.arange(10), np.eye(2)[np.arange(10) % 2]))
    found = findings.controls(results(cells, **plan))
    row = only(found.verdicts)
    assert row["effect"] == pytest.approx((0.8 + 0.7 + 0.6) / 3 - 0.6)
    assert (row["verdict"], row["n_runs"]) == ("not shown", 6)
    assert "drawn anew for the student of every seed, so that intervals allow for another draw" in found.summary
    # Of one draw there is one student that learned it, whatever seeds the page on instability has.
    alone = findings.controls(results({cell: c for cell, c in cells.items() if not cell[0].draw}, **plan))
    assert (only(alone.verdicts)["verdict"], only(alone.verdicts)["n_runs"]) == ("not shown", 2)
    # The labels of the later draws are all right.
    wrong = [only(made.table)["Random labels wrong, %"] for made in (alone, found)]
    assert wrong[1] == pytest.approx(wrong[0] / 3, abs=0.1)


def test_with_one_size_both_ends_of_the_curves_are_one_interval():
    row = only(controlled((0.6,) * 3, (0.8,) * 3, sizes=[400]).table)
    assert row["95 % interval"] == row["95 % interval at the fewest"] != "none"


def test_cells_of_mostly_wrong_labels_are_counted_apart():
    made = jury((0.5,) * 3, (0.6,) * 3, controls=ONCE)
    one, rows = made.corpora["news"], np.arange(POOL)
    for name, wrong in (("flawed", 1), ("other", 0)):
        targets = Targets(rows, np.eye(2)[one.corpus.gold[rows] ^ wrong])
        one.cells[Cell(LabelSource("annotator", (name,)), 400)] = students(right_on(0.5, 0.5, 0.5), targets)
        for n in SIZES:
            one.cells[Cell(LabelSource("shuffled", (name,)), n)] = students(right_on(0.2, 0.2, 0.2))
    assert findings.controls(made).summary.endswith(
        "In 1 of 2 cells most labels are wrong, so that random errors may leave nothing to learn; of these the claim "
        "is reversed in the one cell."
    )


@pytest.mark.parametrize(
    ("signs", "said"),
    [
        ((1, 1), "the annotator's own errors clearly cost more with 2 of 2 annotators"),
        ((0, 0, 0), "neither clearly cost more"),
        ((-1, 0, 0), "random errors clearly cost more with 1 of 3 annotators"),
    ],
)
def test_annotators_are_counted_by_whose_errors_cost_more(signs, said):
    assert _dearer([Interval(sign, sign - 0.5, sign + 0.5) for sign in signs]) == said


def test_the_first_control_is_judged_and_the_others_are_variants():
    found = controlled((0.6,) * 3, (0.4, 0.6, 0.8), methods=("shuffled", "uniform"))
    assert only(found.verdicts)["verdict"] == "reproduced"
    assert found.variants["variant"].tolist() == ["shuffled within class, 100 labels", "uniform", "uniform, 100 labels"]
    assert found.table["Random errors"].tolist() == ["shuffled within class", "uniform"]
    assert set(found.frame["errors"]) == {"none (gold)", "its own", "shuffled within class", "uniform"}
    assert only(controlled((0.6,) * 3, (0.4, 0.6, 0.8), methods=("uniform",)).verdicts)["effect"] == pytest.approx(0.2)


def test_controls_may_have_other_numbers_of_seeds_and_one_seed_shows_nothing():
    cells = at_all_sizes((0.9,) * 3, (0.6,) * 3) | control_cells("shuffled", (0.4, 0.6, 0.8), count=2)
    assert only(findings.controls(results(cells, controls=ONCE)).verdicts)["n_runs"] == 4
    cells |= control_cells("shuffled", (0.4, 0.6, 0.8), count=1)
    found = findings.controls(results(cells, controls=ONCE))
    assert only(found.verdicts)["verdict"] == "not shown"
    assert only(found.table)["The curves cross at, labels"] == "not identified: one seed"


# --- propagation -----------------------------------------------------------------------------------------------


def voted(seven, two, **options):
    votes = np.zeros((POOL + TEXTS, 2), int)
    votes[:] = (seven, two)
    return corpus(votes=votes, **options)


@pytest.mark.filterwarnings("error")
def test_one_vote_a_text_has_no_halves_to_compare_with():
    found = propagate((0.6, 0.4), (0.7, 0.3), corpus(votes=np.tile([1, 0], (POOL + TEXTS, 1))))
    assert "one half of the people" not in found.summary
    assert np.isnan(only(found.table)["One half of the people to the other, nats"])


def propagate(said, hat, one=None):
    """Every text the same: 7 votes to 2, smoothed to 3/4 and 1/4."""
    cells = at_all_sizes((0.9,) * 3, (0.5,) * 3)
    probs = np.broadcast_to(np.array(hat, float), (3, TEXTS, 2))
    cells[FLAWED, 400] = Students(probs, cells[FLAWED, 400].targets, cells[FLAWED, 400].gold)
    said = np.tile(np.array(said, float), (POOL + TEXTS, 1))
    return findings.propagation(results(cells, one=voted(7, 2) if one is None else one, said=said))


def test_propagation_by_hand():
    found = propagate([0.5, 0.5], [0.9, 0.1])
    cross = 0.25 * np.log(0.5 / 0.9) - 0.25 * np.log(0.5 / 0.1)
    total = 0.75 * np.log(0.75 / 0.9) + 0.25 * np.log(0.25 / 0.1)
    row = only(found.verdicts)
    assert row["effect"] == pytest.approx(cross / total)
    assert (row["verdict"], row["n_runs"]) == ("reversed", 3)
    table = only(found.table)
    assert table["Approximation, nats"] == pytest.approx(0.75 * np.log(1.5) + 0.25 * np.log(0.5), abs=5e-4)
    assert table["Total, Brier"] == pytest.approx(2 * 0.15**2, abs=5e-4)
    assert table["Student closer to people than its annotator"] == "yes"


def test_the_human_ceiling_is_what_half_of_the_people_are_to_the_others():
    """Halves of seven votes to two differ by chance, and a student that says what all of them say does not."""
    assert "in 1 of 1 cell." in propagate([0.5, 0.5], [0.75, 0.25]).summary
    assert "in 0 of 1 cell." in propagate([0.5, 0.5], [0.01, 0.99]).summary


def test_the_decomposition_is_shown_at_every_size():
    found = propagate([0.5, 0.5], [0.9, 0.1])
    table = found.parts["by size"].table
    assert table["Labels"].tolist() == SIZES
    last = table.iloc[-1]
    assert last["Cross / total"] == only(found.table)["Cross / total"]
    assert last["Approximation, nats"] == table["Approximation, nats"].iloc[0]
    assert "the sum is a good account in 0 of 3 rows, a bad one in " in found.parts["by size"].said


def test_few_votes_add_to_every_divergence():
    found = propagate([0.5, 0.5], [0.3, 0.7]).parts["few votes"]
    assert found.table["Labels"].tolist() == SIZES
    row = found.table.iloc[-1]
    assert row["Votes a text, median"] == 9
    added = row["Few votes add, nats"]
    # By Jensen, the entropy of 2/9 above the mean of those of halves of nine: four or five people.
    assert added == pytest.approx(0.0833, abs=0.015)
    entropy = np.array([7, 2]) @ np.log(np.array([7, 2]) / 9) / 9
    approximation, total = (entropy - np.array([7, 2]) @ np.log(q) / 9 for q in ([0.5, 0.5], [0.3, 0.7]))
    assert row["Approximation, unsmoothed, nats"] == pytest.approx(approximation, abs=1e-3)
    assert row["Approximation, corrected"] == pytest.approx(approximation - added, abs=2e-3)
    assert row["Total, corrected"] == pytest.approx(total - added, abs=2e-3)
    cross = np.array([7 / 9 - 0.5, 2 / 9 - 0.5]) @ np.log(0.5 / np.array([0.3, 0.7]))
    assert row["Cross / total, unsmoothed"] == pytest.approx(cross / total, abs=0.01)
    assert row["Cross / total, corrected"] == pytest.approx(cross / (total - added), rel=0.05)


def test_settings_say_whether_the_answer_depends_on_them():
    found = propagate([0.9, 0.1], [0.9, 0.1]).parts["settings"]
    assert (only(found.table).iloc[2:-1] == 0).all()
    assert "under every setting in 1 of 1 cell, and under none in 0" in found.said
    # People at .75, their label 1 and the student at .9: 2 (.15² - .25² - .1²) of 2 (.15²).
    assert only(found.table)["Brier, labels as given"] == pytest.approx(-0.05 / 0.0225, abs=1e-3)
    assert "by the Brier score, within that in 0 of 1 cell, and negative in 1;" in found.said


def test_settings_are_what_they_are_called():
    """The cross term by its total, of seven votes to two, labels of no opinion and a student that is certain."""

    def share(alpha, floor):
        people, annotator, student = (np.array([p, 1 - p]) for p in ((7 + alpha) / (9 + 2 * alpha), 0.5, 1 - floor))
        cross = (people - annotator) @ np.log(annotator / student)
        return round(cross / (people @ np.log(people / student)), 3)

    row = only(propagate([0.5, 0.5], [1.0, 0.0]).parts["settings"].table).iloc[2:]
    assert row.to_dict() == {
        "0.1 of a vote added": share(0.1, 1e-4),
        "0.5 of a vote added": share(0.5, 1e-4),
        "1 of a vote added": share(1, 1e-4),
        "Floor 0.001": share(0.5, 1e-3),
        "Floor 0.0001": share(0.5, 1e-4),
        "Floor 0.00001": share(0.5, 1e-5),
        "Brier, no floor": -4.0,  # -1/2 of 1/8
        "Brier, labels as given": 0.0,  # the student is as certain of the same class
    }
    assert share(0.5, 1e-4) == -1.323


def test_a_student_that_copies_its_annotator_leaves_no_cross_term():
    found = propagate([0.9, 0.1], [0.9, 0.1])
    assert only(found.verdicts)["effect"] == pytest.approx(0)
    assert only(found.verdicts)["verdict"] == "reproduced"
    terms = found.frame[found.frame["measure"] == "divergence"].set_index("term")["value"]
    assert terms["estimation"] == pytest.approx(0)
    assert terms["approximation"] == pytest.approx(terms["total"])


def test_corpora_without_votes_are_left_out_and_said_so():
    found = propagate([0.9, 0.1], [0.9, 0.1], one=corpus())
    assert found.verdicts.empty
    assert "None of the corpora has votes" in found.summary
    both = results(at_all_sizes((0.9,) * 3, (0.5,) * 3), one=voted(7, 2))
    news = both.corpora["news"]
    silent = CorpusResults(corpus("silent"), news.annotator_probs, news.cells)
    said = findings.propagation(Results(both.study, {**both.corpora, "silent": silent}, both.annotators, {}))
    assert set(said.verdicts["corpus"]) == {"news"}
    assert said.summary.endswith("Left out for want of votes: silent.")


def test_texts_that_the_annotator_failed_on_are_left_out_of_propagation():
    cells = at_all_sizes((0.9,) * 3, (0.5,) * 3)
    one = voted(7, 2)
    said = np.tile([0.9, 0.1], (POOL + TEXTS, 1))
    said[one.test[5:]] = np.nan
    probs = cells[FLAWED, 400].probs.copy()
    probs[:, :5] = [0.9, 0.1]
    cells[FLAWED, 400] = Students(probs, cells[FLAWED, 400].targets, cells[FLAWED, 400].gold)
    assert only(findings.propagation(results(cells, one=one, said=said)).verdicts)["effect"] == pytest.approx(0)


@pytest.mark.parametrize("name", findings.FINDINGS)
def test_without_a_corpus_of_gold_labels_no_finding_says_anything_else(name):
    plan = {"controls": {"methods": ["shuffled", "uniform"]}, "stability": {"draws": 2}} | FILTERING
    made = results(at_all_sizes((0.9,) * 3, (0.6,) * 3), ensembling={"size": 400}, **plan)
    found = findings.FINDINGS[name](replace(made, corpora={}))
    assert (found.summary, found.verdicts.empty, found.table.empty) == ("", True, True)
    assert not [part for part in found.parts.values() if "Study" in part.said]


# --- all together ----------------------------------------------------------------------------------------------


def everything():
    cells = filtered_cells() | control_cells("shuffled", (0.4, 0.5, 0.9))
    plan = FILTERING | {"controls": ONCE}
    return results(cells, one=voted(7, 2), said=np.tile([0.6, 0.4], (POOL + TEXTS, 1)), **plan)


def test_the_overview_has_the_corpora_in_numbers_and_the_settings_of_the_students():
    votes = np.tile([3, 1], (POOL + TEXTS, 1))
    part = findings.overview(results(at_all_sizes((0.9,) * 3, (0.5,) * 3), one=corpus(votes=votes))).parts["materials"]
    row = only(part.table)
    assert row["Classes, % of gold"] == "no 50, yes 50"
    assert (row["Texts"], row["To train on"], row["To test on"]) == (POOL + TEXTS, POOL, TEXTS)
    # Gold is each class in turn, and a quarter of the people say the second.
    assert (row["Votes a text, median"], row["One person gives the gold label, %"]) == (4, 50)
    assert "a learning rate of 0.0001 that rises over the first 10 % of the steps" in part.said
    assert part.said.endswith("So up to 1200 labels training has one length, and gets longer beyond.")


def test_the_overview_says_how_probable_labels_are_among_other_answers():
    made = results(at_all_sizes((0.9,) * 3, (0.5,) * 3))
    assert (
        findings.overview(made).parts["asked"].said == "No table says how probable the labels are among other answers."
    )
    news = made.corpora["news"]
    missing = np.where(np.arange(POOL + TEXTS) % 4, 0.88, 0.3)
    missing[5] = np.nan  # it failed
    part = findings.overview(replace(made, corpora={"news": replace(news, missing={"flawed": missing})})).parts["asked"]
    row = only(part.table)
    assert row["Probability of the labels in the median text, %"] == pytest.approx(12)
    assert row["Texts whose labels have less than half of it, %"] == pytest.approx(75, abs=0.1)
    assert "in the median text of a corpus: flawed 12 %." in part.said
    # 150 steps are 37 passes of 4 over batches of 16, and no whole one of 38.
    student = {"epochs": 4, "min_steps": 150, "batch_size": 16}
    uneven = findings.overview(results(at_all_sizes((0.9,) * 3, (0.5,) * 3), student=student)).parts["materials"]
    assert uneven.said.endswith("So up to 592 labels training has one length, and gets longer beyond.")
    plain = findings.overview(results(at_all_sizes((0.9,) * 3, (0.5,) * 3))).parts["materials"].table
    assert "Votes a text, median" not in plain


def test_the_overview_joins_all_findings():
    found = findings.overview(everything())
    assert found.verdicts["finding"].tolist() == list(findings.claims())
    verdicts = findings.verdicts(everything())
    pd.testing.assert_frame_equal(verdicts[verdicts["variant"] == ""], found.verdicts)
    assert verdicts.loc[verdicts["variant"] != "", "variant"].tolist() == [
        "inherited mistakes",
        "unchanged predictions",
        "disagreement of two seeds",
        "random errors, shuffled within class",
        "entropy, 0.25 kept",
        "mean probability of students",
        "shuffled within class, 100 labels",
    ]
    assert [name for name, _ in found.listed] == [claim.title for claim in findings.claims().values()]
    assert dict(found.listed)["Degradation"] == "reproduced in the one cell."
    row = only(found.table)
    assert row["Degradation"] == "reproduced (+40.0 points)"
    assert row["Filtering"] == "reproduced (+20.0 points)"
    alone = findings.instability(everything()).verdicts
    pd.testing.assert_frame_equal(
        found.verdicts[found.verdicts["finding"] == "instability"].reset_index(drop=True), alone
    )


def test_findings_that_a_study_has_no_runs_for_are_left_out_and_say_why():
    sure = np.eye(2)[corpus().gold]
    found = findings.overview(results(at_all_sizes((0.9,) * 3, (0.5,) * 3), said=sure))
    assert not {"filtering", "propagation"} & set(found.verdicts["finding"])
    hard = "Study made filters nothing: labels without probabilities have no entropy to filter by (flawed)."
    assert dict(found.listed)["Filtering"] == hard
    soft = findings.filtering(results(at_all_sizes((0.9,) * 3, (0.5,) * 3)))
    assert soft.summary == "Study made filters nothing: give it a part `filtering`."
    random = dict(found.listed)["Random errors"]
    assert "Study made trains nothing on random errors: give it a part `controls`" in random
    assert "Filtering" not in found.table


def test_the_papers_figures_stand_beside_ours():
    part = findings.overview(everything()).parts["paper"]
    ours = dict(zip(zip(part.table["Measure"], part.table["Labels"], strict=True), part.table["news"], strict=True))
    assert part.table["The paper"].tolist() == ["96.26", "92.74", "66.05", "84.3", "52.72", *["60 to 75"] * 4]
    assert ours["Accuracy of students, %", "gold"] == "90.0"
    assert ours["Accuracy of students, %", "Qwen2.5-3B-Instruct"] == "50.0 (flawed)"
    assert ours["Krippendorff's alpha, times 100", "gold"] == "100.0"
    # Half of the labels: 70 %, of all 50 %, gold 90 %. All seeds say the same, so their vote changes nothing.
    assert ours["Gap to gold closed, %", "filtering, the 50 % of lowest entropy"] == "50.0 (1 of 1)"
    assert ours["Gap to gold closed, %", "ensembling, a vote of students"] == "0.0 (1 of 1)"
    assert ours["Gap to gold closed, %", "ensembling, a vote of students, gold voting too"] == "0.0 (1 of 1)"
    assert ours["Gap to gold closed, %", "ensembling, labels on which all wordings agree"] == ""
    assert "Remedies are tried with 400 labels, in 3 runs each." in part.said
    assert "secondary summaries" in part.said
    assert "on news, of 2 classes and with 400 labels, in 3 runs each" in part.said
    assert "Corpora, annotators and encoder are all others" in part.said


def test_the_papers_weakest_and_strongest_annotator_stand_beside_ours():
    """By the training pool of the corpus, whatever their order in the study; of equal ones, by that."""

    def ours(said):
        table = findings.overview(jury((0.5,) * 3, (0.5, 0.6, 0.85), said=said)).parts["paper"].table
        return table[table["Measure"] == "Accuracy of students, %"].set_index("Labels")["news"]

    equal = ours(None)
    last_is_worse = ours(lambda one: {"flawed": np.eye(2)[one.gold], "other": np.eye(2)[1 - one.gold]})
    assert equal["Qwen2.5-3B-Instruct"] == last_is_worse["Qwen2.5-7B-Instruct"] == "50.0 (flawed)"
    assert equal["Qwen2.5-7B-Instruct"] == last_is_worse["Qwen2.5-3B-Instruct"] == "85.0 (other)"


def test_the_page_on_the_paper_quotes_no_other_figures():
    """It is prose, so they are typed there a second time: the same ones, to the digit."""
    page = (places.ROOT / "book/paper.md").read_text("utf-8")
    _, _, section = page.partition("## Figures of the paper that we could confirm")
    section = section.partition("## ")[0].replace(":widths: 40 20 20 20", "")
    quoted = {float(number) for number in re.findall(r"(?<![×\w.])\d+(?:\.\d+)?(?![\w.]*B)", section)}
    confirmed = yaml.safe_load((places.ROOT / "notebooks/paper.yml").read_text("utf-8"))["figures"]
    assert quoted - {1} == {value for figure in confirmed for value in figure["value"]}


def test_the_comparison_leaves_empty_what_the_study_does_not_have():
    part = findings.overview(results(at_all_sizes((0.9,) * 3, (0.9,) * 3))).parts["paper"]
    assert part.table["news"].tolist()[-4:] == ["", "", "no clear gap", "no clear gap"]
    same = results(at_all_sizes((0.9,) * 3, (0.9,) * 3), one=corpus("imdb"))
    assert "are others but for corpora" in findings.overview(same).parts["paper"].said


def test_one_seed_shows_nothing_and_fails_nowhere():
    cells = {key: students(cell.pred[:1]) for key, cell in at_all_sizes((0.9,) * 3, (0.5,) * 3).items()}
    found = findings.overview(results(cells, seeds=1))
    assert set(found.verdicts["finding"]) == {"degradation", "plateau"}
    assert set(found.verdicts["verdict"]) == {"not shown"}
    assert found.verdicts[["low", "high"]].isna().all(axis=None)


def test_gold_alone_is_no_finding():
    cells = {key: cell for key, cell in at_all_sizes((0.9,) * 3, (0.5,) * 3).items() if key[0] == GOLD}
    found = findings.overview(results(cells, annotators=[]))
    assert found.verdicts.empty
    assert list(found.verdicts) == VERDICT_COLUMNS
    assert found.table.empty


def test_what_was_read_once_has_the_corpora_without_gold_for_findings_that_need_none():
    news = everything().corpora["news"]
    rows = news.corpus.rows.assign(gold=news.corpus.rows["gold"].where(news.corpus.rows.index % 3 > 0, -1))
    partly = replace(news, corpus=replace(news.corpus, name="partly", rows=rows))
    plan = everything().study.model_copy(update={"corpora": ["partly", "news"]})
    made = replace(everything(), study=plan, corpora={"partly": partly, "news": news})
    read = findings.load(made)
    assert (list(read.corpora), read.without_gold) == (["news"], ("partly",))
    assert set(findings.unaided(read).table["Corpus"]) == {"partly", "news"}
    again = findings.load(read, corpus="partly")
    assert (list(again.corpora), again.without_gold) == ([], ("partly",))
    assert findings.load(read, corpus="news").without_gold == ()


def test_the_shipped_study_is_not_one_of_that_name_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "studies").mkdir()
    (tmp_path / _encoders.SHIPPED).write_text("name: mine\ncorpora: [movie]\nsizes: [10]\n")
    monkeypatch.chdir(tmp_path)
    assert _encoders._study(_encoders.SHIPPED).name == "base"
    assert _encoders._study(str(tmp_path / _encoders.SHIPPED)).name == "mine"


def test_a_cells_interval_does_not_depend_on_the_others():
    rng = np.random.default_rng(3)
    one = results(at_all_sizes((0.9,) * 3, (0.5,) * 3))
    other = CorpusResults(corpus("other"), one.corpora["news"].annotator_probs, one.corpora["news"].cells)
    noisy = {key: students(rng.integers(0, 2, (3, TEXTS))) for key in one.corpora["news"].cells}
    news = CorpusResults(corpus("news"), one.corpora["news"].annotator_probs, noisy)
    both = Results(study(corpora=["other", "news"]), {"other": other, "news": news}, one.annotators, {})
    together = findings.degradation(both).verdicts
    alone = findings.degradation(both, corpus="news").verdicts
    pd.testing.assert_frame_equal(together[together["corpus"] == "news"].reset_index(drop=True), alone)
    other_seed = findings.degradation(both, corpus="news", seed=1).verdicts
    assert only(other_seed)["low"] != only(alone)["low"]
    assert only(other_seed)["effect"] == only(alone)["effect"]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["reproduced"], "reproduced in the one cell"),
        (["reversed", "reversed"], "reversed in both cells"),
        (["not shown"] * 3, "not shown in all 3 cells"),
        (["not shown", "reproduced"], "reproduced in 1 of 2 cells and not shown in 1"),
        (
            ["reversed", "not shown", "reproduced", "reproduced"],
            "reproduced in 2 of 4 cells, not shown in 1 and reversed in 1",
        ),
    ],
)
def test_summaries_count_verdicts(verdicts, said):
    bounds = {"reproduced": (0.1, 0.3), "not shown": (-0.1, 0.5), "reversed": (-0.3, -0.1)}
    tally = Tally("degradation", everything())
    for verdict in verdicts:
        low, high = bounds[verdict]
        assert tally.judge("news", "flawed", Interval((low + high) / 2, low, high), 6) == verdict
    assert tally.finish().summary.startswith(f"Degradation: {said} (a cell is a corpus and an annotator).")


def test_a_summary_says_how_large_and_where():
    tally = Tally("degradation", everything())
    for name, effect in [("a", 0.1), ("b", -0.02), ("c", 0.03)]:
        tally.judge("news", name, Interval(effect, -1, 1), 6)
    assert tally.finish().summary.endswith("The median effect is +3.0 points, from −2.0 (news, b) to +10.0 (news, a).")


# --- from the ledger -------------------------------------------------------------------------------------------


class Scripted:
    """An annotator that gives every text the probabilities it was told."""

    name = "scripted"
    room = 100
    cores = 1

    def __init__(self, probs):
        self.probs = probs

    def use(self, prompt):
        self.labels = prompt.labels

    def lengths(self, texts):
        return np.ones(len(texts), int)

    def score(self, texts):
        return np.log([self.probs[text] for text in texts])

    def provenance(self):
        return {"model_hash": "0" * 64}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A study of a table of 60 texts, its annotations, and the ledger that its runs belong in."""
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "own"))
    texts = [f"text number {i}" for i in range(60)]
    table = pd.DataFrame({"text": texts, "label": ["no", "yes"] * 30})
    table.to_csv(tmp_path / "table.csv", index=False)
    entry = {"name": "own", "path": str(tmp_path / "table.csv"), "text": "text", "label": "label", "test_size": 20}
    plan = study(name="shelf", corpora=[entry], annotators=["hf:some/scripted"], sizes=[10, 20, 40], seeds=3)
    one = plan.corpus("own")
    sure = {text: [0.8, 0.2] if i % 3 else [0.3, 0.7] for i, text in enumerate(one.rows["text"])}
    annotating.annotate(one, Scripted(sure), prompts.render(one), folder=tmp_path / "own" / "annotations")
    return plan, Ledger(results=tmp_path / "results", own=tmp_path / "own")


def fill(plan, ledger, *, leave=0):
    """Write the runs of the plan, but for the last `leave`: gold students always right, the others never."""
    runs = plan.runs("own")
    for run in runs[: len(runs) - leave]:
        gold = run.corpus.gold[run.corpus.test]
        label = gold if run.source == GOLD else 1 - gold
        probs = np.where(np.arange(2) == label[:, None], 0.9, 0.1)
        environment = {"torch": "1.2.3", "compute": "float32"}
        ledger.add(Record(run.key, run.specification, probs.astype(np.float16), 36.0, environment))
    return runs


def test_runs_are_read_from_the_ledger(shelf):
    plan, ledger = shelf
    runs = fill(plan, ledger)
    found = findings.degradation(plan, ledger=ledger)
    row = only(found.verdicts)
    assert (row["corpus"], row["annotator"]) == ("own", "scripted")
    assert (row["effect"], row["verdict"]) == (pytest.approx(1), "reproduced")
    loaded = findings.load(plan, ledger=ledger)
    assert set(loaded.corpora["own"].cells) == set(plan.grid("own"))
    np.testing.assert_allclose(loaded.corpora["own"].students(None, 40).probs.sum(axis=2), 1)
    # Gold students are one per size and seed, and the annotator's as well: all of different content.
    assert found.provenance["runs"] == str(len({run.key for run in runs})) == "18"
    assert found.provenance["training time"] == "0.2 hours of one thread"
    assert found.provenance["trained with torch"] == "1.2.3"
    assert found.provenance["labels of own by scripted"].startswith("model hash 000000000000…")


def test_what_was_loaded_once_serves_several_findings(shelf):
    plan, ledger = shelf
    fill(plan, ledger)
    loaded = findings.load(plan, ledger=ledger)
    for file in ledger.own.rglob("*.parquet"):
        assert pq.read_metadata(file).num_rows == 1
        file.unlink()
    assert len(findings.overview(loaded).verdicts) == 4


@pytest.fixture
def full_shelf(tmp_path, monkeypatch):
    """A study with every part, of a table with votes, and its ledger, full of students that err at random."""
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "own"))
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"text": [f"text number {i}" for i in range(120)], "label": ["no", "yes"] * 60})
    table["no"], table["yes"] = rng.integers(0, 5, 120), rng.integers(1, 5, 120)
    table.to_csv(tmp_path / "table.csv", index=False)
    entry = {"name": "own", "path": str(tmp_path / "table.csv"), "text": "text", "label": "label", "test_size": 40}
    plan = study(
        name="shelf",
        corpora=[entry | {"votes": ["no", "yes"]}],
        annotators=["hf:some/scripted"],
        sizes=[10, 20, 40],
        filtering={"size": 40, "fractions": [0.5]},
        ensembling={"size": 40},
        controls={"methods": ["shuffled"]},
        stability={"seeds": 8, "draws": 2},
    )
    one = plan.corpus("own")
    sure = {text: [0.8, 0.2] if i % 3 else [0.3, 0.7] for i, text in enumerate(one.rows["text"])}
    annotating.annotate(one, Scripted(sure), prompts.render(one), folder=tmp_path / "own" / "annotations")
    ledger = Ledger(results=tmp_path / "results", own=tmp_path / "own")
    gold = one.gold[one.test]
    for run in plan.runs("own"):
        share = 0.9 if run.source == GOLD else 0.6 + 0.002 * run.n
        label = np.where(rng.random(40) < share, gold, 1 - gold)
        ledger.add(Record(run.key, run.specification, two(label), 36.0, {}))
    return plan, ledger


def two(label, sure=0.9):
    return np.where(np.arange(2) == label[:, None], sure, 1 - sure).astype(np.float16)


@pytest.mark.parametrize(
    ("name", "method", "n", "drawn"),
    [
        ("degradation", "gold", 40, 0),
        ("instability", "annotator", 40, 0),
        ("instability", "gold", 40, 1),
        ("plateau", "annotator", 10, 0),
        ("filtering", "entropy", 40, 0),
        ("ensembling", "annotator", 40, 0),
        ("controls", "shuffled", 40, 0),
        ("propagation", "annotator", 40, 0),
        ("overview", "gold", 40, 0),
    ],
)
def test_sentences_follow_one_seeds_result(full_shelf, name, method, n, drawn):
    """Another result of one seed in the ledger, and the page says something else."""
    plan, ledger = full_shelf
    find = (findings.FINDINGS | {"overview": findings.overview})[name]

    def said():
        found = find(plan, ledger=ledger)
        tables = [found.table, *(part.table for part in found.parts.values())]
        words = [found.summary, *found.listed, *(f"{part.said} {part.listed}" for part in found.parts.values())]
        return words, [table.to_csv() for table in tables]

    words, tables = said()
    assert said() == (words, tables)
    run = next(r for r in plan.runs("own") if (r.source.method, r.n, r.drawn) == (method, n, drawn))
    gold = run.corpus.gold[run.corpus.test]
    # As wrong as can be, and sure of it.
    ledger.add(Record(run.key, run.specification, two(1 - gold, 0.99), 36.0, {}))
    after, other_tables = said()
    assert other_tables != tables
    # Of subsets the sentence counts rows, and one run need not change a count.
    assert after != words or drawn


def test_missing_runs_are_counted_and_the_command_is_named(shelf):
    plan, ledger = shelf
    fill(plan, ledger, leave=2)
    with pytest.raises(
        UserError, match=r"2 of 18 runs of study shelf are not in the ledger.*n=40.*label-risk run STUDY"
    ):
        findings.degradation(plan, ledger=ledger)
    quick = plan.model_copy(update={"name": "quick"})
    with pytest.raises(UserError, match=r"`label-risk run studies/quick\.yml`"):
        findings.degradation(quick, ledger=ledger)


@pytest.mark.parametrize("function", [*findings.FINDINGS.values(), findings.overview, findings.verdicts])
def test_unknown_names_are_refused_with_the_known_ones(shelf, function):
    plan, ledger = shelf
    with pytest.raises(UserError, match="study shelf has no corpus 'moviez': it has own"):
        function(plan, corpus="moviez", ledger=ledger)
    with pytest.raises(UserError, match="study shelf has no annotator 'wizard': it has scripted"):
        function(plan, annotators=["scripted", "wizard"], ledger=ledger)


def test_in_the_toy_world_gathered_errors_stay_and_even_ones_are_outvoted():
    parts = toy_world()
    accuracy = parts["toy accuracy"].frame.pivot_table(
        index=["errors", "gathered", "n"], columns="who", values="accuracy", sort=False
    )
    people, student, annotator = (
        accuracy[who] for who in ("student of people", "student of the annotator", "the annotator")
    )
    assert (people.xs(0, level="errors") == student.xs(0, level="errors")).all()
    most = accuracy.index.get_level_values("n").max()
    assert student[25, 0, most] == pytest.approx(1.0, abs=1e-4)
    assert annotator[25, 0, most] < 0.7
    # Of ten kinds, two are turned whole, and of a third half of the labels: there, either class is as frequent.
    assert student[25, 100, most] == pytest.approx(0.75, abs=1e-4)
    # Turned evenly or not, as many labels are turned: kinds with people of one mind and others take turns.
    assert annotator[40, 100, most] == pytest.approx(annotator[40, 0, most])
    terms = parts["toy terms"].frame
    parted = terms[["approximation", "estimation", "cross"]].sum(axis=1)
    np.testing.assert_allclose(terms["total"], parted, atol=3e-6)
    few = terms[(terms["errors"] == 25) & (terms["gathered"] == 100)].set_index("n")["total"]
    assert few[1] < few[most]
    assert f"from {few[1]:.3f} to {few[most]:.3f} where they fall on few kinds" in parts["toy terms"].said
