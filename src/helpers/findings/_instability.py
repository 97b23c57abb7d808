"""How much students of the same labels differ from seed to seed, and on which texts."""

import numpy as np
import pandas as pd

from helpers.findings._controls import ERRORS, OWN
from helpers.findings._flips import STATISTICS, flips, measures, scores, subsets, where
from helpers.findings._number_types import number_types
from helpers.findings.finding import Finding, Part, Tally, bounds, counted, minus, out_of, percent, signed, span
from helpers.findings.results import CorpusResults, Results, Students, load, paired
from helpers.ledger import Ledger
from helpers.measures.intervals import (
    FEWEST_FOR_RATIO,
    Interval,
    brown_forsythe,
    log_variance_ratio,
    sd_interval,
    stability_difference,
    stability_interval,
)
from helpers.studies import Study

#: Variants of the verdict by other measures, named as the measures are.
_PUC, _DISAGREEMENT = "unchanged predictions", "disagreement of two seeds"

#: Measure -> what a table calls it, its unit, how it is scaled, and to how many decimals it is written.
_WRITTEN = {
    "alpha": ("Alpha", "", 1, 3),
    _PUC: ("Unchanged (PUC)", ", %", 100, 1),
    _DISAGREEMENT: ("Two seeds disagree", ", %", 100, 1),
    "sd of accuracy": ("Accuracy, sd", ", points", 100, 2),
    "sd of macro-F1": ("Macro-F1, sd", ", points", 100, 2),
}


def instability(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
) -> Finding:
    """Krippendorff's alpha of the gold students minus that of each annotator's students, at the largest
    number of labels.

    The same by the share of unchanged predictions and by the disagreement of two seeds are variants, and so are the
    students of random errors at an annotator's rate, where the study has several seeds of one draw of them. Where
    training subsets were drawn anew, alpha and disagreement over these in the place of seeds are variants, too.

    Parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `labels` ("gold" or the annotator), `n`, `measure` and `value`, for
        every size of the study, and at the largest the bounds `low` and `high` of the 95 % interval of what has one.
        Measures: alpha, unchanged predictions (PUC), disagreement of two seeds, and the standard deviations over seeds
        of accuracy and macro-F1.

        Parts: "levels", every measure with its interval; "flips", the disagreement of two seeds by quarter of the
        texts' entropy, of people's votes and of the annotator; "subsets", the change from one training subset to
        another beside that from seed to seed, and the claim over subsets; "types", whether students of different number
        types differ by more than their seeds.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("instability", results)
    if results.study.most_seeds < 2:
        return tally.finish(
            "The study has one seed, and one student cannot differ from itself: set `seeds: 3` or more."
        )
    rows: list[dict] = []
    ratios: list[Interval] = []
    for one in results.corpora.values():
        sizes = results.study.sizes_of(one.name)
        for labels in [None, *results.annotators]:
            for n in sizes:
                tally.frame += _points(one, labels or "gold", n, one.students(labels, n), results, seed, n == sizes[-1])
        rows += flips(one, "gold", "people", one.students(None, sizes[-1]), results, seed)
        for annotator in results.annotators:
            rng = results.rng(one.name, annotator, seed)
            gold, students = paired(*(one.students(labels, sizes[-1]) for labels in (None, annotator)))
            ratios.append(_compare(tally, one, annotator, OWN, gold, students, rng))
            for method in results.study.controls.methods if results.study.controls else []:
                # Of one draw, as an annotator's labels are the same for all seeds, too.
                control = one.controlled(method, annotator, sizes[-1])[0]
                if control.seeds < 2:
                    continue
                pair = paired(one.students(None, sizes[-1]), control)
                _compare(tally, one, annotator, ERRORS[method], *pair, rng)
            for whose in ("people", annotator):
                rows += flips(one, annotator, whose, one.students(annotator, sizes[-1]), results, seed)
            rows += flips(one, "gold", annotator, one.students(None, sizes[-1]), results, seed)
    if results.corpora:
        tally.parts = {
            "levels": _levels(tally.frame, results),
            "flips": where(rows),
            "subsets": subsets(tally, seed),
            "types": number_types(results),
        }
    return tally.finish(_remark(tally, ratios))


def _remark(tally: Tally, ratios: list[Interval]) -> str:
    if not tally.verdicts:
        return "The study has no annotators."
    seeds = [row["Seeds"] for row in tally.table if row["Errors"] == OWN]
    return f"{_without_chance(tally)} {_variances(seeds, ratios)}".strip()


def _without_chance(tally: Tally) -> str:
    """What the measures that are not corrected for chance say of the claim, and of what alpha says."""
    variants = pd.DataFrame(tally.variants)
    unchanged, disagreement = (variants[variants["variant"] == name] for name in (_PUC, _DISAGREEMENT))
    if not np.isfinite(unchanged["low"]).any():
        return ""
    reproduced = np.array([row["verdict"] == "reproduced" for row in tally.verdicts])
    against = [(cells["verdict"] == "reversed").to_numpy() for cells in (unchanged, disagreement)]
    said = (
        "Alpha allows for the classes in use, and two other measures do not: by the share of unchanged predictions "
        f"(PUC) the claim is {counted(unchanged)}; by the disagreement of two seeds, {counted(disagreement)}."
    )
    if reproduced.any():
        cells = out_of(int((reproduced & np.logical_or(*against)).sum()), int(reproduced.sum()), "cell")
        said += f" One of them or both reverse what alpha reproduces in {cells}."
    return said


def _variances(seeds: list[int], ratios: list[Interval]) -> str:
    """Of how many seeds cells are, and the logs of the ratio of an annotator's variance of accuracy to gold's."""
    told = [ratio for ratio in ratios if ratio.low <= ratio.high]
    if told:
        signs = [ratio.sign for ratio in told]
        said = (
            f"the variance of accuracy is clearly larger than the gold students' in "
            f"{out_of(signs.count(1), len(told), 'cell')} where the ratio has an interval, and clearly smaller in "
            f"{signs.count(-1)}"
        )
    elif max(seeds) < FEWEST_FOR_RATIO:
        said = "too few for an interval of the ratio of variances"
    else:
        said = "no ratio of variances has an interval, for one of the two is zero, or both are of the same scores"
    return f"Compared are {span(seeds)} seeds: {said}."


def _compare(
    tally: Tally,
    one: CorpusResults,
    annotator: str,
    errors: str,
    gold: Students,
    students: Students,
    rng: np.random.Generator,
) -> Interval:
    """One row of the table and its verdicts: students of an annotator, or of as many random errors, against gold's.

    Returned is the log of the ratio of their variances of accuracy.
    """

    def lost(statistic: str) -> Interval:
        if gold.seeds < 2:
            return Interval(np.nan)
        return stability_difference(gold.pred, students.pred, statistic=statistic, rng=rng)

    alpha, unchanged, disagreement = (
        lost(statistic) for statistic in ("krippendorff_alpha", "unchanged_share", "pairwise_disagreement")
    )
    variant = "" if errors == OWN else f"random errors, {errors}"
    verdict = tally.judge(one.name, annotator, alpha, 2 * students.seeds, variant=variant)
    if errors == OWN:
        # Positive in the direction of the claim: gold students disagree less often.
        less = Interval(-disagreement.effect, -disagreement.high, -disagreement.low)
        for name, interval in ((_PUC, unchanged), (_DISAGREEMENT, less)):
            tally.judge(one.name, annotator, interval, 2 * students.seeds, variant=name)
    stable, theirs = measures(one, gold), measures(one, students)
    its, golds = (scores(one, cell) for cell in (students, gold))
    accuracies, f1s = ((its[name], golds[name]) for name in its)
    ratio = log_variance_ratio(*accuracies, rng=rng)
    _, p = brown_forsythe(*accuracies)
    f1_ratio = log_variance_ratio(*f1s, rng=rng)
    tally.table.append(
        {
            "Corpus": one.name,
            "Annotator": annotator,
            "Errors": errors,
            "Verdict": verdict,
            "Lost alpha": round(alpha.effect, 3),
            "95 % interval": bounds(tally.claim, alpha),
            "Seeds": students.seeds,
            "Alpha, gold students": round(stable["alpha"], 3),
            "Alpha, its students": round(theirs["alpha"], 3),
            "Unchanged (PUC), gold students, %": percent(stable["unchanged predictions"]),
            "Unchanged (PUC), its students, %": percent(theirs["unchanged predictions"]),
            "Unchanged, gold's minus its: 95 % interval": signed(unchanged) or "none",
            "Two seeds disagree, gold students, %": percent(stable["disagreement of two seeds"]),
            "Two seeds disagree, its students, %": percent(theirs["disagreement of two seeds"]),
            "Disagreement, gold's minus its: 95 % interval": signed(disagreement) or "none",
            "Accuracy, sd of gold students, points": round(100 * stable["sd of accuracy"], 2),
            "Accuracy, sd of its students, points": round(100 * theirs["sd of accuracy"], 2),
            "Ratio of variances, of its students to gold's": round(float(np.exp(ratio.effect)), 2),
            "95 % interval of the ratio": _ratios(ratio),
            "Brown-Forsythe p": round(p, 3) if np.isfinite(p) else np.nan,
            "Macro-F1, sd of gold students, points": round(100 * stable["sd of macro-F1"], 2),
            "Macro-F1, sd of its students, points": round(100 * theirs["sd of macro-F1"], 2),
            "Ratio of variances of macro-F1": round(float(np.exp(f1_ratio.effect)), 2),
            "95 % interval of that ratio": _ratios(f1_ratio),
        }
    )
    return ratio


def _ratios(log: Interval) -> str:
    """The bounds of a ratio from those of its logarithm, to two decimals, or large ones to the unit."""
    if not log.low <= log.high:
        return "none"
    low, high = (f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}" for ratio in np.exp([log.low, log.high]))
    return f"{low} to {high}"


def _levels(frame: list[dict], results: Results) -> Part:
    """Every measure at the largest number of labels with its interval, a row a corpus and label source."""
    rows: dict[tuple[str, str], dict] = {}
    for point in frame:
        if point["n"] != results.study.sizes_of(point["corpus"])[-1]:
            continue
        row = rows.setdefault(
            (point["corpus"], point["labels"]), {"Corpus": point["corpus"], "Labels of": point["labels"]}
        )
        name, unit, scale, decimals = _WRITTEN[point["measure"]]
        value, low, high = (f"{scale * point[key]:.{decimals}f}" for key in ("value", "low", "high"))
        row[f"{name}{unit}"] = float(value)
        row[f"95 % interval: {name}"] = minus(f"{low} to {high}") if point["low"] <= point["high"] else "none"
    said = f"An interval of alpha, PUC or disagreement needs three seeds, that of an sd {FEWEST_FOR_RATIO}."
    return Part(pd.DataFrame(list(rows.values())), said)


def _points(
    one: CorpusResults, labels: str, n: int, students: Students, results: Results, seed: int, last: bool
) -> list[dict]:
    """Every measure of one cell, with an interval at the largest size; nothing of a single seed."""
    if students.seeds < 2:
        return []
    rows = []
    for measure, value in measures(one, students).items():
        interval = Interval(value)
        if last and measure in STATISTICS:
            rng = results.rng(one.name, f"{labels} {measure}", seed)
            interval = stability_interval(students.pred, statistic=STATISTICS[measure], rng=rng)
        elif last:
            interval = sd_interval(scores(one, students)[measure])
        rows.append(
            {
                "corpus": one.name,
                "labels": labels,
                "n": n,
                "measure": measure,
                "value": value,
                "low": interval.low,
                "high": interval.high,
            }
        )
    return rows
