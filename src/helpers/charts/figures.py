"""One function per finding: a `Finding` in, an Altair chart out.

Interactive charts are as wide as the page (`width="container"`), which Vega-Lite grants to single and
layered charts but not to facets: corpora take turns by a menu. With `static=True`, for a picture, they
stand side by side instead.
"""

import json

import altair as alt
import pandas as pd

from helpers.charts import theme
from helpers.findings import Finding, claims

_STEP = 20  # height of one row of marks, pixels
#: Of shapes and dashes, below the chart: beside that of the colours there is no room on a phone.
_LEGEND = alt.Legend(symbolStrokeColor=theme.GREY, orient="bottom", columns=1)
#: Of filters, beside a random choice.
_DASHES = [[1, 0], [8, 2], [8, 2, 2, 2], [2, 2], [12, 3], [5, 1]]
_MARKS = ["circle", "square", "triangle-up", "triangle-down", "triangle-left", "triangle-right"]
#: A short bar: the sign for "not shown".
_DASH = "M-0.9,-0.2h1.8v0.4h-1.8z"


def degradation(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """Accuracy, or another measure, of every annotator's students against the gold students, by corpus."""
    rows = finding.frame
    if finding.verdicts.empty:
        return _nothing(finding)
    rows = rows[~((rows["labels"] == "gold") & (rows["who"] == "annotator"))]
    marks = {"student": "its students", "annotator": "the annotator itself"}
    means = rows.groupby(["corpus", "labels", "who", "measure"], sort=False, as_index=False)["value"].mean()
    return _lanes(
        finding,
        means.assign(mark=means["who"].map(marks)),
        seeds=rows[(rows["who"] == "student") & (rows["labels"] != "gold")],
        main="accuracy",
        what="measures of students, a row an annotator, grouped by corpus, beside the gold students' mean as a line; "
        "a bar around each mean is the 95 % interval of its distance to gold",
        static=static,
    )


def instability(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """Agreement of students over seeds, at the largest number of labels, against the gold students, by corpus."""
    if finding.verdicts.empty:
        return _nothing(finding)
    rows = finding.frame[finding.frame["n"] == finding.frame.groupby("corpus")["n"].transform("max")]
    return _lanes(
        finding,
        rows.assign(mark="its students"),
        seeds=rows.iloc[:0],
        main="alpha",
        what="agreement of students over seeds, a row an annotator, grouped by corpus, beside the gold students' as a "
        "line; a bar around each point is the 95 % interval of its distance to gold",
        static=static,
    )


def plateau(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Learning curves: accuracy over the number of labels, by label source."""
    if finding.verdicts.empty:
        return _nothing(finding)
    rows = finding.frame
    annotators = _annotators(rows["labels"])
    chosen = theme.legend_selection("labels")
    base = alt.Chart(rows).encode(
        alt.X("n:Q", title="labels (log scale)", scale=alt.Scale(type="log", nice=False), axis=_sizes(rows["n"])),
        alt.Color("labels:N", scale=theme.colours(annotators), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("labels:N", title="labels of"),
            alt.Tooltip("n:Q", title="number of labels"),
            alt.Tooltip("accuracy:Q", format=".3f"),
            alt.Tooltip("low:Q", title="from", format=".3f"),
            alt.Tooltip("high:Q", title="to", format=".3f"),
            alt.Tooltip("own:Q", title="the annotator itself", format=".3f"),
        ],
    )
    accuracy = alt.Y("accuracy:Q", title="test accuracy", scale=alt.Scale(zero=False))
    band = base.mark_area(fillOpacity=0.15).encode(alt.Y("low:Q", title="test accuracy"), y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(accuracy)
    dots = base.mark_point(filled=True, size=55, opacity=1).encode(
        accuracy, alt.Shape("labels:N", scale=_shapes(annotators), legend=theme.legend(annotators))
    )
    own = base.mark_line(strokeDash=[3, 4], strokeWidth=1.5).encode(alt.Y("own:Q", title="test accuracy"))
    return _by_corpus(
        finding,
        [band, own, line, dots],
        f"Learning curves: test accuracy over the number of labels on a log scale, for gold and {_list(annotators)}, "
        "with 95 % bands, and each annotator's own accuracy as a dashed line.",
        chosen,
        static=static,
    )


def filtering(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Accuracy over the kept share of labels, for labels of lowest entropy and for a random choice."""
    if finding.verdicts.empty:
        return _nothing(finding)
    rows = finding.frame
    annotators = _annotators(rows["annotator"])
    chosen = theme.legend_selection("annotator")
    curves = alt.Chart(rows).transform_filter("datum.choice != 'gold'")
    curves = curves.encode(
        alt.X(
            "kept:Q",
            title="share of the labels that is kept",
            axis=alt.Axis(format="%", values=sorted({*rows["kept"]})),
        ),
        alt.Y("accuracy:Q", title="test accuracy", scale=alt.Scale(zero=False)),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("choice:N"),
            alt.Tooltip("kept:Q", format="%"),
            alt.Tooltip("n:Q", title="labels"),
            alt.Tooltip("accuracy:Q", format=".3f"),
            alt.Tooltip("label_accuracy:Q", title="labels right", format=".3f"),
        ],
    )
    choices = [c for c in dict.fromkeys(rows["choice"]) if c not in ("gold", "random")] + ["random"]
    filters = len(choices) - 1
    dashes = alt.Scale(domain=choices, range=[*(_DASHES * filters)[:filters], [4, 4]])
    shapes = alt.Scale(domain=choices, range=[*(_MARKS * filters)[:filters], "diamond"])
    line = curves.mark_line(strokeWidth=2).encode(alt.StrokeDash("choice:N", scale=dashes, legend=_LEGEND))
    dots = curves.mark_point(size=55, strokeWidth=1.5, opacity=1).encode(
        alt.Shape(
            "choice:N",
            scale=shapes,
            legend=_LEGEND,
        )
    )
    gold = (
        alt.Chart(rows)
        .transform_filter("datum.choice == 'gold'")
        .mark_rule(color=theme.GOLD, strokeWidth=2)
        .encode(alt.Y("max(accuracy):Q"), tooltip=[alt.Tooltip("max(accuracy):Q", title="gold students", format=".3f")])
    )
    return _by_corpus(
        finding,
        [gold, line, dots],
        f"Test accuracy over the share of labels kept, by how they are chosen ({_list(choices)}), "
        f"of {_list(annotators)}; the gold students as a level line.",
        chosen,
        static=static,
    )


def ensembling(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """What the vote and the mean of all students gain over one of them, by label source and corpus."""
    if finding.verdicts.empty:
        return _nothing(finding)
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
        return _chosen_corpus(alt.Chart(data), corpus).encode(
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
    bar = layer(reach, "low:Q").mark_rule(strokeWidth=5).encode(alt.X2("high:Q"), strokeOpacity=alt.value(0.3))
    bar = bar.encode(tooltip=[alt.Tooltip("labels:N", title="labels of"), alt.Tooltip("verdict:N")])
    ticks = layer(rows[rows["who"] == "one student"]).mark_tick(size=_STEP * 0.5, thickness=1.5).encode(tooltip=who)
    dots = layer(rows[rows["who"] != "one student"]).mark_point(size=70, strokeWidth=2)
    dots = dots.encode(
        alt.Shape("who:N", scale=alt.Scale(domain=ways, range=["circle", "diamond"]), legend=_LEGEND),
        opacity=theme.faded_unless(chosen),
        tooltip=who,
    )
    chart = alt.layer(zero, bar, ticks, dots).properties(width=_width(static), height=_height(corpora, sources))
    description = (
        "Accuracy of the vote and of the mean of all students above that of one, in points, with ticks for the "
        f"single students, for the labels of {_list(sources)}, grouped by corpus ({_list(corpora)}); a bar is the "
        f"95 % interval of the vote. {finding.summary}"
    )
    return theme.finish(chart, description, chosen, corpus)


def controls(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Learning curves of an annotator's own errors and of as many random ones, one annotator at a time."""
    if finding.verdicts.empty:
        return _nothing(finding)
    rows = finding.frame
    annotators = _annotators(rows["annotator"])
    errors = list(dict.fromkeys(rows["errors"]))
    kinds = [kind for kind in errors if kind not in ("none (gold)", "its own")]
    annotator, shown = (None, annotators[-1]) if static else (theme.switch("Annotator", annotators), annotators[0])
    chosen = theme.legend_selection("errors")
    colours = alt.Scale(domain=errors, range=[theme.GOLD, theme.ANNOTATORS[3], *theme.ANNOTATORS[:3]][: len(errors)])
    dashes = alt.Scale(domain=errors, range=[[1, 0], [1, 0], [8, 3], [3, 3], [8, 2, 2, 2]][: len(errors)])
    marks = alt.Scale(
        domain=errors, range=["diamond", "circle", "square", "triangle-up", "triangle-down"][: len(errors)]
    )
    base = alt.Chart(rows).transform_filter(
        "datum.annotator == Annotator" if annotator else f"datum.annotator == {json.dumps(shown)}"
    )
    base = base.encode(
        alt.X("n:Q", title="labels (log scale)", scale=alt.Scale(type="log", nice=False), axis=_sizes(rows["n"])),
        alt.Color("errors:N", scale=colours, legend=theme.legend(errors)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("errors:N", title="errors"),
            alt.Tooltip("n:Q", title="number of labels"),
            alt.Tooltip("accuracy:Q", format=".3f"),
            alt.Tooltip("low:Q", title="from", format=".3f"),
            alt.Tooltip("high:Q", title="to", format=".3f"),
        ],
    )
    accuracy = alt.Y("accuracy:Q", title="test accuracy", scale=alt.Scale(zero=False))
    band = base.mark_area(fillOpacity=0.12).encode(alt.Y("low:Q", title="test accuracy"), y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(
        accuracy, alt.StrokeDash("errors:N", scale=dashes, legend=theme.legend(errors))
    )
    dots = base.mark_point(filled=True, size=55, opacity=1).encode(
        accuracy, alt.Shape("errors:N", scale=marks, legend=theme.legend(errors))
    )
    return _by_corpus(
        finding,
        [band, line, dots],
        "Learning curves: test accuracy over the number of labels on a log scale, for gold labels, the annotator's own "
        f"and gold with random errors ({_list(kinds)}), with 95 % bands, for "
        f"{shown if static else 'one annotator at a time'}.",
        annotator,
        chosen,
        static=static,
    )


def propagation(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Approximation and estimation as stacked bars, against the total that they are said to sum to."""
    if finding.verdicts.empty:
        return _nothing(finding)
    wide = finding.frame.pivot_table(
        index=["corpus", "annotator", "measure"], columns="term", values="value", sort=False
    )
    wide = wide.reset_index()
    annotators, measures = _annotators(wide["annotator"]), list(dict.fromkeys(wide["measure"]))
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
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("approximation", "estimation", "cross", "total")),
            alt.Tooltip("people:Q", title="half of the people to the other", format=".3f"),
        ],
    )

    def only(*parts):
        return base.transform_filter(" || ".join(f"datum.part == '{part}'" for part in parts))

    bars = only("approximation", "estimation").mark_bar().encode(alt.X2("end:Q"))
    people = only("people").mark_tick(thickness=3, size=36)
    total = only("total").mark_point(shape="diamond", filled=True, size=120, opacity=1)
    return _by_corpus(
        finding,
        [bars, people, total],
        f"Stacked bars of the approximation and estimation terms for {_list(annotators)}, with the total divergence of "
        "the student from people as a diamond, and the divergence between two halves of the people as a tick.",
        measure,
        static=static,
        height=44 * len(annotators) + 10,
    )


def overview(verdicts: pd.DataFrame, *, static: bool = False) -> alt.LayerChart | alt.Chart:
    """Every verdict: a row a finding, a group of marks a corpus, a mark an annotator, the strongest the
    largest.

    Parameters
    ----------
    verdicts
        As `helpers.findings.verdicts` returns them; variants are not drawn.
    """
    verdicts = verdicts[verdicts["variant"] == ""]
    if verdicts.empty:
        return theme.finish(_words("no verdicts"), "No verdicts: the study has nothing to judge.")
    rows = verdicts.assign(
        title=[claims()[name].title for name in verdicts["finding"]],
        shown=[claims()[r.finding].shown(r.effect) for r in verdicts.itertuples()],
        between=[
            f"{claims()[r.finding].shown(r.low, unit=False)} to {claims()[r.finding].shown(r.high, unit=False)}"
            if r.low <= r.high
            else "none"
            for r in verdicts.itertuples()
        ],
    )
    annotators, corpora = _annotators(rows["annotator"]), list(dict.fromkeys(rows["corpus"]))
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
                axis=alt.Axis(labelAngle=0, labelLimit=90, orient="top", grid=False),
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
            alt.Color("verdict:N", scale=alt.Scale(domain=kinds, range=list(theme.VERDICTS.values()))),
            alt.Shape("verdict:N", scale=alt.Scale(domain=kinds, range=["circle", _DASH, "triangle-down"])),
            alt.Size(
                "annotator:N",
                scale=alt.Scale(domain=annotators, range=sizes),
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
        .properties(width=_width(static), height=34 * rows["title"].nunique())
    )
    counts = [
        f"{title}: " + ", ".join(f"{n} {verdict}" for verdict, n in group["verdict"].value_counts(sort=False).items())
        for title, group in rows.groupby("title", sort=False)
    ]
    description = (
        f"Verdicts as marks, a row a finding, a group a corpus ({_list(corpora)}), a mark an annotator from the "
        f"weakest to the strongest ({_list(annotators)}). {'; '.join(counts)}."
    )
    return theme.finish(chart, description, chosen)


def decision(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """Expected loss against gold students, as the labels are and with the remedy, by annotator and corpus."""
    rows = finding.frame
    if rows.empty or rows["loss"].isna().all():
        return _nothing(finding)
    rows = rows.merge(
        finding.verdicts[["corpus", "annotator", "verdict"]], on=["corpus", "annotator"], validate="many_to_one"
    )
    rows = rows.assign(**{column: 100 * rows[column] for column in ("loss", "low", "high")})
    corpora, annotators = list(dict.fromkeys(rows["corpus"])), _annotators(rows["annotator"])
    chosen, corpus = theme.legend_selection("annotator"), theme.switch("Corpus", corpora, everything="all")
    if static:
        corpus = None
    title = "points of accuracy lost against gold students"
    base = _chosen_corpus(alt.Chart(rows), corpus).encode(
        alt.Y("corpus:N", sort=corpora, title=None, axis=alt.Axis(labelLimit=90)),
        alt.YOffset("annotator:N", sort=annotators),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("verdict:N", title="advice"),
            alt.Tooltip("students:N"),
            alt.Tooltip("remedy:N"),
            alt.Tooltip("loss:Q", title="points lost", format="+.1f"),
            alt.Tooltip("low:Q", title="from", format="+.1f"),
            alt.Tooltip("high:Q", title="to", format="+.1f"),
        ],
    )
    kinds = ["of its labels", "with the remedy"]
    zero = alt.Chart(pd.DataFrame({"loss": [0.0]})).mark_rule(color=theme.GOLD, strokeWidth=2.5).encode(alt.X("loss:Q"))
    bar = base.mark_rule(strokeWidth=5).encode(alt.X("low:Q", title=title), alt.X2("high:Q"))
    bar = bar.encode(strokeOpacity=alt.value(0.3))
    dots = base.mark_point(size=75, strokeWidth=2).encode(
        alt.X("loss:Q", title=title, axis=alt.Axis(tickCount=6)),
        alt.Shape("students:N", scale=alt.Scale(domain=kinds, range=["circle", "diamond"]), legend=_LEGEND),
    )
    chart = alt.layer(zero, bar, dots).properties(width=_width(static), height=_height(corpora, annotators))
    description = (
        "Dot plot of the accuracy that students of an annotator's labels lose against gold students, in points, with "
        "95 % intervals, as the labels are and with the remedy that helps most where one does, a row an annotator, "
        f"grouped by corpus. Corpora: {_list(corpora)}; annotators: {_list(annotators)}. {finding.summary}"
    )
    return theme.finish(chart, description, chosen, corpus)


def prevalence(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Share of each class: counted, estimated with its interval, and as all gold labels show it, by annotator."""
    if finding.frame.empty:
        return _nothing(finding)
    rows = finding.frame
    who = list(dict.fromkeys(rows["who"]))
    # The corpus of most classes first: in its order, others have theirs most often.
    by_number = sorted((list(dict.fromkeys(r["label"])) for _, r in rows.groupby("corpus", sort=False)), key=len)
    labels = list(dict.fromkeys(label for found in reversed(by_number) for label in found))
    annotators = [name for name in who if name != "gold alone"]
    chosen = theme.legend_selection("who")
    scale = theme.colours(annotators)
    scale.domain = ["gold alone", *annotators]
    base = alt.Chart(rows).encode(
        alt.X("share:Q", title="share of the texts", axis=alt.Axis(format="%", tickCount=6)),
        alt.Y("label:N", sort=labels, title=None),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("label:N", title="class"),
            alt.Tooltip("who:N", title="labels of"),
            alt.Tooltip("way:N"),
            alt.Tooltip("share:Q", format=".1%"),
            alt.Tooltip("low:Q", title="from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
        ],
    )
    lane = base.encode(
        alt.YOffset("who:N", sort=who),
        alt.Color("who:N", scale=scale, legend=theme.legend(who)),
        opacity=theme.faded_unless(chosen),
    )
    shapes = alt.Scale(domain=["counted", "estimated"], range=["triangle-up", "circle"])
    bar = lane.transform_filter("datum.way == 'estimated'").mark_rule(strokeWidth=5)
    bar = bar.encode(alt.X("low:Q", title="share of the texts"), alt.X2("high:Q"), strokeOpacity=alt.value(0.3))
    dots = lane.transform_filter("datum.way != 'all gold labels'").mark_point(size=75, strokeWidth=2)
    dots = dots.encode(alt.Shape("way:N", scale=shapes, legend=_LEGEND))
    truth = base.transform_filter("datum.way == 'all gold labels'").mark_rule(color=theme.GOLD, strokeWidth=2.5)
    truth = truth.encode(alt.Y("label:N", sort=labels, title=None, bandPosition=0), alt.Y2("label:N", bandPosition=1))
    return _by_corpus(
        finding,
        [bar, truth, dots],  # the first has the lanes: they hold for all
        f"Share of each class ({_list(labels)}): counted among the labels of {_list(annotators)} as triangles, "
        "estimated from a few gold labels alone and together with each annotator's as circles with 95 % intervals; "
        "where all gold labels are known, their share as an upright line.",
        chosen,
        static=static,
        height=_height(labels, who),
    )


def injection(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """Share of texts that get the ordered label, by what was planted in them, of annotators and their students."""
    rows = finding.frame
    if rows.empty:
        return _nothing(finding)
    planted, annotators = list(dict.fromkeys(rows["planted"])), _annotators(rows["annotator"])
    chosen = theme.legend_selection("annotator")
    title = "share that gets the ordered label"
    base = alt.Chart(rows).encode(
        alt.Y("planted:N", sort=planted, title=None),
        alt.YOffset("annotator:N", sort=annotators),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("who:N", title="labelled by"),
            alt.Tooltip("planted:N"),
            alt.Tooltip("share:Q", format=".1%"),
            alt.Tooltip("low:Q", title="from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
        ],
    )
    bar = base.mark_rule(strokeWidth=5).encode(alt.X("low:Q", title=title), alt.X2("high:Q"))
    shapes = alt.Scale(domain=["annotator", "its students"], range=["circle", "diamond"])
    dots = base.mark_point(size=75, strokeWidth=2).encode(
        alt.X("share:Q", title=title, axis=alt.Axis(format="%", tickCount=6)),
        alt.Shape("who:N", scale=shapes, legend=_LEGEND),
    )
    return _by_corpus(
        finding,
        [bar.encode(strokeOpacity=alt.value(0.3)), dots],
        f"Share of texts of other classes that get the ordered label, with nothing planted, with each order and each "
        f"control ({_list(planted)}), from {_list(annotators)} as circles and from their students as diamonds, with "
        "95 % intervals.",
        chosen,
        static=static,
        height=_height(planted, annotators),
    )


def unaided(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """Signs that need no gold, from 0 to 1, and where it is known the accuracy that they should tell."""
    if finding.frame.empty:
        return _nothing(finding)
    rows = finding.frame
    corpora, annotators = list(dict.fromkeys(rows["corpus"])), _annotators(rows["annotator"])
    signs = list(dict.fromkeys(rows["sign"]))
    chosen, corpus = theme.legend_selection("annotator"), theme.switch("Corpus", corpora, everything="all")
    if static:
        corpus = None
    base = _chosen_corpus(alt.Chart(rows), corpus).encode(
        alt.Y("corpus:N", sort=corpora, title=None, axis=alt.Axis(labelLimit=90)),
        alt.YOffset("annotator:N", sort=annotators),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("sign:N"),
            alt.Tooltip("value:Q", format=".2f"),
            alt.Tooltip("accuracy:Q", format=".2f"),
        ],
    )
    shapes = alt.Scale(domain=signs, range=["circle", "diamond", "square", "triangle-up"][: len(signs)])
    title = "sign, from 0 to 1 (bar: accuracy by gold)"
    dots = base.mark_point(size=75, strokeWidth=2).encode(
        alt.X("value:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=6)),
        alt.Shape("sign:N", scale=shapes, legend=_LEGEND),
    )
    accuracy = base.transform_filter("isValid(datum.accuracy)").mark_bar(height=_STEP * 0.4, fillOpacity=0.3)
    accuracy = accuracy.transform_filter(f"datum.sign == '{signs[0]}'").encode(alt.X("accuracy:Q", title=title))
    chart = alt.layer(accuracy, dots).properties(width=_width(static), height=_height(corpora, annotators))
    description = (
        f"Signs that need no gold ({_list(signs)}), each from 0 to 1, as marks in a row an annotator, grouped by "
        "corpus, and the annotator's accuracy by gold as a pale bar where it is known. Corpora: "
        f"{_list(corpora)}; annotators: {_list(annotators)}. {finding.summary}"
    )
    return theme.finish(chart, description, chosen, corpus)


def telling(finding: Finding, *, static: bool = False) -> alt.LayerChart | alt.FacetChart:
    """How many of an annotator's mistakes none, some or all of its students repeat, and of the gold students."""
    rows = finding.frame
    if rows.empty:
        return _nothing(finding)
    annotators, students = _annotators(rows["annotator"]), list(dict.fromkeys(rows["students"]))
    chosen = theme.legend_selection("annotator")
    base = alt.Chart(rows).encode(
        alt.X("repeated:Q", title="share of the students that make the mistake", axis=alt.Axis(format="%")),
        alt.Y("share:Q", title="share of the annotator's mistakes", axis=alt.Axis(format="%")),
        alt.Color("annotator:N", scale=theme.colours(annotators, gold=False), legend=theme.legend(annotators)),
        opacity=theme.faded_unless(chosen),
        tooltip=[
            alt.Tooltip("corpus:N"),
            alt.Tooltip("annotator:N"),
            alt.Tooltip("students:N"),
            alt.Tooltip("repeated:Q", title="made by", format=".0%"),
            alt.Tooltip("share:Q", title="of its mistakes", format=".1%"),
        ],
    )
    dashes = alt.Scale(domain=students, range=[[1, 0], [4, 4]])
    line = base.mark_line(strokeWidth=2).encode(alt.StrokeDash("students:N", scale=dashes, legend=_LEGEND))
    shapes = alt.Scale(domain=students, range=["circle", "diamond"])
    dots = base.mark_point(size=55, strokeWidth=1.5).encode(alt.Shape("students:N", scale=shapes, legend=_LEGEND))
    return _by_corpus(
        finding,
        [line, dots],
        f"Share of the mistakes of {_list(annotators)} over the share of the students that make the same mistake, for "
        "its own students and for gold students.",
        chosen,
        static=static,
    )


#: Finding, or page that advises -> function that draws it.
CHARTS = {
    "degradation": degradation,
    "instability": instability,
    "plateau": plateau,
    "filtering": filtering,
    "ensembling": ensembling,
    "controls": controls,
    "propagation": propagation,
    "decision": decision,
    "prevalence": prevalence,
    "injection": injection,
    "unaided": unaided,
    "telling": telling,
    "overview": lambda finding, *, static=False: overview(finding.verdicts, static=static),
}


def _lanes(
    finding: Finding, points: pd.DataFrame, *, seeds: pd.DataFrame, main: str, what: str, static: bool
) -> alt.LayerChart:
    """A row an annotator, grouped by corpus, with the gold students as a line across the group.

    `points` and `seeds` have the columns corpus, labels, measure, value, and `points` also mark. The
    verdicts are about the measure `main`.
    """
    corpora, annotators = list(dict.fromkeys(points["corpus"])), _annotators(points["labels"])
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
        return _chosen_corpus(layer, corpus).encode(
            alt.Y("corpus:N", sort=corpora, title=None, axis=alt.Axis(labelLimit=90)),
            alt.Color("labels:N", scale=theme.colours(annotators), legend=theme.legend(annotators)),
            tooltip=[
                alt.Tooltip("corpus:N"),
                alt.Tooltip("labels:N", title="labels of"),
                *(alt.Tooltip(field, title=title) for field, title in extra if "." not in field),
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
    bar = bar.encode(alt.X("start:Q", **x), alt.X2("end:Q"), offset, strokeOpacity=alt.value(0.3))
    ticks = layer(seeds).mark_tick(size=_STEP * 0.5, thickness=1.5).encode(alt.X("value:Q", **x), offset)
    kinds = list(dict.fromkeys(theirs["mark"]))
    dots = layer(theirs).mark_point(size=75, strokeWidth=2, filled=False)
    dots = dots.encode(
        alt.X("value:Q", **x),
        offset,
        alt.Shape(
            "mark:N",
            scale=alt.Scale(domain=kinds, range=["circle", "diamond"][: len(kinds)]),
            legend=_LEGEND if len(kinds) > 1 else None,
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
    chart = chart.properties(width=_width(static), height=_height(corpora, annotators))
    description = f"Dot plot of {what}. Corpora: {_list(corpora)}; annotators: {_list(annotators)}. {finding.summary}"
    return theme.finish(chart, description, chosen, corpus, measure)


def _by_corpus(
    finding: Finding,
    layers: list[alt.Chart],
    what: str,
    *params: alt.Parameter | None,
    static: bool,
    height: int = 300,
) -> alt.LayerChart | alt.FacetChart:
    """Layers over one table with a column corpus: one corpus at a time, or for a picture side by side."""
    corpora = list(dict.fromkeys(finding.frame["corpus"]))
    description = f"{what} Corpora: {_list(corpora)}. {finding.summary}"
    if static:
        columns = min(2, len(corpora))
        chart = alt.layer(*layers).properties(width=_width(True) // columns - 50 * (columns - 1), height=height)
        chart = chart.facet(alt.Facet("corpus:N", sort=corpora, title=None), columns=columns)
        return theme.finish(chart.resolve_scale(y="independent", yOffset="independent"), description, *params)
    corpus = theme.switch("Corpus", corpora)
    layers = [layer.transform_filter("datum.corpus == Corpus") for layer in layers] if corpus else layers
    chart = alt.layer(*layers).properties(width=_width(False), height=height)
    return theme.finish(chart, description, corpus, *params)


def _chosen_corpus(chart: alt.Chart, corpus: alt.Parameter | None) -> alt.Chart:
    if corpus is None:
        return chart
    return chart.transform_filter("Corpus == null || datum.corpus == Corpus")


def _height(groups: list[str], lanes: list[str]) -> float:
    """Height of so many groups of rows in pixels; a tenth of each is free above and below.

    A number and not a step: a height that follows the data goes with a width that follows the page only under
    protest, on the console.
    """
    return _STEP * max(2, len(lanes)) / 0.8 * len(groups)


def _width(static: bool) -> int | str:
    return 620 if static else "container"


def _annotators(labels: pd.Series) -> list[str]:
    """Annotators in the order of the frame, which is that of the study: weakest first."""
    return [label for label in dict.fromkeys(labels) if label != "gold"]


def _shapes(annotators: list[str]) -> alt.Scale:
    wheel = ["circle", "square", "triangle-up", "triangle-down", "triangle-left", "triangle-right"]
    return alt.Scale(domain=["gold", *annotators], range=["diamond", *(wheel * len(annotators))[: len(annotators)]])


def _sizes(sizes: pd.Series) -> alt.Axis:
    return alt.Axis(values=sorted({*sizes.tolist()}), format="d", grid=False)


def _list(names: list[str]) -> str:
    return ", ".join(names)


def _words(text: str) -> alt.Chart:
    data = pd.DataFrame({"text": [text]})
    chart = alt.Chart(data).mark_text(color=theme.TEXT, fontSize=14).encode(alt.Text("text:N"))
    return chart.properties(width="container", height=60)


def _nothing(finding: Finding) -> alt.Chart:
    return theme.finish(_words("nothing to show"), finding.summary)
