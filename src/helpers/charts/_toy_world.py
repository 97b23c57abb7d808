"""The charts of the toy world, on the page `propagation`: sliders choose among expectations that are all computed."""

import altair as alt
import pandas as pd

from helpers.charts import theme
from helpers.charts._parts import SIZES, nothing, width_of
from helpers.findings import Finding

_SLIDERS = {"errors": "Turned labels, %", "gathered": "Gathered on few kinds, %"}
#: The setting that the sliders start from, and where they are in a picture.
_START = {"errors": 25, "gathered": 100}
_LABELS = "labels of each kind of texts (log scale)"


def toy_accuracy(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """How often students say what most people say, over the number of labels, beside the annotator itself."""
    if finding.frame.empty:
        return nothing(finding)
    rows = _shown(finding.frame, static)
    who = list(dict.fromkeys(rows["who"]))
    colours = alt.Scale(domain=who, range=[theme.GOLD, theme.ANNOTATORS[2], theme.GREY])
    dashes = alt.Scale(domain=who, range=[[1, 0], [1, 0], [5, 4]])
    base = alt.Chart(rows).encode(
        _labels(rows),
        alt.Y(
            "accuracy:Q",
            title="agrees with most people",
            axis=alt.Axis(format="~%"),
            scale=alt.Scale(domain=[0.5, 1.0]),
        ),
        alt.Color("who:N", scale=colours, legend=theme.legend(who)),
        tooltip=[
            alt.Tooltip("who:N"),
            alt.Tooltip("n:Q", title="labels of each kind"),
            alt.Tooltip("accuracy:Q", format=".1%"),
        ],
    )
    line = base.mark_line(strokeWidth=2).encode(alt.StrokeDash("who:N", scale=dashes, legend=theme.legend(who)))
    dots = base.transform_filter(f"datum.who != '{who[-1]}'").mark_point(filled=True, size=45, opacity=1)
    about = (
        "Accuracy of students of people's labels and of the annotator's, and of the annotator itself as a dashed line"
    )
    return _with_sliders(finding, [line, dots], about, static=static)


def toy_terms(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Approximation and estimation as stacked areas over the number of labels, against the total."""
    if finding.frame.empty:
        return nothing(finding)
    rows = _shown(finding.frame, static)
    place = ["errors", "gathered", "n"]
    both = rows["approximation"] + rows["estimation"]
    parts = {"approximation": (0.0, rows["approximation"]), "estimation": (rows["approximation"], both)}
    areas = pd.concat([rows[place].assign(part=part, start=start, end=end) for part, (start, end) in parts.items()])
    total = rows[place].assign(part="total", start=rows["total"], end=rows["total"])
    names = [*parts, "total"]
    base = alt.Chart(pd.concat([areas, total], ignore_index=True)).encode(
        _labels(rows),
        alt.Y("start:Q", title="nats", scale=alt.Scale(domain=[0, float(max(both.max(), rows["total"].max()))])),
        alt.Color(
            "part:N", scale=alt.Scale(domain=names, range=[*theme.TERMS, theme.TEXT]), legend=theme.legend(names)
        ),
        tooltip=[
            alt.Tooltip("part:N"),
            alt.Tooltip("n:Q", title="labels of each kind"),
            alt.Tooltip("end:Q", title="up to", format=".3f"),
        ],
    )
    stacked = base.transform_filter("datum.part != 'total'").mark_area(fillOpacity=0.75).encode(alt.Y2("end:Q"))
    line = base.transform_filter("datum.part == 'total'").mark_line(
        strokeWidth=2, point={"shape": "diamond", "size": 70}
    )
    about = "Approximation and estimation stacked, and the student's whole divergence from people as a line"
    return _with_sliders(finding, [stacked, line], about, static=static)


def _shown(rows: pd.DataFrame, static: bool) -> pd.DataFrame:
    """Every setting, for the sliders to choose from; or for a picture errors that fall evenly beside gathered ones."""
    if not static:
        return rows
    ends = rows["gathered"].isin([rows["gathered"].min(), rows["gathered"].max()])
    return rows[ends & (rows["errors"] == _START["errors"])]


def _labels(rows: pd.DataFrame) -> alt.X:
    axis = alt.Axis(values=sorted({*rows["n"].tolist()}), format="d", grid=False)
    return alt.X("n:Q", title=_LABELS, scale=SIZES, axis=axis)


def _with_sliders(finding: Finding, layers: list[alt.Chart], about: str, *, static: bool):
    """One setting at a time. Scales are fixed by all of them, so that the sliders move the marks and not the axes."""
    description = f"{about}, over the number of labels on a log scale. {finding.summary}"
    if static:
        chart = alt.layer(*layers).properties(width=width_of(True) // 2 - 50, height=260)
        return theme.finish(chart.facet(alt.Facet("gathered:N", title=_SLIDERS["gathered"]), columns=2), description)
    sliders = []
    for field, label in _SLIDERS.items():
        first, second, *_, last = sorted({*finding.frame[field]})
        slider = alt.binding_range(min=first, max=last, step=second - first, name=f"{label} ")
        sliders.append(alt.param(name=field, bind=slider, value=_START[field]))
        layers = [layer.transform_filter(f"datum.{field} == {field}") for layer in layers]
    return theme.finish(alt.layer(*layers).properties(width=width_of(False), height=260), description, *sliders)
