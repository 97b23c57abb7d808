"""The chart of the page `unaided`."""

import altair as alt

from helpers.charts import theme
from helpers.charts._parts import LEGEND, STEP, annotator_lanes, annotators_of, height_of, nothing, width_of
from helpers.findings import Finding


def unaided(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """Signs that need no gold, from 0 to 1, and where it is known the accuracy that they should tell."""
    rows = finding.frame.dropna(subset=["value"]) if len(finding.frame) else finding.frame
    if rows.empty:
        return nothing(finding)
    corpora, annotators = list(dict.fromkeys(rows["corpus"])), annotators_of(rows["annotator"])
    signs = list(dict.fromkeys(rows["sign"]))
    chosen = theme.legend_selection("annotator")
    corpus = None if static else theme.switch("Corpus", corpora, everything="all")
    about = [alt.Tooltip("sign:N"), alt.Tooltip("value:Q", format=".2f"), alt.Tooltip("accuracy:Q", format=".2f")]
    base = annotator_lanes(rows, corpora, annotators, chosen=chosen, corpus=corpus, about=about)
    shapes = alt.Scale(domain=signs, range=["circle", "diamond", "square", "triangle-up"][: len(signs)])
    title = "sign, from 0 to 1 (bar: accuracy by gold)"
    dots = base.mark_point(size=75, strokeWidth=2).encode(
        alt.X("value:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=6)),
        alt.Shape("sign:N", scale=shapes, legend=LEGEND),
    )
    known = rows.dropna(subset=["accuracy"]).drop_duplicates(["corpus", "annotator"])
    bars = annotator_lanes(known, corpora, annotators, chosen=chosen, corpus=corpus, about=about)
    accuracy = bars.mark_bar(height=STEP * 0.4, fillOpacity=theme.PALE).encode(alt.X("accuracy:Q", title=title))
    chart = alt.layer(accuracy, dots).properties(width=width_of(static), height=height_of(corpora, annotators))
    description = (
        f"Signs that need no gold ({', '.join(signs)}), each from 0 to 1, as marks in a row an annotator, grouped by "
        "corpus, and the annotator's accuracy by gold as a pale bar where it is known. Corpora: "
        f"{', '.join(corpora)}; annotators, from top to bottom: {', '.join(annotators)}. {finding.summary}"
    )
    return theme.finish(chart, description, chosen, corpus)
