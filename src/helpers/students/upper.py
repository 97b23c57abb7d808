"""The upper layers of an encoder, trained on cached states of the lower ones, which stay as they were published.

The lower layers read each corpus once, whatever the number of runs; a run then costs a small part of fine-tuning the
whole encoder. They compute without dropout, and what they say is fixed: `benchmarks/` has what that costs in accuracy.
"""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from helpers import device as devices
from helpers import places
from helpers.corpora import Corpus
from helpers.errors import UserError
from helpers.students import Student, encoders, packed_bert, training

_LOWER_BATCH = 64
_TEST_BATCH = 256


def train(student: Student, corpus: Corpus, rows: np.ndarray, targets: np.ndarray, *, seed: int) -> np.ndarray:
    """Train the highest `student.layers` layers and the head on `rows` and predict the test split.

    Raises
    ------
    UserError
        If the encoder is not of the BERT family, or has no more than `student.layers` layers.
    """
    pristine, new_modules = encoders.pristine(student.encoder, targets.shape[1])
    check(student, pristine)
    states = States(student, corpus)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        model = _with_own_upper_layers(pristine, student.layers)
        for name in new_modules:
            model._init_weights(model.get_submodule(name))
        device = devices.pick()
        trained = nn.ModuleList([*model.bert.encoder.layer[-student.layers :], model.bert.pooler, model.classifier])
        trained.to(device)
        model.train()

        def logits(rows: np.ndarray) -> Tensor:
            lengths = torch.from_numpy(states.lengths[rows])
            return packed_bert.upper(model, states[rows].to(device), lengths, layers=student.layers)

        training.fit(
            lambda batch: logits(rows[batch]),
            trained.parameters(),
            student,
            states.lengths[rows],
            targets,
            rng=np.random.default_rng(seed),
            compute=devices.dtype(device),
        )
    model.eval()
    return training.predict(
        lambda batch: logits(corpus.test[batch]), states.lengths[corpus.test], batch_size=_TEST_BATCH
    )


def check(student: Student, model: nn.Module) -> None:
    """Refuse an encoder that is not of the BERT family, or has too few layers.

    Raises
    ------
    UserError
        If it is one.
    """
    if not packed_bert.handles(model):
        raise UserError(
            f"encoder {student.encoder}: students of kind `upper` need a BERT model, and this is a "
            f"{type(model).__name__}; use `kind: finetune`"
        )
    if student.layers >= len(model.bert.encoder.layer):
        raise UserError(
            f"encoder {student.encoder} has {len(model.bert.encoder.layer)} layers: `layers` must be fewer, and is "
            f"{student.layers}; to train them all use `kind: finetune`"
        )


def _with_own_upper_layers(pristine: nn.Module, layers: int) -> nn.Module:
    """A copy of the encoder that shares with `pristine` what is not trained."""
    shared = [pristine.bert.embeddings, *pristine.bert.encoder.layer[:-layers]]
    return copy.deepcopy(pristine, {id(module): module for module in shared})


class States:
    """What the lower layers say of every token of a corpus, mapped from a file in the cache.

    The first use computes them and shows a bar; later ones, of any process, find them.

    Attributes
    ----------
    lengths
        Number of tokens of each text, int array (rows,).
    """

    def __init__(self, student: Student, corpus: Corpus):
        tokens = encoders.token_ids(student.encoder, corpus, student.max_tokens)
        self.lengths = tokens.lengths
        self._end = self.lengths.cumsum()
        self._dtype = devices.dtype(devices.pick())
        what = f"{corpus.fingerprint[:16]}-{encoders.fingerprint(student.encoder)[:16]}-{student.max_tokens}"
        compute = str(self._dtype).removeprefix("torch.")
        file = places.cache() / "states" / f"{what}-below{student.layers}-{compute}.npy"
        with encoders.computed_once(file) as part:
            if part:
                self._write(part, student, corpus, tokens)
        self._states = np.load(file, mmap_mode="r", allow_pickle=False)

    def __getitem__(self, rows: np.ndarray) -> Tensor:
        """States of the texts at `rows` end to end, (tokens, width)."""
        found = np.concatenate([self._states[self._end[row] - self.lengths[row] : self._end[row]] for row in rows])
        return torch.from_numpy(found).view(self._dtype)

    @torch.inference_mode()
    def _write(self, file: Path, student: Student, corpus: Corpus, tokens: encoders.TokenIds) -> None:
        device = devices.pick()
        model, _ = encoders.pristine(student.encoder, 2)
        model = copy.deepcopy(model).to(device, self._dtype).eval()
        layers = len(model.bert.encoder.layer) - student.layers
        # numpy has no bfloat16: bytes of its size stand for it.
        kind = np.int16 if self._dtype == torch.bfloat16 else np.float32
        shape = (int(self.lengths.sum()), model.config.hidden_size)
        states = np.lib.format.open_memmap(file, mode="w+", dtype=kind, shape=shape)
        order = np.argsort(self.lengths, kind="stable")
        with tqdm(total=len(tokens), unit="text", desc=f"lower layers: {corpus.name}") as bar:
            for start in range(0, len(order), _LOWER_BATCH):
                batch = order[start : start + _LOWER_BATCH]
                ids, lengths = encoders.pack([tokens[row] for row in batch])
                found = packed_bert.lower(model, ids.to(device), lengths, layers=layers).cpu()
                found = (found.view(torch.int16) if kind is np.int16 else found).numpy()
                for row, part in zip(batch, np.split(found, lengths.cumsum(0)[:-1].tolist()), strict=True):
                    states[self._end[row] - len(part) : self._end[row]] = part
                bar.update(len(batch))
        states.flush()
