"""What several ways to treat labels gain, a row each: a dot a corpus and annotator, and the median."""

import altair as alt
import pandas as pd

from helpers.charts import theme
from helpers.charts._parts import STEP, height_of, width_of


def gains(
    shown: alt.Chart,
    way: str,
    ways: list[str],
    annotators: list[str],
    chosen: alt.Parameter,
    *,
    static: bool,
    step: float = STEP,
) -> alt.LayerChart:
    """Layers over a table with the columns corpus, annotator, difference, low and high, in points, and one of `ways`.

    Parameters
    ----------
    way
        Name of the column that says which of `ways` it is.
    step
        Height of the lane of one annotator, pixels.
    """
    base = shown.encode(alt.Y(f"{way}:N", sort=ways, title=None, axis=alt.Axis(labelLimit=200)))
    title = "points of accuracy gained"
    zero = alt.Chart(pd.DataFrame({"difference": [0.0]})).mark_rule(color=theme.GREY).encode(alt.X("difference:Q"))
    dots = base.mark_point(size=3 * step, strokeWidth=1.5).encode(
        alt.X("difference:Q", title=title, axis=alt.Axis(tickCount=6)),
        alt.YOffset("annotator:N", sort=annotators),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip(f"{way}:N"),
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("difference:Q", title="points", format="+.1f"),
            alt.Tooltip("low:Q", title="from", format="+.1f"),
            alt.Tooltip("high:Q", title="to", format="+.1f"),
        ],
    )
    median = base.mark_tick(color=theme.TEXT, thickness=2.5, size=0.8 * step * len(annotators), opacity=1).encode(
        alt.X("median(difference):Q", title=title),
        tooltip=[
            alt.Tooltip(f"{way}:N"),
            alt.Tooltip("median(difference):Q", title="median, points", format="+.1f"),
        ],
    )
    chart = alt.layer(zero, dots, median)
    return chart.properties(width=width_of(static), height=height_of(ways, annotators, step=step))
