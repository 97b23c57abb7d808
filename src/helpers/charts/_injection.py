"""The chart of the page `injection`."""

import altair as alt

from helpers.charts import theme
from helpers.charts._parts import LEGEND, annotators_of, bars_by, by_corpus, height_of, nothing
from helpers.findings import Finding


def injection(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Share of texts that get the ordered label, by what was planted in them, of annotators and their students."""
    rows = finding.frame
    if rows.empty:
        return nothing(finding)
    planted, annotators = list(dict.fromkeys(rows["planted"])), annotators_of(rows["annotator"])
    chosen = theme.legend_selection("annotator")
    title = "share that gets the ordered label"
    base = alt.Chart(rows).encode(
        alt.Y("planted:N", sort=planted, title=None),
        alt.YOffset("annotator:N", sort=annotators),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("who:N", title="labelled by"),
            alt.Tooltip("planted:N"),
            alt.Tooltip("share:Q", format=".1%"),
            alt.Tooltip("low:Q", title="from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
        ],
    )
    who = ["annotator", "its students"]
    bar = bars_by(base, "who", who).encode(alt.X("low:Q", title=title), alt.X2("high:Q"))
    shapes = alt.Scale(domain=who, range=["circle", "diamond"])
    dots = base.mark_point(size=75, strokeWidth=2).encode(
        alt.X("share:Q", title=title, axis=alt.Axis(format="~%", tickCount=6)),
        alt.Shape("who:N", scale=shapes, legend=LEGEND),
    )
    return by_corpus(
        finding,
        [bar, dots],
        f"Share of texts of other classes that get the ordered label, with nothing planted, with each order and each "
        f"control ({', '.join(planted)}), from {', '.join(annotators)} (from top to bottom) as circles with broad, "
        "pale 95 % intervals, and from their students as diamonds with narrow ones.",
        chosen,
        static=static,
        height=height_of(planted, annotators),
    )
