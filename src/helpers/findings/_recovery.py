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


def beyond_gold(mended: np.ndarray, gold_mended: np.ndarray, gold: Students) -> np.ndarray:
    """Correctness of mitigated predictions less what the same mitigation adds to `gold` students, (seeds, texts).

    Taken for `mended` in `recovery`, the share is (what the annotator's students gain - what gold students gain) /
    (gold - plain): how much smaller the gap is when both sides have the mitigation, as a share of the gap that there is
    when neither has it. That is 1 - (gold_mended - mended) / (gold - plain). Its denominator is that of `recovery`, so
    that both are shares of one gap, and differ by the gain of gold students alone; and it is above zero exactly where
    the annotator's students gain more. A budget of its own for the annotator would be paid by no gold student.
    """
    return mended - (gold_mended - gold.correct)


def shown(share: Interval, which: str = "") -> dict[str, float | str]:
    """The two columns of a table, blank where there is no gap to recover; `which` tells one such share from another."""
    without = "none" if np.isfinite(share.effect) else ""
    columns = f"Gap to gold closed, {which}, %", f"95 % interval, {which}"
    if not which:
        columns = "Gap to gold closed, %", "95 % interval of that"
    return dict(zip(columns, (percent(share.effect), signed(share) or without), strict=True))
