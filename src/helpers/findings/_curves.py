"""Learning curves: what the pages on the plateau, on random errors and on decisions share."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from helpers.findings.results import Students, paired
from helpers.measures.plateau import Censored, curve_draws, gold_equivalent, gold_equivalent_bounds

# Its bounds are quantiles of a skewed law, which a thousand draws leave uncertain by a tenth.
_WORTH_DRAWS = 4000


def curve(cells: Iterable[Students]) -> np.ndarray:
    """Correctness of the students of each size, of the seeds that all sizes have, float (seeds, sizes, texts)."""
    return np.stack([cell.correct for cell in paired(*cells)], axis=1)


def points(sizes: Sequence[int], correct: np.ndarray, rng: np.random.Generator) -> list[dict]:
    """A row a size: `n`, `accuracy`, and the bounds `low` and `high` of its 95 % interval over seeds and texts.

    `correct` is what `curve` returns. Of one seed there are no bounds: nan.
    """
    low = high = np.full(len(sizes), np.nan)
    if len(correct) > 1:
        # Few seeds have a t that reaches beyond what a share can be.
        low, high = np.quantile(curve_draws(correct, rng=rng)[0], [0.025, 0.975], axis=0).clip(0, 1)
    return [
        {"n": int(n), "accuracy": float(accuracy), "low": float(at_least), "high": float(at_most)}
        for n, accuracy, at_least, at_most in zip(sizes, correct.mean((0, 2)), low, high, strict=True)
    ]


class Worth(NamedTuple):
    """How many gold labels are worth as much, with the bounds of the 95 % interval; those are None of one seed."""

    at: Censored
    low: Censored | None
    high: Censored | None

    @property
    def told(self) -> bool:
        """Whether the data tell it to both sides."""
        return self.low is not None and not (self.low.flag or self.high.flag)

    @property
    def bounds(self) -> str:
        """The interval as a reader sees it; nothing where there is none."""
        return f"{number(self.low)} to {number(self.high)}" if self.low else ""


def worth(sizes: Sequence[int], gold: np.ndarray, correct: np.ndarray, rng: np.random.Generator) -> Worth:
    """Gold labels whose students are as accurate as students that are right in `correct`, float (seeds, texts).

    `gold` is what `curve` returns of two sizes or more; compared are the seeds that both have.
    """
    seeds = min(len(gold), len(correct))
    gold, correct = gold[:seeds], correct[:seeds]
    at = gold_equivalent(sizes, gold.mean((0, 2)), float(correct.mean()))
    bounds = gold_equivalent_bounds(sizes, gold, correct, rng=rng, n_boot=_WORTH_DRAWS) if seeds > 1 else (None, None)
    return Worth(at, *bounds)


def number(labels: Censored) -> str:
    """Write a number of labels as `640`, or as `< 250` or `> 2000` where only that is known."""
    return f"{labels.flag} {labels.value:.0f}".strip()
