"""What an annotator's labels say about themselves, without any gold label."""

import numpy as np
import pandas as pd
from scipy import stats

from helpers.corpora.ready import FEWEST
from helpers.errors import UserError
from helpers.findings.finding import VERDICT_COLUMNS, Finding, answered, minus, percent, verdict_row
from helpers.findings.results import CorpusResults, Results, load
from helpers.findings.rules import rules
from helpers.labels import annotator_of
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval
from helpers.measures.stability import krippendorff_alpha, label_entropy
from helpers.studies import Study

_OF_PROBABILITIES = ("certainty", "probability on the labels")
_SIGNS = ("agreement with others", "agreement of students", *_OF_PROBABILITIES)


def unaided(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
    threshold: float = 0.667,
) -> Finding:
    """Signs that need no gold: agreement of annotators and of students, certainty, and probability on the labels.

    Where gold labels of all rows are known, the annotator's accuracy stands beside, and the summary says how well each
    sign ranks annotators by it.

    Parameters
    ----------
    seed
        Has no effect: nothing is drawn here.
    threshold
        Agreement, as alpha, below which there is a warning.

    The other parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `annotator` and `sign`: `value`, 0 to 1, nan where there is none, and `accuracy`,
        nan where it is not known. In `verdicts`, the effect is the lower of the two agreements.

    Raises
    ------
    UserError
        If a name is unknown, the threshold is out of range, or runs are not in the ledger.
    """
    if not 0 <= threshold <= 1:
        raise UserError(f"threshold = {threshold:g}: an agreement that is asked for lies between 0 and 1")
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger, gold=False)
    frame, table, verdicts = [], [], []
    for one in results.corpora.values():
        for annotator in results.annotators:
            probs = one.annotator_probs[annotator]
            said = one.said(annotator)
            known = said >= 0
            n = results.study.sizes_of(one.name)[-1]
            students = one.students(annotator, n)
            signs = {
                "agreement with others": _with_others(one, annotator),
                "agreement of students": _alpha(students.pred, one.n_classes),
                "certainty": _mean(1 - label_entropy(probs[known], normalised=True)),
                "probability on the labels": _mean(1 - one.missing.get(annotator, np.full(len(probs), np.nan))[known]),
            }
            if one.hard(annotator):  # it says nothing of how certain it is
                signs |= dict.fromkeys(_OF_PROBABILITIES, np.nan)
            accuracy = np.nan
            if one.corpus.fully_gold and known.any():
                accuracy = float((said == one.corpus.gold)[known].mean())
            place = {"corpus": one.name, "annotator": annotator}
            frame += [place | {"sign": s, "value": np.clip(v, 0, 1), "accuracy": accuracy} for s, v in signs.items()]
            lowest = np.nanmin([np.inf, signs["agreement with others"], signs["agreement of students"]])
            shares = np.bincount(said[known], minlength=one.n_classes) / max(known.sum(), 1)
            warning, none, unknown = rules()["unaided"].advice
            calm = none if np.isfinite(lowest) else unknown
            lacking = known.mean() < FEWEST
            advice = warning if lowest < threshold or shares.max() == 1 or lacking else calm
            lowest = lowest if np.isfinite(lowest) else np.nan
            sign = Interval(lowest)
            verdicts.append(verdict_row("unaided", one.name, annotator, sign, advice, students.seeds * one.folds))
            table.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    "Answer": advice,
                    "Agreement with the other annotators, alpha": _rounded(signs["agreement with others"]),
                    "Agreement of its students, alpha": _rounded(signs["agreement of students"]),
                    "Certainty": _rounded(signs["certainty"]),
                    "Probability on the labels": _rounded(signs["probability on the labels"]),
                    "Texts without a label, %": percent(1 - known.mean()),
                    "Its most frequent label": one.corpus.labels[int(shares.argmax())],
                    "Most frequent label's share, %": percent(shares.max()),
                    "Its least frequent label": one.corpus.labels[int(shares.argmin())],
                    "Least frequent label's share, %": percent(shares.min()),
                    "Accuracy on its texts by gold, %": percent(accuracy),
                }
            )
    verdicts = pd.DataFrame(verdicts, columns=VERDICT_COLUMNS)
    frame = pd.DataFrame(frame)
    summary = _summary(results, verdicts, frame)
    return Finding("unaided", frame, pd.DataFrame(table), verdicts, summary, results.provenance)


def _with_others(one: CorpusResults, annotator: str) -> float:
    """Mean alpha with each other annotator of the study, on the texts that both labelled."""
    found = []
    for other in one.annotator_probs:
        # Tables of further wordings, and second opinions on the labels of one annotator, are nobody else.
        if annotator_of(other) == other != annotator:
            both = np.stack([one.said(name) for name in (annotator, other)])
            found.append(_alpha(both[:, (both >= 0).all(axis=0)], one.n_classes))
    return _mean(np.array(found))


def _alpha(labels: np.ndarray, n_classes: int) -> float:
    if len(labels) < 2 or not labels.shape[1]:
        return np.nan
    return krippendorff_alpha(labels, n_classes=n_classes)


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan


def _rounded(value: float) -> float:
    return round(float(value), 2) + 0.0


def _summary(results: Results, verdicts: pd.DataFrame, frame: pd.DataFrame) -> str:
    if verdicts.empty:
        return "The study has no annotators."
    said = [
        f"{answered(rules()['unaided'].question, verdicts, list(rules()['unaided'].advice))} (a cell is a corpus and "
        "an annotator)."
    ]
    ranks = []
    for sign in _SIGNS:
        rows = frame[frame["sign"] == sign].dropna()
        if len(rows) > 3 and rows["value"].nunique() > 1 and rows["accuracy"].nunique() > 1:
            rho = stats.spearmanr(rows["value"], rows["accuracy"]).statistic
            ranks.append(f"{sign} {minus(f'{rho:+.2f}')} ({len(rows)} cells)")
    if ranks:
        said.append(f"Where gold tells the accuracy, Spearman's correlation with it is: {', '.join(ranks)}.")
    if results.hard:
        said.append(f"Labels without probabilities do not say how certain they are: {', '.join(results.hard)}.")
    unknown = list(dict.fromkeys(frame.loc[frame["accuracy"].isna(), "corpus"]))
    if unknown:
        said.append(
            f"Of {', '.join(unknown)}, not every text has a gold label. What no sign can tell is how often the labels "
            "are right, which classes they confuse, how frequent a class is, and what a student loses: that takes gold "
            "labels, a few hundred drawn at random."
        )
    return " ".join(said)
