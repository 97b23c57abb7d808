"""One student, and a sweep of sixteen, against `transformers.Trainer`.

All contenders get the same texts, labels, encoder, batch size, number of steps, learning rate and schedule, and predict
the same test texts. Trainer has its defaults otherwise: float32, random batches padded to their longest text.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import contender

CORPUS, N, SEEDS = "movie", 1000, 5
#: The default student, on 100 steps instead of 150, so that all contenders fit into half an hour.
SCHEDULE = {"epochs": 1, "min_steps": 100}
#: Name -> function, its arguments, and number of seeds: five where accuracies are compared, two where only speed is.
CONTENDERS = {
    "Trainer, defaults": ("trainer", {}, SEEDS),
    "Trainer, bf16": ("trainer", {"bf16": True}, 2),
    "finetune": ("ours", {}, SEEDS),
    "finetune, one thread": ("ours", {"threads": 1}, 2),
    "upper, 1 layer": ("ours", {"kind": "upper", "layers": 1}, SEEDS),
    "upper, 2 layers": ("ours", {"kind": "upper", "layers": 2}, SEEDS),
    "upper, 3 layers": ("ours", {"kind": "upper", "layers": 3}, SEEDS),
}
#: What each step gained: all of them but one.
WITHOUT = {
    "bfloat16": "as float32",
    "packing": "padded to the longest text, as transformers computes",
    "few shapes": "every batch with the shape that it happens to have",
    "kept memory": "freed memory goes back to the system",
    "cut vocabulary": "the optimiser moves all token embeddings",
}
SWEEP = {"corpus": "tweets", "sizes": 320, "seeds": 8}


def measure() -> dict:
    """Training and prediction times and accuracies of every contender, and the times of the two sweeps."""
    alone = {
        name: contender.run("students", function, seeds=list(range(seeds)), **arguments)
        for name, (function, arguments, seeds) in CONTENDERS.items()
    }
    ablated = {
        what: contender.run(
            "students",
            "ours",
            environment={"LABEL_RISK_COMPUTE": "float32"} if what == "bfloat16" else None,
            seeds=[0],
            without=what,
        )
        for what in WITHOUT
    }
    sweeps = {name: contender.run("students", name) for name in ("obvious_loop", "sweep_of_ours")}
    found = {"corpus": CORPUS, "n": N, "alone": alone, "without": ablated, "sweeps": sweeps, "sweep": SWEEP}
    return found | {"mean_tokens": _mean_tokens()}


def _mean_tokens() -> float:
    from helpers.students import Student, encoders

    corpus, rows, _ = _task(N)
    return float(encoders.token_ids(Student().encoder, corpus, Student().max_tokens).lengths[rows].mean())


def _task(n: int, name: str = CORPUS):
    from helpers import corpora

    corpus = corpora.load(name)
    rows = corpus.subset(n)
    return corpus, rows, np.eye(len(corpus.labels), dtype=np.float32)[corpus.gold[rows]]


def ours(*, seeds: list[int], threads: int | None = None, without: str | None = None, **settings) -> dict:
    """Students of this project, one after the other; `without` is a key of `WITHOUT`."""
    import torch

    from helpers import device, students
    from helpers.students import Student, encoders, training

    if threads:
        torch.set_num_threads(threads)
    _leave_out(without)
    if without != "kept memory":
        device.keep_memory()
    corpus, rows, targets = _task(N)
    student = Student(**SCHEDULE, **settings)
    seconds, predictions, accuracy = [], [], []
    encoders.token_ids(student.encoder, corpus, student.max_tokens)
    encoders.pristine(student.encoder, len(corpus.labels))
    predict = training.predict

    def timed(*arguments, **options):
        start = time.perf_counter()
        try:
            return predict(*arguments, **options)
        finally:
            predictions.append(time.perf_counter() - start)

    training.predict = timed
    if student.kind == "upper":  # the cache of states is made once for all runs: it is timed apart, from nothing
        from helpers import places
        from helpers.students import upper

        for made in (places.cache() / "states").glob(f"{corpus.fingerprint[:16]}-*-below{student.layers}-*"):
            made.unlink()
        start = time.perf_counter()
        upper.States(student, corpus)
        once = time.perf_counter() - start
    else:
        once = 0.0
    for seed in seeds:
        start = time.perf_counter()
        probs = students.train(student, corpus, rows, targets, seed=seed)
        seconds.append(time.perf_counter() - start - predictions[-1])
        accuracy.append(float((probs.argmax(1) == corpus.gold[corpus.test]).mean()))
    examples = student.steps(N) * student.batch_size
    return _summary(examples, seconds, predictions, accuracy) | {"once_seconds": round(once, 2)}


def _leave_out(what: str | None) -> None:
    from helpers.students import finetune, packed_bert

    if what == "packing":
        packed_bert.handles = lambda model: False
    elif what == "few shapes":
        packed_bert._TOKENS = packed_bert._SLOTS = 1
    elif what == "cut vocabulary":
        cut = finetune._with_vocabulary_of

        def whole(texts, pristine):
            return cut([*texts, np.arange(pristine.config.vocab_size)], pristine)

        finetune._with_vocabulary_of = whole


def trainer(*, seeds: list[int], **settings) -> dict:
    """`transformers.Trainer` with its defaults and `settings`."""
    corpus, rows, _ = _task(N)
    seconds, predictions, accuracy = [], [], []
    for seed in seeds:
        found = _train_with_trainer(corpus, rows, corpus.gold[rows], seed, **settings)
        seconds.append(found["seconds"])
        predictions.append(found["prediction"])
        accuracy.append(float((found["predicted"] == corpus.gold[corpus.test]).mean()))
    from helpers.students import Student

    student = Student(**SCHEDULE)
    return _summary(student.steps(N) * student.batch_size, seconds, predictions, accuracy)


def _train_with_trainer(corpus, rows, labels, seed: int, *, steps: int | None = None, **settings) -> dict:
    import datasets
    import torch
    import transformers
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer

    from helpers.students import Student, encoders

    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    student = Student(**SCHEDULE)
    folder = encoders.folder(student.encoder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(corpus.labels))
    texts = corpus.rows["text"].to_numpy()

    def dataset(rows, labels):
        made = datasets.Dataset.from_dict({"text": list(texts[rows]), "label": list(labels)})
        return made.map(lambda row: tokenizer(row["text"], truncation=True, max_length=student.max_tokens))

    train, test = dataset(rows, labels), dataset(corpus.test, corpus.gold[corpus.test])
    steps = steps or student.steps(len(rows))
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            folder,
            per_device_train_batch_size=student.batch_size,
            learning_rate=student.learning_rate,
            max_steps=steps,
            warmup_steps=round(student.warmup * steps),
            seed=seed,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),  # or bf16 is refused
            **settings,
        )
        one = Trainer(model, arguments, train_dataset=train, data_collator=DataCollatorWithPadding(tokenizer))
        start = time.perf_counter()
        one.train()
        trained = time.perf_counter()
        predicted = one.predict(test).predictions.argmax(1)
        return {
            "seconds": trained - start,
            "prediction": time.perf_counter() - trained,
            "predicted": predicted,
        }


def obvious_loop() -> dict:
    """Sixteen runs as most would write them: a Trainer for each, one after the other."""
    corpus, rows, _ = _task(SWEEP["sizes"], SWEEP["corpus"])
    start = time.perf_counter()
    for labels in (corpus.gold[rows], _annotated(corpus, rows)):
        for seed in range(SWEEP["seeds"]):
            _train_with_trainer(corpus, rows, labels, seed, steps=SWEEP["sizes"] // 16)
    return {"seconds": round(time.perf_counter() - start, 1)}


def _annotated(corpus, rows):
    from helpers import annotations, prompts

    return annotations.lookup(corpus, "smollm2-135m", prompts.render(corpus)).probs[rows].argmax(1)


def sweep_of_ours() -> dict:
    """The same sixteen runs by `label-risk run`."""
    from helpers import sweep
    from helpers.ledger import Ledger
    from helpers.studies import Study

    study = Study(
        name="benchmark",
        corpora=[SWEEP["corpus"]],
        annotators=["smollm2-135m"],
        sizes=[SWEEP["sizes"]],
        seeds=SWEEP["seeds"],
        student={"epochs": 1, "min_steps": SWEEP["sizes"] // 16},
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        trained, _ = sweep.run(study, Ledger(results=Path(folder) / "none", own=Path(folder)))
        seconds = time.perf_counter() - start
    if trained != 2 * SWEEP["seeds"]:
        raise RuntimeError(f"{trained} runs were trained, not {2 * SWEEP['seeds']}")
    return {"seconds": round(seconds, 1)}


def _summary(examples: int, seconds: list[float], predictions: list[float], accuracy: list[float]) -> dict:
    return {
        "examples": examples,
        "seconds": [round(s, 3) for s in seconds],
        "prediction_seconds": [round(s, 3) for s in predictions],
        "examples_per_second": round(examples / statistics.median(seconds), 1),
        "accuracy": accuracy,
    }


def flops(*, tokens: float, examples: int) -> float:
    """Floating point operations of training on `examples` texts of `tokens` tokens each: forward, and twice that back.

    Products with weights only: attention between tokens and everything elementwise come on top, so no program reaches
    the floor that follows from this.
    """
    from helpers.students import encoders

    model, _ = encoders.pristine("minilm", 2)
    *most, last = model.bert.encoder.layer
    whole = sum(p.numel() for layer in most for p in layer.parameters() if p.ndim == 2)
    keys = last.attention.self.key.weight.numel() + last.attention.self.value.weight.numel()
    return 3 * 2 * (whole + keys) * tokens * examples
