"""Whether a vote over students, or over annotators, is better than one."""

from collections.abc import Callable
from copy import deepcopy

import numpy as np

from helpers.findings._choices import choice_of
from helpers.findings._juries import labels_together, name_of, shared_mistakes
from helpers.findings._recovery import recovery, shown
from helpers.findings.claims import claims
from helpers.findings.finding import Finding, Tally, bounds, percent, signed
from helpers.findings.results import CorpusResults, Results, Students, load, paired
from helpers.labels import llm_calls
from helpers.ledger import Ledger
from helpers.measures.agreement import mean_correlation
from helpers.measures.intervals import Interval, bootstrap_of_means, paired_difference
from helpers.studies import Cell, Study


def ensembling(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
) -> Finding:
    """Accuracy of the vote over the seeds of an annotator's students minus the mean accuracy of one of them.

    Every student has one vote; a tie goes to the class of higher mean probability. All seeds make one
    ensemble, so there is one realisation of it: the interval is a bootstrap over the test texts with these
    seeds fixed, and says nothing of another set of seeds.

    The number of labels is the study's `ensembling.size`, or the corpus's largest size. Beside the students'
    vote stand, where the study has them, the students of the annotators' labels taken together, in each way of
    `ensembling.methods`; their variants of the verdict are about one such student against one of each
    annotator. The budget counts LLM calls and trainings. All ensembles are of `seeds` students, even where the
    study has more.

    Parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `labels` ("gold", the annotator, or such as "vote of annotators"), `who` ("one
        student", "vote of students" or "mean of students") and `seed` (-1 for an ensemble): `accuracy`. The part
        "shared mistakes" says how far annotators err on the same texts, "labels together" what students of
        joined labels are worth on the same texts and for the same LLM calls.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("ensembling", results)
    seeds, spec = results.study.seeds, results.study.ensembling
    if seeds < 2:
        return tally.finish("The study has one seed, and a vote takes two students or more: set `seeds: 3`.")
    everybody = tuple(results.study.annotator_names)
    together = [Cell(source, spec.size) for source in results.study.ensembles if source.annotators == everybody]
    for one in results.corpora.values():
        n = results.study.ensembling_size(one.name)
        gold = one.students(None, n).first(seeds)
        tally.frame += _points(one, "gold", gold)
        for annotator in results.annotators:
            students = one.students(annotator, n).first(seeds)
            tally.frame += _points(one, annotator, students)
            place = one.name, annotator, seed
            rng = results.rng(*place)
            interval = _gain(students, rng)
            verdict = tally.judge(one.name, annotator, interval, seeds)
            row = {"Corpus": one.name, "Annotator": annotator}
            row |= _row(one, students, gold, interval, verdict, results.rng(*place))
            row |= {"LLM calls": n, "Trainings": seeds * one.folds} | _more_labels(results, one, annotator, n, rng)
            tally.table.append(row)
            by_mean = _gain(students, rng, together=mean)
            tally.judge(one.name, annotator, by_mean, seeds, variant="mean probability of students")
        for cell in (cell for cell in together if cell in one.cells and cell.n == n and results.annotators):
            students, method = one.cells[cell].first(seeds), cell.source.method
            labels = f"{choice_of(method)} of annotators"
            tally.frame += _points(one, labels, students)
            place = one.name, method, seed
            # The vote of its students is no cell of the claim, so it has no verdict.
            row = {"Corpus": one.name, "Annotator": name_of(cell.source)}
            row |= _row(one, students, gold, _gain(students, results.rng(*place)), "", results.rng(*place))
            tally.table.append(row | {"LLM calls": llm_calls(cell.source, cell.n), "Trainings": seeds * one.folds})
            for annotator in results.annotators:
                mine, alone = paired(students, one.students(annotator, n))
                rng = results.rng(one.name, f"{method} beside {annotator}", seed)
                interval = paired_difference(mine.correct, alone.correct, rng=rng)
                tally.judge(one.name, annotator, interval, 2 * mine.seeds, variant=labels)
    if results.corpora:
        tally.parts["shared mistakes"] = shared_mistakes(results, seed)
        tally.parts["labels together"] = labels_together(tally, seed)
    if not tally.verdicts:
        return tally.finish("The study has no annotators.")
    sizes = sorted({results.study.ensembling_size(name) for name in results.corpora})
    said = (
        f"{seeds} students of {' or '.join(map(str, sizes))} labels vote. That costs as many trainings and no further "
    )
    said += "LLM call."
    if apart := [name for name in results.corpora if spec and spec.size not in results.study.sizes_of(name)]:
        said += (
            f" Labels put together are {spec.size}, of which {', '.join(apart)} has no students of one annotator: add "
            f"{spec.size} to `sizes` to compare them."
        )
    return tally.finish(said)


def vote(probs: np.ndarray) -> np.ndarray:
    """Class with the most votes of the students, (seeds, texts, K) -> int (texts,); ties by mean probability."""
    votes = np.eye(probs.shape[2])[probs.argmax(axis=2)].sum(axis=0)
    # A mean probability is at most 1, less than a vote; halved, it cannot make one up either.
    return (votes + probs.mean(axis=0) / 2).argmax(axis=1)


def mean(probs: np.ndarray) -> np.ndarray:
    """Class of highest mean probability, (seeds, texts, K) -> int (texts,)."""
    return probs.mean(axis=0).argmax(axis=1)


def _gain(
    students: Students, rng: np.random.Generator, *, together: Callable[[np.ndarray], np.ndarray] = vote
) -> Interval:
    """Accuracy of all students together minus the mean accuracy of one of them; over texts, for these very seeds."""
    together = (together(students.probs) == students.gold).astype(float)
    return bootstrap_of_means(np.positive, together - students.correct.mean(axis=0), rng=rng)


def _more_labels(results: Results, one: CorpusResults, annotator: str, n: int, rng: np.random.Generator) -> dict:
    """The vote of students of `n` labels beside one student of more labels, which takes no more training.

    Its labels are at most as many as those of all voters are, counted once for each; they cost more LLM calls.
    """
    seeds = results.study.seeds
    most = results.study.larger(one.name, n, seeds * n)
    if most is None:
        return {}
    students = one.students(annotator, n).first(seeds)
    alone = one.students(annotator, most)
    together = (vote(students.probs) == students.gold).astype(float)
    interval = paired_difference(together, alone.correct, rng=rng)
    return {
        "More labels": f"{most}",  # joined labels have none, and a number beside a blank would get a decimal
        "Vote minus one student of those, points": percent(interval.effect),
        "95 % interval, more labels": signed(interval) or "none",
    }


def _row(
    one: CorpusResults,
    students: Students,
    gold: Students,
    interval: Interval,
    verdict: str,
    rng: np.random.Generator,
) -> dict:
    together = (vote(students.probs) == one.gold).astype(float)
    gap = paired_difference(gold.correct, students.correct, rng=deepcopy(rng))
    return {
        "Verdict": verdict,
        "Vote minus one, points": percent(interval.effect),
        "95 % interval": bounds(claims()["ensembling"], interval),
        "One student, %": percent(students.accuracy),
        "Vote of students, %": percent(together.mean()),
        "By their mean probability, %": percent((mean(students.probs) == one.gold).mean()),
        "One gold student, %": percent(gold.accuracy),
        "Vote of gold students, %": percent((vote(gold.probs) == one.gold).mean()),
        **shown(recovery(together, students, gold, gap, rng=rng)),
        "Training labels right, %": percent(one.label_accuracy(students)),
        "Correlation of the students' mistakes": round(mean_correlation(students.pred, students.gold), 2),
    }


def _points(one: CorpusResults, labels: str, students: Students) -> list[dict]:
    rows = [("one student", i, accuracy) for i, accuracy in enumerate(students.correct.mean(axis=1))]
    rows.append(("vote of students", -1, (vote(students.probs) == one.gold).mean()))
    rows.append(("mean of students", -1, (mean(students.probs) == one.gold).mean()))
    return [
        {"corpus": one.name, "labels": labels, "who": who, "seed": seed, "accuracy": float(accuracy)}
        for who, seed, accuracy in rows
    ]
