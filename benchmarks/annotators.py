"""Annotating, against what a user would write with transformers and against llama.cpp's server.

Everybody gets the same model file and the beginning of one random draw of texts. The others write a short answer or
score full prompts; a label is compared with ours text by text. Ours is timed twice, on many texts and on few: it
computes texts of one length together, and of few texts few are of one length.
"""

import json
import statistics
import time
import urllib.request

import numpy as np

from benchmarks import contender

CORPUS = "movie"
#: Requests that a server gets at once.
_AT_ONCE = 4
MODELS = ("smollm2-135m", "qwen2.5-coder-0.5b")
MANY, FEW = "this project", "this project, few texts"
CONTENDERS = {
    MANY: ("ours", 1024),
    FEW: ("ours", 96),
    "pipeline that generates, 16 at once": ("generating_pipeline", 96),
    "full prompts, one label at a time": ("label_by_label", 96),
    "llama.cpp's server, log-probabilities": ("llama_server", 96),
}
#: What each step gained with the smaller model: all of them but one.
WITHOUT = {
    "shared instruction": "its keys and values are computed for every text",
    "equal lengths": "texts in the order of the corpus, padded to the longest of their batch",
    "asked positions only": "the output head makes the logits of every token",
    "bfloat16": "as float32",
    "kept memory": "freed memory goes back to the system",
}
_TEXTS_WITHOUT = 256


def measure() -> dict:
    """Texts per second of every contender and model, and how often its label is ours."""
    found = {}
    for model in MODELS:
        rows = {name: contender.run("annotators", f, model=model, texts=n) for name, (f, n) in CONTENDERS.items()}
        labels = rows[MANY]["labels"]
        for row in rows.values():
            if "labels" in row:
                theirs = row.pop("labels")
                row["agreement"] = round(float(np.mean([a == b for a, b in zip(theirs, labels)])), 3)  # noqa: B905
        found[model] = rows
    whole, *parts = (
        contender.run(
            "annotators",
            "ours",
            environment={"LABEL_RISK_COMPUTE": "float32"} if what == "bfloat16" else None,
            model=MODELS[0],
            texts=_TEXTS_WITHOUT,
            without=what,
        )
        for what in (None, *WITHOUT)
    )
    speeds = [one["texts_per_second"] for one in parts]
    without = {"whole": whole["texts_per_second"]} | dict(zip(WITHOUT, speeds, strict=True))
    return {"corpus": CORPUS, "models": found, "without": without}


def _task(texts: int) -> tuple[list[str], object, tuple[str, ...]]:
    """The first `texts` of a fixed draw, the prompt, and the labels."""
    from helpers import corpora, prompts

    corpus = corpora.load(CORPUS)
    drawn = np.random.default_rng(0).permutation(len(corpus.rows))[:texts]
    return corpus.rows["text"].to_numpy()[drawn].tolist(), prompts.render(corpus), corpus.labels


def _timed(seconds: list[float], texts: int, labels: list[str | None]) -> dict:
    """Rates by the median of the parts that were timed."""
    per_part = texts / len(seconds)
    return {"texts": texts, "texts_per_second": round(per_part / statistics.median(seconds), 2), "labels": labels}


def ours(*, model: str, texts: int, without: str | None = None) -> dict:
    """Label log-probabilities as `label-risk annotate` computes them; `without` is a key of `WITHOUT`."""
    from helpers import annotating, annotators, device

    if without != "kept memory":
        device.keep_memory()
    bodies, prompt, labels = _task(texts)
    annotator = annotators.load(model)
    annotator.use(prompt)
    lengths = annotator.lengths(bodies)
    _leave_out(without, annotator)
    said: list[str | None] = [None] * texts
    plan = [batch for part in annotating._plan(lengths) for batch in part]
    if without == "equal lengths":
        plan = np.array_split(np.arange(texts), len(plan))
    annotator.score([bodies[i] for i in plan[0]])
    start = time.perf_counter()
    for batch in plan:
        best = annotator.score([bodies[i] for i in batch]).argmax(1)
        for i, k in zip(batch, best, strict=True):
            said[i] = labels[k]
    seconds = time.perf_counter() - start
    weights = sum(p.numel() for p in annotator.model.parameters() if p.ndim == 2)
    weights -= annotator.model.get_input_embeddings().weight.numel()
    tokens = int(lengths.sum() + len(annotator._suffix) * texts)
    return _timed([seconds], texts, said) | {"flops": 2 * weights * tokens, "tokens": tokens}


def _leave_out(what: str | None, annotator) -> None:
    from torch import nn
    from transformers import DynamicCache

    if what == "shared instruction":
        encode = annotator._encode_texts
        annotator._encode_texts = lambda texts: [annotator._prefix + ids for ids in encode(texts)]
        annotator._cache = DynamicCache()
    elif what == "asked positions only":
        head = annotator._head

        def forward(states):
            logits = nn.functional.linear(states.float(), head.weight, head.bias)
            return logits.take_along_dim(head.positions[:, :, None], dim=1)

        head.forward = forward


def _chat_model(model: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from helpers import artifacts
    from helpers.annotators import gguf

    folder = gguf.as_folder(artifacts.fetch(model) / "model.gguf")
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval(), tokenizer


def _asked(tokenizer, prompt, text: str) -> str:
    turn = [{"role": "user", "content": f"{prompt.instruction}\n{text}"}]
    return tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)


def generating_pipeline(*, model: str, texts: int) -> dict:
    """`transformers.pipeline("text-generation")`, sixteen texts at once, four new tokens, the answer read as a word."""
    from transformers import pipeline

    bodies, prompt, labels = _task(texts)
    loaded, tokenizer = _chat_model(model)
    generate = pipeline("text-generation", model=loaded, tokenizer=tokenizer, batch_size=16)
    asked = [_asked(tokenizer, prompt, text) for text in bodies]
    seconds, answers = [], []
    for start in range(0, texts, 16):
        begun = time.perf_counter()
        found = generate(asked[start : start + 16], max_new_tokens=4, do_sample=False, return_full_text=False)
        seconds.append(time.perf_counter() - begun)
        answers += [one[0]["generated_text"].strip().lower() for one in found]
    return _timed(seconds, texts, [next((k for k in labels if a.startswith(k)), None) for a in answers])


def label_by_label(*, model: str, texts: int) -> dict:
    """As evaluation harnesses score: every label appended to the full prompt, sixteen sequences a batch."""
    import torch

    bodies, prompt, labels = _task(texts)
    loaded, tokenizer = _chat_model(model)
    sequences = []
    for text in bodies:
        context = tokenizer.encode(_asked(tokenizer, prompt, text), add_special_tokens=False)
        sequences += [(context, tokenizer.encode(label, add_special_tokens=False)) for label in labels]
    scores, seconds = [], []
    for first in range(0, len(sequences), 16):
        begun = time.perf_counter()
        batch = sequences[first : first + 16]
        longest = max(len(context) + len(answer) for context, answer in batch)
        ids = torch.full((len(batch), longest), tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for row, (context, answer) in enumerate(batch):
            ids[row, longest - len(context) - len(answer) :] = torch.tensor(context + answer)
            mask[row, longest - len(context) - len(answer) :] = 1
        with torch.inference_mode():
            logits = loaded(input_ids=ids, attention_mask=mask).logits.float().log_softmax(-1)
        for row, (_, answer) in enumerate(batch):
            places = range(longest - len(answer) - 1, longest - 1)
            scores.append(sum(float(logits[row, at, token]) for at, token in zip(places, answer, strict=True)))
        seconds.append(time.perf_counter() - begun)
    best = np.array(scores).reshape(texts, len(labels)).argmax(1)
    return _timed(seconds, texts, [labels[k] for k in best])


def llama_server(*, model: str, texts: int) -> dict:
    """llama.cpp's server as the wheel `xllamacpp` brings it, four requests at once, first token's log-probabilities.

    The server keeps the instruction, which is the same for all texts, in each of its four slots.
    """
    import importlib.util
    from concurrent.futures import ThreadPoolExecutor

    from helpers import artifacts, device

    if importlib.util.find_spec("xllamacpp") is None:
        return {"missing": "xllamacpp is not installed"}
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(artifacts.fetch(model) / "model.gguf")
    settings.port, settings.n_parallel, settings.n_ctx = 0, _AT_ONCE, 1024 * _AT_ONCE
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = device.cores()
    server = xllamacpp.Server(settings)
    bodies, prompt, labels = _task(texts)

    def ask(text: str) -> str | None:
        content = f"{prompt.instruction}\n{text}"
        body = {
            "messages": [{"role": "user", "content": content}],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": 20,
        }
        request = urllib.request.Request(
            f"{server.listening_address}/v1/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as reply:
            top = json.load(reply)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        said = {one["token"]: one["logprob"] for one in top}
        return max((label for label in labels if label in said), key=said.get, default=None)

    with ThreadPoolExecutor(_AT_ONCE) as clients:
        list(clients.map(ask, bodies[:_AT_ONCE] * 2))  # every slot has seen the instruction
        start = time.perf_counter()
        said = list(clients.map(ask, bodies))
        return _timed([time.perf_counter() - start], texts, said)
