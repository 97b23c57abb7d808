"""A causal language model on this machine as an annotator.

What makes it fast: one forward pass a text and no generation; the instruction, which is the same for all texts, is
computed once and its keys and values are shared; a batch holds texts of one length, so nothing is padded; only the
positions that are asked for go through the output head. A graphics card gets more texts at once, of like lengths.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from helpers import device as devices
from helpers import hub
from helpers.annotators import origin
from helpers.errors import NOT_LOADED, UserError, in_one_line
from helpers.prompts import Prompt

_TEXTS_ENCODED = 4096
#: Tokens that a graphics card is given at once: fewer leave most of it idle.
_AT_ONCE_ON_A_CARD = 16384
_PLACEHOLDER = "\N{OBJECT REPLACEMENT CHARACTER}"
#: Templates that ask for the day are told the one that Llama 3 takes where nobody knows it: labels must not depend on
#: when they were asked for. It is a macro, because transformers hands nothing to templates that can be called.
_DAY = datetime(2024, 7, 26)
_SAME_DAY = (
    "{%- macro strftime_now(format) -%}{{ format"
    + "".join(f".replace('%{code}', '{_DAY.strftime(f'%{code}')}')" for code in "aAbBdeHIjmMpSyY")
    + " }}{%- endmacro +%}"  # and what follows stays as it is
)
#: What is left of a label's probability beside those that it begins, at least: rounding may leave nothing.
_LEAST_SHARE = 1e-6
#: How models that think first begin to.
_THOUGHT = "<think>"


def exclusive(logp: np.ndarray, tokens: Sequence[Sequence[int]]) -> np.ndarray:
    """Log-probabilities of labels without that of the longer ones which they begin, float (texts, labels).

    Else *good* would have at least the probability of *good enough*, and no text would ever be the latter.

    Parameters
    ----------
    logp
        Log-probabilities of the labels' tokens, whatever follows, float (texts, labels).
    tokens
        The tokens of each label, all different.
    """
    out = logp.copy()
    for k, label in enumerate(tokens):
        longer = [j for j, other in enumerate(tokens) if len(other) > len(label) and _begins(label, other)]
        # Those that begin another hold its probability already.
        next_ones = [j for j in longer if not any(i != j and _begins(tokens[i], tokens[j]) for i in longer)]
        if next_ones:
            begun = np.isfinite(logp[:, k])  # what is impossible has no shares
            share = np.exp(logp[begun][:, next_ones] - logp[begun][:, [k]]).sum(axis=1)
            out[begun, k] += np.log(np.maximum(1 - share, _LEAST_SHARE))
    return out


def _begins(label: Sequence[int], other: Sequence[int]) -> bool:
    return list(other[: len(label)]) == list(label)


class LocalAnnotator:
    """Label log-probabilities of a causal language model, read from the position after the prompt.

    Parameters
    ----------
    name
        What records and charts call the annotator.
    folder
        A transformers folder with model and tokenizer, or a hub id with or without a revision (`helpers.hub`).
    model_hash
        What identifies the weights, for the provenance; by default the hub's commit or a hash of the folder's files.
    compute
        `bfloat16` or `float32`; by default what the processor does fastest.
    """

    def __init__(self, name: str, folder: Path | str, *, model_hash: str | None = None, compute: str | None = None):
        self.name = name
        self.device = devices.pick()
        self.compute = compute or str(devices.dtype(self.device)).removeprefix("torch.")
        dtype = getattr(torch, self.compute)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(**hub.pretrained(str(folder)))
            # A file of pickled weights is read by torch's restricted reader, which runs nothing that is in it.
            model = AutoModelForCausalLM.from_pretrained(**hub.pretrained(str(folder)), dtype=dtype, weights_only=True)
            model = model.eval().to(self.device)
            self._head = _Head(model.get_output_embeddings())
        except (*NOT_LOADED, SafetensorError) as error:
            raise UserError(
                f"annotator {name}: cannot load a causal language model from {folder}: {in_one_line(error)}"
            ) from None
        model.set_output_embeddings(self._head)
        self.at_once = 0 if self.device == "cpu" else _AT_ONCE_ON_A_CARD
        # A model without positions, or with relative ones, has no such number: the tokenizer knows, or nobody does.
        config = model.config.get_text_config()
        self.window = getattr(config, "max_position_embeddings", None) or self.tokenizer.model_max_length
        self.model = model
        commit = hub.commit(str(folder))
        self.model_hash = model_hash or commit or origin.weights(Path(folder))
        self._hub = hub.split(str(folder)) if commit else (None, None)

    def use(self, prompt: Prompt) -> None:
        """Prepare for one prompt: tokenise what surrounds the text and compute the shared prefix.

        Raises
        ------
        UserError
            If the tokenizer gives two labels the same tokens, or an example's marks cannot be told from the template's.
        """
        before, after = self._chat(prompt.instruction)
        prefix = [*self._opening(), *self._encode_around(prompt.instruction, before)]
        suffix = self._encode(after, special=True)
        labels = [self._encode(label, special=False) for label in prompt.labels]
        if len(set(map(tuple, labels))) < len(labels):
            raise UserError(f"annotator {self.name}: two of the labels {prompt.labels} have the same tokens")
        with torch.inference_mode():
            ids = torch.tensor([prefix], device=self.device)
            self._head.positions = torch.zeros(1, 1, dtype=torch.int64, device=self.device)  # nothing is asked yet
            cache = self.model(ids, use_cache=True).past_key_values
        # Together: a prompt that fails leaves the one before whole.
        self._prefix, self._suffix, self._labels, self._cache = prefix, suffix, labels, cache

    def provenance(self) -> dict:
        """Model hash, number type and versions; a hub model's id and revision, and what begins a text, if there are."""
        said = {"model_hash": self.model_hash, "compute": self.compute, "machine": devices.describe()}
        said |= {"opening": opening} if (opening := self._opening()) else {}
        return said | {what: name for what, name in zip(("model", "revision"), self._hub, strict=True) if name}

    def lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Number of tokens of each text alone, int array (texts,)."""
        # A part at a time: encodings take fifty times the memory of what they are made from.
        parts = (texts[start : start + _TEXTS_ENCODED] for start in range(0, len(texts), _TEXTS_ENCODED))
        return np.array([len(ids) for part in parts for ids in self._encode_texts(part)], dtype=int)

    @property
    def room(self) -> int:
        """Longest text, in tokens, that fits into the model's window with this prompt and the longest label."""
        return self.window - len(self._prefix) - len(self._suffix) - max(map(len, self._labels))

    @property
    def cores(self) -> int:
        """Number of cores that `score` keeps busy; 1 where a graphics card computes."""
        return torch.get_num_threads() if self.device == "cpu" else 1

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Log-probability of every label.

        A label that is a single token needs one pass for all of them; a longer one is scored in full by a pass of its
        own, log p(t1) + log p(t2 | t1) + … Where the tokens of one begin another, that one's probability is not counted
        for the first.

        Parameters
        ----------
        texts
            Texts, best with the same number of tokens (see `lengths`): they are padded to the longest.

        Returns
        -------
        np.ndarray
            float64 (texts, labels), natural logarithms, all <= 0; exp of a row sums to 1 minus the missing mass.
        """
        bodies = [ids + self._suffix for ids in self._encode_texts(texts)]
        out = self._logp_after(bodies, [], [[label[0] for label in self._labels]])[:, 0]
        for k, label in enumerate(self._labels):
            if len(label) > 1:
                rest = self._logp_after(bodies, label[:-1], [[token] for token in label[1:]])
                out[:, k] += rest.sum(axis=(1, 2))
        return exclusive(out, self._labels)

    @torch.inference_mode()
    def _logp_after(self, bodies: list[list[int]], ending: list[int], wanted: list[list[int]]) -> np.ndarray:
        """Log-probabilities of `wanted` (positions, tokens) at the last positions, (texts, positions, tokens)."""
        rows = [body + ending for body in bodies]
        lengths = torch.tensor([len(row) for row in rows])
        # Padded on the right: a causal model does not look there, so there is no mask.
        ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        wanted = torch.tensor(wanted, device=self.device)
        self._head.positions = (lengths[:, None] + torch.arange(-len(wanted), 0)).to(self.device)
        cache = DynamicCache(config=self.model.config)
        for index, layer in enumerate(self._cache.layers):
            cache.update(_repeat(layer.keys, len(rows)), _repeat(layer.values, len(rows)), index)
            if hasattr(layer, "cumulative_length"):  # a sliding window holds the last keys only: positions go by all
                cache.layers[index].cumulative_length = layer.cumulative_length
        logits = self.model(ids.to(self.device), past_key_values=cache, use_cache=True).logits
        at = torch.arange(len(wanted), device=self.device)[:, None]
        logp = logits[:, at, wanted] - logits.logsumexp(dim=-1, keepdim=True)
        return logp.clamp(max=0).cpu().double().numpy()

    def _chat(self, instruction: str) -> tuple[str, str]:
        """What stands before the text and after it, as the model's chat template writes it."""
        marks = (f"{_PLACEHOLDER}{number}{_PLACEHOLDER}" for number in count())
        placeholder = next(mark for mark in marks if mark not in instruction)  # an example may hold one, too
        content = f"{instruction}\n{placeholder}"
        if self.tokenizer.chat_template is None:
            whole = f"{content}\nAnswer: "
        else:
            turn = [{"role": "user", "content": content}]
            # Templates that know no such switch do not look at it.
            whole = self.tokenizer.apply_chat_template(
                turn,
                chat_template=_SAME_DAY + self.tokenizer.get_chat_template(),
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,
            )
        before, _, after = whole.rpartition(placeholder)
        if after.rstrip().endswith(_THOUGHT):
            # The template opens a thought whatever the switch says. Closing it at once hardly costs models of this kind
            # accuracy where tokens are few: Ma et al. (2025, arXiv 2504.09858).
            after = f"{after.rstrip()}\n\n{_THOUGHT.replace('<', '</')}\n\n"
        return before, after

    def _opening(self) -> list[int]:
        """What the tokenizer puts before a text, mostly the mark of its beginning; a chat template has it already.

        Some models say nothing of use without it.
        """
        if self.tokenizer.chat_template is not None:
            return []
        alone, whole = (self.tokenizer.encode("a", add_special_tokens=special) for special in (False, True))
        starts = (i for i in range(len(whole)) if whole[i : i + len(alone)] == alone)
        return whole[: next(starts, 0)]

    def _encode_around(self, instruction: str, before: str) -> list[int]:
        """Token ids of what stands before the text: the template's marks are marks, the instruction is letters.

        An example in it is a text of the corpus, and may spell out `<|im_end|>` as any text may.
        """
        instruction = instruction.strip()  # templates cut what surrounds it
        if self._encode(instruction, special=True) == self._encode(instruction, special=False):
            return self._encode(before, special=True)  # in one piece, as models were trained
        head, found, tail = before.rpartition(instruction)
        if not found:
            raise UserError(
                f"annotator {self.name}: its chat template rewrites the prompt, and an example in it spells out one of "
                "the model's marks: take another example"
            )
        return [
            *self._encode(head, special=True),
            *self._encode(instruction, special=False),
            *self._encode(tail, special=True),
        ]

    def _encode(self, text: str, *, special: bool) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not special)

    def _encode_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of corpus texts. A text may spell out `<|im_end|>`: it is read as letters, never as the mark."""
        return self.tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]


class _Head(nn.Module):
    """An output head that looks at the positions that are asked for, and computes in float32 whatever the model's type.

    bfloat16 has steps of 1/16 to 1/8 where logits lie: labels closer than that tie, and a tie goes to the first.
    Of 320 tweets, SmolLM2-135M got 4 % other labels than in float32, against 1 % with this head.

    Attributes
    ----------
    positions
        Set before each pass: what is asked for, of each text, int64 (texts, positions).
    """

    positions: Tensor

    def __init__(self, head: nn.Linear):
        super().__init__()
        self.register_buffer("weight", head.weight.detach().float())
        self.register_buffer("bias", None if head.bias is None else head.bias.detach().float())

    def forward(self, states: Tensor) -> Tensor:
        asked = states.take_along_dim(self.positions[:, :, None], dim=1)
        return nn.functional.linear(asked.float(), self.weight, self.bias)


def _repeat(shared: Tensor, times: int) -> Tensor:
    """(1, heads, positions, width) seen `times` times, without copying."""
    return shared.expand(times, -1, -1, -1)
