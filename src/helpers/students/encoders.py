"""Encoders from disk, and texts as token ids: read once a process, whatever the number of runs.

torch and transformers are imported where they are used: `label-risk run` asks for fingerprints only when there is
nothing to train, and answers before either would have loaded.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock

from helpers import artifacts
from helpers.corpora import Corpus
from helpers.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn


def folder(encoder: str) -> str:
    """What transformers loads for a study's `encoder`: a folder, or a hub id.

    Raises
    ------
    UserError
        If `encoder` is neither an artifact's name nor begins with `hf:`.
    """
    if encoder.startswith("hf:"):
        return encoder.removeprefix("hf:")
    return str(artifacts.fetch(encoder))


@lru_cache(maxsize=16)
def fingerprint(encoder: str) -> str:
    """What identifies the encoder's weights in a run's key; for a hub id that is not a folder, the id itself."""
    if not encoder.startswith("hf:"):
        return artifacts.fingerprint(encoder)
    digest = hashlib.sha256(encoder.encode())
    for file in sorted(Path(folder(encoder)).glob("*")):
        if file.suffix in {".safetensors", ".json", ".txt", ".model"}:
            with file.open("rb") as stream:
                digest.update(file.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def token_ids(encoder: str, corpus: Corpus, max_tokens: int) -> list[np.ndarray]:
    """Token ids of every text of the corpus with the encoder's special tokens, a list of int arrays (tokens,).

    A text is cut after `max_tokens` tokens, or earlier where the encoder's tokenizer says that it reads fewer.
    """
    return _token_ids(encoder, corpus.fingerprint, max_tokens, _Texts(corpus.rows["text"].tolist()))


class _Texts(list):
    """Texts that a cache tells apart by the fingerprint passed beside them, not by their content."""

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Texts)


@lru_cache(maxsize=8)
def _token_ids(encoder: str, corpus_hash: str, max_tokens: int, texts: _Texts) -> list[np.ndarray]:
    tokenizer = load_tokenizer(encoder)
    longest = min(max_tokens, tokenizer.model_max_length)
    # A text may spell out "[SEP]": it is read as letters, never as the mark.
    encoded = tokenizer(list(texts), truncation=True, max_length=longest, split_special_tokens=True)
    return [np.array(ids, dtype=np.int64) for ids in encoded["input_ids"]]


def load_tokenizer(encoder: str):
    """The encoder's tokenizer; a `UserError` says why if there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder(encoder))
    except (OSError, ValueError) as error:
        raise UserError(f"encoder {encoder}: cannot load a tokenizer: {error}") from None


@lru_cache(maxsize=4)
def pristine(encoder: str, n_labels: int) -> "tuple[nn.Module, list[str]]":
    """The encoder as published with a head for `n_labels` classes, and the modules that a new task starts afresh.

    It is read once a process, and shared: train a copy.

    Raises
    ------
    UserError
        If the encoder cannot be loaded for classification.
    """
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder(encoder), num_labels=n_labels, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        raise UserError(f"encoder {encoder}: cannot load it for classification: {error}") from None
    return model, sorted({key.rpartition(".")[0] for key in info["missing_keys"]})


@contextmanager
def computed_once(file: Path) -> Iterator[Path | None]:
    """For a file of the cache: yields where to write it, or None where it is there.

    A second process that asks meanwhile waits for the first. The file appears whole, by a rename, or not at all.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        if file.is_file():
            yield None
            return
        part = file.with_suffix(".part")
        yield part
        part.replace(file)


def pad(texts: list[np.ndarray], padding: int) -> "tuple[Tensor, Tensor]":
    """Token ids padded on the right with the id `padding`, and the mask of what is text: int (texts, longest) each."""
    import torch

    lengths = torch.tensor([len(text) for text in texts])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.full(mask.shape, padding)
    ids[mask] = torch.from_numpy(np.concatenate(texts))
    return ids, mask.long()
