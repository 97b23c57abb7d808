"""From what was measured to `benchmarks/REPORT.md`: every number in it comes from a file in `benchmarks/results/`."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path

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
    lines = ["# Speed, measured", "", *_preface()]
    for name, section in sections.items():
        measured = results / f"{name}.json"
        if measured.is_file():
            found = json.loads(measured.read_text(encoding="utf-8"))
            lines += ["", *section(found), "", f"*{_machine(found)}*"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _preface() -> list[str]:
    return [
        "`make bench` measures everything below in one go on a quiet machine, each contender in a process of its own.",
        "Times are medians. The floor is the arithmetic that cannot be avoided, products with the models' weights, at",
        "the rate that this machine reaches on one large matrix product.",
    ]


def _machine(found: dict) -> str:
    machine = found["machine"]
    rates = ", ".join(f"{rate:,.0f} GFLOP/s in {what}" for what, rate in machine["rates"].items())
    return (
        f"Measured on {found['date']}: {machine['processor']}, {machine['cores']} cores; {rates}; "
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
        floor = f"{speed * per_example / 1e9 / _rate(found, threads):.0%}" if whole else ""
        rows.append(
            [
                name,
                f"{speed:,.0f}",
                f"{speed / base:.1f}",
                f"{speed / half:.1f}",
                floor,
                f"{statistics.mean(accuracy):.3f} ± {statistics.stdev(accuracy):.3f}",
                f"{statistics.median(one['prediction_seconds']):.1f}",
                one["peak_mb"],
            ]
        )
    head = ["student", "examples a second", "to Trainer", "to its bf16", "of the floor's rate", "accuracy over seeds"]
    head += ["prediction, s", "peak MB"]
    loop, ours = (found["sweeps"][name]["seconds"] for name in ("obvious_loop", "sweep_of_ours"))
    once = ", ".join(f"{one['once_seconds']:.0f} s ({name})" for name, one in alone.items() if one.get("once_seconds"))
    whole = alone["finetune"]["examples_per_second"]
    gained = [
        [f"without {what}: {WITHOUT[what]}", f"{speed:,.0f}", f"{whole / speed:.2f}"]
        for what, speed in ((what, one["examples_per_second"]) for what, one in found["without"].items())
    ]
    return [
        "## Training students",
        "",
        f"Gold labels of {found['n']} texts of `{found['corpus']}`, {len(alone['finetune']['accuracy'])} seeds.",
        "Texts, encoder, batch size, steps, learning rate and schedule are the same for all. `upper` trains less, by",
        "design: what that costs in accuracy stands beside it. Its states of the lower layers took",
        f"{once}, once for all runs.",
        "",
        *_table(head, rows),
        "",
        "What each step gained, by leaving it out:",
        "",
        *_table(["`finetune`", "examples a second", "all of them to this"], gained),
        "",
        f"A sweep of {2 * found['sweep']['seeds']} runs of {found['sweep']['sizes']} examples each, with loading and",
        f"prediction: a loop over Trainer {loop:.0f} s, `label-risk run` {ours:.0f} s with start-up,",
        f"**{loop / ours:.1f} times as fast**.",
    ]


def _annotators(found: dict) -> list[str]:
    lines = [
        "## Annotating",
        "",
        f"Texts of `{found['corpus']}`, the same model files for all. *Agreement* is the share of texts with the same",
        "label as ours; a pipeline that generates may answer with what is no label, and that counts against it.",
    ]
    threads = found["machine"]["cores"]
    for model, contenders in found["models"].items():
        ours = contenders["this project"]
        floor = ours["flops"] / ours["texts"] / 1e9 / _rate(found, threads)
        rows = []
        for name, one in contenders.items():
            if "missing" in one:
                rows.append([name, one["missing"], "", "", "", ""])
                continue
            speed = one["texts_per_second"]
            share = f"{speed * floor:.0%}" if one is ours else ""
            ratio = f"{ours['texts_per_second'] / speed:.1f}"
            rows.append([name, f"{speed:,.1f}", ratio, share, f"{one['agreement']:.0%}", one["peak_mb"]])
        head = [f"{model}", "texts a second", "ours to it", "of the floor's rate", "agreement", "peak MB"]
        lines += ["", *_table(head, rows)]
    return lines


def _book(found: dict) -> list[str]:
    rows = [[what, seconds] for what, seconds in found["seconds"].items()]
    return ["## The book", "", "`label-risk book` and `run` on the quick study.", "", *_table(["", "seconds"], rows)]


def _memory(found: dict) -> list[str]:
    sizes = [str(rows) for rows in found["rows"]]
    rows = [
        [what, *(f"{peaks[size]:,}" for size in sizes), f"{peaks[sizes[-1]] - peaks[sizes[0]]:,}"]
        for what, peaks in found["peak_mb"].items()
    ]
    return [
        "## Memory",
        "",
        f"Peak megabytes of the process by the number of rows, texts of {found['words']} words, models so small that",
        "they do not count. The texts themselves are in memory; what else there is should hardly grow.",
        "",
        *_table(["rows", *(f"{int(size):,}" for size in sizes), "growth"], rows),
    ]


def _scaling(found: dict) -> list[str]:
    curve, paper, sizes = found["curve"], found["on_paper"], found["bytes"]
    base = curve[0]["runs_per_second"] / curve[0]["workers"]
    rows = [
        [
            one["workers"],
            f"{one['runs_per_second']:.3f}",
            f"{one['runs_per_second'] / base:.2f}",
            f"{statistics.median(one['seconds']):.1f}",
            f"{one['busy']:.0%}",
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
        f"{paper['runs_per_second']:,.0f} runs a second; up to there {paper['efficiency_before']:.1%} of a worker's",
        "time is training.",
    ]
