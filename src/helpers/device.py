"""What the processor at hand does well, and how many threads may use it."""

import ctypes
import hashlib
import math
import os
import platform
import time
from functools import cache
from pathlib import Path

from helpers import places
from helpers.errors import UserError

#: A speed-up of matrix products that is worth the coarser rounding of bfloat16: products are not all of the work.
_WORTH_ROUNDING = 1.5
#: Processes that share a graphics card: each keeps libraries and weights of its own in the card's memory.
_ON_A_CARD = 4
#: What Linux says of the processor time that a container may use: microseconds in a period of so many.
_SHARE = Path("/sys/fs/cgroup/cpu.max")


def pick() -> str:
    """`cuda`, `mps` or `cpu`: the fastest device that is there."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def dtype(device: str):
    """bfloat16 where the device multiplies matrices clearly faster in it, else float32.

    `LABEL_RISK_COMPUTE` (`bfloat16` or `float32`) overrides the choice.

    Raises
    ------
    UserError
        If `LABEL_RISK_COMPUTE` names another type.
    """
    import torch

    if wanted := os.environ.get("LABEL_RISK_COMPUTE"):
        if wanted not in ("bfloat16", "float32"):
            raise UserError(f"LABEL_RISK_COMPUTE is {wanted!r}: it can be bfloat16 or float32")
        return getattr(torch, wanted)
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device == "cpu" and _speedup_of_bfloat16() > _WORTH_ROUNDING:
        return torch.bfloat16
    return torch.float32


@cache
def _speedup_of_bfloat16() -> float:
    """How many times faster this processor multiplies matrices in bfloat16 than in float32.

    It is measured and not looked up: the processors that have instructions for bfloat16 were seen to gain a factor of
    4 with AVX-512 (AMD, family 26), of 3 with AMX, and to lose with AVX-512 on another. The answer is kept in the
    cache, so that all processes on a machine compute in one type.
    """
    import torch

    about = f"{_cpuinfo('model name')} {_cpuinfo('flags')} {platform.machine()} torch {torch.__version__}"
    file = places.cache() / "machines" / hashlib.sha256(about.encode()).hexdigest()[:16]
    try:
        return float(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        pass
    best = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    with torch.inference_mode():
        for _ in range(5):
            for kind in best:
                rows, weight = torch.ones(512, 768, dtype=kind), torch.ones(1024, 768, dtype=kind)
                start = time.perf_counter()
                torch.nn.functional.linear(rows, weight)
                best[kind] = min(best[kind], time.perf_counter() - start)
    ratio = best[torch.float32] / best[torch.bfloat16]
    with places.whole(file) as part:
        part.write_text(f"{ratio:.3f}\n", encoding="utf-8")
    return ratio


def keep_memory() -> None:
    """Let this process keep the memory it frees, for the next step to use.

    By default glibc's allocator hands large buffers back to the system and faults them in again, page by page. What
    that costs depends on the system, from nothing to much of the time; `benchmarks/REPORT.md` has the number of one
    machine. Other allocators are left as they are. So a process holds on to the most that it ever needed: 1 to
    1.5 GB in a sweep over corpora of short texts.
    """
    if platform.libc_ver()[0] == "glibc":
        mmap_threshold, trim_threshold = -3, -1  # the names of the parameters in malloc.h
        libc = ctypes.CDLL(None)
        # Older versions refuse a threshold above half of their heaps, and would then take none at all.
        libc.mallopt(mmap_threshold, 1 << 30) or libc.mallopt(mmap_threshold, 1 << 25)
        libc.mallopt(trim_threshold, (1 << 31) - 1)


def compute_alone() -> None:
    """Prepare this process as one of several workers on its machine: one thread, and memory that it keeps."""
    import torch

    torch.set_num_threads(1)
    keep_memory()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


@cache
def _cpuinfo(field: str) -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123  (not a path of ours)
            return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
    except OSError:
        return ""


def cores() -> int:
    """Number of cores this process may use, also in a container whose share of the processor is limited."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _SHARE.read_text(encoding="ascii").split()
        return min(seen, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such file, or no limit: then it says `max`
        return seen


def workers() -> int:
    """Number of processes that train at once if nobody says how many: one a core, and few that share a card."""
    return cores() if pick() == "cpu" else min(cores(), _ON_A_CARD)


def describe() -> dict[str, str | int]:
    """The machine, as records carry it: processor, cores, what multiplies matrices, system, versions."""
    import numpy
    import torch
    import transformers

    return {
        "processor": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "device": _multiplier(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": numpy.__version__,
    }


def _multiplier() -> str:
    """The GPU, or the processor's instruction set: a virtual machine may hide which processor it runs on."""
    import torch

    kind = pick()
    if kind == "cuda":
        return torch.cuda.get_device_name()
    return f"cpu, {torch.backends.cpu.get_cpu_capability()}" if kind == "cpu" else kind


def same_kind(a: dict, b: dict) -> bool:
    """Whether two records' environments (`describe`, with `compute`) are of machines of one kind.

    Two such compute the same digits, unless by a GPU (`helpers.verify`). The number of cores does not matter, for a run
    is computed by one thread; nor does the commit of an encoder, which is no part of a machine. What only one of the
    two says, because the other was written by an older version, is taken to be equal.
    """
    return all(a[what] == b[what] for what in a.keys() & b.keys() - {"cores", "encoder_commit"})


def compute_type() -> str:
    """Name of the number type that matrix products use here: `bfloat16` or `float32`."""
    return str(dtype(pick())).removeprefix("torch.")
