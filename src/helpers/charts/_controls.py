"""The chart of the page `controls`, which the page `plateau` shows, too."""

import json

import altair as alt

from helpers.charts import theme
from helpers.charts._learning import learning_curves
from helpers.charts._parts import annotators_of, by_corpus, nothing
from helpers.findings import Finding


def controls(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Learning curves of an annotator's own errors and of as many random ones, one annotator at a time."""
    rows = finding.frame
    if rows.empty:
        return nothing(finding)
    annotators = annotators_of(rows["annotator"])
    errors = list(dict.fromkeys(rows["errors"]))
    kinds = [kind for kind in errors if kind not in ("none (gold)", "its own")]
    annotator, shown = (None, annotators[-1]) if static else (theme.switch("Annotator", annotators), annotators[0])
    chosen = theme.legend_selection("errors")
    colours = [theme.GOLD, theme.ANNOTATORS[3], *theme.ANNOTATORS[:3]]
    shapes = ["diamond", "circle", "square", "triangle-up", "triangle-down"]
    dashes = [[1, 0], [1, 0], [8, 3], [3, 3], [8, 2, 2, 2]]
    curves = learning_curves(
        alt.Chart(rows).transform_filter(f"datum.annotator == {'Annotator' if annotator else json.dumps(shown)}"),
        rows,
        "errors",
        colours=alt.Scale(domain=errors, range=colours[: len(errors)]),
        shapes=alt.Scale(domain=errors, range=shapes[: len(errors)]),
        dashes=dict(zip(errors, dashes, strict=False)),
        names=errors,
        chosen=chosen,
        about=[alt.Tooltip("corpus:N"), alt.Tooltip("annotator:N"), alt.Tooltip("errors:N", title="errors")],
        static=static,
    )
    return by_corpus(
        finding,
        [curves.band, curves.line, curves.dots],
        "Learning curves: test accuracy over the number of labels on a log scale, for gold labels, the annotator's own "
        f"and gold with random errors ({', '.join(kinds)}), with 95 % bands, for "
        f"{shown if static else 'one annotator at a time'}.",
        annotator,
        chosen,
        static=static,
    )
