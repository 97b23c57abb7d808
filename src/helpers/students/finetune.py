"""Fine-tuning of a whole encoder, made fast by wasting nothing.

- Encoders of the BERT family compute in `packed_bert`: no padding, no token that nobody reads. Others compute as
  transformers does, with texts of like length in a batch.
- While training, the token embeddings are cut down to the tokens of the training texts. Adam without weight decay
  leaves a row alone that never got a gradient, so the result is the same, and the optimiser moves a fraction of the
  memory.
- Weights are read from disk once a process; every run starts from a copy.
- Where the processor is faster in bfloat16, the model computes in it; the optimiser moves float32 masters, all of
  them in one vector (`training.MasterWeights`).
"""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from helpers import device as devices
from helpers.corpora import Corpus
from helpers.students import Student, encoders, packed_bert, training


def train(student: Student, corpus: Corpus, rows: np.ndarray, targets: np.ndarray, *, seed: int) -> np.ndarray:
    """Fine-tune the encoder on `rows` and predict the test split; see `helpers.students.train`."""
    tokens = encoders.token_ids(student.encoder, corpus, student.max_tokens)
    texts = [tokens[row] for row in rows]
    pristine, new_modules = encoders.pristine(student.encoder, targets.shape[1])
    # The head, and dropout inside torch, draw from the global generator: the caller's is put back afterwards.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        model, vocabulary = _with_vocabulary_of(texts, pristine)
        for name in new_modules:
            model._init_weights(model.get_submodule(name))
        device = devices.pick()
        model.to(device).train()
        texts = [np.searchsorted(vocabulary, text) for text in texts]
        training.fit(
            lambda batch: _logits(model, [texts[i] for i in batch]),
            model.parameters(),
            student,
            [len(text) for text in texts],
            targets,
            rng=np.random.default_rng(seed),
            compute=devices.dtype(device),
        )
    _restore_vocabulary(model, vocabulary, pristine)
    model.eval()
    texts = [tokens[row] for row in corpus.test]
    return training.predict(lambda batch: _logits(model, [texts[i] for i in batch]), [len(text) for text in texts])


def _logits(model: nn.Module, texts: list[np.ndarray]) -> Tensor:
    """(texts, labels)."""
    device = model.device
    if packed_bert.handles(model):
        ids, lengths = encoders.pack(texts)
        return packed_bert.logits(model, ids.to(device), lengths)
    ids, mask = encoders.pad(texts, model.config.pad_token_id or 0)
    return model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits


def _with_vocabulary_of(texts: list[np.ndarray], pristine: nn.Module) -> tuple[nn.Module, np.ndarray]:
    """A copy of the encoder that knows the tokens of `texts` only, and their ids in ascending order.

    Ids up to the padding's are kept as well and so keep their place: some encoders count positions by comparing ids
    with the padding's.
    """
    padding = np.arange((pristine.config.pad_token_id or 0) + 1)
    vocabulary = np.unique(np.concatenate([padding, *texts]))
    table = pristine.get_input_embeddings()
    cut = nn.Embedding(len(vocabulary), table.embedding_dim, padding_idx=table.padding_idx)
    cut.weight.data.copy_(table.weight.data[vocabulary])
    return copy.deepcopy(pristine, {id(table): cut}), vocabulary


def _restore_vocabulary(model: nn.Module, vocabulary: np.ndarray, pristine: nn.Module) -> None:
    """Give the model back all tokens: those of `vocabulary` as they are now, the others as they were."""
    cut = model.get_input_embeddings()
    weight = pristine.get_input_embeddings().weight.detach().to(cut.weight, copy=True)
    weight[vocabulary] = cut.weight.detach()
    cut.weight = nn.Parameter(weight)
