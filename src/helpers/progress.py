"""A sweep while it runs: its bar, its log and the time that is left."""

import logging
import sys
import time
from datetime import datetime

from tqdm.auto import tqdm

from helpers import device, durations, needs, places
from helpers.errors import UserError, first_line
from helpers.ledger import Ledger, Record
from helpers.speed import Speed
from helpers.studies import Run, Study

#: What is said here and by a cluster goes to the log of the sweep.
log = logging.getLogger("helpers.progress")
log.setLevel(logging.INFO)
log.propagate = False

#: Seconds between two lines where the output is not a terminal.
_QUIET = 10.0


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
        self._findings = {finding: keys for finding, keys in needs.keys(study, self._runs).items() if keys}
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
        log.info("%s: %d of %d runs trained%s", ending, self._done, self._total, self._completion("; "))
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
            tqdm.write(f"run {self._study.name}: {said}{self._completion('; ')}", file=sys.stderr)

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

    def _completion(self, before: str = "") -> str:
        """For example `degradation 9/9, plateau 30/36`, with `before` in front; nothing where no finding is judged."""
        parts = (f"{name} {len(keys) - len(keys & self._lacking)}/{len(keys)}" for name, keys in self._findings.items())
        return before + ", ".join(parts) if self._findings else ""


class _Shown(logging.Handler):
    """Warnings above the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(record.getMessage(), file=sys.stderr)
