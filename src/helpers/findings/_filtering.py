"""Whether it pays to keep only the labels of lowest entropy."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.findings._recovery import recovery, shown
from helpers.findings.claims import Claim
from helpers.findings.finding import Finding, Part, Tally, bounds, out_of, percent
from helpers.findings.results import CorpusResults, Results, Students, load, paired
from helpers.labels import llm_calls
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval, paired_difference
from helpers.studies import Cell, Study

#: What the reader sees for a method; others go by their name.
_CHOICES = {"entropy": "lowest entropy"}


def filtering(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
    fraction: float = 0.5,
) -> Finding:
    """Accuracy of the students of the labels of lowest entropy minus that of the students of all labels.

    Parameters
    ----------
    fraction
        The kept share that the verdict is about, one of the study's `filtering.fractions`. The table and
        the chart show all of them, and all of `filtering.methods`; their verdicts are variants.

    The other parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `annotator`, `kept` (share, 1 for all labels) and `choice` ("lowest
        entropy", another method, "random" or "gold"): `accuracy`, `label_accuracy` of the labels trained on,
        and `n` of them. The table has a row a corpus, annotator, fraction and method. The part "choices" sums the
        methods up, and has a chart.

    Raises
    ------
    UserError
        If a name or the fraction is unknown, the study has no students of all labels to compare with, or
        runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("filtering", results)
    spec = results.study.filtering
    if spec is None:
        why = (
            f"labels without probabilities have no entropy to filter by ({', '.join(results.hard)})"
            if results.hard
            else "give it a part `filtering`"
        )
        return tally.finish(f"Study {results.study.name} filters nothing: {why}.")
    if fraction not in spec.fractions:
        known = ", ".join(f"{f:g}" for f in spec.fractions)
        raise UserError(f"study {results.study.name} keeps the fractions {known}, not {fraction:g}")
    for name in results.corpora:
        if spec.size not in results.study.sizes_of(name):
            raise UserError(
                f"study {results.study.name}: no students of all {spec.size} labels of {name} to compare the filtered "
                f"with: add {spec.size} to its `sizes`"
            )
    compared: list[_Compared] = []
    for one in results.corpora.values():
        for annotator in results.annotators:
            gold, everything = paired(one.students(None, spec.size), one.students(annotator, spec.size))
            gap = paired_difference(gold.correct, everything.correct, rng=results.rng(one.name, annotator, seed))
            tally.frame.append(_point(one, annotator, 1.0, "gold", gold))
            for choice in [*(_choice(method) for method in spec.methods), "random"]:
                tally.frame.append(_point(one, annotator, 1.0, choice, everything))
            for kept in sorted(spec.fractions):
                random = one.students(annotator, round(kept * spec.size))
                tally.frame.append(_point(one, annotator, kept, "random", random))
                for method in spec.methods:
                    source = results.study.filtered(method, annotator, kept)
                    filtered = one.cells[Cell(source, spec.size)]
                    tally.frame.append(_point(one, annotator, kept, _choice(method), filtered))
                    filtered, all_labels, best = paired(filtered, everything, gold)
                    rng = results.rng(one.name, annotator, seed)
                    interval = paired_difference(filtered.correct, all_labels.correct, rng=rng)
                    variant = "" if (method, kept) == ("entropy", fraction) else f"{method}, {kept:g} kept"
                    verdict = tally.judge(one.name, annotator, interval, 2 * filtered.seeds, variant=variant)
                    beyond = paired_difference(*(s.correct for s in paired(filtered, random)), rng=rng)
                    closed = recovery(filtered.correct, all_labels, best, gap, rng=rng)
                    moved = _shift(filtered, everything)
                    purer = one.label_accuracy(filtered) > one.label_accuracy(everything)
                    compared.append(
                        _Compared(
                            *(one.name, annotator, _choice(method), kept),
                            *(interval, beyond, closed.effect, moved, purer),
                        )
                    )
                    tally.table.append(
                        {
                            "Corpus": one.name,
                            "Annotator": annotator,
                            "Kept, %": percent(kept),
                            "Choice": _choice(method),
                            "Verdict": verdict,
                            "Minus the student of all, points": percent(interval.effect),
                            "95 % interval": bounds(tally.claim, interval),
                            "Student of the kept, %": percent(filtered.accuracy),
                            "Minus a random subset of that size, points": percent(beyond.effect),
                            "95 % interval, random": bounds(tally.claim, beyond),
                            **shown(closed),
                            "Kept labels right, %": percent(one.label_accuracy(filtered)),
                            "All labels right, %": percent(one.label_accuracy(everything)),
                            "Class balance moved by, points": percent(moved),
                            "Classes of all → of the kept, %": _balance(one, everything, filtered),
                            "LLM calls": llm_calls(source, spec.size),
                        }
                    )
    tally.parts["choices"] = _choices(tally.claim, compared, fraction)
    return tally.finish(
        f"The verdicts are about the kept share {fraction:g}." if results.annotators else "The study has no annotators."
    )


class _Compared(NamedTuple):
    """One filter in one cell: against all labels, and against a random choice of as many."""

    corpus: str
    annotator: str
    choice: str
    kept: float
    all_labels: Interval
    random: Interval
    closed: float
    moved: float
    purer: bool


def _choices(claim: Claim, compared: list[_Compared], fraction: float) -> Part:
    """The filters side by side, over all corpora and annotators, and what they come to at one kept share."""
    if not compared:
        return Part(pd.DataFrame(), "There is nothing to compare.", frame=pd.DataFrame())
    rows, listed = [], []
    for (choice, kept), found in _grouped(compared).items():
        row = {"Choice": choice, "Kept, %": percent(kept), "Cells": len(found)}
        for what, intervals in _beside(found).items():
            row |= {
                f"Better than {what} in": sum(interval.sign == 1 for interval in intervals),
                f"Worse than {what} in": sum(interval.sign == -1 for interval in intervals),
                f"Median difference to {what}, points": percent(np.median([i.effect for i in intervals])),
            }
        closed = [one.closed for one in found if np.isfinite(one.closed)]
        row["Median of the gap closed, %"] = percent(np.median(closed)) if closed else np.nan
        row["Class balance moved by, median points"] = percent(np.median([one.moved for one in found]))
        rows.append(row)
        if kept == fraction:
            random = [one.random for one in found]
            better, worse = (sum(interval.sign == sign for interval in random) for sign in (1, -1))
            listed.append(
                (
                    choice,
                    f"clearly better in {out_of(better, len(found), 'cell')} and clearly worse in {worse}; the median "
                    f"difference is {claim.shown(np.median([interval.effect for interval in random]))}.",
                )
            )
    said = f"At the share {fraction:g}, each filter beside a random choice of as many labels:"
    return Part(pd.DataFrame(rows), f"{_purer(compared, fraction)}{said}", tuple(listed), _points_beside(compared))


def _beside(found: list[_Compared]) -> dict[str, list[Interval]]:
    """What filters are compared with -> the intervals."""
    return {"all labels": [one.all_labels for one in found], "a random choice": [one.random for one in found]}


def _points_beside(compared: list[_Compared]) -> pd.DataFrame:
    """For the chart: a row a filter, kept share, corpus, annotator and what it is compared with."""
    return pd.DataFrame(
        [
            {
                "corpus": one.corpus,
                "annotator": one.annotator,
                "choice": one.choice,
                "kept": one.kept,
                "beside": what,
                "difference": interval.effect,
                "low": interval.low,
                "high": interval.high,
            }
            for what, intervals in _beside(compared).items()
            for one, interval in zip(compared, intervals, strict=True)
        ]
    )


def _purer(compared: list[_Compared], fraction: float) -> str:
    """What the filter by entropy is for, and what it does: labels right more often, and a student that is worse."""
    kept = [one for one in compared if one.choice == _CHOICES["entropy"] and one.kept == fraction]
    purer = [one for one in kept if one.purer]
    worse = [one for one in purer if one.all_labels.sign == -1]
    if not purer:
        return ""
    said = (
        f"At the kept share {fraction:g}, the labels of lowest entropy are right more often than all in "
        f"{out_of(len(purer), len(kept), 'cell')}, and in {len(worse)} of these the student is clearly worse all the "
        "same"
    )
    moved = f"{percent(np.median([one.moved for one in worse]))}" if worse else ""
    return f"{said}; there the balance of the classes moved by {moved} points in the median. " if worse else f"{said}. "


def _grouped(compared: list[_Compared]) -> dict[tuple[str, float], list[_Compared]]:
    found: dict[tuple[str, float], list[_Compared]] = {}
    for one in compared:
        found.setdefault((one.choice, one.kept), []).append(one)
    return found


def _balance(one: CorpusResults, before: Students, after: Students) -> str:
    """Share of each class among all labels and among the kept, in whole percent."""
    shares = [students.targets.targets.mean(axis=0) for students in (before, after)]
    return ", ".join(
        f"{label} {100 * first:.0f} → {100 * then:.0f}"
        for label, first, then in zip(one.corpus.labels, *shares, strict=True)
    )


def _choice(method: str) -> str:
    return _CHOICES.get(method, method.replace("_", " "))


def _point(one: CorpusResults, annotator: str, kept: float, choice: str, students: Students) -> dict:
    return {
        "corpus": one.name,
        "annotator": annotator,
        "kept": kept,
        "choice": choice,
        "n": len(students.targets.rows),
        "accuracy": students.accuracy,
        "label_accuracy": one.label_accuracy(students),
    }


def _shift(kept: Students, everything: Students) -> float:
    """Total variation distance between the class shares of the two sets of labels, 0 to 1."""
    shares = [students.targets.targets.mean(axis=0) for students in (kept, everything)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)
