"""How much students of the same labels differ from seed to seed."""

import numpy as np

from helpers.findings.finding import Finding, Tally, bounds, percent
from helpers.findings.results import CorpusResults, Results, Students, load, paired
from helpers.ledger import Ledger
from helpers.measures.accuracy import macro_f1
from helpers.measures.intervals import stability_difference
from helpers.measures.stability import krippendorff_alpha, pairwise_disagreement, unchanged_share
from helpers.studies import Study


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

    Parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `labels` ("gold" or the annotator), `n`, `measure` and `value`, for
        every size of the study. Measures: alpha, unchanged predictions (PUC), disagreement of two seeds,
        and the standard deviations over seeds of accuracy and macro-F1.

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
    for one in results.corpora.values():
        sizes = results.study.sizes_of(one.name)
        for n in sizes if results.study.seeds > 1 else sizes[-1:]:
            for labels in [None, *results.annotators]:
                measured = _measures(one, one.students(labels, n)).items()
                tally.frame += [
                    {"corpus": one.name, "labels": labels or "gold", "n": n, "measure": measure, "value": value}
                    for measure, value in measured
                ]
        for annotator in results.annotators:
            gold, students = paired(*(one.students(labels, sizes[-1]) for labels in (None, annotator)))
            stable = _measures(one, gold)
            interval = stability_difference(
                gold.pred,
                students.pred,
                statistic="krippendorff_alpha",
                rng=results.rng(one.name, annotator, seed),
            )
            verdict = tally.judge(one.name, annotator, interval, 2 * students.seeds)
            theirs = _measures(one, students)
            tally.table.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    "Alpha, gold students": round(stable["alpha"], 3),
                    "Alpha, its students": round(theirs["alpha"], 3),
                    "Lost alpha": round(interval.effect, 3),
                    "95 % interval": bounds(tally.claim, interval),
                    "Verdict": verdict,
                    "Unchanged (PUC), gold students, %": percent(stable["unchanged predictions"]),
                    "Unchanged (PUC), its students, %": percent(theirs["unchanged predictions"]),
                    "Two seeds disagree, gold students, %": percent(stable["disagreement of two seeds"]),
                    "Two seeds disagree, its students, %": percent(theirs["disagreement of two seeds"]),
                    "Accuracy, sd of gold students, points": round(100 * stable["sd of accuracy"], 2),
                    "Accuracy, sd of its students, points": round(100 * theirs["sd of accuracy"], 2),
                    "Macro-F1, sd of gold students, points": round(100 * stable["sd of macro-F1"], 2),
                    "Macro-F1, sd of its students, points": round(100 * theirs["sd of macro-F1"], 2),
                }
            )
    return tally.finish("" if results.annotators else "The study has no annotators.")


def _measures(one: CorpusResults, students: Students) -> dict[str, float]:
    pred = students.pred
    return {
        "alpha": krippendorff_alpha(pred, n_classes=one.n_classes),
        "unchanged predictions": unchanged_share(pred),
        "disagreement of two seeds": pairwise_disagreement(pred),
        "sd of accuracy": float(students.correct.mean(axis=1).std(ddof=1)),
        "sd of macro-F1": float(np.std(macro_f1(pred, one.gold, n_classes=one.n_classes), ddof=1)),
    }
