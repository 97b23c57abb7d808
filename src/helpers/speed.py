"""How long trainings take, by those that were timed."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from helpers import device
from helpers.ledger import Ledger, Record
from helpers.studies import Run, Study


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


def known(study: Study, ledger: Ledger, done: dict[str, Run]) -> tuple[Speed, str]:
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
