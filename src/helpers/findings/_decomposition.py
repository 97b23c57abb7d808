"""The decomposition at every number of labels, and what it owes to few votes and to settings: parts of a page."""

import numpy as np
import pandas as pd

from helpers.findings.claims import VERDICTS, Claim
from helpers.findings.finding import Part, bounds, minus, out_of
from helpers.findings.results import CorpusResults, Results
from helpers.measures.intervals import Interval, bootstrap_of_means
from helpers.measures.propagation import (
    FLOOR,
    decompose,
    decompose_brier,
    decompose_by_text,
    harden,
    smooth_votes,
    vote_bias,
)

TERMS = ("approximation", "estimation", "cross", "total")

#: Votes added to each class, and floors under the probabilities, that the shares are shown for.
_ALPHAS, _FLOORS = (0.1, 0.5, 1.0), (1e-3, FLOOR, 1e-5)

_GIVEN = "Brier, labels as given"

#: More than the other tables have: at two, a share may look as large as the margin and lie within it.
_DECIMALS = 3


def cross_share(parts: dict[str, np.ndarray], rng: np.random.Generator, *, n_boot: int = 2000) -> Interval:
    """Mean cross term over mean total, over seeds and texts."""
    return bootstrap_of_means(ratio, parts["cross"], parts["total"], rng=rng, n_boot=n_boot)


def ratio(cross, total):
    """The cross term as a share of the total, numbers or arrays of one shape; nan where there is no total."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, np.divide(cross, total), np.nan)[()]


def by_size(
    results: Results,
    claim: Claim,
    last: dict[tuple[str, str], Interval],
    ceilings: dict[str, tuple[float, float]],
    seed: int,
) -> Part:
    """Every term at every number of labels, and where their sum is a good account of the whole.

    `last` has the interval at the largest number of labels, by corpus and annotator; `ceilings`, by corpus, how far
    half of the people are from the other half: in nats, and as a squared error.
    """
    rows, verdicts, falls, rises = [], [], [], []
    for one in results.corpora.values():
        sizes = results.study.sizes_of(one.name)
        for annotator in results.annotators:
            said, known = labelled(one, annotator)
            if not known.any():
                continue
            rng = results.rng(one.name, f"{annotator} by size", seed)
            estimation = []
            for n in sizes:
                three = smooth_votes(one.votes[known]), said, one.students(annotator, n).probs[:, known]
                parts, brier = decompose_by_text(*three), decompose_brier(*three)
                means = {term: float(parts[term].mean()) for term in TERMS}
                whole = n == sizes[-1]
                interval = last[one.name, annotator] if whole else cross_share(parts, rng)
                verdicts.append(claim.verdict(interval))
                estimation.append(means["estimation"])
                rows.append(
                    {
                        "Corpus": one.name,
                        "Annotator": annotator,
                        "Labels": n,
                        **{f"{term.capitalize()}, nats": round(means[term], 3) for term in TERMS},
                        "Cross / total": round(interval.effect, 2),
                        "95 % interval": bounds(claim, interval),
                        "Verdict": verdicts[-1],
                        "One half of the people to the other, nats": round(ceilings[one.name][0], 3),
                        **{f"{term.capitalize()}, Brier": round(brier[term], 3) for term in TERMS},
                        "Cross / total, Brier": round(ratio(brier["cross"], brier["total"]), 2),
                        "One half of the people to the other, Brier": round(ceilings[one.name][1], 3),
                    }
                )
            if len(sizes) > 1:
                falls.append(estimation[-1] < estimation[0])
                rises.append(estimation[-1] > estimation[-2])
    if not rows:
        return Part(pd.DataFrame(), "There is nothing to decompose.")
    good, unclear, bad = (verdicts.count(verdict) for verdict in VERDICTS)
    said = (
        f"To within ± {claim.margin:g} of the whole, the sum is a good account in {out_of(good, len(rows), 'row')}"
        f"{_where(rows)}, a bad one in {bad}, and unclear in {unclear}. "
    )
    if falls:
        said += (
            f"From the fewest labels to the most, estimation falls in {out_of(sum(falls), len(falls), 'cell')}; at "
            f"the last step alone it rises in {sum(rises)}, by the point estimates; approximation is the annotator's, "
            "and stays."
        )
    return Part(pd.DataFrame(rows), said.strip())


def _where(rows: list[dict]) -> str:
    """Where the sum is good: the numbers of labels, by corpus and annotator; nothing where it is so nowhere."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["Verdict"] == VERDICTS[0]:
            found.setdefault(f"{row['Corpus']}, {row['Annotator']}", []).append(str(row["Labels"]))
    named = [f"{cell} with {', '.join(sizes)}" for cell, sizes in found.items()]
    return f" ({'; '.join(named)})" if 0 < len(named) < len(rows) else ""


def few_votes(results: Results, seed: int) -> Part:
    """What the small number of raters adds to the divergences, and the divergences without it.

    P are the plain shares of the votes here: smoothing hides the bias from the split, for it pulls halves more than
    the whole. Of a divergence from P only the entropy of P is biased, and the rest is linear in P: so it is the same
    for the annotator and for all students, and none for the cross term. Texts with fewer than two votes are left out.
    """
    rows, shares = [], []
    for one in results.corpora.values():
        for annotator in results.annotators:
            said, known = labelled(one, annotator)
            split = one.votes[known].sum(axis=1) >= 2
            if not split.any():
                continue
            votes, said = one.votes[known][split], said[split]
            rng = results.rng(one.name, f"{annotator} bias", seed)
            added = float(vote_bias(votes, said, rng=rng, alpha=0).mean())
            for n in results.study.sizes_of(one.name):
                students = one.students(annotator, n).probs[:, known][:, split]
                means = decompose(smooth_votes(votes, alpha=0), said, students)
                corrected = {term: means[term] - added for term in ("approximation", "total")}
                rows.append(
                    {
                        "Corpus": one.name,
                        "Annotator": annotator,
                        "Labels": n,
                        "Votes a text, median": int(np.median(votes.sum(axis=1))),
                        "Few votes add, nats": round(added, 3),
                        "Approximation, unsmoothed, nats": round(means["approximation"], 3),
                        "Approximation, corrected": round(corrected["approximation"], 3),
                        "Total, unsmoothed, nats": round(means["total"], 3),
                        "Total, corrected": round(corrected["total"], 3),
                        "Cross / total, unsmoothed": round(ratio(means["cross"], means["total"]), 2),
                        "Cross / total, corrected": round(ratio(means["cross"], corrected["total"]), 2),
                    }
                )
            shares.append(ratio(added, means["approximation"]))
    if not rows:
        return Part(pd.DataFrame(), "There are no votes to split.")
    share = minus(f"{100 * np.median(shares):.1f}")
    said = f"That raters are few adds {share} % to the approximation in the median cell, as splitting them shows."
    return Part(pd.DataFrame(rows), said)


def settings(results: Results, claim: Claim) -> Part:
    """The cross term's share under other smoothing, other floors, and with P_S as the labels that students were given.

    These are certain, so that divergences from them would be the floor's; the Brier score takes them as they are.
    """
    rows = []
    for one in results.corpora.values():
        for annotator in results.annotators:
            said, known = labelled(one, annotator)
            if not known.any():
                continue
            votes = one.votes[known]
            last = results.study.sizes_of(one.name)[-1]
            students = one.students(annotator, last).probs[:, known]

            def share(alpha, floor, votes=votes, said=said, students=students):
                means = decompose(smooth_votes(votes, alpha=alpha), said, students, floor=floor)
                return ratio(means["cross"], means["total"])

            plain, given = (
                decompose_brier(smooth_votes(votes), taught, students) for taught in (said, harden(said, floor=0.0))
            )
            rows.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    **{f"{alpha:g} of a vote added": share(alpha, FLOOR) for alpha in _ALPHAS},
                    **{f"Floor {floor:f}".rstrip("0"): share(0.5, floor) for floor in _FLOORS},
                    "Brier, no floor": ratio(plain["cross"], plain["total"]),
                    _GIVEN: ratio(given["cross"], given["total"]),
                }
            )
    if not rows:
        return Part(pd.DataFrame(), "There is nothing to set.")
    table = pd.DataFrame(rows)
    # Is the verdict one of the settings? The share is within the margin under all of them, under none, or under some.
    near = table.iloc[:, 2:].abs() < claim.margin
    within, given = near.drop(columns=_GIVEN), near[_GIVEN]
    said = (
        f"The cross term is within ± {claim.margin:g} of the whole under every setting in "
        f"{out_of(within.all(axis=1).sum(), len(table), 'cell')}, and under none in {(~within.any(axis=1)).sum()}; in "
        "the others the answer depends on the setting. With the labels that students were given in the place of the "
        "annotator's probabilities it is, by the Brier score, within that in "
        f"{out_of(given.sum(), len(table), 'cell')}, and negative in {(table[_GIVEN] < 0).sum()}; with the "
        f"probabilities it is negative in {(table['Brier, no floor'] < 0).sum()}."
    )
    return Part(table.round(_DECIMALS), said)


def labelled(one: CorpusResults, annotator: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the annotator on the test texts that it labelled, and which those are."""
    said, _ = one.annotated(annotator)
    known = np.isfinite(said).all(axis=1)
    return said[known], known
