"""How much worse a student gets with an LLM's labels, and whether it repeats the LLM's mistakes."""

import numpy as np

from helpers.findings._by_class import loss_by_class
from helpers.findings._inheritance import Inheritance
from helpers.findings.finding import Finding, Tally, bounds, out_of, percent
from helpers.findings.results import CorpusResults, Results, Students, load, paired
from helpers.ledger import Ledger
from helpers.measures.accuracy import (
    brier_score,
    expected_calibration_error,
    macro_f1,
    recall_by_class,
)
from helpers.measures.intervals import Interval, design_effect, paired_difference
from helpers.studies import Study

#: A class is hardly given below this share of the labels, and not rare from that share of gold on.
_HARDLY, _NOT_RARE = 0.01, 0.05


def degradation(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
) -> Finding:
    """Accuracy of the gold students minus that of each annotator's students, at the largest number of labels.

    Parameters
    ----------
    study
        A study, or what `helpers.findings.load` returned for it.
    corpus, annotators
        "all", a name, or a list of names of the study.
    ledger
        By default the committed ledgers and the user's own.
    seed
        Of the bootstrap.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `labels` ("gold" or the annotator), `who` ("student" or "annotator"),
        `seed` (-1 for the annotator itself), `measure` and `value`. Measures: accuracy, macro-F1, Brier
        score (0 to 2), calibration error, and the recall of each class. Its part "by class" says which gold classes
        the gap is made of. Its parts "inheritance" and "inheritance by group" say how often students repeat their
        annotator's mistakes; the variant "inherited mistakes" is the difference to the gold students.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("degradation", results)
    inheritance = Inheritance(tally, seed)
    repaired: list[Interval] = []
    below: list[str] = []
    effects: list[float] = []
    fewer: list[str] = []
    unlabelled: list[str] = []
    found: dict[str, list[float]] = {}
    for one in results.corpora.values():
        n = results.study.sizes_of(one.name)[-1]
        tally.frame += _scores(one, one.students(None, n), "gold")
        always = float(np.bincount(one.gold).max()) / len(one.gold)
        for annotator in results.annotators:
            gold, students = paired(one.students(None, n), one.students(annotator, n))
            _, said = one.annotated(annotator)
            interval = paired_difference(gold.correct, students.correct, rng=results.rng(one.name, annotator, seed))
            verdict = tally.judge(one.name, annotator, interval, 2 * students.seeds)
            tally.frame += _scores(one, students, annotator)
            tally.frame += _own_scores(one, said, annotator)
            f1 = [float(macro_f1(s.pred, one.gold, n_classes=one.n_classes).mean()) for s in (gold, students)]
            brier = [float(brier_score(s.probs, one.gold).mean()) for s in (gold, students)]
            ece = [float(expected_calibration_error(s.probs, one.gold).mean()) for s in (gold, students)]
            inheritance.add(one, annotator, gold, students)
            below += [f"{annotator} of {one.name}"] if students.accuracy < always else []
            effects += _design_effect(one, gold, students)
            known = said >= 0
            own = (said == one.gold)[known].astype(float)
            rng = results.rng(one.name, f"{annotator} beside its student", seed)
            fewer += [f"{annotator} of {one.name} {k} of {n}"] if (k := len(students.targets.rows)) < n else []
            if known.any():
                repaired.append(paired_difference(students.correct[:, known], own, rng=rng))
            unlabelled += [f"{annotator} of {one.name} {percent(1 - known.mean())} %"] if not known.all() else []
            for label, recall in _hardly_given(one, said, students):
                found.setdefault(label, []).append(recall)
            tally.table.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    "Verdict": verdict,
                    "Gap, points": percent(interval.effect),
                    "95 % interval": bounds(tally.claim, interval),
                    "Always the most frequent class, accuracy %": percent(always),
                    "Annotator itself, accuracy %": percent(own.mean()) if known.any() else np.nan,
                    "Gold student, accuracy %": percent(gold.accuracy),
                    "Its student, accuracy %": percent(students.accuracy),
                    "Gold student, macro-F1 %": percent(f1[0]),
                    "Its student, macro-F1 %": percent(f1[1]),
                    "Gap in F1, points": percent(f1[0] - f1[1]),
                    "Gold student, Brier": round(brier[0], 3),
                    "Its student, Brier": round(brier[1], 3),
                    "Gold student, calibration error %": percent(ece[0]),
                    "Its student, calibration error %": percent(ece[1]),
                }
            )
    tally.parts |= inheritance.parts() | {"by class": loss_by_class(results, tally.claim, seed)}
    if not results.annotators:
        return tally.finish("The study has no annotators.")
    return tally.finish(
        " ".join([*_remarks(repaired, found, fewer, unlabelled), *_cautions(below, len(tally.verdicts), effects)])
    )


def _hardly_given(one: CorpusResults, said: np.ndarray, students: Students) -> list[tuple[str, float]]:
    """Each class that is not rare by gold, and its recall by students where the annotator hardly gives it, else nan."""
    recalls = recall_by_class(students.pred, one.gold, n_classes=one.n_classes).mean(axis=0)
    share_of = [[np.mean(labels == k) for k in range(one.n_classes)] for labels in (one.gold, said[said >= 0])]
    return [
        (label, float(recall) if given < _HARDLY else np.nan)
        for label, recall, by_gold, given in zip(one.corpus.labels, recalls, *share_of, strict=True)
        if by_gold >= _NOT_RARE
    ]


def _design_effect(one: CorpusResults, gold: Students, students: Students) -> list[float]:
    """That of the loss, where the sources of texts are known."""
    if one.corpus.sources is None:
        return []
    return [design_effect((gold.correct - students.correct).mean(axis=0), one.corpus.sources[one.corpus.test])]


def _cautions(below: list[str], cells: int, effects: list[float]) -> list[str]:
    """Where students are worse than no student, and what intervals overlook where texts have their source in common."""
    said = []
    if below:
        said.append(
            f"In {out_of(len(below), cells, 'cell')} an annotator's students are right less often than who always "
            f"gives the most frequent class of the test texts: {', '.join(below)}."
        )
    if known := [effect for effect in effects if np.isfinite(effect)]:
        said.append(
            "Where several texts are from one source, such as a review, the variance of the loss over test texts is "
            f"{min(known):.2f} to {max(known):.2f} times as large if whole sources are sampled. Intervals "
            "overlook that."
        )
    return said


def _remarks(
    repaired: list[Interval], found: dict[str, list[float]], fewer: list[str], unlabelled: list[str]
) -> list[str]:
    """Whether students are better than their annotators, and what becomes of classes that annotators leave out."""
    said = []
    if fewer:
        said.append(
            f"Where an annotator failed on texts, its students have fewer than the gold students, and a part of the "
            f"gap may be due to that: {', '.join(fewer)}."
        )
    if unlabelled:
        said.append(
            "An annotator itself is judged on the test texts that it labelled, and beside its students on the same; it "
            f"has no label for: {', '.join(unlabelled)}."
        )
    if known := [interval.sign for interval in repaired if interval.low <= interval.high]:
        said.append(
            f"Students are clearly more accurate than their annotator in {out_of(known.count(1), len(known), 'cell')} "
            f"and clearly less in {known.count(-1)}."
        )
    said += [
        f"The class {label} gets fewer than {100 * _HARDLY:g} % of the labels in "
        f"{out_of(int(np.isfinite(recalls).sum()), len(recalls), 'cell')}; there, students find "
        f"{percent(np.nanmedian(recalls))} % of it in the median."
        for label, recalls in found.items()
        if np.isfinite(recalls).any()
    ]
    return said


def _scores(one: CorpusResults, students: Students, labels: str) -> list[dict]:
    """Every measure of every seed's student."""
    scores = {
        "accuracy": students.correct.mean(axis=1),
        "macro-F1": macro_f1(students.pred, one.gold, n_classes=one.n_classes),
        "Brier score": brier_score(students.probs, one.gold),
        "calibration error": expected_calibration_error(students.probs, one.gold),
    }
    recalls = recall_by_class(students.pred, one.gold, n_classes=one.n_classes)
    scores |= {f"recall of {label}": recalls[:, k] for k, label in enumerate(one.corpus.labels)}
    return [
        {"corpus": one.name, "labels": labels, "who": "student", "seed": i, "measure": measure, "value": float(value)}
        for measure, values in scores.items()
        for i, value in enumerate(values)
    ]


def _own_scores(one: CorpusResults, said: np.ndarray, annotator: str) -> list[dict]:
    """Every measure of the annotator itself that needs no probabilities; accuracy is of the texts that it labelled."""
    known = said >= 0
    scores = {"accuracy": (said == one.gold)[known].mean()} if known.any() else {}
    if known.all():
        scores["macro-F1"] = macro_f1(said, one.gold, n_classes=one.n_classes)
        recalls = recall_by_class(said, one.gold, n_classes=one.n_classes)
        scores |= {f"recall of {label}": recalls[k] for k, label in enumerate(one.corpus.labels)}
    return [
        {"corpus": one.name, "labels": annotator, "who": "annotator", "seed": -1, "measure": m, "value": float(v)}
        for m, v in scores.items()
    ]
