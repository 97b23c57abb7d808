"""The chart of the page `decision`."""

import altair as alt

from helpers.charts._losses import losses
from helpers.charts._parts import nothing
from helpers.findings import Finding


def decision(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """Expected loss against gold students, as the labels are and with the remedy, by annotator and corpus."""
    rows = finding.frame
    if rows.empty or rows["loss"].isna().all():
        return nothing(finding)
    advice = finding.verdicts[["corpus", "annotator", "verdict"]]
    return losses(
        finding,
        rows.merge(advice, on=["corpus", "annotator"], validate="many_to_one"),
        "students",
        ["of its labels", "with the remedy"],
        about=[alt.Tooltip("verdict:N", title="advice"), alt.Tooltip("students:N"), alt.Tooltip("remedy:N")],
        what="the accuracy that students of an annotator's labels lose against gold students, in points, as the labels "
        "are and with the remedy that helps most where one does",
        static=static,
    )
