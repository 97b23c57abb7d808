"""Encoders from disk, read once a process, and texts as token ids, made once a machine, whatever the number of runs.

torch and transformers are imported where they are used: `label-risk run` asks for fingerprints only when there is
nothing to train, and answers before either would have loaded.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from filelock import FileLock

from helpers import artifacts, hub, places
from helpers.corpora import Corpus
from helpers.errors import NOT_LOADED, UserError, in_one_line

if TYPE_CHECKING:
    from torch import Tensor, nn

_TEXTS_PER_CHUNK = 4096
#: Artifacts that are encoders.
ENCODERS = ("minilm", "mpnet")


def folder(encoder: str) -> str:
    """Where the encoder that a study names is: a folder, or a hub id with or without a revision (`helpers.hub`).

    Raises
    ------
    UserError
        If `encoder` is neither an artifact's name nor begins with `hf:`, or is the path of no folder.
    """
    if encoder.startswith("hf:"):
        return hub.model(encoder.removeprefix("hf:"))
    if encoder not in ENCODERS:
        raise UserError(
            f"no encoder is called {encoder!r}: the shipped ones are {', '.join(ENCODERS)}; one of a folder or of the "
            f"hub is written `hf:{encoder}`"
        )
    return str(artifacts.fetch(encoder))


@lru_cache(maxsize=16)
def fingerprint(encoder: str) -> str:
    """What identifies the encoder's weights in a run's key; of the hub's, id and revision as the study names them."""
    if not encoder.startswith("hf:"):
        return artifacts.fingerprint(encoder)
    digest = hashlib.sha256(encoder.encode())
    files = sorted(Path(folder(encoder)).glob("*"))
    read = {".safetensors", ".json", ".txt", ".model"}
    if not any(file.suffix == ".safetensors" for file in files):
        read.add(".bin")  # then transformers reads these
    for file in files:
        if file.suffix in read:
            with file.open("rb") as stream:
                digest.update(file.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


class TokenIds(Sequence[np.ndarray]):
    """Token ids of every text of a corpus, mapped from a file: int32 arrays (tokens,), in the corpus's order.

    Attributes
    ----------
    lengths
        Number of tokens of each text, int array (texts,).
    """

    def __init__(self, file: Path):
        column = pa.ipc.open_file(pa.memory_map(str(file))).read_all()["ids"]
        self._chunks = [(chunk.offsets.to_numpy(), chunk.values.to_numpy()) for chunk in column.chunks]
        self.lengths = np.concatenate([np.diff(offsets) for offsets, _ in self._chunks])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> np.ndarray:
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        chunk, place = divmod(row % len(self), _TEXTS_PER_CHUNK)
        offsets, values = self._chunks[chunk]
        return values[offsets[place] : offsets[place + 1]]


def token_ids(encoder: str, corpus: Corpus, max_tokens: int) -> TokenIds:
    """Token ids of every text of the corpus with the encoder's special tokens.

    The first call tokenises the corpus, a part at a time; later ones, of any process, find the file in the cache. A
    text is cut after `max_tokens` tokens, or earlier where the encoder reads fewer.
    """
    cut = longest(encoder, max_tokens)
    name = f"{corpus.fingerprint[:16]}-{fingerprint(encoder)[:16]}-{cut}.arrow"
    file = places.cache() / "tokens" / name
    with computed_once(file) as part:
        if part:
            _write_token_ids(part, encoder, corpus, cut)
    return _open_token_ids(file)


#: Opened once a process. A file of the cache never changes.
_open_token_ids = lru_cache(maxsize=8)(TokenIds)


def _write_token_ids(file: Path, encoder: str, corpus: Corpus, cut: int) -> None:
    tokenizer = load_tokenizer(encoder)
    texts = corpus.rows["text"].to_numpy()
    schema = pa.schema({"ids": pa.list_(pa.int32())})
    with pa.ipc.new_file(str(file), schema) as sink:
        for start in range(0, len(texts), _TEXTS_PER_CHUNK):
            # A text may spell out "[SEP]": it is read as letters, never as the mark.
            encoded = tokenizer(
                texts[start : start + _TEXTS_PER_CHUNK].tolist(),
                truncation=True,
                max_length=cut,
                split_special_tokens=True,
            )
            sink.write(pa.record_batch([pa.array(encoded["input_ids"], schema.field("ids").type)], schema))


def load_tokenizer(encoder: str):
    """The encoder's tokenizer; a `UserError` says why if there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(**hub.pretrained(folder(encoder)))
    except NOT_LOADED as error:
        raise UserError(f"encoder {encoder}: cannot load a tokenizer: {in_one_line(error)}") from None


@lru_cache(maxsize=8)
def longest(encoder: str, max_tokens: int) -> int:
    """Tokens of a text that a student reads: `max_tokens`, or fewer where the encoder has no positions for more.

    Not every tokenizer knows how many that are.

    Raises
    ------
    UserError
        If its tokenizer cannot be loaded, or its configuration is that of no encoder.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    most = min(max_tokens, load_tokenizer(encoder).model_max_length)
    try:
        with torch.device("meta"):  # its modules, without a weight
            model = AutoModelForSequenceClassification.from_config(
                AutoConfig.from_pretrained(**hub.pretrained(folder(encoder)))
            )
    except NOT_LOADED as error:
        raise UserError(f"encoder {encoder}: cannot load it for classification: {in_one_line(error)}") from None
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # Encoders like RoBERTa count from the one behind the padding's.
            before = 0 if module.padding_idx is None else module.padding_idx + 1
            most = min(most, module.num_embeddings - before)
    return most


def width(encoder: str) -> int:
    """Numbers in a hidden state of the encoder, 0 where its configuration does not say.

    Raises
    ------
    UserError
        If its configuration cannot be read.
    """
    from transformers import AutoConfig

    try:
        return getattr(AutoConfig.from_pretrained(**hub.pretrained(folder(encoder))), "hidden_size", 0)
    except NOT_LOADED as error:
        raise UserError(f"encoder {encoder}: cannot read its configuration: {in_one_line(error)}") from None


@lru_cache(maxsize=4)
def pristine(encoder: str, n_labels: int) -> "tuple[nn.Module, list[str]]":
    """The encoder as published with a head for `n_labels` classes, and the modules that a new task starts afresh.

    These are what the checkpoint lacks, mostly the head; of one that was trained for classification, the whole head.

    It is read once a process, and shared: train a copy.

    Raises
    ------
    UserError
        If the encoder cannot be loaded for classification.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification
    from transformers import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        # A file of pickled weights is read by torch's restricted reader, which runs nothing that is in it.
        model, info = AutoModelForSequenceClassification.from_pretrained(
            **hub.pretrained(folder(encoder)),
            num_labels=n_labels,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            weights_only=True,
        )
    except (*NOT_LOADED, SafetensorError) as error:
        raise UserError(f"encoder {encoder}: cannot load it for classification: {in_one_line(error)}") from None
    body, head = f"{model.base_model_prefix}.", set()
    for name, module in model.named_modules():
        if not f"{name}.".startswith(body) and next(module.parameters(recurse=False), None) is not None:
            head.add(name)
    lacking = {key.rpartition(".")[0] for key in info["missing_keys"]}
    # A checkpoint that lacks nothing of the head was trained for another task, whose answers are not this one's; where
    # the numbers of classes differ it could not be kept anyway.
    return model, sorted(lacking if lacking & head else lacking | head)


def check(encoder: str) -> None:
    """Refuse an encoder that cannot be loaded, or cannot read two texts of unequal length at once.

    Raises
    ------
    UserError
        With what the library says of it.
    """
    import torch

    tokenizer = load_tokenizer(encoder)
    model, _ = pristine(encoder, 2)
    try:
        texts = [np.array(ids, dtype=np.int32) for ids in tokenizer(["a", "a a a"])["input_ids"]]
        with torch.inference_mode():
            ids, mask = pad(texts, model.config.pad_token_id or 0)
            model(input_ids=ids, attention_mask=mask)
    except NOT_LOADED as error:
        raise UserError(f"encoder {encoder}: cannot read texts with it: {in_one_line(error)}") from None


@contextmanager
def computed_once(file: Path) -> Iterator[Path | None]:
    """For a file of the cache: yields where to write it (`places.whole`), or None where it is there.

    A second process that asks meanwhile waits for the first.
    """
    if file.is_file():
        yield None
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        if file.is_file():
            yield None
            return
        for left in file.parent.glob(f".{file.name}.*"):  # of a process that was killed
            left.unlink()
        with places.whole(file) as part:
            yield part


def pack(texts: list[np.ndarray]) -> "tuple[Tensor, Tensor]":
    """Token ids end to end, int (tokens,), and the number of each text's, int (texts,)."""
    import torch

    return torch.from_numpy(np.concatenate(texts)), torch.tensor([len(text) for text in texts])


def pad(texts: list[np.ndarray], padding: int) -> "tuple[Tensor, Tensor]":
    """Token ids padded on the right with the id `padding`, and the mask of what is text: int (texts, longest) each."""
    import torch

    lengths = torch.tensor([len(text) for text in texts])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.full(mask.shape, padding)
    ids[mask] = torch.from_numpy(np.concatenate(texts)).long()
    return ids, mask.long()
