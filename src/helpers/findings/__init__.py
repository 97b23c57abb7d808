"""One function per finding: a study's finished runs in, numbers for a chart, a table and verdicts out.

    study = studies.load("studies/default.yml")
    finding = findings.degradation(study)

`load` reads the runs once for several findings: what it returns may stand wherever a study may. What is
claimed, and by which rule a verdict falls, is written in `notebooks/findings.yml`; by which rules the
pages advise that claim nothing, in `notebooks/decisions.yml`.
"""

from helpers.findings._controls import controls
from helpers.findings._decision import decision
from helpers.findings._degradation import degradation
from helpers.findings._encoders import encoders
from helpers.findings._ensembling import ensembling
from helpers.findings._filtering import filtering
from helpers.findings._injection import injection
from helpers.findings._instability import instability
from helpers.findings._overview import FINDINGS, overview, verdicts
from helpers.findings._plateau import plateau
from helpers.findings._prevalence import prevalence
from helpers.findings._propagation import propagation
from helpers.findings._remedies import remedies
from helpers.findings._telling import telling
from helpers.findings._unaided import unaided
from helpers.findings.claims import Claim, claims
from helpers.findings.finding import Finding, Part
from helpers.findings.results import Results, load
from helpers.findings.rules import Rules, rules

__all__ = [
    "FINDINGS",
    "Claim",
    "Finding",
    "Part",
    "Results",
    "Rules",
    "claims",
    "controls",
    "decision",
    "degradation",
    "encoders",
    "ensembling",
    "filtering",
    "injection",
    "instability",
    "load",
    "overview",
    "plateau",
    "prevalence",
    "propagation",
    "remedies",
    "rules",
    "telling",
    "unaided",
    "verdicts",
]
