"""Dot plots with a row an annotator, grouped by corpus, and the gold students as a line."""

import altair as alt
import pandas as pd

from helpers.charts import theme
from helpers.charts._parts import LEGEND, STEP, annotators_of, chosen_corpus, height_of, width_of
from helpers.findings import Finding


def lanes(
    finding: Finding, points: pd.DataFrame, *, seeds: pd.DataFrame, main: str, what: str, static: bool
) -> alt.LayerChart:
    """A row an annotator, grouped by corpus, with the gold students as a line across the group.

    `points` and `seeds` have the columns corpus, labels, measure, value, and `points` also mark. The
    verdicts are about the measure `main`.
    """
    corpora, annotators = list(dict.fromkeys(points["corpus"])), annotators_of(points["labels"])
    measures = list(dict.fromkeys(points["measure"]))
    gold = points[points["labels"] == "gold"]
    theirs = points[points["labels"] != "gold"]
    reach = finding.verdicts.merge(
        gold.loc[gold["measure"] == main, ["corpus", "value"]], on="corpus", how="inner", validate="many_to_one"
    )
    # Where the interval of the distance to gold excludes zero, the bar stays clear of the gold line.
    reach = reach.assign(start=reach["value"] - reach["high"], end=reach["value"] - reach["low"], measure=main)
    reach = reach.rename(columns={"annotator": "labels"})
    shown = finding.claim.shown
    reach["distance"] = [shown(effect) for effect in reach["effect"]]
    chosen, corpus = theme.legend_selection("labels"), theme.switch("Corpus", corpora, everything="all")
    measure = theme.switch("Measure", measures)
    if static:
        corpus = measure = None

    def layer(data, *extra):
        layer = alt.Chart(data).transform_filter(
            "datum.measure == Measure" if measure else f"datum.measure == '{main}'"
        )
        return chosen_corpus(layer, corpus).encode(
            alt.Y("corpus:N", sort=corpora, title=None, axis=alt.Axis(labelLimit=90)),
            alt.Color("labels:N", scale=theme.colours(annotators), legend=theme.legend(annotators)),
            tooltip=[
                alt.Tooltip("corpus:N"),
                alt.Tooltip("labels:N", title="labels of"),
                *(alt.Tooltip(field, title=title) for field, title in extra),
            ],
        )

    x = {
        "title": main if measure is None else "value of the measure",
        "scale": alt.Scale(zero=False),
        "axis": alt.Axis(tickCount=6),
    }
    offset = alt.YOffset("labels:N", sort=annotators)
    number = alt.Tooltip("value:Q", format=".3f")
    line = layer(gold).mark_rule(strokeWidth=2.5)
    line = line.encode(
        alt.X("value:Q", **x),
        alt.Y("corpus:N", sort=corpora, title=None, bandPosition=0, axis=alt.Axis(labelLimit=90)),
        alt.Y2("corpus:N", bandPosition=1),
        tooltip=[alt.Tooltip("corpus:N"), alt.Tooltip("measure:N"), number],
    )
    bar = layer(reach, ("distance:N", "distance to gold"), ("verdict:N", "verdict")).mark_rule(strokeWidth=5)
    bar = bar.encode(alt.X("start:Q", **x), alt.X2("end:Q"), offset, strokeOpacity=alt.value(theme.PALE))
    ticks = layer(seeds).mark_tick(size=STEP * 0.5, thickness=1.5).encode(alt.X("value:Q", **x), offset)
    kinds = list(dict.fromkeys(theirs["mark"]))
    dots = layer(theirs).mark_point(size=75, strokeWidth=2, filled=False)
    dots = dots.encode(
        alt.X("value:Q", **x),
        offset,
        alt.Shape(
            "mark:N",
            scale=alt.Scale(domain=kinds, range=["circle", "diamond"][: len(kinds)]),
            legend=LEGEND if len(kinds) > 1 else None,
        ),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("labels:N", title="labels of"),
            alt.Tooltip("mark:N", title="value of"),
            alt.Tooltip("measure:N"),
            number,
        ],
    )
    chart = alt.layer(bar, line, *([] if seeds.empty else [ticks]), dots)
    chart = chart.properties(width=width_of(static), height=height_of(corpora, annotators))
    description = (
        f"Dot plot of {what}. Corpora: {', '.join(corpora)}; annotators: {', '.join(annotators)}. {finding.summary}"
    )
    return theme.finish(chart, description, chosen, corpus, measure)
