"""From what was measured to `benchmarks/REPORT.md`: every number in it comes from a file in `benchmarks/results/`."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks import annotators as annotating
from benchmarks.students import WITHOUT, flops


def write(results: Path, file: Path) -> None:
    """Write the report on all sections that were measured."""
    sections: dict[str, Callable[[dict], list[str]]] = {
        "students": _students,
        "annotators": _annotators,
        "book": _book,
        "memory": _memory,
        "scaling": _scaling,
    }
    measured = {
        name: json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
        for name in sections
        if (results / f"{name}.json").is_file()
    }
    # One machine is named once; sections that were measured elsewhere, or on another day, name theirs.
    machines = {name: _machine(found) for name, found in measured.items()}
    alike = len(set(machines.values())) == 1
    lines = ["# Speed, measured", "", *_preface(alike)]
    if len(measured) == len(sections):
        lines += ["", *_targets(measured)]
    if alike:
        minutes = sum(found["minutes"] for found in measured.values())
        lines += ["", *dict.fromkeys(machines.values()), "", f"All of it took {minutes:.0f} minutes."]
    for name, found in measured.items():
        lines += ["", *sections[name](found), *([] if alike else ["", f"*{machines[name]}*"])]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _preface(alike: bool) -> list[str]:
    return [
        "`make bench` measures everything below on a quiet machine, each contender in a process of its own,",
        "in one go." if alike else "in one go; here some of it is of another day or machine, and says so.",
        "Students that are trained several times show the median; what was timed once is said to be. The floor is",
        "what cannot be avoided: of training and annotating, the products with the models' weights, at the rate that",
        "this machine reaches on one large matrix product; of the book, the bytes that are read and written, at the",
        "rates of hashing and writing; of memory, the rows themselves. Reasons why less was reached are reasoned, not",
        "measured apart.",
    ]


#: Why an aim may be missed, for those that were.
_SWEEP = "loading and start-up are in it too"
_PIPELINE = (
    "it computes in bfloat16 too, a whole batch at once: what is saved is the instruction, padding and generated "
    "tokens, and the texts are the rest"
)
_LLAMA = "llama.cpp multiplies in 8 and 4 bits, which is less work than bfloat16"
_TOO_LOW = "the rate was measured too low: this is no share"
_SHARE = "attention, norms and the mixed sizes of matrices come on top of the one large product"


def _targets(found: dict) -> list[str]:
    """What was aimed at beside what was reached, and the reason where it is less."""
    alone, sweeps = found["students"]["alone"], found["students"]["sweeps"]
    speed = {name: one["examples_per_second"] for name, one in alone.items()}
    annotators = found["annotators"]
    peaks = found["memory"]["peak_mb"].values()
    book = found["book"]["seconds"]
    aims = [
        ("student to Trainer with its defaults", 3, speed["finetune"] / speed["Trainer, defaults"], ""),
        ("student to Trainer in bfloat16", 2, speed["finetune"] / speed["Trainer, bf16"], ""),
        (
            "sweep to a loop over Trainer",
            5,
            sweeps["obvious_loop"]["seconds"] / sweeps["sweep_of_ours"]["seconds"],
            _SWEEP,
        ),
        (
            f"`upper`, 1 layer, to Trainer, beside {alone['upper, 1 layer']['once_seconds']:.0f} s once for its states",
            8,
            speed["upper, 1 layer"] / speed["Trainer, defaults"],
            "",
        ),
    ]
    for model in annotators["models"]:
        pipeline, llama = "pipeline that generates, 16 at once", "llama.cpp's server, log-probabilities"
        aims += [
            (f"{model} to a pipeline that generates", 10, _faster(annotators, model, pipeline), _PIPELINE),
            (f"{model} to llama.cpp's server", 4, _faster(annotators, model, llama), _LLAMA),
            (f"{model}, share of the machine's rate", 0.6, _share(annotators, model), _SHARE),
        ]
    rows = [
        [
            what,
            f"{aim:g}",
            f"{got:.2f}" if aim < 1 else f"{got:.1f}",
            why if got < aim else _TOO_LOW if aim < 1 < got else "",
        ]
        for what, aim, got, why in aims
    ]
    growth = max(peak[max(peak, key=int)] - peak[min(peak, key=int)] for peak in peaks)
    rows.append(
        ["memory that a million rows take, MB", "at most 2,000", f"{growth:,}", "" if growth <= 2000 else "it grows"]
    )
    idle = book["book, nothing changed"] - book["start-up of the command"]
    rows.append(
        ["book, nothing changed, after start-up, s", "at most 5", f"{idle:.1f}", "" if idle <= 5 else "see below"]
    )
    return [
        "## What was aimed at",
        "",
        *_table(["times as fast, if nothing else is said", "aim", "reached", "why less"], rows),
    ]


def _share(annotators: dict, model: str) -> float:
    """Of the rate of one large matrix product, 0 to 1, what annotating with `model` reached."""
    ours = annotators["models"][model][annotating.MANY]
    reached = ours["texts_per_second"] * ours["flops"] / ours["texts"] / 1e9
    return reached / _rate(annotators, annotators["machine"]["cores"])


def _faster(annotators: dict, model: str, other: str) -> float:
    """How many times as fast as another contender, on as few texts; nan where that was not measured."""
    contenders = annotators["models"][model]
    return contenders[annotating.FEW]["texts_per_second"] / contenders[other].get("texts_per_second", float("nan"))


def _machine(found: dict) -> str:
    machine = found["machine"]
    rates = ", ".join(
        f"{rate:,.0f} GFLOP/s in {what}".replace(", 1 threads", ", 1 thread") for what, rate in machine["rates"].items()
    )
    bytes_ = ", ".join(f"{rate:,.0f} MB/s {what}" for what, rate in machine["bytes"].items())
    return (
        f"Measured on {found['date']}: {machine['processor']}, {machine['cores']} cores; {rates}; {bytes_}; "
        f"torch {machine['torch']}, transformers {machine['transformers']}, students in {machine['compute']}."
    )


def _table(head: list[str], rows: list[list[object]]) -> list[str]:
    line = "| " + " | ".join(["---"] + ["---:"] * (len(head) - 1)) + " |"
    return ["| " + " | ".join(map(str, cells)) + " |" for cells in [head]] + [
        line,
        *("| " + " | ".join(map(str, cells)) + " |" for cells in rows),
    ]


def _rate(found: dict, threads: int) -> float:
    """GFLOP/s of the type that the students computed in."""
    return found["machine"]["rates"][f"{found['machine']['compute']}, {threads} threads"]


def _students(found: dict) -> list[str]:
    alone, machine = found["alone"], found["machine"]
    base = alone["Trainer, defaults"]["examples_per_second"]
    half = alone["Trainer, bf16"]["examples_per_second"]
    per_example = flops(tokens=found["mean_tokens"], examples=1)
    rows = []
    for name, one in alone.items():
        speed = one["examples_per_second"]
        accuracy = one["accuracy"]
        whole = "finetune" in name
        threads = 1 if "one thread" in name else machine["cores"]
        floor = f"{100 * speed * per_example / 1e9 / _rate(found, threads):.0f} %" if whole else ""
        rows.append(
            [
                name,
                len(accuracy),
                f"{speed:,.0f}",
                f"{speed / base:.1f}",
                f"{speed / half:.1f}",
                floor,
                f"{statistics.mean(accuracy):.3f} ± {statistics.stdev(accuracy):.3f}",
                f"{statistics.median(one['prediction_seconds']):.1f}",
                one["peak_mb"],
            ]
        )
    head = [
        "student",
        "seeds",
        "examples a second",
        "to Trainer",
        "to its bf16",
        "of the floor's rate",
        "accuracy over seeds",
    ]
    head += ["prediction, s", "peak MB"]
    plan = found["sweep"]
    loop, ours = (found["sweeps"][name]["seconds"] for name in ("obvious_loop", "sweep_of_ours"))
    once = ", ".join(f"{one['once_seconds']:.0f} s ({name})" for name, one in alone.items() if one.get("once_seconds"))
    whole, runs = alone["finetune"]["examples_per_second"], alone["finetune"]["seconds"]
    gained = [
        [f"without {what}: {WITHOUT[what]}", f"{speed:,.0f}", f"{whole / speed:.2f}"]
        for what, speed in ((what, one["examples_per_second"]) for what, one in found["without"].items())
    ]
    return [
        "## Training students",
        "",
        f"Gold labels of {found['n']} texts of `{found['corpus']}`.",
        "Texts, encoder, batch size, steps, learning rate and schedule are the same for all. `upper` trains less, by",
        "design: what that costs in accuracy stands beside it.",
        f"Its states of the lower layers take {once}, once for all runs."
        if once
        else "Its states of the lower layers, made once for all runs, were in the cache already.",
        "",
        *_table(head, rows),
        "",
        f"What each step gained, by leaving it out. Each was timed once; the runs of the whole took {min(runs):.1f} to",
        f"{max(runs):.1f} s, so a factor within {100 * (max(runs) / min(runs) - 1):.0f} % of 1 says nothing. Processes",
        "differ by more than the runs of one do: one a little outside says little, and one below 1 only that no gain",
        "was seen this time:",
        "",
        *_table(["`finetune`", "examples a second", "all of them to this"], gained),
        "",
        f"Timed once, a sweep of {2 * plan['seeds']} runs of {plan['sizes']} texts of `{plan['corpus']}`,",
        f"one pass each, with loading and prediction: a loop over Trainer {loop:.0f} s, `label-risk run` {ours:.0f} s",
        f"with start-up, **{loop / ours:.1f} times as fast**.",
    ]


def _annotators(found: dict) -> list[str]:
    lines = [
        "## Annotating",
        "",
        f"Texts of `{found['corpus']}`, the same model files for all. *Agreement* is the share of texts with the same",
        "label as ours; a pipeline that generates may answer with what is no label, and that counts against it.",
        "Ours and llama.cpp were timed once over all their texts; the others show the median of their batches. Ours",
        "gains from many texts, as those of one length are computed together; the ratios are of few texts to few. A",
        "share above 100 % says that the rate was measured too low: the speed of a virtual machine varies.",
    ]
    for model, contenders in found["models"].items():
        few, rows = contenders[annotating.FEW], []
        for name, one in contenders.items():
            if "missing" in one:
                rows.append([name, "", one["missing"], "", "", "", ""])
                continue
            speed = one["texts_per_second"]
            share = f"{100 * _share(found, model):.0f} %" if name == annotating.MANY else ""
            ratio = "" if name == annotating.MANY else f"{few['texts_per_second'] / speed:.1f}"
            agreement = f"{100 * one['agreement']:.0f} %"
            rows.append([name, f"{one['texts']:,}", f"{speed:,.1f}", ratio, share, agreement, one["peak_mb"]])
        head = [model, "texts", "texts a second", "ours to it", "of the floor's rate", "agreement", "peak MB"]
        lines += ["", *_table(head, rows)]
    whole, gained = found["without"]["whole"], []
    for what, why in annotating.WITHOUT.items():
        speed = found["without"][what]
        gained.append([f"without {what}: {why}", f"{speed:,.1f}", f"{whole / speed:.2f}"])
    return [
        *lines,
        "",
        "What each step gained with the smaller model, by leaving it out. Each was timed once, over the same texts,",
        f"in a process of its own; with all steps it was {whole:,.1f} texts a second. A factor near 1 says little, and",
        "one below 1 only that no gain was seen this time:",
        "",
        *_table(["", "texts a second", "all of them to this"], gained),
    ]


def _book(found: dict) -> list[str]:
    rates, rows = found["machine"]["bytes"], []
    for what, seconds in found["seconds"].items():
        floor = ""
        if what in found["bytes_read"]:
            megabytes = found["bytes_read"][what] / 1e6, found["bytes_written"][what] / 1e6
            floor = megabytes[0] / rates["read and hashed"] + megabytes[1] / rates["written"]
        rows.append([what, seconds, *([f"{1000 * floor:.1f}", f"{seconds / floor:,.0f}"] if floor else ["", ""])])
    return [
        "## The book",
        "",
        "`label-risk book` and `run` on the quick study, timed once. The floor of a book is to read and hash all that",
        "its pages depend on, and to write the pages that change, without waiting for the disk. What it does besides",
        "is to start Python, a kernel for each notebook, and Sphinx.",
        "",
        *_table(["", "seconds", "floor, ms", "times the floor"], rows),
    ]


def _memory(found: dict) -> list[str]:
    sizes = [str(rows) for rows in found["rows"]]
    rows = []
    for what, peaks in found["peak_mb"].items():
        growth = peaks[sizes[-1]] - peaks[sizes[0]]
        floor = found["bytes_a_row"][what] * (int(sizes[-1]) - int(sizes[0])) / 1e6
        shown = [f"{peaks[size]:,}" for size in sizes]
        rows.append([what, *shown, f"{growth:,}", f"{floor:,.0f}", f"{growth / floor:.1f}"])
    return [
        "## Memory",
        "",
        f"Peak megabytes of the process by the number of rows, texts of {found['words']} words, models so small that",
        "they do not count. The texts themselves are in memory; what else there is should hardly grow. The floor of",
        "the growth is a row's text in UTF-8 and what is made of it: scores, an embedding, or token ids and a target.",
        "Texts are objects of Python, with a head of 49 bytes and a pointer each, and so are their ids.",
        "",
        *_table(["rows", *(f"{int(size):,}" for size in sizes), "growth", "its floor", "times the floor"], rows),
    ]


def _scaling(found: dict) -> list[str]:
    curve, paper, sizes = found["curve"], found["limit"], found["bytes"]
    base = curve[0]["runs_per_second"] / curve[0]["workers"]
    rows = [
        [
            one["workers"],
            f"{one['runs_per_second']:.3f}",
            f"{one['runs_per_second'] / base:.2f}",
            f"{statistics.median(one['seconds']):.1f}",
            f"{100 * one['busy']:.0f} %",
            one["worker_peak_mb"],
        ]
        for one in curve
    ]
    head = ["workers", "runs a second", "times one", "seconds a run", "of their time training", "peak MB of one"]
    serial = ", ".join(f"{what} {1000 * seconds:.1f} ms" for what, seconds in paper["serial_seconds"].items())
    return [
        "## Workers of a cluster",
        "",
        f"Sweeps of {curve[0]['runs']} equal runs on a Dask scheduler with workers of one thread, all on this machine,",
        f"which has {found['machine']['cores']} cores: more workers than that share them.",
        "",
        *_table(head, rows),
        "",
        f"A task that does nothing is back after {1000 * found['round_trip']['median_seconds']:.0f} ms. A run sends",
        f"{sizes['sent'] / 1e3:.1f} kB and receives {sizes['received'] / 1e3:.1f} kB; the corpus,",
        f"{sizes['corpus'] / 1e6:.1f} MB, goes to a worker once. Each run takes {serial} (a gigabit a second), and a",
        f"worker waits {1000 * paper['gap_seconds']:.0f} ms between two.",
        "",
        f"On paper, with (run + gap) / c workers and c the slowest of these, the {paper['slowest']}: runs of",
        f"{paper['run_seconds']:.1f} s scale to about **{paper['workers']:,.0f} workers**, which is",
        f"{paper['runs_per_second']:,.0f} runs a second; up to there {100 * paper['efficiency_before']:.1f} % of",
        "a worker's time is training.",
        "",
        *_paper(found["paper"]),
    ]


def _paper(setup: dict) -> list[str]:
    hours = setup["hours"]
    rows = [
        [f"{gpus} GPU{'s' * (gpus > 1)}", *(f"{hours[str(gpus)][what]:.2f}" for what in hours[str(gpus)])]
        for gpus in setup["GPUs"]
    ]
    return [
        "### The paper's set-up, on paper",
        "",
        f"{setup['corpora']} corpora, a RoBERTa-base, {len(setup['annotators'])} annotators and gold,",
        f"{len(setup['sizes'])} sizes and {setup['seeds']} seeds are {hours['runs']:,} runs. The paper's numbers of",
        f"texts are not known to us: up to {max(setup['sizes']):,} labels and {setup['test texts']:,} test texts a",
        f"corpus of {setup['tokens a text']} tokens are assumed, and {100 * setup['share']:.0f} % of the",
        f"{setup['flops a second'] / 1e12:.0f} TFLOP/s that an A100's data sheet states for bfloat16. What the",
        "cluster adds",
        "to a run is measured above, on processors; no GPU was at hand, so nothing here is more than arithmetic.",
        "",
        *_table(["hours", "annotating", "training", "of it what the cluster adds"], rows),
    ]
