"""Peak memory of annotating and of training, by the number of rows.

Models are tiny and random, so that a million rows take minutes; what grows with the rows is the same as with real ones.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import contender

ROWS = (10_000, 100_000, 1_000_000)
WORDS = 12


def measure() -> dict:
    """Peak megabytes of a process that does the work on so many rows; the first size is what a process takes anyway.

    Beside them the bytes a row that the work cannot do without: its text and what is made of it.
    """
    found, least = {}, {}
    for what in ("annotate", "embed", "train"):
        found[what] = {}
        for rows in ROWS:
            with tempfile.TemporaryDirectory() as folder:
                environment = {"XDG_CACHE_HOME": folder, "OMP_NUM_THREADS": "1"}
                one = contender.run("memory", what, environment=environment, rows=rows, folder=folder)
                found[what][str(rows)] = one["peak_mb"]
                least[what] = one["bytes_a_row"]
    return {"peak_mb": found, "bytes_a_row": least, "rows": list(ROWS), "words": WORDS}


def _corpus(rows: int):
    """Distinct texts of random words, and a split that leaves a thousand for the test."""
    import pandas as pd

    from helpers.corpora import Corpus

    rng = np.random.default_rng(0)
    words = np.array([f"{a}{b}" for a in "bcdfghjklm" for b in "aeiou"])
    texts = [" ".join(words[rng.integers(0, len(words), WORDS)]) for _ in range(rows)]
    rank = np.arange(rows) - min(1000, rows // 10)
    frame = pd.DataFrame(
        {"id": np.arange(rows).astype(str), "text": texts, "gold": np.arange(rows) % 2, "rank": np.maximum(rank, -1)}
    )
    return Corpus("rows", ("negative", "positive"), frame)


def _text_bytes(corpus) -> int:
    """Mean bytes of a text in UTF-8."""
    return round(corpus.rows["text"].str.encode("utf-8").str.len().mean())


def _tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = [f"{a}{b}" for a in "bcdfghjklm" for b in "aeiou"] + ["negative", "positive", "Answer", ":"]
    ids = {word: i for i, word in enumerate([*marks, *words])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), marks, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=256, **named).save_pretrained(folder)


def annotate(*, rows: int, folder: str) -> dict:
    """Annotate `rows` texts with a causal model of two narrow layers."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from helpers import annotating, prompts
    from helpers.annotators.local import LocalAnnotator

    model = Path(folder) / "model"
    _tokenizer(model)
    config = LlamaConfig(
        vocab_size=58, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    LlamaForCausalLM(config).save_pretrained(model)
    corpus = _corpus(rows)
    annotator = LocalAnnotator("tiny", model, compute="float32")
    file = annotating.annotate(corpus, annotator, prompts.render(corpus), folder=Path(folder) / "tables")
    return {"bytes_a_row": _text_bytes(corpus) + 4 * len(corpus.labels), "bytes": file.stat().st_size}


def _encoder(folder: str) -> str:
    from transformers import BertConfig, BertForSequenceClassification

    encoder = Path(folder) / "encoder"
    _tokenizer(encoder)
    config = BertConfig(vocab_size=58, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    BertForSequenceClassification(config).save_pretrained(encoder)
    return f"hf:{encoder}"


def embed(*, rows: int, folder: str) -> dict:
    """Embed `rows` texts with an encoder of two narrow layers."""
    from helpers.students import probe

    corpus = _corpus(rows)
    vectors = probe.embeddings(_encoder(folder), corpus, 256)
    return {"bytes_a_row": _text_bytes(corpus) + vectors[0].nbytes, "rows": len(vectors)}


def train(*, rows: int, folder: str) -> dict:
    """Fine-tune such an encoder in one pass over a training set of nearly `rows` texts."""
    from helpers import students
    from helpers.students import Student

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    corpus = _corpus(rows)
    student = Student(encoder=_encoder(folder), epochs=1, min_steps=1, batch_size=500)
    targets = np.eye(2, dtype=np.float32)[corpus.gold[corpus.pool]]
    students.train(student, corpus, corpus.pool, targets, seed=0)
    token_ids = 4 * (WORDS + 2)
    return {"bytes_a_row": _text_bytes(corpus) + token_ids + targets[0].nbytes, "rows": len(corpus.pool)}
