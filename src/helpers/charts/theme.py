"""One look for all charts: colours, type, legends, the switches, the text alternative.

Charts have no background, and write in the colour of the text around them, so that they do in light and in
dark pages. Colours have a contrast of 3:1 or more with white and with black, and stay apart for
colour-blind readers, who also get shapes and dashes.
"""

import altair as alt

GOLD = "#B0820B"
#: Weakest annotator first; of Okabe & Ito's palette (2008) those that show on white and on black, and more like them.
ANNOTATORS = (
    *("#C1699B", "#009473", "#0072B2", "#D55E00", "#7D6FB5", "#6B7A2A", "#8C564B"),
    *("#4878F0", "#30A860", "#BE2A8A"),
)
#: The two terms of the decomposition.
TERMS = ("#7D6FB5", "#C2703D")
VERDICTS = {"reproduced": "#0072B2", "not shown": "#808791", "reversed": "#D55E00"}
#: What `notebooks/decisions.yml` can advise, best news first.
ADVICE = {
    "train": "#0072B2",
    "train with the remedy": "#009473",
    "train, at a loss": "#B0820B",
    "label by hand": "#D55E00",
    "not clear": "#808791",
    "no bias shown": "#808791",
    "counting misleads": "#D55E00",
    "no repetition shown": "#808791",
    "repeated": "#D55E00",
    "no obedience shown": "#808791",
    "obeyed": "#D55E00",
    "no warning": "#808791",
    "cannot tell": "#808791",
    "warning": "#D55E00",
    "gain": "#0072B2",
    "no gain shown": "#808791",
    "no loss shown": "#808791",
    "loss": "#D55E00",
}
GREY = "#808791"
#: Opacity of the bars of intervals: pale, and still to be seen on black.
PALE = 0.4
#: The colour of the text around the chart; a picture that is saved gets `helpers.charts.page.INK`.
TEXT = "currentColor"
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"


# A page of many corpora, annotators and seeds has more rows than the 5,000 that Altair warns of in notebooks.
alt.data_transformers.disable_max_rows()


@alt.theme.register("label-risk", enable=True)
def _theme() -> alt.theme.ThemeConfig:
    text = {
        "labelColor": TEXT,
        "titleColor": TEXT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    lines = {"domainColor": GREY, "tickColor": GREY, "gridColor": GREY, "gridOpacity": 0.25}
    return {
        "config": {
            "background": "transparent",
            "font": FONT,
            "view": {"stroke": None, "continuousHeight": 300},
            "axis": text | lines | {"labelLimit": 130, "titlePadding": 8},
            "axisY": {"domain": False, "ticks": False},
            # On top: a legend at the side would leave a phone half of its width.
            "legend": text
            | {
                "orient": "top",
                "direction": "horizontal",
                "columns": 2,
                "labelLimit": 200,
                "title": None,
                "symbolOpacity": 1,
            },
            "header": text,
            "range": {"category": list(ANNOTATORS)},
        }
    }


def colours(annotators: list[str], *, gold: bool = True) -> alt.Scale:
    """Colour scale over label sources: gold has its own, annotators theirs by rank."""
    wheel = [ANNOTATORS[i % len(ANNOTATORS)] for i in range(len(annotators))]
    return alt.Scale(domain=["gold"] * gold + annotators, range=[GOLD] * gold + wheel)


def legend(names: list[str], **options) -> alt.Legend:
    """Two names a row where they are short, or one: on a phone a legend that is too wide is cut."""
    return alt.Legend(columns=2 if max(map(len, names), default=0) <= 10 else 1, **options)


def legend_selection(field: str) -> alt.Parameter:
    """Click on a name in the legend to see it alone; shift-click adds another."""
    return alt.selection_point(fields=[field], bind="legend", name="Chosen")


def faded_unless(selection: alt.Parameter) -> alt.Opacity:
    """Opacity that leaves what is selected, or everything while nothing is."""
    return alt.when(selection).then(alt.value(1.0)).otherwise(alt.value(0.12))


def switch(name: str, options: list[str], *, everything: str = "", first: str = "") -> alt.Parameter | None:
    """A menu below the chart, or None where there is nothing to choose.

    Parameters
    ----------
    name
        A word: the parameter's name in expressions, and what the reader sees.
    everything
        What the reader sees for the choice of all options, which is then the first and stands for null.
    first
        The option that is chosen at first, where it is not the one that the menu begins with.
    """
    if len(options) < 2:
        return None
    values, labels = ([None], [everything]) if everything else ([], [])
    menu = alt.binding_select(options=[*values, *options], labels=[*labels, *options], name=f"{name} ")
    return alt.param(name=name, bind=menu, value=first or (None if everything else options[0]))


def finish(chart: alt.Chart | alt.LayerChart | alt.FacetChart, description: str, *params: alt.Parameter | None):
    """Add switches and selections, the text alternative, and what the page's menu offers."""
    if not isinstance(chart, alt.FacetChart):
        # The width is the page's; the height follows from the rows.
        chart = chart.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    chart = chart.add_params(*(p for p in params if p is not None)) if any(p is not None for p in params) else chart
    return chart.properties(
        description=description,
        usermeta={
            "embedOptions": {
                "renderer": "svg",
                "actions": {"export": True, "source": False, "compiled": False, "editor": False},
            }
        },
    )
