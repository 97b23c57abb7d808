"""A linear head on frozen embeddings: the encoder reads each corpus once, and a run takes a fraction of a second."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from tqdm.auto import tqdm

from helpers import device as devices
from helpers import places
from helpers.corpora import Corpus
from helpers.students import Student, encoders, packed_bert, training

_ENCODER_BATCH = 64
_HEAD_BATCH = 4096


def train(student: Student, corpus: Corpus, rows: np.ndarray, targets: np.ndarray, *, seed: int) -> np.ndarray:
    """Train a linear head on the embeddings of `rows` and predict the test split; see `helpers.students.train`."""
    vectors = embeddings(student.encoder, corpus, student.max_tokens)

    def logits(rows: np.ndarray) -> torch.Tensor:
        return head(torch.from_numpy(np.asarray(vectors[rows])))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(vectors.shape[1], targets.shape[1])
    training.fit(
        lambda batch: logits(rows[batch]),
        head.parameters(),
        student,
        np.ones(len(rows)),
        targets,
        rng=np.random.default_rng(seed),
    )
    test = corpus.test
    with torch.inference_mode():
        parts = [logits(test[i : i + _HEAD_BATCH]) for i in range(0, len(test), _HEAD_BATCH)]
        return torch.cat(parts).softmax(dim=1).numpy()


def embeddings(encoder: str, corpus: Corpus, max_tokens: int) -> np.ndarray:
    """Mean-pooled, L2-normalised embeddings of every text, float32 (rows, width), mapped from a file in the cache.

    The first call computes them and shows a bar; later ones, of any process, find them.

    Raises
    ------
    UserError
        If the encoder cannot be loaded.
    """
    compute = str(devices.dtype(devices.pick())).removeprefix("torch.")
    name = f"{corpus.fingerprint[:16]}-{encoders.fingerprint(encoder)[:16]}-{max_tokens}-{compute}.npy"
    file = places.cache() / "embeddings" / name
    with encoders.computed_once(file) as part:
        if part:
            _write_embeddings(part, encoder, corpus, max_tokens)
    return np.load(file, mmap_mode="r", allow_pickle=False)


@torch.inference_mode()
def _write_embeddings(file: Path, encoder: str, corpus: Corpus, max_tokens: int) -> None:
    tokens = encoders.token_ids(encoder, corpus, max_tokens)
    pristine, _ = encoders.pristine(encoder, 2)
    device = devices.pick()
    model = copy.deepcopy(pristine).to(device, devices.dtype(device)).eval()
    vectors = np.lib.format.open_memmap(
        file, mode="w+", dtype=np.float32, shape=(len(tokens), model.config.hidden_size)
    )
    order = np.argsort(tokens.lengths, kind="stable")
    with tqdm(total=len(tokens), unit="text", desc=f"embed {corpus.name}") as bar:
        for start in range(0, len(order), _ENCODER_BATCH):
            batch = order[start : start + _ENCODER_BATCH]
            # The sum over the tokens points where their mean does, and only the direction is kept.
            vectors[batch] = F.normalize(_summed(model, [tokens[i] for i in batch]).float()).cpu().numpy()
            bar.update(len(batch))
    vectors.flush()


def _summed(model: nn.Module, texts: list[np.ndarray]) -> torch.Tensor:
    """Sum over a text's tokens of what the encoder says of them, (texts, width)."""
    if packed_bert.handles(model):
        ids, lengths = encoders.pack(texts)
        states = packed_bert.lower(model, ids.to(model.device), lengths, layers=len(model.bert.encoder.layer))
        states = states.cpu() if states.device.type == "mps" else states  # Metal has no such operation
        return torch.segment_reduce(states.float(), "sum", lengths=lengths.to(states.device), axis=0)
    ids, mask = (t.to(model.device) for t in encoders.pad(texts, model.config.pad_token_id or 0))
    states = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
    return (states.float() * mask[:, :, None]).sum(dim=1)
