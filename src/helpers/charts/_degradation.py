"""The chart of the page `degradation`."""

import altair as alt

from helpers.charts._lanes import lanes
from helpers.charts._parts import nothing
from helpers.findings import Finding


def degradation(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """Accuracy, or another measure, of every annotator's students against the gold students, by corpus."""
    rows = finding.frame
    if finding.verdicts.empty:
        return nothing(finding)
    rows = rows[~((rows["labels"] == "gold") & (rows["who"] == "annotator"))]
    marks = {"student": "its students", "annotator": "the annotator itself"}
    means = rows.groupby(["corpus", "labels", "who", "measure"], sort=False, as_index=False)["value"].mean()
    return lanes(
        finding,
        means.assign(mark=means["who"].map(marks)),
        seeds=rows[(rows["who"] == "student") & (rows["labels"] != "gold")],
        main="accuracy",
        what="measures of students, a row an annotator, grouped by corpus, beside the gold students' mean as a line; "
        "a bar around each mean is the 95 % interval of its distance to gold",
        static=static,
    )
