"""Which runs of a study each finding is made of."""

from helpers.labels import LabelSource
from helpers.studies import Cell, Run, Study


def cells(study: Study, corpus: str) -> dict[str, set[Cell]]:
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
            # Beside it stands a student of the strongest annotator for no more calls: one of these.
            if more := study.affordable(corpus, source):
                among = [name for name in study.annotator_names if name in source.who]
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


def keys(study: Study, runs: dict[str, Run]) -> dict[str, set[str]]:
    """Finding -> keys of the runs among `runs` (key -> run) that it needs; none of a corpus where it is not judged."""
    found: dict[str, set[str]] = {}
    known = {run.corpus.name: run.corpus for run in runs.values()}
    for name, corpus in known.items():
        for finding, wanted in cells(study, name).items():
            found.setdefault(finding, set())
            if corpus.fully_gold and (finding != "propagation" or corpus.votes is not None):
                found[finding] |= {key for key, run in runs.items() if run.corpus.name == name and run.cell in wanted}
    return found
