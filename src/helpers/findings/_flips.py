"""On which texts predictions flip from seed to seed, and whether another training subset changes more than a seed."""

import numpy as np
import pandas as pd

from helpers.findings.finding import Part, out_of, percent, signed, unsigned
from helpers.findings.results import CorpusResults, Results, Students
from helpers.labels import LabelSource
from helpers.measures.accuracy import macro_f1
from helpers.measures.intervals import Interval, disagreement_contrast, stability_difference, stability_interval
from helpers.measures.stability import (
    class_counts,
    disagreement_by_text,
    krippendorff_alpha,
    label_entropy,
    pairwise_disagreement,
    unchanged_share,
)

_QUARTERS = 4
#: Digits to which entropies are told apart.
_DIGITS = 12

#: Measure -> its name in `helpers.measures.intervals`.
STATISTICS = {
    "alpha": "krippendorff_alpha",
    "unchanged predictions": "unchanged_share",
    "disagreement of two seeds": "pairwise_disagreement",
}


def measures(one: CorpusResults, students: Students) -> dict[str, float]:
    """Every measure of change over seeds of one cell; nan of a single seed."""
    pred, spreads = students.pred, scores(one, students)
    if students.seeds < 2:
        return dict.fromkeys([*STATISTICS, *spreads], float("nan"))
    return {
        "alpha": krippendorff_alpha(pred, n_classes=one.n_classes),
        "unchanged predictions": unchanged_share(pred),
        "disagreement of two seeds": pairwise_disagreement(pred),
        **{name: float(np.std(values, ddof=1)) for name, values in spreads.items()},
    }


def scores(one: CorpusResults, students: Students) -> dict[str, np.ndarray]:
    """Measure of spread -> what it is the spread of, one number a seed, float (seeds,)."""
    return {
        "sd of accuracy": students.correct.mean(axis=1),
        "sd of macro-F1": macro_f1(students.pred, one.gold, n_classes=one.n_classes),
    }


def flips(one: CorpusResults, labels: str, whose: str, students: Students, results: Results, seed: int) -> list[dict]:
    """Where two seeds disagree: a row for the entropy of people's votes, or of an annotator's probabilities."""
    if whose == "people":
        if one.votes is None:
            return []
        count = one.votes.sum(axis=1, keepdims=True)
        shares = np.where(count > 0, one.votes / np.maximum(count, 1), np.nan)
    else:
        shares, _ = one.annotated(whose)
    known = np.isfinite(shares).all(axis=1)
    if students.seeds < 2 or known.sum() < _QUARTERS:
        return []
    pred, quarter = students.pred[:, known], quarters(label_entropy(shares[known]))
    by_text = disagreement_by_text(class_counts(pred))
    low, high = quarter == quarter.min(), quarter == quarter.max()
    if quarter.min() == quarter.max():
        return []
    rng = results.rng(one.name, f"{labels} flips by {whose}", seed)
    contrast = disagreement_contrast(pred, high, low, rng=rng)
    means = [percent(by_text[quarter == k].mean()) if (quarter == k).any() else np.nan for k in range(_QUARTERS)]
    names = ["lowest quarter", "second", "third", "highest"]
    return [
        {
            "Corpus": one.name,
            "Labels of": labels,
            "Entropy of": whose,
            **{f"Two seeds disagree, {name}, %": mean for name, mean in zip(names, means, strict=True)},
            "Highest minus lowest, points": percent(contrast.effect),
            "95 % interval": signed(contrast) or "none",
            "_sign": contrast.sign,
        }
    ]


def quarters(entropy: np.ndarray) -> np.ndarray:
    """Quarter of each text, 0 to 3, from the lowest entropy to the highest, (T,) -> int (T,).

    Texts of equal entropy share a quarter, the one that the middle of them falls into, so a quarter may be empty.
    """
    # The same shares in another order of the classes have a sum that is rounded otherwise.
    ranks = pd.Series(np.round(entropy, _DIGITS)).rank(method="average").to_numpy()
    return np.minimum((_QUARTERS * (ranks - 0.5) / len(ranks)).astype(int), _QUARTERS - 1)


def where(rows: list[dict]) -> Part:
    """The rows of `flips` as a part, with sentences on people's entropy and on the annotators'."""
    table = pd.DataFrame(rows)
    if table.empty:
        return Part(
            table, "Where predictions flip cannot be said: it takes two seeds, and texts that differ in entropy."
        )
    signs = table.pop("_sign")
    by_people, gold = table["Entropy of"] == "people", table["Labels of"] == "gold"
    kinds = [
        ("people's votes", "", signs[by_people]),
        ("an annotator's probabilities", " of its own students", signs[~by_people & ~gold]),
        ("an annotator's probabilities", " of gold students, whom it did not teach,", signs[~by_people & gold]),
    ]
    sentences = [
        f"Where the entropy of {whose} is highest, flips{of} are clearly more frequent than where it is lowest in "
        f"{out_of((group > 0).sum(), len(group), 'row')}, and clearly less frequent in {(group < 0).sum()}."
        for whose, of, group in kinds
        if len(group)
    ]
    return Part(table, " ".join(sentences))


def subsets(results: Results, seed: int) -> Part:
    """The change of students from one training subset to another, beside that from seed to seed at the same size.

    No student is in both: seeds share the nested subset, which is none of those that were drawn anew.
    """
    rows = []
    for one in results.corpora.values():
        for labels in [None, *results.annotators]:
            source = LabelSource("annotator", (labels,)) if labels else LabelSource("gold")
            drawn = sorted(cell for cell in one.cells if cell.source == source and cell.drawn)
            if len(drawn) < 2:
                continue
            n = drawn[0].n
            probs = np.concatenate([one.cells[cell].probs for cell in drawn])
            changed, seeds = Students(probs, one.cells[drawn[0]].targets, one.gold), one.students(labels, n)
            rng = results.rng(one.name, f"{labels} subsets", seed)
            by_subset, by_seed = measures(one, changed), measures(one, seeds)
            disagreement = stability_interval(changed.pred, statistic="pairwise_disagreement", rng=rng)
            difference = Interval(np.nan)
            if seeds.seeds > 1:
                difference = stability_difference(
                    changed.pred, seeds.pred, statistic="pairwise_disagreement", rng=rng, paired=False
                )
            # Two halves of a pool share texts, so they differ less than two fresh samples: the correction of a finite
            # population (Cochran, 1977, Sampling Techniques, ch. 2). What the run adds, it adds in either case.
            of_run = by_seed["sd of accuracy"] ** 2
            of_texts = max(by_subset["sd of accuracy"] ** 2 - of_run, 0.0)
            fresh = np.sqrt(of_texts / (1 - n / len(one.corpus.pool)) + of_run)
            rows.append(
                {
                    "Corpus": one.name,
                    "Labels of": labels or "gold",
                    "Labels": n,
                    "Two subsets disagree, %": percent(by_subset["disagreement of two seeds"]),
                    "Two seeds disagree, %": percent(by_seed["disagreement of two seeds"]),
                    "Subsets minus seeds, points": percent(difference.effect),
                    "95 % interval of the difference": signed(difference) or "none",
                    "95 % interval of two subsets, %": unsigned(disagreement) or "none",
                    "Accuracy, sd over subsets, points": round(100 * by_subset["sd of accuracy"], 2),
                    "Accuracy, sd for fresh texts, points": round(100 * float(fresh), 2),
                    "Accuracy, sd over seeds, points": round(100 * by_seed["sd of accuracy"], 2),
                    "Subsets": len(drawn),
                    "Seeds": seeds.seeds,
                    "_more": float(difference.effect > 0) if seeds.seeds > 1 else np.nan,
                    "_sign": difference.sign if np.isfinite(difference.low) else np.nan,
                }
            )
    table = pd.DataFrame(rows)
    if table.empty:
        drawn = results.study.stability.draws if results.study.stability else 0
        return Part(
            table,
            f"Study {results.study.name} draws {drawn or 'no'} training subset anew, and it takes two: give it a part "
            "`stability`, for example `stability: {seeds: 10, draws: 5}`.",
        )
    signs, more = table.pop("_sign").dropna(), table.pop("_more").dropna()
    if more.empty:
        return Part(table, "There is one seed, so subsets cannot be set beside seeds.")
    changed = out_of(int(more.sum()), len(more), "row")
    said = f"Another training subset changes more predictions than another seed in {changed}"
    if signs.empty:
        return Part(table, f"{said}, by the point estimates.")
    return Part(
        table,
        f"{said}: clearly more in {(signs > 0).sum()}, and clearly fewer in {(signs < 0).sum()}, by the interval.",
    )
