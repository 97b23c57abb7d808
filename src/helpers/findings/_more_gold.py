"""What more gold labels would buy: how wide the interval of a share is, over the number of gold labels."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from helpers.findings.finding import Part, percent, span
from helpers.findings.results import CorpusResults, Results
from helpers.measures.intervals import Interval
from helpers.measures.prevalence import powered_share, wilson

ALONE = "gold alone"
#: Numbers of gold labels that are tried, as multiples of k, and those of them that the table has.
_TIMES = (0.125, 0.25, 0.5, 1, 2, 4, 8)
_SHOWN = {1: "", 2: "twice as many gold labels", 4: "four times as many gold labels"}
#: Samples of each number: widths differ little from one to the next.
_DRAWS = 10
_FEWEST = 10


def more_gold(results: Results, with_gold: Mapping[str, CorpusResults], k: int, seed: int) -> Part:
    """Widths of the 95 % intervals of `prevalence`, a mean over classes, at numbers of gold labels around `k`.

    As many texts are drawn from those of the training pool with gold labels, ten times over. More than there are, are
    drawn with replacement: so they would be if they were like those that are there. They are at most half of the
    texts, for the help is in those without.

    Returns
    -------
    Part
        `frame` has a row a corpus, `who` ("gold alone" or the annotator) and `k`: `times` (of the parameter, or of
        what gold there is), `width` of 0 to 1, and whether it is `drawn` from the gold labels or goes beyond them.
    """
    rows = []
    for one in with_gold.values():
        rows += _widths(one, results.annotators, k, results.rng(one.name, "more gold", seed))
    frame = pd.DataFrame(rows, columns=["corpus", "who", "times", "k", "width", "drawn"])
    if frame.empty:
        return Part(pd.DataFrame(), "There are no gold labels to draw from.", frame=frame)
    table = _table(frame, results.annotators)
    return Part(pd.DataFrame(table), _said(frame), frame=frame)


def says_of(one: CorpusResults, annotator: str) -> np.ndarray:
    """The annotator's probabilities, float (rows, classes), with their mean where it failed; nan if it always did."""
    probs = one.annotator_probs[annotator]
    known = np.isfinite(probs).all(axis=1)
    if not known.any():
        return np.full_like(probs, np.nan)
    return np.where(known[:, None], probs, probs[known].mean(axis=0))


def _widths(one: CorpusResults, annotators: list[str], k: int, rng: np.random.Generator) -> Iterator[dict]:
    gold = one.corpus.gold
    known = one.corpus.pool[gold[one.corpus.pool] >= 0]
    if len(known) < 2:
        return
    k = min(k, len(known))
    said = {who: says for who in annotators if np.isfinite(says := says_of(one, who)).all()}
    for times in _TIMES:
        size = round(times * k)
        if times != 1 and not _FEWEST <= size <= len(gold) / 2:
            continue
        beyond = size > len(known)
        widths: dict[str, list[float]] = {ALONE: [], **{who: [] for who in said}}
        for _ in range(_DRAWS):
            sample = rng.choice(known, size, replace=beyond)
            rest = np.setdiff1d(np.arange(len(gold)), sample)
            for c in range(len(one.corpus.labels)):
                of_class = gold[sample] == c
                widths[ALONE].append(_width(wilson(int(of_class.sum()), size)))
                for who, says in said.items():
                    widths[who].append(_width(powered_share(of_class, says[sample, c], says[rest, c])))
        for who, found in widths.items():
            place = {"corpus": one.name, "who": who, "times": times, "k": size}
            yield place | {"width": float(np.mean(found)), "drawn": "beyond them" if beyond else "from the gold labels"}


def _width(interval: Interval) -> float:
    return interval.high - interval.low


def _table(frame: pd.DataFrame, annotators: list[str]) -> list[dict]:
    """Widths in points, a row a corpus and annotator, or a row a corpus where there is no annotator."""
    widths = frame.set_index(["corpus", "who", "times"])["width"]
    once = frame[frame["times"] == 1].set_index(["corpus", "who"])["k"]
    rows = []
    for corpus, who in once.index:
        if who == ALONE and annotators:
            continue
        row = {"Corpus": corpus, "Annotator": "" if who == ALONE else who, "Gold labels": once[corpus, who]}
        for times, as_many in _SHOWN.items():
            for whose, its in {ALONE: "", who: "" if who == ALONE else "its labels"}.items():
                width = widths.get((corpus, whose, times), np.nan)
                row[_head(its, as_many)] = np.nan if np.isnan(width) else percent(width)
        rows.append(row)
    return rows


def _head(*beside: str) -> str:
    """A column of widths, by what else there is than the gold labels of the row."""
    given = " and ".join(filter(None, beside))
    return f"Width with {given}, points" if given else "Width, points"


def _said(frame: pd.DataFrame) -> str:
    """The widths at k and at the largest multiple that the table has, and what the annotators' labels are worth."""
    most = max((times for times in _SHOWN if (frame["times"] == times).any()), default=1)
    said = []
    for times in dict.fromkeys((1, most)):
        at = frame[frame["times"] == times]
        alone, helped = at[at["who"] == ALONE]["width"], at[at["who"] != ALONE]["width"]
        both = f", or {percent(helped.median())} with an annotator's labels beside them" if len(helped) else ""
        said.append(f"{percent(alone.median())} points wide from {span(at['k'])} gold labels{both}")
    said = f"The 95 % interval of a share is {'; '.join(said)} (medians over the cells, of means over classes)."
    now = frame[frame["times"] == 1].merge(
        frame[(frame["times"] == 1) & (frame["who"] == ALONE)], on="corpus", suffixes=("", "_alone")
    )
    now = now[now["who"] != ALONE]
    if now.empty:
        return said
    worth = now["k"] * ((now["width_alone"] / now["width"]) ** 2 - 1)
    best = now.loc[worth.idxmax()]
    return (
        f"{said} An annotator's labels {_count(worth.median())} in the median cell, and {_count(worth.max())} at best "
        f"({best['who']} in {best['corpus']}; means over {_DRAWS} samples)."
    )


def _count(number: float) -> str:
    if round(number) == 0:
        return "change nothing"
    does, what = ("narrow", "more") if number > 0 else ("widen", "fewer")
    return f"{does} it as {abs(number):.0f} {what} gold labels would"
