"""On which texts predictions flip from seed to seed, and what another training subset changes."""

import numpy as np
import pandas as pd

from helpers.findings.finding import (
    VERDICT_COLUMNS,
    Part,
    Tally,
    bounds,
    counted,
    out_of,
    percent,
    signed,
    span,
    unsigned,
)
from helpers.findings.results import GOLD, CorpusResults, Results, Students
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
from helpers.studies import Cell

_QUARTERS = 4
#: Digits to which entropies are told apart.
_DIGITS = 12

#: Measure -> its name in `helpers.measures.intervals`.
STATISTICS = {
    "alpha": "krippendorff_alpha",
    "unchanged predictions": "unchanged_share",
    "disagreement of two seeds": "pairwise_disagreement",
}

#: Variants of the verdict over training subsets that were drawn anew, by alpha and by disagreement.
OVER_SUBSETS, SUBSETS_DISAGREE = "over training subsets", "disagreement of two training subsets"
_SUBSETS_BESIDE_GOLD = (
    "Verdict over subsets",
    "Lost alpha over subsets",
    "95 % interval of lost alpha",
    "Two subsets disagree, minus gold's, points",
    "95 % interval, minus gold's",
)


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


def subsets(tally: Tally, seed: int) -> Part:
    """The change of students from one training subset to another: beside that from seed to seed, and beside gold's.

    No student is in both of the first: seeds share the nested subset, which is none of those that were drawn anew. Gold
    students and an annotator's are compared on the same subsets, and the claim is judged over these as over seeds; the
    two verdicts are variants. They speak of subsets of this pool, which overlap, of gold as of the annotator.
    """
    results = tally.results
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
                    "Alpha over subsets": round(by_subset["alpha"], 3),
                    "Two subsets disagree, %": percent(by_subset["disagreement of two seeds"]),
                    "Two seeds disagree, %": percent(by_seed["disagreement of two seeds"]),
                    "Subsets minus seeds, points": percent(difference.effect),
                    "95 % interval of the difference": signed(difference) or "none",
                    "95 % interval of two subsets, %": unsigned(disagreement) or "none",
                    **_beside_gold(tally, one, labels, drawn, seed),
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
    changed = out_of(int(more.sum()), len(more), "row")
    said = f"Another training subset changes more predictions than another seed in {changed}"
    if more.empty:
        said = "There is one seed, so subsets cannot be set beside seeds."
    elif signs.empty:
        said += ", by the point estimates."
    else:
        said += f": clearly more in {(signs > 0).sum()}, and clearly fewer in {(signs < 0).sum()}, by the interval."
    return Part(table, f"{said} {_judged(tally, table)}".strip())


def _beside_gold(tally: Tally, one: CorpusResults, labels: str | None, drawn: list[Cell], seed: int) -> dict:
    """Columns that set an annotator's students beside gold's over the same subsets; the verdicts go to the tally."""
    pairs = [(Cell(GOLD, cell.n, cell.drawn), cell) for cell in drawn]
    pairs = [pair for pair in pairs if pair[0] in one.cells]
    if labels is None or len(pairs) < 2:
        return dict(zip(_SUBSETS_BESIDE_GOLD, ("", np.nan, "", np.nan, ""), strict=True))
    gold, its = (np.concatenate([one.cells[cell].pred for cell in cells]) for cells in zip(*pairs, strict=True))
    rng = tally.results.rng(one.name, f"{labels} beside gold, subsets", seed)
    alpha, disagreement = (
        stability_difference(gold, its, statistic=statistic, rng=rng)
        for statistic in ("krippendorff_alpha", "pairwise_disagreement")
    )
    # Positive in the direction of the claim: gold students disagree less often.
    more = Interval(-disagreement.effect, -disagreement.high, -disagreement.low)
    verdict = tally.judge(one.name, labels, alpha, 2 * len(pairs), variant=OVER_SUBSETS)
    tally.judge(one.name, labels, more, 2 * len(pairs), variant=SUBSETS_DISAGREE)
    columns = verdict, round(alpha.effect, 3), bounds(tally.claim, alpha), percent(more.effect), signed(more) or "none"
    return dict(zip(_SUBSETS_BESIDE_GOLD, columns, strict=True))


def _judged(tally: Tally, table: pd.DataFrame) -> str:
    """What the rule of the claim gives over subsets, and of how many it is."""
    variants = pd.DataFrame(tally.variants, columns=VERDICT_COLUMNS)
    alpha, disagreement = (variants[variants["variant"] == name] for name in (OVER_SUBSETS, SUBSETS_DISAGREE))
    if alpha.empty:
        return ""
    if not np.isfinite(disagreement["low"]).any():
        return "Two subsets give no interval, so the claim is not judged over them."
    return (
        f"The claim over {span(table['Subsets'])} training subsets of {span(table['Labels'])} labels each, paired by "
        f"subset, in the place of seeds: {counted(alpha)}; by the disagreement of two subsets, {counted(disagreement)}."
    )
