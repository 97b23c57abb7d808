"""What the processor at hand does well, and how many threads may use it."""

import os
import platform
from functools import cache


def pick() -> str:
    """`cuda`, `mps` or `cpu`: the fastest device that is there."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def dtype(device: str):
    """bfloat16 where the device has matrix units for it, else float32.

    On a CPU that means AMX. Processors with only the AVX-512 instructions for bfloat16 have the type, but were measured
    to multiply matrices slower in it than in float32.
    """
    import torch

    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device == "cpu" and "amx_bf16" in _cpuinfo("flags").split():
        return torch.bfloat16
    return torch.float32


@cache
def _cpuinfo(field: str) -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123  (not a path of ours)
            return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
    except OSError:
        return ""


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, str | int]:
    """The machine, as records carry it: processor, cores, system, versions of what computes."""
    import numpy
    import torch
    import transformers

    return {
        "processor": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": numpy.__version__,
    }


def compute_type() -> str:
    """Name of the number type that matrix products use here: `bfloat16` or `float32`."""
    return str(dtype(pick())).removeprefix("torch.")
