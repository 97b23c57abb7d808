"""Runs one contender of a benchmark in a process of its own, so that none profits or suffers from another.

A contender is a function of a module of this package that takes and returns plain data.
"""

import json
import os
import resource
import subprocess
import sys
from importlib import import_module


def run(module: str, function: str, /, *, environment: dict[str, str] | None = None, **arguments) -> dict:
    """What `benchmarks.<module>.<function>(**arguments)` returned, and the peak of its process's memory in MB."""
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.contender", module, function, json.dumps(arguments)],
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        raise RuntimeError(f"{module}.{function}({arguments}) failed:\n{child.stderr[-3000:]}")
    return json.loads(child.stdout.splitlines()[-1])


def _main() -> None:
    module, function, arguments = sys.argv[1:]
    found = getattr(import_module(f"benchmarks.{module}"), function)(**json.loads(arguments))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    sys.stdout.write("\n" + json.dumps(found | {"peak_mb": round(peak)}) + "\n")


if __name__ == "__main__":
    _main()
