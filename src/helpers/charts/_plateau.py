"""The chart of the page `plateau`."""

import altair as alt

from helpers.charts import theme
from helpers.charts._learning import TITLE, learning_curves
from helpers.charts._parts import MARKS, annotators_of, by_corpus, nothing
from helpers.findings import Finding


def plateau(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Learning curves: accuracy over the number of labels, by label source."""
    if finding.verdicts.empty:
        return nothing(finding)
    rows = finding.frame
    annotators = annotators_of(rows["labels"])
    chosen = theme.legend_selection("labels")
    marks = ["diamond", *(MARKS * len(annotators))[: len(annotators)]]
    curves = learning_curves(
        alt.Chart(rows),
        rows,
        "labels",
        colours=theme.colours(annotators),
        shapes=alt.Scale(domain=["gold", *annotators], range=marks),
        names=annotators,
        chosen=chosen,
        about=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("labels:N", title="labels of"),
            alt.Tooltip("own:Q", title="the annotator itself", format=".3f"),
        ],
        static=static,
    )
    own = curves.base.mark_line(strokeDash=[3, 4], strokeWidth=1.5).encode(alt.Y("own:Q", title=TITLE))
    return by_corpus(
        finding,
        [curves.band, own, curves.line, curves.dots],
        f"Learning curves: test accuracy over the number of labels on a log scale, for gold and "
        f"{', '.join(annotators)}, with 95 % bands, and each annotator's own accuracy as a dashed line.",
        chosen,
        static=static,
    )
