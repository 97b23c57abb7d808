"""How much of the gap to gold a mitigation closes."""

import numpy as np

from helpers.findings.finding import percent, signed
from helpers.findings.results import Students
from helpers.measures.intervals import Interval, bootstrap_of_means


def recovery(
    mended: np.ndarray, plain: Students, gold: Students, gap: Interval, *, rng: np.random.Generator
) -> Interval:
    """Share of the gap between `plain` and `gold` students that a mitigation closes, with its interval.

    Parameters
    ----------
    mended
        Correctness of the mitigated predictions, float (seeds, texts), or (1, texts) for one ensemble of all
        seeds.
    gap
        The difference in accuracy of `gold` and `plain`.

    Returns
    -------
    Interval
        1 where the gap is closed, 0 where nothing is won, negative where it widens. All nan where the interval
        of the gap does not lie above zero: there is no share of a gap that may not exist.
    """
    if gap.sign < 1:
        return Interval(np.nan, np.nan, np.nan)

    def share(better, before, best):
        # A draw without a gap has no share: a few are dropped, many leave the effect without bounds.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(best > before, (better - before) / (best - before), np.nan)

    return bootstrap_of_means(share, mended, plain.correct, gold.correct, rng=rng, n_boot=1000)


def shown(share: Interval) -> dict[str, float | str]:
    """The two columns of a table, blank where there is no gap to recover."""
    without = "none" if np.isfinite(share.effect) else ""
    return {"Gap to gold closed, %": percent(share.effect), "95 % interval of that": signed(share) or without}
