"""The chart of the page `instability`."""

import altair as alt

from helpers.charts._lanes import lanes
from helpers.charts._parts import nothing
from helpers.findings import Finding


def instability(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """Agreement of students over seeds, at the largest number of labels, against the gold students, by corpus."""
    if finding.verdicts.empty:
        return nothing(finding)
    rows = finding.frame[finding.frame["n"] == finding.frame.groupby("corpus")["n"].transform("max")]
    return lanes(
        finding,
        rows.assign(mark="its students"),
        seeds=rows.iloc[:0],
        main="alpha",
        what="agreement of students over seeds, a row an annotator, grouped by corpus, beside the gold students' as a "
        "line; a bar around each point is the 95 % interval of its distance to gold",
        static=static,
    )
