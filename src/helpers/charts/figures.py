"""One chart a page, or two: a `Finding` in, an Altair chart out, each in the module of its page's name.

Interactive charts are as wide as the page (`width="container"`), which Vega-Lite grants to single and
layered charts but not to facets: corpora take turns by a menu. With `static=True`, for a picture, they
stand side by side instead.
"""

from helpers.charts._controls import controls
from helpers.charts._decision import decision
from helpers.charts._degradation import degradation
from helpers.charts._encoders import encoders
from helpers.charts._ensembling import ensembling
from helpers.charts._filtering import choices, filtering
from helpers.charts._injection import injection
from helpers.charts._instability import instability
from helpers.charts._overview import overview
from helpers.charts._plateau import plateau
from helpers.charts._prevalence import more_gold, prevalence
from helpers.charts._propagation import propagation
from helpers.charts._remedies import remedies
from helpers.charts._telling import telling
from helpers.charts._toy_world import toy_accuracy, toy_terms
from helpers.charts._unaided import unaided

#: Finding, or page that advises -> function that draws it.
CHARTS = {
    "degradation": degradation,
    "instability": instability,
    "plateau": plateau,
    "filtering": filtering,
    "ensembling": ensembling,
    "controls": controls,
    "propagation": propagation,
    "decision": decision,
    "prevalence": prevalence,
    "injection": injection,
    "unaided": unaided,
    "telling": telling,
    "remedies": remedies,
    "encoders": encoders,
    "overview": lambda finding, *, static=False: overview(finding.verdicts, static=static),
}
#: Finding and part of it -> function that draws the part.
PARTS = {
    ("filtering", "choices"): choices,
    ("plateau", "random errors"): controls,
    ("prevalence", "more gold"): more_gold,
    ("propagation", "toy accuracy"): toy_accuracy,
    ("propagation", "toy terms"): toy_terms,
}
