"""The charts of the page `filtering`."""

import json

import altair as alt

from helpers.charts import theme
from helpers.charts._gains import gains
from helpers.charts._parts import LEGEND, annotators_of, by_corpus, dashed, nothing
from helpers.findings import Finding

#: What is trained on: as many labels, chosen in one of two ways.
_WAYS = ["the filter", "a random choice"]


def filtering(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Accuracy over the kept share of labels, for one filter at a time and for a random choice."""
    if finding.frame.empty:
        return nothing(finding)
    rows = finding.frame
    annotators = annotators_of(rows["annotator"])
    filters = [choice for choice in dict.fromkeys(rows["choice"]) if choice not in ("gold", "random")]
    chosen = theme.legend_selection("annotator")
    if not filters:
        return nothing(finding)
    choice = None if static else theme.switch("Filter", filters)
    one_filter = "datum.choice == Filter" if choice else f"datum.choice == {json.dumps(filters[0])}"
    curves = alt.Chart(rows).transform_filter(f"datum.choice == 'random' || {one_filter}")
    curves = curves.transform_calculate(way=f"datum.choice == 'random' ? {_WAYS[1]!r} : {_WAYS[0]!r}")
    curves = curves.encode(
        alt.X(
            "kept:Q",
            title="share of the labels that is kept",
            scale=alt.Scale(zero=False, nice=False, padding=12),  # room for the marks at either end
            axis=alt.Axis(format="~%", values=sorted({*rows["kept"]})),
        ),
        alt.Y("accuracy:Q", title="test accuracy", scale=alt.Scale(zero=False)),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("choice:N"),
            alt.Tooltip("kept:Q", format=".1%"),
            alt.Tooltip("n:Q", title="labels"),
            alt.Tooltip("accuracy:Q", format=".3f"),
            alt.Tooltip("label_accuracy:Q", title="labels right", format=".3f"),
        ],
    )
    shapes = alt.Scale(domain=_WAYS, range=["circle", "diamond"])
    line = dashed(curves.mark_line(strokeWidth=2), "way", dict(zip(_WAYS, ([1, 0], [4, 4]), strict=True)))
    dots = curves.mark_point(size=55, strokeWidth=1.5, opacity=1).encode(
        alt.Shape("way:N", scale=shapes, legend=LEGEND)
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
        f"Test accuracy over the share of labels kept, by a filter ({', '.join(filters)}) and by a random choice, "
        f"of {', '.join(annotators)}; the gold students as a level line.",
        choice,
        chosen,
        static=static,
    )


def choices(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """What each filter gains over a random choice, or over all labels: a dot a corpus and annotator, and the median."""
    if finding.frame.empty:
        return nothing(finding)
    rows = finding.frame.assign(**{column: 100 * finding.frame[column] for column in ("difference", "low", "high")})
    filters, annotators = list(dict.fromkeys(rows["choice"])), annotators_of(rows["annotator"])
    rows["share"] = [f"{100 * kept:g}%" for kept in rows["kept"]]
    shares, beside = list(rows.sort_values("kept")["share"].unique()), ["a random choice", "all labels"]
    first = rows["share"].iloc[0]
    chosen = theme.legend_selection("annotator")
    share = theme.switch("Kept", shares, first=first)
    against = theme.switch("Beside", beside)
    if static:
        share = against = None
    shown = alt.Chart(rows).transform_filter(
        f"datum.share == {'Kept' if share else json.dumps(first)}"
        f" && datum.beside == {'Beside' if against else json.dumps(beside[0])}"
    )
    chart = gains(shown, "choice", filters, annotators, chosen, static=static)
    description = (
        f"Dot plot of what students of filtered labels ({', '.join(filters)}) gain, in points of accuracy, over "
        "those of as many labels chosen at random, or over those of all: a dot a corpus and annotator "
        f"({', '.join(annotators)}), an upright line for the median. {finding.summary}"
    )
    return theme.finish(chart, description, chosen, share, against)
