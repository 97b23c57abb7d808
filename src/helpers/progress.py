"""How far a study is, and what the rest will take: from the measured speed of the runs that are done."""

import logging
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import yaml
from tqdm.auto import tqdm

from helpers import device, durations, labelling, places
from helpers.annotators import specs
from helpers.errors import UserError, first_line
from helpers.labelling import Table
from helpers.labels import LabelSource, annotator_of
from helpers.ledger import Ledger, Record
from helpers.studies import Cell, Run, Study

#: What is said here and by a cluster goes to the log of the sweep.
log = logging.getLogger("helpers.progress")
log.setLevel(logging.INFO)
log.propagate = False

#: Seconds between two lines where the output is not a terminal.
_QUIET = 10.0


def report(study: Study, ledger: Ledger, labels: Sequence[Table]) -> str:
    """Labels, runs and core-hours by part and by finding, spent and to come, as text.

    Parameters
    ----------
    labels
        The tables that the study reads (`labelling.find`); all are there.
    """
    runs = study.runs_by_key()
    done = {key: run for key, run in runs.items() if key in ledger}
    todo = [run for key, run in runs.items() if key not in done]
    speed, whose = _known_speed(study, ledger, done)
    lines = [f"study {study.name}: {len(done)} of {len(runs)} runs are in the ledger"]
    if labels:
        lines.append(f"  labels: {_took(labels)}")
    parts = costs(runs, ledger, speed)
    width = max((len(kind) for _, kind in parts), default=0)
    for (corpus, kind), part in parts.items():
        line = f"  {corpus:12} {kind:{width}}  {part.done:4} of {part.runs:4}"
        if part.done:
            line += f", {_hours(part.spent)} spent"
        if part.done < part.runs and np.isfinite(part.left):
            line += f", {_hours(part.left)} left"
        lines.append(line)
    lines.append("what each finding needs:")
    for finding, keys in by_finding(study, runs).items():
        if not keys:
            continue
        lacking = [run for run in todo if run.key in keys]
        line = f"  {finding:12} {len(keys) - len(lacking):4} of {len(keys)}"
        if lacking and np.isfinite(speed.total(lacking)):
            line += f", {_hours(speed.total(lacking))} left"
        lines.append(line)
    if done:
        spent = sum(ledger[key].seconds for key in done)
        lines.append(f"spent: {_hours(spent)}")
    if todo and np.isfinite(speed.total(todo)):
        lines.append(f"left: about {_hours(speed.total(todo))} at the speed of {whose}")
    elif todo:
        lines.append("left: not known before the first run; it is printed while `label-risk run` works")
    return "\n".join(lines)


def forecast(study: Study, ledger: Ledger, lacking: Sequence[Table]) -> str:
    """What a study will take whose labels are not all there: texts to label, trainings and core-hours by part, as text.

    Each annotator that computes here labels one batch of texts, and that is timed. What is trained already cannot be
    told before there are labels, so all trainings are counted.
    """
    lines = [f"study {study.name}: labels are not all there yet; `label-risk run` writes them first:"]
    cores = device.cores() if device.pick() == "cpu" else 1
    to_label = [seconds * cores for seconds in labelling.expected_seconds(lacking)]
    for table, seconds in zip(lacking, to_label, strict=True):
        line = f"  {table.corpus.name:12} {table.spec.name} with {table.wording.name}: {table.texts} texts"
        if np.isfinite(seconds):
            line += f", about {_hours(seconds)}"
        elif isinstance(table.spec, specs.COMPUTING) and not table.second:
            line += ", for a time that can be told once the model is here"
        lines.append(line)
    if any(np.isfinite(to_label)):
        lines.append(f"labels: about {_hours(np.nansum(to_label))}, by a batch that was timed now")
    speed, whose = _known_speed(study, ledger, {})
    trainings, hours = 0, 0.0
    lines.append("then, of which some may be in the ledger:")
    for name in study.corpus_names:
        kinds: dict[str, list[float]] = {}
        for cell, cost in study.costs(study.corpus(name)):
            kinds.setdefault(_kind(cell), []).append(speed.of(name, cost))
        width = max(map(len, kinds))
        for kind, seconds in kinds.items():
            about = f", about {_hours(sum(seconds))}" if np.isfinite(sum(seconds)) else ""
            lines.append(f"  {name:12} {kind:{width}} {len(seconds):4} trainings{about}")
            trainings, hours = trainings + len(seconds), hours + sum(seconds)
    known = f", about {_hours(hours)} at the speed of {whose}" if np.isfinite(hours) else ""
    lines.append(f"in all: {trainings} trainings{known}")
    return "\n".join(lines)


@dataclass
class Part:
    """One part of a study, a corpus and a kind of label source: its runs, those finished, seconds spent and to come."""

    runs: int = 0
    done: int = 0
    spent: float = 0.0
    left: float = 0.0


def costs(runs: dict[str, Run], ledger: Ledger, speed: "Speed") -> dict[tuple[str, str], Part]:
    """(corpus, kind of label source) -> what `runs` (key -> run) took and will take; nan where nothing is known."""
    parts: dict[tuple[str, str], Part] = {}
    for key, run in runs.items():
        part = parts.setdefault((run.corpus.name, _kind(run.cell)), Part())
        part.runs += 1
        if key in ledger:
            part.done += 1
            part.spent += ledger[key].seconds
        else:
            part.left += speed.seconds(run)
    return parts


def bill(study: Study, ledger: Ledger, labels: Sequence[Table]) -> str:
    """What the finished runs of a study took, by part, and its labels, as YAML: core-hours, and the kinds of machines.

    Of labels, what is there counts; how long older tables and servers took is not known.
    """
    runs = {key: run for key, run in study.runs_by_key().items() if key in ledger}
    parts: dict[str, dict[str, dict]] = {}
    for (corpus, kind), part in costs(runs, ledger, Speed()).items():
        hours = round(part.spent / 3600, 3)
        parts.setdefault(corpus, {})[kind] = {"runs": part.runs, "core_hours": hours}
    written: dict[str, dict[str, dict]] = {}
    for table in labels:
        if table.there and not table.second:
            entry = written.setdefault(table.corpus.name, {}).setdefault(table.spec.name, {"tables": 0, "timed": 0})
            entry["tables"] += 1
            if np.isfinite(table.took):
                entry["timed"] += 1
                entry["core_hours"] = entry.get("core_hours", 0) + table.took / 3600
    for entry in (entry for made in written.values() for entry in made.values() if "core_hours" in entry):
        entry["core_hours"] = round(entry["core_hours"], 3)
    machines = sorted(
        {
            f"{e.get('processor', 'unknown')}, {e.get('compute', 'unknown')}"
            for e in (ledger[key].environment for key in runs)
        }
    )
    total = round(sum(ledger[key].seconds for key in runs) / 3600, 3)
    content = {"study": study.name, "runs": len(runs), "core_hours": total, "machines": machines, "parts": parts}
    if written:
        content["labels"] = written
    written = yaml.safe_dump(content, sort_keys=False)
    return f"# Written by `label-risk compact`, from the times in the ledger.\n{written}"


def _took(labels: Sequence[Table]) -> str:
    """For example `12 of 12 tables, 3.20 core-hours spent`; second opinions, a matter of seconds, are none."""
    labels = [table for table in labels if not table.second]
    timed = [table.took for table in labels if np.isfinite(table.took)]
    said = f"{len(labels)} of {len(labels)} tables"
    if not timed:
        return f"{said}; how long they took was not noted"
    return f"{said}, {_hours(sum(timed))} spent" + (f" on {len(timed)} of them" if len(timed) < len(labels) else "")


def needs(study: Study, corpus: str) -> dict[str, set[Cell]]:
    """Finding -> the cells of a corpus's grid that verdicts, table and chart are made of; none if it shows nothing."""
    alone = [LabelSource("annotator", (name,)) for name in study.annotator_names]
    plain = [LabelSource("gold"), *alone]
    sizes = study.sizes_of(corpus)
    last = sizes[-1]
    curve = {Cell(source, n) for source in plain for n in sizes}
    again = {cell for cell in study.grid(corpus) if cell.drawn}
    found: dict[str, set[Cell]] = {
        "degradation": {Cell(source, last) for source in plain},
        "instability": curve | again if study.most_seeds > 1 else set(),
        "plateau": curve if len(sizes) > 1 else set(),
        "filtering": set(),
        "ensembling": set(),
        "controls": set(),
        "propagation": {Cell(source, n) for source in alone for n in sizes},
    }
    if study.filtering:
        size = study.filtering.size
        found["filtering"] = {Cell(source, size) for source in plain}
        for share in study.filtering.fractions:
            for source in alone:
                filters = {study.filtered(method, *source.annotators, share) for method in study.filtering.methods}
                found["filtering"] |= {Cell(source, round(share * size)), *(Cell(filter_, size) for filter_ in filters)}
    if study.seeds > 1:
        size = study.ensembling_size(corpus)
        found["ensembling"] = {Cell(source, size) for source in plain}
        # Beside a vote stands one student of more labels.
        if more := study.larger(corpus, size, study.seeds * size):
            found["ensembling"] |= {Cell(source, more) for source in alone}
        for source in study.ensembles:
            found["ensembling"].add(Cell(source, study.ensembling.size))
            # Beside it stands a student of the strongest annotator for as many calls: one of these.
            if more := study.affordable(corpus, source):
                among = [name for name in study.annotator_names if name in map(annotator_of, source.annotators)]
                found["ensembling"] |= {Cell(LabelSource("annotator", (name,)), more) for name in among}
    if study.controls:
        random = {cell for cell in study.grid(corpus) if cell.source.method in study.controls.methods}
        found["controls"] = curve | random
        if found["plateau"]:
            found["plateau"] |= found["controls"]
        if found["instability"]:
            # Of one draw, whose students differ in nothing but their seeds.
            found["instability"] |= {
                cell for cell in random if cell.n == last and len(study.seeds_of(corpus, cell)) > 1
            }
    return found


def by_finding(study: Study, runs: dict[str, Run]) -> dict[str, set[str]]:
    """Finding -> keys of the runs among `runs` (key -> run) that it needs."""
    found: dict[str, set[str]] = {}
    for corpus in study.corpus_names:
        for finding, cells in needs(study, corpus).items():
            found.setdefault(finding, set()).update(
                key
                for key, run in runs.items()
                if run.corpus.name == corpus
                and run.cell in cells
                and (finding != "propagation" or run.corpus.votes is not None)
            )
    return found


class Speed:
    """Seconds of a run by its cost, as measured: `a + b * cost`, a fit for each corpus, for texts differ in length.

    A corpus without a finished run is taken to be like all others together.
    """

    def __init__(self):
        self._measured: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self._fits: dict[str, np.ndarray] = {}

    def add(self, run: Run, seconds: float) -> None:
        """Take note of a finished run."""
        self._measured[run.corpus.name].append((run.cost, seconds))
        self._fits.clear()

    def borrow(self, study: Study, records: Iterable[Record]) -> None:
        """Take note of runs of equal students on those corpora of `study` of which no run is known yet."""
        unknown = [name for name in study.corpus_names if name not in self._measured]
        for record in records:
            said = record.specification
            if said["corpus"] in unknown and said["student"] == study.student.model_dump():
                cost = study.student.cost(said["n_train"], len(record.probs))
                self._measured[said["corpus"]].append((cost, record.seconds))
        self._fits.clear()

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        return bool(self._measured)

    def seconds(self, run: Run) -> float:
        """Expected time of one run on one worker; nan before the first is finished."""
        return self.of(run.corpus.name, run.cost)

    def of(self, corpus: str, cost: int) -> float:
        """Expected time of a training of that cost; nan before the first is finished."""
        name = corpus if corpus in self._measured else ""
        if name not in self._fits:
            everything = [pair for pairs in self._measured.values() for pair in pairs]
            self._fits[name] = _fit(self._measured[name] if name else everything)
        a, b = self._fits[name]
        return float(a + b * cost)

    def total(self, runs: Iterable[Run]) -> float:
        """Expected time of all `runs` on one worker."""
        return sum(self.seconds(run) for run in runs)


def _known_speed(study: Study, ledger: Ledger, done: dict[str, Run]) -> tuple[Speed, str]:
    """The speed of this kind of machine, by the `done` runs (key -> run) and by shipped ones, and whose speed it is.

    Where no run of this kind of machine is known, it is that of others: one may be several times as fast as another.
    """
    here = device.describe() | {"compute": device.compute_type()}
    records = {key: ledger[key] for key in done}

    def measured(fits: Callable[[Record], bool]) -> Speed:
        speed = Speed()
        for key, record in records.items():
            if fits(record):
                speed.add(done[key], record.seconds)
        speed.borrow(study, filter(fits, ledger.committed.values()))
        return speed

    own = measured(lambda record: device.same_kind(here, record.environment))
    if own.known:
        return own, "this kind of machine"
    said = f"other kinds of machines than this one ({here['processor']}, {here['compute']})"
    return measured(lambda record: True), said


def _fit(measured: list[tuple[int, float]]) -> np.ndarray:
    """Intercept and slope, both >= 0, of least absolute relative error.

    Relative, so that short runs count as long ones do; absolute and not squared, because the first run of a process
    takes longer, by what it loads, and says nothing of the others.
    """
    from scipy.optimize import nnls

    if not measured:
        return np.full(2, np.nan)
    cost, seconds = np.array(measured, dtype=float).T
    seconds = np.maximum(seconds, 0.005)  # they are kept in hundredths, and a probe's may all be none
    if len(set(cost)) == 1:  # one size says nothing of the intercept
        return np.array([0.0, np.median(seconds) / cost[0]])
    columns, rate = np.stack([1 / cost, np.ones_like(cost)], axis=1), seconds / cost
    weight = np.ones_like(cost)
    for _ in range(20):  # least squares, weighted by the inverse of what the fit before missed by
        fit = nnls(columns * weight[:, None], rate * weight)[0]
        weight = 1 / np.sqrt(np.maximum(abs(rate - columns @ fit), 1e-3 * rate))
        weight /= weight.max()
    return fit


class Live:
    """Progress of a sweep: a bar in a terminal, lines elsewhere, and in any case a log in the ledger's folder.

    Time left is of the runs that are finished on the kinds of machines at work: in this sweep, and in the ledger.

    Parameters
    ----------
    runs
        Key -> run, of the part of the study that is looked at.
    todo
        Those of them that are to be trained.
    """

    def __init__(self, study: Study, runs: dict[str, Run], todo: list[Run], ledger: Ledger):
        self.file = ledger.own.parent / "logs" / f"{study.name}-{datetime.now():%Y-%m-%d}.log"
        self._study, self._ledger = study, ledger
        self._todo = {run.key: run for run in todo}
        self._runs = runs
        self._total, self._done, self._workers = len(todo), 0, None
        self._findings = {finding: keys for finding, keys in by_finding(study, self._runs).items() if keys}
        self._lacking = {key for key in self._runs if key not in ledger}
        self._speed, self._machines = Speed(), []
        self._terminal, self._printed = sys.stderr.isatty(), 0.0

    def __enter__(self) -> "Live":
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._handler = logging.FileHandler(self.file, encoding="utf-8")
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
        log.addHandler(self._handler)
        self._shown = _Shown(logging.WARNING)
        log.addHandler(self._shown)
        tqdm.write(f"log: {places.shown(self.file)}", file=sys.stderr)
        log.info("start of study %s: %d runs to train", self._study.name, self._total)
        # In units of work, not of runs: a run at n = 2000 takes several times as long as one at 250.
        self._bar = tqdm(
            total=sum(run.cost for run in self._todo.values()),
            desc=f"run {self._study.name}",
            bar_format="{percentage:3.0f}% |{bar:20}| {desc}",
            disable=not self._terminal,
        )
        self._below = tqdm(bar_format="{desc}", position=1, leave=False, disable=not self._terminal)
        self._below.set_description_str(self._completion())
        return self

    def __exit__(self, kind, *_) -> None:
        self._lacking = {key for key in self._lacking if key not in self._ledger}
        self._below.close()
        self._bar.close()
        ending = "stopped" if kind else "end"
        log.info("%s: %d of %d runs trained; %s", ending, self._done, self._total, self._completion())
        for handler in (self._handler, self._shown):
            log.removeHandler(handler)
        self._handler.close()

    def finished(self, run: Run, record: Record, workers: int) -> None:
        """Show a run that has just ended, with `workers` at work."""
        self._learn(run, record)
        known = self._todo.pop(run.key, None)  # not if it was skipped, and then left by who had it in work
        self._lacking.discard(run.key)
        self._done += 1
        left = self.left(workers)
        said = f"{self._done} of {self._total} done, about {durations.in_words(left)} left"
        log.info("run %s: %.2f s, %s", run, record.seconds, said)
        self._bar.set_description_str(f"{said}, {run}", refresh=False)
        self._bar.update(run.cost if known else 0)
        self._below.set_description_str(self._completion())
        now = time.monotonic()
        if not self._terminal and (now - self._printed > _QUIET or not self._todo):
            self._printed = now
            tqdm.write(f"run {self._study.name}: {said}; {self._completion()}", file=sys.stderr)

    def failed(self, run: Run, error: Exception) -> None:
        """Show a run that cannot be trained."""
        log.warning("run %s: %s", run, first_line(error), exc_info=None if isinstance(error, UserError) else error)
        self._todo.pop(run.key, None)

    def skipped(self, run: Run) -> None:
        """Take note of a run that another process has finished, or has in work."""
        if self._todo.pop(run.key, None):
            self._bar.update(run.cost)
        if run.key in self._ledger:
            self._lacking.discard(run.key)

    def look(self, workers: int) -> None:
        """Note the number of workers where it has changed."""
        if workers != self._workers:
            log.log(logging.INFO if workers else logging.WARNING, "workers: %d", workers)
            self._workers = workers

    def left(self, workers: int) -> float:
        """Seconds until the last run has ended, if the workers stay as they are; nan if nothing was measured."""
        expected = [self._speed.seconds(run) for run in self._todo.values()]
        return max(sum(expected) / max(1, workers), max(expected, default=0.0))

    def _learn(self, run: Run, record: Record) -> None:
        machine = record.environment
        if not any(device.same_kind(machine, known) for known in self._machines):
            # What the ledger knows of this kind of machine counts as well.
            self._machines.append(machine)
            for key in self._runs.keys() - self._lacking - {run.key}:
                stored = self._ledger[key]
                if device.same_kind(machine, stored.environment):
                    self._speed.add(self._runs[key], stored.seconds)
        self._speed.add(run, record.seconds)

    def _completion(self) -> str:
        """For example `degradation 9/9, plateau 30/36`."""
        return ", ".join(
            f"{finding} {len(keys) - len(keys & self._lacking)}/{len(keys)}" for finding, keys in self._findings.items()
        )


class _Shown(logging.Handler):
    """Warnings above the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(record.getMessage(), file=sys.stderr)


def _kind(cell: Cell) -> str:
    """The part of a study that a cell belongs to: label source, annotator, and whether the subset is another."""
    whose = {*map(annotator_of, cell.source.annotators)}
    kind = f"{cell.source.method} of annotators" if len(whose) > 1 else " ".join([cell.source.method, *whose])
    return f"{kind}, other subsets" if cell.drawn else kind


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2f} core-hours"
