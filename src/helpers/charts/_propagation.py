"""The chart of the page `propagation`."""

import altair as alt
import pandas as pd

from helpers.charts import theme
from helpers.charts._parts import annotators_of, by_corpus, nothing
from helpers.findings import Finding

_TERMS = ["approximation", "estimation", "cross", "total", "people"]


def propagation(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Approximation and estimation as stacked bars, against the total that they are said to sum to."""
    if finding.verdicts.empty:
        return nothing(finding)
    wide = finding.frame.pivot_table(
        index=["corpus", "annotator", "measure"], columns="term", values="value", sort=False
    )
    # A term that no row has, as that of people who voted once each, has no column yet.
    wide = wide.reset_index().reindex(columns=["corpus", "annotator", "measure", *_TERMS])
    annotators, measures = annotators_of(wide["annotator"]), list(dict.fromkeys(wide["measure"]))
    both = wide["approximation"] + wide["estimation"]
    ends = {
        "approximation": (0, wide["approximation"]),
        "estimation": (wide["approximation"], both),
        "total": (wide["total"], wide["total"]),
        "people": (wide["people"], wide["people"]),
    }
    rows = pd.concat([wide.assign(part=part, start=start, end=end) for part, (start, end) in ends.items()])
    rows = rows.dropna(subset=["end"])
    measure = None if static else theme.switch("Measure", measures)
    scale = alt.Scale(domain=list(ends), range=[*theme.TERMS, theme.TEXT, theme.GOLD])
    base = alt.Chart(rows)
    base = base.transform_filter("datum.measure == Measure" if measure else f"datum.measure == '{measures[0]}'")
    base = base.encode(
        alt.X("start:Q", title="nats" if static else "nats, or Brier score"),
        alt.Y("annotator:N", sort=annotators, title=None, scale=alt.Scale(padding=0.25)),
        alt.Color("part:N", scale=scale, legend=theme.legend(list(ends))),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("measure:N"),
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in _TERMS[:-1]),
            alt.Tooltip("people:Q", title="half of the people to the other", format=".3f"),
        ],
    )

    def only(*parts):
        return base.transform_filter(" || ".join(f"datum.part == '{part}'" for part in parts))

    bars = only("approximation", "estimation").mark_bar(fillOpacity=0.75).encode(alt.X2("end:Q"))
    people = only("people").mark_tick(thickness=4, size=40, opacity=1)
    total = only("total").mark_point(shape="diamond", filled=True, size=120, opacity=1)
    return by_corpus(
        finding,
        [bars, people, total],
        f"Stacked bars of the approximation and estimation terms for {', '.join(annotators)}, with the total "
        "divergence of the student from people as a diamond, and that between two halves of the people as a tick.",
        measure,
        static=static,
        height=44 * len(annotators) + 10,
    )
