"""From notebooks to pages: parameters, what is executed again and what is not, and how failures are told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from helpers import report
from helpers.errors import UserError

HEADER = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""
GREET = f"""{HEADER}# %% [markdown]
# # A page

# %% tags=["parameters"]
study = "studies/a.yml"
corpus = "all"
threshold = 0.01

# %%
from pathlib import Path

print(study, corpus, threshold, Path("studies/a.yml").exists())
"""
COUNT = f"""{HEADER}# %% [markdown]
# # Another

# %% tags=["parameters"]
study = "studies/a.yml"
n = 3

# %% tags=["remove-cell"]
n + 1
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The smallest repository that `report` can make a book of."""
    root = tmp_path / "repository"
    files = {
        "_config.yml": "title: Tiny\nonly_build_toc_files: true\nexecute: {execute_notebooks: 'off'}\n",
        "_toc.yml": "format: jb-book\nroot: book/executed/greet\n"
        "chapters:\n  - file: book/executed/count\n  - file: book/prose\n",
        "book/prose.md": "# Prose\n\nSee [](executed/greet.ipynb).\n",
        "book/_static/style.css": "",
        "notebooks/greet.py": GREET,
        "notebooks/count.py": COUNT,
        "notebooks/findings.yml": "{}\n",
        "src/helpers/helper.py": "",
        "studies/a.yml": "name: a\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.chdir(root)
    return root


def _plan(root: Path, **parameters: object) -> dict[str, report.Notebook]:
    return {notebook.name: notebook for notebook in report.plan(root, root / "studies/a.yml", parameters)}


def _inputs(root: Path, **parameters: object) -> dict[str, str]:
    return {name: notebook.inputs for name, notebook in _plan(root, **parameters).items()}


def test_an_unknown_parameter_is_refused_with_the_known_ones(repository):
    with pytest.raises(UserError, match=r"'treshold'.*greet: study, corpus, threshold; count: study, n"):
        _plan(repository, treshold=0.02)


@pytest.mark.parametrize(
    ("name", "value"), [("corpus", 3), ("n", "3"), ("n", 3.5), ("threshold", True), ("threshold", None)]
)
def test_a_parameter_of_another_type_is_refused(repository, name, value):
    with pytest.raises(UserError, match=f"{name!r} cannot be {value!r}"):
        _plan(repository, **{name: value})


def test_a_parameter_goes_to_the_notebooks_that_know_it_unless_it_is_the_default(repository):
    plan = _plan(repository, corpus="all", threshold=1)
    assert dict(plan["greet"].parameters) == {"threshold": 1}
    assert dict(plan["count"].parameters) == {}


def test_another_study_is_passed_to_every_notebook(repository, tmp_path, monkeypatch):
    (repository / "studies/b.yml").write_text("name: b\n")
    (tmp_path / "own.yml").write_text("name: own\n")
    inside = report.plan(repository, repository / "studies/b.yml", {})
    outside = report.plan(repository, tmp_path / "own.yml", {})
    assert [n.parameters["study"] for n in inside] == ["studies/b.yml"] * 2
    assert [n.parameters["study"] for n in outside] == [str(tmp_path / "own.yml")] * 2
    monkeypatch.chdir(tmp_path)  # pages say where the study is, and whose folder that is in they need not say
    outside = report.plan(repository, tmp_path / "own.yml", {})
    assert [n.parameters["study"] for n in outside] == ["own.yml"] * 2


@pytest.mark.parametrize("line", ["size = 2 * 3", "corpora = sorted(corpus)", "import os", "a, b = 1, 2"])
def test_only_literals_may_stand_in_the_parameters_cell(repository, line):
    notebook = repository / "notebooks/greet.py"
    notebook.write_text(GREET.replace("threshold = 0.01", f"threshold = 0.01\n{line}"))
    with pytest.raises(UserError, match=r"greet\.py.*is not `name = literal`"):
        report.parameter_defaults(notebook)


def test_defaults_are_read_without_running_anything(repository):
    notebook = repository / "notebooks/greet.py"
    lines = "threshold: float = -0.01  # why\nsizes = [1, 2]\nseed = None"
    notebook.write_text(GREET.replace("threshold = 0.01", lines))
    assert report.parameter_defaults(notebook) == {
        "study": "studies/a.yml",
        "corpus": "all",
        "threshold": -0.01,
        "sizes": [1, 2],
        "seed": None,
    }


def test_a_missing_study_or_notebook_is_named(repository):
    with pytest.raises(UserError, match=r"c\.yml: no such study"):
        report.plan(repository, repository / "studies/c.yml", {})
    (repository / "notebooks/count.py").unlink()
    with pytest.raises(UserError, match=r"count\.py: named in _toc\.yml"):
        _plan(repository)


def test_pages_are_made_again_where_texts_are_forbidden_now(repository, monkeypatch):
    before = _inputs(repository)
    monkeypatch.setenv("LABEL_RISK_NO_TEXTS", "1")
    assert all(digest != before[page] for page, digest in _inputs(repository).items())


def test_inputs_change_with_what_a_page_depends_on_and_with_nothing_else(repository, tmp_path):
    before = _inputs(repository)
    (repository / "book/prose.md").write_text("# Other prose\n")
    (repository / "annotations/movie/.part").mkdir(parents=True)
    (repository / "annotations/movie/.part/00.parquet").write_text("unfinished")
    for file in [*repository.rglob("*.py"), *repository.rglob("*.yml")]:
        os.utime(file, (1, 1))
    assert _inputs(repository) == before

    changed = {
        "src/helpers/helper.py": "CONSTANT = 1\n",
        "src/helpers/measures/new.py": "",
        "src/helpers/prompts.yml": "a: b\n",
        "notebooks/findings.yml": "a: {}\n",
        "studies/a.yml": "name: a\nseeds: 5\n",
        "annotations/movie/a.parquet": "labels",
        "results/a.parquet": "runs",
        str(tmp_path / "ledger/runs/aa/aa.parquet"): "a run",
    }
    for name, content in changed.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(content)
        after = _inputs(repository)
        assert all(after[notebook] != before[notebook] for notebook in before), name
        before = after

    (repository / "notebooks/count.py").write_text(COUNT + "# edited\n")
    after = _inputs(repository, threshold=0.5)
    assert after["count"] != before["count"]
    assert after["greet"] != before["greet"]
    assert _inputs(repository)["greet"] == before["greet"]


@pytest.mark.parametrize("place", ["studies/a.yml", "studies/shown-beside.yml", "../own.yml"])
def test_inputs_change_with_the_tables_of_a_study(repository, place):
    """Gold that is corrected, votes, a split, a corpus made of another, an answer of an LLM: no run need change."""
    study = repository / place
    study.write_text(
        "name: a\n"
        "corpora:\n"
        "- movie\n"
        "- {name: one, path: data/one.csv}\n"
        "- {name: two, path: data/saved}\n"
        "- {name: three, planted: {name: four, path: data/four.csv}}\n"
        "- {name: five, hub: five/five}\n"
        "annotators: [smollm2-135m, {replay: data/said.csv, name: a}, 'replay:data/they-said.csv']\n"
        "sizes: [100]\n"
    )
    for base in (repository, repository.parent):
        (base / "data/saved/train").mkdir(parents=True)

    def inputs():
        return [
            one.inputs for one in report.plan(repository, study if place == "../own.yml" else Path("studies/a.yml"), {})
        ]

    seen = [inputs()]
    for file in ("one.csv", "saved/train/0.arrow", "four.csv", "said.csv", "they-said.csv"):
        for content in ("gold", "other gold"):
            (repository / "data" / file).write_text(content)
            seen.append(inputs())
    (repository / "data/six.csv").write_text("nobody's")
    assert inputs() == seen[-1]
    assert len(set(map(tuple, seen))) == len(seen) == 11


@pytest.mark.parametrize(
    "content", ["name: [", "- a", "", "corpora: movie\nannotators: {a: b}", "corpora: [[3, null]]"]
)
def test_a_study_that_cannot_be_read_is_complained_of_elsewhere(repository, content):
    (repository / "studies/b.yml").write_text(content)
    assert _inputs(repository)


def test_notebooks_are_executed_once_and_again_when_a_helper_changes(repository):
    folder = repository / "book/executed"

    def execute() -> list[str]:
        return sorted(report.execute(_plan(repository, corpus="tweets").values(), folder, cwd=repository))

    assert execute() == ["count", "greet"]
    first = (folder / "greet.ipynb").read_bytes()
    assert execute() == []

    (repository / "src/helpers/helper.py").write_text("CONSTANT = 1\n")
    (folder / "count.json").write_text(json.dumps({"inputs": _inputs(repository)["count"], "notebook": "edited"}))
    assert execute() == ["count", "greet"]
    assert (folder / "greet.ipynb").read_bytes() == first, "the same inputs must give the same bytes"

    page = nbformat.reads(first.decode(), as_version=4)
    parameters, injected, shown = (cell for cell in page.cells if cell.cell_type == "code")
    assert "parameters" in parameters.metadata.tags
    assert "injected-parameters" in injected.metadata.tags
    assert shown.outputs[0].text == "studies/a.yml tweets 0.01 True\n"
    assert all("hide-input" in cell.metadata.tags for cell in (parameters, injected, shown))
    assert "papermill" not in first.decode()
    assert "iopub" not in first.decode()
    count = nbformat.read(folder / "count.ipynb", as_version=4)
    assert [cell.metadata["tags"] for cell in count.cells[1:]] == [["parameters", "hide-input"], ["remove-cell"]]


def test_kernels_take_no_ports(repository):
    """Two that start at once, here or in another process, could be given the same one."""
    ask = "from ipykernel.connect import get_connection_info\n\nget_connection_info(unpack=True)['transport']\n"
    (repository / "notebooks/greet.py").write_text(f"{GREET}\n# %%\n{ask}")
    report.execute(_plan(repository).values(), repository / "book/executed", cwd=repository)
    page = nbformat.read(repository / "book/executed/greet.ipynb", as_version=4)
    assert page.cells[-1].outputs[0].data["text/plain"] == "'ipc'"


def test_a_failing_notebook_is_named_with_the_line_of_its_cell_and_spares_the_others(repository):
    source = GREET + "\n# %%\nratio = 1 / 0\n"
    (repository / "notebooks/greet.py").write_text(source)
    line = source.splitlines().index("ratio = 1 / 0") + 1
    folder = repository / "book/executed"
    place = rf"notebooks/greet\.py, cell at line {line}"
    with pytest.raises(UserError, match=f"{place}: ZeroDivisionError: division by zero"):
        report.execute(_plan(repository).values(), folder, cwd=repository)
    assert (folder / "count.ipynb").exists()
    assert not (folder / "greet.ipynb").exists()


def killed(*_):
    os._exit(1)


def test_a_process_that_is_killed_is_said_in_one_line(repository, monkeypatch):
    monkeypatch.setattr(report, "_run", killed)
    with pytest.raises(UserError, match="a worker process was ended from outside"):
        report.execute(_plan(repository).values(), repository / "book/executed", cwd=repository)


def test_an_interruption_ends_the_notebooks_that_wait_and_those_that_run(repository):
    """Twelve notebooks of a second each, two at a time: after the first page, the others are given up."""
    for number in range(12):
        (repository / f"notebooks/n{number}.py").write_text(f"{COUNT}\n# %%\nimport time\n\ntime.sleep(1)\n")
    script = (
        "from pathlib import Path\nfrom helpers import report\n"
        f"root = Path({str(repository)!r})\n"
        "if __name__ == '__main__':\n"
        "    plan = report.plan(root, Path('studies/a.yml'), {})\n"
        "    report.execute(plan, root / 'book/executed', cwd=root)\n"
    )
    (repository / "run.py").write_text(script)
    child = subprocess.Popen([sys.executable, repository / "run.py"], cwd=repository, stderr=subprocess.PIPE, text=True)
    pages = repository / "book/executed"
    try:
        deadline = time.monotonic() + 300
        while not list(pages.glob("*.ipynb")) and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=300)  # returns when the last worker and the last kernel have closed it
    finally:
        child.kill()
    assert 0 < len(list(pages.glob("*.ipynb"))) < 12, said


def test_what_is_wrong_with_all_notebooks_is_said_once(repository):
    for name, source in (("greet", GREET), ("count", COUNT)):
        raising = 'from helpers.errors import UserError\n\nraise UserError("3 runs are missing")\n'
        (repository / f"notebooks/{name}.py").write_text(f"{source}\n# %%\n{raising}")
    with pytest.raises(UserError, match=r"(greet|count)\.py.*(greet|count)\.py.*: 3 runs are missing$") as raised:
        report.execute(_plan(repository).values(), repository / "book/executed", cwd=repository)
    assert str(raised.value).count("missing") == 1


def test_a_book_is_built_beside_the_repository_and_only_what_changed_is_built_again(repository, tmp_path):
    out = tmp_path / "out"

    def snapshot() -> dict[Path, bytes]:
        return {file: file.read_bytes() for file in repository.rglob("*") if file.is_file()}

    def build() -> dict[str, int]:
        index = report.build(Path("studies/a.yml"), out=out, root=repository)
        assert index == out / "_build/html/index.html"
        return {page.name: page.stat().st_mtime_ns for page in index.parent.rglob("*.html")}

    before = snapshot()
    first = build()
    assert {"index.html", "greet.html", "count.html", "prose.html"} <= first.keys()
    assert "url=book/executed/greet.html" in (out / "_build/html/index.html").read_text()
    assert "studies/a.yml all 0.01 True" in (out / "_build/html/book/executed/greet.html").read_text()
    assert snapshot() == before
    assert build() == first

    (repository / "book/prose.md").write_text("# Prose, edited\n")
    second = build()
    assert second["prose.html"] > first["prose.html"]
    assert second["count.html"] == first["count.html"]

    (repository / "book/prose.md").write_text("# Prose\n\n[](nowhere.md)\n")
    for _ in range(2):  # a warning must not be forgotten by the next build
        with pytest.raises(UserError, match=r"prose\.md.*nowhere"):
            build()


@pytest.mark.parametrize("file", ["source/conf.py", "source/book/chapter.md", "_build/html/index.html", "_build"])
def test_what_no_book_has_put_there_is_left_alone(repository, tmp_path, file):
    out = tmp_path / "out"
    (out / file).parent.mkdir(parents=True)
    (out / file).write_text("mine")
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"out/(source|_build): there is something that `label-risk book` did not make"
        ):
            report.build(Path("studies/a.yml"), out=out, root=repository)
    assert [(path, path.read_text()) for path in out.rglob("*") if path.is_file()] == [(out / file, "mine")]
    (out / file).unlink()
    report.check_out(out, root=repository)


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_where_no_folder_can_be_is_said_before_anything_is_computed(repository, tmp_path, out):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="file is a file: choose another folder with --out"):
        report.check_out(tmp_path / out, root=repository)
    report.check_out(tmp_path / "new/deep", root=repository)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("part", ["studies", "book/new", "notebooks/deep/down"])
def test_a_book_does_not_lie_in_what_it_is_made_of(repository, part):
    with pytest.raises(UserError, match=rf"books are made of what is in {part.split('/')[0]}"):
        report.check_out(repository / part, root=repository)


def test_inputs_change_with_a_study_that_a_parameter_names(repository, tmp_path):
    (repository / "notebooks/count.py").write_text(COUNT.replace("n = 3", 'n = 3\nother = ""'))
    (tmp_path / "larger.yml").write_text("name: larger\n")
    before = _inputs(repository, other=str(tmp_path / "larger.yml"))
    (tmp_path / "larger.yml").write_text("name: larger\nseeds: 5\n")
    assert _inputs(repository, other=str(tmp_path / "larger.yml"))["count"] != before["count"]


def test_pages_read_the_study_that_was_named_and_not_another_of_its_name(repository, tmp_path, monkeypatch):
    assert _plan(repository)["count"].parameters == {}  # the default, by a name that suits every machine
    (tmp_path / "elsewhere/studies").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert _plan(repository)["count"].parameters == {}
    (tmp_path / "elsewhere/studies/a.yml").write_text("name: impostor\n")
    assert _plan(repository)["count"].parameters == {"study": str(repository / "studies/a.yml")}
    with pytest.raises(UserError, match="the study is no parameter of a book but its first argument"):
        _plan(repository, study="studies/a.yml")


def test_a_folder_is_the_books_own_from_the_first_build_on(repository, tmp_path):
    out = tmp_path / "out"
    (repository / "notebooks/greet.py").write_text(f"{GREET}\n# %%\n1 / 0\n")
    for _ in range(2):
        with pytest.raises(UserError, match="ZeroDivisionError"):
            report.build(Path("studies/a.yml"), out=out, root=repository)
    assert (out / "source/notebooks/greet.py").exists()
    (repository / "_build/html").mkdir(parents=True)
    (repository / "_build/html/index.html").write_text("built by `make book`, long ago")
    report.check_out(repository, root=repository)


def test_two_builds_do_not_share_a_folder(repository, tmp_path):
    (tmp_path / "out/_build").mkdir(parents=True)
    with FileLock(tmp_path / "out/_build/lock"), pytest.raises(UserError, match="another build writes there"):
        report.build(repository / "studies/a.yml", out=tmp_path / "out", root=repository)


def test_assets_fit_the_altair_in_use(tmp_path):
    import altair

    report.write_assets(tmp_path)
    script = (tmp_path / "vega.js").read_text()
    chart = altair.Chart(altair.Data(values=[])).mark_point().to_html()
    loaded = json.loads(script.rsplit("window.VEGA_DEBUG=", 1)[1].rstrip(";\n"))
    for library in ("vega", "vega-lite", "vega-embed"):
        assert f"/{library}@{loaded[library.replace('-', '') + '_version']}" in chart
    assert script.startswith("(function(){")
    assert (tmp_path / "mathjax/tex-chtml.js").exists()
    assert list((tmp_path / "mathjax/output/chtml/fonts/woff-v2").glob("*.woff"))
