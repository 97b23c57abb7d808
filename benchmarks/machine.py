"""What the machine can do: the rates of its matrix products and of its disk, and its description."""

import hashlib
import os
import statistics
import tempfile
import time

import torch

from helpers import device


def describe() -> dict:
    """Description, the rates of matrix products with one thread and with all, in GFLOP/s, and of bytes, in MB/s."""
    rates = {}
    for threads in sorted({1, device.cores()}):
        torch.set_num_threads(threads)
        for kind in ("float32", "bfloat16"):
            rates[f"{kind}, {threads} threads"] = _rate(getattr(torch, kind))
    return device.describe() | {"compute": device.compute_type(), "rates": rates, "bytes": _rates_of_bytes()}


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


def _rates_of_bytes(megabytes: int = 64) -> dict[str, float]:
    """Median rates of writing a file, and of reading it and hashing it with sha256, MB/s."""
    content = os.urandom(megabytes * 1_000_000)
    written, read = [], []
    with tempfile.TemporaryFile() as file:
        for _ in range(5):
            file.seek(0)
            start = time.perf_counter()
            file.write(content)
            file.flush()
            written.append(time.perf_counter() - start)
            file.seek(0)
            start = time.perf_counter()
            hashlib.file_digest(file, "sha256")
            read.append(time.perf_counter() - start)
    return {
        "written": round(megabytes / statistics.median(written), 1),
        "read and hashed": round(megabytes / statistics.median(read), 1),
    }
