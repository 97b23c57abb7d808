"""The chart of the page `ensembling`."""

import altair as alt
import pandas as pd

from helpers.charts import theme
from helpers.charts._parts import LEGEND, STEP, chosen_corpus, height_of, nothing, width_of
from helpers.findings import Finding


def ensembling(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """What the vote and the mean of all students gain over one of them, by label source and corpus."""
    if finding.verdicts.empty:
        return nothing(finding)
    rows = finding.frame
    corpora, sources = list(dict.fromkeys(rows["corpus"])), list(dict.fromkeys(rows["labels"]))
    sources.sort(key=lambda source: source.endswith(" of annotators"))  # those that are not in every study, last
    single = rows[rows["who"] == "one student"].groupby(["corpus", "labels"], as_index=False)["accuracy"].mean()
    rows = rows.merge(single.rename(columns={"accuracy": "single"}), on=["corpus", "labels"], validate="many_to_one")
    rows["gain"] = 100 * (rows["accuracy"] - rows["single"])
    reach = finding.verdicts.rename(columns={"annotator": "labels"})
    reach = reach.assign(low=100 * reach["low"], high=100 * reach["high"])
    chosen, corpus = theme.legend_selection("labels"), theme.switch("Corpus", corpora, everything="all")
    if static:
        corpus = None

    def layer(data, x="gain:Q"):
        return chosen_corpus(alt.Chart(data), corpus).encode(
            alt.X(x, title="points of accuracy above one student", axis=alt.Axis(tickCount=6)),
            alt.Y("corpus:N", sort=corpora, title=None, axis=alt.Axis(labelLimit=90)),
            alt.YOffset("labels:N", sort=sources),
            alt.Color(
                "labels:N", scale=theme.colours([s for s in sources if s != "gold"]), legend=theme.legend(sources)
            ),
        )

    who = [
        alt.Tooltip("corpus:N"),
        alt.Tooltip("labels:N", title="labels of"),
        alt.Tooltip("who:N", title="accuracy of"),
        alt.Tooltip("accuracy:Q", format=".3f"),
        alt.Tooltip("gain:Q", title="points above one student", format="+.1f"),
    ]
    ways = ["vote of students", "mean of students"]
    zero = alt.Chart(pd.DataFrame({"gain": [0.0]})).mark_rule(color=theme.GREY).encode(alt.X("gain:Q"))
    bar = layer(reach, "low:Q").mark_rule(strokeWidth=5).encode(alt.X2("high:Q"), strokeOpacity=alt.value(theme.PALE))
    bar = bar.encode(tooltip=[alt.Tooltip("labels:N", title="labels of"), alt.Tooltip("verdict:N")])
    ticks = layer(rows[rows["who"] == "one student"]).mark_tick(size=STEP * 0.5, thickness=1.5).encode(tooltip=who)
    dots = layer(rows[rows["who"] != "one student"]).mark_point(size=70, strokeWidth=2)
    dots = dots.encode(
        alt.Shape("who:N", scale=alt.Scale(domain=ways, range=["circle", "diamond"]), legend=LEGEND),
        opacity=theme.faded_unless(chosen),
        tooltip=who,
    )
    chart = alt.layer(zero, bar, ticks, dots).properties(width=width_of(static), height=height_of(corpora, sources))
    description = (
        "Accuracy of the vote and of the mean of all students above that of one, in points, with ticks for the "
        f"single students, for the labels of {', '.join(sources)}, grouped by corpus ({', '.join(corpora)}); a bar "
        f"is the 95 % interval of the vote. {finding.summary}"
    )
    return theme.finish(chart, description, chosen, corpus)
