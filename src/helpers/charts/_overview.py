"""The chart of the page `overview`."""

import altair as alt
import pandas as pd

from helpers.charts import theme
from helpers.charts._parts import annotators_of, width_of, words
from helpers.findings import claims
from helpers.findings.finding import bounds
from helpers.measures.intervals import Interval

#: So many corpora have names beside each other on a phone; of more, names are slanted.
_LEVEL = 4
#: A short bar: the sign for "not shown".
_DASH = "M-0.9,-0.2h1.8v0.4h-1.8z"


def overview(verdicts: pd.DataFrame, *, static: bool = False) -> alt.LayerChart | alt.Chart:
    """Every verdict: a row a finding, a group of marks a corpus, a mark an annotator, the last of the
    study the largest.

    Parameters
    ----------
    verdicts
        As `helpers.findings.verdicts` returns them; variants are not drawn.
    """
    verdicts = verdicts[verdicts["variant"] == ""]
    if verdicts.empty:
        return theme.finish(words("no verdicts"), "No verdicts: the study has nothing to judge.")
    rows = verdicts.assign(
        title=[claims()[name].title for name in verdicts["finding"]],
        shown=[claims()[r.finding].shown(r.effect) for r in verdicts.itertuples()],
        between=[bounds(claims()[r.finding], Interval(r.effect, r.low, r.high)) for r in verdicts.itertuples()],
    )
    annotators, corpora = annotators_of(rows["annotator"]), list(dict.fromkeys(rows["corpus"]))
    kinds = list(theme.VERDICTS)
    chosen = theme.legend_selection("verdict")
    sizes = [200 * (i + 1) / len(annotators) + 30 for i in range(len(annotators))]
    chart = (
        alt.Chart(rows)
        .mark_point(filled=True, opacity=1)
        .encode(
            alt.X(
                "corpus:N",
                sort=corpora,
                title=None,
                axis=alt.Axis(labelAngle=0 if len(corpora) <= _LEVEL else -45, labelLimit=90, orient="top", grid=False),
            ),
            alt.XOffset("annotator:N", sort=annotators),
            alt.Y(
                "title:N",
                sort=list(dict.fromkeys(rows["title"])),
                title=None,
                axis=alt.Axis(
                    grid=True,
                    tickBand="extent",
                    labelExpr="split(datum.label, ' ')",
                    labelLineHeight=13,
                    minExtent=84,  # room for a wider font than the one that the labels were measured in
                ),
            ),
            alt.Color(
                "verdict:N",
                scale=alt.Scale(domain=kinds, range=list(theme.VERDICTS.values())),
                legend=alt.Legend(columns=len(kinds)),
            ),
            alt.Shape(
                "verdict:N",
                scale=alt.Scale(domain=kinds, range=["circle", _DASH, "triangle-down"]),
                legend=alt.Legend(columns=len(kinds)),
            ),
            alt.Size(
                "annotator:N",
                scale=alt.Scale(domain=annotators, range=[sizes[0], sizes[-1]]),
                sort=annotators,
                legend=theme.legend(
                    annotators, symbolType="circle", symbolFillColor=theme.GREY, symbolStrokeWidth=0, orient="bottom"
                ),
            ),
            opacity=theme.faded_unless(chosen),
            tooltip=[
                alt.Tooltip("title:N", title="finding"),
                alt.Tooltip("corpus:N"),
                alt.Tooltip("annotator:N"),
                alt.Tooltip("verdict:N"),
                alt.Tooltip("shown:N", title="effect"),
                alt.Tooltip("between:N", title="95 % interval"),
                alt.Tooltip("n_runs:Q", title="trainings"),
            ],
        )
        .properties(width=width_of(static), height=38 * rows["title"].nunique())
    )
    counts = [
        f"{title}: " + ", ".join(f"{n} {verdict}" for verdict, n in group["verdict"].value_counts(sort=False).items())
        for title, group in rows.groupby("title", sort=False)
    ]
    description = (
        f"Verdicts as marks, a row a finding, a group a corpus ({', '.join(corpora)}), a mark an annotator in the "
        f"order of the study ({', '.join(annotators)}). {'; '.join(counts)}."
    )
    return theme.finish(chart, description, chosen)
