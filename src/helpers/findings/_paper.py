"""The paper's confirmed figures beside this edition's, and what differs in set-up."""

from functools import cache

import numpy as np
import pandas as pd
import yaml

from helpers import artifacts, places
from helpers.findings._recovery import beyond_gold
from helpers.findings._votes import votes_by_seed
from helpers.findings.claims import claims
from helpers.findings.finding import Part, minus, percent, span
from helpers.findings.results import CorpusResults, Results, Students, paired
from helpers.labels import LabelSource
from helpers.measures.intervals import paired_difference
from helpers.studies import Cell

_MEASURES = {
    "accuracy": "Accuracy of students, %",
    "alpha": "Krippendorff's alpha, times 100",
    "recovered": "Gap to gold closed, %",
}


def _remedies() -> dict[str, str]:
    """What a reader sees for each remedy that `notebooks/paper.yml` names."""
    return {
        "entropy": f"the {100 * _kept():g} % of lowest entropy",
        "agreement": "labels on which all wordings agree",
        "vote": "a vote of students",
        "vote beside gold's": "a vote of students, gold voting too",
    }


@cache
def paper() -> dict:
    """What `notebooks/paper.yml` says."""
    return yaml.safe_load((places.ROOT / "notebooks" / "paper.yml").read_text(encoding="utf-8"))


def beside(results: Results, *, seed: int) -> Part:
    """A row a confirmed figure, with a column for each of the study's corpora, and a paragraph on the set-up.

    A cell is empty where the study has no such runs. The weakest and the strongest annotator are those of the corpus,
    by the gold labels of its training pool. What a remedy closes is the median over annotators whose gap to gold is
    clear, and how many these are.
    """
    if not results.corpora:
        return Part(
            pd.DataFrame(), "No corpus of the study has a gold label for every text, so there is nothing to compare."
        )
    rows = []
    for figure in paper()["figures"]:
        low, *high = (f"{value:g}" for value in figure["value"])
        rows.append(
            {
                "Measure": _MEASURES[figure["measure"]],
                "Labels": f"{figure['labels']}, {_remedies()[figure['by']]}" if "by" in figure else figure["labels"],
                "The paper": f"{low} to {high[0]}" if high else low,
                "Its corpus": figure["corpus"],
                **{one.name: _ours(results, one, figure, seed) for one in results.corpora.values()},
            }
        )
    return Part(pd.DataFrame(rows), _setup(results))


def _ours(results: Results, one: CorpusResults, figure: dict, seed: int) -> str:
    if figure["measure"] == "recovered":
        return _recovered(results, one, figure["by"], seed)
    annotator = None
    if figure["labels"] != "gold":
        if not results.annotators:
            return ""
        annotator = (one.weakest if figure["rank"] == "weakest" else one.strongest)(results.annotators)
    students = one.students(annotator, results.study.sizes_of(one.name)[-1])
    value = students.accuracy if figure["measure"] == "accuracy" else one.alpha(students)
    if not np.isfinite(value):
        return ""
    return minus(f"{percent(value)}") + (f" ({annotator})" if annotator else "")


def _recovered(results: Results, one: CorpusResults, remedy: str, seed: int) -> str:
    """For example `35 (2 of 3)`: the median share of the gap that is closed, and of how many annotators.

    Annotators that the study has no such runs of are not counted.
    """
    shares, tried = [], 0
    for annotator in results.annotators:
        cells = _mended(results, one, annotator, remedy)
        if cells is None:
            continue
        tried += 1
        better, plain, gold = cells
        gap = paired_difference(gold.correct, plain.correct, rng=results.rng(one.name, annotator, seed))
        if gap.sign == 1:
            shares.append((better - plain.accuracy) / (gold.accuracy - plain.accuracy))
    if not tried:
        return ""
    if not shares:
        return "no clear gap"
    return f"{minus(f'{percent(np.median(shares))}')} ({len(shares)} of {tried})"


def _mended(
    results: Results, one: CorpusResults, annotator: str, remedy: str
) -> tuple[float, Students, Students] | None:
    """Accuracy with the remedy, the students without it, and gold's; None where the study has no runs for it.

    The accuracy of a vote beside that of gold students is less what a vote adds to these.
    """
    study = results.study
    if remedy.startswith("vote"):
        n = study.ensembling_size(one.name)
        plain, gold = paired(one.students(annotator, n), one.students(None, n))
        if study.seeds < 2:
            return None
        votes = votes_by_seed(plain, study.seeds)
        if remedy == "vote beside gold's":
            votes = beyond_gold(votes, votes_by_seed(gold, study.seeds), gold)
        return float(votes.mean()), plain, gold
    if remedy == "entropy":
        n = study.filtering.size if study.filtering else 0
        sources = [LabelSource("entropy", (annotator,), _kept())]
    else:
        n = study.ensembling.size if study.ensembling else 0
        wordings = [source for source in study.ensembles if source.who == {annotator}]
        sources = [source for source in wordings if source.method == remedy]
    mended = next((one.cells[cell] for source in sources if (cell := Cell(source, n)) in one.cells), None)
    if mended is None or n not in study.sizes_of(one.name):
        return None
    mended, plain, gold = paired(mended, one.students(annotator, n), one.students(None, n))
    return mended.accuracy, plain, gold


def _kept() -> float:
    """Share of the labels that the claim on filtering is about."""
    return claims()["filtering"].parameters["fraction"]


def _setup(results: Results) -> str:
    """What the paper did, what this study does, and what the two share."""
    theirs, study = paper()["paper"], results.study
    encoder = study.student.encoder
    described = artifacts.registry()[encoder]["about"] if encoder in artifacts.registry() else encoder
    classes = sorted({one.n_classes for one in results.corpora.values()})
    sizes = sorted({study.sizes_of(name)[-1] for name in results.corpora})
    seeds = sorted({one.students(None, study.sizes_of(name)[-1]).seeds for name, one in results.corpora.items()})
    pairs = [(one, annotator) for one in results.corpora.values() for annotator in results.annotators]
    own = sorted(round(100 * float((one.annotated(name)[1] == one.gold).mean())) for one, name in pairs)
    words = [
        f"The paper fine-tunes {theirs['encoder']} on {_list(theirs['corpora'])}, with labels of "
        f"{_list(theirs['annotators'])}, in {theirs['runs']} runs each.",
        f"Study {study.name} trains students of kind {study.student.kind} ({described}) on "
        f"{_list(list(results.corpora))}, of {span(classes)} classes and with {span(sizes)} labels, in "
        f"{span(seeds)} {'runs' if seeds[-1] > 1 else 'run'} each.",
    ]
    if own:
        who = _list(results.annotators)
        several = len(results.annotators) > 1
        words.append(
            f"Its {f'annotators, {who}, are themselves' if several else f'annotator, {who}, is itself'} right on "
            f"{span(own)} % of the test texts."
        )
    tried = {f"{part.size}" for part in (study.filtering, study.ensembling) if part}
    if tried:
        words.append(
            f"Remedies are tried with {' and '.join(sorted(tried))} labels, in {study.seeds} "
            f"{'runs' if study.seeds > 1 else 'run'} each."
        )
    shared = [
        f"{what} ({', '.join(both)})"
        for what, a, b in [
            ("corpora", theirs["corpora"], list(results.corpora)),
            ("annotators", theirs["annotators"], results.annotators),
            ("encoder", [theirs["encoder"]], [encoder]),
        ]
        if (both := [name for name in b if name.casefold() in map(str.casefold, a)])
    ]
    words.append(
        f"Corpora, annotators and encoder {'are all others' if not shared else 'are others but for ' + _list(shared)}: "
        "compare directions and not levels."
    )
    words.append(f"The paper's figures are from {paper()['provenance']}. What could not be confirmed is not shown.")
    return " ".join(words)


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
