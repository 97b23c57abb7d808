"""Which table of annotations a name in a label source stands for."""

from dataclasses import replace

import numpy as np

from helpers import annotations, prompts
from helpers.annotations import CROSSFIT, Annotations
from helpers.annotators.specs import Spec
from helpers.corpora import Corpus
from helpers.labels.source import annotator_of
from helpers.prompts import Prompt


def wording(corpus: Corpus, table: str, default: str) -> Prompt:
    """The wording of `NAME` (the default one), `NAME@WORDING`, or of the second opinion `NAME@WORDING-crossfit`."""
    name = table.partition("@")[2] or default
    prompt = prompts.render(corpus, name.removesuffix(CROSSFIT))
    return replace(prompt, name=name)


def lookup(
    corpus: Corpus, table: str, default: str, *, rows: np.ndarray | None = None, spec: Spec | None = None
) -> Annotations:
    """Look the table up; see `helpers.annotations.lookup`."""
    return annotations.lookup(corpus, annotator_of(table), wording(corpus, table, default), rows=rows, spec=spec)
