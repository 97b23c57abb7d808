"""The test texts on which students repeat their annotator's mistake, and gold students do not."""

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.findings._inheritance import FEWEST_MISTAKES
from helpers.findings.finding import VERDICT_COLUMNS, Finding, answered, percent, verdict_row
from helpers.findings.results import CorpusResults, Results, load, paired
from helpers.findings.rules import rules
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval, paired_difference
from helpers.studies import Study


def telling(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
    count: int = 3,
) -> Finding:
    """The `count` mistakes of each annotator that its students repeat most and gold students least.

    Ties go to the mistake that the annotator is surest of. Texts are shown where the study allows it
    (`helpers.studies.Study.shows`). The table has rows of these corpora only; where no text may be shown, it has the
    ids of all.

    Parameters are those of `degradation`, and `count`, texts a corpus and annotator.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `annotator`, `students` ("its students" or "gold students") and `repeated`: `share`
        of the annotator's mistakes on the test texts that so large a share of the students makes too. In `verdicts`,
        the effect is the share of mistakes that its students repeat minus that which gold students make.

    Raises
    ------
    UserError
        If a name is unknown, `count` is negative, or runs are not in the ledger.
    """
    if count < 0:
        raise UserError(f"count = {count}: texts are counted from 0")
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    shown = [name for name in results.corpora if results.study.shows(name)]
    frame, table, verdicts = [], [], []
    for one in results.corpora.values():
        n = results.study.sizes_of(one.name)[-1]
        for annotator in results.annotators:
            probs, said = one.annotated(annotator)
            wrong = np.flatnonzero((said >= 0) & (said != one.gold))
            if not len(wrong):
                continue
            cells = paired(one.students(annotator, n), one.students(None, n))
            repeat, by_gold = ((cell.pred[:, wrong] == said[wrong]).astype(float) for cell in cells)
            effect = paired_difference(repeat, by_gold, rng=results.rng(one.name, annotator, seed))
            if len(wrong) < FEWEST_MISTAKES:
                effect = Interval(effect.effect)
            advice = list(rules()["telling"].advice)[0 if effect.sign > 0 else 1]
            n_runs = 2 * cells[0].seeds * one.folds
            verdicts.append(verdict_row("telling", one.name, annotator, effect, advice, n_runs))
            for students, made in (("its students", repeat), ("gold students", by_gold)):
                frame += _histogram(one, annotator, students, made.mean(axis=0), cells[0].seeds)
            if shown and one.name not in shown:
                continue
            sure = np.nan_to_num(probs[wrong].max(axis=1))
            order = np.lexsort((-sure, by_gold.mean(axis=0) - repeat.mean(axis=0)))[:count]
            for i in order:
                text = one.corpus.test[wrong[i]]
                table.append(
                    {
                        "Corpus": one.name,
                        "Id": one.corpus.rows["id"].iloc[text],
                        **({"Text": one.corpus.rows["text"].iloc[text]} if shown else {}),
                        "Gold": one.corpus.labels[one.gold[wrong[i]]],
                        "Annotator": annotator,
                        "It says": one.corpus.labels[said[wrong[i]]],
                        "With probability, %": np.nan if one.hard(annotator) else percent(sure[i]),
                        "Its students that say so, %": percent(repeat[:, i].mean()),
                        "Gold students that say so, %": percent(by_gold[:, i].mean()),
                    }
                )
    verdicts = pd.DataFrame(verdicts, columns=VERDICT_COLUMNS)
    summary = _summary(results, verdicts)
    return Finding("telling", pd.DataFrame(frame), pd.DataFrame(table), verdicts, summary, results.provenance)


def _histogram(one: CorpusResults, annotator: str, students: str, share: np.ndarray, seeds: int) -> list[dict]:
    made = np.bincount(np.round(share * seeds).astype(int), minlength=seeds + 1) / len(share)
    place = {"corpus": one.name, "annotator": annotator, "students": students}
    return [place | {"repeated": i / seeds, "share": float(part)} for i, part in enumerate(made)]


def _summary(results: Results, verdicts: pd.DataFrame) -> str:
    said = []
    if len(verdicts):
        said.append(
            f"{answered(rules()['telling'].question, verdicts, list(rules()['telling'].advice))} (a cell is a corpus "
            "and an annotator)."
        )
    elif results.corpora and results.annotators:
        said.append("No annotator of the study makes a mistake on the test texts.")
    elif results.corpora:
        said.append("The study has no annotators.")
    if hidden := [name for name in results.corpora if not results.study.shows(name)]:
        said.append(
            f"Texts of {', '.join(hidden)} are not shown: the study does not allow it, or the book was built without "
            "texts."
        )
    if results.without_gold:
        said.append(f"Left out, because not every text has a gold label: {', '.join(results.without_gold)}.")
    return " ".join(said)
