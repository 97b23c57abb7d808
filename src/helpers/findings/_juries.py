"""What annotators share, and what joining their labels gives: two parts of the page on ensembling."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from helpers.findings._choices import choice_of
from helpers.findings._recovery import recovery, shown
from helpers.findings.finding import Part, Tally, bounds, minus, out_of, percent, span, with_counts
from helpers.findings.results import CorpusResults, Results, paired
from helpers.labels import LabelSource, annotator_of, llm_calls
from helpers.measures.agreement import (
    MOST_PATTERNS,
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
    return f"{choice_of(source.method)} of {_named(source.annotators)}"


def shared_mistakes(results: Results, seed: int) -> Part:
    """How far voters err on the same texts, and what their vote could give at best.

    Annotators are looked at on the test texts. The wordings that one annotator was asked in are looked at on the texts
    of the training pool that were put in all of them, as only these were.
    """
    rows, short, pairs, same = [], [], [], []
    for one in results.corpora.values():
        for names in _juries(results, one):
            said, gold = _answers(one, names)
            if not len(gold):
                continue
            found = _vote(one, names, said, gold, results.rng(one.name, _named(names), seed))
            rows.append(found)
            if len({*map(annotator_of, names)}) == 1:
                same.append(found)
                continue
            short.append(_apart(one, said, gold) - _right(one, said, gold))
            for a, b in combinations(range(len(said)), 2):
                two = said[[a, b]]
                pair = f"{names[a]}, {names[b]}"
                correlation = _correlation(two, gold, results.rng(one.name, pair, seed))
                pairs.append(error_correlation(two, gold)[0, 1])
                rows.append({"Corpus": one.name, "Annotators": pair, "Texts": len(gold)} | correlation)
    if not rows:
        return Part(
            pd.DataFrame(),
            "One annotator has nobody to share its mistakes with."
            if len(results.annotators) < 2
            else "There is no test text that all annotators labelled.",
        )
    said = []
    if known := [rho for rho in pairs if np.isfinite(rho)]:
        low, median, high = (minus(f"{rho:.2f}") for rho in (min(known), np.median(known), max(known)))
        said.append(f"The mistakes of two annotators correlate by {median} in the median, from {low} to {high}.")
    if known := [found for found in same if np.isfinite(found["Correlation of mistakes"])]:
        correlation, worth = (
            np.median([found[column] for found in known])
            for column in ("Correlation of mistakes", "Worth so many independent voters")
        )
        said.append(
            f"The mistakes of one annotator in {len(results.study.wordings) + 1} wordings correlate by "
            f"{minus(f'{correlation:.2f}')} in the median, so that all of these are worth {worth:.1f} voters with "
            "unrelated mistakes."
        )
    if short := [lost for lost in short if np.isfinite(lost)]:
        said.append(
            f"A vote of annotators is right less often than if they erred independently within each class in "
            f"{out_of(sum(lost > 0 for lost in short), len(short), 'corpus', 'corpora')}; it falls short of that by "
            f"{minus(f'{percent(np.median(short))}')} points in the median."
        )
    return Part(pd.DataFrame(rows), " ".join(said))


def _juries(results: Results, one: CorpusResults) -> list[list[str]]:
    """Tables whose labels can be put to a vote: the annotators', and all wordings of each of them."""
    wordings = [[name, *results.study.further_tables(name)] for name in results.annotators]
    juries = [list(results.annotators), *wordings]
    return [names for names in juries if len(names) > 1 and {*names} <= {*one.annotator_probs}]


def _named(names: Sequence[str]) -> str:
    """A jury as a reader sees it."""
    who = {*map(annotator_of, names)}
    return f"all {len(names)}" if len(who) > 1 else f"{len(names)} wordings, {names[0]}"


def _answers(one: CorpusResults, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Classes that all of them gave, int (voters, texts), and gold, int (texts,), of the texts that have both."""
    places = one.corpus.test if len({*map(annotator_of, names)}) > 1 else one.corpus.pool
    said = np.stack([one.said(name)[places] for name in names])
    gold = one.corpus.gold[places]
    known = (said >= 0).all(axis=0) & (gold >= 0)
    return said[:, known], gold[known]


def _right(one: CorpusResults, said: np.ndarray, gold: np.ndarray) -> float:
    return float(vote_right(said, gold, n_classes=one.n_classes).mean())


def _apart(one: CorpusResults, said: np.ndarray, gold: np.ndarray) -> float:
    """`independent_vote`; nan where it has too many patterns of answers to go through."""
    if one.n_classes ** len(said) > MOST_PATTERNS:
        return np.nan
    return independent_vote(said, gold, n_classes=one.n_classes)


def _vote(one: CorpusResults, names: list[str], said: np.ndarray, gold: np.ndarray, rng: np.random.Generator) -> dict:
    """A row of the table: how the voters' mistakes go together, and what a vote gives."""
    correlation = mean_correlation(said, gold)
    return (
        {"Corpus": one.name, "Annotators": _named(names), "Texts": len(gold)}
        | _correlation(said, gold, rng)
        | {
            "Worth so many independent voters": round(effective_voters(len(said), correlation), 1),
            "Best one alone, %": percent((said == gold).mean(axis=1).max()),
            "Vote, ties at random, %": percent(_right(one, said, gold)),
            "Vote, if they erred independently within classes, %": percent(_apart(one, said, gold)),
            "Best rule in hindsight, %": percent(best_rule(said, gold)),
            "At least one is right, %": percent(any_right(said, gold)),
        }
    )


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
    """Students of joined labels beside those of one annotator, from the same texts and for no more calls.

    A study has students of some numbers of texts, and the largest that the calls of the jury pay for may take far fewer
    than these: then the joined labels have the larger budget. The table has the calls of both.

    Agreement leaves some of the texts out; the column "Texts" has how many stay. A row is a variant of the verdict on
    the strongest of its annotators: beside a weaker one, joined labels are better by those of a stronger. Where the
    strongest was not chosen, the row stands beside the strongest of those that were, and is not judged.
    """
    results, claim = tally.results, tally.claim
    study = results.study
    rows = []
    same_texts, no_more_calls, spent = ({"annotators": [], "wordings": []} for _ in range(3))
    for one in results.corpora.values():
        for source in study.ensembles:
            cell = Cell(source, study.ensembling.size)
            if cell not in one.cells or not source.who & {*results.annotators}:
                continue
            members = [name for name in study.annotator_names if name in source.who]
            strongest = one.strongest([name for name in results.annotators if name in source.who])
            students = one.cells[cell]
            jury = "annotators" if source.annotators == tuple(study.annotator_names) else "wordings"
            row = {
                "Corpus": one.name,
                "Labels": name_of(source),
                "Texts": len(students.targets.rows),
                "Training labels right, %": percent(one.label_accuracy(students)),
                "Its student, %": percent(students.accuracy),
                "Alpha of its students": round(one.alpha(students), 3),
                "LLM calls": llm_calls(source, cell.n),
            }
            place = one.name, name_of(source), seed
            rng = results.rng(*place)
            if cell.n in study.sizes_of(one.name):
                mine, alone, gold = paired(students, one.students(strongest, cell.n), one.students(None, cell.n))
                interval = paired_difference(mine.correct, alone.correct, rng=rng)
                gap = paired_difference(gold.correct, alone.correct, rng=rng)
                same_texts[jury].append(interval)
                if strongest == one.strongest(members):
                    tally.judge(one.name, strongest, interval, 2 * mine.seeds, variant=_variant(source, jury))
                row |= {
                    "Beside": strongest,
                    "Minus its student of all texts asked about, points": percent(interval.effect),
                    "95 % interval": bounds(claim, interval),
                    **shown(recovery(mine.correct, alone, gold, gap, rng=results.rng(*place))),
                }
            # As many calls buy more texts of one annotator: the most of these that the study has students of.
            if affordable := study.affordable(one.name, source):
                mine, more = paired(students, one.students(strongest, affordable))
                interval = paired_difference(mine.correct, more.correct, rng=rng)
                calls = llm_calls(LabelSource("annotator", (strongest,)), affordable)
                no_more_calls[jury].append(interval)
                spent[jury].append(round(100 * calls / row["LLM calls"]))
                row |= {
                    "More texts for no more calls": affordable,
                    "LLM calls for those": calls,
                    "Minus its student of those, points": percent(interval.effect),
                    "95 % interval, more texts": bounds(claim, interval),
                }
            rows.append(row)
    if not rows:
        return Part(
            pd.DataFrame(),
            f"Study {study.name} joins no labels: give it `ensembling`, and two annotators or `wordings`.",
        )
    strongest = "strongest" if len(results.annotators) == len(study.annotator_names) else "strongest chosen"
    pairs = {
        "annotators": f"A student of all annotators' labels, beside one of the {strongest} annotator's",
        "wordings": "A student of all wordings' labels, beside one of a single wording's",
    }
    said = []
    for jury, pair in pairs.items():
        less = f" ({span(spent[jury])} % of those of the joined labels)" if spent[jury] else ""
        found = {
            "of labels of the same texts": same_texts[jury],
            f"of more texts for no more calls{less}": no_more_calls[jury],
        }
        if counts := [f"{where} {_counted(intervals)}" for where, intervals in found.items() if intervals]:
            said.append(f"{pair}: {'; '.join(counts)}.")
    sentence = " ".join(said) or "The study has no students of one annotator to compare with."
    return Part(with_counts(rows, "More texts for no more calls", "LLM calls for those"), sentence)


def _variant(source: LabelSource, jury: str) -> str:
    """For example `vote of annotators` or `vote of 4 wordings`."""
    return f"{choice_of(source.method)} of annotators" if jury == "annotators" else name_of(source).partition(",")[0]


def _counted(intervals: list[Interval]) -> str:
    signs = [interval.sign for interval in intervals]
    return f"clearly better in {out_of(signs.count(1), len(signs), 'row')} and clearly worse in {signs.count(-1)}"
