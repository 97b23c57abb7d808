"""The forward pass of `BertForSequenceClassification` without wasted arithmetic: same weights, same function.

- Texts lie end to end, so no product is spent on padding; only attention, a small part of the work, sees a padded view.
- The classifier reads the first token alone, so in the last layer only first tokens go through the query, the attention
  output and the feed-forward block.
- Query, key and value are one product instead of three.
- Shapes are rounded up to a few sizes, so that a CPU compiles its kernels once and not at every batch.
- On a CPU dropout compares 16 random bits an element with a threshold instead of drawing Bernoulli variables.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification

#: What the number of tokens in a batch, and of slots for a text, are rounded up to.
_TOKENS, _SLOTS = 32, 8


def handles(model: nn.Module) -> bool:
    """Whether `logits` computes what `model` does."""
    return type(model) is BertForSequenceClassification and not model.config.is_decoder


def logits(model: BertForSequenceClassification, ids: Tensor, lengths: Tensor) -> Tensor:
    """What `model(...).logits` would be for the padded batch.

    Parameters
    ----------
    model
        In training mode dropout has the probabilities of its modules.
    ids
        Token ids of all texts end to end, int (tokens,).
    lengths
        Number of tokens of each text, int (texts,), on the CPU; none is 0.

    Returns
    -------
    Tensor
        (texts, labels).
    """
    layout = _Layout.of(lengths, ids.device)
    return _read(model, _embed(model, ids, layout), model.bert.encoder.layer, layout)


def lower(model: BertForSequenceClassification, ids: Tensor, lengths: Tensor, *, layers: int) -> Tensor:
    """States of every token after the lowest `layers` layers, (tokens, width); arguments are those of `logits`."""
    layout = _Layout.of(lengths, ids.device)
    x = _embed(model, ids, layout)
    for layer in model.bert.encoder.layer[:layers]:
        x = _feed_forward(layer, x, _attention(layer.attention.self, x, layout))
    return x[: len(ids)]


def upper(model: BertForSequenceClassification, states: Tensor, lengths: Tensor, *, layers: int) -> Tensor:
    """What the highest `layers` layers make of the `states` that `lower` gave for the others, (texts, labels)."""
    layout = _Layout.of(lengths, states.device)
    x = nn.functional.pad(states, (0, 0, 0, len(layout.position) - len(states)))
    return _read(model, x, model.bert.encoder.layer[-layers:], layout)


def _embed(model: BertForSequenceClassification, ids: Tensor, layout: "_Layout") -> Tensor:
    """States before the first layer, (tokens rounded up, width)."""
    tables = model.bert.embeddings
    ids = nn.functional.pad(ids, (0, len(layout.position) - len(ids)))
    x = tables.word_embeddings(ids) + tables.token_type_embeddings.weight[0]
    return dropout(tables.LayerNorm(x + tables.position_embeddings(layout.position)), tables.dropout)


def _read(model: BertForSequenceClassification, x: Tensor, layers: nn.ModuleList, layout: "_Layout") -> Tensor:
    """Logits, (texts, labels), from the states before `layers`, which end with the model's last layer."""
    *most, last = layers
    for layer in most:
        x = _feed_forward(layer, x, _attention(layer.attention.self, x, layout))
    first = x.index_select(0, layout.first)
    first = _feed_forward(last, first, _attention(last.attention.self, x, layout, first=first))
    return model.classifier(dropout(model.bert.pooler(first[:, None]), model.dropout))


class _Layout(NamedTuple):
    """Where the tokens of a packed batch lie in the padded view (texts, longest), and the other way round.

    Both sizes are rounded up: on a CPU a matrix product of a shape not seen lately waits for its kernel to be compiled,
    which was measured to cost a sixth of the time. The tokens added at the end belong to no text; nobody reads them.
    """

    position: Tensor  # of each token in its text, (tokens,)
    slot: Tensor  # of each token in the padded view, (tokens,)
    token: Tensor  # in each slot, or any where the padded view has none, (texts * longest,)
    first: Tensor  # the first token of each text, (texts,)
    hidden: Tensor  # 0, or -inf where the padded view has no token, (texts, longest)

    @classmethod
    def of(cls, lengths: Tensor, device: torch.device) -> "_Layout":
        first = lengths.cumsum(0) - lengths
        column = torch.arange(_round_up(int(lengths.max()), _SLOTS))
        empty = column >= lengths[:, None]
        slot = (~empty).flatten().nonzero().flatten()
        position = column.repeat(len(lengths))[slot]
        token = (first[:, None] + column).masked_fill(empty, 0).flatten()
        hidden = torch.zeros(empty.shape).masked_fill(empty, -torch.inf)
        added = (0, _round_up(len(slot), _TOKENS) - len(slot))
        position, slot = (nn.functional.pad(t, added) for t in (position, slot))
        return cls(*(t.to(device) for t in (position, slot, token, first, hidden)))


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step


def _attention(module: nn.Module, x: Tensor, layout: _Layout, *, first: Tensor | None = None) -> Tensor:
    """Context of every token, (tokens, width), or only of the `first` ones, (texts, width)."""
    (texts, longest), heads = layout.hidden.shape, module.num_attention_heads

    def by_head(x: Tensor, rows: int) -> Tensor:
        return x.view(texts, rows, heads, -1).transpose(1, 2).reshape(texts * heads, rows, -1)

    def padded(x: Tensor) -> Tensor:
        # Slots without a token hold a wrong one: as keys they are hidden, as queries they are dropped below.
        return by_head(x.index_select(0, layout.token), longest)

    if first is None:
        query, key, value = (padded(part) for part in _together(x, module.query, module.key, module.value))
    else:
        query = by_head(module.query(first), 1)
        key, value = (padded(part) for part in _together(x, module.key, module.value))
    hidden = layout.hidden.to(query.dtype).repeat_interleave(heads, dim=0)[:, None]
    scores = torch.baddbmm(hidden, query, key.transpose(1, 2), alpha=module.scaling)
    context = torch.bmm(dropout(scores.softmax(dim=2), module.dropout), value)
    context = context.view(texts, heads, -1, context.shape[2]).transpose(1, 2).reshape(-1, x.shape[1])
    return context.index_select(0, layout.slot) if first is None else context


def _together(x: Tensor, *parts: nn.Linear) -> tuple[Tensor, ...]:
    """What each of `parts` makes of `x`, by one product: one large one is faster than several small ones."""
    weight, bias = torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts])
    return nn.functional.linear(x, weight, bias).chunk(len(parts), dim=1)


def _feed_forward(layer: nn.Module, x: Tensor, context: Tensor) -> Tensor:
    """What a layer does after attention, (rows, width)."""
    x = _add_and_norm(layer.attention.output, x, context)
    return _add_and_norm(layer.output, x, layer.intermediate(x))


def _add_and_norm(module: nn.Module, x: Tensor, update: Tensor) -> Tensor:
    return module.LayerNorm(x + dropout(module.dense(update), module.dropout))


def dropout(x: Tensor, module: nn.Dropout) -> Tensor:
    """What `module(x)` is in distribution, with its probability rounded to a multiple of 2**-16.

    What is kept is divided by the rounded probability of being kept, so the expectation is exactly `x`.
    """
    if not module.training or not module.p or x.device.type != "cpu":
        return module(x)
    bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    kept = 2**16 - round(module.p * 2**16)
    # Writing the comparison into a float tensor is several times faster than converting booleans.
    mask = torch.empty(x.shape, dtype=x.dtype)
    torch.lt(bits[: x.numel()].view(x.shape), kept - 2**15, out=mask)
    return x * mask.mul_(2**16 / kept)
