"""The charts of the page `prevalence`."""

import altair as alt

from helpers.charts import theme
from helpers.charts._parts import LEGEND, SIZES, by_corpus, height_of, nothing, sizes_axis
from helpers.findings import Finding


def prevalence(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Share of each class: counted, estimated with its interval, and as all gold labels show it, by annotator."""
    if finding.frame.empty:
        return nothing(finding)
    rows = finding.frame
    who = list(dict.fromkeys(rows["who"]))
    # The corpus of most classes first: in its order, others have theirs most often.
    by_number = sorted((list(dict.fromkeys(r["label"])) for _, r in rows.groupby("corpus", sort=False)), key=len)
    labels = list(dict.fromkeys(label for found in reversed(by_number) for label in found))
    annotators = [name for name in who if name != "gold alone"]
    chosen = theme.legend_selection("who")
    scale = theme.colours(annotators)
    scale.domain = ["gold alone", *annotators]
    base = alt.Chart(rows).encode(
        alt.X("share:Q", title="share of the texts", axis=alt.Axis(format="~%", tickCount=6)),
        alt.Y("label:N", sort=labels, title=None),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("label:N", title="class"),
            alt.Tooltip("who:N", title="labels of"),
            alt.Tooltip("way:N"),
            alt.Tooltip("share:Q", format=".1%"),
            alt.Tooltip("low:Q", title="from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
        ],
    )
    lane = base.encode(
        alt.YOffset("who:N", sort=who),
        alt.Color("who:N", scale=scale, legend=theme.legend(who)),
        opacity=theme.faded_unless(chosen),
    )
    shapes = alt.Scale(domain=["counted", "estimated"], range=["triangle-up", "circle"])
    bar = lane.transform_filter("datum.way == 'estimated'").mark_rule(strokeWidth=5)
    bar = bar.encode(alt.X("low:Q", title="share of the texts"), alt.X2("high:Q"), strokeOpacity=alt.value(theme.PALE))
    dots = lane.transform_filter("datum.way != 'all gold labels'").mark_point(size=75, strokeWidth=2)
    dots = dots.encode(alt.Shape("way:N", scale=shapes, legend=LEGEND))
    truth = base.transform_filter("datum.way == 'all gold labels'").mark_rule(color=theme.GOLD, strokeWidth=2.5)
    truth = truth.encode(alt.Y("label:N", sort=labels, title=None, bandPosition=0), alt.Y2("label:N", bandPosition=1))
    return by_corpus(
        finding,
        [bar, truth, dots],  # the first has the lanes: they hold for all
        f"Share of each class ({', '.join(labels)}): counted among the labels of {', '.join(annotators)} as triangles, "
        "estimated from a few gold labels alone and together with each annotator's as circles with 95 % intervals; "
        "where all gold labels are known, their share as an upright line.",
        chosen,
        static=static,
        height=height_of(by_number[-1], who),
    )


def more_gold(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """How wide intervals of shares are over the number of gold labels, alone and with each annotator's labels."""
    if finding.frame.empty:
        return nothing(finding)
    rows = finding.frame
    who = list(dict.fromkeys(rows["who"]))
    chosen = theme.legend_selection("who")
    scale = theme.colours(who[1:])
    scale.domain = who
    base = alt.Chart(rows).encode(
        alt.X("k:Q", title="gold labels (log scale)", scale=SIZES, axis=sizes_axis(rows, "k", static=static)),
        alt.Y("width:Q", title="width of the 95 % interval", axis=alt.Axis(format="~%", tickCount=6)),
        alt.Color("who:N", scale=scale, legend=theme.legend(who)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("who:N", title="labels of"),
            alt.Tooltip("k:Q", title="gold labels"),
            alt.Tooltip("drawn:N"),
            alt.Tooltip("width:Q", format=".1%"),
        ],
    )
    dots = base.mark_point(size=55, strokeWidth=1.5)
    if rows["drawn"].nunique() > 1:
        shapes = alt.Scale(domain=["from the gold labels", "beyond them"], range=["circle", "diamond"])
        dots = dots.encode(alt.Shape("drawn:N", scale=shapes, legend=LEGEND))
    return by_corpus(
        finding,
        [base.mark_line(strokeWidth=2), dots],
        "Width of the 95 % interval of a share, a mean over classes, over the number of gold labels on a log scale: "
        f"{', '.join(who)}.",
        chosen,
        static=static,
    )
