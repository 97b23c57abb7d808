"""Notebooks to book: execute what changed, then let Jupyter Book set the pages.

    notebooks/*.py -> jupytext -> papermill -> book/executed/*.ipynb -> jupyter-book -> _build/html

The table of contents decides which notebooks are executed: every page under `book/executed/` comes from the notebook
of the same name. Beside each executed notebook lies a digest of all that it depends on (its source and parameters, the
study and its tables, the library, the annotations and the runs); while that stands, it is not executed again. The book
opens from a folder with the network off: what its pages load (Vega for the charts, MathJax for the formulas) is written
into the book.
"""

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import yaml
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from helpers import corpora, places, pools, studies
from helpers.annotators import specs
from helpers.errors import UserError

if TYPE_CHECKING:
    from nbformat import NotebookNode

_EXECUTED = "book/executed"
_GENERATED = "book/_static/generated"
#: Notebooks that are executed at the same time, each in a kernel with one thread.
_AT_ONCE = 2
#: Is in the folders that a build may overwrite.
_MARKER = ".label-risk"
#: What pages are made of besides executed notebooks. The pages quote files of the last four.
_SOURCES = ("_config.yml", "_toc.yml", "book", "notebooks", "studies", "src/helpers", "benchmarks/REPORT.md")
#: A page says how it was computed, and hides it until asked. A cell with one of these tags has its own idea.
_VISIBILITY = {f"{verb}-{part}" for verb in ("hide", "remove") for part in ("cell", "input", "output")}
#: Their versions change what is executed or shown.
_PACKAGES = ("altair", "ipython", "jupytext", "nbclient", "numpy", "pandas", "papermill", "scikit-learn", "scipy")
_BOOK_PACKAGES = (
    "jupyter-book",
    "myst-nb",
    "sphinx",
    "sphinx-book-theme",
    "sphinx-mathjax-offline",
    "vl-convert-python",
)


@dataclass(frozen=True)
class Notebook:
    """A notebook to execute: where it is, the parameters it gets, and the digest of all that it depends on."""

    name: str
    path: Path
    parameters: Mapping[str, object]
    inputs: str


def build(
    study: Path,
    *,
    out: Path = places.ROOT,
    parameters: Mapping[str, object] | None = None,
    root: Path = places.ROOT,
) -> Path:
    """Build the book about one study, doing again only what a change calls for.

    Parameters
    ----------
    study
        The study's YAML file; notebooks get it as their parameter `study`.
    out
        Where `_build/html` goes. Unless it is `root` itself, sources are copied to `out/source` and executed
        notebooks are written there, so that the repository stays as it is.
    parameters
        Other parameters of the notebooks, each passed to every notebook that knows it.
    root
        The repository: `_config.yml`, `_toc.yml`, `book/`, `notebooks/`.

    Returns
    -------
    Path
        The page to open: `out/_build/html/index.html`.

    Raises
    ------
    UserError
        If `out` holds a `source` or `_build` of somebody else, the study is missing, no notebook knows a parameter, a
        notebook fails, or Sphinx warns; the message names the notebook and its line. What was executed before that is
        kept.
    """
    root, out = root.resolve(), out.resolve()
    source = root if out == root else out / "source"
    built = out / "_build"
    check_out(out, root=root)
    notebooks = plan(root, study, parameters or {})
    for folder in _own_folders(out, root):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARKER).write_text(
            "label-risk book made this folder: it overwrites and removes files in it\n", "utf-8"
        )
        if folder.is_relative_to(root):  # it is neither committed nor linted
            (folder / ".gitignore").write_text("*\n", "utf-8")
    built.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(built / "lock", timeout=0):
            return _build(root, source, built, notebooks)
    except Timeout:
        raise UserError(
            f"{places.shown(built)}: another build writes there; wait for it or choose another folder"
        ) from None


def check_out(out: Path, *, root: Path = places.ROOT) -> None:
    """Refuse a folder for the book where files would be overwritten or removed that no book has put there.

    Raises
    ------
    UserError
        If `source` or `_build` in it holds something, and is not marked as a book's; or the folder is in one that
        books are made of; or nothing can be written there.
    """
    nearest = next(folder for folder in [out.resolve(), *out.resolve().parents] if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        why = "no folder can be made there" if nearest.is_dir() else f"{places.shown(nearest)} is a file"
        raise UserError(f"{places.shown(out)}: {why}: choose another folder with --out")
    for part in _SOURCES:
        if out.resolve().is_relative_to(root.resolve() / part):
            raise UserError(
                f"{places.shown(out.resolve())}: books are made of what is in {part}, so none can lie there: choose "
                "another folder with --out"
            )
    for folder in _own_folders(out.resolve(), root.resolve()):
        there = folder.rglob("*") if folder.is_dir() else [folder]
        if not (folder / _MARKER).is_file() and any(file.is_file() and file.name != "lock" for file in there):
            raise UserError(
                f"{places.shown(folder)}: there is something that `label-risk book` did not make, and it would be "
                "overwritten: choose another folder with --out, or remove it if it is of a book by an earlier version"
            )


def _own_folders(out: Path, root: Path) -> list[Path]:
    """Folders in `out` that belong to the book alone. In the repository they are ignored by git, and known."""
    return [] if out == root else [out / "source", out / "_build"]


def _build(root: Path, source: Path, built: Path, notebooks: list[Notebook]) -> Path:
    index, stamp = built / "html/index.html", built / "stamp.json"
    # `frame` is what shows on every page: while it stands, Sphinx may set again only the pages that changed.
    sources = _sources(root)
    frame = _digest(_versions(_BOOK_PACKAGES), *(f for f in sources if f.parent in (root, root / "book/_static")))
    state = {
        "frame": frame,
        "pages": _digest(*sources),
        "notebooks": {notebook.name: notebook.inputs for notebook in notebooks},
    }
    before = json.loads(stamp.read_text()) if stamp.exists() else {}
    folder = source / _EXECUTED
    if before == state and index.exists() and not _stale(notebooks, folder):
        tqdm.write(f"{places.shown(built)}: nothing changed since this book was built", file=sys.stderr)
        return index
    # Should this build fail, the next one sets all pages again: Sphinx would not repeat the warnings of the others.
    stamp.unlink(missing_ok=True)
    if source != root:
        _stage(root, source)
    execute(notebooks, folder, cwd=Path.cwd())
    write_assets(source / _GENERATED)
    if before.get("frame") != frame:
        for old in (built / "html", built / ".doctrees"):
            shutil.rmtree(old, ignore_errors=True)
    _set_pages(source, built)
    _replace(stamp, json.dumps(state, indent=1))
    return index


def plan(root: Path, study: Path, parameters: Mapping[str, object]) -> list[Notebook]:
    """Notebooks of the table of contents, with checked parameters.

    Raises
    ------
    UserError
        If the study or a notebook is missing, or a parameter is unknown or of another type than its default.
    """
    # As in `studies.load`: the path may be meant from the top of the checkout.
    study = (study if study.is_file() else root / study).resolve()
    if not study.is_file():
        raise UserError(f"{places.shown(study)}: no such study; the ones that come with the project are in studies/")
    paths = {name: root / "notebooks" / f"{name}.py" for name in executed_pages(root / "_toc.yml")}
    for path in paths.values():
        if not path.is_file():
            raise UserError(f"{places.shown(path)}: named in _toc.yml, but there is no such notebook")
    defaults = {name: parameter_defaults(path) for name, path in paths.items()}
    known = {parameter: value for values in defaults.values() for parameter, value in values.items()}
    for parameter, value in parameters.items():
        if parameter == "study":
            raise UserError("the study is no parameter of a book but its first argument: label-risk book STUDY")
        if parameter not in known:
            raise UserError(
                f"no notebook has a parameter {parameter!r}; they have "
                + "; ".join(f"{name}: {', '.join(values)}" for name, values in defaults.items())
            )
        if not _alike(known[parameter], value):
            raise UserError(f"parameter {parameter!r} cannot be {value!r}: give a value like {known[parameter]!r}")
    # Pages show their parameters: where a study lies on somebody's disk is nobody's business. Kernels start here, too.
    # A file of the same name there would be read instead.
    near = [study.relative_to(base) for base in (root, Path.cwd().resolve()) if study.is_relative_to(base)]
    near = [path for path in near if not path.is_file() or path.resolve() == study]
    given = {**parameters, "study": str(near[0] if near else study)}
    # Some pages show a second study.
    others = [Path(value) for value in given.values() if isinstance(value, str) and value.endswith((".yml", ".yaml"))]
    shown = [study, *(file for file in others if file.is_file()), *_files(root / "studies", "*.yml")]
    data = (root / "annotations", root / "results", places.ledger() / "annotations", places.ledger() / "runs")
    shared = _digest(
        _versions(_PACKAGES),
        f"texts allowed: {places.texts_allowed()}",
        *shown,
        *(file for one in shown for file in _tables(one)),
        root / "notebooks/findings.yml",
        root / "notebooks/paper.yml",
        root / "notebooks/decisions.yml",
        *_files(root / "src/helpers", "*.py", "*.yml"),
        *(file for folder in data for file in _files(folder)),
    )
    notebooks = []
    for name, path in paths.items():
        # A value that is the default anyway needs no injected cell, and makes no difference to the page.
        own = {k: v for k, v in given.items() if k in defaults[name] and v != defaults[name][k]}
        notebooks.append(Notebook(name, path, own, _digest(shared, json.dumps(own, sort_keys=True), path)))
    return notebooks


def _tables(study: Path) -> list[Path]:
    """Files that a study takes its data from: the tables of its corpora, and what annotators said elsewhere.

    With the study and the code they say all of a corpus: texts, gold, votes, splits, labels. What comes from the hub
    is not among them.
    """
    try:
        read = studies.load(study)
    except UserError:
        return []  # the notebook that loads it says what is wrong
    replayed = [places.path(spec.replay) for spec in read.annotator_specs if isinstance(spec, specs.Replay)]
    tables = [path for spec in read.corpora if (path := corpora.path_of(spec))]
    return [file for path in [*tables, *replayed] for file in (_files(path) if path.is_dir() else [path])]


def executed_pages(toc: Path) -> list[str]:
    """Names of the notebooks whose pages a table of contents lists, in its order."""
    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("root", "file") and str(value).startswith(f"{_EXECUTED}/"):
                    found.append(Path(value).stem)
                else:
                    walk(value)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(yaml.safe_load(toc.read_text("utf-8")))
    return found


def parameter_defaults(notebook: Path) -> dict[str, object]:
    """Parameters of a py:percent notebook and their defaults, from its one cell tagged `parameters`.

    Raises
    ------
    UserError
        If there is not exactly one such cell, or a line of it is not `name = literal`. A value computed there from
        another would keep its default when that one is set.
    """
    cells = [cell for cell in _read(notebook).cells if "parameters" in cell.metadata.get("tags", ())]
    if len(cells) != 1:
        raise UserError(f"{places.shown(notebook)}: {len(cells)} cells are tagged `parameters`; there must be one")
    defaults = {}
    for statement in ast.parse(cells[0].source).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                name = value = None
        try:
            defaults[name] = ast.literal_eval(value)
        except ValueError:
            raise UserError(
                f"{places.shown(notebook)}: {ast.unparse(statement)!r} in the parameters cell is not `name = literal`; "
                "compute it in the next cell"
            ) from None
    return defaults


def _alike(default: object, value: object) -> bool:
    """Whether `value` may stand where the default is: of the same type, or a whole number for a float."""
    if default is None:
        return True
    return type(value) is type(default) or (type(default) is float and type(value) is int)


def _read(notebook: Path) -> "NotebookNode":
    import jupytext

    return jupytext.read(notebook, fmt="py:percent")


def execute(notebooks: Iterable[Notebook], folder: Path, *, cwd: Path) -> list[str]:
    """Execute the notebooks whose inputs changed, and write `<name>.ipynb` and `<name>.json` (digests) to `folder`.

    Returns
    -------
    list of str
        Names of those that were executed.

    Raises
    ------
    UserError
        If any failed, with the place and the error of each. The others are finished first.
    """
    stale = _stale(notebooks, folder)
    if not stale:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    problems: dict[str, list[str]] = {}  # what went wrong -> where
    # Kernels are processes already, but papermill belongs in a main thread.
    with (
        pools.reporting_killed("the pages that were finished are kept, and the same command goes on"),
        pools.Processes(min(_AT_ONCE, len(stale)), settle=_calm) as pool,
        tqdm(total=len(stale), desc="execute", unit="notebook") as bar,
    ):
        running = {pool.submit(_run, notebook, cwd): notebook for notebook in stale}
        for future in as_completed(running):
            notebook = running[future]
            bar.set_postfix_str(notebook.name)
            try:
                _keep(folder, notebook, future.result())
            except _NotebookError as failed:
                where, what = failed.args
                problems.setdefault(what, []).append(where)
            bar.update()
    if problems:
        raise UserError("\n".join(f"{'; '.join(where)}: {what}" for what, where in problems.items()))
    return [notebook.name for notebook in stale]


def _keep(folder: Path, notebook: Notebook, text: str) -> None:
    page = folder / f"{notebook.name}.ipynb"
    _replace(page, text)
    _replace(page.with_suffix(".json"), json.dumps({"inputs": notebook.inputs, "notebook": _digest(page)}))


def _stale(notebooks: Iterable[Notebook], folder: Path) -> list[Notebook]:
    """Notebooks whose page in `folder` is missing, or was made from other inputs, or edited since."""

    def fresh(notebook: Notebook) -> bool:
        page, digests = folder / f"{notebook.name}.ipynb", folder / f"{notebook.name}.json"
        if not page.exists() or not digests.exists():
            return False
        return json.loads(digests.read_text()) == {"inputs": notebook.inputs, "notebook": _digest(page)}

    return [notebook for notebook in notebooks if not fresh(notebook)]


def _calm() -> None:
    """Settings of the processes that run kernels, which inherit them."""
    os.environ |= {
        # As many kernels as cores: threads of their own would wait on each other.
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        "PYTHONHASHSEED": "0",
        # The kernel of this environment, not one of that name in the user's home.
        "JUPYTER_PREFER_ENV_PATH": "1",
        # A page is no place for progress bars, nor for remarks on how they could look.
        "TQDM_DISABLE": "1",
        "PYTHONWARNINGS": "ignore:IProgress not found",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


class _NotebookError(Exception):
    """A notebook could not be executed: where, and what went wrong. Seven that miss the same runs are one problem."""


def _run(notebook: Notebook, cwd: Path) -> str:
    """Execute one notebook and return it as text, the same for the same inputs."""
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    source = _read(notebook.path)
    if not source.metadata.get("kernelspec"):
        raise _NotebookError(places.shown(notebook.path), "add a kernelspec (name: python3) to the YAML header")
    try:
        with TemporaryDirectory(prefix="kernel-") as sockets:
            executed = papermill.execute_notebook(
                source,
                None,
                parameters=dict(notebook.parameters),
                kernel_name="python3",
                progress_bar=False,
                start_timeout=300,  # on a busy machine, a minute is not enough
                cwd=cwd,
                extra_arguments=["--log-level=CRITICAL", "--HistoryManager.enabled=False"],
                # A port that was free when Jupyter looked can be taken when the kernel binds it: sockets in a folder
                # of its own cannot.
                config=Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/socket"}),
            )
    except PapermillExecutionError as error:
        what = error.evalue if error.ename == "UserError" else f"{error.ename}: {error.evalue}"
        raise _NotebookError(_place(notebook.path, error.source), what) from None
    except DeadKernelError:
        raise _NotebookError(places.shown(notebook.path), "the kernel died, perhaps for want of memory") from None
    return nbformat.writes(_tidy(executed, notebook.name)) + "\n"


def _place(notebook: Path, cell: str) -> str:
    """Path and line of a cell of a py:percent notebook."""
    before, found, _ = notebook.read_text("utf-8").partition(cell)
    return f"{places.shown(notebook)}, cell at line {before.count(chr(10)) + 1}" if found else places.shown(notebook)


def _tidy(notebook: "NotebookNode", name: str) -> "NotebookNode":
    """Hide the code, and drop what differs between two executions: times, random ids."""
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{name}-{number}"
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.get("tags", [])
        cell.metadata["tags"] = tags if _VISIBILITY & set(tags) else [*tags, "hide-input"]
        for index, output in enumerate(cell.outputs):
            html = output.get("data", {}).get("text/html")
            if html:
                output.data["text/html"] = re.sub(
                    r"altair-viz-[0-9a-f]{32}", f"altair-viz-{name}-{number}-{index}", "".join(html)
                )
    return notebook


def write_assets(folder: Path) -> None:
    """Write what the pages load to `folder`: `vega.js` for the charts, `mathjax/` for the formulas.

    Charts written by Altair ask a content network for Vega unless a global VEGA_DEBUG says that the very versions they
    want are there already; so both are derived from the Altair in use.
    """
    import altair
    import vl_convert

    folder.mkdir(parents=True, exist_ok=True)
    bundle = vl_convert.javascript_bundle(vl_version=".".join(altair.VEGALITE_VERSION.split(".")[:2]))
    loaded = {
        "vega_version": altair.VEGA_VERSION,
        "vegalite_version": altair.VEGALITE_VERSION,
        "vegaembed_version": altair.VEGAEMBED_VERSION,
    }
    # In a function of its own, for the bundle's global `_` is also a name of the theme's scripts.
    _replace(folder / "vega.js", f"(function(){{{bundle}\n}})();\nwindow.VEGA_DEBUG={json.dumps(loaded)};\n")
    mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
    # A tenth of the package: no other input or output formats, no speech in seven languages.
    for part in ("tex-chtml.js", "input/tex/extensions", "output/chtml/fonts/woff-v2"):
        for file in _files(mathjax / part) if (mathjax / part).is_dir() else [mathjax / part]:
            target = folder / "mathjax" / file.relative_to(mathjax)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


def _set_pages(source: Path, built: Path) -> None:
    """Run Jupyter Book; every warning is an error."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(source)]
    options = ["--path-output", str(built.parent), "-W", "-n", "--keep-going", "--quiet"]
    tqdm.write("jupyter-book: setting the pages", file=sys.stderr)
    # Its messages are few (quiet) and only of use when it fails.
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    if done.returncode or not (built / "html/index.html").exists():
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr.strip() or done.stdout.strip())
        raise UserError(f"jupyter-book could not set the pages:\n{said}")


def _sources(root: Path) -> list[Path]:
    """Files that the pages are made of, other than what is generated from them."""
    generated = (root / _EXECUTED, root / _GENERATED)
    parts = [root / part for part in _SOURCES if (root / part).exists()]
    files = [f for part in parts for f in (_files(part) if part.is_dir() else [part])]
    return [f for f in files if not any(f.is_relative_to(folder) for folder in generated) and f.suffix != ".pyc"]


def _stage(root: Path, source: Path) -> None:
    """Copy the sources with their times, which Sphinx compares; drop those that are no more."""
    wanted = {file.relative_to(root) for file in _sources(root)}
    for relative in wanted:
        (source / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / relative, source / relative)
    for file in _sources(source):
        if file.relative_to(source) not in wanted:
            file.unlink()


def _files(folder: Path, *patterns: str) -> list[Path]:
    """Files below a folder in a fixed order; none if it is missing. Hidden ones are work in progress or locks."""
    found = {file for pattern in patterns or ("*",) for file in folder.rglob(pattern) if file.is_file()}
    return sorted(f for f in found if not any(part.startswith(".") for part in f.relative_to(folder).parts))


def _digest(*parts: Path | str) -> str:
    """sha256 over texts and files; a file counts by its name and its bytes, wherever the repository lies."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            part = f"{part.parent.name}/{part.name}={_content(part) if part.is_file() else 'missing'}"
        digest.update(f"{part}\n".encode())
    return digest.hexdigest()


def _content(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _versions(packages: Iterable[str]) -> str:
    return " ".join([sys.version, *(f"{name}={importlib.metadata.version(name)}" for name in packages)])


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, and leave it alone, with its time, if it says that already."""
    if path.exists() and path.read_text("utf-8") == text:
        return
    with places.whole(path) as part:
        part.write_text(text, "utf-8")
