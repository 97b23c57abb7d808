"""What of a study is done, what the rest will take, and what it took, as text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import yaml

from helpers import device, labelling, needs
from helpers import speed as speeds
from helpers.annotators import specs
from helpers.labelling import Table
from helpers.ledger import Ledger
from helpers.speed import Speed
from helpers.studies import Cell, Run, Study


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
    speed, whose = speeds.known(study, ledger, done)
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
    needed = {finding: keys for finding, keys in needs.keys(study, runs).items() if keys}
    lines.append("what each finding needs:" if needed else "no finding is judged: that takes gold for every text")
    for finding, keys in needed.items():
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
    speed, whose = speeds.known(study, ledger, {})
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


def costs(runs: dict[str, Run], ledger: Ledger, speed: Speed) -> dict[tuple[str, str], Part]:
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


def _kind(cell: Cell) -> str:
    """The part of a study that a cell belongs to: label source, annotator, and whether the subset is another."""
    whose = cell.source.who
    kind = f"{cell.source.method} of annotators" if len(whose) > 1 else " ".join([cell.source.method, *whose])
    return f"{kind}, other subsets" if cell.drawn else kind


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2f} core-hours"
