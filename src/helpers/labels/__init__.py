"""Label sources: pure functions from gold and annotations to training targets.

A source says whose labels a student gets and which texts it sees. A new mitigation is one function decorated with
`method`: it takes a `Subset` and the `LabelSource`, and returns the rows it keeps, with a target distribution for each.

- `source`        what a source is; `gold` and one `annotator`
- `controls`      gold with random errors at an annotator's rate
- `filters`       a share of one annotator's labels
- `combinations`  one label a text from several annotators or wordings
- `corrections`   all of one annotator's labels, changed
- `tables`        which file holds a table that a source names
"""

from helpers.labels import combinations, controls, corrections, filters
from helpers.labels.source import (
    METHODS,
    NEED_GOLD,
    NEED_PROBABILITIES,
    SPEND_GOLD,
    LabelSource,
    Method,
    Subset,
    Targets,
    annotator_of,
    llm_calls,
    make,
    method,
)

__all__ = [
    "METHODS",
    "NEED_GOLD",
    "NEED_PROBABILITIES",
    "SPEND_GOLD",
    "LabelSource",
    "Method",
    "Subset",
    "Targets",
    "annotator_of",
    "combinations",
    "controls",
    "corrections",
    "filters",
    "llm_calls",
    "make",
    "method",
]
