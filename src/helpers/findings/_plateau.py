"""What more labels buy, and how many gold labels an annotator's are worth."""

import numpy as np
import pandas as pd

from helpers.findings._controls import controls
from helpers.findings._curves import curve, number, points, worth
from helpers.findings.finding import Finding, Part, Tally, bounds, out_of, percent, signed, span, unsigned
from helpers.findings.results import Results, load
from helpers.ledger import Ledger
from helpers.measures.intervals import Interval, paired_difference
from helpers.measures.plateau import CurveFit, Onset, fit_curve, gain_per_doubling, onset_interval
from helpers.studies import Study

#: What the data may tell of a curve, as the summary counts it.
_END, _PAUSE, _WORTH = (
    "the level at which a curve ends",
    "where it first pauses",
    "what an annotator's labels are worth in gold, with both ends of the interval,",
)
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
        A curve first pauses at the first size after which a doubling of the labels gains less accuracy than this.

    The other parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `labels` ("gold" or the annotator) and `n`: `accuracy` (mean over
        seeds), the bounds `low` and `high` of its 95 % interval over seeds and texts (nan with one seed),
        and `own`, the annotator's own accuracy on what it labelled (nan for gold). The part "gains" has the gain per
        doubling after each size, and a sentence a corpus on where the curves first pause; "random errors" the
        curves of `controls`.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("plateau", results)
    gained: list[dict] = []
    flatten: dict[str, dict[str, str]] = {}
    identified: dict[str, list[bool]] = {_END: [], _PAUSE: [], _WORTH: []}
    counts: set[int] = set()
    for one in results.corpora.values():
        sizes = np.array(results.study.sizes_of(one.name))
        if len(sizes) < 2:
            continue
        gold = curve(one.students(None, int(n)) for n in sizes)
        gold_onset = onset_interval(sizes, gold, threshold, rng=results.rng(one.name, "gold onset", seed))
        gained += _gains(one.name, "gold", sizes, gold, results.rng(one.name, "gold gains", seed))
        flatten[one.name] = {"gold": _onset(gold_onset, sizes)}
        gold_fit = _fit(sizes, gold, results.rng(one.name, "gold fit", seed))
        identified[_END].append(gold_fit is not None and gold_fit.identified)
        identified[_PAUSE].append(_told(gold_onset, sizes))
        place = {"corpus": one.name, "labels": "gold"}
        tally.frame += [place | p | {"own": np.nan} for p in points(sizes, gold, results.rng(one.name, "gold", seed))]
        for annotator in results.annotators:
            rng = results.rng(one.name, annotator, seed)
            theirs = curve(one.students(annotator, int(n)) for n in sizes)
            seeds = min(len(gold), len(theirs))
            best, theirs = gold[:seeds], theirs[:seeds]
            counts.add(seeds)
            said = one.annotated(annotator)[1]
            own = {"own": float(np.mean((said == one.gold)[said >= 0])) if (said >= 0).any() else np.nan}
            place = {"corpus": one.name, "labels": annotator}
            tally.frame += [place | p | own for p in points(sizes, theirs, rng)]
            gains = [gain_per_doubling(sizes[-_LAST:], np.moveaxis(c[:, -_LAST:], 1, -1)) for c in (best, theirs)]
            interval = paired_difference(*gains, rng=rng)
            verdict = tally.judge(one.name, annotator, interval, 2 * len(sizes[-_LAST:]) * seeds)
            fit = _fit(sizes, theirs, rng)
            in_gold = worth(sizes, best, theirs[:, -1], results.rng(one.name, f"{annotator} worth", seed))
            flat = onset_interval(sizes, theirs, threshold, rng=rng)
            gained += _gains(one.name, annotator, sizes, theirs, rng)
            flatten[one.name][annotator] = _onset(flat, sizes)
            identified[_END].append(fit is not None and fit.identified)
            identified[_PAUSE].append(_told(flat, sizes))
            identified[_WORTH].append(in_gold.told)
            tally.table.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    "Verdict": verdict,
                    "Difference, points": percent(interval.effect),
                    "95 % interval": bounds(tally.claim, interval),
                    "Gain per doubling, gold, points": percent(gains[0].mean()),
                    "Gain per doubling, its labels, points": percent(gains[1].mean()),
                    "Number of its labels": int(sizes[-1]),
                    "Worth, gold labels": number(in_gold.at),
                    "95 % interval of that": in_gold.bounds or "none",
                    "Gold curve first pauses at, labels": _onset(gold_onset, sizes),
                    "Its curve first pauses at, labels": _onset(flat, sizes),
                    "Gold students end at, %": _asymptote(gold_fit),
                    "Its students end at, %": _asymptote(fit),
                }
            )
    points_gained = f"{100 * threshold:g} {'point' if threshold == 0.01 else 'points'}"
    rule = (
        f"A curve first pauses at the first number of labels after which a doubling gains less than {points_gained} of "
        "accuracy, with the 95 % interval of that number in brackets. It is said to be by a number where it may be the "
        "smallest of all, below which nothing was tried. The table above has all intervals."
    )
    if not gained:
        rule = "What a doubling gains takes two sizes or more."
    listed = tuple((name, _flattening(onsets)) for name, onsets in flatten.items())
    if results.corpora:
        tally.parts = {
            "gains": Part(pd.DataFrame(gained), rule, listed),
            "random errors": _random_errors(results, seed),
        }
    return tally.finish(_remark(results, identified, counts))


def _random_errors(results: Results, seed: int) -> Part:
    """The curves of `controls`, and what it says of each corpus."""
    found = controls(results, seed=seed)
    beside = found.parts.get("by corpus", Part(pd.DataFrame(), found.summary))
    return beside._replace(frame=found.frame)


def _remark(results: Results, identified: dict[str, list[bool]], counts: set[int]) -> str:
    """What the data tell of the curves; `identified` has it for each curve, or each annotator's, `counts` the seeds."""
    if not results.annotators:
        return "The study has no annotators."
    single = [name for name in results.corpora if len(results.study.sizes_of(name)) < 2]
    said = [f"{what} for {out_of(sum(known), len(known), 'curve')}" for what, known in identified.items() if known]
    told = [f"The data tell {'; '.join(said)}."] if said else []
    if counts:
        told.append(f"Curves are of the seeds that every size has: {span(counts)}.")
    if single:
        told.append(
            f"Of {', '.join(single)} there is one size, and a learning curve takes two or more: add to `sizes`."
        )
    return " ".join(told)


def _gains(corpus: str, labels: str, sizes: np.ndarray, correct: np.ndarray, rng: np.random.Generator) -> list[dict]:
    """A row for each pair of neighbouring sizes: what a doubling gains between them."""
    rows = []
    for i, doublings in enumerate(np.diff(np.log2(sizes))):
        gain = paired_difference(correct[:, i + 1], correct[:, i], rng=rng)
        gain = Interval(*(value / doublings for value in (gain.effect, gain.low, gain.high)))
        rows.append(
            {
                "Corpus": corpus,
                "Labels of": labels,
                "From, labels": int(sizes[i]),
                "To, labels": int(sizes[i + 1]),
                "Gain per doubling, points": percent(gain.effect),
                "95 % interval": signed(gain) or "none",
            }
        )
    return rows


def _flattening(onsets: dict[str, str]) -> str:
    """Where the curves of one corpus flatten, from what `_onset` writes of each: those known first, then the others."""
    known = [f"{name} at {said}" for name, said in onsets.items() if said[0].isdigit()]
    others: dict[str, list[str]] = {}
    for name, said in onsets.items():
        if not said[0].isdigit():
            others.setdefault(said.partition(" (")[0], []).append(name)
    named = {said: ", ".join(names) for said, names in others.items()}
    if not known and len(others) == 1 and len(onsets) > 1:
        return f"{next(iter(others))}, for any of the curves."
    return f"{'; '.join([*known, *(f'{said} for {joined}' for said, joined in named.items())])}."


def _told(flat: Onset, sizes: np.ndarray) -> bool:
    """Whether the data tell the onset to both sides: one that may be at the smallest size may be before it too."""
    return flat.identified and bool(flat.low.value > sizes[0])


def _onset(flat: Onset, sizes: np.ndarray) -> str:
    """Write an onset as `500 (250 to 1000)`, or as its known side, `by 1000`, or say why it has none."""
    if _told(flat, sizes):
        return f"{number(flat.at)} ({number(flat.low)} to {number(flat.high)})"
    if not np.isfinite(flat.low.value):
        return "not identified: one seed"
    if flat.low.flag:
        return f"not by {flat.low.value:.0f}"
    if flat.identified:
        return f"by {number(flat.high)}"
    return f"not identified ({number(flat.low)} to {number(flat.high)})"


def _fit(sizes: np.ndarray, correct: np.ndarray, rng: np.random.Generator) -> CurveFit | None:
    return fit_curve(sizes, correct, rng=rng) if len(sizes) > 2 else None


def _asymptote(fit: CurveFit | None) -> str:
    if fit is None:
        return "not identified: fewer than 3 sizes"
    if not fit.identified:
        return f"not identified: {fit.reason}"
    return f"{percent(fit.asymptote.effect)} ({unsigned(fit.asymptote)})"
