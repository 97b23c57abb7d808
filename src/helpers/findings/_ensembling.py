"""Whether a vote over students, or over annotators, is better than one."""

from collections.abc import Callable
from copy import deepcopy

import numpy as np

from helpers.findings._choices import choice_of
from helpers.findings._juries import labels_together, name_of, shared_mistakes
from helpers.findings._recovery import beyond_gold, recovery, shown
from helpers.findings._votes import mean, vote, votes_by_seed
from helpers.findings.claims import claims
from helpers.findings.finding import Finding, Tally, bounds, out_of, percent, signed
from helpers.findings.results import CorpusResults, Results, Students, load, paired
from helpers.labels import llm_calls
from helpers.ledger import Ledger
from helpers.measures.agreement import mean_correlation
from helpers.measures.intervals import Interval, paired_difference
from helpers.studies import Cell, Study

#: Below what a difference of shares of some thousand texts can be, and above what summing leaves.
_ROUNDING = 1e-9


def ensembling(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
) -> Finding:
    """Accuracy of a vote over an annotator's students minus the mean accuracy of one of them.

    Every student has one vote; a tie goes to the class of higher mean probability. As many vote as the study has
    `seeds`; where there are more students, the accuracy is a mean over all such votes. The interval is over seeds and
    test texts (`votes_by_seed`). As gold students gain from a vote, too, the gap to gold that it closes is shown twice:
    to one gold student, and with gold students voting as well (`beyond_gold`).

    The number of labels is the study's `ensembling.size`, or the corpus's largest size. Beside the students'
    vote stand, where the study has them, the students of the annotators' labels taken together, in each way of
    `ensembling.methods`; their variants of the verdict are about one such student against one of the strongest
    annotator, and those of an annotator's wordings about one against one of its own wording (`labels_together`). The
    budget counts LLM calls and trainings.

    Parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `labels` ("gold", the annotator, or such as "vote of annotators"), `who` ("one
        student", "vote of students" or "mean of students") and `seed` (-1 for an ensemble): `accuracy`. The part
        "shared mistakes" says how far annotators err on the same texts, "labels together" what students of
        joined labels are worth on the same texts, and beside more texts for no more LLM calls.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("ensembling", results)
    voters, spec = results.study.seeds, results.study.ensembling
    if voters < 2:
        return tally.finish("The study has one seed, and a vote takes two students or more: set `seeds: 3`.")
    beyond: list[Interval] = []
    everybody = tuple(results.study.annotator_names)
    together = [Cell(source, spec.size) for source in results.study.ensembles if source.annotators == everybody]
    for one in results.corpora.values():
        n = results.study.ensembling_size(one.name)
        gold = one.students(None, n)
        tally.frame += _points(one, "gold", gold, voters)
        for annotator in results.annotators:
            students = one.students(annotator, n)
            tally.frame += _points(one, annotator, students, voters)
            place = one.name, annotator, seed
            rng = results.rng(*place)
            interval = _gain(students, voters, rng)
            verdict = tally.judge(one.name, annotator, interval, students.seeds)
            row = {"Corpus": one.name, "Annotator": annotator}
            row |= _row(one, students, gold, voters, interval, verdict, results.rng(*place))
            row |= {"LLM calls": n, "Trainings": voters * one.folds} | _more_labels(results, one, annotator, n, rng)
            tally.table.append(row)
            beyond.append(_beyond_gold(*paired(students, gold), voters, results.rng(*place)))
            by_mean = _gain(students, voters, rng, together=mean)
            tally.judge(one.name, annotator, by_mean, students.seeds, variant="mean probability of students")
        for cell in (cell for cell in together if cell in one.cells and cell.n == n and results.annotators):
            students, method = one.cells[cell], cell.source.method
            labels = f"{choice_of(method)} of annotators"
            tally.frame += _points(one, labels, students, voters)
            place = one.name, method, seed
            # The vote of its students is no cell of the claim, so it has no verdict.
            row = {"Corpus": one.name, "Annotator": name_of(cell.source)}
            row |= _row(
                one, students, gold, voters, _gain(students, voters, results.rng(*place)), "", results.rng(*place)
            )
            tally.table.append(row | {"LLM calls": llm_calls(cell.source, cell.n), "Trainings": voters * one.folds})
    if results.corpora:
        tally.parts["shared mistakes"] = shared_mistakes(results, seed)
        tally.parts["labels together"] = labels_together(tally, seed)
    if not tally.verdicts:
        return tally.finish("The study has no annotators.")
    sizes = sorted({results.study.ensembling_size(name) for name in results.corpora})
    said = (
        f"{voters} students of {' or '.join(map(str, sizes))} labels vote. That costs as many trainings and no further "
        "LLM call. Where there are more students, numbers are means over all such votes. "
        f"{_beside_gold(beyond)}"
    )
    if apart := [name for name in results.corpora if spec and spec.size not in results.study.sizes_of(name)]:
        said += (
            f" Labels put together are {spec.size}, of which {', '.join(apart)} has no students of one annotator: add "
            f"{spec.size} to `sizes` to compare them."
        )
    return tally.finish(said)


def _gain(
    students: Students, voters: int, rng: np.random.Generator, *, together: Callable[[np.ndarray], np.ndarray] = vote
) -> Interval:
    """Accuracy of `voters` students together minus the mean accuracy of one of them, over seeds and texts."""
    return paired_difference(votes_by_seed(students, voters, together=together), students.correct, rng=rng)


def _beyond_gold(students: Students, gold: Students, voters: int, rng: np.random.Generator) -> Interval:
    """What a vote adds to an annotator's students minus what it adds to gold students, of the same seeds."""
    mine = beyond_gold(votes_by_seed(students, voters), votes_by_seed(gold, voters), gold)
    return paired_difference(mine, students.correct, rng=rng)


def _beside_gold(beyond: list[Interval]) -> str:
    """In how many cells gold gains from voting what the annotator's students do; zero is as much."""
    as_much = sum(interval.effect <= _ROUNDING for interval in beyond)
    more, less = (sum(interval.sign == sign for interval in beyond) for sign in (1, -1))
    cells = out_of(as_much, len(beyond), "cell")
    return (
        f"Gold students gain at least as much from such a vote as the annotator's in {cells}; by the interval, the "
        f"annotator's gain clearly more in {more} and clearly less in {less}."
    )


def _more_labels(results: Results, one: CorpusResults, annotator: str, n: int, rng: np.random.Generator) -> dict:
    """The vote of students of `n` labels beside one student of more labels, which takes no more training.

    Its labels are at most as many as those of all voters are, counted once for each; they cost more LLM calls.
    """
    voters = results.study.seeds
    most = results.study.larger(one.name, n, voters * n)
    if most is None:
        return {}
    students, alone = paired(one.students(annotator, n), one.students(annotator, most))
    interval = paired_difference(votes_by_seed(students, voters), alone.correct, rng=rng)
    return {
        "More labels": f"{most}",  # joined labels have none, and a number beside a blank would get a decimal
        "Vote minus one student of those, points": percent(interval.effect),
        "95 % interval, more labels": signed(interval) or "none",
    }


def _row(
    one: CorpusResults,
    students: Students,
    gold: Students,
    voters: int,
    interval: Interval,
    verdict: str,
    rng: np.random.Generator,
) -> dict:
    students, gold = paired(students, gold)
    together = votes_by_seed(students, voters)
    golds = votes_by_seed(gold, voters)
    gap = paired_difference(gold.correct, students.correct, rng=deepcopy(rng))
    # All by the same draws, so that shares have the signs of the differences that they are shares of.
    closed = recovery(together, students, gold, gap, rng=deepcopy(rng))
    beyond = recovery(beyond_gold(together, golds, gold), students, gold, gap, rng=rng)
    return {
        "Verdict": verdict,
        "Vote minus one, points": percent(interval.effect),
        "95 % interval": bounds(claims()["ensembling"], interval),
        "One student, %": percent(students.accuracy),
        "Vote of students, %": percent(together.mean()),
        "By their mean probability, %": percent(votes_by_seed(students, voters, together=mean).mean()),
        "One gold student, %": percent(gold.accuracy),
        "Vote of gold students, %": percent(golds.mean()),
        **shown(closed),
        **shown(beyond, "gold voting too"),
        "Training labels right, %": percent(one.label_accuracy(students)),
        "Correlation of the students' mistakes": round(mean_correlation(students.pred, students.gold), 2),
    }


def _points(one: CorpusResults, labels: str, students: Students, voters: int) -> list[dict]:
    rows = [("one student", i, accuracy) for i, accuracy in enumerate(students.correct.mean(axis=1))]
    rows.append(("vote of students", -1, votes_by_seed(students, voters).mean()))
    rows.append(("mean of students", -1, votes_by_seed(students, voters, together=mean).mean()))
    return [
        {"corpus": one.name, "labels": labels, "who": who, "seed": seed, "accuracy": float(accuracy)}
        for who, seed, accuracy in rows
    ]
