"""The notebooks: they narrate and hold no logic, and each runs by itself on the quick study."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

from helpers import charts, findings, places, report

NOTEBOOKS = sorted((places.ROOT / "notebooks").glob("*.py"))
PAGES = findings.claims() | findings.rules()


def cells(notebook, kind):
    return [cell for cell in jupytext.read(notebook).cells if cell.cell_type == kind]


@pytest.fixture(params=NOTEBOOKS, ids=lambda file: file.stem)
def notebook(request):
    return request.param


def test_there_is_a_notebook_for_every_finding():
    named = {places.ROOT / page.notebook for page in PAGES.values()}
    assert named | {places.ROOT / "notebooks/overview.py"} == set(NOTEBOOKS)


def test_the_header_names_a_kernel(notebook):
    header = notebook.read_text("utf-8").split("# ---\n")[1]
    kernel = yaml.safe_load("".join(line[2:] for line in header.splitlines(keepends=True)))["jupyter"]["kernelspec"]
    assert kernel == {"display_name": "Python 3", "language": "python", "name": "python3"}


def test_parameters_are_literals_and_those_of_the_claim(notebook):
    defaults = report.parameter_defaults(notebook)  # raises on what is not a literal
    assert list(defaults)[:4] == ["study", "corpus", "annotators", "seed"]
    if notebook.stem in PAGES:
        expected = PAGES[notebook.stem].parameters
        assert {name: defaults[name] for name in list(defaults)[4:]} == expected
    (cell,) = (cell for cell in cells(notebook, "code") if "parameters" in cell.metadata.get("tags", []))
    assert len(cell.source.splitlines()) == len(defaults)


def test_notebooks_hold_no_logic(notebook):
    """Imports, assignments and calls, one after the other; and one call into the findings."""
    body = [statement for cell in cells(notebook, "code") for statement in ast.parse(cell.source).body]
    assert {type(statement) for statement in body} <= {ast.ImportFrom, ast.Assign, ast.Expr}
    banned = (
        ast.IfExp,
        ast.Lambda,
        ast.comprehension,
        ast.BoolOp,
        ast.BinOp,
        ast.Compare,
        ast.Subscript,
        ast.JoinedStr,
    )
    nodes = [node for statement in body for node in ast.walk(statement)]
    assert not [ast.unparse(node) for node in nodes if isinstance(node, banned)]
    called = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
    assert [name for name in called if name.startswith("findings.")] == [f"findings.{notebook.stem}"]


def test_every_page_has_its_parts(notebook):
    text = "\n".join(cell.source for cell in cells(notebook, "markdown"))
    headings = re.findall(r"^#+ .*", text, re.M)
    assert headings[0].startswith("# ")
    for part in ("What would change our mind", "What to try next", "Run it on your own data"):
        assert f"## {part}" in headings
    # `test_the_printed_command_works` tries all of these when there is time, else one: so they differ in this only.
    start = rf"jupytext --to ipynb -o - notebooks/{notebook.stem}\.py \\\n  \| papermill - out\.ipynb"
    (options,) = re.findall(rf"```bash\n{start}((?: -p \w+ \S+)+)\n```", text)
    given = dict(re.findall(r"-p (\w+) (\S+)", options))
    assert {"study": "studies/quick.yml", "corpus": "tweets"}.items() <= given.items()
    defaults = report.parameter_defaults(notebook)
    assert {name: type(yaml.safe_load(value)) for name, value in given.items()} == {
        name: type(defaults[name]) for name in given
    }


def test_prose_states_no_result(notebook):
    """Numbers of results are computed. What prose may name is the level of the intervals, and a shown command."""
    text = "\n".join(cell.source for cell in cells(notebook, "markdown"))
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|\$.*?\$", "", text, flags=re.S)
    prose = re.sub(r"95 %|Lu & Smith \(2025\)", "", " ".join(prose.split()))
    assert re.findall(r"(?<!macro-F)\d+", prose) == []


def test_no_line_of_prose_is_taken_for_a_cell(notebook):
    """Jupytext reads `# %` at the beginning of a line as a new cell, even where a percent sign was only wrapped."""
    assert not re.findall(r"^# %(?!%).*", notebook.read_text("utf-8"), re.MULTILINE)


def test_links_lead_to_pages_of_the_book(notebook):
    pages = {f"{name}.ipynb" for name in report.executed_pages(places.ROOT / "_toc.yml")}
    text = "\n".join(cell.source for cell in cells(notebook, "markdown"))
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for link in links:
        assert link in pages or (places.ROOT / "book/executed" / link).resolve().is_file(), link


def outputs(book, notebook):
    """What the cells of a notebook showed when the book was made."""
    page = nbformat.read(book / f"source/book/executed/{notebook.stem}.ipynb", as_version=4)
    return [output for cell in page.cells if cell.cell_type == "code" for output in cell.outputs]


def test_notebooks_run_on_the_quick_study(quick_book, notebook):
    shown = outputs(quick_book, notebook)
    assert {output.output_type for output in shown} == {"display_data"}  # no error, no stray print
    html = ["".join(output.data["text/html"]) for output in shown]
    assert 'class="verdict verdict-' in html[0]
    assert 'class="finding-chart"' in html[1]
    parts = ('<table class="dataframe">', '<ul class="finding-list">', 'class="finding-chart"')
    bare = [text for text in html[2:-1] if not any(part in text for part in parts)]
    # The study was trained on one machine, in one number type: one table of one page has nothing to compare.
    assert len(bare) == (notebook.stem == "instability")
    assert all("nothing to compare" in text for text in bare)
    assert "<details" in html[-1]
    assert "label-risk" in html[-1]
    assert len(html) >= 4


def test_a_chart_is_interactive_and_a_picture_in_one_output(quick_book, notebook):
    shown = [output for output in outputs(quick_book, notebook) if "image/png" in output.data]
    assert len(shown) == 1 + sum(page == notebook.stem for page, _ in charts.PARTS)
    for chart in shown:
        assert "vegaEmbed" in "".join(chart.data["text/html"])
        assert len("".join(chart.data["text/plain"])) > 100


@pytest.mark.parametrize(
    "notebook",
    [
        pytest.param(file, marks=() if file.stem == "prevalence" else pytest.mark.slow, id=file.stem)
        for file in NOTEBOOKS
    ],
)
def test_the_printed_command_works(quick_ledger, notebook, tmp_path):
    """As the page and the README say it, in a shell."""
    text = "\n".join(cell.source for cell in cells(notebook, "markdown"))
    (command,) = re.findall(r"```bash\n(jupytext.*?)\n```", text, re.S)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.replace("out.ipynb", str(tmp_path / "out.ipynb"))],
        cwd=places.ROOT,
        env=os.environ
        | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "JUPYTER_PREFER_ENV_PATH": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    (injected,) = (cell for cell in page.cells if "injected-parameters" in cell.metadata.get("tags", []))
    assert 'corpus = "tweets"' in injected.source
    assert not [cell for cell in page.cells for o in cell.get("outputs", []) if o.output_type == "error"]
