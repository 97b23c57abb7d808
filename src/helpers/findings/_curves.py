"""Learning curves: what the pages on the plateau, on random errors and on decisions share."""

from collections.abc import Iterable, Sequence

import numpy as np

from helpers.findings.results import Students, paired
from helpers.measures.plateau import Censored, curve_draws


def curve(cells: Iterable[Students]) -> np.ndarray:
    """Correctness of the students of each size, of the seeds that all sizes have, float (seeds, sizes, texts)."""
    return np.stack([cell.correct for cell in paired(*cells)], axis=1)


def points(sizes: Sequence[int], correct: np.ndarray, rng: np.random.Generator) -> list[dict]:
    """A row a size: `n`, `accuracy`, and the bounds `low` and `high` of its 95 % interval over seeds and texts.

    `correct` is what `curve` returns. Of one seed there are no bounds: nan.
    """
    low = high = np.full(len(sizes), np.nan)
    if len(correct) > 1:
        low, high = np.quantile(curve_draws(correct, rng=rng)[0], [0.025, 0.975], axis=0)
    return [
        {"n": int(n), "accuracy": float(accuracy), "low": float(at_least), "high": float(at_most)}
        for n, accuracy, at_least, at_most in zip(sizes, correct.mean((0, 2)), low, high, strict=True)
    ]


def number(labels: Censored) -> str:
    """Write a number of labels as `640`, or as `< 250` or `> 2000` where only that is known."""
    return f"{labels.flag} {labels.value:.0f}".strip()
