"""How much of the gap to gold a mitigation closes."""

import numpy as np

from helpers.findings.finding import percent, signed
from helpers.findings.results import Students
from helpers.measures.intervals import Interval, ratio_interval


def recovery(
    mended: np.ndarray, plain: Students, gold: Students, gap: Interval, *, rng: np.random.Generator
) -> Interval:
    """Share of the gap between `plain` and `gold` students that a mitigation closes, with its interval.

    Parameters
    ----------
    mended
        Correctness of the mitigated predictions, float (seeds, texts), of a vote as `votes_by_seed` has it.
    gap
        The difference in accuracy of `gold` and `plain`.
    rng
        In the state that the interval of `mended` minus `plain` was drawn in, if that is shown beside: by the same
        draws, both lie on the same side of zero.

    Returns
    -------
    Interval
        1 where the gap is closed, 0 where nothing is won, negative where it widens. All nan where the interval
        of the gap does not lie above zero: there is no share of a gap that may not exist.
    """
    if gap.sign < 1:
        return Interval(np.nan)
    return ratio_interval(mended - plain.correct, gold.correct - plain.correct, rng=rng)


def shown(share: Interval) -> dict[str, float | str]:
    """The two columns of a table, blank where there is no gap to recover."""
    without = "none" if np.isfinite(share.effect) else ""
    return {"Gap to gold closed, %": percent(share.effect), "95 % interval of that": signed(share) or without}
