"""Students: the fast path computes what transformers computes, and training does what its documentation says."""

import copy
import json
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sentencepiece
import torch
from conftest import BAD, GOOD, THINGS, make_corpus, sentences
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from torch.nn import functional as F  # noqa: N812
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    GPT2Config,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from helpers import corpora, places, students, sweep
from helpers.errors import UserError
from helpers.labels import LabelSource, Targets
from helpers.students import Student, encoders, packed_bert, probe, training
from helpers.studies import Run

_SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
CONFIGS = {
    "bert": BertConfig(**_SMALL, max_position_embeddings=64, hidden_act="gelu_new", initializer_range=0.2),
    "roberta": RobertaConfig(**_SMALL, max_position_embeddings=66, pad_token_id=1, initializer_range=0.2),
    "mpnet": MPNetConfig(**_SMALL, max_position_embeddings=66, pad_token_id=1, initializer_range=0.2),
    "distilbert": DistilBertConfig(
        dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=64, initializer_range=0.2
    ),
}


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """From a family and a dropout probability, a study's name for a tiny random encoder with a head."""

    def save(family: str, dropout: float = 0.1) -> str:
        folder = tmp_path_factory.mktemp(family)
        marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        words = ["[CLS]", "[PAD]"] if family in ("roberta", "mpnet") else ["[PAD]", "[CLS]"]
        words += ["[SEP]", "[UNK]", "the", "is", "number", "sep", "unseen", *",;[]", *GOOD, *BAD, *THINGS]
        ids = {word: i for i, word in enumerate(words)}
        tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
        )
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **marks).save_pretrained(folder)
        config = type(CONFIGS[family])(**CONFIGS[family].to_dict() | {"vocab_size": len(words), "num_labels": 2})
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
            if hasattr(config, name):
                setattr(config, name, dropout)
        config.seq_classif_dropout = dropout  # DistilBERT's own name
        with torch.random.fork_rng():
            torch.manual_seed(3)
            AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
        return f"hf:{folder}"

    return save


@pytest.fixture(scope="module")
def toy():
    """200 texts of 1 to 12 words, each of one of two lists."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice((BAD, GOOD)[i % 2], rng.integers(1, 13))) for i in range(200)]
    return make_corpus(texts, name="toy")


def load(name: str) -> nn.Module:
    return AutoModelForSequenceClassification.from_pretrained(encoders.folder(name), num_labels=2)


def one_hot(gold):
    return np.eye(2)[gold]


def accuracy(probs, corpus):
    return np.mean(probs.argmax(1) == corpus.gold[corpus.test])


# --- the packed forward pass


def both(model, texts):
    """Logits of the packed pass and of transformers' own."""
    ids, mask = encoders.pad(texts, model.config.pad_token_id)
    packed = torch.from_numpy(np.concatenate(texts)), torch.tensor([len(text) for text in texts])
    return packed_bert.logits(model, *packed), model(input_ids=ids, attention_mask=mask).logits


@pytest.fixture(scope="module", params=["minilm", "tiny"])
def model_and_texts(request, encoder):
    name = encoder("bert") if request.param == "tiny" else "minilm"
    texts = [*corpora.load("movie").rows["text"][:14], "", "one", "the film is dull " * 70]
    return load(name), list(encoders.token_ids(name, make_corpus(texts, name=request.param), 60))


def test_packed_equals_transformers(model_and_texts):
    model, texts = model_and_texts
    assert packed_bert.handles(model)
    assert {2, 3, 60} <= {len(text) for text in texts}
    with torch.inference_mode():
        packed, padded = both(model.eval(), texts)
        alone, _ = both(model, texts[:1])
    torch.testing.assert_close(packed.softmax(1), padded.softmax(1), atol=1e-5, rtol=0)
    torch.testing.assert_close(alone, packed[:1], atol=1e-5, rtol=0)
    assert packed.softmax(1)[:, 0].std() > 1e-3  # the texts do differ


def test_packed_has_the_gradients_of_transformers(model_and_texts):
    model, texts = model_and_texts
    rates = {m: m.p for m in model.modules() if isinstance(m, nn.Dropout)}
    for module in rates:
        module.p = 0.0
    model.train()
    found = []
    for logits in both(model, texts):
        model.zero_grad()
        F.cross_entropy(logits, torch.arange(len(texts)) % 2).backward()
        found.append({name: p.grad.clone() for name, p in model.named_parameters()})
    for module, rate in rates.items():
        module.p = rate
    packed, padded = found
    assert max(grad.abs().max() for grad in padded.values()) > 1e-2
    for name, grad in padded.items():
        torch.testing.assert_close(packed[name], grad, atol=1e-4, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}")


def test_packed_computes_in_bfloat16(model_and_texts):
    model, texts = model_and_texts
    model = copy.deepcopy(model).to(torch.bfloat16)
    with torch.inference_mode():
        packed, padded = both(model.eval(), texts)
    both(model.train(), texts)[0].float().sum().backward()
    assert packed.dtype == padded.dtype == torch.bfloat16
    torch.testing.assert_close(packed.float().softmax(1), padded.float().softmax(1), atol=0.05, rtol=0)
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("family", ["roberta", "mpnet", "distilbert"])
def test_other_architectures_are_left_to_transformers(family, encoder):
    assert not packed_bert.handles(load(encoder(family)))


@pytest.mark.parametrize(("p", "dtype"), [(0.1, torch.float32), (0.5, torch.float32), (0.1, torch.bfloat16)])
def test_dropout_keeps_the_right_share_and_the_mean(p, dtype):
    torch.manual_seed(0)
    n = 3_000_001
    out = packed_bert.dropout(torch.ones(n, dtype=dtype), nn.Dropout(p)).double()
    kept = out > 0
    assert out.unique().numel() == 2
    assert abs(kept.double().mean() - (1 - p)) < 5 * (p * (1 - p) / n) ** 0.5
    assert out.max() * (1 - round(p * 2**16) / 2**16) == pytest.approx(1, rel=1e-6 if dtype == torch.float32 else 4e-3)
    # One draw gives four elements: they must not know of each other.
    for lag in (1, 2, 3, 4):
        assert abs(torch.corrcoef(torch.stack([kept[:-lag].double(), kept[lag:].double()]))[0, 1]) < 5 / n**0.5
    x = torch.randn(50)
    assert packed_bert.dropout(x, nn.Dropout(p).eval()) is x


def test_dropout_has_the_same_mask_forward_and_backward():
    x = torch.ones(999, requires_grad=True)
    out = packed_bert.dropout(x, nn.Dropout(0.3))
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach(), rtol=0, atol=0)


# --- fine-tuning


@pytest.fixture
def published_head(monkeypatch):
    """Students begin with the head of the checkpoint, as a plain loop does."""
    pristine = encoders.pristine
    monkeypatch.setattr(encoders, "pristine", lambda *said: (pristine(*said)[0], []))


def plain_loop(student, corpus, rows, *, seed, layers=None):
    """Test probabilities of a student trained as anybody would, before and after: transformers, padding, clipping.

    `layers` freezes all but so many upper layers and what follows them.
    """
    model = load(student.encoder).train()
    tokens = encoders.token_ids(student.encoder, corpus, student.max_tokens)
    if layers:
        for part in (model.bert.embeddings, *model.bert.encoder.layer[:-layers]):
            part.requires_grad_(False)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=student.learning_rate, weight_decay=0.0)
    rates = [1, *(i / 9 for i in range(9, 0, -1))]  # warm-up is one step of ten
    ids, mask = encoders.pad([tokens[row] for row in corpus.test], model.config.pad_token_id)
    test = {"input_ids": ids, "attention_mask": mask}
    with torch.inference_mode():
        before = load(student.encoder).eval()(**test).logits.softmax(1).numpy()
    lengths = [len(tokens[row]) for row in rows]
    clipped = 0
    for rate, batch in zip(rates, training.batches(lengths, 16, 10, rng=np.random.default_rng(seed)), strict=True):
        ids, mask = encoders.pad([tokens[rows[i]] for i in batch], model.config.pad_token_id)
        aim = torch.tensor(corpus.gold[rows[batch]])
        F.cross_entropy(model(input_ids=ids, attention_mask=mask).logits, aim).backward()
        clipped += nn.utils.clip_grad_norm_(trained, 1.0) > 1
        optimiser.param_groups[0]["lr"] = student.learning_rate * rate
        optimiser.step()
        optimiser.zero_grad()
    with torch.inference_mode():
        after = model.eval()(**test).logits.softmax(1).numpy()
    assert clipped
    assert np.abs(after - before).max() > 0.02  # training did something
    return after


@pytest.mark.usefixtures("published_head")
@pytest.mark.parametrize("family", CONFIGS)
def test_training_equals_a_plain_loop_over_the_whole_vocabulary(family, encoder, toy, monkeypatch):
    monkeypatch.setenv("LABEL_RISK_COMPUTE", "float32")
    student = Student(encoder=encoder(family, dropout=0.0), min_steps=10, epochs=1, learning_rate=3e-3)
    rows = toy.subset(60)
    probs = students.train(student, toy, rows, one_hot(toy.gold[rows]), seed=5)
    np.testing.assert_allclose(probs, plain_loop(student, toy, rows, seed=5), atol=1e-4)


@pytest.mark.usefixtures("published_head")
@pytest.mark.parametrize("layers", [1, 2])
def test_upper_layers_train_as_with_the_lower_ones_frozen(layers, encoder, toy, own_cache, monkeypatch):
    monkeypatch.setenv("LABEL_RISK_COMPUTE", "float32")
    name = encoder("bert", dropout=0.0)
    student = Student(kind="upper", layers=layers, encoder=name, min_steps=10, epochs=1, learning_rate=3e-3)
    rows = toy.subset(60)
    for _ in range(2):  # the second time from the cache
        probs = students.train(student, toy, rows, one_hot(toy.gold[rows]), seed=5)
        np.testing.assert_allclose(probs, plain_loop(student, toy, rows, seed=5, layers=layers), atol=1e-4)
    assert len(list((own_cache / "states").glob("*.npy"))) == 1


def test_upper_layers_leave_the_published_encoder_alone(encoder, toy, own_cache):
    name = encoder("bert")
    pristine, _ = encoders.pristine(name, 2)
    before = copy.deepcopy(pristine.state_dict())
    rows = toy.subset(40)
    students.train(Student(kind="upper", encoder=name, min_steps=5), toy, rows, one_hot(toy.gold[rows]), seed=0)
    assert all(torch.equal(before[key], value) for key, value in pristine.state_dict().items())


@pytest.mark.parametrize(
    ("family", "layers", "message"),
    [("distilbert", 1, "need a BERT model, and this is a DistilBert"), ("bert", 3, "has 3 layers: `layers` must be")],
)
def test_upper_layers_that_cannot_be(family, layers, message, encoder, toy, own_cache):
    student = Student(kind="upper", layers=layers, encoder=encoder(family))
    with pytest.raises(UserError, match=message):
        students.train(student, toy, toy.subset(4), np.eye(2)[[0, 1, 0, 1]], seed=0)


def test_bfloat16_says_what_float32_says(encoder, toy, monkeypatch):
    student = Student(encoder=encoder("bert"), min_steps=60, learning_rate=3e-3)
    rows = toy.subset(60)
    found = []
    for compute in ("float32", "bfloat16"):
        monkeypatch.setenv("LABEL_RISK_COMPUTE", compute)
        found.append(students.train(student, toy, rows, one_hot(toy.gold[rows]), seed=1))
    exact, rounded = found
    assert not np.array_equal(exact, rounded)  # it was another computation
    assert (exact.argmax(1) == rounded.argmax(1)).mean() > 0.95


@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_steps_too_small_for_the_working_weights_add_up_in_the_masters(compute):
    layer = nn.Linear(3, 2)
    start = layer.weight.detach().clone()
    unused = nn.Parameter(torch.ones(4))
    weights = training.MasterWeights([*layer.parameters(), unused], compute)
    for _ in range(100):
        layer.weight.grad = torch.ones_like(layer.weight)
        weights.step(1e-5)
        assert layer.weight.grad is None
    assert layer.weight.dtype == compute
    # Adam moves by the learning rate where gradients do not change.
    torch.testing.assert_close(weights.master[:6].view(2, 3), start - 1e-3, atol=1e-5, rtol=0)
    assert torch.equal(layer.weight, weights.master[:6].view(2, 3).to(compute))
    assert torch.equal(unused, torch.ones(4, dtype=compute))


@pytest.mark.parametrize("devices", [("cpu",), ()])
def test_gradients_are_clipped_whether_the_step_can_do_it_or_not(devices, monkeypatch):
    monkeypatch.setattr(training, "_DIVIDE_IN_THE_STEP", devices)
    gradients = torch.randn(20, 50, generator=torch.Generator().manual_seed(0)) * torch.logspace(-2, 1, 20)[:, None]
    ours, clipped, plain = (nn.Parameter(torch.zeros(50)) for _ in range(3))
    weights = training.MasterWeights([ours], torch.float32)
    optimisers = {p: torch.optim.AdamW([p], lr=1e-2, weight_decay=0.0) for p in (clipped, plain)}
    for gradient in gradients:
        for parameter in (ours, clipped, plain):
            parameter.grad = gradient.clone()
        nn.utils.clip_grad_norm_([clipped], 1.0)
        weights.step(1e-2)
        for optimiser in optimisers.values():
            optimiser.step()
    torch.testing.assert_close(ours, clipped)
    assert (clipped - plain).abs().max() > 1e-2


@pytest.mark.usefixtures("published_head")
def test_tokens_that_training_never_saw_stay_as_they_were(encoder, monkeypatch):
    monkeypatch.setenv("LABEL_RISK_COMPUTE", "float32")
    trained, tested = ["the film is dull", "the plot is warm"] * 8, ["unseen", "the unseen film", "is number"]
    rows = pd.DataFrame({"id": [*map(str, range(19))], "text": trained + tested})
    rows["gold"], rows["rank"] = [*[0, 1] * 8, 0, 1, 0], [*range(16), -1, -1, -1]
    corpus = corpora.Corpus("small", ("no", "yes"), rows)
    assert not {"unseen", "number"} & {*" ".join(trained).split()}
    student = Student(encoder=encoder("bert", dropout=0.0), min_steps=10, epochs=1, learning_rate=3e-3)
    probs = students.train(student, corpus, corpus.pool, one_hot(corpus.gold[corpus.pool]), seed=0)
    np.testing.assert_allclose(probs, plain_loop(student, corpus, corpus.pool, seed=0), atol=1e-4)


def test_the_cost_of_a_run_is_the_texts_it_sees():
    assert Student(epochs=2, min_steps=150, batch_size=16).cost(1200, 40) == 3 * 150 * 16 + 40


@pytest.mark.parametrize("kind", ["finetune", "upper", "probe"])
def test_a_seed_fixes_every_bit_and_leaves_the_callers_generator_alone(kind, encoder, toy, own_cache):
    student = Student(kind=kind, encoder=encoder("bert"), min_steps=6)
    rows = toy.subset(40)
    targets = one_hot(toy.gold[rows])
    torch.use_deterministic_algorithms(True)
    try:
        state = torch.get_rng_state()
        first = students.train(student, toy, rows, targets, seed=1)
        assert torch.equal(state, torch.get_rng_state())
        torch.rand(7)
        again = students.train(student, toy, rows, targets, seed=1)
        other = students.train(student, toy, rows, targets, seed=2)
    finally:
        torch.use_deterministic_algorithms(False)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_seed_draws_the_head_of_a_published_encoder():
    """At a rate of almost zero and without order or dropout to differ in, only the head can."""
    corpus = make_corpus([text for text, _ in sentences(10)])
    student = Student(min_steps=1, epochs=1, learning_rate=1e-30)
    rows = corpus.pool
    a, b = (students.train(student, corpus, rows, one_hot(corpus.gold[rows]), seed=s) for s in (0, 1))
    assert np.abs(a - b).max() > 1e-4


def test_an_encoder_may_come_with_a_sentencepiece_model_alone(toy, tmp_path):
    """As DeBERTa-v3 does, whose repositories have no other tokenizer."""
    pieces = {"pad": "[PAD]", "bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]"}
    marks = {f"{name}_piece": piece for name, piece in pieces.items()}
    marks |= {f"{name}_id": number for number, name in enumerate(pieces)}
    with (tmp_path / "spm.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(toy.rows["text"]),
            model_writer=file,
            vocab_size=200,
            hard_vocab_limit=False,
            minloglevel=2,
            **marks,
        )
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    shape = _SMALL | {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"]}
    config = DebertaV2Config(vocab_size=400, share_att_key=True, norm_rel_ebd="layer_norm", **shape)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    student = Student(encoder=f"hf:{tmp_path}", min_steps=60, learning_rate=3e-3)
    rows = toy.subset(100)
    probs = students.train(student, toy, rows, one_hot(toy.gold[rows]), seed=0)
    assert (probs.argmax(1) == toy.gold[toy.test]).mean() > 0.9


@pytest.mark.parametrize("family", CONFIGS)
def test_a_head_of_another_task_is_drawn_anew(family, encoder, toy, tmp_path):
    """A checkpoint that was trained for as many classes, or for others, is as good as one without a head."""
    name = encoder(family)
    tokenizer = encoders.load_tokenizer(name)
    bodies = {"two": load(name), "body": load(name).base_model}
    bodies["three"] = AutoModelForSequenceClassification.from_pretrained(
        encoders.folder(name), num_labels=3, ignore_mismatched_sizes=True
    )
    rows, found = toy.subset(20), {}
    for what, model in bodies.items():
        model.save_pretrained(tmp_path / what)
        tokenizer.save_pretrained(tmp_path / what)
        student = Student(encoder=f"hf:{tmp_path / what}", min_steps=3)
        found[what] = students.train(student, toy, rows, one_hot(toy.gold[rows]), seed=1)
    assert np.array_equal(found["two"], found["body"])
    assert np.array_equal(found["three"], found["body"])


def test_the_shipped_encoders_have_no_head_to_be_drawn_anew():
    """What is drawn, and in which order, fixes the numbers of all runs that are there."""
    assert encoders.pristine("minilm", 3)[1] == ["classifier"]


@pytest.mark.parametrize("error", [RuntimeError("a\n\nb"), ImportError("a\nb"), AttributeError("a\nb")])
def test_an_encoder_that_cannot_be_loaded_is_said_in_one_line(error, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(AutoModelForSequenceClassification, "from_pretrained", fails)
    with pytest.raises(UserError, match=r"encoder hf:.*: cannot load it for classification: a b") as caught:
        encoders.pristine(f"hf:{tmp_path}", 2)
    assert "\n" not in str(caught.value)


def test_a_revision_of_the_hub_is_the_one_that_is_read(encoder, hub, toy):
    biases, commits = [], []
    for revision in ("main", "v2"):
        folder = Path(encoders.folder(name := encoder("bert")))
        model = load(name)
        model.classifier.bias.data += len(commits)
        model.save_pretrained(folder)
        commits.append(hub(folder, "some/encoder", revision))
        biases.append(model.classifier.bias)
    for said, expected in (("", 0), ("@main", 0), ("@v2", 1), (f"@{commits[1]}", 1)):
        model, _ = encoders.pristine(f"hf:some/encoder{said}", 2)
        assert torch.equal(model.classifier.bias, biases[expected])
    assert encoders.fingerprint("hf:some/encoder@v2") != encoders.fingerprint("hf:some/encoder")
    targets = np.eye(2)[toy.gold[toy.subset(8)]]
    student = Student(encoder="hf:some/encoder@v2", min_steps=2, epochs=1)
    run = Run(toy, LabelSource("gold"), 8, 0, student, Targets(toy.subset(8), targets))
    assert sweep.train(run).environment["encoder_commit"] == commits[1]
    with pytest.raises(UserError, match=r"encoder hf:some/encoder@v3: cannot load it"):
        encoders.pristine("hf:some/encoder@v3", 2)


def test_a_folder_of_the_home_folder(encoder, monkeypatch):
    folder = Path(encoders.folder(encoder("bert")))
    monkeypatch.setenv("HOME", str(folder.parent))
    assert encoders.folder(f"hf:~/{folder.name}") == str(folder)


def test_a_fingerprint_changes_with_the_weights_that_are_read(encoder):
    name = encoder("bert")
    folder = Path(encoders.folder(name))

    def fingerprint() -> str:
        encoders.fingerprint.cache_clear()
        return encoders.fingerprint(name)

    published = fingerprint()
    (folder / "pytorch_model.bin").write_bytes(b"not read beside the other file")
    assert fingerprint() == published
    model = load(name)
    (folder / "model.safetensors").unlink()
    found = set()
    for _ in range(2):
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        found.add(fingerprint())
        encoders.pristine.cache_clear()
        assert torch.equal(encoders.pristine(name, 2)[0].classifier.bias, model.classifier.bias)
        model.classifier.bias.data += 1
    assert len(found | {published}) == 3


def test_weights_that_would_run_a_program_are_refused(encoder, tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "was here",)

    folder = Path(encoders.folder(name := encoder("bert")))
    (folder / "model.safetensors").unlink()
    torch.save({"classifier.bias": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="hold more than numbers, and are not read: convert them to safe"):
        encoders.pristine(name, 2)
    assert not (tmp_path / "was here").exists()


# A linear head on random embeddings needs more steps than an encoder that learns.
@pytest.mark.parametrize(
    ("kind", "steps", "rate"), [("finetune", 70, 2e-3), ("upper", 150, 2e-3), ("probe", 1000, 0.1)]
)
def test_a_learnable_task_is_learnt_and_noise_hurts(kind, steps, rate, encoder, toy, own_cache):
    student = Student(kind=kind, encoder=encoder("bert"), min_steps=steps, epochs=1, learning_rate=rate)
    rows = toy.subset(150)
    gold = toy.gold[rows]
    noisy = np.where(np.random.default_rng(0).random(len(rows)) < 0.4, 1 - gold, gold)
    clean_student = students.train(student, toy, rows, one_hot(gold), seed=0)
    noisy_student = students.train(student, toy, rows, one_hot(noisy), seed=0)
    wrong_student = students.train(student, toy, rows, one_hot(1 - gold), seed=0)
    assert accuracy(clean_student, toy) > 0.9
    assert accuracy(noisy_student, toy) < accuracy(clean_student, toy)
    assert accuracy(wrong_student, toy) < 0.1


def test_soft_targets_are_learnt_as_they_are(encoder, toy, own_cache):
    student = Student(kind="probe", encoder=encoder("bert"), min_steps=300, learning_rate=0.05)
    rows = toy.subset(100)
    probs = students.train(student, toy, rows, np.tile([0.8, 0.2], (100, 1)), seed=0)
    np.testing.assert_allclose(probs[:, 0], 0.8, atol=0.05)


def test_texts_that_are_hard_to_tokenize(encoder):
    texts = ["", "the film [SEP] is [CLS] dull", "the film is warm " * 300, " ", "[PAD]", "é𝔘\0"] * 3
    for name, cut in ((encoder("bert"), 64), ("minilm", 100)):
        corpus = make_corpus(texts)
        student = Student(encoder=name, max_tokens=100, min_steps=2, epochs=1)
        tokens = encoders.token_ids(name, corpus, 100)
        mark = tokens[0][-1]  # an empty text is [CLS] [SEP]
        assert len(tokens[0]) == 2
        assert max(len(text) for text in tokens) == cut
        assert all((text == mark).sum() == 1 for text in tokens)
        probs = students.train(student, corpus, corpus.pool, one_hot(corpus.gold[corpus.pool]), seed=0)
        assert np.isfinite(probs).all()


def test_token_ids_are_those_of_the_tokenizer_across_chunks(encoder, own_cache, monkeypatch):
    monkeypatch.setattr(encoders, "_TEXTS_PER_CHUNK", 7)
    name = encoder("bert")
    texts = ["", *(text for text, _ in sentences(20)), "the film"]
    expected = encoders.load_tokenizer(name)(texts)["input_ids"]
    for _ in range(2):  # the second time from the file
        tokens = encoders.token_ids(name, make_corpus(texts), 64)
        assert [list(ids) for ids in tokens] == expected
        assert list(tokens[-1]) == expected[-1]
        assert tokens.lengths.tolist() == [len(ids) for ids in expected]
        encoders._open_token_ids.cache_clear()
    with pytest.raises(IndexError):
        tokens[len(texts)]


def test_an_encoder_without_hf_is_named_as_it_should_be():
    with pytest.raises(UserError, match=r"the shipped ones are minilm, mpnet; .* is written `hf:a/roberta-base`"):
        encoders.folder("a/roberta-base")


def test_what_was_cut_by_another_rule_is_not_read_again(encoder, own_cache):
    """An encoder with fewer positions than `max_tokens` has a file of its own in the cache."""
    name, texts = encoder("roberta"), make_corpus(["warm " * 100] * 10)
    encoders.token_ids(name, texts, 1000)
    (file,) = (places.cache() / "tokens").glob("*.arrow")
    assert file.stem.rpartition("-")[2] == str(encoders.longest(name, 1000)) != "1000"


def test_code_of_a_model_is_not_run(tmp_path, monkeypatch):
    """Nor is whoever sits at a terminal asked whether it may be."""
    (tmp_path / "own.py").write_text("raise SystemExit('it ran')")
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["own.Words", None]}}))
    for load_it in (encoders.width, encoders.load_tokenizer, lambda name: encoders.pristine(name, 2)):
        with pytest.raises(UserError, match="it brings code of its own, and that is not run"):
            load_it(f"hf:{tmp_path}")


def test_an_encoder_that_is_not_there(tmp_path, toy):
    with pytest.raises(UserError, match="cannot load a tokenizer"):
        students.train(Student(encoder=f"hf:{tmp_path}"), toy, toy.subset(4), np.eye(2)[[0, 1, 0, 1]], seed=0)


# --- what all kinds share


def test_steps_are_epochs_but_never_fewer_than_the_least():
    student = Student(epochs=2, min_steps=150, batch_size=16)
    assert [student.steps(n) for n in (1, 1200, 1201, 2000)] == [150, 150, 152, 250]


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=90),
    batch_size=st.integers(1, 17),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_every_epoch_visits_each_text_once(lengths, batch_size, epochs, seed):
    per_epoch = -(-len(lengths) // batch_size)
    steps = epochs * per_epoch + per_epoch // 2
    drawn = list(training.batches(lengths, batch_size, steps, rng=np.random.default_rng(seed)))
    assert len(drawn) == steps
    assert max(map(len, drawn)) <= batch_size
    for epoch in range(epochs):
        visited = np.concatenate(drawn[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert sorted(visited) == list(range(len(lengths)))


def test_batches_are_shuffled_and_even():
    lengths = np.random.default_rng(0).integers(5, 60, 640)
    drawn = list(training.batches(lengths, 16, 80, rng=np.random.default_rng(0)))
    assert not np.array_equal(np.concatenate(drawn[:40]), np.concatenate(drawn[40:]))
    assert np.mean([np.ptp(lengths[batch]) for batch in drawn]) < 12  # of 55
    assert np.std([lengths[batch].mean() for batch in drawn[:8]]) > 5  # no sorting of the batches themselves


def test_the_learning_rate_rises_and_falls():
    rates = [training.triangle(step, 100, 0.1) for step in range(100)]
    assert np.argmax(rates[:10]) == 9
    assert max(rates) == 1
    assert np.all(np.diff(rates[:10]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)
    assert min(rates) > 0
    assert training.triangle(0, 1, 0.0) == 1


def test_a_weighted_row_counts_like_copies_of_it():
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    hard = torch.eye(4, dtype=torch.float64)[[0, 3, 1]]
    torch.testing.assert_close(training.cross_entropy(logits, hard).double(), F.cross_entropy(logits, hard))
    weighted = training.cross_entropy(logits, hard * torch.tensor([[2.0], [1.0], [0.0]]))
    torch.testing.assert_close(weighted, training.cross_entropy(logits[[0, 0, 1]], hard[[0, 0, 1]]))
    training.cross_entropy(logits, 0 * hard).backward()
    assert torch.equal(logits.grad, torch.zeros(3, 4, dtype=torch.float64))


# --- embeddings of the probe


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_embeddings_are_means_over_the_text_of_unit_length(family, encoder, toy, own_cache, monkeypatch):
    monkeypatch.setenv("LABEL_RISK_COMPUTE", "float32")
    name = encoder(family)
    vectors = probe.embeddings(name, toy, 64)
    tokens = encoders.token_ids(name, toy, 64)
    model = load(name).base_model.eval()
    with torch.inference_mode():
        for i in (0, 1, 7):  # one at a time: no padding
            mean = model(torch.tensor(tokens[i])[None]).last_hidden_state[0].mean(0)
            np.testing.assert_allclose(vectors[i], mean / mean.norm(), atol=1e-5)
    assert vectors.shape == (200, 32)
    assert vectors.dtype == np.float32
    assert isinstance(vectors, np.memmap)


def test_embeddings_are_computed_once(encoder, toy, own_cache):
    name = encoder("bert")
    first = probe.embeddings(name, toy, 64)
    (file,) = (own_cache / "embeddings").glob("*.npy")
    written = file.stat().st_mtime_ns
    assert np.array_equal(probe.embeddings(name, toy, 64), first)
    assert file.stat().st_mtime_ns == written
    probe.embeddings(name, toy, 32)
    probe.embeddings(name, make_corpus(["the film is warm"] * 5), 64)
    assert len(list((own_cache / "embeddings").glob("*.npy"))) == 3


def test_embeddings_cut_off_in_the_middle_are_never_seen(encoder, toy, own_cache):
    name = encoder("bert")
    script = (
        "from conftest import make_corpus, sentences\nfrom helpers.students import probe\n"
        f"texts = [text for text, _ in sentences(200)] * 5\nprobe.embeddings({name!r}, make_corpus(texts), 64)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parent)
    folder = own_cache / "embeddings"
    try:
        deadline = time.monotonic() + 300  # a busy machine takes long to import torch
        while not list(folder.glob(".*.npy.*")) and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert list(folder.glob(".*.npy.*"))
    assert not list(folder.glob("[!.]*.npy"))
    corpus = make_corpus([text for text, _ in sentences(200)] * 5)
    # The next process does not wait for the dead one, and starts over.
    vectors = probe.embeddings(name, corpus, 64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not list(folder.glob(".*.npy.*"))


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_texts_end_where_the_encoder_does(family, encoder, own_cache):
    """Not every tokenizer knows how many positions its encoder has."""
    name = encoder(family)
    file = Path(encoders.folder(name)) / "tokenizer_config.json"
    file.write_text(file.read_text().replace('"model_max_length": 64', '"model_max_length": 1000000000000000'))
    long = make_corpus(["the film is dull " * 70, "one", *["warm"] * 8], name=family)
    assert encoders.token_ids(name, long, 1000).lengths[:2].tolist() == [64, 3]
    assert encoders.longest(name, 20) == 20
    student = Student(encoder=name, max_tokens=1000, min_steps=1, epochs=1)
    students.check(student)
    probs = students.train(student, long, long.pool[:4], one_hot(long.gold[long.pool[:4]]), seed=0)
    assert np.isfinite(probs).all()


def test_what_cannot_be_a_student_is_refused_before_anything_is_labelled(encoder, tmp_path):
    folder = Path(encoders.folder(encoder("bert")))
    shutil.copytree(folder, tmp_path / "gpt2")
    config = GPT2Config(n_embd=32, n_layer=1, n_head=2, n_positions=64, vocab_size=60)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "gpt2")
    with pytest.raises(UserError, match=r"gpt2: cannot read texts with it: .*padding token"):
        students.check(Student(encoder=f"hf:{tmp_path}/gpt2"))
    with pytest.raises(UserError, match=r"^hf:.*nowhere: there is no such folder"):
        students.check(Student(encoder=f"hf:{tmp_path}/nowhere"))
    with pytest.raises(UserError, match="has 3 layers: `layers` must be fewer"):
        students.check(Student(kind="upper", encoder=f"hf:{folder}", layers=3))
    students.check(Student(kind="upper", encoder=f"hf:{folder}"))


def test_two_askers_share_one_computation(encoder, toy, own_cache, capsys):
    name = encoder("bert")
    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(lambda _: probe.embeddings(name, toy, 64), range(2))
    assert np.array_equal(a, b)
    assert capsys.readouterr().err.count("embed toy:   0%") == 1  # one of them showed the bar
