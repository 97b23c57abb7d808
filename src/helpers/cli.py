"""The command line: `label-risk`. Thin: every command is a few calls into the library."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from helpers import studies
from helpers.errors import UserError, printable

app = typer.Typer(
    name="label-risk",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="What LLM labels cost a small classifier: annotate, train, measure, and read it as a book.",
)

StudyFile = Annotated[str, typer.Argument(metavar="STUDY", help="A study file.")]
CorpusOption = Annotated[list[str] | None, typer.Option("--corpus", help="Only this corpus; may be repeated.")]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Let the workers of this Dask scheduler compute, tcp://host:port."),
]
Resources = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=NUMBER", help="What a worker must offer, like GPU=1; may be repeated."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Ask servers that cost money, or get a key, without asking back.")]
DEFAULT = "studies/default.yml"
_INTERRUPTED = 130


def _say(said: object, *, err: bool = False) -> None:
    """Print what may repeat names that others chose: nothing in it acts in the terminal."""
    typer.echo(printable(said), err=err)


@contextmanager
def _cluster(scheduler: str | None, resources: list[str] | None, *, here: str | None):
    """The workers of a scheduler, or None; `here` is an option that was given and says how to compute without one."""
    if scheduler is None:
        if resources:
            raise UserError("--resources says which workers of a cluster to use: it takes a --scheduler")
        yield None
        return
    if here:
        raise UserError(f"{here} is about this machine, and with --scheduler others compute: leave one of them out")
    from helpers import cluster

    with cluster.Cluster(scheduler, resources=cluster.parse_resources(resources or [])) as pool:
        yield pool


def main() -> None:
    """Run the command line; a `UserError` becomes one line and exit status 2."""
    try:
        app()
    except UserError as error:
        _say(f"label-risk: {error}", err=True)
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:  # so Typer ends what was interrupted, without a word
            _say("label-risk: stopped; what was finished is kept, the same command goes on from there", err=True)
        raise


@app.command(epilog="Example: `label-risk doctor`")
def doctor() -> None:
    """Say what this machine has and what is missing. Exits 1 if something must be mended."""
    from helpers import doctor as surgery

    findings = list(surgery.examine())
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        _say(f"{'ok' if finding.ok else '!!'}  {finding.what:{width}}  {finding.detail}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@app.command(epilog="Example: `label-risk fetch minilm hutto2014`")
def fetch(names: Annotated[list[str] | None, typer.Argument(help="Artifacts; none means all.")] = None) -> None:
    """Download artifacts into the cache and check them by sha256."""
    from helpers import artifacts

    for name in names or artifacts.registry():
        _say(f"{name}: {artifacts.fetch(name)}")


@app.command(
    epilog="Example: `label-risk new reviews.csv --text body --label stance --annotator hf:HuggingFaceTB/SmolLM2-135M`"
)
def new(
    source: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="A CSV, TSV, JSON (Lines), Parquet or Excel file, a folder saved by `datasets`, or hub:OWNER/NAME "
            "with or without @REVISION.",
        ),
    ],
    text: Annotated[str, typer.Option(help="Column with the texts.")],
    label: Annotated[
        str | None, typer.Option(help="Column with the gold labels; not needed where there are votes, or no gold.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="Names of the classes: without gold labels, nothing else says them. Or VALUE=CLASS,… to "
            "rename what the label column holds; several values may be one class.",
        ),
    ] = None,
    unlabelled: Annotated[
        str, typer.Option(metavar="keep|drop", help="Whether rows without a gold label are used, without gold.")
    ] = "drop",
    annotator: Annotated[
        list[str] | None, typer.Option(help="An LLM, as a study names it (hf:…, gguf:…, openai:…); may be repeated.")
    ] = None,
    ready: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN",
            help="Labels of an LLM that are in the table, or its probabilities: NAME=LABEL:COLUMN,LABEL:COLUMN,…",
        ),
    ] = None,
    votes: Annotated[
        list[str] | None,
        typer.Option(
            help="Column with the number of votes for a class; one for each, in the order of the classes (alphabet, or "
            "numbers by size)."
        ),
    ] = None,
    rater: Annotated[
        list[str] | None, typer.Option(help="Column with the labels of one rater; may be repeated.")
    ] = None,
    id: Annotated[str | None, typer.Option(help="Column with row ids.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="Column whose rows of one value stay on one side of the split, like authors."),
    ] = None,
    split_by: Annotated[str | None, typer.Option(help="Column with a split of your own: train, test.")] = None,
    train: Annotated[
        list[str] | None, typer.Option(help="Value of that column for texts to train on; may be repeated.")
    ] = None,
    test: Annotated[
        list[str] | None, typer.Option(help="Value of that column for texts to test on; may be repeated.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Test every text once, in so many parts; by default 5 if there are few.")
    ] = None,
    test_size: Annotated[int | None, typer.Option(min=1, help="Texts to test on; else enough to see a gap.")] = None,
    near_duplicates: Annotated[
        float, typer.Option(help="Similarity from which texts stay on one side of the split; 0 does not look.")
    ] = 0.8,
    config: Annotated[str | None, typer.Option(help="Configuration of a data set on the hub.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of a data set that has several.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a text file, where what is found out is wrong.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="One character, or comma, semicolon, tab, bar.")] = None,
    quotes: Annotated[
        str | None, typer.Option(metavar="plain", help="Double quotes are characters like others, and open no cell.")
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of an Excel file; by default the first.")] = None,
    about: Annotated[str | None, typer.Option(help="What prompts call a text, like `product review`.")] = None,
    student: Annotated[str, typer.Option(help="finetune, upper or probe: from most to least time.")] = "finetune",
    encoder: Annotated[
        str, typer.Option(help="minilm, mpnet, or hf: and a folder, or a hub id with or without @REVISION.")
    ] = "minilm",
    name: Annotated[str | None, typer.Option(help="Of the study; by default that of the table.")] = None,
    out: Annotated[Path | None, typer.Option(help="Study file to write; by default studies/NAME.yml.")] = None,
    measure: Annotated[
        bool,
        typer.Option(help="Train for some seconds, and let models at hand label a batch: then the time is known."),
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a study file.")] = False,
) -> None:
    """Write a study for a table of your own, and print the plan: rows, splits, annotations, trainings, time."""
    from helpers import places, scaffold

    name = name or scaffold.name_of(source)
    out = out or Path("studies") / f"{name}.yml"
    scaffold.check_free(out, force=force)
    if classes and not (label or votes or rater):
        unlabelled = "keep"  # no row has gold
    table = {
        **({"hub": source.removeprefix("hub:")} if source.startswith("hub:") else {"path": source}),
        "config": config,
        "split": split,
        "encoding": encoding,
        "delimiter": delimiter,
        "quotes": quotes,
        "sheet": sheet,
        "text": text,
    }
    spec = {
        "name": name,
        **table,
        "label": label,
        "labels": scaffold.class_names(classes),
        "unlabelled": None if unlabelled == "drop" else unlabelled,
        "id": id,
        "votes": votes,
        "raters": rater,
        "ready_made": scaffold.ready_made(ready or [], table),
        "groups": group,
        "near_duplicates": near_duplicates or None,
        "split_by": split_by,
        "parts": {"train": train or ["train", "training"], "test": test or ["test"]} if train or test else None,
        "folds": folds,
        "test_size": test_size,
        "about": about,
    }
    drawn = scaffold.draft(
        {option: value for option, value in spec.items() if value},
        annotator or [],
        student={"kind": student, "encoder": encoder},
        measure=measure,
    )
    for file in scaffold.write(drawn, out, force=force):
        _say(f"wrote {places.shown(file)}")
    _say(scaffold.plan(drawn))
    _say(f"next: label-risk book {places.shown(out)} --out {name}-book")


@app.command(
    epilog="Examples: `label-risk annotate studies/default.yml --corpus tweets --annotator smollm2-135m`, "
    "`label-risk annotate my.yml --annotator openai:llama3.2:3b@http://localhost:11434/v1`"
)
def annotate(
    study: StudyFile,
    corpus: CorpusOption = None,
    annotator: Annotated[list[str] | None, typer.Option(help="Only this annotator; may be repeated.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Another wording than the study's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the tables, instead of the ledger's.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to compute with; by default all cores.")] = None,
    yes: Yes = False,
    scheduler: Scheduler = None,
    resources: Resources = None,
) -> None:
    """Let the study's annotators label its corpora. Goes on where it stopped; tables that exist are left alone.

    Before a server is asked, the plan is printed: calls, tokens, cost, time. One that costs money, or gets a key, is
    asked after you agree. Further wordings are put only with the texts that the study's filters and ensembles read.
    """
    from helpers import labelling

    plan = studies.load(study)
    with _cluster(scheduler, resources, here=threads and "--threads") as pool:
        if threads:
            import torch

            torch.set_num_threads(threads)
        tables = labelling.find(plan, corpora=corpus, annotators=annotator, prompt=prompt, folder=out)
        _label(plan, tables, yes=yes, folder=out, pool=pool)


def _label(plan: studies.Study, tables, *, yes: bool, folder: Path | None = None, pool=None) -> None:
    """Say which tables are there, and have the others written: after the plan was printed and agreed to."""
    from helpers import device, labelling, places

    todo, written = [], []
    for table in tables:
        if table.there:
            _say(table.there)
        else:
            todo.append(table)
    work, asking = labelling.Labelling(todo, here=pool is None), []
    for asked in work.plans():
        _say(asked)
        if asked.spec.needs_consent and asked.expected.calls:
            asking.append(asked)
    if asking:
        _agree(asking, yes)
    if pool is None:
        device.keep_memory()
    for table in work.carry_out(plan, folder=folder or places.ledger() / "annotations", pool=pool):
        _say(table)
        written.append(table)
    for line in labelling.cautions(written):
        _say(line)


def _agree(plans: list, yes: bool) -> None:
    """Go on only if the user agrees to what may cost money and to where keys are sent."""
    from helpers.annotators import spending

    _say(f"in all, of what you are to agree to: about {spending.total(plans)}")
    if not yes and not sys.stdin.isatty():
        raise UserError(
            "this may cost money or sends a key away, nothing was asked yet: read the plan above, then add --yes"
        )
    if not yes and not typer.confirm("Ask?"):
        raise UserError("nothing was asked")


@app.command(
    epilog="Examples: `label-risk run studies/quick.yml`, `label-risk run studies/default.yml --corpus tweets`"
)
def run(
    study: StudyFile,
    corpus: CorpusOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one a core, or four that share a card.")
    ] = None,
    yes: Yes = False,
    scheduler: Scheduler = None,
    resources: Resources = None,
) -> None:
    """Compute what a study lacks, labels first, then trainings. Interrupt it at will: the same command goes on."""
    plan = studies.load(study)
    with _cluster(scheduler, resources, here=workers and "--workers") as pool:
        trained, left = _compute(plan, yes=yes, corpora=corpus, workers=workers, pool=pool)
    nothing = f"nothing to do: every run of {' and '.join(corpus) if corpus else 'the study'} is in the ledger"
    said = [f"{trained} runs trained"] if trained else [] if left else [nothing]
    _say("; ".join([*said, *([f"{left} are in work in another process"] if left else [])]))


@app.command(epilog="Example: `label-risk status studies/default.yml`")
def status(study: StudyFile) -> None:
    """Say what of a study is done, and what the rest will cost."""
    from helpers import labelling, status
    from helpers.ledger import Ledger

    plan, ledger = studies.load(study), Ledger()
    labels = list(labelling.find(plan))
    lacking = [table for table in labels if not table.there]
    _say(status.forecast(plan, ledger, lacking) if lacking else status.report(plan, ledger, labels))


@app.command(epilog="Example: `label-risk compact studies/default.yml`")
def compact(
    study: StudyFile,
    prune: Annotated[
        bool, typer.Option("--prune", help="Drop runs of the file that the study does not ask for any more.")
    ] = False,
) -> None:
    """Write the study's finished runs into one file of `results/`, the ledger that is committed, and what they cost.

    Runs that the file of another study holds already are left there. Those of the file that the study does not ask for
    are dropped only where you say so, and only if no other file in `studies/` asks for them.
    """
    from helpers import labelling, ledger, places, status

    plan, book = studies.load(study), ledger.Ledger()
    keys = set(plan.runs_by_key())
    file = places.ROOT / "results" / f"{plan.name}.parquet"
    done, elsewhere = {key for key in keys if key in book}, book.elsewhere(file)
    if (lost := ledger.keys(file) - keys - elsewhere) and not prune:
        raise UserError(
            f"{places.shown(file)} holds {len(lost)} runs that {study} does not ask for: if they are of another study "
            f"called {plan.name}, give one of the two another `name`; if nobody needs them any more, add --prune"
        )
    kept = _asked_by_others(plan, lost) if lost else set()
    ledger.compact([book[key] for key in done - elsewhere | kept], file)
    bill = file.with_suffix(".cost.yml")
    with places.whole(bill) as part:
        part.write_text(status.bill(plan, book, list(labelling.find(plan))), encoding="utf-8")
    others = f", {len(done & elsewhere)} of them in other files" if done & elsewhere else ""
    others += f", and {len(kept)} that other studies ask for" if kept else ""
    _say(f"{places.shown(file)}: {len(done)} of {len(keys)} runs{others}; {places.shown(bill)}")


def _asked_by_others(plan: studies.Study, keys: set[str]) -> set[str]:
    """Those of the runs that a study of another name in `studies/` asks for; a `UserError` where it cannot be told."""
    from helpers import labelling, places

    asked: set[str] = set()
    for file in sorted((places.ROOT / "studies").glob("*.yml")):
        unknown = f"whether {places.shown(file)} asks for runs that would be dropped cannot be told"
        try:
            other = studies.load(file)
            if other.name == plan.name:
                continue
            for table in labelling.find(other):
                if not table.there:
                    raise UserError(f"the labels of {table.corpus.name} by {table.spec.name} are not here")
            asked |= keys & set(other.runs_by_key())
        except UserError as error:
            raise UserError(f"{unknown}: {error}") from None
    return asked


@app.command(epilog="Example: `label-risk verdicts studies/default.yml --json`")
def verdicts(
    study: StudyFile, as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False
) -> None:
    """Print the verdict of every finding for every corpus and annotator, then of variants: controls, filters, votes."""
    from helpers import findings

    table = findings.verdicts(studies.load(study))
    if table.empty and not as_json:
        _say("no verdict: the claims take an annotator, and a gold label for every text; the book's pages say more")
    elif as_json:
        _say(json.dumps(json.loads(table.to_json(orient="records")), indent=1))
    else:
        _say(table.to_string(index=False, float_format="{:.3f}".format))


@app.command(epilog="Example: `label-risk verify studies/default.yml --sample 5`")
def verify(
    study: StudyFile = DEFAULT,
    sample: Annotated[int, typer.Option(min=0, help="Runs to train again, or texts to annotate again.")] = 5,
    short: Annotated[bool, typer.Option("--short", help="Draw from the cheapest quarter of the runs.")] = False,
    again: Annotated[bool, typer.Option("--annotations", help="Check annotations, and not runs.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draw; by default another one each time.")] = None,
) -> None:
    """Compute a random sample again and compare it with what is stored. Exits 1 on a mismatch.

    Where there is nothing to compare, it says so and exits 2.
    """
    import numpy as np

    from helpers import verify as verification
    from helpers.ledger import Ledger

    if again and not sample:
        raise UserError("nothing to check: with --annotations, --sample is the number of texts to compare")
    plan = studies.load(study)
    seed = int(np.random.SeedSequence().entropy % 2**32) if seed is None else seed
    rng, ok = np.random.default_rng(seed), True

    def show(checks) -> None:
        nonlocal ok
        for check in checks:
            ok &= check.ok
            _say(f"{'ok' if check.ok else 'MISMATCH'}  {check.what}: {check.detail}")

    ledger = Ledger()
    verification.check_any(plan, ledger, again=again)
    _say(f"drawn with --seed {seed}")
    if again:
        show(verification.annotate_again(plan, sample, rng=rng))
    else:
        show(verification.digests(plan, ledger))
        show(verification.retrain(verification.sample(plan, ledger, sample, rng=rng, short=short), ledger))
    _say(
        "everything agrees" if ok else "label-risk: what is stored is not what the code gives; see MISMATCH above",
        err=not ok,
    )
    raise typer.Exit(0 if ok else 1)


@app.command(epilog="Example: `label-risk book studies/quick.yml --out quick-book -p fraction=0.25`")
def book(
    study: StudyFile = DEFAULT,
    out: Annotated[Path, typer.Option(help="Folder for the built book; `_build` in it holds the pages.")] = Path(),
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="For notebooks that have it.")
    ] = None,
    compute: Annotated[
        bool, typer.Option(help="First annotate and train what is missing; interrupted, the same command goes on.")
    ] = True,
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="Show no text of any corpus, even if the study allows it.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Compute what a study lacks, execute the notebooks on it and build the book."""
    import os
    import time

    import yaml

    from helpers import places, report

    parameters = {}
    for pair in parameter or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--parameter {pair}: write it as NAME=VALUE, for example --parameter corpus=tweets")
        try:
            parameters[name] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError):  # a ValueError is that of a date like 2026-13-45
            raise UserError(
                f"--parameter {name}: {value[:40]!r} cannot be read as YAML: put a text with signs in quotes, as in "
                """--parameter 'corpus="[a]"'"""
            ) from None
    if no_texts:
        os.environ["LABEL_RISK_NO_TEXTS"] = "1"  # kernels inherit it
    # A wrong parameter, or a folder of somebody else, is said before anything is computed.
    report.plan(places.ROOT, Path(study), parameters)
    report.check_out(out)
    if compute:
        start = time.monotonic()
        trained, left = _compute(studies.load(study), yes=yes)
        if trained:
            took = (time.monotonic() - start) / 60
            _say(f"{trained} runs trained; annotations and runs took {took:.1f} min")
        if left:
            raise UserError(f"{left} runs are in work in another process: give the same command when it has ended")
    index = report.build(Path(study), out=out, parameters=parameters)
    _say(f"read it: {places.shown(index)}")


def _compute(plan: studies.Study, *, yes: bool, corpora=None, workers=None, pool=None) -> tuple[int, int]:
    """Have the tables written that a study lacks and the runs trained; returns how many were, and how many are left."""
    from helpers import labelling, students, sweep
    from helpers.ledger import Ledger

    lacking = list(labelling.lacking(plan, corpora))
    if lacking and pool is None:  # a cluster's workers may have what is not here
        students.check(plan.student)
    _label(plan, lacking, yes=yes, pool=pool)
    return sweep.run(plan, Ledger(), corpora=corpora, workers=workers, pool=pool)


if __name__ == "__main__":
    main()
