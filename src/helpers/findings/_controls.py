"""Whether an annotator's errors cost more than as many at random: is it their rate, or their place?"""

from collections.abc import Iterable

import numpy as np

from helpers.findings.finding import Finding, Tally, bounds, percent
from helpers.findings.results import CorpusResults, Results, load, paired
from helpers.labels import LabelSource
from helpers.ledger import Ledger
from helpers.measures.crossing import Crossing, crossing
from helpers.measures.intervals import Interval, paired_difference
from helpers.measures.plateau import curve_draws
from helpers.studies import Cell, Study

#: Method -> what a reader sees, the closest to the annotator first: the verdict is about the first that a study has.
ERRORS = {"shuffled": "shuffled within class", "class_conditional": "by its confusions", "uniform": "uniform"}
OWN, NONE = "its own", "none (gold)"


def controls(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
) -> Finding:
    """Accuracy of students of gold with random errors minus that of the annotator's, at the largest number of labels.

    The random errors are as many as the annotator's: its labels shuffled among the texts of a gold class, or, where the
    study lacks that control, the next of `ERRORS`. The other controls, and the smallest number of labels, are variants.

    Parameters are those of `degradation`.

    Returns
    -------
    Finding
        `frame` has a row a corpus, `annotator`, `errors` ("its own", a kind of random ones, or "none (gold)") and `n`:
        `accuracy`, and the bounds `low` and `high` of its 95 % interval over seeds and texts (nan with one seed). The
        summary has a sentence a corpus.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    tally = Tally("controls", results)
    spec = results.study.controls
    if spec is None:
        return tally.finish(
            f"Study {results.study.name} trains nothing on random errors: "
            "give it a part `controls`, for example `controls: {methods: [shuffled]}`."
        )
    methods = [method for method in ERRORS if method in spec.methods]
    sentences = []
    for one in results.corpora.values():
        sizes = results.study.sizes_of(one.name)
        compared = []
        for annotator in results.annotators:
            rng = results.rng(one.name, annotator, seed)
            own = LabelSource("annotator", (annotator,))
            tally.frame += _points(one, annotator, NONE, LabelSource("gold"), sizes, rng)
            tally.frame += _points(one, annotator, OWN, own, sizes, rng)
            for method in methods:
                control = LabelSource(method, (annotator,))
                tally.frame += _points(one, annotator, ERRORS[method], control, sizes, rng)
                pairs = [paired(*(one.cells[Cell(source, n)] for source in (control, own))) for n in sizes]
                ends = [paired_difference(a.correct, b.correct, rng=rng) for a, b in (pairs[0], pairs[-1])]
                met = _crossing(sizes, pairs, rng)
                first = method == methods[0]
                variant = "" if first else ERRORS[method]
                verdict = tally.judge(one.name, annotator, ends[1], 2 * pairs[-1][0].seeds, variant=variant)
                if len(sizes) > 1:
                    variant = f"{ERRORS[method]}, {sizes[0]} labels"
                    tally.judge(one.name, annotator, ends[0], 2 * pairs[0][0].seeds, variant=variant)
                if first:
                    compared.append((annotator, ends, met))
                random = pairs[-1][0]
                tally.table.append(
                    {
                        "Corpus": one.name,
                        "Annotator": annotator,
                        "Random errors": ERRORS[method],
                        "Labels wrong, %": percent(1 - one.label_accuracy(pairs[-1][1])),
                        "Random labels wrong, %": percent(1 - one.label_accuracy(random)),
                        "Fewest labels": sizes[0],
                        "Its own cost more there by, points": percent(ends[0].effect),
                        "95 % interval there": bounds(tally.claim, ends[0]),
                        "Most labels": sizes[-1],
                        "Its own cost more by, points": percent(ends[1].effect),
                        "95 % interval": bounds(tally.claim, ends[1]),
                        "Verdict": verdict,
                        "The curves cross at, labels": _met(met),
                    }
                )
        if compared:
            sentences.append(_sentence(one.name, sizes, compared))
    if not results.annotators:
        return tally.finish("The study has no annotators.")
    return tally.finish(" ".join([f"The random errors are {ERRORS[methods[0]]}.", *sentences]))


def _crossing(sizes: list[int], pairs: list, rng: np.random.Generator) -> Crossing | None:
    """Where the annotator's curve falls to that of the random errors; None for one size."""
    if len(sizes) < 2:
        return None
    seeds = min(own.seeds for _, own in pairs)
    random, own = (np.stack([pair[i].first(seeds).correct for pair in pairs], axis=1) for i in (0, 1))
    return crossing(sizes, own, random, rng=rng)


def _met(met: Crossing | None) -> str:
    if met is None:
        return "not identified: one size"
    if met.absent:
        return {"below": "nowhere: its own cost more from the start", "above": "nowhere: its own cost less throughout"}[
            met.absent
        ]
    if not np.isfinite(met.low.value):
        return "not identified: one seed"
    low, high = (f"{bound.flag} {bound.value:.0f}".strip() for bound in (met.low, met.high))
    return f"{met.at.value:.0f} ({low} to {high})" if met.identified else f"not identified: {low} to {high}"


def _sentence(corpus: str, sizes: list[int], compared: list[tuple[str, list[Interval], Crossing | None]]) -> str:
    """Which errors cost more at the ends of the curve, and where they meet."""
    start, end = (_dearer([ends[i] for _, ends, _ in compared]) for i in (0, 1))
    if len(sizes) < 2:
        return f"On {corpus}, at {sizes[0]} labels {end}."
    met = [f"{annotator} at {met.at.value:.0f}" for annotator, _, met in compared if met.identified]
    crossings = f"the curves cross for {', '.join(met)}" if met else "no crossing is identified"
    return f"On {corpus}, at {sizes[0]} labels {start}, and at {sizes[-1]} {end}; {crossings}."


def _dearer(costs: Iterable[Interval]) -> str:
    """Which errors cost more, counted over annotators: positive where it is the annotator's own."""
    signs = [cost.sign for cost in costs]
    kinds = [(1, "the annotator's own errors cost more"), (-1, "random errors cost more"), (0, "neither clearly does")]
    first, *others = [f"{said} ({signs.count(sign)} of {len(signs)}" for sign, said in kinds if sign in signs]
    return ", ".join([f"{first} annotators)", *(f"{other})" for other in others)])


def _points(
    one: CorpusResults, annotator: str, errors: str, source: LabelSource, sizes: list[int], rng: np.random.Generator
) -> list[dict]:
    cells = paired(*(one.cells[Cell(source, n)] for n in sizes))
    curve = np.stack([cell.correct for cell in cells], axis=1)
    low = high = np.full(len(sizes), np.nan)
    if len(curve) > 1:
        low, high = np.quantile(curve_draws(curve, rng=rng)[0], [0.025, 0.975], axis=0)
    return [
        {
            "corpus": one.name,
            "annotator": annotator,
            "errors": errors,
            "n": n,
            "accuracy": float(accuracy),
            "low": float(low[i]),
            "high": float(high[i]),
        }
        for i, (n, accuracy) in enumerate(zip(sizes, curve.mean((0, 2)), strict=True))
    ]
