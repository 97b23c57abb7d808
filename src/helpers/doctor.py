"""What this machine has, and whether it is enough."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

from helpers import artifacts, device, places


@dataclass(frozen=True)
class Finding:
    """One line of the report; `ok` is False where something must be mended."""

    what: str
    ok: bool
    detail: str


def examine() -> Iterator[Finding]:
    """Look at Python, the pinned packages, the processor, disk and artifacts."""
    version = sys.version_info
    yield Finding(
        "python", (3, 11) <= version < (3, 14), f"{version.major}.{version.minor}.{version.micro}, 3.11 to 3.13 wanted"
    )
    yield _packages()
    machine = device.describe()
    yield Finding("processor", True, f"{machine['processor']}, {machine['cores']} cores, {machine['system']}")
    yield Finding("compute", True, f"{device.compute_type()} on {machine['device']}")
    for what, folder in [("cache", places.cache()), ("ledger", places.ledger())]:
        existing = next(p for p in [folder, *folder.parents] if p.exists())
        free = shutil.disk_usage(existing).free / 1e9
        yield Finding(what, free > 1, f"{folder}, {free:.0f} GB free")
    for name, entry in artifacts.registry().items():
        there = artifacts.folder(name).is_dir()
        yield Finding(name, True, "in the cache" if there else f"not fetched yet, {entry['megabytes']} MB")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    yield Finding("browser", True, browser or "none: only `make test` needs chromium")


def _packages() -> Finding:
    wrong = [f"{name} is missing" for name in _required() if not _version(name)]
    for line in (places.ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, pinned = line.partition("==")
        found = _version(name)
        # What is not there is of another platform or of the tests. A local version (2.13.0+cpu) is another build of
        # the same release.
        if pinned and found and found.partition("+")[0] != pinned:
            wrong.append(f"{name} {found}, pinned {pinned}")
    # Made always: what was installed once counts as installed.
    todo = f"{'; '.join(wrong)}: `make --always-make install`"
    return Finding("packages", not wrong, todo if wrong else "the pinned versions")


def _required() -> list[str]:
    """Names of what the package does not work without, here."""
    required = map(Requirement, metadata.requires("label-risk") or [])
    return [one.name for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
