"""The chart of the page `telling`."""

import altair as alt

from helpers.charts import theme
from helpers.charts._parts import LEGEND, annotators_of, by_corpus, dashed, nothing
from helpers.findings import Finding


def telling(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """How many of an annotator's mistakes none, some or all of its students repeat, and of the gold students."""
    rows = finding.frame
    if rows.empty:
        return nothing(finding)
    annotators, students = annotators_of(rows["annotator"]), list(dict.fromkeys(rows["students"]))
    chosen = theme.legend_selection("annotator")
    shares = alt.Axis(format=".0%", values=sorted({*rows["repeated"]}))
    base = alt.Chart(rows).encode(
        alt.X("repeated:Q", title="share of the students that make the mistake", axis=shares),
        alt.Y("share:Q", title="share of the annotator's mistakes", axis=alt.Axis(format="~%")),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("students:N"),
            alt.Tooltip("repeated:Q", title="made by", format=".0%"),
            alt.Tooltip("share:Q", title="of its mistakes", format=".1%"),
        ],
    )
    line = dashed(base.mark_line(strokeWidth=2), "students", dict(zip(students, ([1, 0], [4, 4]), strict=False)))
    shapes = alt.Scale(domain=students, range=["circle", "diamond"])
    dots = base.mark_point(size=55, strokeWidth=1.5).encode(alt.Shape("students:N", scale=shapes, legend=LEGEND))
    return by_corpus(
        finding,
        [line, dots],
        f"Share of the mistakes of {', '.join(annotators)} over the share of the students that make the same "
        "mistake, for its own students and for gold students.",
        chosen,
        static=static,
    )
