"""Whether to train on an annotator's labels: the advice that a study's runs support, and what it costs to follow."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.findings._choices import choice_of
from helpers.findings._curves import Worth, curve, number, worth
from helpers.findings._recovery import recovery, shown
from helpers.findings._votes import votes_by_seed
from helpers.findings.finding import (
    VERDICT_COLUMNS,
    Finding,
    counted,
    minus,
    out_of,
    percent,
    signed,
    unsigned,
    verdict_row,
)
from helpers.findings.results import GOLD, CorpusResults, Results, Students, load
from helpers.findings.rules import rules
from helpers.labels import NEED_GOLD
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval, paired_difference
from helpers.measures.prevalence import labels_for_precision, wilson
from helpers.studies import Cell, Study

#: Label sources that nobody can use as a remedy: the labels as they are, and what needs all the gold. Labels of other
#: annotators are no remedy of this one's either: whether they should be joined, or replace it, `ensembling` shows.
_NO_REMEDY = {"annotator", *NEED_GOLD}
_NONE = Interval(np.nan)


@dataclass(frozen=True)
class _Remedy:
    """A remedy that clearly helps: its name, and correctness on the test texts, float (seeds, texts).

    There is one vote of all seeds, which has no row for each: its rows are the jackknife's, see `votes_by_seed`.
    """

    name: str
    correct: np.ndarray


def decision(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
    k: int = 300,
    tolerance: float = 0.02,
    precision: float = 0.02,
) -> Finding:
    """For every corpus and annotator: train on its labels or not, with which remedy, at which expected loss.

    The rules are in `notebooks/decisions.yml`. They need no more than the study's runs: students of gold and of the
    annotator's labels, and those of every remedy, with all labels or with as many as the study tries it on.

    Parameters
    ----------
    k
        Gold labels that the reader could make instead. As many, drawn from the training pool, estimate the
        annotator's accuracy; corrections that spend more are no remedies.
    tolerance
        Accuracy whose loss counts as none, 0 to 1.
    precision
        How closely the annotator's accuracy is to be known, 0 to 1: the table says how many gold labels that takes.

    The other parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `annotator` and `students` ("of its labels" or "with the remedy"): `remedy`,
        `loss` against the gold students, with its bounds `low` and `high`. In `verdicts`, the advice is the verdict
        and the loss, with the remedy if there is one, the effect.

    Raises
    ------
    UserError
        If a name is unknown, a parameter is out of range, or runs are not in the ledger.
    """
    if k < 1 or not 0 <= tolerance < 1 or not 0 < precision < 1:
        raise UserError(
            f"k = {k}, tolerance = {tolerance:g} and precision = {precision:g}: k counts labels and must be 1 or more, "
            "the others are shares between 0 and 1"
        )
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger, gold=False)
    frame, table, verdicts, remedies = [], [], [], []
    tested = [one for one in results.corpora.values() if (one.gold >= 0).all()]
    for one in tested:
        n = results.study.sizes_of(one.name)[-1]
        gold = one.cells.get(Cell(GOLD, n))
        sample = one.gold_sample(k, results.rng(one.name, "gold sample", seed))
        for annotator in results.annotators:
            rng = results.rng(one.name, annotator, seed)
            plain = one.students(annotator, n)
            loss = _difference(gold.correct, plain.correct, rng) if gold else _NONE
            remedy = _remedy(plain, _mended_cells(one, annotator, n, k), n, results.study.seeds, rng)
            best = remedy.correct if remedy else plain.correct
            mended = _difference(gold.correct, best, rng) if gold and remedy else loss
            # By the draws of the page on the plateau: without a remedy, both say the same.
            again = results.rng(one.name, f"{annotator} worth", seed)
            in_gold = _worth(one, results.study.sizes_of(one.name), best, again)
            advice = _advise(loss, mended, in_gold, k=k, tolerance=tolerance)
            closed = _NONE
            if gold and remedy:
                seeds = _common_seeds(gold.correct, plain.correct, remedy.correct)
                closed = recovery(remedy.correct[:seeds], plain.first(seeds), gold.first(seeds), loss, rng=rng)
            frame += [
                _point(one, annotator, "of its labels", "", loss),
                *([_point(one, annotator, "with the remedy", remedy.name, mended)] if remedy else []),
            ]
            n_runs = (2 if gold else 1) * (_common_seeds(gold.correct, best) if gold else plain.seeds) * one.folds
            verdicts.append(verdict_row("decision", one.name, annotator, mended, advice, n_runs))
            remedies += [remedy.name] if remedy else []
            right = _accuracy_on(one, annotator, sample)
            table.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    "Advice": advice,
                    "Remedy": remedy.name if remedy else "",
                    "Expected loss, with the remedy if any, points": percent(mended.effect),
                    "95 % interval": signed(mended),
                    **shown(closed),
                    "Number of its labels": n,
                    "Worth, with the remedy if any, gold labels": number(in_gold.at) if in_gold else "",
                    "95 % interval of the worth": in_gold.bounds if in_gold else "",
                    "Gold labels": len(sample),
                    "Right on them, %": percent(right.effect),
                    "95 % interval of its accuracy": unsigned(right),
                    f"Gold labels to know that to ± {100 * precision:g} points": _needed(right, precision),
                }
            )
    verdicts = pd.DataFrame(verdicts, columns=VERDICT_COLUMNS)
    summary = _summary(results, verdicts, remedies, k=k, tolerance=tolerance)
    return Finding("decision", pd.DataFrame(frame), pd.DataFrame(table), verdicts, summary, results.provenance)


def _remedy(
    plain: Students, cells: list[tuple[Cell, Students]], n: int, voters: int, rng: np.random.Generator
) -> _Remedy | None:
    """Find the remedy that clearly helps and is most accurate; every one that was tried widens the intervals."""
    tried = [_Remedy(_name(cell, n), students.correct) for cell, students in cells]
    if min(voters, plain.seeds) > 2:  # without one of two there is no vote
        voting = plain.first(voters)
        tried.append(_Remedy(f"vote of {voting.seeds} of its students", votes_by_seed(voting, voters)))
    level = 1 - 0.05 / max(len(tried), 1)
    helps = [
        remedy for remedy in tried if _difference(remedy.correct, plain.correct, rng, n_boot=4000, level=level).sign > 0
    ]
    return max(helps, key=lambda remedy: remedy.correct.mean(), default=None)


def _mended_cells(one: CorpusResults, annotator: str, n: int, k: int) -> list[tuple[Cell, Students]]:
    """Students of what can be made of one annotator's labels, at most `n`, with at most `k` gold labels."""

    def possible(cell: Cell) -> bool:
        return cell.n <= n and cell.source.gold <= k and not cell.drawn and cell.source.method not in _NO_REMEDY

    return [(cell, made) for cell, made in one.cells.items() if possible(cell) and {annotator} == cell.source.who]


def _name(cell: Cell, n: int) -> str:
    """What a reader sees for a remedy; its number of labels where these are not all `n`."""
    method, keep, voters = choice_of(cell.source.method), cell.source.keep, len(cell.source.annotators)
    of_fewer = f", of {cell.n} labels" if cell.n < n else ""
    if cell.source.gold:
        return f"{method}, {cell.source.gold} gold labels" + of_fewer
    if keep < 1:
        kept = f"{100 * keep:g} %"
        return (
            f"the {kept} of {method}" if cell.source.method == "entropy" else f"the best {kept} by {method}"
        ) + of_fewer
    return (f"{method} of {voters} wordings" if voters > 1 else method) + of_fewer


def _difference(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, **options) -> Interval:
    """Accuracy of `a` minus that of `b`, float (seeds, texts) each, paired by the seeds that both have."""
    seeds = _common_seeds(a, b)
    return paired_difference(a[:seeds], b[:seeds], rng=rng, **options)


def _common_seeds(*cells: np.ndarray) -> int:
    """Number of seeds that all have."""
    return min(map(len, cells))


def _worth(one: CorpusResults, sizes: list[int], best: np.ndarray, rng: np.random.Generator) -> Worth | None:
    """Gold labels whose students are as accurate; None where the gold curve has too few sizes."""
    known = [n for n in sizes if Cell(GOLD, n) in one.cells]
    return worth(known, curve(one.students(None, n) for n in known), best, rng) if len(known) > 1 else None


def _advise(loss: Interval, mended: Interval, in_gold: Worth | None, *, k: int, tolerance: float) -> str:
    """The first advice of `notebooks/decisions.yml` whose rule holds."""
    low, high = (in_gold.low, in_gold.high) if in_gold else (None, None)
    holds = {
        "train": loss.high < tolerance,
        "train with the remedy": mended.high < tolerance,
        # A censored bound is itself only bounded: "< 250" may be more or less than k = 100.
        "train, at a loss": low is not None and low.flag != "<" and round(low.value) > k,
        "label by hand": high is not None and high.flag != ">" and round(high.value) < k,
        "not clear": True,
    }
    return next(advice for advice in rules()["decision"].advice if holds[advice])


def _accuracy_on(one: CorpusResults, annotator: str, sample: np.ndarray) -> Interval:
    """How often the annotator gives the gold label, of the sample's texts that it labelled."""
    said, gold = one.said(annotator)[sample], one.corpus.gold[sample]
    return wilson(int((said == gold).sum()), int((said >= 0).sum()))


def _needed(right: Interval, precision: float) -> str:
    return "" if np.isnan(right.effect) else f"{labels_for_precision(right.effect, precision)}"


def _point(one: CorpusResults, annotator: str, students: str, remedy: str, loss: Interval) -> dict:
    return {
        "corpus": one.name,
        "annotator": annotator,
        "students": students,
        "remedy": remedy,
        "loss": loss.effect,
        "low": loss.low,
        "high": loss.high,
    }


def _of_fewer_labels(results: Results) -> str:
    """Numbers of labels at which a study tries remedies, where they are not the largest of some corpus."""
    study = results.study
    most = {study.sizes_of(name)[-1] for name in results.corpora}
    tried = {part.size for part in (study.filtering, study.ensembling, study.correction) if part}
    return " and ".join(map(str, sorted(size for size in tried if most - {size})))


def _summary(results: Results, verdicts: pd.DataFrame, remedies: list[str], *, k: int, tolerance: float) -> str:
    untested = [name for name, one in results.corpora.items() if (one.gold < 0).any()]
    cannot = f"Without gold labels to test on nothing can be decided: {', '.join(untested)}." if untested else ""
    if verdicts.empty:
        return cannot or "The study has no annotators."
    said = [
        f"{rules()['decision'].question} All labels of an annotator against {k} gold labels, where a loss of "
        f"{100 * tolerance:g} points is tolerated: {counted(verdicts, list(rules()['decision'].advice))}."
    ]
    known = verdicts.dropna(subset=["effect"])
    if len(known):
        loss = minus(f"{percent(known['effect'].median())}")
        said.append(f"With the remedy, where one helps, the expected loss is {loss} points in the median cell.")
    if remedies:
        most = max(map(remedies.count, remedies))
        often = [name for name in dict.fromkeys(remedies) if remedies.count(name) == most]
        which = f"{'most often this' if len(often) == 1 else 'most often these'}: {'; '.join(often)} (in {most})"
        helps = f"A remedy clearly helps in {out_of(len(remedies), len(verdicts), 'cell')}"
        said.append(f"{helps}, {which}." if most > 1 else f"{helps}, each time another.")
    else:
        said.append("No remedy of the study clearly helps anywhere.")
    if fewer := _of_fewer_labels(results):
        said.append(
            f"Filtered, joined and corrected labels are tried by this study at {fewer} labels, which are not all; they "
            "count as remedies where that beats the students of all labels."
        )
    without = [
        name for name, one in results.corpora.items() if Cell(GOLD, results.study.sizes_of(name)[-1]) not in one.cells
    ]
    if without:
        said.append(f"For want of as many gold labels, the loss is not known of {', '.join(without)}.")
    spent = [f"{len(one.corpus.spent)} of {name}" for name, one in results.corpora.items() if len(one.corpus.spent)]
    if spent:
        said.append(
            f"The annotators were shown gold labels as examples in the prompt, {', '.join(spent)}: the {k} are on top "
            "of these."
        )
    return " ".join([*said, cannot]).strip()
