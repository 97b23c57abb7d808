"""What the charts of several pages share: how they fit a page, take turns by corpus, and name things."""

import json

import altair as alt
import pandas as pd

from helpers.charts import theme
from helpers.findings import Finding

STEP = 20  # height of one row of marks, pixels
#: Shapes of names that take turns. The diamond is kept for what they are compared with.
MARKS = ["circle", "square", "triangle-up", "triangle-down", "triangle-left", "triangle-right"]
#: Of shapes and dashes, below the chart: beside that of the colours there is no room on a phone.
LEGEND = alt.Legend(symbolStrokeColor=theme.GREY, orient="bottom", columns=1)
#: Of numbers of labels. The pixels at both ends keep the marks of the smallest size off the numbers of the other axis.
SIZES = alt.Scale(type="log", nice=False, padding=10)


def by_corpus(
    finding: Finding,
    layers: list[alt.Chart],
    what: str,
    *params: alt.Parameter | None,
    static: bool,
    height: int = 300,
) -> alt.LayerChart | alt.FacetChart:
    """Layers over one table with a column corpus: one corpus at a time, or for a picture side by side."""
    corpora = list(dict.fromkeys(finding.frame["corpus"]))
    description = f"{what} Corpora: {', '.join(corpora)}. {finding.summary}"
    if static:
        columns = min(2, len(corpora))
        chart = alt.layer(*layers).properties(width=width_of(True) // columns - 50 * (columns - 1), height=height)
        chart = chart.facet(alt.Facet("corpus:N", sort=corpora, title=None), columns=columns)
        return theme.finish(chart.resolve_scale(y="independent", yOffset="independent"), description, *params)
    corpus = theme.switch("Corpus", corpora)
    layers = [layer.transform_filter("datum.corpus == Corpus") for layer in layers] if corpus else layers
    chart = alt.layer(*layers).properties(width=width_of(False), height=height)
    return theme.finish(chart, description, corpus, *params)


def chosen_corpus(chart: alt.Chart, corpus: alt.Parameter | None) -> alt.Chart:
    """The chart of the corpus that the menu says, or of all."""
    if corpus is None:
        return chart
    return chart.transform_filter("Corpus == null || datum.corpus == Corpus")


def annotator_lanes(
    rows: pd.DataFrame,
    corpora: list[str],
    annotators: list[str],
    *,
    chosen: alt.Parameter,
    corpus: alt.Parameter | None,
    about: list[alt.Tooltip],
) -> alt.Chart:
    """A row an annotator, grouped by corpus, to put marks on; `about` is what a tooltip says after the two."""
    return chosen_corpus(alt.Chart(rows), corpus).encode(
        alt.Y("corpus:N", sort=corpora, title=None, axis=alt.Axis(labelLimit=90)),
        alt.YOffset("annotator:N", sort=annotators),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[alt.Tooltip("corpus:N"), alt.Tooltip("annotator:N"), *about],
    )


def bars_by(bars: alt.Chart, field: str, kinds: list[str]) -> alt.Chart:
    """Bars that may lie on each other: those of the first of at most two `kinds` are broad and pale, others narrow."""
    first = alt.datum[field] == kinds[0]
    return bars.mark_rule().encode(
        strokeWidth=alt.condition(first, alt.value(7), alt.value(2)),
        strokeOpacity=alt.condition(first, alt.value(theme.PALE), alt.value(1)),
    )


def height_of(groups: list[str], lanes: list[str], *, step: float = STEP) -> float:
    """Height of so many groups of rows, `step` each, in pixels; a tenth of each group is free above and below.

    A number and not a step: a height that follows the data goes with a width that follows the page only under
    protest, on the console.
    """
    return step * max(2, len(lanes)) / 0.8 * len(groups)


def width_of(static: bool) -> int | str:
    """Width of a picture in pixels, or that of the page."""
    return 620 if static else "container"


def dashed(lines: alt.Chart, field: str, dashes: dict[str, list[int]]) -> alt.Chart:
    """Lines dashed by `field`, without a legend: in that of the dots, the outlines of the signs would be dashed, too.

    The scale has names of its own, as Vega-Lite makes one legend of all scales with the same.
    """
    scale = alt.Scale(domain=[f"line: {name}" for name in dashes], range=list(dashes.values()))
    lines = lines.transform_calculate(line=f"'line: ' + datum.{field}")
    return lines.encode(alt.StrokeDash("line:N", scale=scale, legend=None))


def annotators_of(labels: pd.Series) -> list[str]:
    """Annotators in the order of the frame, which is that of the study: weakest first."""
    return [label for label in dict.fromkeys(labels) if label != "gold"]


def sizes_axis(rows: pd.DataFrame, field: str = "n", *, static: bool = False) -> alt.Axis:
    """An axis with the sizes of the study, and no other numbers of labels: of the corpus whose turn it is."""
    sizes = {corpus: sorted({*found[field].tolist()}) for corpus, found in rows.groupby("corpus", sort=False)}
    one_by_one = len(sizes) > 1 and not static
    values = alt.ExprRef(f"({json.dumps(sizes)})[Corpus]") if one_by_one else sorted({*rows[field].tolist()})
    return alt.Axis(values=values, format="d", grid=False)


def words(text: str) -> alt.Chart:
    """A chart that is a sentence."""
    data = pd.DataFrame({"text": [text]})
    chart = alt.Chart(data).mark_text(color=theme.TEXT, fontSize=14).encode(alt.Text("text:N"))
    return chart.properties(width="container", height=60)


def nothing(finding: Finding) -> alt.Chart:
    """What stands for the chart of a finding that has nothing to draw."""
    return theme.finish(words("nothing to show"), finding.summary)
