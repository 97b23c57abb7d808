"""The shipped results: pages say what is in the ledger, and say something else when it does."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import findings, needs, places, studies
from helpers.ledger import Ledger, compact

CORPUS, ANNOTATOR = "amazon", "qwen2.5-coder-0.5b"


@pytest.fixture(scope="module")
def study():
    return studies.load("studies/default.yml")


@pytest.fixture(scope="module")
def said(study):
    """What every page says of the shipped results on one corpus and annotator."""
    return {name: say(name, findings.load(study, corpus=CORPUS, annotators=ANNOTATOR)) for name in findings.FINDINGS}


def say(name, results):
    """Summary, sentences, numbers of chart and tables, and verdict of one page."""
    found = findings.FINDINGS[name](results)
    parts = [(part.said, part.listed) for part in found.parts.values()]
    tables = [found.frame, found.table]
    for part in found.parts.values():
        tables += [part.table, *([] if part.frame is None else [part.frame])]
    numbers = [table.to_csv() for table in tables]
    return {"words": [found.summary, *parts], "numbers": numbers, "verdict": found.verdicts["verdict"].item()}


def right(one, rng):
    return np.eye(len(one.labels))[one.gold[one.test]]


def wrong(one, rng):
    return np.roll(right(one, rng), 1, axis=1)


def restless(one, rng):
    """Right on three texts of five, other ones for every seed."""
    return np.where(rng.random((len(one.test), 1)) < 0.6, right(one, rng), wrong(one, rng))


def obedient(one, rng):
    """What the annotator says itself."""
    table = studies.load("studies/default.yml").annotations(one)[ANNOTATOR]
    return table.probs[one.test]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method", "answers", "verdict"),
    [
        ("degradation", "gold", right, "reproduced"),
        ("degradation", "gold", wrong, "reversed"),
        ("instability", "gold", restless, "reversed"),
        ("instability", "annotator", restless, "reproduced"),
        ("plateau", "gold", wrong, "reversed"),
        ("plateau", "annotator", wrong, "reproduced"),
        ("filtering", "entropy", right, "reproduced"),
        ("filtering", "entropy", wrong, "reversed"),
        ("ensembling", "annotator", restless, "reproduced"),
        ("controls", "shuffled", right, "reproduced"),
        ("controls", "shuffled", wrong, "reversed"),
        ("propagation", "annotator", obedient, "reproduced"),
    ],
)
def test_every_page_that_rests_on_a_result_follows_it(study, said, tmp_path, name, method, answers, verdict):
    """In a copy of the ledger the students of one label source answer otherwise: these pages change, and no other.

    All that rest on it have other numbers; on the page that is about it, the words and the verdict are others too.
    """
    rng = np.random.default_rng(0)
    sizes = {"filtering": study.filtering.size, "ensembling": study.ensembling_size(CORPUS)}
    n = sizes.get(name, study.sizes_of(CORPUS)[-1])
    chosen = [
        run
        for run in study.runs(CORPUS)
        if (run.source.method, run.n, run.drawn) == (method, n, 0)
        and run.source.annotators in ((), (ANNOTATOR,))
        and run.source.keep in (1, findings.claims()["filtering"].parameters["fraction"])
    ]
    cells = {run.cell for run in chosen}  # one, but of random errors one a draw
    assert len(chosen) == sum(len(study.seeds_of(CORPUS, cell)) for cell in cells)
    records = dict(Ledger().committed)
    for run in chosen:
        records[run.key] = replace(records[run.key], probs=answers(run.corpus, rng).astype(np.float16), digest="")
    (tmp_path / "results").mkdir()
    compact(records.values(), tmp_path / "results" / "default.parquet")
    copy = Ledger(results=tmp_path / "results", own=tmp_path / "own")
    assert len(copy.committed) == len(records)
    changed = findings.load(study, corpus=CORPUS, annotators=ANNOTATOR, ledger=copy)
    needed = needs.cells(study, CORPUS)
    for page in findings.FINDINGS:
        now = say(page, changed)
        if cells & needed[page]:
            assert now["numbers"] != said[page]["numbers"], page
        else:
            assert now == said[page], page
        if page == name:
            assert now["words"] != said[page]["words"]
            assert now["verdict"] == verdict


@pytest.mark.parametrize("file", ["default", "base", "injection"])
def test_the_shipped_studies_are_whole(file):
    """Every run of theirs is in the committed ledger, so the book needs no training."""
    ledger = Ledger(own=places.ROOT / "none")
    assert not [run for key, run in studies.load(f"studies/{file}.yml").runs_by_key().items() if key not in ledger]


def test_what_is_shipped_stays_small():
    shipped = [file for folder in ("results", "annotations") for file in (places.ROOT / folder).rglob("*")]
    assert sum(file.stat().st_size for file in shipped) < 40e6
