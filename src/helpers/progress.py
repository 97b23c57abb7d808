"""How far a study is, and what the rest will cost, from the speed of the runs that are done."""

from collections import Counter

import numpy as np

from helpers.ledger import Ledger
from helpers.studies import Run, Study


def report(study: Study, ledger: Ledger) -> str:
    """Table of finished runs by corpus and kind of label source, and the time left, as text."""
    runs = {run.key: run for corpus in study.corpus_names for run in study.runs(corpus)}
    done = {key: run for key, run in runs.items() if key in ledger}
    todo = [run for key, run in runs.items() if key not in done]
    lines = [f"study {study.name}: {len(done)} of {len(runs)} runs are in the ledger"]
    every, finished = _count(runs.values()), _count(done.values())
    width = max(len(kind) for _, kind in every)
    for corpus, kind in every:
        lines.append(f"  {corpus:12} {kind:{width}}  {finished[corpus, kind]:4} of {every[corpus, kind]}")
    if done:
        seconds = np.array([ledger[key].seconds for key in done])
        rate = seconds.sum() / sum(run.cost for run in done.values())
        lines.append(f"spent: {seconds.sum() / 3600:.2f} core-hours")
        if todo:
            lines.append(f"left: about {rate * sum(run.cost for run in todo) / 3600:.2f} core-hours at the same speed")
    elif todo:
        lines.append("left: not known before the first run; it is printed while `label-risk run` works")
    return "\n".join(lines)


def _count(runs) -> Counter[tuple[str, str]]:
    return Counter((run.corpus.name, _kind(run)) for run in runs)


def _kind(run: Run) -> str:
    who = "+".join(run.source.annotators)
    return run.source.method if run.source.method in ("gold", "vote") else f"{run.source.method} {who}"
