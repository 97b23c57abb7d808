"""Dot plots of the accuracy that is lost against gold students, a row an annotator, grouped by corpus."""

import altair as alt
import pandas as pd

from helpers.charts import theme
from helpers.charts._parts import LEGEND, annotator_lanes, annotators_of, bars_by, height_of, width_of
from helpers.findings import Finding

_TITLE = "points of accuracy lost against gold students"


def losses(
    finding: Finding,
    rows: pd.DataFrame,
    kind: str,
    kinds: list[str],
    *,
    about: list[alt.Tooltip],
    what: str,
    static: bool,
) -> alt.LayerChart:
    """Losses with their 95 % intervals; the column `kind` says which of at most two `kinds`, by shape, a dot is of.

    Parameters
    ----------
    rows
        With corpus, annotator, `kind`, and loss, low and high, 0 to 1.
    about
        What a tooltip says between the annotator and the numbers.
    """
    rows = rows.assign(**{column: 100 * rows[column] for column in ("loss", "low", "high")})
    corpora, annotators = list(dict.fromkeys(rows["corpus"])), annotators_of(rows["annotator"])
    chosen = theme.legend_selection("annotator")
    corpus = None if static else theme.switch("Corpus", corpora, everything="all")
    numbers = [
        alt.Tooltip("loss:Q", title="points lost", format="+.1f"),
        alt.Tooltip("low:Q", title="from", format="+.1f"),
        alt.Tooltip("high:Q", title="to", format="+.1f"),
    ]
    base = annotator_lanes(rows, corpora, annotators, chosen=chosen, corpus=corpus, about=[*about, *numbers])
    zero = alt.Chart(pd.DataFrame({"loss": [0.0]})).mark_rule(color=theme.GOLD, strokeWidth=2.5).encode(alt.X("loss:Q"))
    bar = bars_by(base, kind, kinds).encode(alt.X("low:Q", title=_TITLE), alt.X2("high:Q"))
    dots = base.mark_point(size=75, strokeWidth=2).encode(
        alt.X("loss:Q", title=_TITLE, axis=alt.Axis(tickCount=6)),
        alt.Shape(f"{kind}:N", scale=alt.Scale(domain=kinds, range=["circle", "diamond"][: len(kinds)]), legend=LEGEND),
    )
    chart = alt.layer(zero, bar, dots)
    chart = chart.properties(width=width_of(static), height=height_of(corpora, annotators))
    description = (
        f"Dot plot of {what}, with 95 % intervals, a row an annotator, grouped by corpus. Corpora: "
        f"{', '.join(corpora)}; annotators, from top to bottom: {', '.join(annotators)}. {finding.summary}"
    )
    return theme.finish(chart, description, chosen, corpus)
