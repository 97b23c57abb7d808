"""What annotators share, and what joining their labels gives: two parts of the page on ensembling."""

from itertools import combinations

import numpy as np
import pandas as pd

from helpers.findings._recovery import recovery, shown
from helpers.findings.finding import Part, Tally, bounds, minus, out_of, percent
from helpers.findings.results import Results, paired
from helpers.labels import LabelSource, annotator_of, llm_calls
from helpers.measures.agreement import (
    any_right,
    best_rule,
    effective_voters,
    error_correlation,
    independent_vote,
    mean_correlation,
    vote_right,
)
from helpers.measures.intervals import Interval, paired_bootstrap, paired_difference
from helpers.studies import Cell

_CORRELATION_DECIMALS = 2


def name_of(source: LabelSource) -> str:
    """What a reader sees for a source that joins several tables: `vote of all 3`, `mean of 4 wordings, NAME`."""
    who = list(dict.fromkeys(map(annotator_of, source.annotators)))
    what = f"all {len(who)}" if len(who) > 1 else f"{len(source.annotators)} wordings, {who[0]}"
    return f"{source.method.replace('_', ' ')} of {what}"


def shared_mistakes(results: Results, seed: int) -> Part:
    """How far the annotators err on the same test texts, and what their vote could give at best."""
    if len(results.annotators) < 2:
        return Part(pd.DataFrame(), "One annotator has nobody to share its mistakes with.")
    rows, short, pairs = [], [], []
    for one in results.corpora.values():
        said = np.stack([one.annotated(name)[1] for name in results.annotators])
        known = (said >= 0).all(axis=0)
        if not known.any():
            continue
        said, gold = said[:, known], one.gold[known]
        correlation = mean_correlation(said, gold)
        right = vote_right(said, gold, n_classes=one.n_classes).mean()
        alone = (said == gold).mean(axis=1)
        independent = independent_vote(said, gold, n_classes=one.n_classes)
        short.append(independent - right)
        row = {"Corpus": one.name, "Annotators": f"all {len(said)}"}
        row |= _correlation(said, gold, results.rng(one.name, "all", seed))
        rows.append(
            row
            | {
                "Worth so many independent voters": round(effective_voters(len(said), correlation), 1),
                "Best one alone, %": percent(alone.max()),
                "Vote, %": percent(right),
                "Vote, if they erred apart within classes, %": percent(independent),
                "Best rule in hindsight, %": percent(best_rule(said, gold)),
                "At least one is right, %": percent(any_right(said, gold)),
            }
        )
        for a, b in combinations(range(len(said)), 2):
            two = said[[a, b]]
            names = f"{results.annotators[a]}, {results.annotators[b]}"
            found = _correlation(two, gold, results.rng(one.name, names, seed))
            pairs.append(error_correlation(two, gold)[0, 1])
            rows.append({"Corpus": one.name, "Annotators": names} | found)
    if not rows:
        return Part(pd.DataFrame(), "There is no test text that all annotators labelled.")
    known = [rho for rho in pairs if np.isfinite(rho)]
    said = []
    if known:
        low, median, high = (minus(f"{rho:.2f}") for rho in (min(known), np.median(known), max(known)))
        said.append(f"The mistakes of two annotators correlate by {median} in the median, from {low} to {high}.")
    said.append(
        f"A vote is right less often than if the annotators erred apart within each class in "
        f"{out_of(sum(lost > 0 for lost in short), len(short), 'corpus', 'corpora')}; it falls short of that by "
        f"{minus(f'{percent(np.median(short))}')} points in the median."
    )
    return Part(pd.DataFrame(rows), " ".join(said))


def _correlation(said: np.ndarray, gold: np.ndarray, rng: np.random.Generator) -> dict:
    def correlation(*columns):
        return mean_correlation(np.stack(columns[:-1]), columns[-1])

    interval = paired_bootstrap(correlation, *said, gold, rng=rng, n_boot=500)
    has_bounds = interval.low <= interval.high
    return {
        "Correlation of mistakes": round(interval.effect, _CORRELATION_DECIMALS),
        "95 % interval": minus(f"{interval.low:.2f} to {interval.high:.2f}") if has_bounds else "none",
    }


def labels_together(tally: Tally, seed: int) -> Part:
    """Students of joined labels beside those of one annotator, at the same texts and at the same number of calls."""
    results, claim = tally.results, tally.claim
    study = results.study
    rows, intervals, equal = [], [], []
    for one in results.corpora.values():
        for source in study.ensembles:
            cell = Cell(source, study.ensembling.size)
            if cell not in one.cells or not {*map(annotator_of, source.annotators)} & {*results.annotators}:
                continue
            strongest = one.strongest(
                [name for name in results.annotators if name in map(annotator_of, source.annotators)]
            )
            students = one.cells[cell]
            row = {
                "Corpus": one.name,
                "Labels": name_of(source),
                "Texts": len(students.targets.rows),
                "Labels right, %": percent(one.label_accuracy(students)),
                "Its student, %": percent(students.accuracy),
                "LLM calls": llm_calls(source, cell.n),
            }
            rng = results.rng(one.name, name_of(source), seed)
            if cell.n in study.sizes_of(one.name):
                mine, alone, gold = paired(students, one.students(strongest, cell.n), one.students(None, cell.n))
                interval = paired_difference(mine.correct, alone.correct, rng=rng)
                gap = paired_difference(gold.correct, alone.correct, rng=rng)
                intervals.append(interval)
                if source.annotators != tuple(study.annotator_names):
                    variant = name_of(source).partition(",")[0]
                    tally.judge(one.name, strongest, interval, 2 * mine.seeds, variant=variant)
                row |= {
                    "Beside": strongest,
                    "Minus its student of as many texts, points": percent(interval.effect),
                    "95 % interval": bounds(claim, interval),
                    **shown(recovery(mine.correct, alone, gold, gap, rng=rng)),
                }
            # As many calls put to one annotator buy more texts, where the study has students of so many.
            if affordable := study.affordable(one.name, source):
                mine, more = paired(students, one.students(strongest, affordable))
                interval = paired_difference(mine.correct, more.correct, rng=rng)
                equal.append(interval)
                row |= {
                    "As many calls buy of it, texts": affordable,
                    "Minus its student of those, points": percent(interval.effect),
                    "95 % interval, equal calls": bounds(claim, interval),
                }
            rows.append(row)
    if not rows:
        return Part(
            pd.DataFrame(),
            f"Study {study.name} joins no labels: give it `ensembling`, and two annotators or `wordings`.",
        )
    said = []
    if intervals:
        said.append(
            f"Beside a student of the strongest annotator, a student of joined labels is {_counted(intervals)}."
        )
    if equal:
        said.append(
            f"Beside one for as many LLM calls, which buy more texts of the strongest, it is {_counted(equal)}."
        )
    sentence = " ".join(said) or "The study has no students of one annotator to compare with."
    return Part(pd.DataFrame(rows), sentence)


def _counted(intervals: list[Interval]) -> str:
    signs = [interval.sign for interval in intervals]
    return f"clearly better in {out_of(signs.count(1), len(signs), 'row')} and clearly worse in {signs.count(-1)}"
