"""Learning curves: a band, a line and dots for each name, over the number of labels."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from helpers.charts import theme
from helpers.charts._parts import SIZES, dashed, sizes_axis

TITLE = "test accuracy"


class Curves(NamedTuple):
    """The layers, and what they are marks on."""

    base: alt.Chart
    band: alt.Chart
    line: alt.Chart
    dots: alt.Chart


def learning_curves(
    chart: alt.Chart,
    rows: pd.DataFrame,
    field: str,
    *,
    colours: alt.Scale,
    shapes: alt.Scale,
    dashes: dict[str, list[int]] | None = None,
    names: list[str],
    chosen: alt.Parameter,
    about: list[alt.Tooltip],
    static: bool,
) -> Curves:
    """Accuracy over the number of labels on a log scale, with 95 % bands: a curve for each name in the column `field`.

    Parameters
    ----------
    chart
        On some of `rows`, which have `corpus`, `n`, `accuracy`, `low` and `high`.
    names
        What the legend shows: the scales' names.
    dashes
        Name -> lengths of dashes and gaps.
    about
        What a tooltip says before the numbers.
    """
    legend = theme.legend(names)
    numbers = [
        alt.Tooltip("n:Q", title="number of labels"),
        alt.Tooltip("accuracy:Q", format=".3f"),
        alt.Tooltip("low:Q", title="from", format=".3f"),
        alt.Tooltip("high:Q", title="to", format=".3f"),
    ]
    base = chart.encode(
        alt.X(
            "n:Q",
            title="labels (log scale)",
            scale=SIZES,
            axis=sizes_axis(rows, static=static),
        ),
        alt.Color(f"{field}:N", scale=colours, legend=legend),
        opacity=theme.faded_unless(chosen),
        tooltip=[*about, *numbers],
    )
    accuracy = alt.Y("accuracy:Q", title=TITLE, scale=alt.Scale(zero=False))
    line = base.mark_line(strokeWidth=2).encode(accuracy)
    return Curves(
        base,
        base.mark_area(fillOpacity=0.15).encode(alt.Y("low:Q", title=TITLE), y2="high:Q"),
        dashed(line, field, dashes) if dashes else line,
        base.mark_point(filled=True, size=55, opacity=1).encode(
            accuracy, alt.Shape(f"{field}:N", scale=shapes, legend=legend)
        ),
    )
