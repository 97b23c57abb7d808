"""Charts, tables and verdicts: valid, drawn, described in words, and escaped."""

import html.parser
import json
import re
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import vl_convert
from test_findings import everything, only, results, voted

from helpers import charts, findings
from helpers.annotators import specs
from helpers.charts import page, theme
from helpers.errors import UserError
from helpers.findings.finding import with_counts
from helpers.findings.results import CorpusResults, Results
from helpers.labels import LabelSource
from helpers.studies import Cell

EVIL = "<script>alert(1)</script>"


def _named(name):
    """What a study says of an annotator of that name, which no study file could give it."""
    return specs.Existing.model_construct(name=name)


def evil():
    """Two corpora, two annotators and classes whose names are markup."""
    made = everything()
    news = made.corpora["news"]
    one = voted(7, 2, name=EVIL, labels=(EVIL, "</script><b>bold</b>"))
    names = [f"flawed{EVIL}", 'second"&'.replace("/", "")]
    cells = {}
    for (source, n, _), cell in news.cells.items():
        for name in names:
            cells[Cell(LabelSource(source.method, (name,) * len(source.annotators), source.keep), n)] = cell
    both = [CorpusResults(c, dict.fromkeys(names, news.annotator_probs["flawed"]), cells) for c in (one, news.corpus)]
    plan = made.study.model_copy(update={"corpora": [EVIL, "news"], "annotators": list(map(_named, names))})
    return Results(plan, {c.name: c for c in both}, names, {f"key {EVIL}": f"value {EVIL}"})


@pytest.fixture(scope="module")
def found():
    """Name -> finding, on names that are markup."""
    made = evil()
    pages = (*findings.FINDINGS, *findings.rules(), "overview")
    special = {"injection": _orders, "encoders": lambda: findings.encoders(made, other=_with_encoder(made, EVIL))}
    return {name: special[name]() if name in special else getattr(findings, name)(made) for name in pages}


def _with_encoder(made, encoder):
    """The same results, as if another encoder's."""
    student = made.study.student.model_copy(update={"encoder": encoder})
    return replace(made, study=made.study.model_copy(update={"student": student, "name": "other"}))


def _orders():
    """What `findings.injection` returns, with names that are markup: a study of made corpora plants nothing."""
    place = {"corpus": EVIL, "annotator": EVIL}
    shares = {"share": 0.5, "low": 0.4, "high": 0.6}
    frame = [
        place | {"planted": p, "who": w} | shares for p in ("nothing", EVIL) for w in ("annotator", "its students")
    ]
    verdicts = pd.DataFrame([place | {"verdict": "obeyed", "effect": 0.1, "low": 0.0, "high": 0.2}])
    table = pd.DataFrame([{"Corpus": EVIL, "Annotator": EVIL, "Answer": "obeyed", "Text": EVIL}])
    return findings.Finding("injection", pd.DataFrame(frame), table, verdicts, f"A summary of {EVIL}.")


def test_the_marks_of_a_single_annotator_are_drawn(found):
    """The size of a mark is its rank among the annotators, of which there may be one."""
    verdicts = found["overview"].verdicts
    one = verdicts[verdicts["annotator"] == verdicts["annotator"].iloc[0]]
    svg = vl_convert.vegalite_to_svg(page.static_spec(charts.overview(one)), page._VERSION)
    marks = re.findall(r'<path aria-label="[^"]*verdict: [^>]* d="([^"]*)"', svg)
    assert len(marks) == len(one)
    assert all(re.search("[1-9]", mark) for mark in marks)


def test_marks_grow_evenly_from_the_weakest_annotator_to_the_strongest(found):
    """Vega-Lite would take sizes of a list for the ends of a scale, and pass over the others."""
    verdicts = found["overview"].verdicts.head(1)
    rows = pd.concat([verdicts.assign(annotator=name) for name in "abcd"])
    svg = vl_convert.vegalite_to_svg(page.static_spec(charts.overview(rows)), page._VERSION)
    shapes = re.findall(r'<path aria-label="[^"]*verdict: [^>]* d="([^"]*)"', svg)
    widths = [max(map(float, re.findall(r"[0-9.]+", shape))) for shape in shapes]
    areas = [(width / widths[0]) ** 2 for width in widths]
    assert areas == pytest.approx([1, 130 / 80, 180 / 80, 230 / 80], rel=0.01)


def test_people_who_voted_once_each_leave_no_hole(found):
    frame = found["propagation"].frame.copy()
    frame.loc[frame["term"] == "people", "value"] = float("nan")
    chart = charts.propagation(replace(found["propagation"], frame=frame))
    assert vl_convert.vegalite_to_png(page.static_spec(chart), page._VERSION).startswith(b"\x89PNG")


def test_filters_that_no_verdict_is_about_are_drawn(found):
    one = found["filtering"]
    spec = charts.filtering(replace(one, verdicts=one.verdicts.head(0))).to_dict()
    assert spec["description"] == charts.filtering(one).to_dict()["description"]


def test_a_sign_that_is_not_defined_takes_no_accuracy_with_it(found):
    frame = found["unaided"].frame.copy()
    bars = _bars(charts.unaided(replace(found["unaided"], frame=frame)))
    assert bars > 0
    first = frame["sign"] == frame["sign"].iloc[0]
    frame.loc[first, "value"] = float("nan")
    assert _bars(charts.unaided(replace(found["unaided"], frame=frame))) == bars


def _bars(chart):
    svg = vl_convert.vegalite_to_svg(page.static_spec(chart), page._VERSION)
    return len(re.findall(r'aria-roledescription="bar"', svg))


def test_pages_of_many_rows_are_drawn(found):
    one = found["degradation"]
    frame = pd.concat([one.frame] * (6000 // len(one.frame) + 1))
    assert charts.degradation(replace(one, frame=frame)).to_dict()["description"]


def test_every_finding_has_a_chart():
    assert list(charts.CHARTS) == [*findings.FINDINGS, *findings.rules(), "overview"]


def drawn(found, name, **how):
    """The chart of a finding, or of a part of one, and the finding as the chart is given it."""
    if name in charts.CHARTS:
        return charts.CHARTS[name](found[name], **how), found[name]
    one, part = page.part_of(found[name[0]], name[1]), charts.PARTS[name]
    return part(one, **how), one


@pytest.mark.parametrize("static", [False, True], ids=["interactive", "static"])
@pytest.mark.parametrize("name", [*charts.CHARTS, *charts.PARTS], ids=str)
def test_charts_are_valid_drawn_and_described(found, name, static):
    chart, _ = drawn(found, name, static=static)
    spec = chart.to_dict()  # validates
    assert len(spec["description"]) > 100
    assert spec["usermeta"]["embedOptions"]["renderer"] == "svg"
    assert spec["usermeta"]["embedOptions"]["actions"]["editor"] is False
    marks = page.static_spec(chart)
    assert theme.TEXT not in json.dumps(marks)
    assert vl_convert.vegalite_to_png(marks, page._VERSION).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", [*charts.CHARTS, *charts.PARTS], ids=str)
def test_interactive_charts_are_as_wide_as_the_page(found, name):
    spec = drawn(found, name)[0].to_dict()
    assert spec["width"] == "container"
    # A height in steps would make Vega complain on the console.
    assert isinstance(spec["height"], int | float)


@pytest.mark.parametrize("name", findings.FINDINGS)
def test_corpora_can_be_switched_where_there_are_several(found, name):
    spec = charts.CHARTS[name](found[name]).to_dict()
    menu = only_param(spec, "Corpus")["bind"]
    assert menu["input"] == "select"
    assert menu["options"][-2:] == [EVIL, "news"]
    one = charts.CHARTS[name](findings.FINDINGS[name](evil(), corpus="news")).to_dict()
    assert not [p for p in one["params"] if p["name"] == "Corpus"]


def only_param(spec, name):
    (param,) = (p for p in spec["params"] if p["name"] == name)
    return param


@pytest.mark.parametrize("name", [name for name in charts.CHARTS if name != "propagation"])
def test_the_legend_can_be_clicked(found, name):
    assert only_param(charts.CHARTS[name](found[name]).to_dict(), "Chosen")["bind"] == "legend"


@pytest.mark.parametrize("part", ["toy accuracy", "toy terms"])
def test_sliders_choose_a_setting_that_was_computed(found, part):
    chart, one = drawn(found, ("propagation", part))
    spec = chart.to_dict()
    for field in ("errors", "gathered"):
        param = only_param(spec, field)
        settings = range(param["bind"]["min"], param["bind"]["max"] + 1, param["bind"]["step"])
        assert [*settings] == sorted({*one.frame[field]})
        assert param["value"] in settings
    (scale,) = {json.dumps(layer["encoding"]["y"]["scale"]) for layer in spec["layer"]}
    assert "domain" in scale  # of all settings


def test_descriptions_hold_the_computed_summary(found):
    for name in findings.FINDINGS:
        assert found[name].summary in charts.CHARTS[name](found[name]).to_dict()["description"]


class _Tags(html.parser.HTMLParser):
    """The tags of a piece of HTML, its text, and the attributes of its last link."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.link = [], "", {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "a":
            self.link = dict(attrs)

    def handle_data(self, data):
        self.text += data


OF_DATA = [*charts.CHARTS, *(name for name in charts.PARTS if "toy" not in name[1])]


@pytest.mark.parametrize("name", OF_DATA, ids=str)
def test_names_from_data_are_never_markup(found, name):
    chart, one = drawn(found, name)
    shown = page.to_html(chart, data=one.frame, name=one.name)
    # One script, the chart's own, and not a second one inside its data.
    assert shown.lower().count("<script") == shown.lower().count("</script") == 1
    assert "\\u003cscript>alert(1)" in shown
    for piece in (page.table_html(one), page.verdict_html(one)):
        assert not {"script", "b"} & set(_Tags(piece).tags)
    if "Corpus" in one.table:  # names of filters are no data
        assert EVIL in _Tags(page.table_html(one)).text


def test_the_specification_survives_escaping(found):
    chart = charts.plateau(found["plateau"])
    (script,) = re.findall(
        r"<script.*?>(.*)</script>", page.to_html(chart, data=found["plateau"].frame, name="x"), re.S
    )
    embedded = script[script.index('({"') + 1 :]
    spec, _ = json.JSONDecoder().raw_decode(embedded)
    assert spec["description"] == chart.to_dict()["description"]
    assert EVIL in json.dumps(spec)


def test_the_numbers_can_be_downloaded(found):
    frame = found["degradation"].frame
    link = _Tags(page.to_html(charts.degradation(found["degradation"]), data=frame, name="degradation")).link
    assert link["download"] == "degradation.csv"
    kind, _, content = link["href"].partition(",")
    assert kind == "data:text/csv;charset=utf-8"
    assert unquote(content) == frame.to_csv(index=False)


def test_downloaded_numbers_do_nothing_in_a_spreadsheet(found):
    evil = ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-1+cmd|' /C calc'!A0"]
    kept = ["a=b", "-1", "+0.5", "", None]
    frame = pd.DataFrame({"annotator": evil + kept, "=gain": [-1.5] * 13, "corpus": pd.Categorical(["-x"] * 13)})
    shown = page.to_html(charts.degradation(found["degradation"]), data=frame, name="x")
    content = unquote(_Tags(shown).link["href"].partition(",")[2])
    expected = pd.DataFrame({"annotator": [f"'{one}" for one in evil] + kept, "'=gain": -1.5, "corpus": "'-x"})
    assert content == expected.to_csv(index=False)


def test_tables_align_decimals_and_leave_blank_what_is_missing():
    made = everything()
    row = only(findings.degradation(made).table)
    cells = re.findall(r"<td.*?>(.*?)</td>", page.table_html(findings.degradation(made)))
    assert cells[list(row.index).index("Gap, points")] == "40.0"
    assert cells[list(row.index).index("Verdict")] == '<span class="verdict verdict-reproduced">reproduced</span>'
    # The students of all labels are as good as gold's: there is no gap to recover.
    level = results(
        dict.fromkeys(made.corpora["news"].cells, made.corpora["news"].students(None, 400)),
        **{"filtering": {"size": 400, "fractions": [0.25, 0.5]}},
    )
    found = findings.filtering(level)
    cells = re.findall(r"<td.*?>(.*?)</td>", page.table_html(found))
    assert cells[list(found.table).index("Gap to gold closed, %")] == ""
    assert "nan" not in page.table_html(found)


def test_what_a_part_says_corpus_by_corpus_is_a_list():
    part = findings.Part(pd.DataFrame({EVIL: [EVIL]}), f"said {EVIL}", ((EVIL, f"its {EVIL}"), ("b\u202e", "other")))
    shown = page.part_html(part)
    tags = _Tags(shown)
    assert tags.tags[:6] == ["p", "ul", "li", "strong", "li", "strong"]
    assert "script" not in tags.tags
    assert f"{EVIL}: its {EVIL}" in tags.text
    assert "⟨U+202E⟩" in shown
    assert "<ul" not in page.part_html(part._replace(listed=()))
    assert "<table" not in page.part_html(part._replace(table=pd.DataFrame()))


def test_what_a_sentence_has_between_backticks_is_code():
    part = findings.Part(pd.DataFrame(), "Give it `stability: {seeds: 10}`, or `<b>`; a lone ` stays.")
    said = "Give it <code>stability: {seeds: 10}</code>, or <code>&lt;b&gt;</code>; a lone ` stays."
    assert page.part_html(part) == f"<p>{said}</p>"


def test_minus_signs_are_minus_signs():
    made = everything()
    swapped = {}
    for (source, n, _), cell in made.corpora["news"].cells.items():
        other = {"gold": LabelSource("annotator", ("flawed",)), "annotator": LabelSource("gold")}.get(
            source.method, source
        )
        swapped[Cell(other, n)] = cell
    table = page.table_html(findings.degradation(results(swapped)))
    assert "−40.0" in table
    assert "-40" not in table


def test_nothing_to_show_is_a_chart_too():
    made = everything()
    none = Results(made.study.model_copy(update={"annotators": [], "filtering": None}), made.corpora, [], {})
    for name, function in (findings.FINDINGS | {"overview": findings.overview}).items():
        finding = function(none)
        chart = charts.CHARTS[name](finding)
        assert vl_convert.vegalite_to_png(page.static_spec(chart), page._VERSION).startswith(b"\x89PNG")
        assert finding.summary.replace("`", "") in _Tags(page.verdict_html(finding)).text
        assert "reason that is given above" in page.table_html(finding)
        for drawn, part in charts.PARTS:
            if drawn == name:
                empty = charts.PARTS[name, part](page.part_of(replace(finding, parts={}), part))
                assert "reason that is given above" in empty.to_dict()["description"]
                charts.PARTS[name, part](page.part_of(finding, part)).to_dict()


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_charts_are_saved_as_pictures(found, tmp_path, ending):
    file = tmp_path / f"verdicts.{ending}"
    charts.save(charts.overview(found["overview"].verdicts), file)
    content = file.read_bytes()
    assert content.startswith(b"\x89PNG") if ending == "png" else b"<svg" in content
    assert b"currentColor" not in content


def test_other_endings_are_refused(found, tmp_path):
    with pytest.raises(UserError, match=r"\.svg or \.png"):
        charts.save(charts.overview(found["overview"].verdicts), tmp_path / "verdicts.jpeg")


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colour", [theme.GOLD, *theme.ANNOTATORS, *theme.TERMS, *theme.VERDICTS.values()])
def test_colours_show_on_light_and_on_dark(colour):
    """Contrast of 3:1 with white and with a nearly black page, as WCAG 2.2 asks of graphics."""
    dark = luminance("#14181e")
    assert 1.05 / (luminance(colour) + 0.05) >= 3
    assert (luminance(colour) + 0.05) / (dark + 0.05) >= 3


def test_cells_of_numbers():
    assert page._cells(pd.Series([-0.0, 0.25, np.nan]), "") == ["<td>0.00</td>", "<td>0.25</td>", "<td></td>"]
    assert page._cells(with_counts([{"n": 4000}, {"n": None}], "n")["n"], "") == ["<td>4000</td>", "<td></td>"]
