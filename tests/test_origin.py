"""Whether a table was made by whom a study names: what is compared, and what is no difference."""

import json
import os

import pyarrow.parquet as pq
import pytest

from helpers import artifacts, places
from helpers.annotators import origin, specs
from helpers.errors import UserError

URL = "http://localhost:8000/v1"
SERVER = {"server": URL, "model": "m1", "answers": "samples", "answered_with": "labels", "samples": 10}
LOGPROBS = {"server": URL, "model": "m1", "answers": "logprobs", "answered_with": "codes", "top": 20}
LOCAL = {"model_hash": "0" * 64, "compute": "float32"}


def refused(said, made):
    """What differs, in the words of the message; empty where nothing does."""
    try:
        origin.check(specs.parse(said), made, "a/file.parquet")
        return ""
    except UserError as error:
        message = str(error)
    assert "\n" not in message
    assert message.startswith("a/file.parquet was made by another ")
    assert "Remove it to have it made again" in message
    return message.partition(": ")[2].partition(". Remove")[0]


@pytest.mark.parametrize(
    ("fields", "made", "message"),
    [
        ({}, SERVER, ""),
        ({"openai": "m2"}, SERVER, 'the model was "m1" then and is "m2" now'),
        ({"base_url": "http://localhost:9/v1"}, SERVER, f'the server was "{URL}" then and is "http://localhost:9/v1"'),
        ({"base_url": f"{URL}/"}, SERVER, ""),
        ({"samples": 50}, SERVER, "`samples` was 10 then and is 50 now"),
        ({"samples": 50}, LOGPROBS, ""),  # none were taken
        ({"answers": "logprobs"}, SERVER, '`answers` was "samples" then and is "logprobs" now'),
        ({"answers": "samples"}, SERVER, ""),
        ({"answer_with": "codes"}, SERVER, '`answer_with` was "labels" then and is "codes" now'),
        ({"top": 10}, LOGPROBS, "`top` was 20 then and is 10 now"),
        ({}, LOGPROBS | {"top": 5}, ""),  # the server listed no more
        ({"extra": {"seed_of": {1: None}}}, SERVER, '`extra` was {} then and is {"seed_of": {"1": null}} now'),
        ({"extra": {"seed_of": {1: None}}}, SERVER | {"request": {"seed_of": {"1": None}}}, ""),
        ({}, SERVER | {"request": {"temperature": 2}}, '`extra` was {"temperature": 2} then and is {} now'),
        ({"concurrency": 9, "timeout": 3, "attempts": 1, "budget": {"calls": 3}}, SERVER, ""),
        ({}, LOCAL, "the annotator was a model on a machine then and is a server now"),
        ({}, {"replay": "said.csv", "model_hash": "0" * 64}, "the annotator was a file then and is a server now"),
        ({}, {"ready_made": "gpt"}, "the annotator was the corpus's own table then and is a server now"),
        ({}, SERVER | {"model": "\x1b[31m\nm\u202e"}, r'the model was "\u001b[31m\nm\u202e" then'),
    ],
)
def test_servers(fields, made, message):
    said = refused({"openai": "m1", "name": "m", "base_url": URL} | fields, made)
    assert said.startswith(message) if message else not said


def test_the_address_is_compared_only_where_the_study_says_it(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9/v1")
    assert not refused("openai:m1", SERVER)
    assert refused(f"openai:m1@{URL}1", SERVER)


def test_replays(tmp_path):
    file = tmp_path / "said.csv"
    file.write_text("id,label\n1,yes\n")
    said = {"replay": str(file), "label": "label"}
    made = {"replay": "said.csv", "model_hash": origin.sha256(file), "read": specs.parse(said).reading}
    made = json.loads(json.dumps(made))
    assert not refused(said, made)
    assert not refused(said, {key: value for key, value in made.items() if key != "read"})  # an older table
    assert "what is read of the file" in refused(said | {"label": "other"}, made)
    assert refused(said, LOCAL) == "the annotator was a model on a machine then and is a file now"
    file.write_text("id,label\n1,no\n")
    assert f"the sha256 of {file} was {made['model_hash'][:12]}… then and is" in refused(said, made)
    file.unlink()  # on another machine
    assert not refused(said, made)


def test_models_on_this_machine(tmp_path, own_cache, monkeypatch):
    for version in ("v1", "v2"):
        (tmp_path / version / "checkpoint").mkdir(parents=True)
        (tmp_path / version / "checkpoint/model.safetensors").write_text(version)
        (tmp_path / version / "model.gguf").write_text(version)
    one, two = tmp_path / "v1", tmp_path / "v2"
    made = LOCAL | {"model_hash": origin.weights(one / "checkpoint")}
    assert not refused(f"hf:{one}/checkpoint", made)
    assert refused(f"hf:{two}/checkpoint", made).startswith("the sha256 of its weights was")
    assert refused(f"hf:{one}/checkpoint", SERVER) == "the annotator was a server then and is a model on a machine now"
    assert not refused(f"hf:{tmp_path}/v3/checkpoint", made)  # it is not here
    (two / "checkpoint/model.safetensors").rename(two / "checkpoint/elsewhere")
    assert not refused(f"hf:{two}/checkpoint", made)  # nor are its weights
    (two / "checkpoint/elsewhere").rename(two / "checkpoint/model.safetensors")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert refused("hf:~/v2/checkpoint", made).startswith("the sha256 of its weights was")
    made = LOCAL | {"model_hash": f"model-{origin.sha256(one / 'model.gguf')[:16]}"}
    assert not refused(f"gguf:{one}/model.gguf", made)
    assert refused(f"gguf:{two}/model.gguf", made).startswith("the model's sha256 was")
    assert not refused(f"gguf:{tmp_path}/v3/model.gguf", made)
    assert refused("hf:someone/model", made) == 'the model was "the file model" then and is "someone/model" now'
    made = LOCAL | {"model_hash": artifacts.fingerprint("smollm2-135m")}
    assert not refused("smollm2-135m", made)
    assert refused("smollm2-135m", LOCAL).startswith("the model's sha256 was")
    with pytest.raises(UserError, match=r"Remove it to have it made again$"):  # nor can it have another name
        origin.check(specs.parse("smollm2-135m"), LOCAL, "a/file.parquet")
    with pytest.raises(UserError, match=r"or, to keep these labels, say just x in the study$"):
        origin.check(specs.parse({"hf": f"{two}/checkpoint", "name": "x"}), made, "a/file.parquet")


def test_models_of_the_hub(tmp_path):
    made = LOCAL | {"model_hash": "c" * 40, "model": "one/x"}
    assert not refused("hf:one/x", made)
    assert refused("hf:two/x", made) == 'the model was "one/x" then and is "two/x" now'
    assert not refused(f"hf:one/x@{'c' * 40}", made)  # as the table says
    assert not refused("hf:one/x@ccccccc", made)
    assert refused("hf:one/x@v2", made) == 'the revision was not recorded then and is "v2" now'
    assert not refused("hf:one/x@v2", made | {"revision": "v2"})
    assert refused("hf:one/x@v2", made | {"revision": "v1"}) == 'the revision was "v1" then and is "v2" now'
    assert not refused("hf:one/x", made | {"revision": "v1"})  # any will do
    del made["model"]  # an older table
    assert not refused("hf:two/x", made)
    snapshot = tmp_path / "snapshots" / ("c" * 40)  # the hub's own cache, named as a folder
    snapshot.mkdir(parents=True)
    assert not refused({"hf": str(snapshot), "name": "x"}, made)


def test_a_plain_name_takes_what_is_there():
    for made in (SERVER, LOCAL, {}, {"ready_made": "gpt"}):
        assert not refused("theirs", made)


def test_tables_that_are_shipped_are_by_those_whom_they_name():
    tables = list((places.ROOT / "annotations").rglob("*.parquet"))
    assert tables
    for file in tables:
        if "-crossfit" not in file.name:
            made = json.loads(pq.read_schema(file).metadata[b"label-risk"])
            origin.check(specs.parse(made["annotator"]), made, str(file))


def test_a_large_file_is_read_once_until_it_changes(tmp_path, own_cache, monkeypatch):
    read, file = [], tmp_path / "model.gguf"
    monkeypatch.setattr(origin, "_read", lambda file: f"{len(read)}{read.append(file) or ''}")
    with file.open("wb") as stream:
        stream.truncate(1 << 24)
    assert [origin.sha256(file) for _ in range(3)] == ["0", "0", "0"]
    os.utime(file, (1, 1))
    assert [origin.sha256(file) for _ in range(2)] == ["1", "1"]
    file.write_text("small")
    assert [origin.sha256(file) for _ in range(2)] == ["2", "3"]
