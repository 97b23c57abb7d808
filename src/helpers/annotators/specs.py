"""What a study says of an annotator, read in one place.

Each kind is written as `KIND:VALUE`, or as a mapping that begins with the same word and has room for more:

=========================  =========================================================================
`smollm2-135m`, …          one of the shipped models (`SHIPPED`), or what `annotations/` has of another
`hf:FOLDER-OR-HUB-ID`      a causal language model in transformers' format
`gguf:FILE`                a GGUF file
`openai:MODEL@BASE_URL`    a server that speaks OpenAI's protocol; without `@BASE_URL` that of the
                           variable OPENAI_BASE_URL, or OpenAI's own
`replay:FILE`              a table with labels, probabilities or log-probabilities by row id
`ready:NAME`               labels that the corpus's own table has: `ready_made` of the corpus
=========================  =========================================================================

An annotator's name is part of the names of files, so it is made of a few harmless characters, and no two annotators of
a study may share one. Nothing here opens a file, loads a model or asks a server.
"""

import ipaddress
import json
import os
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from helpers import hub
from helpers.corpora import ready
from helpers.errors import UserError, without_controls, without_passwords, wrong_field

#: The annotators of the default study, weakest first.
SHIPPED = ("smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")
#: Where OpenAI's own models are asked.
OPENAI = "https://api.openai.com/v1"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_SERVER = re.compile(r"(?P<model>.+?)@(?P<base_url>https?://.*)", re.DOTALL)
#: Fields of a request that are this program's own: with others in their place an answer would mean something else.
_OWN_FIELDS = {"model", "messages", "stream", "n", "logprobs", "top_logprobs", "seed"}
#: Names, without case and signs, under which keys are sent: not `max_tokens`, `eos_token` or `prompt_cache_key`.
_KEY_NAME = re.compile(
    r"(|.*(api|access|auth|bearer|hf|id|refresh|secret|session))token|.*(apikey|accesskey|privatekey|subscriptionkey"
    r"|authorization|authentication|secret|passw|passphrase|credential|cookie).*|key|auth|bearer"
)
#: What keys look like, wherever they stand.
_KEY_VALUE = re.compile(
    r"(?<![A-Za-z0-9])(?:(?i:sk)-[A-Za-z0-9_-]{6,}|(?:gsk_|hf_|xai-|AIza)[A-Za-z0-9_-]{20,}|AKIA[A-Z0-9]{12,})"
    r"|^\s*(?i:bearer|basic)\s+\S+\s*$"
)
_KEYS_COME_FROM = "a key does not belong in a study file: `key` names the environment variable that holds it"
#: Networks that no stranger listens to: RFC 1918, and the same of IPv6.
_PRIVATE = [ipaddress.ip_network(said) for said in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]


class Prices(BaseModel):
    """What a server charges, for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    currency: str = Field("USD", pattern=r"^[A-Za-z]{1,8}$")

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """Price of so many tokens, in `currency`."""
        return (tokens_in * self.input + tokens_out * self.output) / 1e6


class Budget(BaseModel):
    """What an annotator may cost in all, over all corpora and sittings; None is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: int | None = Field(None, ge=1)
    tokens: int | None = Field(None, ge=1)
    money: float | None = Field(None, gt=0)


class _Spec(BaseModel, ABC):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: str = ""

    @abstractmethod
    def _stem(self) -> str:
        """What the name is made from where none is given."""

    @model_validator(mode="after")
    def _has_a_name(self):
        name = self.name or re.sub(r"[^A-Za-z0-9._-]+", "-", self._stem()).lstrip("._-")
        taken = name.casefold() in SHIPPED and not isinstance(self, Shipped)  # some disks know no case
        if taken and not self.name and not isinstance(self, Ready):
            name, taken = f"{name}-{next(kind for kind, made in _CLASSES.items() if made is type(self))}", False
        if not _NAME.fullmatch(name):
            raise ValueError("it needs a `name` of at most 80 letters, digits, `.`, `_` and `-`, the first no sign")
        if taken:
            raise ValueError(f"{name.casefold()} is a shipped model: give this one another `name`")
        if name.casefold() in ready.TAKEN:
            raise ValueError(ready.taken(name))
        object.__setattr__(self, "name", name)  # the model is frozen for everybody else
        return self


class Shipped(_Spec):
    """A shipped model: its name is one of `SHIPPED`."""

    def _stem(self) -> str:
        return self.name


class Existing(_Spec):
    """The name of tables that are there already, whoever made them."""

    def _stem(self) -> str:
        return self.name


class HuggingFace(_Spec):
    """A model in transformers' format: a folder, or an id of the hub with or without a revision (`helpers.hub`)."""

    hf: str = Field(min_length=1)

    def _stem(self) -> str:
        return _last(hub.split(self.hf)[0])


class Gguf(_Spec):
    """A GGUF file."""

    gguf: str = Field(min_length=1)

    def _stem(self) -> str:
        # Folders of models often call the file so, and then the folder's name says more.
        file = Path(self.gguf)
        return file.parent.name if file.stem == "model" and file.parent.name else file.stem


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The number of a host that is written as one, also as 0x08080808; an `OSError` for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return ipaddress.ip_address(socket.inet_aton(host))


def _harmless_url(url: str) -> str:
    """An address that can be shown: without a user, a password or anything after the path."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is no address") from None
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("write it as http://HOST:PORT/v1 or https://HOST/v1")
    if not url.isascii():  # letters of other scripts look like these, and who is asked may be somebody else
        raise ValueError("it has letters beyond ASCII: write the host as xn--…, and the others as %XX")
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Neither part is repeated here: it may be a key.
        raise ValueError("it has a user, a password or a query: leave it out; a key belongs in the environment")
    if _holds_a_key(unquote(parts.path).split("/")):
        raise ValueError(_KEYS_COME_FROM)
    if url.rstrip("/").endswith("/chat/completions"):
        raise ValueError("leave out /chat/completions at its end")
    return url.rstrip("/")


class Server(_Spec):
    """A model behind an OpenAI-compatible server.

    Attributes
    ----------
    openai
        The name by which the server knows the model.
    base_url
        Address of the interface, mostly ending in `/v1`.
    key
        Name of the environment variable that holds the key. By default OPENAI_API_KEY, but only for OpenAI's own
        server and that of OPENAI_BASE_URL: a key is sent to nobody whom it was not meant for.
    answers
        `logprobs`: the log-probabilities of the first token; `samples`: the shares of labels among sampled answers;
        `auto`: the first if the server gives them, else the second.
    samples
        Number of sampled answers for a text.
    top
        Number of likeliest tokens asked for.
    answer_with
        What the model is to answer: the labels, or one character for each (`codes`); `auto`: codes where labels may
        begin with the same token.
    max_tokens
        Longest sampled answer; by default what the longest label needs.
    concurrency
        Calls at once.
    requests_per_minute
        The most calls that begin in a minute; by default as many as the server takes.
    timeout
        Seconds to wait for an answer.
    attempts
        Times that a call is tried before it counts as failed; calls too many for the server are not counted.
    extra
        Fields to add to every request, or, with null, to leave out of it.
    prices, budget
        What a million tokens cost, and the most that may be spent.
    """

    openai: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]+$")
    base_url: Annotated[str, AfterValidator(_harmless_url)] = Field(
        default_factory=lambda: os.environ.get("OPENAI_BASE_URL") or OPENAI, validate_default=True
    )
    key: str | None = None
    answers: Literal["auto", "logprobs", "samples"] = "auto"
    samples: int = Field(10, ge=1, le=1000)
    top: int = Field(20, ge=1, le=1000)
    answer_with: Literal["auto", "labels", "codes"] = "auto"
    max_tokens: int | None = Field(None, ge=1)
    concurrency: int = Field(4, ge=1, le=256)
    requests_per_minute: float | None = Field(None, gt=0, allow_inf_nan=False)
    timeout: float = Field(60, gt=0, allow_inf_nan=False)
    attempts: int = Field(6, ge=1, le=20)
    extra: dict[str, Any] = {}
    prices: Prices | None = None
    budget: Budget = Budget()

    def _stem(self) -> str:
        return _last(self.openai)

    @model_validator(mode="before")
    @classmethod
    def _no_key_in_the_file(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and any(map(_is_key_name, set(given) - {"key"})):
            raise ValueError(_KEYS_COME_FROM)
        return given

    @field_validator("key")
    @classmethod
    def _key_is_a_name(cls, key: str | None) -> str | None:
        # Keys, too, are made of letters and digits: what is not in capitals must be the name of a variable that is set.
        if key is not None and (
            _holds_a_key(key) or not (re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", key) or key in os.environ)
        ):
            raise ValueError(
                "name the environment variable that holds the key, in capitals; the key itself does not belong here"
            )
        return key

    @field_validator("extra")
    @classmethod
    def _extra_leaves_the_question_alone(cls, extra: dict[str, Any]) -> dict[str, Any]:
        if taken := _OWN_FIELDS & set(extra):
            raise ValueError(f"{', '.join(sorted(taken))} cannot be set: the meaning of the answers depends on it")
        try:
            json.dumps(extra, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError("write plain texts, numbers, lists and mappings: they are sent as JSON") from None
        if _holds_a_key(extra):
            raise ValueError(_KEYS_COME_FROM)  # and it would stand in the table, which tells what was asked
        return extra

    @model_validator(mode="after")
    def _money_needs_prices(self):
        if self.budget.money is not None and self.prices is None:
            raise ValueError("a budget in money needs `prices`")
        unlimited = "max_tokens" in self.extra and self.extra["max_tokens"] is None
        limits = self.budget.tokens is not None or self.budget.money is not None
        if limits and unlimited and not isinstance(self.extra.get("max_completion_tokens"), int):
            raise ValueError("answers of any length can go beyond any budget: set `max_completion_tokens` in `extra`")
        return self

    @property
    def host(self) -> str:
        """Name or number of the server's machine."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def local(self) -> bool:
        """Whether the server runs on this machine."""
        return self.host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d{1,3}){3}", self.host))

    @property
    def private(self) -> bool:
        """Whether the server is on this machine or in a network of the user's own: by its number, or a bare name."""
        try:
            number = _number(self.host)
        except OSError:
            return self.local or re.fullmatch(r"[a-z0-9_-]*[a-z_-][a-z0-9_-]*", self.host) is not None
        return self.local or any(number in network for network in _PRIVATE)

    @property
    def key_variable(self) -> str | None:
        """The environment variable whose value is sent as the key, or None if no key is sent."""
        if self.key:
            return self.key
        known = {OPENAI, (os.environ.get("OPENAI_BASE_URL") or OPENAI).rstrip("/")}
        return "OPENAI_API_KEY" if self.base_url in known else None

    @property
    def needs_consent(self) -> bool:
        """Whether the user must agree before a call: it may cost money, or a key is sent to another machine."""
        priced = self.prices is not None and (self.prices.input > 0 or self.prices.output > 0)
        return priced or (self.key_variable is not None and not self.local)


class Replay(_Spec):
    """What somebody else's annotator said, from a file.

    Attributes
    ----------
    replay
        A CSV, TSV, JSON, Parquet or Excel file with a row a text; see `helpers.corpora.reading.read`.
    id
        The column with the corpus's row ids.
    label
        The column with the label, where each text has just one.
    columns
        Label -> column with its probability; by default the column of that name.
    values
        What the columns hold: `probabilities`, `logprobs`, or `auto`: log-probabilities if a number is below zero.
    """

    replay: str = Field(min_length=1)
    id: str = "id"
    label: str | None = None
    columns: dict[str, str] | None = None
    values: Literal["auto", "probabilities", "logprobs"] = "auto"

    def _stem(self) -> str:
        return Path(self.replay).stem

    @property
    def reading(self) -> dict[str, Any]:
        """What is read of the file and how, as plain data."""
        return self.model_dump(include={"id", "label", "columns", "values"})


class Ready(_Spec):
    """Labels that stand in the corpus's own table, where `ready_made` gives them this name."""

    ready: str = Field(min_length=1)

    def _stem(self) -> str:
        return self.ready

    @model_validator(mode="after")
    def _is_called_as_there(self):
        if not _NAME.fullmatch(self.ready):
            raise ValueError(f"an annotator cannot be called {self.ready!r}: use letters, digits, `.`, `_` and `-`")
        if self.name != self.ready:
            raise ValueError("its name is the one under `ready_made` of the corpus: leave `name` out")
        return self


#: Annotators that compute on this machine, or on the workers of a cluster; the others only ask or read.
COMPUTING = (Shipped, HuggingFace, Gguf)
#: Annotators whose labels are ready-made, so that no wording changes them.
READ = (Replay, Ready)

Spec = Shipped | Existing | HuggingFace | Gguf | Server | Replay | Ready
_CLASSES: dict[str, type[_Spec]] = {"hf": HuggingFace, "gguf": Gguf, "openai": Server, "replay": Replay, "ready": Ready}


def parse(said: "str | Mapping[str, Any] | Spec") -> Spec:
    """Read one specification, as the command line or a study file has it.

    A word without a colon is the name of a shipped model or of a table that is there; whether it is, is not checked.

    Raises
    ------
    UserError
        If it cannot be read; the message names the annotator and the field, and never repeats a value that may be a
        key.
    """
    if isinstance(said, _Spec):
        return said
    if isinstance(said, Mapping):
        kinds = [kind for kind in _CLASSES if kind in said]
        if len(kinds) != 1:
            raise UserError(
                f"an annotator that is a mapping has one of {', '.join(f'`{kind}`' for kind in _CLASSES)}, "
                f"and this one has {' and '.join(kinds) or 'none'} (its fields: {', '.join(map(str, said))})"
            )
        who, fields = said.get("name") or f"{kinds[0]}:{_harmless(said[kinds[0]])}", dict(said)
        # `- openai: MODEL@ADDRESS`, with a space behind the colon, is the text that was meant, and YAML's mapping.
        if "base_url" not in fields and (found := _SERVER.fullmatch(str(fields.get("openai", "")))):
            fields |= {"openai": found["model"], "base_url": found["base_url"]}
        return _build(_CLASSES[kinds[0]], fields, _harmless(who))
    if not isinstance(said, str):
        raise UserError(f"an annotator is a text or a mapping, and not {said!r}")
    kind, colon, value = said.partition(":")
    if not colon or kind not in _CLASSES:
        if not _NAME.fullmatch(said):
            raise UserError(unknown(said))
        return _build(Shipped if said in SHIPPED else Existing, {"name": said}, said)
    if kind == "openai" and "@" in value:
        found = _SERVER.fullmatch(value)
        if not found:
            raise UserError("an annotator openai:MODEL@BASE_URL needs an address that begins with http:// or https://")
        return _build(Server, {"openai": found["model"], "base_url": found["base_url"]}, f"openai:{found['model']}")
    return _build(_CLASSES[kind], {kind: value}, _harmless(said))


def unknown(said: str) -> str:
    """What to tell the user of a specification that names no annotator."""
    return (
        f"no annotator {_harmless(said)!r}: name a shipped one ({', '.join(SHIPPED)}), hf:FOLDER-OR-HUB-ID, "
        "openai:MODEL@BASE_URL, replay:FILE of a file that exists, or gguf:FILE of a file that exists"
    )


def name_of(said: "str | Mapping[str, Any] | Spec") -> str:
    """What files and charts call the annotator: safe as a file name, the same for the same specification."""
    return parse(said).name


def check_unique(specs: Iterable[Spec]) -> None:
    """Refuse two annotators of one name; also of names that differ by case, which some disks do not tell apart.

    Raises
    ------
    UserError
        If there are two.
    """
    seen: dict[str, str] = {}
    for spec in specs:
        if (folded := spec.name.casefold()) in seen:
            raise UserError(
                f"two of the annotators have the same name: {seen[folded]}, {spec.name}; give one of them another, as "
                "in `{hf: FOLDER, name: MINE}`"
            )
        seen[folded] = spec.name


def choose(specs: Sequence[Spec], wanted: Iterable[str]) -> list[Spec]:
    """The annotators that the user asks for, by their names in the study, or by specifications of their own."""
    by_name = {spec.name: spec for spec in specs}
    return [by_name[said] if said in by_name else parse(said) for said in wanted]


def _build(kind: type[_Spec], fields: dict[str, Any], who: str) -> Spec:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        where, what = wrong_field(error, kind)
        raise UserError(f"annotator {who}: {''.join(f'{part}: ' for part in where)}{what}") from None


def _is_key_name(name: object) -> bool:
    return bool(_KEY_NAME.fullmatch(re.sub(r"[^a-z0-9]", "", str(name).casefold())))


def _holds_a_key(said: object) -> bool:
    """Whether a value, or what is in it at any depth, has the name of a key or looks like one."""
    if isinstance(said, Mapping):
        return any(_is_key_name(name) or _holds_a_key(name) or _holds_a_key(value) for name, value in said.items())
    if isinstance(said, list | tuple):
        return any(map(_holds_a_key, said))
    return isinstance(said, str) and bool(_KEY_VALUE.search(said))


def _last(path: str) -> str:
    """The last part of a path or of an id like `owner/model`."""
    return path.rstrip("/").rsplit("/", 1)[-1]


def _harmless(said: object) -> str:
    """A specification as it can be shown: on one line, and without the user and password of an address."""
    return without_controls(without_passwords(str(said)))[:200]
