"""What a study says of its annotators."""

import contextlib
import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.annotators import specs
from helpers.errors import UserError

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("said", "kind", "name"),
    [
        ("smollm2-135m", specs.Shipped, "smollm2-135m"),
        ("theirs", specs.Existing, "theirs"),
        ("hf:Qwen/Qwen2.5-3B-Instruct", specs.HuggingFace, "Qwen2.5-3B-Instruct"),
        ("hf:Qwen/Qwen2.5-3B-Instruct@refs/pr/1", specs.HuggingFace, "Qwen2.5-3B-Instruct"),
        ("gguf:~/my models/a b.Q4_K_M.gguf", specs.Gguf, "a-b.Q4_K_M"),
        ("gguf:models/smollm2/model.gguf", specs.Gguf, "smollm2"),
        ("gguf:model.gguf", specs.Gguf, "model"),
        ("openai:llama3.2:3b@http://localhost:11434/v1", specs.Server, "llama3.2-3b"),
        ("openai:Qwen/Qwen2.5-7B-Instruct@http://[::1]:8000/v1/", specs.Server, "Qwen2.5-7B-Instruct"),
        ("openai:gpt-4.1-mini", specs.Server, "gpt-4.1-mini"),
        ("replay:said/by others.csv", specs.Replay, "by-others"),
        ({"hf": "a/x", "name": "mine"}, specs.HuggingFace, "mine"),
        ({"openai": "gpt-4.1-mini", "name": "mini"}, specs.Server, "mini"),
    ],
)
def test_every_kind_and_its_name(said, kind, name):
    spec = specs.parse(said)
    assert type(spec) is kind
    assert spec.name == specs.name_of(said) == name
    assert specs.parse(spec) is spec


def test_a_server_from_a_mapping_and_from_a_text_are_the_same():
    said = specs.parse("openai:m@https://host/v1/")
    assert said == specs.parse({"openai": "m", "base_url": "https://host/v1"})
    assert (said.openai, said.base_url, said.host) == ("m", "https://host/v1", "host")


def test_without_an_address_it_is_openais_or_that_of_the_environment(monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert specs.parse("openai:m").base_url == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1/")
    assert specs.parse("openai:m").base_url == "http://127.0.0.1:8000/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://me:{SECRET}@127.0.0.1/v1")
    with pytest.raises(UserError, match="a key belongs in the environment") as caught:
        specs.parse("openai:m")
    assert SECRET not in str(caught.value)


def test_a_variable_in_small_letters_holds_a_key_if_it_is_set(monkeypatch):
    monkeypatch.setenv("my_key", SECRET)
    assert specs.parse({"openai": "m", "key": "my_key"}).key_variable == "my_key"


def test_a_key_goes_only_to_whom_it_was_meant_for(monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert specs.parse("openai:m").key_variable == "OPENAI_API_KEY"
    assert specs.parse("openai:m@https://elsewhere.example/v1").key_variable is None
    assert specs.parse("openai:m@http://localhost:8000/v1").key_variable is None
    mine = {"openai": "m", "base_url": "https://elsewhere.example/v1", "key": "ELSEWHERE_KEY"}
    assert specs.parse(mine).key_variable == "ELSEWHERE_KEY"
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.example/v1/")
    assert specs.parse("openai:m@https://elsewhere.example/v1").key_variable == "OPENAI_API_KEY"


@pytest.mark.parametrize(
    ("fields", "consent"),
    [
        ({"base_url": "http://127.0.0.1:8000/v1"}, False),
        ({"base_url": "http://127.0.0.1:8000/v1", "key": "LOCAL_KEY"}, False),
        ({"base_url": "https://host/v1"}, False),
        ({"base_url": "https://host/v1", "key": "HOST_KEY"}, True),
        ({"base_url": "https://host/v1", "key": "HOST_KEY", "prices": {"input": 0, "output": 0}}, True),
        ({"base_url": "https://host/v1", "prices": {"input": 0, "output": 0}}, False),
        ({"base_url": "http://127.0.0.1:8000/v1", "key": "LOCAL_KEY", "prices": {"input": 0, "output": 0}}, False),
        ({"base_url": "http://127.0.0.1:8000/v1", "prices": {"input": 1, "output": 2}}, True),
        ({"base_url": "https://api.openai.com/v1"}, True),
    ],
)
def test_what_must_be_agreed_to(fields, consent):
    assert specs.parse({"openai": "m"} | fields).needs_consent is consent


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("", "no annotator ''"),
        ("../x", r"no annotator '\.\./x': name a shipped one"),
        ("a:b", "no annotator 'a:b'"),
        ("hf:", "annotator hf:: hf: String should have at least 1 character"),
        ("hf:...", "it needs a `name` of at most 80"),
        ({"hf": "x", "name": "SmolLM2-135m"}, "smollm2-135m is a shipped model: give this one another `name`"),
        ("SmolLM2-135m", "smollm2-135m is a shipped model"),
        ({"hf": "x", "name": "../evil"}, "it needs a `name`"),
        ({"hf": "x", "name": "a\nb"}, "it needs a `name`"),
        ({"hf": "x", "name": "x" * 81}, "it needs a `name`"),
        ("gold", "annotator gold: an annotator cannot be called 'gold', pages call something else so: give it another"),
        ("replay:said/People.csv", "an annotator cannot be called 'People'"),
        ({"hf": "x", "name": "all"}, "annotator all: an annotator cannot be called 'all'"),
        ("ready:mistral small", "an annotator cannot be called 'mistral small': use letters, digits"),
        ({"hf": "x", "name": 3}, "name: it must be a valid string"),
        ({"hf": "x", "gguf": "y"}, "has one of .* and this one has hf and gguf"),
        ({"model": "x"}, r"this one has none \(its fields: model\)"),
        (3, "is a text or a mapping, and not 3"),
        (None, "is a text or a mapping"),
        ("openai:", "openai: String should have at least 1 character"),
        ("openai:m@localhost:8000/v1", "an address that begins with http:// or https://"),
        ("openai:m@http://", "base_url: write it as http://HOST:PORT/v1"),
        ("openai:m@http://[::1/v1", "base_url: it is no address"),
        ("openai:m@http://host:port/v1", "base_url: it is no address"),
        ("openai:m@http://host/v1/chat/completions", "leave out /chat/completions"),
        ({"openai": "m", "base_url": "file:///etc/passwd"}, "write it as http://HOST"),
        ("openai:m@https://api.open\u0430i.com/v1", "it has letters beyond ASCII: write the host as xn--"),
        ({"openai": "m", "key": "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW"}, "name the environment variable .* in capitals"),
        ({"openai": "m", "key": "AKIAIOSFODNN7EXAMPLE"}, "the key itself does not belong here"),
        ({"openai": "m", "extra": {"user": "gsk_" + "a1B2" * 8}}, "a key does not belong in a study file"),
        ({"openai": "m", "extra": {"note": "hf_" + "a1B2" * 8}}, "a key does not belong in a study file"),
        ({"openai": "m", "extra": {"note": "AIza" + "a1B2" * 8}}, "a key does not belong in a study file"),
        ({"openai": "m", "base_url": "http://host/v1\r\nX: y"}, "write it as http://HOST"),
        ({"openai": "m", "colour": "red"}, "there is no field 'colour'"),
        ({"openai": "m", "answers": "guess"}, "answers: it must be 'auto', 'logprobs' or 'samples'"),
        ({"openai": "m", "concurrency": 0}, "concurrency: it must be greater"),
        ({"openai": "m", "budget": {"money": 3}}, "a budget in money needs `prices`"),
        ({"openai": "m", "budget": {"calls": 0}}, "budget: calls: "),
        ({"openai": "m", "prices": {"input": -1, "output": 1}}, "prices: input: "),
        ({"openai": "m", "prices": {"input": 1, "output": 1, "currency": "\x1b[31m"}}, "prices: currency: "),
        ({"openai": "m", "extra": {"n": 3, "logprobs": False}}, "extra: logprobs, n cannot be set"),
        ({"openai": "m", "extra": {"day": date(2026, 1, 1)}}, "extra: write plain texts"),
        ({"replay": "x.csv", "values": "odds"}, "values: it must be"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(said, message):
    with pytest.raises(UserError, match=message) as caught:
        specs.parse(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        f"openai:m@http://me:{SECRET}@host/v1",
        f"replay:https://me:p@{SECRET}/{SECRET}@host/-",
        {"openai": "m", "base_url": f"https://{SECRET}@host/v1"},
        {"openai": "m", "base_url": f"https://host/v1?key={SECRET}"},
        {"openai": "m", "base_url": f"https://host/v1#{SECRET}"},
        {"openai": "m", "base_url": f"https://host:{SECRET}/v1"},
        {"openai": "m", "base_url": f"https://host/sk-{SECRET}/v1"},
        f"openai:m@https://host/v1/%73k-{SECRET}",
        {"openai": "m", "key": f"sk-{SECRET}"},
        {"openai": "m", "api_key": SECRET},
        {"openai": "m", "token": SECRET},
        {"openai": "m", "password": SECRET},
        {"openai": "m", "apiKey": SECRET},
        {"openai": "m", "extra": {"api_key": SECRET}},
        {"openai": "m", "extra": {"headers": {"Authorization": SECRET}}},
        {"openai": "m", "extra": {"extra_body": [{"X-API-Key": SECRET}]}},
        {"openai": "m", "extra": {"access-token": SECRET}},
        {"openai": "m", "extra": {"TOKEN": SECRET}},
        {"openai": "m", "extra": {"client secret": SECRET}},
        {"openai": "m", "extra": {"db_password": SECRET}},
        {"openai": "m", "extra": {"user": f"sk-{SECRET}"}},
        {"openai": "m", "extra": {"a": [[{"b": f"Bearer {SECRET}"}]]}},
        {"openai": "m", "extra": {f"sk-{SECRET}": 1}},
    ],
)
def test_what_may_be_a_key_is_never_repeated(said):
    with pytest.raises(UserError) as caught:
        specs.parse(said)
    shown = [str(caught.value), repr(caught.value), *(str(arg) for arg in caught.value.args)]
    assert not any(SECRET in one for one in shown)
    assert caught.value.__suppress_context__  # a traceback shows no more than the message


def test_fields_that_are_no_keys_are_left_alone():
    extra = {
        "max_completion_tokens": 1,
        "max_tokens": None,
        "min_tokens": 0,
        "stop_token_ids": [2],
        "eos_token": "</s>",
        "add_bos_token": True,
        "skip_special_tokens": True,
        "prompt_cache_key": "reviews",
        "metadata": {"author": "Ann", "tokenizer": "task-2024-risk-taking"},
        "stop": ["Bearer of news"],
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert specs.parse({"openai": "m", "extra": extra}).extra == extra


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("localhost", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("10.1.2.3", True),
        ("172.31.0.1", True),
        ("192.168.0.5:8000", True),
        ("[fd00::1]", True),
        ("172.32.0.1", False),
        ("8.8.8.8", False),
        ("[2001:db8::1]", False),
        ("localhost.example", False),
        ("10.1.2.3.example", False),
        ("vllm:8000", True),
        ("GPU-07", True),
        ("2130706433", False),  # 127.0.0.1, but nobody writes it so
        ("0x0a010203", True),  # 10.1.2.3
        ("134744072", False),  # 8.8.8.8
        ("0x08080808", False),
        ("0x808.0x808", False),
        ("gpu.example", False),
    ],
)
def test_which_addresses_are_private(host, private):
    assert specs.parse(f"openai:m@http://{host}/v1").private is private


@given(st.sampled_from(sorted(specs._CLASSES)), st.text(max_size=120))
def test_any_text_gives_a_harmless_name_or_one_message(kind, value):
    with contextlib.suppress(UserError):
        name = specs.parse(f"{kind}:{value}").name
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name)


def test_names_are_unique_whatever_the_disk_thinks_of_case():
    specs.check_unique([specs.parse("hf:a/x"), specs.parse({"hf": "b/x", "name": "x2"})])
    with pytest.raises(UserError, match="two of the annotators have the same name: Model, model"):
        specs.check_unique([specs.parse("hf:a/Model"), specs.parse("openai:model@http://localhost/v1")])


def test_annotators_are_chosen_by_name_or_by_a_specification():
    known = [specs.parse("hf:a/x"), specs.parse({"openai": "m", "base_url": "http://localhost/v1", "samples": 3})]
    chosen = specs.choose(known, ["m", "gguf:y.gguf"])
    assert chosen[0] is known[1]
    assert chosen[1] == specs.parse("gguf:y.gguf")


def test_a_model_that_is_called_as_a_shipped_one_gets_a_name_of_its_own():
    """Also where only the case differs: some disks do not tell their tables apart."""
    assert specs.name_of("hf:HuggingFaceTB/SmolLM2-135M") == "SmolLM2-135M-hf"
    assert specs.name_of("gguf:models/smollm2-135m.gguf") == "smollm2-135m-gguf"
    assert specs.name_of("smollm2-135m") == "smollm2-135m"


def test_a_server_whose_line_has_a_space_is_the_one_that_was_meant():
    """`- openai: m@http://…` is a mapping to YAML."""
    said = specs.parse({"openai": "llama3.2:3b@http://localhost:11434/v1"})
    assert said == specs.parse("openai:llama3.2:3b@http://localhost:11434/v1")
    assert (said.openai, said.base_url) == ("llama3.2:3b", "http://localhost:11434/v1")
