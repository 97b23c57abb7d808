"""The book as a reader opens it: from a folder, in a browser, with the network off."""

import html
import html.parser
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer
import yaml
from conftest import quoted
from playwright.sync_api import Browser, Page, Route, sync_playwright

from helpers import cli, corpora, places, report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MODES = {"desktop, light": (1280, "light"), "desktop, dark": (1280, "dark"), "phone, light": (360, "light")}
#: Resolves when formulas are typeset and every chart is drawn, or after half a minute.
SETTLED = """async () => {
    const until = performance.now() + 30000;
    await window.MathJax?.startup?.promise;
    const charts = [...document.querySelectorAll('[id^="altair-viz"], .vega-embed')];
    while (performance.now() < until && !charts.every(chart => chart.querySelector('canvas, svg.marks')))
        await new Promise(resolve => setTimeout(resolve, 50));
    await new Promise(requestAnimationFrame);
}"""
FACTS = """() => {
    const colours = canvas => {
        const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
    };
    const drawn = chart => {
        const canvas = chart.querySelector('canvas');
        return canvas ? colours(canvas) > 2 : chart.querySelectorAll('svg.marks path').length > 2;
    };
    return {
        theme: document.documentElement.dataset.theme,
        width: document.documentElement.scrollWidth,
        charts: [...document.querySelectorAll('[id^="altair-viz"], .vega-embed')].map(chart => ({
            drawn: drawn(chart),
            text: chart.querySelector('[aria-label]')?.getAttribute('aria-label') ?? '',
        })),
        formulas: [...document.querySelectorAll('.math')].map(
            math => math.querySelector('mjx-container') !== null && !math.querySelector('mjx-merror')),
        noise: [...document.querySelectorAll('.output.stderr, .output.traceback')].map(output => output.innerText),
    };
}"""


@dataclass
class Visit:
    """One page in one mode: what the browser complained about, and what it showed."""

    page: str
    mode: str
    complaints: list[str] = field(default_factory=list)
    facts: dict = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.page} ({self.mode})"


@pytest.fixture(scope="session")
def built_book(request: pytest.FixtureRequest) -> Path:
    """Folder of the book's pages: built from the quick study, or the one that LABEL_RISK_BOOK names."""
    if built := os.environ.get("LABEL_RISK_BOOK"):
        return Path(built)
    return request.getfixturevalue("quick_book") / "_build/html"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    if CHROMIUM is None:
        pytest.fail("needs Chromium: install it with the system's package manager")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _watch(page: Page, complaints: list[str]) -> None:
    """Let nothing but files through, and note every request, message and error that should not be."""

    def route(route: Route) -> None:
        if route.request.url.startswith("file://"):
            route.continue_()
        else:
            complaints.append(f"request to {route.request.url}")
            route.abort()

    page.route("**", route)
    page.on("console", lambda m: complaints.append(f"console: {m.text}") if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))


def _pages(book: Path) -> list[Path]:
    """All pages but `index.html`, which leads on at once, and the theme's templates among the static files."""
    files = (file for file in book.rglob("*.html") if "_static" not in file.relative_to(book).parts)
    return sorted(file for file in files if file != book / "index.html")


@pytest.fixture(scope="session")
def visits(built_book: Path, browser: Browser) -> list[Visit]:
    """Every page of the book, opened in every mode; in the dark those with charts."""
    found = []
    for mode, (width, theme) in MODES.items():
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
        for file in _pages(built_book):
            if theme == "dark" and file.parent.name != "executed":
                continue
            visit = Visit(str(file.relative_to(built_book)), mode)
            page = context.new_page()
            _watch(page, visit.complaints)
            page.goto(file.as_uri())
            page.evaluate(SETTLED)
            visit.facts = page.evaluate(FACTS)
            page.close()
            found.append(visit)
        context.close()
    return found


def test_all_pages_of_the_table_of_contents_are_there(built_book, visits):
    pages = {visit.page for visit in visits}
    wanted = {f"book/executed/{name}.html" for name in report.executed_pages(places.ROOT / "_toc.yml")}
    wanted |= {f"book/{file.stem}.html" for file in (places.ROOT / "book").glob("*.md")}
    assert wanted <= pages


def test_every_finding_has_a_page():
    findings = yaml.safe_load((places.ROOT / "notebooks/findings.yml").read_text("utf-8"))
    pages = report.executed_pages(places.ROOT / "_toc.yml")
    assert {Path(finding["notebook"]).stem for finding in findings.values()} <= set(pages)


def test_the_start_page_leads_to_the_overview(built_book, browser):
    page = browser.new_page()
    page.goto((built_book / "index.html").as_uri())
    page.wait_for_url("**/overview.html")
    assert page.locator("article h1").count() == 1
    page.close()


def test_nothing_leaves_the_page_and_nothing_fails(visits):
    assert {str(visit): visit.complaints for visit in visits if visit.complaints} == {}


def test_every_chart_is_drawn_and_described(visits):
    charts = [(visit, chart) for visit in visits for chart in visit.facts["charts"]]
    assert charts
    assert [str(visit) for visit, chart in charts if not chart["drawn"]] == []
    # "Vega visualization" is what a chart without a description says of itself.
    assert [str(visit) for visit, chart in charts if len(chart["text"]) < 30] == []


def test_every_formula_is_typeset(visits):
    formulas = [(visit, typeset) for visit in visits for typeset in visit.facts["formulas"]]
    assert formulas
    assert [str(visit) for visit, typeset in formulas if not typeset] == []


def test_no_page_shows_warnings_of_its_code(visits):
    assert {str(visit): visit.facts["noise"] for visit in visits if visit.facts["noise"]} == {}


def test_both_themes_are_followed(visits):
    assert all(visit.facts["theme"] == MODES[visit.mode][1] for visit in visits)


def test_no_page_is_wider_than_its_window(visits):
    wide = {str(visit): visit.facts["width"] for visit in visits if visit.facts["width"] > MODES[visit.mode][0]}
    assert wide == {}


def test_a_tooltip_names_no_value_that_is_not_there(built_book, browser):
    page = browser.new_page()
    page.goto((built_book / "book/glossary.html").as_uri())
    values = ("0.5", "null", "NaN", "nullable")
    rows = "".join(f"<tr><td class='key'>k</td><td class='value'>{value}</td></tr>" for value in values)
    tooltip = f"<div id='vg-tooltip-element'><table>{rows}</table></div>"
    page.evaluate("tooltip => document.body.insertAdjacentHTML('beforeend', tooltip)", tooltip)
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.locator("#vg-tooltip-element td.value").all_inner_texts() == ["0.5", "nullable"]
    page.close()


def test_search_finds_pages_with_the_network_off(built_book, browser):
    page, complaints = browser.new_page(), []
    _watch(page, complaints)
    page.goto((built_book / "search.html").as_uri() + "?q=plateau")
    page.wait_for_selector("#search-results li a")
    assert any("plateau" in link.get_attribute("href") for link in page.locator("#search-results li a").all())
    assert complaints == []
    page.close()


class _Anchors(html.parser.HTMLParser):
    """Collects what a page links to and what it can be linked at."""

    def __init__(self, text: str):
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and values.get("href"):
            self.links.add(values["href"])
        if values.get("id"):
            self.ids.add(values["id"])


def test_no_link_within_the_book_is_dead(built_book):
    pages = {file: _Anchors(file.read_text("utf-8")) for file in _pages(built_book)}
    dead = []
    for file, anchors in pages.items():
        for link in anchors.links:
            parts = urlsplit(link)
            if parts.scheme or link == "#":
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.exists() or (target in pages and unquote(parts.fragment) not in pages[target].ids):
                dead.append(f"{file.relative_to(built_book)} -> {link}")
    assert dead == []


def test_commands_and_options_that_are_printed_exist():
    known = typer.main.get_command(cli.app).commands
    files = [*places.ROOT.glob("*.md"), *places.ROOT.glob("book/*.md"), *places.ROOT.glob("notebooks/*.py")]
    named = set()
    for file in files:
        text = file.read_text("utf-8").replace("\\\n", " ")
        for command, rest in re.findall(r"(?:^ *|[`#] *|&& )label-risk ([a-z]+)([^`\n]*)", text, re.MULTILINE):
            assert command in known, f"{file.name}: label-risk {command}"
            options = {
                option for parameter in known[command].params for option in parameter.opts + parameter.secondary_opts
            }
            said = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", rest))
            assert said <= options, f"{file.name}: label-risk {command} {rest}"
            named.add(command)
    assert {"new", "book", "run", "annotate", "verify", "compact", "doctor", "status", "verdicts"} <= named


def test_no_text_of_a_corpus_is_in_a_book_that_shows_none(built_book):
    """The quick study allows no texts; a book that LABEL_RISK_BOOK names is taken to be built with --no-texts."""
    pages = "\n".join(file.read_text("utf-8") for file in _pages(built_book))
    for name in corpora.BUILT_IN:
        assert quoted(corpora.load(name).rows["text"], pages) == []
