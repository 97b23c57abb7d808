"""Charts, tables and verdicts as a page shows them, and charts as files.

Whatever comes from data, the names of corpora, classes and annotators among it, is escaped.
"""

import base64
import html
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from urllib.parse import quote

import altair as alt
import numpy as np
import pandas as pd
import vl_convert
from IPython.display import display

from helpers.charts import theme
from helpers.charts.figures import CHARTS, PARTS
from helpers.errors import UserError
from helpers.findings import Finding, Part

INK = "#222222"
#: Characters of a text that a table shows.
_LONGEST = 400
#: Columns that name a row where they begin a table.
_NAMES = ("Corpus", "Annotator", "Annotators", "Choice", "Remedy")
#: Every verdict and every advice, in the order in which they are counted out.
_KINDS = [*theme.VERDICTS, *theme.ADVICE]
#: Stands below the summary, which says why.
_NOTHING = "Nothing to show, for the reason that is given above."
_ABSENT = Part(pd.DataFrame(), _NOTHING)
#: With one of these a formula begins.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
#: Of a picture, pixels.
_WIDTH = 620
_VERSION = ".".join(alt.VEGALITE_VERSION.split(".")[:2])


def show(finding: Finding, part: str = "") -> None:
    """Show the chart of a finding, or of one of its parts: interactive where there is a browser, a picture where
    there is none, in one output.

    Below the interactive chart is a link to its numbers as CSV.
    """
    draw = PARTS[finding.name, part] if part else CHARTS[finding.name]
    finding = part_of(finding, part) if part else finding
    chart = draw(finding)
    picture = vl_convert.vegalite_to_png(static_spec(draw(finding, static=True)), _VERSION, scale=2)
    bundle = {
        "text/html": to_html(chart, data=finding.frame, name=finding.name),
        "image/png": base64.b64encode(picture).decode(),
        "text/plain": chart.to_dict()["description"],
    }
    display(bundle, raw=True)


def part_of(finding: Finding, part: str) -> Finding:
    """A part of a finding that has a chart, as if it were a finding of its own; an empty one where there is no such."""
    found = finding.parts.get(part, _ABSENT)
    name = f"{finding.name}-{part.replace(' ', '-')}"
    frame = pd.DataFrame() if found.frame is None else found.frame
    return replace(finding, name=name, frame=frame, table=found.table, summary=found.said)


def to_html(chart: alt.TopLevelMixin, *, data: pd.DataFrame, name: str) -> str:
    """The interactive chart as HTML, with a link that saves `data`, if there are any, as `<name>.csv`."""
    spec = chart.to_dict()
    embedded = json.dumps(spec)
    drawn = alt.renderers.get()(spec)["text/html"]
    if embedded not in drawn:
        raise RuntimeError("Altair's html renderer no longer embeds the chart as plain JSON, so it cannot be escaped")
    # Inside a script, "</script>" in a label would end it: no "<" is left in the JSON.
    drawn = drawn.replace(embedded, embedded.replace("<", "\\u003c"))
    if data.empty:
        return f'<div class="finding-chart">{drawn}</div>'
    address = f"data:text/csv;charset=utf-8,{quote(_for_spreadsheets(data).to_csv(index=False))}"
    link = f'<a download="{html.escape(name)}.csv" href="{address}">The numbers of this chart (CSV)</a>'
    return f'<div class="finding-chart">{drawn}<p class="finding-data">{link}</p></div>'


def _for_spreadsheets(data: pd.DataFrame) -> pd.DataFrame:
    """The same with an apostrophe before texts that a spreadsheet would compute, as OWASP advises; numbers stay."""

    def harmless(cell: object) -> object:
        acts = isinstance(cell, str) and cell.startswith(_FORMULA) and not re.fullmatch(r"[-+][0-9]+(\.[0-9]+)?", cell)
        return f"'{cell}" if acts else cell

    texts = [column for column in data if not pd.api.types.is_numeric_dtype(data[column])]
    return data.assign(**{column: data[column].astype(object).map(harmless) for column in texts}).rename(
        columns=harmless
    )


def table(finding: Finding, part: str = "") -> None:
    """Show a finding's table, or that of one of its parts below what it says; it scrolls where the page is narrow."""
    if not part:
        shown, plain = table_html(finding), finding.table.to_string(index=False, na_rep="")
    else:
        found = finding.parts.get(part, _ABSENT)
        shown, plain = part_html(found), _said(found.said, found.listed)
        if not found.table.empty:
            plain = f"{plain}\n{found.table.to_string(index=False, na_rep='')}"
    display({"text/html": shown, "text/plain": plain}, raw=True)


def part_html(part: Part) -> str:
    """What a part says, corpus by corpus as a list, and its table if it has one, as HTML."""
    table = "" if part.table.empty else frame_html(part.table)
    return f"{_said_html(part.said, part.listed)}{table}"


def table_html(finding: Finding) -> str:
    """The finding's table as HTML, or, where there is none, that it is so."""
    return f"<p>{_NOTHING}</p>" if finding.table.empty else frame_html(finding.table)


def frame_html(frame: pd.DataFrame) -> str:
    """A table as HTML: numbers of a column with the same number of decimals, what is missing blank."""
    names = {*takewhile(_NAMES.__contains__, frame)}
    kinds = {column: _kind(frame[column], names) for column in frame}
    head = "".join(f'<th scope="col"{kind}>{html.escape(visible(str(column)))}</th>' for column, kind in kinds.items())
    columns = [_cells(frame[column], kind) for column, kind in kinds.items()]
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in zip(*columns, strict=True))
    return (
        '<div class="finding-table" role="region" aria-label="Table" tabindex="0" style="overflow-x: auto">'
        f'<table class="dataframe"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def verdict(finding: Finding) -> None:
    """Show what came out: how often each verdict or advice fell, and the computed sentences."""
    display({"text/html": verdict_html(finding), "text/plain": _said(finding.summary, finding.listed)}, raw=True)


def verdict_html(finding: Finding) -> str:
    """The counted verdicts as badges, and the sentences, as HTML."""
    counts = finding.verdicts["verdict"].value_counts()
    badges = " ".join(
        f'<span class="counted">{badge(kind)} {counts[kind]} of {counts.sum()}</span>'
        for kind in _KINDS
        if kind in counts
    )
    return f'<p class="finding-verdict">{badges}</p>{_said_html(finding.summary, finding.listed)}'


def badge(kind: str) -> str:
    """A verdict or an advice as HTML, with the class that colours it, such as `verdict-not-shown`."""
    return f'<span class="verdict verdict-{kind.replace(",", "").replace(" ", "-")}">{html.escape(kind)}</span>'


def provenance(finding: Finding) -> None:
    """Show, folded, what the numbers come from: study, runs, hashes, versions; nothing where there are no numbers."""
    if not finding.provenance:
        return
    items = "".join(
        f"<tr><td>{html.escape(visible(k))}</td><td>{html.escape(visible(v))}</td></tr>"
        for k, v in finding.provenance.items()
    )
    text = "\n".join(f"{key}: {value}" for key, value in finding.provenance.items())
    folded = f"<summary>Where these numbers come from</summary><table>{items}</table>"
    folded = f'<details class="finding-provenance">{folded}</details>'
    display({"text/html": folded, "text/plain": text}, raw=True)


def save(chart: alt.TopLevelMixin, file: Path | str) -> None:
    """Write a chart as a picture, `.svg` or `.png`: dark on white, 620 pixels wide, in its first state.

    Raises
    ------
    UserError
        If the file's name ends otherwise.
    """
    file = Path(file)
    if file.suffix == ".svg":
        file.write_text(vl_convert.vegalite_to_svg(static_spec(chart), _VERSION), encoding="utf-8")
    elif file.suffix == ".png":
        file.write_bytes(vl_convert.vegalite_to_png(static_spec(chart), _VERSION, scale=2))
    else:
        raise UserError(f"{file}: a chart is saved as .svg or .png")


def static_spec(chart: alt.TopLevelMixin) -> dict:
    """The chart's specification for a picture: a width in pixels, a colour for the text, white paper."""
    spec = json.loads(json.dumps(chart.to_dict()).replace(f'"{theme.TEXT}"', f'"{INK}"'))
    if spec.get("width") == "container":
        spec["width"] = _WIDTH
    spec.pop("autosize", None)
    spec["config"] |= {"background": "white"}
    return spec


def visible(text: str) -> str:
    """The text with everything that acts and is not seen written out: controls, directions, what has no width.

    A right-to-left override would turn around what stands beside it, and an escape or a zero-width space hides from
    the reader what a model has read. Letters, marks and white space of all scripts stay.
    """
    return "".join(f"⟨U+{ord(c):04X}⟩" if unicodedata.category(c)[0] == "C" and c not in "\n\t" else c for c in text)


def _said(said: str, listed: Sequence[tuple[str, str]]) -> str:
    """What is said, and below it what is said one by one, as plain text."""
    return "\n".join([said, *(f"- {name}: {sentence}" for name, sentence in listed)])


def _said_html(said: str, listed: Sequence[tuple[str, str]]) -> str:
    """The same as HTML."""
    items = "".join(f"<li><strong>{html.escape(visible(name))}</strong>: {_prose(each)}</li>" for name, each in listed)
    return f"<p>{_prose(said)}</p>" + (f'<ul class="finding-list">{items}</ul>' if items else "")


def _prose(text: str) -> str:
    """Sentences as HTML, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(visible(text)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _kind(column: pd.Series, names: set[str]) -> str:
    """The class of a column's cells, as an attribute."""
    if column.name in names:
        return ' class="name"'
    return ' class="number"' if pd.api.types.is_numeric_dtype(column) else ""


def _cells(column: pd.Series, kind: str) -> list[str]:
    """The cells of one column as HTML; `kind` is their class, as an attribute."""
    numbers = pd.api.types.is_numeric_dtype(column)
    decimals = max((len(str(float(v)).partition(".")[2]) for v in column.dropna()), default=0) if numbers else 0
    if pd.api.types.is_integer_dtype(column):
        decimals = 0

    def cell(value):
        if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
            return f"<td{kind}></td>"
        if numbers:
            said = f"{value + 0.0:.{decimals}f}"  # no minus zero
            return f"<td{kind}>{said}</td>".replace("-", "−")
        if column.name in ("Verdict", "Advice", "Answer") and value in _KINDS:
            return f"<td>{badge(value)}</td>"
        if column.name == "Text":
            return f'<td class="text" dir="auto">{html.escape(visible(_cut(value)))}</td>'
        return f"<td{kind}>{html.escape(visible(str(value)))}</td>"

    return [cell(value) for value in column]
