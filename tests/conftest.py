"""Parts that several test files need: small tables and corpora, and a tiny language model, all made on the spot."""

import hashlib
import os
import re
import shutil

# Before anything imports the libraries that read these.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import settings

from helpers import places
from helpers.corpora import Corpus, ranks

torch.set_num_threads(1)
settings.register_profile("shared machine", deadline=None)  # a slow machine is no bug
settings.load_profile("shared machine")

GOOD = ("warm", "lovely", "bright", "tender", "funny", "clever", "honest", "fresh")
BAD = ("dull", "cold", "clumsy", "tired", "cruel", "bland", "noisy", "stale")
THINGS = ("film", "story", "plot", "cast", "score", "ending", "camera", "voice")


def sentences(count: int) -> list[tuple[str, str]]:
    """`count` distinct sentences of various lengths, each with `negative` or `positive`; the same every time."""
    rng = np.random.default_rng(7)
    out = []
    for i in range(count):
        words, label = (GOOD, "positive") if i % 2 else (BAD, "negative")
        clauses = [f"the {rng.choice(THINGS)} is {rng.choice(words)}" for _ in range(rng.integers(1, 9))]
        out.append((f"{', '.join(clauses)}; number {i}", label))
    return out


def make_corpus(texts: list[str], gold: list[int] | None = None, *, name: str = "small") -> Corpus:
    """A two-class corpus of these texts, built as the readers of `helpers.corpora` build one."""
    gold = [i % 2 for i in range(len(texts))] if gold is None else gold
    rows = pd.DataFrame({"id": [f"r{i}" for i in range(len(texts))], "text": texts, "gold": gold})
    rows["rank"] = ranks(rows["text"], len(texts) // 5)
    return Corpus(name, ("negative", "positive"), rows)


def quoted(texts: Iterable[str], content: str) -> list[str]:
    """Pieces of the texts that are in `content`, a page or a file, 32 characters each.

    Of each text it is the first such piece of letters, digits, spaces and commas, which no form of writing escapes, and
    begins with a word. Tables cut texts after 400 characters, so it is looked for before.
    """
    piece = re.compile(r"\b[A-Za-z0-9][A-Za-z0-9 ,]{31}")
    known = {found[0] for text in texts if (found := piece.search(text[:400]))}
    starts = (word.start() for word in re.finditer(r"\b\w", content))
    return [content[at : at + 32] for at in starts if content[at : at + 32] in known]


@pytest.fixture
def reviews() -> pd.DataFrame:
    """Forty rows: `ref`, `review`, `tone`, and counts of votes `no` and `yes`."""
    texts, tones = zip(*sentences(40), strict=True)
    yes = [1 + 2 * (tone == "positive") for tone in tones]
    return pd.DataFrame(
        {
            "ref": [f"a{i}" for i in range(40)],
            "review": texts,
            "tone": tones,
            "no": [4 - n for n in yes],
            "yes": yes,
        }
    )


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return places.cache()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str, str], str]:
    """From a model's folder, an id and the name of a revision, put it into a cache of the hub; returns its commit.

    The cache is laid out as the hub's client lays it out, and the client reads it without asking anybody.
    """
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def put(folder: Path, name: str, revision: str) -> str:
        commit = hashlib.sha1(f"{name} {revision}".encode()).hexdigest()
        repository = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        shutil.copytree(folder, repository / "snapshots" / commit)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / revision).write_text(commit)
        return commit

    return put


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers folder with a chat model of two layers; its weights are random, but always the same."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    marks = ["<|im_start|>", "<|im_end|>"]
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        ["Decide whether the sentiment of a text is negative or positive", "negative", "positive"] * 9
        + [f"{text} {label}" for text, label in sentences(200)],
        vocab_size=500,
        special_tokens=marks,
        show_progress=False,
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, eos_token=marks[1], additional_special_tokens=marks
    )
    tokenizer.chat_template = (
        "{% for turn in messages %}<|im_start|>{{ turn.role }}\n{{ turn.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(11)
    # Wide initial weights: predictions far from uniform, so that an error in one position shows.
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.4,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def quick_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A ledger with the runs of `studies/quick.yml`, trained now; for the rest of the session it is the user's own."""
    from helpers import studies, sweep
    from helpers.ledger import Ledger

    folder = tmp_path_factory.mktemp("quick")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABEL_RISK_LEDGER", str(folder))
        sweep.run(studies.load("studies/quick.yml"), Ledger())
        yield folder


@pytest.fixture(scope="session")
def quick_book(quick_ledger: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `label-risk book studies/quick.yml` makes: `_build/html`, and `source/book/executed` with the notebooks."""
    from helpers import report

    out = tmp_path_factory.mktemp("book")
    report.build(places.ROOT / "studies/quick.yml", out=out)
    return out
