"""Whether a table was made by whom the study names now: by its provenance, before a label of it is used.

A table is found by the names of its corpus, its annotator and its wording, and a name may come to stand for something
else: another model behind a server, another folder with the same last part, a file that was corrected. Only what
can be known on the spot is compared. A model that is not on this machine does not spoil a table: tables are read
without it. Nor does a later commit of a model on the hub, where a study names no commit.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from helpers import artifacts, hub, places
from helpers.annotators.specs import Existing, Gguf, HuggingFace, Ready, Replay, Server, Shipped, Spec
from helpers.errors import UserError

#: What only the tables of one kind of annotator have in their provenance.
_MARKS: dict[type, str] = {Server: "server", Replay: "replay", Ready: "ready_made"}
#: What a message calls the kinds; all others compute here, and their tables are without a mark.
_KINDS = {
    "server": "a server",
    "replay": "a file",
    "ready_made": "the corpus's own table",
    None: "a model on a machine",
}


def check(spec: Spec, made: Mapping[str, Any], where: str) -> None:
    """Refuse a table that was made by somebody else of the same name, or in another way.

    Parameters
    ----------
    spec
        What the study says now. `Existing` takes the table that is there, whoever made it.
    made
        The table's provenance.
    where
        What to call the table.

    Raises
    ------
    UserError
        If something differs; the message says what, as it was and as it is.
    """
    # What is not recorded, or not there to be compared, is no difference.
    for what, was, now in _compared(spec, made):
        if was != now:
            todo = "Remove it to have it made again"
            if not isinstance(spec, Shipped):  # whose names nobody else can have
                todo += (
                    f", give the annotator another `name`, or, to keep these labels, say just {spec.name} in the study"
                )
            raise UserError(
                f"{where} was made by another {spec.name}: {what} was {_said(was)} then and is {_said(now)} now. {todo}"
            )


def weights(folder: Path) -> str:
    """sha256 over the weight files of a model's folder."""
    digest = hashlib.sha256()
    for file in _weight_files(folder):
        digest.update(bytes.fromhex(sha256(file)))
    return digest.hexdigest()


def _weight_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in (".safetensors", ".bin"))


def sha256(file: Path) -> str:
    """sha256 of a file. A large one is read once a machine, as long as its size and its time stand."""
    stat = file.stat()
    if stat.st_size < 1 << 24:
        return _read(file)
    seen = f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
    known = places.cache() / "hashes" / hashlib.sha256(seen.encode("utf-8", "surrogateescape")).hexdigest()
    if not known.is_file():
        with places.whole(known) as part:
            part.write_text(_read(file))
    return known.read_text()


def _read(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _compared(spec: Spec, made: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """What can be compared: its name, as the table has it, and as the study has it."""
    if isinstance(spec, Existing):
        return
    mark = next((mark for mark in _MARKS.values() if mark in made), None)
    yield "the annotator", _KINDS[mark], _KINDS[_MARKS.get(type(spec))]
    if isinstance(spec, Server):
        yield from _of_server(spec, made)
    elif isinstance(spec, Replay):
        yield from _of_replay(spec, made)
    elif isinstance(spec, Shipped):
        yield "the model's sha256", made.get("model_hash"), artifacts.fingerprint(spec.name)
    elif isinstance(spec, Gguf):
        if (file := places.path(spec.gguf)).is_file():
            # The table has the beginning of it, after the file's name.
            yield "the model's sha256", str(made.get("model_hash")).rpartition("-")[2], sha256(file)[:16]
    elif isinstance(spec, HuggingFace):
        yield from _of_folder_or_hub(spec, made)


def _of_server(spec: Server, made: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    yield "the model", made.get("model"), spec.openai
    if "base_url" in spec.model_fields_set:  # else the environment says it, and each machine has its own
        yield "the server", made.get("server"), spec.base_url
    how = made.get("answers")
    if spec.answers != "auto":
        yield "`answers`", how, spec.answers
    if how == "samples":
        yield "`samples`", made.get("samples"), spec.samples
        if spec.max_tokens is not None and "max_tokens" in made:  # older tables do not say it
            yield "`max_tokens`", made["max_tokens"], spec.max_tokens
    if isinstance(top := made.get("top"), int):
        yield "`top`", top, min(top, spec.top)  # a server may have listed fewer than it was asked for
    if spec.answer_with != "auto":
        yield "`answer_with`", made.get("answered_with"), spec.answer_with
    yield "`extra`", made.get("request", {}), json.loads(json.dumps(spec.extra))


def _of_replay(spec: Replay, made: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    read = spec.reading
    yield "what is read of the file", made.get("read", read), read
    if (file := places.path(spec.replay)).is_file():
        yield f"the sha256 of {places.shown(file)}", made.get("model_hash"), sha256(file)


def _of_folder_or_hub(spec: HuggingFace, made: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    folder, was = places.path(spec.hf), made.get("model_hash")
    if not folder.is_dir():
        model, revision = hub.split(spec.hf)
        # A folder's table does not name it, and the folder need not be here; that of a GGUF has the file's name.
        file = re.fullmatch(r"(.+)-[0-9a-f]{16}", str(was))
        yield "the model", f"the file {file[1]}" if file else made.get("model", model), model
        if revision and not str(was).startswith(revision):  # or it names the commit
            yield "the revision", made.get("revision"), revision
    elif str(was) not in folder.resolve().parts and _weight_files(folder):  # the hub's cache names it after the commit
        yield "the sha256 of its weights", was, weights(folder)


def _said(value: object) -> str:
    """A value in a message; of a hash, the beginning. What a file says is written so that it does nothing."""
    if value is None:
        return "not recorded"
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{16,64}", value):
        return f"{value[:12]}…"
    return value if value in _KINDS.values() else json.dumps(value, sort_keys=True)[:200]
