"""What was answered, one line a call, so that no answer is paid for twice.

The log is only ever appended to, a whole line at once, by any number of threads of one process at a time: two that ask
at once would pay for the same answers, and go beyond the budget together. A process that is killed loses at most
the line it was writing. A call is known by the hash of all that was asked; neither text nor key is in the log, but what
a model said is, and that may repeat words of the text.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from filelock import FileLock

from helpers import places


@dataclass(frozen=True)
class Answer:
    """One call that was answered.

    Attributes
    ----------
    top
        Likeliest first tokens with their log-probabilities; empty where the server gave none.
    texts
        Beginnings of the answers.
    tokens_in, tokens_out
        Tokens that were charged, as the server or, where it is silent, an estimate says.
    asked
        Bytes of the question: with `tokens_in` they tell what other questions will take. 0 where that is an estimate.
    seconds
        Time that the call took.
    model, fingerprint
        What the server says of itself.
    """

    top: tuple[tuple[str, float], ...] = ()
    texts: tuple[str, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    asked: int = 0
    seconds: float = 0.0
    model: str = ""
    fingerprint: str = ""


def key_of(base_url: str, body: Mapping[str, Any], number: int = 0) -> str:
    """What a call is known by: all that was asked, of whom, and, where the same is asked again, for which time."""
    asked = json.dumps([base_url, body, number], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


class AnswerLog:
    """The answers in one file.

    Parameters
    ----------
    file
        A JSON Lines file; made with the first answer.

    Attributes
    ----------
    alone
        Held by the process that asks; a second one gets a `TimeoutError`.
    lost
        Answers that may have to be paid but never arrived.
    refused
        Keys of questions that the server did not answer and will not.
    """

    def __init__(self, file: Path):
        self.file = file
        self._lock = Lock()
        self._descriptor: int | None = None
        self._half = False  # whether the file ends in half a line
        self.alone = FileLock(file.with_name(f".{file.stem}.lock"), blocking=False, thread_local=False)
        self._read()

    def _read(self) -> None:
        self._answers: dict[str, Answer] = {}
        self.lost: list[Answer] = []
        self.refused: set[str] = set()
        content = self.file.read_bytes() if self.file.exists() else b""
        self._size = len(content)
        for line in content.split(b"\n"):
            self._take(line)

    def refresh(self) -> bool:
        """Read what another process wrote meanwhile; whether there was anything."""
        with self._lock:
            changed = (self.file.stat().st_size if self.file.exists() else 0) != self._size
            if changed:
                self._read()
            return changed

    def _take(self, line: bytes) -> None:
        """Remember a line; half a line, of a process that was killed, is no answer."""
        try:
            fields = json.loads(line)
            key = fields.pop("key")
            if fields.pop("refused", False):
                self.refused.add(str(key))
                return
            fields["top"] = tuple((str(token), float(logp)) for token, logp in fields.get("top", ()))
            fields["texts"] = tuple(map(str, fields.get("texts", ())))
            answer = Answer(**fields)
        except (ValueError, TypeError, KeyError, AttributeError):
            return
        if key:
            self._answers[key] = answer
        else:
            self.lost.append(answer)

    def __contains__(self, key: str) -> bool:
        return key in self._answers

    def __getitem__(self, key: str) -> Answer:
        return self._answers[key]

    @property
    def answers(self) -> list[Answer]:
        """All that was paid for, answers that were lost on the way included."""
        return [*self._answers.values(), *self.lost]

    def add(self, key: str | None, answer: Answer) -> None:
        """Write an answer down, then remember it; without a key, one that may have to be paid but never arrived.

        Raises
        ------
        UserError
            If the disk is full.
        """
        with self._lock:
            self._write({"key": key} | {name: value for name, value in asdict(answer).items() if value})
            if key:
                self._answers[key] = answer
            else:
                self.lost.append(answer)

    def refuse(self, key: str) -> None:
        """Write down that a question was refused, which costs nothing.

        Raises
        ------
        UserError
            If the disk is full.
        """
        with self._lock:
            if key not in self.refused:
                self._write({"key": key, "refused": True})
                self.refused.add(key)

    def _write(self, fields: dict[str, Any]) -> None:
        if self._descriptor is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._half = self.file.exists() and self.file.stat().st_size and not self.file.read_bytes().endswith(b"\n")
            self._descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        line = (b"\n" if self._half else b"") + json.dumps(fields).encode() + b"\n"
        with places.room_in(self.file.parent):
            while line:  # one write, unless the disk is full
                written = os.write(self._descriptor, line)
                line, self._size, self._half = line[written:], self._size + written, True
        self._half = False

    def close(self) -> None:
        """Close the file; an answer that comes later opens it again."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
