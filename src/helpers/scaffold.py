"""From a table to a study: what `label-risk new` writes, and the plan that it prints.

Everything that a user could have chosen is chosen from the rows at hand and written into the study file, where it can
be changed. Nothing is written before the corpus has loaded, so a table that cannot be used leaves nothing behind.
"""

import csv
import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from helpers import annotations, annotators, corpora, durations, hub, labelling, places, prompts, studies
from helpers.annotators import specs
from helpers.corpora import Corpus, tables
from helpers.errors import UserError, printable
from helpers.measures import power
from helpers.studies import Study

#: Share of texts on which just one of two students is right: what seeds and label sources of the shipped studies show.
DISCORDANT = 0.2
#: A difference in accuracy that people would act on. A test split that cannot show it calls for a warning.
GAP = 0.05
_MOST_LABELS = 2000
_MOST_TEST_TEXTS = 1500
_SIZES = 4
_LONGEST_LINE = 100
#: Reasons that are named for texts without a ready-made label.
_REASONS = 2
#: Share of the rows without gold from which keeping them is worth what it costs.
_MANY_UNLABELLED = 0.1
_PER_CLASS = 5
_SEEDS = 5
_FEWEST_SEEDS = 3
_PATIENCE = 3600.0
#: What a linear head needs that an encoder does not: at the rate of the other kinds it would hardly have moved.
_PROBE = {"epochs": 10, "batch_size": 32, "learning_rate": 0.01}
#: Encoders as wide as BERT-base are trained at a usual rate for these: that of MiniLM, which was chosen for it, may be
#: too high for them, and some of their students would learn nothing.
_WIDE, _RATE_OF_WIDE = 768, 3e-5
_FOLDS = 5


@dataclass(frozen=True)
class Draft:
    """A study that is about to be written.

    Attributes
    ----------
    study
        As it will be read back.
    content
        The same as plain data, in the order of the file.
    corpus
        Its one corpus.
    training, labelling
        Expected seconds on this machine, of all runs and by annotator; what was not measured is None, or missing.
    warnings
        What the user should know before spending anything.
    """

    study: Study
    content: dict[str, Any]
    corpus: Corpus
    training: float | None = None
    labelling: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def name_of(source: str) -> str:
    """A study's name, from that of a file or data set."""
    if source.startswith("hub:"):
        stem = hub.split(source.removeprefix("hub:"))[0].rsplit("/", 1)[-1]
    else:
        stem = Path(source.rstrip("/")).stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._") or "mine"
    return f"my-{name}" if name.casefold() in {*corpora.BUILT_IN, "all"} else name


def class_names(said: str | None) -> list[str] | dict[str, str]:
    """Read `A,B,C`, or `VALUE=CLASS,…`, as the corpus's option `labels`; nothing is an empty list."""
    names = said.split(",") if said else []
    if names and all("=" in name for name in names):
        # One space after a comma is the list's; any other belongs to the value.
        pairs = [names[0], *(one.removeprefix(" ") for one in names[1:])]
        return {value: name.strip() for value, _, name in (one.rpartition("=") for one in pairs)}
    return [name.strip() for name in names]


def ready_made(pairs: Sequence[str], table: Mapping[str, Any]) -> dict[str, Any]:
    """Read `NAME=COLUMN` and `NAME=LABEL:COLUMN,LABEL:COLUMN` as the corpus's option `ready_made`.

    Parameters
    ----------
    table
        The other options of the corpus: names of columns may have colons themselves, so its columns are looked at.

    Raises
    ------
    UserError
        If one is written otherwise.
    """
    found: dict[str, Any] = {}
    known: list[str] = []
    for pair in pairs:
        name, _, columns = pair.partition("=")
        if name in found:
            raise UserError(f"--ready {pair}: there is a {name} already; give each annotator a name of its own")
        known = known or (tables.columns(table) if ":" in columns else [])
        if ":" in columns and columns not in known:
            found[name] = dict(_label_and_column(part, known) for part in columns.split(","))
            written_right = all(label and column for label, column in found[name].items())
        else:
            found[name] = columns
            written_right = bool(columns)
        if not (name and written_right):
            raise UserError(
                f"--ready {pair}: write it as NAME=COLUMN, or as NAME=LABEL:COLUMN,LABEL:COLUMN for probabilities"
            )
    return found


def _label_and_column(part: str, known: Sequence[str]) -> tuple[str, str]:
    """`LABEL:COLUMN` in two: at the first colon after which there is a column of the table, else at the last."""
    colons = [place for place, character in enumerate(part) if character == ":"]
    at = next((place for place in colons if part[place + 1 :] in known), part.rfind(":"))
    return part[: max(at, 0)], part[at + 1 :]


def draft(
    spec: dict[str, Any],
    said: Sequence[Any] = (),
    *,
    student: dict[str, Any] | None = None,
    measure: bool = True,
) -> Draft:
    """Choose a study for one table.

    Parameters
    ----------
    spec
        The corpus, as `helpers.corpora.tables.load` takes it. `test_size` or `folds` are added where nothing says how
        to split.
    said
        Annotators, as a study names them. The table's own are added.
    student
        What differs from the usual student of its kind.
    measure
        Whether to train for some seconds, so that the expected time is known.

    Raises
    ------
    UserError
        If the table or an annotator cannot be used, or there is neither gold nor an annotator.
    """
    known = [specs.parse(one) for one in said]
    chosen = list(said)
    for name in spec.get("ready_made") or {}:
        if name not in [one.name for one in known]:
            chosen.append(f"ready:{name}")
            known.append(specs.parse(f"ready:{name}"))
    specs.check_unique(known)
    corpus = corpora.load(spec)
    for one in known:
        # Labels that are there need nobody who gives them.
        if not (isinstance(one, specs.Existing) and annotations.find(corpus, one.name, prompts.render(corpus))):
            annotators.check(one)
    if corpus.fully_gold:
        spec = {option: value for option, value in spec.items() if option != "unlabelled"}  # there is nothing to keep
    if not _gold(corpus) and not known:
        raise UserError("there is neither a gold label nor an annotator: give --label, --annotator or --ready")
    given = {key for key, value in spec.items() if value}
    keepable = not given & {"votes", "raters", "folds", "split_by", "examples"}
    if not {"test_size", "folds", "split_by"} & {key for key, value in spec.items() if value is not None}:
        spec = spec | _split(corpus)
        corpus = corpora.load(spec)
    spec = spec | corpus.detected  # found out once, and read so from now on
    for one in known:
        if isinstance(one, specs.Ready) and one.name not in corpus.ready:
            raise UserError(
                f"annotator ready:{one.name}: the table has no labels of that name: give --ready {one.name}=COLUMN"
            )
    sizes = _sizes(corpus)
    content: dict[str, Any] = {
        "name": spec["name"],
        "corpora": [spec],
        "annotators": chosen,
        "prompt": "prompt1",
        "sizes": sizes,
        "seeds": _SEEDS,
        "student": _student(student or {}),
    }
    hard = [one.name for one in known if _hard(one, corpus)]
    compared = bool(_gold(corpus))  # what a filter or a vote gains, only gold can tell
    if compared and known and not hard:
        # A quarter and a half of the labels are mostly sizes of the study already: a third fraction would take a random
        # subset of its own to be compared with, and some of the longest runs.
        content["filtering"] = {"size": sizes[-1], "fractions": [0.25, 0.5]}
    if compared and len(known) > 1:
        content["ensembling"] = {"size": sizes[-1]}
    study = studies.read(content, "the study")
    training, seconds = None, {}
    if measure:
        training, seconds = _measure_training(study, corpus), _measure_labelling(study, corpus)
        if training > _PATIENCE:
            content["seeds"], before = _FEWEST_SEEDS, _SEEDS
            study = studies.read(content, "the study")
            training *= _FEWEST_SEEDS / before
    return Draft(study, content, corpus, training, seconds, tuple(_warnings(study, corpus, hard, keepable=keepable)))


def _hard(spec: specs.Spec, corpus: Corpus) -> bool:
    """Whether an annotator's labels are known to have no probabilities."""
    if isinstance(spec, specs.Ready):
        return corpus.ready[spec.name].hard
    if isinstance(spec, specs.Replay):
        replayed = annotators.load(spec, corpus=corpus)
        replayed.use(prompts.render(corpus))
        return replayed.hard
    return False


def _gold(corpus: Corpus) -> int:
    """Number of texts with a gold label."""
    return int((corpus.gold >= 0).sum())


def _counts(corpus: Corpus) -> np.ndarray:
    """Texts of each class by gold, int (classes,)."""
    return np.bincount(corpus.gold[corpus.gold >= 0], minlength=len(corpus.labels))


def _split(corpus: Corpus) -> dict[str, int]:
    """How to split: as many test texts as it takes to see `GAP`, or folds if those are too many.

    Of gold labels for some texts only, half are for testing if they are few: that is what a corpus does by itself.
    """
    rows, known = len(corpus.rows), _gold(corpus)
    if not known:
        return {"test_size": min(_MOST_TEST_TEXTS, rows // 5)}
    needed = math.ceil(power.texts_needed(GAP, discordant=DISCORDANT) / 50) * 50
    if known * 2 // 5 < needed:
        return {"folds": _FOLDS} if known == rows else {}
    size = min(_MOST_TEST_TEXTS, max(needed, known // 5))
    return {"test_size": round(size * rows / known)}  # it counts as if all rows had a label


def _sizes(corpus: Corpus) -> list[int]:
    """Numbers of training texts: halves of the largest, as long as the rarest class is there a few times.

    Where gold does not reach that far, also halves of as many as it reaches, for gold has a curve of its own to show.
    Without gold, nothing shows a curve.
    """
    pool = min(len(part.pool) for part in corpus.parts)
    largest = min(_MOST_LABELS, pool)
    scale = 10 ** max(0, int(math.log10(largest)) - 1)
    largest = max(1, largest // scale * scale)
    if not _gold(corpus):
        return [largest]
    rarest = _counts(corpus).min() / _gold(corpus)
    smallest = max(20, _PER_CLASS * len(corpus.labels), math.ceil(_PER_CLASS / rarest) if rarest else 0)
    halves = [largest >> k for k in range(_SIZES)]
    sizes = {n for n in halves if n >= min(smallest, halves[1]) and n > 1}
    if not corpus.fully_gold and corpus.n_gold < largest:
        gold = {corpus.n_gold >> k for k in range(_SIZES - 1)} - {0, 1}
        # Of two sizes that are nearly the same, gold's is enough.
        sizes = gold | {n for n in sizes if n == largest or all(abs(n - other) > n / 10 for other in gold)}
    return sorted(sizes)


def _student(own: dict[str, Any]) -> dict[str, Any]:
    """The usual student of its kind, and what differs from it."""
    from helpers.students import encoders

    usual = {"kind": "finetune", "encoder": "minilm"} | own
    if usual["kind"] == "probe":
        return usual | _PROBE | own
    if usual["encoder"] != "minilm" and encoders.width(usual["encoder"]) >= _WIDE:
        return usual | {"learning_rate": _RATE_OF_WIDE} | own
    return usual


# What it will cost


def calls(draft: Draft) -> dict[str, int]:
    """Annotator -> texts it will be asked about: all rows, for those whose labels are not there already."""
    return {spec.name: len(draft.corpus.rows) for spec in _asked(draft.study, draft.corpus)}


def _asked(study: Study, corpus: Corpus) -> list[specs.Spec]:
    """The annotators whose labels are not there: in a file, a column, or a table that they wrote before."""
    wording = prompts.render(corpus, study.prompt)
    said = [spec for spec in study.annotator_specs if not isinstance(spec, specs.Ready | specs.Replay)]
    return [spec for spec in said if not annotations.find(corpus, spec.name, wording, spec=spec)]


def _measure_labelling(study: Study, corpus: Corpus) -> dict[str, float]:
    """Seconds of each annotator that is to be asked, computes here and is at hand."""
    wording = prompts.render(corpus, study.prompt)
    asked = [labelling.Table(spec, corpus, wording, None) for spec in _asked(study, corpus) if labelling.at_hand(spec)]
    return {table.spec.name: s for table, s in zip(asked, labelling.expected_seconds(asked), strict=True)}


def _measure_training(study: Study, corpus: Corpus) -> float:
    """Seconds of all runs, from one short run."""
    from helpers import students

    students.check(study.student)
    start = time.perf_counter()
    import torch

    from helpers import device
    from helpers.students import encoders

    small, threads, seconds = _few_rows(corpus), torch.get_num_threads(), []
    targets = np.eye(len(corpus.labels), dtype=np.float32)[np.maximum(small.gold[small.pool], 0)]
    encoders.pristine(study.student.encoder, len(corpus.labels))
    loading = time.perf_counter() - start  # as every worker does once
    try:
        torch.set_num_threads(1)
        for steps in (1, 30):  # the first run prepares what later ones find in the cache
            student = study.student.model_copy(update={"min_steps": steps, "epochs": 1})
            start = time.perf_counter()
            students.train(student, small, small.pool, targets, seed=0)
            seconds.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    costs = [cost for _, cost in study.costs(corpus)]
    rate = seconds[1] / student.cost(len(small.pool), len(small.test))
    training = loading + rate * sum(costs) / min(device.workers(), len(costs))
    if study.student.kind != "finetune":
        training += max(0.0, seconds[0] - seconds[1]) / len(small.rows) * len(corpus.rows)
    return training


def _few_rows(corpus: Corpus) -> Corpus:
    """A corpus of some of the rows, for a run that takes a second."""
    part = corpus.parts[0]
    rows = np.concatenate([part.pool[:64], part.test[:32]])
    few = part.rows.iloc[rows].reset_index(drop=True)
    few["rank"] = [*range(len(rows) - len(part.test[:32])), *[-1] * len(part.test[:32])]
    return Corpus(corpus.name, corpus.labels, few)


# What to warn of


def gap(corpus: Corpus) -> float:
    """Smallest difference in accuracy that the test split can show; see `helpers.measures.power`."""
    return power.detectable_gap(len(corpus.test), discordant=DISCORDANT)


def _warnings(study: Study, corpus: Corpus, hard: Sequence[str], *, keepable: bool) -> list[str]:
    said = []
    if not _gold(corpus):
        said.append(
            "no text has a gold label: the book says how far labels and students agree, and nothing about how often "
            "they are right; a few hundred labels of texts drawn at random would"
        )
        return [*said, *_reading_problems(study, corpus)]
    if left_out := corpus.dropped.get(tables.NO_LABEL):
        worth = keepable and study.annotators and left_out >= _MANY_UNLABELLED * (left_out + len(corpus.rows))
        said.append(
            f"{left_out} rows are left out for want of a label"
            + (
                ": with --unlabelled keep, an annotator's labels of them are trained on, too; pages that need gold for "
                "every text then show nothing"
                if worth
                else ""
            )
        )
    if not corpus.fully_gold:
        said.append("not every text has a gold label: pages that need all of them say so, and show nothing else")
    if gap(corpus) > GAP:
        needed = power.texts_needed(GAP, discordant=DISCORDANT)
        said.append(
            f"the test split of {len(corpus.test)} texts is too small to show a difference of {100 * GAP:g} points; "
            f"that takes {needed}"
        )
    counts = _counts(corpus)
    rarest = int(counts.argmin())
    expected = study.sizes_of(corpus.name)[0] * counts[rarest] / counts.sum()
    if expected < _PER_CLASS:
        said.append(
            f"{corpus.labels[rarest]!r} is {counts[rarest] / counts.sum():.1%} of the texts: about {expected:.0f} of "
            f"the {study.sizes_of(corpus.name)[0]} in the smallest training set"
        )
    if counts.max() / counts.sum() > 0.8:
        said.append(
            f"{corpus.labels[int(counts.argmax())]!r} is {counts.max() / counts.sum():.0%} of the texts: look at "
            "macro-F1 and recall, accuracy says little"
        )
    if hard:
        said.append(
            f"{', '.join(hard)}: labels without probabilities, so no entropy to filter by: that page stays empty"
        )
    if not study.annotators:
        said.append("there is no annotator: the study shows gold alone; add one with --annotator or --ready")
    return [*said, *_reading_problems(study, corpus)]


def _reading_problems(study: Study, corpus: Corpus) -> list[str]:
    """Whether the encoder can read these texts: how many it cuts, and how much it has no token for."""
    from helpers.students import encoders

    tokens = encoders.token_ids(study.student.encoder, corpus, study.student.max_tokens)
    tokenizer = encoders.load_tokenizer(study.student.encoder)
    said = []
    longest = encoders.longest(study.student.encoder, study.student.max_tokens)
    cut = float((tokens.lengths >= longest).mean())
    if cut > 0.05:
        said.append(
            f"students read {longest} tokens of a text, and {cut:.0%} of the texts are cut (`student.max_tokens`)"
        )
    sample = np.concatenate([tokens[i] for i in range(0, len(tokens), max(1, len(tokens) // 500))])
    unknown = float((sample == tokenizer.unk_token_id).mean()) if tokenizer.unk_token_id is not None else 0.0
    if unknown > 0.05 or (study.student.encoder == "minilm" and _letters_of_other_scripts(corpus) > 0.3):
        said.append(
            f"the encoder {study.student.encoder} has no token for {unknown:.0%} of what the texts are made of, and "
            "was trained on English: name one that reads their language, `encoder: hf:FOLDER-OR-HUB-ID`"
        )
    return said


def _letters_of_other_scripts(corpus: Corpus) -> float:
    sample = "".join(corpus.rows["text"].iloc[:: max(1, len(corpus.rows) // 200)].str[:500])
    letters = [c for c in sample if c.isalpha()]
    return sum(ord(c) > 0x24F for c in letters) / max(1, len(letters))


# What is printed and written


def plan(draft: Draft) -> str:
    """The plan, as text: rows, what is left out, splits, annotators, runs, time, warnings."""
    study, corpus = draft.study, draft.corpus
    known, counts = _gold(corpus), _counts(corpus)
    shares = ", ".join(
        f"{name} {count} ({count / known:.0%})" if known else name
        for name, count in zip(corpus.labels, counts, strict=True)
    )
    lines = [f"rows          {len(corpus.rows)} used, {sum(corpus.dropped.values())} left out"]
    lines += [f"  left out    {count}: {reason}" for reason, count in corpus.dropped.items()]
    lines += [f"  note        {note}" for note in corpus.notes]
    if not corpus.fully_gold:
        lines.append(f"gold          {known} of {len(corpus.rows)}, of which {corpus.n_gold} to train on")
    lines.append(f"classes       {len(corpus.labels)}: {shares}")
    pool = min(len(part.pool) for part in corpus.parts)
    if len(corpus.parts) > 1:
        lines.append(
            f"split         {len(corpus.parts)} folds: {pool} or more to train on, and every text is tested once"
        )
    else:
        spent = f", {len(corpus.spent)} in the prompt" if len(corpus.spent) else ""
        lines.append(f"split         {pool} to train on, {len(corpus.test)} to test on{spent}")
    lines.append(f"sizes         {', '.join(map(str, study.sizes_of(corpus.name)))}; {study.seeds} seeds")
    if known:
        least = gap(corpus)
        shown = f"{100 * least:.1f} points" if math.isfinite(least) else "none"
        lines.append(
            f"can show      differences in accuracy from {shown} (power 80 %, level 5 %, if one of two students alone "
            f"is right on {DISCORDANT:.0%} of the texts)"
        )
    asked = calls(draft)
    for spec in study.annotator_specs:
        if spec.name in asked:
            about = _time(draft.labelling.get(spec.name))
            asks = isinstance(spec, specs.Server) and spec.needs_consent
            cost = ", may cost money: you are asked before the first call" if asks else ""
            lines.append(f"annotator     {spec.name}: {asked[spec.name]} texts, {about}{cost}")
        else:
            lines.append(f"annotator     {spec.name}: its labels are there{_lacking(spec, corpus)}")
    if asked:
        question = prompts.render(corpus, study.prompt).shown.splitlines()[0]
        lines.append(f"asks          {question if len(question) <= _LONGEST_LINE else f'{question[:_LONGEST_LINE]} …'}")
    lines.append(f"runs          {len(study.costs(corpus))} trainings, {_time(draft.training)}")
    lines += [f"warning       {warning}" for warning in draft.warnings]
    return "\n".join(lines)


def _lacking(spec: specs.Spec, corpus: Corpus) -> str:
    """How many texts a column of ready-made labels has none for, and the most frequent reasons."""
    failures = corpus.ready[spec.name].failures if isinstance(spec, specs.Ready) else {}
    if not failures:
        return ""
    reasons = Counter(failures.values()).most_common(_REASONS)
    said = ", ".join(f"{count} times {printable(reason)}" for reason, count in reasons)
    more = ", …" if len({*failures.values()}) > _REASONS else ""
    return f", but for {len(failures)} of {len(corpus.rows)} texts ({said}{more})"


def _time(seconds: float | None) -> str:
    return "time not measured" if seconds is None or math.isnan(seconds) else f"about {durations.in_words(seconds)}"


def check_free(out: Path, *, force: bool) -> None:
    """Refuse to overwrite a study.

    Raises
    ------
    UserError
        If `out` exists and `force` does not say that it may go.
    """
    if out.exists() and not force:
        raise UserError(f"{places.shown(out)} is there already: give the study another --name or --out, or say --force")


def write(draft: Draft, out: Path, *, force: bool = False) -> list[Path]:
    """Write the study file, and beside it the numbers of the rows that were left out, if any were.

    Returns
    -------
    list of Path
        What was written, the study first.

    Raises
    ------
    UserError
        If there is a file already, or it cannot be written.
    """
    check_free(out, force=force)
    left_out = out.with_name(f"{out.name.removesuffix('.yml')}.left-out.csv")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with places.whole(out) as part:
            part.write_text(text(draft, out), encoding="utf-8")
        if draft.corpus.left_out:
            with places.whole(left_out) as part:
                part.write_text(_left_out(draft.corpus), encoding="utf-8")
        else:
            left_out.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{places.shown(out)} cannot be written: {error.strerror}") from None
    return [out, left_out] if draft.corpus.left_out else [out]


def _left_out(corpus: Corpus) -> str:
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["row", "reason"])
    writer.writerows(sorted((row, reason) for reason, rows in corpus.left_out.items() for row in rows))
    return stream.getvalue()


#: What a study file says of the prompt, of corpora with gold for all texts and of others, which can have no examples.
_ABOUT_THE_PROMPT = (
    (
        "    # For the prompt: what a text is called, a question of your own, what each class means, and examples of",
        "    # each, which are taken from the training pool and counted as gold that is spent.",
    ),
    ("    # For the prompt: what a text is called, a question of your own, and what each class means.",),
)


def text(draft: Draft, out: Path) -> str:
    """The study file, with a comment for everything that one would want to change."""
    content, corpus = draft.content, draft.corpus
    file = places.shown(out)
    described = "\n".join(f"    #   {_yaml(label)}: …" for label in corpus.labels)
    lines = [
        f"# What an LLM's labels cost on {content['name']}. Written by `label-risk new`; change what you like.",
        "# This annotates, trains and builds the book, and goes on where it was stopped:",
        f"#   label-risk book {file} --out {content['name']}-book",
        f"name: {_yaml(content['name'])}",
        "",
        "corpora:",
        _indented(_block([content["corpora"][0]]), "  "),
        *_ABOUT_THE_PROMPT[not corpus.fully_gold],
        *([] if "about" in content["corpora"][0] else ["    # about: text"]),
        "    # question: What is the author's view of it?",
        "    # descriptions:",
        described,
        *(["    # examples: 0"] if corpus.fully_gold else []),
        "",
        "# Weakest first. hf:FOLDER-OR-HUB-ID, gguf:FILE, openai:MODEL@URL, replay:FILE, ready:NAME or a shipped one.",
        _block({"annotators": content["annotators"]}),
        "prompt: prompt1",
        "",
        f"# Numbers of training texts; the pool has {min(len(part.pool) for part in corpus.parts)}.",
        f"sizes: {_yaml(content['sizes'])}",
        "# Trainings of each cell. Fewer are faster, more make intervals narrower; with one there are none.",
        f"seeds: {content['seeds']}",
        "# `probe` takes seconds and `upper` is in between: for first looks. A probe takes other settings, too:",
        f"# {_yaml({'kind': 'probe', 'encoder': 'minilm'} | _PROBE)}",
        *(
            ["# A usual learning rate for encoders of this size; for a small one, as MiniLM, it is 0.0001."]
            if content["student"].get("learning_rate") == _RATE_OF_WIDE
            else []
        ),
        _block({"student": content["student"]}),
    ]
    for key in ("filtering", "ensembling"):
        if key in content:
            lines.append(f"{key}: {_yaml(content[key])}")
    return "\n".join(lines).rstrip() + "\n"


def _block(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110).rstrip()


def _yaml(value: object) -> str:
    dumped = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=True, width=10_000)
    return dumped.removesuffix("\n").removesuffix("\n...").strip()


def _indented(block: str, by: str) -> str:
    return "\n".join(by + line for line in block.splitlines())
