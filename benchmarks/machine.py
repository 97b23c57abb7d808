"""What the machine can do: the rate of its matrix products, which no program can beat, and its description."""

import statistics
import time

import torch

from helpers import device


def describe() -> dict:
    """Description, and the measured rates of matrix products with one thread and with all, in GFLOP/s."""
    rates = {}
    for threads in sorted({1, device.cores()}):
        torch.set_num_threads(threads)
        for kind in ("float32", "bfloat16"):
            rates[f"{kind}, {threads} threads"] = _rate(getattr(torch, kind))
    return device.describe() | {"compute": device.compute_type(), "rates": rates}


@torch.inference_mode()
def _rate(kind: torch.dtype, *, rows: int = 2048, width: int = 1536, repeats: int = 15) -> float:
    """Median rate of one large product, GFLOP/s."""
    a, b = torch.ones(rows, width, dtype=kind), torch.ones(width, width, dtype=kind)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        torch.nn.functional.linear(a, b)
        seconds.append(time.perf_counter() - start)
    return round(2 * rows * width**2 / statistics.median(seconds) / 1e9, 1)
