"""Annotators: from texts to label log-probabilities.

`load` turns what a study says of an annotator (see `helpers.annotators.specs`) into an object that scores texts or has
them scored: `Scores` or `Spreads` of `helpers.annotators.scoring`.
"""

from collections.abc import Mapping
from typing import Any

from helpers import artifacts, hub, places
from helpers.annotators import specs
from helpers.annotators.scoring import Scores, Spreads
from helpers.annotators.specs import SHIPPED, name_of
from helpers.corpora import Corpus
from helpers.errors import UserError

__all__ = ["SHIPPED", "check", "load", "name_of", "specs"]


def check(spec: specs.Spec) -> None:
    """Refuse an annotator that is nowhere, before another one works or is paid. Nothing is loaded.

    Raises
    ------
    UserError
        If it is no known name, or its file or folder is not there.
    """
    if isinstance(spec, specs.Existing):
        raise UserError(specs.unknown(spec.name))
    for kind, file in (("gguf", getattr(spec, "gguf", None)), ("replay", getattr(spec, "replay", None))):
        if file is not None and not places.path(file).is_file():
            raise UserError(f"annotator {spec.name}: there is no file {file} ({kind}), as seen from the working folder")
    if isinstance(spec, specs.HuggingFace):
        hub.model(spec.hf)


def load(
    spec: str | Mapping[str, Any] | specs.Spec, *, compute: str | None = None, corpus: Corpus | None = None
) -> Scores | Spreads:
    """Load the annotator that `spec` names; the models of `SHIPPED` are fetched first if need be.

    Parameters
    ----------
    compute
        Number type of a model that computes here; by default what the processor does fastest.
    corpus
        What is to be annotated. Only a replay needs it.

    Raises
    ------
    UserError
        If `spec` names no known model, the model cannot be loaded, a replay has no corpus, a server's key is not in the
        environment, or the labels are ready-made in the corpus's own table.
    """
    spec = specs.parse(spec)
    if isinstance(spec, specs.Replay):
        if corpus is None:
            raise UserError(f"annotator {spec.name}: a replay goes by the row ids of a corpus, and none was named")
        from helpers.annotators.replay import ReplayAnnotator

        return ReplayAnnotator(spec, corpus)
    if isinstance(spec, specs.Ready):
        raise UserError(f"annotator {spec.name}: its labels come with a table, as `ready_made` of the corpus")
    if isinstance(spec, specs.Server):
        from helpers.annotators.server import ServerAnnotator

        return ServerAnnotator(spec)

    from helpers.annotators import gguf
    from helpers.annotators.local import LocalAnnotator

    if isinstance(spec, specs.Shipped):
        file = artifacts.fetch(spec.name) / "model.gguf"
        model_hash = artifacts.fingerprint(spec.name)
        return LocalAnnotator(spec.name, gguf.as_folder(file), model_hash=model_hash, compute=compute)
    if isinstance(spec, specs.Gguf) and places.path(spec.gguf).is_file():
        folder = gguf.as_folder(places.path(spec.gguf))
        return LocalAnnotator(spec.name, folder, model_hash=folder.name, compute=compute)
    if isinstance(spec, specs.HuggingFace):
        return LocalAnnotator(spec.name, hub.model(spec.hf), compute=compute)
    raise UserError(specs.unknown(f"gguf:{spec.gguf}" if isinstance(spec, specs.Gguf) else spec.name))
