"""`python -m benchmarks [SECTION ...]`: measure the sections, or all of them, and write the report.

Nothing else should compute meanwhile. What was measured goes to `benchmarks/results/`, a file a section, and
`benchmarks/REPORT.md` is made from all that lies there.

Example: python -m benchmarks students memory
"""

import argparse
import json
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

from benchmarks import contender, report

SECTIONS = ("students", "annotators", "book", "memory", "scaling")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"any of {', '.join(SECTIONS)}; none means all")
    wanted = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        parser.error(f"no section is called {min(unknown)!r}: there are {', '.join(SECTIONS)}")
    machine = contender.run("machine", "describe")
    for section in tqdm(wanted, unit="section"):
        start = time.perf_counter()
        found = import_module(f"benchmarks.{section}").measure()
        minutes = round((time.perf_counter() - start) / 60, 1)
        found |= {"machine": machine, "date": datetime.now(UTC).date().isoformat(), "minutes": minutes}
        (RESULTS / f"{section}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    report.write(RESULTS, RESULTS.parent / "REPORT.md")


if __name__ == "__main__":
    main()
