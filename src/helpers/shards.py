"""Annotation by many workers: the parts of a table as tasks of a pool.

A worker loads an annotator once and keeps it. Numbers depend on the kind of machine (processor, number type, versions),
and a table says of one kind that it made it, so workers of another kind are refused.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from helpers import annotating, annotators, pools
from helpers.annotators.scoring import Part, Scored, Scores
from helpers.annotators.specs import Spec
from helpers.errors import UserError
from helpers.pools import Pool
from helpers.prompts import Prompt


class RemoteAnnotator:
    """An annotator that is loaded by the workers of a pool, and not here.

    Parameters
    ----------
    spec
        What `annotators.load` understands, where the workers are.
    """

    def __init__(self, spec: str | Spec, pool: Pool):
        self.spec, self.name, self._pool = spec, annotators.name_of(spec), pool

    def use(self, prompt: Prompt) -> None:
        """Prepare for one prompt; the first worker that answers sets the kind of machine."""
        self._prompt = prompt
        self._provenance = self._pool.submit(_provenance, self.spec, prompt).result()

    def lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Length of each text in the annotator's own unit, int array (texts,)."""
        return self._pool.submit(_lengths, self.spec, self._prompt, list(texts)).result()

    def provenance(self) -> dict:
        """What another person needs to get the same numbers, as the workers say it."""
        return self._provenance

    def spread(self, parts: Sequence[Part]) -> Iterator[tuple[int, Scored]]:
        """Position and scores of each part, as they arrive.

        Raises
        ------
        UserError
            If a worker is of another kind than the first that answered.
        """
        known = self.spec, self._prompt, self._provenance
        for number, future in pools.flow(self._pool, ((i, _score, (*known, part)) for i, part in enumerate(parts))):
            yield number, future.result()


# --- what workers do


def _provenance(spec: str | Spec, prompt: Prompt) -> dict:
    return _ready(spec, prompt).provenance()


def _lengths(spec: str | Spec, prompt: Prompt, texts: list[str]) -> np.ndarray:
    return _ready(spec, prompt).lengths(texts)


def _score(spec: str | Spec, prompt: Prompt, expected: dict, part: Part) -> Scored:
    annotator = _ready(spec, prompt)
    here = _flat(annotator.provenance())
    other = [
        f"{what} {here.get(what)} and not {value}" for what, value in _flat(expected).items() if here.get(what) != value
    ]
    if other:
        raise UserError(
            f"{annotator.name}: a worker has {', '.join(other)}. A table is made on machines of one kind: stop the "
            "workers of the other kind, and the same command goes on; LABEL_RISK_COMPUTE sets the number type"
        )
    return annotating.score(annotator, part, len(prompt.labels))


def _flat(provenance: dict) -> dict:
    """All that workers must have in common, so not the number of cores: each computes with one."""
    flat = {key: value for key, value in provenance.items() if key != "machine"} | provenance.get("machine", {})
    return {key: value for key, value in flat.items() if key != "cores"}


@lru_cache(maxsize=1)
def _ready(spec: str | Spec, prompt: Prompt) -> Scores:
    """The annotator, prepared for one prompt: the cache has one entry, so it holds the prompt that was used last."""
    annotator = _loaded(spec)
    _ready.cache_clear()  # should this prompt fail, nobody knows what the annotator is prepared for
    annotator.use(prompt)
    return annotator


#: The annotator that is loaded.
_in_use: dict[str | Spec, Scores] = {}


def _loaded(spec: str | Spec) -> Scores:
    if spec not in _in_use:
        # The one before goes first: there may not be room for two.
        _ready.cache_clear()
        _in_use.clear()
        _in_use[spec] = annotators.load(spec)
    return _in_use[spec]
