"""The chart of the page `filtering`."""

import altair as alt

from helpers.charts import theme
from helpers.charts._parts import LEGEND, MARKS, annotators_of, by_corpus, joined, nothing
from helpers.findings import Finding

#: Of filters; a random choice has its own.
_DASHES = [[1, 0], [8, 2], [8, 2, 2, 2], [2, 2], [12, 3], [5, 1]]


def filtering(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Accuracy over the kept share of labels, for labels of lowest entropy and for a random choice."""
    if finding.verdicts.empty:
        return nothing(finding)
    rows = finding.frame
    annotators = annotators_of(rows["annotator"])
    chosen = theme.legend_selection("annotator")
    curves = alt.Chart(rows).transform_filter("datum.choice != 'gold'")
    curves = curves.encode(
        alt.X(
            "kept:Q",
            title="share of the labels that is kept",
            axis=alt.Axis(format="%", values=sorted({*rows["kept"]})),
        ),
        alt.Y("accuracy:Q", title="test accuracy", scale=alt.Scale(zero=False)),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("choice:N"),
            alt.Tooltip("kept:Q", format="%"),
            alt.Tooltip("n:Q", title="labels"),
            alt.Tooltip("accuracy:Q", format=".3f"),
            alt.Tooltip("label_accuracy:Q", title="labels right", format=".3f"),
        ],
    )
    choices = [c for c in dict.fromkeys(rows["choice"]) if c not in ("gold", "random")] + ["random"]
    filters = len(choices) - 1
    dashes = alt.Scale(domain=choices, range=[*(_DASHES * filters)[:filters], [4, 4]])
    shapes = alt.Scale(domain=choices, range=[*(MARKS * filters)[:filters], "diamond"])
    line = curves.mark_line(strokeWidth=2).encode(alt.StrokeDash("choice:N", scale=dashes, legend=LEGEND))
    dots = curves.mark_point(size=55, strokeWidth=1.5, opacity=1).encode(
        alt.Shape(
            "choice:N",
            scale=shapes,
            legend=LEGEND,
        )
    )
    gold = (
        alt.Chart(rows)
        .transform_filter("datum.choice == 'gold'")
        .mark_rule(color=theme.GOLD, strokeWidth=2)
        .encode(alt.Y("max(accuracy):Q"), tooltip=[alt.Tooltip("max(accuracy):Q", title="gold students", format=".3f")])
    )
    return by_corpus(
        finding,
        [gold, line, dots],
        f"Test accuracy over the share of labels kept, by how they are chosen ({joined(choices)}), "
        f"of {joined(annotators)}; the gold students as a level line.",
        chosen,
        static=static,
    )
