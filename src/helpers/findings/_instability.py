"""How much students of the same labels differ from seed to seed, and on which texts."""

import numpy as np

from helpers.findings._flips import STATISTICS, flips, measures, points_bounds, subsets, where
from helpers.findings.finding import Finding, Tally, bounds, percent
from helpers.findings.results import CorpusResults, Results, Students, load, paired
from helpers.labels import LabelSource
from helpers.ledger import Ledger
from helpers.measures.intervals import (
    Interval,
    brown_forsythe,
    log_variance_ratio,
    stability_difference,
    stability_interval,
)
from helpers.studies import Cell, Study


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

    The students of random errors at an annotator's rate, where the study has them, are variants.

    Parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `labels` ("gold" or the annotator), `n`, `measure` and `value`, for
        every size of the study, and at the largest the bounds `low` and `high` of the 95 % interval of what has one.
        Measures: alpha, unchanged predictions (PUC), disagreement of two seeds, and the standard deviations over seeds
        of accuracy and macro-F1.

        Parts: "flips", the disagreement of two seeds by quarter of the texts' entropy, of people's votes and of the
        annotator; "subsets", the change from one training subset to another beside that from seed to seed.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("instability", results)
    if results.study.seeds < 2 and not results.study.stability:
        return tally.finish(
            "The study has one seed, and one student cannot differ from itself: set `seeds: 3` or more."
        )
    rows: list[dict] = []
    for one in results.corpora.values():
        sizes = results.study.sizes_of(one.name)
        for labels in [None, *results.annotators]:
            for n in sizes:
                tally.frame += _points(one, labels or "gold", n, one.students(labels, n), results, seed, n == sizes[-1])
        rows += flips(one, "gold", "people", one.students(None, sizes[-1]), results, seed)
        for annotator in results.annotators:
            rng = results.rng(one.name, annotator, seed)
            gold, students = paired(*(one.students(labels, sizes[-1]) for labels in (None, annotator)))
            _compare(tally, one, annotator, "", gold, students, rng)
            for method in results.study.controls.methods if results.study.controls else []:
                control = one.cells[Cell(LabelSource(method, (annotator,)), sizes[-1])]
                _compare(
                    tally, one, annotator, f"{method} errors", *paired(one.students(None, sizes[-1]), control), rng
                )
            for whose in ("people", annotator):
                rows += flips(one, annotator, whose, one.students(annotator, sizes[-1]), results, seed)
    tally.parts = {"flips": where(rows), "subsets": subsets(results, seed)}
    return tally.finish(_remark(tally, results))


def _remark(tally: Tally, results: Results) -> str:
    if not results.annotators:
        return "The study has no annotators."
    counts = sorted({row["Seeds"] for row in tally.table})
    told = sum(row["95 % interval of the ratio"] != "none" for row in tally.table)
    wider = sum(row["Ratio of variances, of its students to gold's"] > 1 for row in tally.table)
    if not counts:
        return ""
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    ratio = (
        f"the variance of accuracy is larger than the gold students' in {wider} of {len(tally.table)} rows of the table"
        if told
        else "too few for an interval of a ratio of variances"
    )
    return f"Compared are {seeds} seeds: {ratio}."


def _compare(
    tally: Tally,
    one: CorpusResults,
    annotator: str,
    variant: str,
    gold: Students,
    students: Students,
    rng: np.random.Generator,
) -> None:
    """One verdict and one row of the table: students of an annotator, or of as many random errors, against gold's."""

    def lost(statistic: str) -> Interval:
        if gold.seeds < 2:
            return Interval(np.nan, np.nan, np.nan)
        return stability_difference(gold.pred, students.pred, statistic=statistic, rng=rng)

    alpha, unchanged, disagreement = (
        lost(statistic) for statistic in ("krippendorff_alpha", "unchanged_share", "pairwise_disagreement")
    )
    verdict = tally.judge(one.name, annotator, alpha, 2 * students.seeds, variant=variant)
    stable, theirs = measures(one, gold), measures(one, students)
    accuracies = [cell.correct.mean(axis=1) for cell in (students, gold)]
    ratio = log_variance_ratio(*accuracies, rng=rng)
    f, p = brown_forsythe(*accuracies)
    tally.table.append(
        {
            "Corpus": one.name,
            "Annotator": annotator,
            "Errors": variant.removesuffix(" errors").replace("_", " ") or "its own",
            "Seeds": students.seeds,
            "Alpha, gold students": round(stable["alpha"], 3),
            "Alpha, its students": round(theirs["alpha"], 3),
            "Lost alpha": round(alpha.effect, 3),
            "95 % interval": bounds(tally.claim, alpha),
            "Verdict": verdict,
            "Unchanged (PUC), gold students, %": percent(stable["unchanged predictions"]),
            "Unchanged (PUC), its students, %": percent(theirs["unchanged predictions"]),
            "95 % interval of the difference": points_bounds(unchanged),
            "Two seeds disagree, gold students, %": percent(stable["disagreement of two seeds"]),
            "Two seeds disagree, its students, %": percent(theirs["disagreement of two seeds"]),
            "95 % interval of gold's minus its": points_bounds(disagreement),
            "Accuracy, sd of gold students, points": round(100 * stable["sd of accuracy"], 2),
            "Accuracy, sd of its students, points": round(100 * theirs["sd of accuracy"], 2),
            "Ratio of variances, of its students to gold's": round(float(np.exp(ratio.effect)), 2),
            "95 % interval of the ratio": f"{np.exp(ratio.low):.2f} to {np.exp(ratio.high):.2f}"
            if ratio.low <= ratio.high
            else "none",
            "Brown-Forsythe F (p)": f"{f:.2f} ({p:.2f})" if np.isfinite(f) else "",
            "Macro-F1, sd of gold students, points": round(100 * stable["sd of macro-F1"], 2),
            "Macro-F1, sd of its students, points": round(100 * theirs["sd of macro-F1"], 2),
        }
    )


def _points(
    one: CorpusResults, labels: str, n: int, students: Students, results: Results, seed: int, last: bool
) -> list[dict]:
    """Every measure of one cell, with an interval at the largest size; nothing of a single seed."""
    if students.seeds < 2:
        return []
    rows = []
    for measure, value in measures(one, students).items():
        interval = Interval(value, np.nan, np.nan)
        if last and measure in STATISTICS:
            rng = results.rng(one.name, f"{labels} {measure}", seed)
            interval = stability_interval(students.pred, statistic=STATISTICS[measure], rng=rng)
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
