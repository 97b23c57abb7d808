"""All findings at a glance."""

from collections.abc import Iterable

import pandas as pd

from helpers.findings._controls import controls
from helpers.findings._degradation import degradation
from helpers.findings._ensembling import ensembling
from helpers.findings._filtering import filtering
from helpers.findings._instability import instability
from helpers.findings._materials import asked, materials
from helpers.findings._paper import beside
from helpers.findings._plateau import plateau
from helpers.findings._propagation import propagation
from helpers.findings.claims import claims
from helpers.findings.finding import VERDICT_COLUMNS, Finding, counted
from helpers.findings.results import Results, load
from helpers.ledger import Ledger
from helpers.studies import Study

_FUNCTIONS = (degradation, instability, plateau, filtering, ensembling, controls, propagation)

#: Name -> function, in the order of `notebooks/findings.yml`. A new finding is an entry there, a module like its
#: neighbours, and its function in the line above.
FINDINGS = {name: {f.__name__: f for f in _FUNCTIONS}[name] for name in claims()}


def overview(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
) -> Finding:
    """Every finding's verdict on every corpus and annotator.

    Parameters are those of `degradation`. Findings get the parameters of `notebooks/findings.yml`. One that
    the study has no runs for has no rows.

    Returns
    -------
    Finding
        `frame` and `verdicts` hold the verdicts of all findings, `variants` their variants; the table has a row
        a corpus and annotator, and a column a finding: its verdict and its effect. `listed` has a sentence
        a finding. The part "paper" has the paper's confirmed figures beside this study's, "materials" the corpora in
        numbers and how students are trained, "asked" how probable labels are among other answers.

    Raises
    ------
    UserError
        If a name is unknown, or runs are not in the ledger.
    """
    results = load(study, corpus=corpus, annotators=annotators, ledger=ledger)
    found = [function(results, seed=seed, **claims()[name].parameters) for name, function in FINDINGS.items()]
    verdicts, variants = _joined(f.verdicts for f in found), _joined(f.variants for f in found)
    # Where no corpus has what the claims take, the summary says so once.
    listed = tuple((f.claim.title, _sentence(f)) for f in found) if results.corpora else ()
    parts = {"paper": beside(results, seed=seed), "materials": materials(results), "asked": asked(results)}
    table, summary = _table(verdicts), _summary(results)
    return Finding("overview", verdicts, table, verdicts, summary, results.provenance, variants, parts, listed)


def verdicts(
    study: Study | Results,
    *,
    corpus: str | list[str] = "all",
    annotators: str | list[str] = "all",
    ledger: Ledger | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """The verdicts of `overview`, and then the variants: the columns of `Finding.verdicts`."""
    found = overview(study, corpus=corpus, annotators=annotators, ledger=ledger, seed=seed)
    return _joined([found.verdicts, found.variants])


def _summary(results: Results) -> str:
    said = []
    if without := results.without_gold:
        said.append(
            f"The claims take a gold label for every text, which not all have of {', '.join(without)}. "
            "What can be said without is on the pages on decisions, on shares and on what labels show by themselves."
        )
    if results.corpora:
        said.append("Claim by claim, where a cell is a corpus and an annotator:")
    return " ".join(said)


def _sentence(found: Finding) -> str:
    """The verdicts of one finding counted, and those of what measures the same otherwise."""
    if not len(found.verdicts):
        return found.summary
    said = counted(found.verdicts)
    others = {name: found.variants[found.variants["variant"] == name] for name in found.claim.beside}
    if beside := [f"{name}: {counted(cells)}" for name, cells in others.items() if len(cells)]:
        said += f" ({'; '.join(beside)})"
    return f"{said}."


def _joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    some = [frame for frame in frames if len(frame)]
    return pd.concat(some, ignore_index=True) if some else pd.DataFrame(columns=VERDICT_COLUMNS)


def _table(verdicts: pd.DataFrame) -> pd.DataFrame:
    rows: dict[tuple[str, str], dict] = {}
    for row in verdicts.itertuples():
        claim = claims()[row.finding]
        cell = rows.setdefault((row.corpus, row.annotator), {"Corpus": row.corpus, "Annotator": row.annotator})
        effect = "" if pd.isna(row.effect) else f" ({claim.shown(row.effect)})"
        cell[claim.title] = f"{row.verdict}{effect}"
    columns = ["Corpus", "Annotator", *(claim.title for claim in claims().values())]
    table = pd.DataFrame(list(rows.values()), columns=columns)
    # A finding that judged nothing would be an empty column.
    return table.dropna(axis=1, how="all").fillna("")
