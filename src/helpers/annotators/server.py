"""A model behind an OpenAI-compatible server as an annotator.

Where the server gives log-probabilities, one token a text is asked for and the likeliest first tokens are read; where
it gives none, answers are sampled and counted. Which it was stands in the table.

What a server says is data: it is checked, shortened and never repeated where it might hold a key or a text. The key is
read from the environment when the annotator is made, sent to the server of the study and to nobody else: redirections
are not followed.
"""

import itertools
import json
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx2
import numpy as np
import tenacity
from pydantic import SecretStr, ValidationError
from tqdm.auto import tqdm

from helpers import __version__, places
from helpers.annotators import answers, completions
from helpers.annotators.answer_log import Answer, AnswerLog, key_of
from helpers.annotators.completions import Completion
from helpers.annotators.pace import PATIENCE, Pace
from helpers.annotators.scoring import Part, Scored
from helpers.annotators.specs import OPENAI, Server
from helpers.annotators.spending import TOKENS_AROUND_AT_MOST, Meter, Plan, Tokens, Use
from helpers.errors import UserError, first_line, repeats
from helpers.prompts import Prompt

#: Asked first and by itself, to see what the server gives: the same for all corpora and wordings, so it is asked once.
_PROBE, _PROBE_TOKENS = "This is a test.", 8
#: Tokens listed where a server refuses more.
_FEW = 5
#: Longest answer of a server that is read, in bytes.
_MOST_BYTES = 4_000_000
#: Longest time that a server may ask to be left alone, in seconds; longer, and the command ends.
_LONGEST_PAUSE = 120.0
#: A pause before the first answer that somebody who looks on should know of, in seconds.
_WORTH_SAYING = 1.0
#: So many texts one after the other that the server failed on, each several times, and it is taken to be ill.
_ILL = 3
#: So many texts at the beginning without one label, and something is wrong with the question.
_HOPELESS = 20


class ServerAnnotator:
    """Label log-probabilities from an OpenAI-compatible server.

    Parameters
    ----------
    spec
        Which server and model, and what they may cost.

    Raises
    ------
    UserError
        If the environment does not have the key, or anybody on the way could read it.
    """

    def __init__(self, spec: Server):
        self.name, self.spec = spec.name, spec
        self._log = AnswerLog(places.ledger() / "answers" / f"{spec.name}.jsonl")
        self._meter = Meter(spec, Use.of(self._log.answers))
        self._tokens = Tokens(self._log.answers)
        self._key = _key(spec)
        headers = {"User-Agent": f"label-risk/{__version__}"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        try:
            httpx2.URL(spec.base_url)
        except httpx2.InvalidURL as error:
            raise UserError(f"annotator {spec.name}: {spec.base_url} is no address: {first_line(error)}") from None
        try:
            self._client = httpx2.Client(
                headers=headers,
                timeout=httpx2.Timeout(spec.timeout, connect=min(10.0, spec.timeout)),
                limits=httpx2.Limits(max_connections=spec.concurrency, max_keepalive_connections=spec.concurrency),
                follow_redirects=False,
                # A proxy has nothing to do with this machine, nor with what passes the user's own network in clear
                # text.
                trust_env=not (spec.local or (spec.private and spec.base_url.startswith("http://"))),
            )
        except (httpx2.InvalidURL, ImportError, ValueError, OSError) as error:  # of a proxy, or certificates
            raise UserError(
                f"annotator {spec.name}: this machine's settings for its network cannot be used: {first_line(error)}; "
                "look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE in the environment"
            ) from None
        self._lock, self._one_asks, self._stopping = threading.Lock(), threading.Lock(), threading.Event()
        self._stopped_by: UserError | None = None
        self._pace = Pace(spec.requests_per_minute)
        self._bar: tqdm | None = None
        self._top, self._several, self._heard = spec.top, True, False
        self._succeeded, self._failed, self._ill = 0, 0, 0

    # What `annotating.annotate` calls

    def use(self, prompt: Prompt) -> None:
        """Prepare for one prompt: ask one question, unless it was asked before, to see what the server gives.

        Raises
        ------
        UserError
            If the server cannot be asked, or does not give what the study wants of it.
        """
        self._prepare(prompt)
        self._stopping.clear()
        self._stopped_by = None
        with self._asking():
            try:
                self._mode, self._probed = self._probe()
            except _AgainError as error:
                raise self._stop(f"{error}, {error.tried} times") from None
            except _RefusedError as error:
                raise UserError(
                    f"annotator {self.name}: {self.spec.base_url} refuses a question: {error}; `extra` adds fields to "
                    "a request or leaves them out"
                ) from None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Nobody else asks in this annotator's name meanwhile; what others asked before is known and counted."""
        try:
            alone = self._log.alone.acquire()
        except TimeoutError:
            raise UserError(
                f"annotator {self.name}: another process is asking in this name, and both would pay out of one budget: "
                "wait for it, or stop it"
            ) from None
        with alone:
            if self._log.refresh():
                self._meter.spent = Use.of(self._log.answers)
                self._tokens = Tokens(self._log.answers)
            try:
                yield
            finally:
                self._log.close()

    def _probe(self) -> tuple[str, Answer]:
        """How answers are to be read, and the first of them."""
        if known := self._known():
            return known
        refusal = ""
        for top in self._tops:
            self._top = top
            try:
                answer = self._call(self._probe_body("logprobs"))
            except _RefusedError as error:
                self._log.refuse(key_of(self.spec.base_url, self._probe_body("logprobs")))
                refusal = f"it says: {error}"
                continue
            if answer.top:
                return "logprobs", answer
            if self.spec.answers == "auto":
                return "samples", answer
            refusal = "it answers without them"
            break
        if self.spec.answers == "logprobs":
            raise UserError(
                f"annotator {self.name}: {self.spec.base_url} gives no log-probabilities ({refusal}): "
                "say `answers: samples`, or `auto`"
            )
        return "samples", self._call(self._probe_body("samples"))

    @property
    def _tops(self) -> list[int]:
        """Numbers of listed tokens to ask for, one after the other; none where answers are to be sampled."""
        return [] if self.spec.answers == "samples" else list(dict.fromkeys((self.spec.top, min(self.spec.top, _FEW))))

    def provenance(self) -> dict:
        """Server, model, and how numbers came from answers; as the server says, for what it runs is not to be seen."""
        said = {
            "server": self.spec.base_url,
            "model": self.spec.openai,
            "served_model": self._probed.model,
            "fingerprint": self._probed.fingerprint,
        }
        said = {what: value for what, value in said.items() if value} | dict(
            answers.described(self._mode, self._coding, top=self._top, samples=self.spec.samples)
        )
        said |= {"max_tokens": self._longest} if self._mode == "samples" else {}
        return said | ({"request": self.spec.extra} if self.spec.extra else {})

    def lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Number of bytes of each text in UTF-8, int array (texts,)."""
        return np.array([len(text.encode("utf-8", "surrogatepass")) for text in texts], dtype=int)

    def spread(self, parts: Sequence[Part]) -> Iterator[tuple[int, Scored]]:
        """Position and scores of each part; several texts are asked about at once, equal texts once.

        Raises
        ------
        UserError
            If the budget is reached, or it is no use to go on. What was answered is kept.
        """
        with self._asking():
            yield from self._spread(parts)

    def _spread(self, parts: Sequence[Part]) -> Iterator[tuple[int, Scored]]:
        self._stopping.clear()
        self._stopped_by = None
        self._failed = self._ill = 0
        # The beginning of a table tells whether the question is right, and not what was left of it.
        self._succeeded = int(parts[0].number > 0) if parts else 0
        futures: dict[str, Future] = {}
        pool = ThreadPoolExecutor(self.spec.concurrency, thread_name_prefix=f"ask-{self.name}")
        total = sum(len(batch) for part in parts for batch in part.texts)
        bar = tqdm(total=total, unit="text", desc=f"{self.name}: answers", position=1, leave=False, disable=None)
        self._bar = bar
        try:
            for text in (text for part in parts for batch in part.texts for text in batch):
                if text not in futures:
                    futures[text] = pool.submit(self._row, text)
            for number, part in enumerate(parts):
                scores, reasons = [], []
                for text in (text for batch in part.texts for text in batch):
                    row, reason = futures[text].result()
                    scores.append(np.full(len(self._coding.labels), np.nan) if row is None else row)
                    reasons.append(reason)
                    bar.set_postfix_str(self._meter.said(), refresh=False)
                    bar.update()
                yield number, Scored(np.array(scores), reasons)
        finally:
            # Calls that are under way are paid for: their answers are awaited and written down.
            self._stopping.set()
            pool.shutdown(wait=True, cancel_futures=True)
            self._stopping.clear()
            self._bar = None
            bar.close()

    def plan(self, corpus: str, texts: Sequence[str], prompt: Prompt, *, before: Use | None = None) -> Plan:
        """What labelling these texts will take. Nothing is asked.

        Parameters
        ----------
        before
            What other plans, to be carried out before this one, expect of the same annotator.
        """
        self._prepare(prompt)
        known = self._known()
        mode = known[0] if known else None
        different = [text for text in dict.fromkeys(texts) if text.strip()]
        todo = [text for text in different if not self._answered(text, mode or "logprobs")]
        probe = 0 if mode or not todo else 1
        paid = self._log.answers
        sampled = [one for one in paid if one.texts and not one.top]
        # Until it is seen that a server gives all answers to one call, it is taken to give one a call.
        per_text = 1 if any(len(one.texts) >= self.spec.samples for one in sampled) else self.spec.samples
        # And until one was sampled, an answer is taken to be as long as it may be.
        tokens_out = float(self._most_out(self._body("", "samples")))
        if sampled:
            tokens_out = sum(one.tokens_out for one in sampled) / sum(len(one.texts) for one in sampled)
        tokens_in = sum(self._tokens.about(self._asked(text)) for text in todo)
        probe_in = probe * self._tokens.about(len(_PROBE))
        probe_out = probe * self._most_out(self._probe_body("samples"))
        by_sampling = Use(
            probe + len(todo) * per_text,
            probe_in + tokens_in * per_text,
            round(probe_out + len(todo) * self.spec.samples * tokens_out),
        )
        # One token each, unless `extra` asks for more.
        listed_out = [self._most_out(body) for body in (self._probe_body("logprobs"), self._body("", "logprobs"))]
        by_logprobs = Use(probe + len(todo), probe_in + tokens_in, probe * listed_out[0] + len(todo) * listed_out[1])
        timed = [one.seconds for one in paid if one.seconds]
        return Plan(
            spec=self.spec,
            corpus=corpus,
            texts=len(texts),
            answered=len(different) - len(todo),
            expected=by_logprobs if mode == "logprobs" or self.spec.answers == "logprobs" else by_sampling,
            if_logprobs=by_logprobs if mode is None and self.spec.answers == "auto" and todo else None,
            spent=self._meter.spent,
            before=before or Use(),
            seconds=float(np.mean(timed)) if timed else None,
        )

    # Questions

    def _prepare(self, prompt: Prompt) -> None:
        try:
            self._coding = answers.coding(prompt.labels, self.spec.answer_with)
        except ValueError as error:
            raise UserError(f"annotator {self.name}: {error}") from None
        self._instruction, self._examples = prompt.answered_with(self._coding.answers), prompt.examples
        longest = max(len(answer.encode()) for answer in self._coding.answers)
        self._longest = self.spec.max_tokens or 8 + longest // 2

    def _question(self, text: str) -> str:
        return f"{self._instruction}\n{text}{self._coding.request}"

    def _texts_in(self, question: str) -> list[str]:
        """The text that a question is about, and those of its examples; none for a question that holds none."""
        if question == _PROBE:
            return []
        about = question.removeprefix(f"{self._instruction}\n").removesuffix(self._coding.request)
        return [about, *self._examples]

    def _asked(self, text: str) -> int:
        return len(self._question(text).encode("utf-8", "surrogatepass"))

    def _probe_body(self, mode: str) -> dict[str, Any]:
        return self._body(_PROBE, mode, self.spec.max_tokens or _PROBE_TOKENS)

    def _body(self, question: str, mode: str, longest: int | None = None) -> dict[str, Any]:
        """A request. Temperature 1 and the whole distribution: what is asked for is what the model believes."""
        body = {
            "model": self.spec.openai,
            "messages": [{"role": "user", "content": question}],
            "temperature": 1,
            "top_p": 1,
            "max_tokens": longest or self._longest,
        }
        if mode == "logprobs":
            body |= {"max_tokens": 1, "logprobs": True, "top_logprobs": self._top}
        return {field: value for field, value in (body | self.spec.extra).items() if value is not None}

    def _most_out(self, body: dict[str, Any]) -> int:
        """Tokens that one answer to a request may have."""
        given = [body.get(field) for field in ("max_tokens", "max_completion_tokens")]  # servers know one or the other
        return max((longest for longest in given if isinstance(longest, int)), default=self._longest)

    def _known(self) -> tuple[str, Answer] | None:
        """How answers are read and the first of them, if that is known without a question.

        What was asked for before and is less than what is asked for now counts only where more was refused.
        """
        for top in self._tops:
            self._top = top
            key = key_of(self.spec.base_url, self._probe_body("logprobs"))
            if key in self._log:
                answer = self._log[key]
                if not answer.top and self.spec.answers == "logprobs":
                    break  # there is something to be said of it
                return "logprobs" if answer.top else "samples", answer
            if key not in self._log.refused:
                break
        else:
            key = key_of(self.spec.base_url, self._probe_body("samples"))
            if self.spec.answers != "logprobs" and key in self._log:
                return "samples", self._log[key]
        self._top = self.spec.top
        return None

    def _answered(self, text: str, mode: str) -> bool:
        """Whether the log has all answers about a text."""
        body = self._body(self._question(text), mode)
        if mode == "logprobs":
            return key_of(self.spec.base_url, body) in self._log
        number = 0
        while number < self.spec.samples:
            key = key_of(self.spec.base_url, body, number)
            if key not in self._log:
                return False
            number += max(1, len(self._log[key].texts))
        return True

    # Answers

    def _row(self, text: str) -> tuple[np.ndarray | None, str | None]:
        """Log-probabilities of one text, or the reason why it has none."""
        if not text.strip():
            return None, "the text is empty"
        try:
            try:
                logp = self._logp(text)
            except (_RefusedError, ValueError) as error:
                return None, self._note_failure(_without(text, str(error)))
            except _AgainError as error:
                return None, self._note_illness(text, error)
        except UserError as error:  # nothing can be asked any more, of this text or another
            self._stopped_by = self._stopped_by or error
            self._stopping.set()
            raise
        with self._lock:
            self._succeeded, self._ill = self._succeeded + 1, 0
        return logp, None

    def _logp(self, text: str) -> np.ndarray:
        body = self._body(self._question(text), self._mode)
        if self._mode == "logprobs":
            return answers.from_tokens(self._call(body).top, self._coding)
        said: list[str] = []
        while len(said) < self.spec.samples:
            # A call is known by how many answers there were before it, however many it asks for.
            wanted = self.spec.samples - len(said) if self._several else 1
            try:
                answer = self._call(body, number=len(said), wanted=wanted)
            except _RefusedError:
                if wanted == 1:
                    raise
                answer = self._call(body, number=len(said))
            if wanted > 1 and len(answer.texts) == 1:
                self._several = False  # some servers refuse to give more than one, others give one whatever is asked
            said += answer.texts or [""]
        return answers.from_votes(said[: self.spec.samples], self._coding)

    def _note_failure(self, reason: str) -> str:
        with self._lock:
            self._failed += 1
            hopeless = not self._succeeded and self._failed >= _HOPELESS
        if hopeless:
            raise self._stop(f"the first {_HOPELESS} texts have no label; of the last the reason is: {reason}")
        return reason

    def _note_illness(self, text: str, error: "_AgainError") -> str:
        """A text that the server fails on again and again may be to blame: it is, if another question is answered."""
        with self._lock:
            self._ill += 1
            doubtful = self._ill >= _ILL or not self._heard
        reason, often = _without(text, str(error)), "once" if error.tried == 1 else f"{error.tried} times"
        if error.unreachable or (doubtful and not self._answers()):
            raise self._stop(f"{reason}, {often}")
        return f"the server failed {often}: {reason}"

    def _answers(self) -> bool:
        """Whether the server answers a harmless question now; what it answers is paid and logged like all."""
        body = self._probe_body(self._mode)
        with self._one_asks:
            number = next(n for n in itertools.count() if key_of(self.spec.base_url, body, n) not in self._log)
            try:
                self._call(body, number=number)
            except (_AgainError, _RefusedError):
                return False
        with self._lock:
            self._ill = 0
        return True

    def _stop(self, reason: str) -> UserError:
        with self._lock:
            self._stopped_by = self._stopped_by or UserError(
                f"annotator {self.name}: {self.spec.base_url}: {reason}. What was answered is kept, the same command "
                "goes on from there"
            )
            self._stopping.set()
            return self._stopped_by

    # Calls

    def _call(self, body: dict[str, Any], *, number: int = 0, wanted: int = 1) -> Answer:
        """The answer to a request: from the log, or from the server, which is tried several times."""
        key = key_of(self.spec.base_url, body, number)
        if key in self._log:
            return self._log[key]
        again = tenacity.Retrying(
            stop=self._enough,
            wait=_pause,
            retry=tenacity.retry_if_exception_type(_AgainError),
            sleep=self._sleep,
            reraise=True,
        )
        return again(self._once, key, body | ({"n": wanted} if wanted > 1 else {}))

    def _enough(self, state: tenacity.RetryCallState) -> bool:
        """Whether a call was tried as often as it may be."""
        error = state.outcome.exception()
        error.tried = state.attempt_number
        return error.tried >= min(self.spec.attempts, error.tries)

    def _once(self, key: str, body: dict[str, Any]) -> Answer:
        asked = len(body["messages"][0]["content"].encode("utf-8", "surrogatepass"))
        most = Use(1, self._tokens.most(asked), self._most_out(body) * body.get("n", 1))
        # What was seen so far is no bound for what this text takes: a token is a byte at least.
        held = replace(most, tokens_in=max(most.tokens_in, asked + TOKENS_AROUND_AT_MOST))
        self._meter.hold(held)
        taken = Use()
        try:
            try:
                completion, seconds = self._patiently(body)
            except _LostError as error:
                # It may have been answered and charged: it counts, at the most it can be.
                taken = held
                self._log.add(None, Answer(tokens_in=held.tokens_in, tokens_out=held.tokens_out))
                raise _AgainError(str(error), tries=error.tries) from None
            answer = completion.as_answer(most, asked, seconds)
            taken = Use(1, answer.tokens_in, answer.tokens_out)
            self._log.add(key, answer)
            with self._lock:
                self._tokens.learn(answer)
            return answer
        finally:
            self._meter.settle(held, taken)

    def _patiently(self, body: dict[str, Any]) -> tuple[Completion, float]:
        """The answer, and the seconds it took; calls too many do not count as tries, they are waited for."""
        while True:
            while left := self._pace.wait():
                self._sleep(left * random.uniform(1, 1.1))  # not all threads at once
            self._sleep(0)  # everything may have been stopped meanwhile
            start = time.monotonic()
            try:
                completion = self._post(body)
            except _LimitedError as error:
                pause = self._pace.too_many(start, error.pause)
                if pause is None:
                    raise self._stop(f"{error}, for {PATIENCE / 60:g} minutes without one answer") from None
                said = f"{error}: a pause of {pause:.0f} s"
                if self._bar is not None:
                    self._bar.set_postfix_str(said)
                elif pause >= _WORTH_SAYING:  # the first question is asked before there is a bar
                    tqdm.write(f"annotator {self.name}: {said}", file=sys.stderr)
            else:
                self._pace.answered()
                self._heard = True
                return completion, time.monotonic() - start

    def _post(self, body: dict[str, Any]) -> Completion:
        url = f"{self.spec.base_url}/chat/completions"
        data, until = bytearray(), time.monotonic() + self.spec.timeout
        try:
            # Lone surrogates are written as escapes, which any server can read or refuse.
            content = json.dumps(body, ensure_ascii=True, allow_nan=False).encode()
            headers = {"Content-Type": "application/json"}
            with self._client.stream("POST", url, content=content, headers=headers) as response:
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > _MOST_BYTES or time.monotonic() > until:
                        raise _LostError("it does not come to an end of its answer")
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError):
            raise _AgainError("it cannot be reached", unreachable=True) from None
        except httpx2.TimeoutException:
            raise _LostError(f"it gave no answer in {self.spec.timeout:g} s") from None
        except httpx2.HTTPError as error:
            raise _LostError(f"the connection broke ({type(error).__name__})") from None
        content = bytes(data)
        if self._key:  # a server that repeats what it was sent: answers are kept
            content = completions.without(content, self._key.get_secret_value())
        if response.status_code == 200:
            try:
                return Completion.model_validate_json(content)
            except ValidationError:
                status = completions.status_within(content)
            if status is None:
                # It may be paid each time and will hardly change.
                raise _LostError("what it answered is no chat completion", tries=2)
            raise self._failure(response, content, status, body)
        raise self._failure(response, content, response.status_code, body)

    def _failure(self, response: httpx2.Response, data: bytes, status: int, body: dict[str, Any]) -> Exception:
        """What an error means: try again, give this text up, or stop."""
        said = completions.message(data)
        broke = "insufficient_quota" in said
        question = body["messages"][0]["content"]
        # A message that repeats a piece of a text, or of one that is an example in the question, is not shown.
        if any(repeats(text, said) for text in self._texts_in(question)):
            said = "the message repeats the text"
        if 300 <= status < 400:
            return self._stop("it redirects to another address, which is not followed; give the right `base_url`")
        if status == 403 and "logprobs" in body and "logprob" in said:
            return _RefusedError(f"{status}, {said}")  # so a server may say that this model has none
        # Whether it is this text or the key is seen by another question.
        if status == 403 and (question != _PROBE or self._heard):
            return _AgainError(f"{status}, {said or 'it refuses this text'}", tries=1)
        if status in (401, 403):
            variable = self.spec.key_variable
            which = (
                f"the key in {variable}" if variable else "a call without a key: `key` names the variable that has it"
            )
            return self._stop(f"it refuses {which} ({status})")
        if status in (402, 404) or broke:
            return self._stop(f"{status}, {said or 'not found'}")
        reason = f"{status}, {said}" if said else str(status)
        if status in (408, 409, 425, 429) or (status >= 500 and status != 501):
            pause = completions.retry_after(response.headers)
            if pause is not None and pause > _LONGEST_PAUSE:
                return self._stop(f"{status}, it asks to be left alone for {pause:.0f} s")
            if status == 429:
                return _LimitedError(reason, pause)
            if pause is not None:
                self._pace.quiet(pause)  # for all threads
            return _AgainError(reason, pause=pause)
        return _RefusedError(reason)

    def _sleep(self, seconds: float) -> None:
        """Wait, but not when everything is being stopped."""
        if self._stopping.wait(seconds) if seconds > 0 else self._stopping.is_set():
            raise self._stopped_by or UserError(f"annotator {self.name}: stopped; what was answered is kept")


class _RefusedError(Exception):
    """The server will not answer this question, now or later."""


#: Tries of a call, where nothing but `attempts` limits them.
_ANY = 1_000


class _LostError(Exception):
    """A question was sent, and no answer arrived that can be read. `tries`: how often it is worth asking."""

    def __init__(self, reason: str, *, tries: int = _ANY):
        super().__init__(reason)
        self.tries = tries


class _LimitedError(Exception):
    """A call too many for the moment. `pause`: seconds that the server asks for, if it does."""

    def __init__(self, reason: str, pause: float | None):
        super().__init__(reason)
        self.pause = pause


class _AgainError(Exception):
    """Worth another try. `unreachable`: it has nothing to do with the question. `tried`: how often it was asked."""

    def __init__(self, reason: str, *, unreachable: bool = False, pause: float | None = None, tries: int = _ANY):
        super().__init__(reason)
        self.unreachable, self.pause, self.tries, self.tried = unreachable, pause, tries, 1


_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=30)


def _pause(state: tenacity.RetryCallState) -> float:
    """What the server asks for, else twice as long each time, by chance so that threads do not come all at once."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause if isinstance(error, _AgainError) else None
    return _backoff(state) if asked is None else asked


def _without(text: str, reason: str) -> str:
    """A reason that does not repeat the text, nor a piece of it: tables hold none."""
    return f"{reason.partition(',')[0]}, the message repeats the text" if repeats(text, reason) else reason


def _key(spec: Server) -> SecretStr | None:
    """The key, so wrapped that nobody who shows an annotator shows it."""
    variable = spec.key_variable
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        if spec.key or spec.base_url == OPENAI:
            raise UserError(
                f"annotator {spec.name}: the environment variable {variable}, for the key of {spec.host}, is not set"
            )
        return None
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"annotator {spec.name}: what the environment variable {variable} holds cannot be a key")
    if spec.base_url.startswith("http://") and not spec.private:
        raise UserError(
            f"annotator {spec.name}: the key in {variable} would go to {spec.host} in clear text: write `base_url` "
            "with https://; http:// is for this machine and for numbers of private networks, like 192.168.0.5"
        )
    return SecretStr(key)
