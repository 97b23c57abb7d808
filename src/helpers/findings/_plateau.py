"""What more labels buy, and how many gold labels an annotator's are worth."""

import numpy as np
import pandas as pd

from helpers.findings.finding import Finding, Part, Tally, bounds, percent
from helpers.findings.results import CorpusResults, Results, load, paired
from helpers.ledger import Ledger
from helpers.measures.intervals import paired_difference
from helpers.measures.plateau import (
    Censored,
    Onset,
    curve_draws,
    fit_curve,
    gain_per_doubling,
    gold_equivalent,
    gold_equivalent_bounds,
    onset_interval,
)
from helpers.studies import Study

#: The claim is about the end of the curve: the gain is taken over so many of the largest sizes.
_LAST = 3


def plateau(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
    threshold: float = 0.01,
) -> Finding:
    """Gain per doubling of the gold labels minus that of each annotator's labels, over the last three sizes.

    The gain is the least-squares slope of accuracy on log2 n: a weighted sum of correctness, so it has a
    value for every seed and text, and the difference is paired by both.

    Parameters
    ----------
    threshold
        A curve flattens at the first size after which a doubling of the labels gains less accuracy than this.

    The other parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `labels` ("gold" or the annotator) and `n`: `accuracy` (mean over
        seeds), the bounds `low` and `high` of its 95 % interval over seeds and texts (nan with one seed),
        and `own`, the accuracy of the annotator itself (nan for gold). The part "gains" has the gain per
        doubling after each size, and a sentence a corpus on where the curves flatten.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("plateau", results)
    gained: list[dict] = []
    flatten: dict[str, list[str]] = {}
    for one in results.corpora.values():
        sizes = np.array(results.study.sizes_of(one.name))
        if len(sizes) < 2:
            continue
        gold = _curve(one, None, sizes)
        gold_onset = onset_interval(sizes, gold, threshold, rng=results.rng(one.name, "gold onset", seed))
        gained += _gains(one.name, "gold", sizes, gold, results.rng(one.name, "gold gains", seed))
        flatten[one.name] = [f"gold, {_onset(gold_onset, sizes)}"]
        tally.frame += _points(one.name, "gold", sizes, gold, results.rng(one.name, "gold", seed), np.nan)
        for annotator in results.annotators:
            rng = results.rng(one.name, annotator, seed)
            curve = _curve(one, annotator, sizes)
            seeds = min(len(gold), len(curve))
            gold, curve = gold[:seeds], curve[:seeds]
            own = float((one.annotated(annotator)[1] == one.gold).mean())
            tally.frame += _points(one.name, annotator, sizes, curve, rng, own)
            gains = [gain_per_doubling(sizes[-_LAST:], np.moveaxis(c[:, -_LAST:], 1, -1)) for c in (gold, curve)]
            interval = paired_difference(*gains, rng=rng)
            verdict = tally.judge(one.name, annotator, interval, 2 * len(sizes[-_LAST:]) * seeds)
            fit = fit_curve(sizes, curve, rng=rng) if len(sizes) > 2 else None
            worth = gold_equivalent(sizes, gold.mean((0, 2)), float(curve[:, -1].mean()))
            flat = onset_interval(sizes, curve, threshold, rng=rng)
            gained += _gains(one.name, annotator, sizes, curve, rng)
            flatten[one.name].append(f"{annotator}, {_onset(flat, sizes)}")
            tally.table.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    "Gain per doubling, gold, points": percent(gains[0].mean()),
                    "Gain per doubling, its labels, points": percent(gains[1].mean()),
                    "Difference, points": percent(interval.effect),
                    "95 % interval": bounds(tally.claim, interval),
                    "Verdict": verdict,
                    "Its labels": int(sizes[-1]),
                    "All of them are worth, gold labels": number(worth),
                    "95 % interval of that": _worth_bounds(sizes, gold, curve[:, -1], rng),
                    "Gold flattens at, labels": _onset(gold_onset, sizes),
                    "It flattens at, labels": _onset(flat, sizes),
                    "Its students end at, %": _asymptote(fit),
                }
            )
    said = [f"On {name}, the curves flatten: {'; '.join(places)}." for name, places in flatten.items()]
    rule = f"A curve flattens where a doubling of the labels gains less than {100 * threshold:g} points of accuracy."
    tally.parts = {"gains": Part(pd.DataFrame(gained), " ".join([rule, *said]))}
    return tally.finish(_remark(results))


def _remark(results: Results) -> str:
    if not results.annotators:
        return "The study has no annotators."
    single = [name for name in results.corpora if len(results.study.sizes_of(name)) < 2]
    if single:
        return f"Of {', '.join(single)} there is one size, and a learning curve takes two or more: add to `sizes`."
    return ""


def gold_curve(one: CorpusResults, sizes: list[int]) -> np.ndarray:
    """Correctness of the gold students of each size, float (seeds, sizes, texts)."""
    return _curve(one, None, np.array(sizes))


def _curve(one: CorpusResults, annotator: str | None, sizes: np.ndarray) -> np.ndarray:
    """Correctness of the students of each size, of the seeds that all sizes have, float (seeds, sizes, texts)."""
    return np.stack([cell.correct for cell in paired(*(one.students(annotator, int(n)) for n in sizes))], axis=1)


def _points(
    corpus: str, labels: str, sizes: np.ndarray, curve: np.ndarray, rng: np.random.Generator, own: float
) -> list[dict]:
    low = high = np.full(len(sizes), np.nan)
    if len(curve) > 1:
        low, high = np.quantile(curve_draws(curve, rng=rng)[0], [0.025, 0.975], axis=0)
    accuracy = curve.mean((0, 2))
    return [
        {"corpus": corpus, "labels": labels, "n": int(n), "accuracy": float(a), "low": lo, "high": hi, "own": own}
        for n, a, lo, hi in zip(sizes, accuracy, low, high, strict=True)
    ]


def _gains(corpus: str, labels: str, sizes: np.ndarray, curve: np.ndarray, rng: np.random.Generator) -> list[dict]:
    """A row for each pair of neighbouring sizes: what a doubling gains between them."""
    rows = []
    for i, doublings in enumerate(np.diff(np.log2(sizes))):
        gain = paired_difference(curve[:, i + 1], curve[:, i], rng=rng)
        low, high = (percent(bound / doublings) for bound in (gain.low, gain.high))
        rows.append(
            {
                "Corpus": corpus,
                "Labels of": labels,
                "From, labels": int(sizes[i]),
                "To, labels": int(sizes[i + 1]),
                "Gain per doubling, points": percent(gain.effect / doublings),
                "95 % interval": f"{low} to {high}".replace("-", "−") if low <= high else "none",
            }
        )
    return rows


def _onset(flat: Onset, sizes: np.ndarray) -> str:
    # An interval of all sizes but the last, which cannot be an onset, says nothing.
    everything = len(sizes) > 2 and (flat.low.value, flat.high.value) == (sizes[0], sizes[-2])
    if flat.identified and not everything:
        return f"{number(flat.at)} ({number(flat.low)} to {number(flat.high)})"
    if not np.isfinite(flat.low.value):
        return "not identified: one seed"
    if flat.low.flag:
        return f"not by {flat.low.value:.0f}"
    return f"not identified: {number(flat.low)} to {number(flat.high)}"


def _worth_bounds(sizes: np.ndarray, gold: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> str:
    if len(gold) < 2:
        return "none"
    low, high = gold_equivalent_bounds(sizes, gold, target, rng=rng)
    return f"{number(low)} to {number(high)}"


def number(worth: Censored) -> str:
    """Write a gold equivalent as `640`, or as `< 250` or `> 2000` where only that is known."""
    return f"{worth.flag} {worth.value:.0f}".strip()


def _asymptote(fit) -> str:
    if fit is None:
        return "not identified: fewer than 3 sizes"
    if not fit.identified:
        return f"not identified: {fit.reason}"
    a = fit.asymptote
    return f"{percent(a.effect)} ({percent(a.low)} to {percent(a.high)})"
