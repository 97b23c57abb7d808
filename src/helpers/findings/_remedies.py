"""All remedies side by side: what each gains over the labels as they are, and what it costs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.findings._choices import choice_of
from helpers.findings._recovery import recovery, shown
from helpers.findings._votes import mean, vote, votes_by_seed
from helpers.findings.finding import (
    VERDICT_COLUMNS,
    Finding,
    Part,
    answered,
    minus,
    out_of,
    percent,
    signed,
    verdict_row,
)
from helpers.findings.results import GOLD, CorpusResults, Results, load
from helpers.findings.rules import rules
from helpers.labels import NEED_GOLD, NEED_PROBABILITIES, llm_calls
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval, paired_difference
from helpers.studies import Cell, Study


@dataclass(frozen=True)
class _Remedy:
    """A remedy for the labels of one annotator.

    Attributes
    ----------
    correct
        Whether the predictions are gold, float (seeds, texts), of a vote as `votes_by_seed` has it.
    n
        Number of the annotator's labels whose students it stands beside.
    calls, gold, trainings
        What it costs: texts put to an LLM, gold labels, and students trained for one prediction.
    """

    name: str
    kind: str
    correct: np.ndarray
    n: int
    calls: int
    gold: int = 0
    trainings: int = 1


@dataclass(frozen=True)
class _Judged:
    """A remedy on one corpus and annotator: what it gains, and the share of the gap to gold that it closes."""

    corpus: str
    annotator: str
    remedy: _Remedy
    gain: Interval
    closed: Interval
    answer: str
    n_runs: int


def remedies(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
    fraction: float = 0.5,
) -> Finding:
    """Accuracy of the students of a remedy minus that of the students of as many of the annotator's labels.

    Remedies are the study's filters at one kept share, its joined labels (of all annotators, beside the strongest one
    alone; of one annotator's wordings, beside its labels in the study's own), votes of students, corrections, and what
    the same effort could go into instead: more labels of the annotator, or the gold labels that corrections spend,
    alone. What looks at gold for every text is none.

    Parameters
    ----------
    fraction
        Share of the labels that filters keep. Of a study that does not filter at that share, none is shown.

    The other parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a `remedy` (of a `kind`), corpus and annotator: `gain`, with the bounds `low` and `high` of
        its 95 % interval. In `verdicts` the effect is the same, and the remedy the variant. The table has a row a
        remedy, the largest median gain first; the part "cells" has a row a remedy, corpus and annotator.

    Raises
    ------
    UserError
        If a name is unknown, `fraction` is no share, or runs are not in the ledger.
    """
    if not 0 < fraction < 1:
        raise UserError(f"fraction = {fraction:g}, but filters keep a share between 0 and 1")
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    judged = [
        _judge(results, one, annotator, remedy, seed)
        for one in results.corpora.values()
        for annotator in results.annotators
        for remedy in _tried(results, one, annotator, fraction)
    ]
    ranked = _ranked(judged)
    verdicts = [
        verdict_row("remedies", one.corpus, one.annotator, one.gain, one.answer, one.n_runs, variant=one.remedy.name)
        for one in judged
    ]
    verdicts = pd.DataFrame(verdicts, columns=VERDICT_COLUMNS)
    cells = pd.DataFrame([_cell(one) for found in ranked for one in found])
    return Finding(
        "remedies",
        pd.DataFrame([_point(one) for found in ranked for one in found]),
        pd.DataFrame([_row(found) for found in ranked]),
        verdicts,
        _summary(results, verdicts, ranked),
        results.provenance,
        parts={"cells": Part(cells, "" if judged else "There is nothing to compare.")},
    )


def _tried(results: Results, one: CorpusResults, annotator: str, fraction: float) -> Iterator[_Remedy]:
    """The remedies that the study has students of, for one annotator's labels."""
    study = results.study
    silent = NEED_PROBABILITIES if one.hard(annotator) else set()
    if study.filtering and fraction in study.filtering.fractions:
        for method in (name for name in study.filtering.methods if name not in NEED_GOLD | silent):
            source = study.filtered(method, annotator, fraction)
            name = f"{choice_of(method)}, {100 * fraction:g} %"
            yield from _of_cell(one, name, "filter", Cell(source, study.filtering.size))
    if study.correction:
        for method in (name for name in study.correction.methods if name not in silent):
            cell = study.corrected(method, annotator)
            name = choice_of(method) + (f" ({cell.source.gold} gold)" if cell.source.gold else "")
            yield from _of_cell(one, name, "correction", cell)
        spent = Cell(GOLD, study.correction.gold)
        yield from _of_cell(one, f"{spent.n} gold alone", "instead", spent, n=study.correction.size)
    for source in study.ensembles:
        everybody = source.annotators == tuple(study.annotator_names)
        beside = one.strongest(results.annotators) if everybody else source.annotators[0]
        if beside == annotator and study.ensembling.size in study.sizes_of(one.name):
            whose = "annotators" if everybody else f"{len(source.annotators)} wordings"
            name = f"{choice_of(source.method)} of {whose}"
            yield from _of_cell(one, name, "joined labels", Cell(source, study.ensembling.size))
    n = study.ensembling_size(one.name)
    students, voters = one.students(annotator, n), study.seeds
    if min(voters, students.seeds) > 2:  # without one of two there is no vote
        for together, name in ((vote, "vote"), (mean, "mean")):
            correct = votes_by_seed(students, voters, together=together)
            yield _Remedy(f"{name} of {voters} students", "students", correct, n, n, trainings=voters)
    if (most := study.sizes_of(one.name)[-1]) > n:
        yield _Remedy("all its labels", "instead", one.students(annotator, most).correct, n, most)


def _of_cell(one: CorpusResults, name: str, kind: str, cell: Cell, *, n: int | None = None) -> Iterator[_Remedy]:
    """The remedy that the students of a cell are, if there are any."""
    if cell in one.cells:
        gold = cell.n if cell.source == GOLD else cell.source.gold
        yield _Remedy(name, kind, one.cells[cell].correct, n or cell.n, llm_calls(cell.source, cell.n), gold)


def _judge(results: Results, one: CorpusResults, annotator: str, remedy: _Remedy, seed: int) -> _Judged:
    plain, gold = one.students(annotator, remedy.n), one.students(None, remedy.n)
    seeds = min(len(remedy.correct), plain.seeds, gold.seeds)
    plain, gold, correct = plain.first(seeds), gold.first(seeds), remedy.correct[:seeds]
    place = one.name, f"{annotator}, {remedy.name}", seed
    gain = paired_difference(correct, plain.correct, rng=results.rng(*place))
    gap = paired_difference(gold.correct, plain.correct, rng=results.rng(one.name, annotator, seed))
    closed = recovery(correct, plain, gold, gap, rng=results.rng(*place))
    won, lost, nothing = rules()["remedies"].advice
    answer = {1: won, -1: lost, 0: nothing}[gain.sign]
    sides = 1 if remedy.trainings > 1 else 2  # the students that vote are those that the vote stands beside
    return _Judged(one.name, annotator, remedy, gain, closed, answer, sides * seeds * one.folds)


def _ranked(judged: list[_Judged]) -> list[list[_Judged]]:
    """What was judged, by remedy: the largest median gain first, and of equal ones the cheaper."""
    found: dict[str, list[_Judged]] = {}
    for one in judged:
        found.setdefault(one.remedy.name, []).append(one)

    def place(group: list[_Judged]) -> tuple[float, int, int]:
        return -_median(group), max(one.remedy.gold for one in group), max(one.remedy.calls for one in group)

    return sorted(found.values(), key=place)


def _median(found: list[_Judged]) -> float:
    return float(np.median([one.gain.effect for one in found]))


def _row(found: list[_Judged]) -> dict:
    """One remedy over all corpora and annotators."""
    remedy, signs = found[0].remedy, [one.gain.sign for one in found]
    closed = [one.closed.effect for one in found if np.isfinite(one.closed.effect)]
    per_label = [one.remedy.calls / one.remedy.n for one in found]
    return {
        "Remedy": remedy.name,
        "Kind": remedy.kind,
        "Cells": len(found),
        "Clearly better in": signs.count(1),
        "Clearly worse in": signs.count(-1),
        "Median gain, points": percent(_median(found)),
        "Least gain, points": percent(min(one.gain.effect for one in found)),
        "Largest gain, points": percent(max(one.gain.effect for one in found)),
        "Median of the gap closed, %": percent(np.median(closed)) if closed else np.nan,
        "LLM calls a label, median": round(float(np.median(per_label)), 1),
        "Gold labels": remedy.gold,
        "Trainings": remedy.trainings,
    }


def _cell(one: _Judged) -> dict:
    return {
        "Corpus": one.corpus,
        "Annotator": one.annotator,
        "Remedy": one.remedy.name,
        "Answer": one.answer,
        "Gain, points": percent(one.gain.effect),
        "95 % interval": signed(one.gain) or "none",
        **shown(one.closed),
        "Beside so many labels": one.remedy.n,
        "LLM calls": one.remedy.calls,
    }


def _point(one: _Judged) -> dict:
    return {
        "remedy": one.remedy.name,
        "kind": one.remedy.kind,
        "corpus": one.corpus,
        "annotator": one.annotator,
        "gain": one.gain.effect,
        "low": one.gain.low,
        "high": one.gain.high,
    }


def _summary(results: Results, verdicts: pd.DataFrame, ranked: list[list[_Judged]]) -> str:
    if not results.corpora:
        return f"Left out, because not every text has a gold label: {', '.join(results.without_gold)}."
    if not results.annotators:
        return "The study has no annotators."
    if not ranked:
        return "The study tries no remedy: give it `filtering`, `ensembling` or `correction`."
    said = [
        f"{answered(rules()['remedies'].question, verdicts, list(rules()['remedies'].advice))} (a cell is a remedy on "
        "a corpus and an annotator)."
    ]
    free = [found for found in ranked if not found[0].remedy.gold]
    spending = [found for found in ranked if found[0].remedy.gold]
    for which, group in (("without gold", free), ("that spend gold", spending)):
        if group:
            said.append(f"Of those {which}, {group[0][0].remedy.name} gains most in the median: {_counted(group[0])}.")
    never = sum(not any(one.gain.sign == 1 for one in found) for found in ranked)
    said.append(f"Clearly better nowhere: {out_of(never, len(ranked), 'remedy', 'remedies')}.")
    if without := results.without_gold:
        said.append(f"Left out, because not every text has a gold label: {', '.join(without)}.")
    return " ".join(said)


def _counted(found: list[_Judged]) -> str:
    signs = [one.gain.sign for one in found]
    median = minus(f"{percent(_median(found)):+.1f}")
    return (
        f"{median} points, clearly better in {out_of(signs.count(1), len(signs), 'cell')} and clearly worse in "
        f"{signs.count(-1)}"
    )
