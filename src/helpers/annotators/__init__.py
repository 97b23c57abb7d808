"""Annotators: from texts to label log-probabilities.

`load` turns what a study says of an annotator into an object with the methods of `helpers.annotations.Annotator`:

=======================  ==================================================================
`smollm2-135m`, …        one of the shipped models, by its name in `artifacts.yml`
`hf:FOLDER-OR-HUB-ID`    a causal language model in transformers' format
`gguf:FILE`              a GGUF file
=======================  ==================================================================
"""

import re
from pathlib import Path

from helpers import artifacts
from helpers.errors import UserError

#: The annotators of the default study, weakest first.
SHIPPED = ("smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")


def name_of(spec: str) -> str:
    """What files and charts call the annotator `spec`: safe as a file name, the same for the same `spec`."""
    kind, colon, rest = spec.partition(":")
    rest = rest if colon else spec
    stem = Path(rest).stem if kind == "gguf" else rest.rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem)


def load(spec: str, *, compute: str | None = None):
    """Load the annotator that `spec` names; the models of `SHIPPED` are fetched first if need be.

    Raises
    ------
    UserError
        If `spec` names no known model, or the model cannot be loaded.
    """
    from helpers.annotators import gguf
    from helpers.annotators.local import LocalAnnotator

    kind, _, rest = spec.partition(":")
    if spec in SHIPPED:
        file = artifacts.fetch(spec) / "model.gguf"
        return LocalAnnotator(spec, gguf.as_folder(file), model_hash=artifacts.fingerprint(spec), compute=compute)
    if kind == "gguf" and Path(rest).is_file():
        folder = gguf.as_folder(Path(rest))
        return LocalAnnotator(name_of(spec), folder, model_hash=folder.name, compute=compute)
    if kind == "hf":
        return LocalAnnotator(name_of(spec), rest, compute=compute)
    raise UserError(
        f"no annotator {spec!r}: name a shipped one ({', '.join(SHIPPED)}), hf:FOLDER-OR-HUB-ID, or gguf:FILE of a "
        "file that exists"
    )
