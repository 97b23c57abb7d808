"""The chart of the page `encoders`."""

import altair as alt

from helpers.charts._losses import losses
from helpers.charts._parts import nothing
from helpers.findings import Finding


def encoders(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """Accuracy that an annotator's labels cost the students of two encoders, by annotator and corpus."""
    rows = finding.frame
    if rows.empty:
        return nothing(finding)
    kinds = list(dict.fromkeys(rows["encoder"]))
    return losses(
        finding,
        rows,
        "encoder",
        kinds,
        about=[alt.Tooltip("encoder:N")],
        what=f"the accuracy that an annotator's labels cost students of the encoders {', '.join(kinds)}, in points",
        static=static,
    )
