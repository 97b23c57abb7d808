"""What is read of what a server says: chat completions, and errors. It is data: checked, shortened, and on one line."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import numpy as np
from pydantic import BaseModel, Field

from helpers.annotators import answers
from helpers.annotators.answer_log import Answer
from helpers.annotators.spending import Use
from helpers.errors import without_controls

#: Of the message of an error so much is read, and of it or of an answer so much kept.
_READ_CHARACTERS, _KEPT_CHARACTERS = 4_000, 200


class _Token(BaseModel):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Position(BaseModel):
    top_logprobs: list[_Token] | None = None


class _Logprobs(BaseModel):
    content: list[_Position] | None = None


class _TextPart(BaseModel):
    text: str | None = None  # other parts, such as what a model thought, have none


class _Message(BaseModel):
    content: str | list[str | _TextPart] | None = None

    @property
    def said(self) -> str:
        """The answer, which may come in parts."""
        parts = [self.content] if isinstance(self.content, str) else self.content or []
        return "".join(part if isinstance(part, str) else part.text or "" for part in parts)


class _Choice(BaseModel):
    message: _Message | None = None
    logprobs: _Logprobs | None = None

    @property
    def said(self) -> str:
        return self.message.said if self.message else ""


class _Usage(BaseModel):
    prompt_tokens: int | None = Field(None, ge=0)
    completion_tokens: int | None = Field(None, ge=0)


class Completion(BaseModel):
    """A chat completion; fields that servers add are not looked at."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None
    model: str | None = None
    system_fingerprint: str | None = None

    def as_answer(self, most: Use, asked: int, seconds: float) -> Answer:
        """What is kept of it."""
        first = self.choices[0].logprobs
        top = first.content[0].top_logprobs or [] if first and first.content else []
        usage = self.usage or _Usage()
        return Answer(
            top=tuple((answers.text_of(one.token, one.bytes)[:_KEPT_CHARACTERS], one.logprob) for one in top),
            texts=tuple(one.said[:_KEPT_CHARACTERS] for one in self.choices),
            tokens_in=usage.prompt_tokens or most.tokens_in,
            tokens_out=most.tokens_out if usage.completion_tokens is None else usage.completion_tokens,
            asked=asked if usage.prompt_tokens else 0,  # an estimate teaches nothing about other questions
            seconds=round(seconds, 4),
            model=_shown(self.model),
            fingerprint=_shown(self.system_fingerprint),
        )


def _shown(said: str | None) -> str:
    """What a server calls its model, without the folder that it lies in."""
    said = without_controls(said or "").strip()
    if said.startswith(("/", "\\")) or re.match(r"[A-Za-z]:\\", said):
        said = re.split(r"[/\\]", said)[-1]
    return said[:_KEPT_CHARACTERS]


def without(data: bytes, secret: str) -> bytes:
    r"""What a server sent, without a key (ASCII) that it repeats, however its characters are escaped.

    JSON may write `/` as `\/` and `+` as `\u002b`, with more backslashes where it is quoted in JSON again; a page of
    HTML may have `&#43;`, an address `%2B`.
    """
    characters = (
        rf"(?:\\*(?:{re.escape(one)}|u00(?i:{ord(one):02x}))|%(?i:{ord(one):02x})|&#0*{ord(one)};|&#x0*(?i:{ord(one):x});)"
        for one in secret
    )
    return re.sub("".join(characters).encode(), "…".encode(), data)


def message(data: bytes) -> str:
    """The message of an error, on one line, short, and without a key."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = data.decode("utf-8", "replace")
    content = content[0] if isinstance(content, list) and content else content
    error = content.get("error", content) if isinstance(content, dict) else content
    if isinstance(error, dict):
        detail = error.get("message") or error.get("detail")
        if isinstance(detail, list) and detail and isinstance(detail[0], dict):  # what is wrong with each field
            detail = detail[0].get("msg")
        error = ", ".join(part for part in (detail, error.get("code")) if isinstance(part, str) and part)
    said = error if isinstance(error, str) else ""
    # A page of HTML says something in its first lines, or nothing.
    said = re.sub(r"\bsk-\S+", "…", said[:_READ_CHARACTERS])
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+|<[^<>]*>", " ", said).split())[:_KEPT_CHARACTERS]


def status_within(data: bytes) -> int | None:
    """The status of an error that was sent as if all were well: the one it names, else 500; None if it is no error."""
    try:
        error = json.loads(data)["error"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    if not error:
        return None
    code = error.get("code") or error.get("status") if isinstance(error, dict) else None
    return int(code) if re.fullmatch(r"[45]\d\d", str(code)) else 500


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait: milliseconds in Retry-After-Ms, or a number or a date in Retry-After."""
    said = headers.get("retry-after", "").strip()
    try:
        precise = headers.get("retry-after-ms")
        seconds = float(said) if precise is None else float(precise) / 1000
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if np.isfinite(seconds) else None
