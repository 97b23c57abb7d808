"""What a page shows of a finding: chart, table, verdict, and where its numbers come from.

    charts.show(finding)        # interactive, and a picture
    charts.table(finding)
    charts.save(charts.overview(findings.verdicts(study)), "verdicts.svg")

A chart is changed in the module of its page's name, such as `_plateau.py`, and listed in `figures.py`; the look of
all charts in `theme.py`, how they are put on a page in `page.py`.
"""

from helpers.charts.figures import (
    CHARTS,
    PARTS,
    controls,
    decision,
    degradation,
    encoders,
    ensembling,
    filtering,
    injection,
    instability,
    more_gold,
    overview,
    plateau,
    prevalence,
    propagation,
    remedies,
    telling,
    unaided,
)
from helpers.charts.page import provenance, save, show, table, verdict

__all__ = [
    "CHARTS",
    "PARTS",
    "controls",
    "decision",
    "degradation",
    "encoders",
    "ensembling",
    "filtering",
    "injection",
    "instability",
    "more_gold",
    "overview",
    "plateau",
    "prevalence",
    "propagation",
    "provenance",
    "remedies",
    "save",
    "show",
    "table",
    "telling",
    "unaided",
    "verdict",
]
