"""Annotators behind a server: a real one that serves a real model, and a scripted one for the faults it never has."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import make_corpus, sentences
from typer.testing import CliRunner

from helpers import annotating, annotations, annotators, artifacts, corpora, places, prompts
from helpers.annotators import origin, pace
from helpers.annotators.spending import Tokens, Use
from helpers.cli import app
from helpers.corpora.splits import SPENT
from helpers.errors import UserError

KEY = "sk-test-0123456789"


class Web:
    """An HTTP server on loopback. `answer(body, number)` gives status, object or bytes, and headers of each request."""

    def __init__(self, answer):
        web = self
        self.answer, self.requests, self.lock = answer, [], threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # otherwise each answer waits 40 ms

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with web.lock:
                    web.requests.append({"path": self.path, "body": body, "headers": dict(self.headers)})
                    number = len(web.requests)
                status, content, *headers = web.answer(body, number)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in (headers[0] if headers else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # the other side went away
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def asked(self) -> Counter:
        """How often each question was asked."""
        return Counter(request["body"]["messages"][0]["content"] for request in self.requests)


@pytest.fixture
def web():
    made = []

    def make(answer) -> Web:
        made.append(Web(answer))
        return made[-1]

    yield make
    for one in made:
        one.server.shutdown()
        one.server.server_close()


@pytest.fixture(autouse=True)
def ledger(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LABEL_RISK_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return tmp_path / "ledger"


def completion(*texts, top=None, tokens=(20, 1), **more):
    logprobs = None
    if top is not None:
        listed = [{"token": token, "bytes": list(token.encode()), "logprob": float(np.log(p))} for token, p in top]
        logprobs = {"content": [{"token": listed[0]["token"], "logprob": listed[0]["logprob"], "top_logprobs": listed}]}
    return {
        "model": "served",
        "choices": [{"message": {"role": "assistant", "content": text}, "logprobs": logprobs} for text in texts],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]},
    } | more


def opinion(body) -> list[tuple[str, float]]:
    """What the scripted model believes: it counts the letters e of a question."""
    share = 0.05 + 0.9 * (body["messages"][0]["content"].count("e") % 10) / 10
    return [("Positive", share * 0.9), ("neg", (1 - share) * 0.9), ("I", 0.05)]


def well(body, _):
    if body.get("logprobs"):
        return 200, completion("?", top=opinion(body))
    return 200, completion(*["Positive." if i % 2 else "hm" for i in range(body.get("n", 1))])


def small(count=24):
    return make_corpus([text for text, _ in sentences(count)])


def ask(url, corpus, folder, **fields):
    asked = annotators.load({"openai": "m", "base_url": url, "attempts": 2} | fields)
    prompt = prompts.render(corpus)
    written = annotating.annotate(corpus, asked, prompt, folder=folder)
    return annotations.read(written, corpus, prompt)


def question(corpus, row) -> str:
    return f"{prompts.render(corpus).instruction}\n{corpus.rows['text'].iloc[row]}"


# A well server


def test_log_probabilities_come_back_in_the_order_of_the_corpus(web, tmp_path, ledger):
    corpus, server = small(300), web(well)
    read = ask(server.url, corpus, tmp_path)
    expected = [dict(opinion({"messages": [{"content": question(corpus, i)}]})) for i in range(300)]
    assert np.exp(read.logp) == pytest.approx(np.array([[p["neg"], p["Positive"]] for p in expected]), rel=1e-5)
    assert read.missing == pytest.approx(0.1, abs=1e-6)
    assert read.failures == {}
    assert read.provenance["answers"] == "logprobs"
    assert read.provenance["answered_with"] == "labels"
    assert read.provenance["model"] == "m"
    assert read.provenance["served_model"] == "served"
    assert read.provenance["server"] == server.url
    assert read.provenance["top"] == 20
    bodies = [request["body"] for request in server.requests]
    assert {request["path"] for request in server.requests} == {"/v1/chat/completions"}
    assert all(body["max_tokens"] == 1 and body["temperature"] == 1 and body["logprobs"] for body in bodies)
    assert server.asked().most_common(1)[0][1] == 1  # every question once
    assert len(bodies) == 301  # and one more, to see what the server gives
    assert {path.relative_to(ledger).as_posix() for path in ledger.rglob("[!.]*") if path.is_file()} == {
        "answers/m.jsonl"
    }
    for text in corpus.rows["text"]:
        assert text[:12] not in (ledger / "answers" / "m.jsonl").read_text()


def test_equal_texts_are_asked_once_and_empty_ones_never(web, tmp_path):
    texts = [text for text, _ in sentences(20)]
    texts[3] = texts[7] = texts[5]
    texts[11] = "  \n"
    server = web(well)
    read = ask(server.url, make_corpus(texts), tmp_path)
    assert len(server.requests) == 1 + 17
    assert read.failures == {11: "the text is empty"}
    assert read.logp[3].tolist() == read.logp[5].tolist() == read.logp[7].tolist()


def test_nothing_is_asked_twice_in_another_folder_or_after_the_table_is_gone(web, tmp_path):
    corpus, server = small(), web(well)
    first = ask(server.url, corpus, tmp_path / "one")
    count = len(server.requests)
    assert ask(server.url, corpus, tmp_path / "two").logp.tolist() == first.logp.tolist()
    assert len(server.requests) == count
    changed = make_corpus([*corpus.rows["text"][:-1], "one more text"])
    ask(server.url, changed, tmp_path / "three")
    assert len(server.requests) == count + 1


def test_several_calls_are_under_way_at_once_and_never_more_than_allowed(web, tmp_path):
    now, most = [], []

    all_there = threading.Barrier(6)

    def slow(body, number):
        now.append(number)
        most.append(len(now))
        if 2 <= number <= 7:  # after the first question, which shows what the server gives
            all_there.wait(timeout=60)
        now.remove(number)
        return well(body, number)

    assert ask(web(slow).url, small(), tmp_path, concurrency=6).failures == {}
    assert max(most) == 6


def test_fields_are_added_to_a_request_and_left_out(web, tmp_path):
    server = web(well)
    extra = {"max_tokens": None, "max_completion_tokens": 1, "top_p": None, "reasoning_effort": "none"}
    read = ask(server.url, small(), tmp_path, extra=extra)
    assert all({"max_tokens", "top_p"}.isdisjoint(request["body"]) for request in server.requests)
    assert all(request["body"]["max_completion_tokens"] == 1 for request in server.requests)
    assert read.provenance["request"] == extra


def test_codes_for_labels_that_begin_alike(web, tmp_path):
    corpus = small()
    corpus = type(corpus)("small", ("very bad", "very good"), corpus.rows)
    server = web(lambda body, _: (200, completion("?", top=[("1", 0.7), (" 2", 0.2), ("1.", 0.05)])))
    read = ask(server.url, corpus, tmp_path)
    assert np.exp(read.logp) == pytest.approx(np.array([[0.75, 0.2]] * 24))
    assert read.provenance["answered_with"] == "codes"
    assert read.provenance["codes"] == {"1": "very bad", "2": "very good"}
    said = server.requests[-1]["body"]["messages"][0]["content"]
    assert said.endswith("Answer with one character and nothing else: 1 for very bad, 2 for very good.")


def test_examples_are_answered_with_the_codes_that_are_asked_for(web, tmp_path):
    corpus = small()
    rows = corpus.rows.assign(rank=corpus.rows["rank"].where(corpus.rows.index > 1, SPENT))
    corpus = type(corpus)("small", ("very bad", "very good"), rows)
    for how, answers in [("codes", ["1", "2"]), ("labels", ["very bad", "very good"])]:
        server = web(lambda body, _: (200, completion("?", top=[("1", 0.5), ("very good", 0.5)])))
        ask(server.url, corpus, tmp_path / how, answer_with=how)
        said = server.requests[-1]["body"]["messages"][0]["content"]
        assert [line for line in said.splitlines() if line.startswith("Answer: ")] == [f"Answer: {a}" for a in answers]
        assert ("1 for very bad" in said) == (how == "codes")


# Servers without log-probabilities


def refuses(field):
    def answer(body, number):
        if body.get(field):
            return 400, {"error": {"message": f"unsupported: {field}", "code": "unsupported_parameter"}}
        return well(body, number)

    return answer


@pytest.mark.parametrize("how", ["silent", "refused"])
@pytest.mark.parametrize("several", ["n", "one", "refused"])
def test_without_log_probabilities_answers_are_sampled(web, tmp_path, how, several):
    said = iter(["positive", "Positive.", "negative", "what?"] * 1000)
    lock = threading.Lock()

    def answer(body, _):
        if body.get("logprobs") and how == "refused":
            return 400, {"error": "no logprobs here"}
        if body.get("n", 1) > 1 and several == "refused":
            return 422, {"detail": "n must be 1"}
        with lock:
            return 200, completion(*[next(said) for _ in range(body.get("n", 1) if several == "n" else 1)])

    server = web(answer)
    read = ask(server.url, small(20), tmp_path, samples=4, concurrency=1)
    assert read.provenance["answers"] == "samples"
    assert read.provenance["samples"] == 4
    assert "top" not in read.provenance
    shares = np.exp(read.logp)
    assert shares == pytest.approx(np.array([[0.25, 0.5]] * 20))
    assert read.missing == pytest.approx(0.25)
    calls = len(server.requests)
    assert calls < 25 if several == "n" else 80 <= calls < 86
    ask(server.url, small(20), tmp_path / "again", samples=4, concurrency=1)
    assert len(server.requests) <= calls + 2  # only what was refused is tried again


@pytest.mark.parametrize("refused", [False, True])
def test_one_first_question_serves_all_corpora_and_wordings(web, tmp_path, refused):
    def answer(body, number):
        said = "positive" if "positive" in body["messages"][0]["content"] else "bad"
        if body.get("logprobs"):
            return refuses("logprobs")(body, number) if refused else (200, completion("?", top=[(said, 0.9)]))
        return 200, completion(said)

    server, corpus = web(answer), small()
    other = type(corpus)("other", ("bad", "splendid beyond words"), corpus.rows)
    fields = {"openai": "m", "base_url": server.url, "samples": 1}
    ask(server.url, corpus, tmp_path, samples=1)
    plan = annotators.load(fields).plan("other", other.rows["text"].tolist(), prompts.render(other, "prompt2"))
    assert plan.if_logprobs is None
    assert plan.expected.calls == 24
    ask(server.url, other, tmp_path, samples=1)
    assert annotators.load(fields).plan("other", other.rows["text"].tolist(), prompts.render(other)).expected.calls == 0
    answered = annotators.load(fields)._log.answers
    assert len(answered) == 1 + 24 + 24
    assert server.asked()["This is a test."] == (3 if refused else 1)  # what is refused is not paid


def test_of_two_limits_of_an_answer_the_larger_counts(web):
    asked = annotators.load({"openai": "m", "base_url": web(well).url, "extra": {"max_completion_tokens": 500}})
    asked._prepare(prompts.render(small()))
    assert asked._most_out(asked._body("", "logprobs")) == asked._most_out(asked._body("", "samples")) == 500


def test_log_probabilities_that_were_asked_for_and_are_not_there(web, tmp_path):
    with pytest.raises(UserError, match=r"gives no log-probabilities \(it says: 400, unsupported: logprobs, unsupp"):
        ask(web(refuses("logprobs")).url, small(), tmp_path, answers="logprobs")
    server = web(lambda body, _: (200, completion("positive")))
    with pytest.raises(UserError, match=r"gives no log-probabilities \(it answers without them\).*`answers: samples`"):
        ask(server.url, small(), tmp_path, answers="logprobs")
    assert len(server.requests) == 1


def test_a_server_that_lists_few_tokens(web, tmp_path):
    def few(body, number):
        if body.get("top_logprobs", 0) > 5:
            return 400, {"error": {"message": "top_logprobs must be at most 5"}}
        return well(body, number)

    server = web(few)
    read = ask(server.url, small(), tmp_path)
    assert (read.provenance["answers"], read.provenance["top"]) == ("logprobs", 5)
    assert len(server.requests) == 2 + 24
    assert ask(server.url, small(), tmp_path / "again").provenance["top"] == 5
    assert len(server.requests) == 2 + 24  # what was refused is known, and so are the answers


def test_what_was_asked_for_before_does_not_stand_for_more_that_is_asked_for_now(web, tmp_path):
    server = web(well)
    assert ask(server.url, small(), tmp_path / "one", answers="samples", samples=2).provenance["answers"] == "samples"
    for top in (5, 20):
        read = ask(server.url, small(), tmp_path / f"top-{top}", top=top)
        assert (read.provenance["answers"], read.provenance["top"]) == ("logprobs", top)
    again = ask(server.url, small(), tmp_path / "again", answers="samples", samples=2)
    assert again.provenance["answers"] == "samples"
    assert server.asked()["This is a test."] == 3


# Ill servers


def test_too_many_requests_are_waited_for(web, tmp_path):
    times = []

    def answer(body, number):
        times.append(time.monotonic())
        return (429, {"error": "slow down"}, {"Retry-After": "0.5"}) if number == 5 else well(body, number)

    server = web(answer)
    read = ask(server.url, small(), tmp_path, concurrency=2)
    assert read.failures == {}
    assert len(server.requests) == 26
    assert np.diff(times).max() > 0.4  # nobody asked in the meantime, but for the one that was under way
    assert sorted(server.asked().values())[-2:] == [1, 2]


@pytest.fixture
def hasty(monkeypatch):
    """Pauses of hundredths of a second."""
    monkeypatch.setattr(pace, "_FIRST", 0.005)
    monkeypatch.setattr(pace, "_LONGEST", 0.05)


@pytest.mark.parametrize("headers", [{}, {"retry-after-ms": "30"}])
def test_a_limit_is_waited_for_however_many_calls_it_refuses(web, tmp_path, hasty, headers):
    """Four of five are refused, far more than `attempts` for a text, and nobody loses one."""

    def answer(body, number):
        return (429, {"error": {"message": "slow down"}}, headers) if number % 5 else well(body, number)

    server = web(answer)
    read = ask(server.url, small(12), tmp_path, concurrency=4)
    assert read.failures == {}
    assert len(server.requests) == 5 * 13
    assert annotators.load({"openai": "m", "base_url": server.url})._meter.spent.calls == 13  # refusals cost nothing


def test_a_limit_without_end_ends_the_command(web, tmp_path, hasty, monkeypatch):
    monkeypatch.setattr(pace, "PATIENCE", 0.3)
    server, start = web(lambda *_: (429, {"error": "busy"})), time.monotonic()
    with pytest.raises(UserError, match=r"429, busy, for 5 minutes without one answer\. What was answered is kept"):
        ask(server.url, small(), tmp_path)
    assert time.monotonic() - start > 0.3
    assert len(server.requests) > 6


def test_a_pause_before_the_first_answer_is_said(web, tmp_path, hasty, capsys):
    """There is no bar yet that could say it."""
    server = web(lambda body, n: (429, {"error": "busy"}, {"Retry-After": "1.2"}) if n == 1 else well(body, n))
    assert ask(server.url, small(), tmp_path).failures == {}
    assert "429, busy: a pause of 1 s" in capsys.readouterr().err


def test_so_many_requests_a_minute(web, tmp_path):
    times = []

    def answer(body, number):
        times.append(time.monotonic())
        return well(body, number)

    server = web(answer)
    ask(server.url, small(10), tmp_path, requests_per_minute=2000, concurrency=8)
    assert np.diff(times).mean() > 0.025
    asked = annotators.load({"openai": "m", "base_url": server.url, "requests_per_minute": 2, "answers": "logprobs"})
    more = [f"text {i}" for i in range(60)]
    assert "time    about 30 min" in str(asked.plan("more", more, prompts.render(small())))
    fresh = annotators.load({"openai": "new", "base_url": server.url, "requests_per_minute": 120})
    said = str(fresh.plan("more", more, prompts.render(small())))
    assert "shown after the first answers; at most 5 min for the `requests_per_minute` alone" in said


def test_a_date_to_come_back_at(web, tmp_path):
    def answer(body, number):
        if number == 3:
            return 503, b"<html>busy</html>", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
        return well(body, number)

    assert ask(web(answer).url, small(), tmp_path).failures == {}


def test_a_text_on_which_the_server_fails_spares_the_others(web, tmp_path):
    corpus = small()
    bad, long, odd = (corpus.rows["text"].iloc[i] for i in (5, 8, 9))

    def answer(body, number):
        said = body["messages"][0]["content"]
        if said.endswith(bad):
            return 500, {"error": {"message": "out\nof\x1b[31m memory"}}
        if said.endswith(long):
            return 400, {"error": {"message": f"cannot take: {long}", "code": "too_long"}}
        if said.endswith(odd):
            return 200, completion("?", top=[("What", 0.9), ("Who", 0.05)])
        return well(body, number)

    server = web(answer)
    read = ask(server.url, corpus, tmp_path, concurrency=1)
    assert read.failures == {
        5: "the server failed 2 times: 500, out of [31m memory",
        8: "400, the message repeats the text",
        9: "none of the likeliest first tokens begins a label",
    }
    assert np.isnan(read.logp).all(axis=1).nonzero()[0].tolist() == [5, 8, 9]
    assert server.asked()[question(corpus, 5)] == 2
    assert server.asked()[question(corpus, 8)] == 1


@pytest.mark.parametrize(
    ("answer", "message", "most"),
    [
        ((500, {"error": "ill"}), r"500, ill, 2 times\. What was answered is kept, the same command goes on", 2),
        ((429, {"error": {"message": "pay", "code": "insufficient_quota"}}), "429, pay, insufficient_quota", 1),
        ((429, {}, {"Retry-After": "86400"}), "asks to be left alone for 86400 s", 1),
        ((402, {}, {"Retry-After": "Mon, 01 Jan 999999999999 00:00:00 GMT"}), "402", 1),
        ((402, {"error": "no credit"}), "402, no credit", 1),
        ((404, {"error": {"message": "no model m"}}), "404, no model m", 1),
        (
            (400, [{"error": {"message": "API key not valid"}}]),
            "refuses a question: 400, API key not valid; `extra`",
            3,
        ),
        ((403, {"error": "not you"}), r"it refuses a call without a key.*\(403\)", 1),
        ((401, {"error": f"bad key {KEY}"}), r"it refuses a call without a key.*\(401\)", 1),
        (
            (302, b"", {"Location": "http://127.0.0.1:1/v1"}),
            "it redirects to another address, which is not followed",
            1,
        ),
        ((200, {"error": {"message": "no credit", "code": 402}}), "402, no credit", 1),
        (
            (200, {"error": {"message": "no", "code": "401"}, "choices": []}),
            r"refuses a call without a key.*\(401\)",
            1,
        ),
        ((200, {"error": "overloaded"}), "500, overloaded, 2 times", 2),
        ((422, {"detail": [{"msg": "?"}]}), r"refuses a question: 422, \?; `extra`", 3),
        ((200, b"<html>sign in</html>"), "what it answered is no chat completion, 2 times", 2),
        ((200, {"choices": []}), "no chat completion", 2),
        ((200, b"[" * 100_000), "no chat completion", 2),
        ((200, b" " * 5_000_000), "does not come to an end", 2),
    ],
)
def test_a_server_that_is_of_no_use_ends_the_command_with_one_line(web, tmp_path, answer, message, most):
    server = web(lambda *_: answer)
    with pytest.raises(UserError, match=message) as caught:
        ask(server.url, small(), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert 1 <= len(server.requests) <= most
    assert not list((tmp_path / "out").rglob("*.parquet"))


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": [{"message": {"content": "positive"}, "logprobs": {"content": [{"top_logprobs": None}]}}]},
        {"choices": [{"message": {"content": [{"type": "text", "text": "posi"}, "tive"]}, "logprobs": None}]},
        {
            "choices": [
                {"message": {"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "positive"}]}}
            ],
            "usage": {"prompt_tokens": None, "completion_tokens": None},
            "error": None,
        },
    ],
)
def test_answers_are_read_in_all_their_shapes(web, tmp_path, odd):
    server = web(lambda *_: (200, odd))
    read = ask(server.url, small(), tmp_path, samples=1)
    assert read.failures == {}
    assert np.exp(read.logp).tolist() == [[0, 1]] * 24
    assert len(server.requests) == 25


def test_an_answer_that_says_nothing_is_an_empty_one(web, tmp_path):
    server = web(lambda *_: (200, {"choices": [{"message": None}]}))
    with pytest.raises(UserError, match="none of 2 sampled answers is a label; all are empty"):
        ask(server.url, small(), tmp_path, samples=2, concurrency=1)


def test_what_cannot_be_read_is_asked_for_once_more_and_not_six_times(web, tmp_path):
    """Each of them may be charged."""
    corpus = small()
    bad = corpus.rows["text"].iloc[5]

    def answer(body, number):
        return (200, {"choices": "?"}) if body["messages"][0]["content"].endswith(bad) else well(body, number)

    server = web(answer)
    read = ask(server.url, corpus, tmp_path, attempts=6, concurrency=1)
    assert read.failures == {5: "the server failed 2 times: what it answered is no chat completion"}
    assert server.asked()[question(corpus, 5)] == 2
    assert annotators.load({"openai": "m", "base_url": server.url})._meter.spent.calls == 1 + 23 + 2


def test_an_error_under_status_200_is_the_error_that_it_says(web, tmp_path, hasty):
    corpus = small()
    bad = corpus.rows["text"].iloc[5]

    def answer(body, number):
        if number in (4, 8):
            return 200, {"error": {"message": "slow down", "code": 429}}
        if body["messages"][0]["content"].endswith(bad):
            return 200, {"error": {"message": "cannot take it", "code": 400}}
        return well(body, number)

    server = web(answer)
    read = ask(server.url, corpus, tmp_path, attempts=1)
    assert read.failures == {5: "400, cannot take it"}
    assert len(server.requests) == 25 + 2
    assert annotators.load({"openai": "m", "base_url": server.url})._meter.spent.calls == 24  # errors are not charged


def test_a_server_that_falls_ill_keeps_what_was_answered(web, tmp_path):
    corpus, ill = small(), threading.Event()

    def answer(body, number):
        if number > 10:
            ill.set()
        return (500, {}) if ill.is_set() else well(body, number)

    server = web(answer)
    with pytest.raises(UserError, match="500, 2 times"):
        ask(server.url, corpus, tmp_path)
    server.answer, before = well, len(server.requests)
    assert ask(server.url, corpus, tmp_path).failures == {}
    assert len(server.requests) - before == 25 - 10


def test_a_question_that_no_text_has_an_answer_to_is_not_asked_ten_thousand_times(web, tmp_path):
    server = web(lambda *_: (200, completion("?", top=[("<think>", 0.99)])))
    with pytest.raises(UserError, match="the first 20 texts have no label; of the last the reason is: none of the"):
        ask(server.url, small(200), tmp_path, concurrency=2)
    assert len(server.requests) <= 1 + 22


def test_what_is_left_of_a_table_may_have_no_labels(web, tmp_path):
    """Texts that are too long come last: where all others are there, nothing but they is asked again."""
    texts = [text for text, _ in sentences(256)]
    corpus = make_corpus([*texts, *(f"{text} " + "long " * 60 for text in texts[:25])])
    stop = threading.Event()

    def answer(body, number):
        if "long long" in body["messages"][0]["content"]:
            return (404, {}) if stop.is_set() else (400, {"error": {"message": "context length"}})
        return well(body, number)

    server = web(answer)
    stop.set()
    with pytest.raises(UserError, match="404"):
        ask(server.url, corpus, tmp_path)
    stop.clear()
    assert len(ask(server.url, corpus, tmp_path).failures) == 25
    grown = make_corpus([*corpus.rows["text"], "one more text that is fine"])
    assert len(ask(server.url, grown, tmp_path).failures) == 25


def test_a_model_without_log_probabilities_may_say_so_as_if_it_were_forbidden(web, tmp_path):
    def answer(body, number):
        if body.get("logprobs"):
            return 403, {"error": {"message": "You are not allowed to request logprobs from this model"}}
        return well(body, number)

    read = ask(web(answer).url, small(), tmp_path, samples=2)
    assert read.provenance["answers"] == "samples"
    assert not read.failures


def test_a_text_that_is_forbidden_spares_the_others_and_many_in_a_row_end_the_command(web, tmp_path):
    corpus = small()
    bad = {question(corpus, row) for row in (5, 8)}

    def answer(body, number):
        if body["messages"][0]["content"] in bad:
            return 403, {"error": {"message": "your input was flagged"}}
        return well(body, number)

    server = web(answer)
    read = ask(server.url, corpus, tmp_path, concurrency=1)
    assert read.failures == dict.fromkeys((5, 8), "the server failed once: 403, your input was flagged")
    assert all(server.asked()[one] == 1 for one in bad)
    assert server.asked()["This is a test."] == 1
    server.answer = lambda body, number: (403, {"error": "gone"}) if number > 40 else well(body, number)
    more = make_corpus([f"{text} again" for text, _ in sentences(24)])
    with pytest.raises(UserError, match="403, gone, once"):
        ask(server.url, more, tmp_path / "more", concurrency=1)


def test_forbidden_texts_in_a_row_are_spared_where_another_question_is_answered(web, tmp_path):
    corpus = small()
    bad, answers = {question(corpus, row) for row in range(5, 12)}, []

    def answer(body, number):
        if body["messages"][0]["content"] in bad:
            answers.append(403)
            return 403, {"error": {"message": "your input was flagged"}}
        if 403 in answers and 404 not in answers:
            answers.append(404)
            return 404, {}
        return well(body, number)

    server = web(answer)
    with pytest.raises(UserError, match="404"):  # what was forbidden by then is in no log, and comes first again
        ask(server.url, corpus, tmp_path, concurrency=1)
    read = ask(server.url, corpus, tmp_path, concurrency=1)
    assert set(read.failures) == set(range(5, 12))
    assert np.isfinite(read.logp).sum() == 2 * (24 - 7)


def test_a_key_that_is_refused_with_another_status_of_forbidden_texts(web, tmp_path):
    server = web(well)
    ask(server.url, small(), tmp_path / "one")
    server.answer = lambda *_: (403, {"error": "who are you"})
    more = make_corpus([f"{text} again" for text, _ in sentences(2)])
    with pytest.raises(UserError, match=r"it refuses a call without a key.*\(403\)"):
        ask(server.url, more, tmp_path / "more", concurrency=1)


def test_the_last_words_repeat_no_text_either(web, tmp_path):
    def answer(body, number):
        if number == 1:
            return well(body, number)
        return 500, {"error": {"message": f"cannot parse: {body['messages'][0]['content'][-30:]}"}}

    with pytest.raises(UserError, match=r"500, the message repeats the text, 2 times\. What was answered"):
        ask(web(answer).url, small(), tmp_path, concurrency=1)


@pytest.mark.parametrize("refusing", [True, False])
def test_a_table_that_was_removed_is_made_again_without_the_server(web, tmp_path, refusing):
    server = web(refuses("logprobs") if refusing else well)
    first = ask(server.url, small(), tmp_path / "one", budget={"calls": 200})
    spent = len(server.requests)
    server.answer = lambda *_: (404, {"error": "gone"})
    again = ask(server.url, small(), tmp_path / "two", budget={"calls": 200})
    assert len(server.requests) == spent
    assert np.array_equal(again.logp, first.logp)


def test_more_samples_than_a_server_was_seen_to_give_at_once_are_planned_at_a_call_each(web, tmp_path):
    def answer(body, _):
        if body.get("n", 1) > 2:
            return 400, {"error": {"message": "n is at most 2"}}
        return 200, completion(*["positive"] * body.get("n", 1))

    server, corpus = web(answer), small()
    ask(server.url, corpus, tmp_path, samples=2, answers="samples")
    spec = {"openai": "m", "base_url": server.url, "samples": 6, "answers": "samples"}
    before = len(server.requests)
    texts = [f"{text} again" for text in corpus.rows["text"]]
    plan = annotators.load(spec).plan("more", texts, prompts.render(corpus))
    ask(server.url, make_corpus(texts), tmp_path / "more", samples=6, answers="samples", attempts=1)
    refused = sum(request["body"].get("n", 1) > 2 for request in server.requests)
    assert len(server.requests) - before - refused <= plan.expected.calls == 24 * 6


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("HTTPS_PROXY", "foo://127.0.0.1:9"),
        ("HTTPS_PROXY", "http://proxy:port80"),
        ("SSL_CERT_FILE", "/none"),
    ],
)
def test_settings_of_the_network_that_cannot_be_used(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=r"settings for its network cannot be used: .*look at HTTP_PROXY") as caught:
        annotators.load("openai:m@https://api.example.org/v1")
    assert "\n" not in str(caught.value)


def test_an_address_that_is_none():
    with pytest.raises(UserError, match=r"http://999\.1\.1\.1/v1 is no address"):
        annotators.load("openai:m@http://999.1.1.1/v1")


def test_a_message_repeats_no_piece_of_a_text(web, tmp_path):
    corpus = make_corpus(["short but mine"] + [f"{text} of Anna Karlsson" for text, _ in sentences(23)])

    def answer(body, number):
        said = body["messages"][0]["content"].rpartition("\n")[2]
        if said == "short but mine":
            return 500, {"error": {"message": f"template failed on: {said}"}}
        return (
            (400, {"error": {"message": f"flagged words: {said[-12:].upper()}"}}) if number % 3 else well(body, number)
        )

    failures = ask(web(answer).url, corpus, tmp_path, concurrency=1).failures
    assert failures.pop(0) == "the server failed 2 times: 500, the message repeats the text"
    assert {*failures.values()} == {"400, the message repeats the text"}


def test_a_message_in_words_of_the_question_is_shown(web, tmp_path):
    refusal = 400, {"error": {"message": "Input should be one of these: 'a', 'b'"}}
    server = web(lambda body, number: well(body, number) if number < 3 else refusal)
    read = ask(server.url, small(), tmp_path, concurrency=1)
    assert {*read.failures.values()} == {"400, Input should be one of these: 'a', 'b'"}


def test_without_a_word_on_tokens_estimates_do_not_grow(web, tmp_path):
    server = web(lambda body, _: (200, completion("?", top=opinion(body)) | {"usage": None}))
    ask(server.url, small(), tmp_path)
    asked = annotators.load({"openai": "m", "base_url": server.url})
    assert asked._tokens.most(350) == Tokens().most(350)
    server = web(lambda body, _: (200, completion("Positive.") | {"usage": {"prompt_tokens": 9}}))
    ask(server.url, small(), tmp_path, name="n", answers="samples", samples=1, max_tokens=7)
    spent = annotators.load({"openai": "m", "base_url": server.url, "name": "n"})._meter.spent
    assert spent == Use(25, 25 * 9, 25 * 7)  # the first question sees what the server gives


def test_log_probabilities_that_nobody_asked_for_leave_the_answer_alone(web, tmp_path):
    server = web(lambda body, _: (200, completion("Positive.", top=[("Positive", 0.9)])))
    assert ask(server.url, small(), tmp_path, answers="samples", samples=1).failures == {}


def test_longer_answers_than_before_are_asked_for(web, tmp_path):
    asked = annotators.load({"openai": "m", "base_url": web(well).url, "answers": "samples", "max_tokens": 9})
    asked.use(prompts.render(small()))
    made = asked.provenance()
    assert made["max_tokens"] == 9
    spec = asked.spec.model_copy(update={"max_tokens": 2000})
    assert ("`max_tokens`", 9, 2000) in list(origin._of_server(spec, made))


def test_nobody_listens(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(UserError, match="it cannot be reached, 2 times"):
            ask(url, small(), tmp_path)


def test_an_answer_that_is_lost_may_have_been_paid(web, tmp_path):
    asked_again = threading.Event()

    def answer(body, number):
        if number == 4:
            asked_again.wait(60)
        elif number == 5:
            asked_again.set()
        return well(body, number)

    server = web(answer)
    read = ask(server.url, small(), tmp_path, timeout=2, concurrency=1)
    assert read.failures == {}
    assert len(server.requests) == 26
    asked = annotators.load({"openai": "m", "base_url": server.url})
    assert asked._meter.spent.calls == 26


# Keys


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(web, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    server = web(well)
    ask(server.url, small(), tmp_path, key="MY_KEY")
    assert {request["headers"]["Authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    server.answer = lambda *_: (401, {"error": {"message": f"Incorrect API key: {KEY}"}})
    with pytest.raises(UserError, match=r"it refuses the key in MY_KEY \(401\)") as caught:
        ask(server.url, small(30), tmp_path / "out", key="MY_KEY")
    server.answer = lambda *_: (400, {"error": {"message": f"{KEY} and sk-another are odd"}})
    with pytest.raises(UserError, match="400, … and … are odd"):
        ask(server.url, small(30), tmp_path / "out", key="MY_KEY", name="other")
    out, err = capfd.readouterr()
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 2
    asked = annotators.load({"openai": "m", "base_url": server.url, "key": "MY_KEY"})
    assert asked._key.get_secret_value() == KEY
    for shown in [out, err, str(caught.value), repr(caught.value), repr(vars(asked)), repr(vars(asked._client))]:
        assert KEY not in shown
    assert not any(KEY.encode() in content for content in files)


def test_a_key_that_comes_back_in_an_answer_is_not_kept(web, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)

    def echo(body, number):
        status, answer = well(body, number)
        answer["choices"][0]["message"]["content"] += f" {KEY}"
        return status, answer | {"model": KEY, "system_fingerprint": KEY}

    ask(web(echo).url, small(), tmp_path, key="MY_KEY")
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any("…".encode() in content or b"\\u2026" in content for content in files)
    assert not any(KEY.encode() in content for content in files)


@pytest.mark.parametrize(
    ("slash", "plus"),
    [
        ("/", "+"),
        (r"\/", r"\u002b"),
        (r"\u002F", r"\u002B"),
        (r"\\\/", r"\\u002b"),
        ("%2F", "%2b"),
        ("&#47;", "&#x2B;"),
    ],
)
def test_a_key_that_comes_back_escaped_is_not_shown(web, tmp_path, monkeypatch, slash, plus):
    """As PHP, .NET, a proxy that quotes JSON within JSON, and a page of HTML write it."""
    monkeypatch.setenv("MY_KEY", "ab/cd+EFGH==")
    said = f"no such key: ab{slash}cd{plus}EFGH== (x)"
    server = web(lambda *_: (400, f'{{"error": {{"message": "{said}"}}}}'.encode()))
    with pytest.raises(UserError, match=r"400, no such key: … \(x\)"):
        ask(server.url, small(), tmp_path, key="MY_KEY")


def test_the_message_of_an_error_may_be_megabytes_of_brackets(web, tmp_path):
    """A matter of days where the reading is quadratic."""
    server = web(lambda *_: (400, b"no such field " + b"<" * 3_000_000))
    with pytest.raises(UserError, match="refuses a question: 400, no such field <<<"):
        ask(server.url, small(), tmp_path)


def test_a_key_is_not_sent_to_servers_it_was_not_meant_for(web, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = web(well)
    ask(server.url, small(), tmp_path)
    assert all("Authorization" not in request["headers"] for request in server.requests)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    ask(server.url, small(), tmp_path, name="n")
    assert server.requests[-1]["headers"]["Authorization"] == f"Bearer {KEY}"


def test_redirections_are_not_followed(web, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    other = web(well)
    server = web(lambda *_: (307, b"", {"Location": f"{other.url}/chat/completions"}))
    with pytest.raises(UserError, match="redirects"):
        ask(server.url, small(), tmp_path, key="MY_KEY")
    assert other.requests == []


@pytest.mark.parametrize("value", [None, "", "two words", "a\nb", "schlüssel"])
def test_keys_that_cannot_be(monkeypatch, value):
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(UserError, match=r"environment variable MY_KEY.*(is not set|cannot be a key)") as caught:
        annotators.load({"openai": "m", "base_url": "https://host.example/v1", "key": "MY_KEY"})
    assert not value or value not in str(caught.value)


def test_a_key_does_not_travel_in_clear_text(monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    for host in ("host.example", "8.8.8.8"):
        with pytest.raises(UserError, match=rf"key in MY_KEY would go to {host} in clear text: .*https://") as caught:
            annotators.load({"openai": "m", "base_url": f"http://{host}/v1", "key": "MY_KEY"})
        assert KEY not in str(caught.value)
        annotators.load({"openai": "m", "base_url": f"http://{host}/v1"})  # without a key there is nothing to read
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    for url, by_proxy in (
        ("https://host.example/v1", True),
        ("http://192.168.0.5:8000/v1", False),
        ("http://gpubox:8000/v1", False),
        ("http://localhost/v1", False),
    ):
        client = annotators.load({"openai": "m", "base_url": url, "key": "MY_KEY"})._client
        assert client.trust_env is by_proxy


# Money


def test_a_budget_stops_cleanly_and_what_was_paid_for_is_kept(web, tmp_path):
    corpus, server = small(), web(well)
    for limit in (10, 20):
        with pytest.raises(UserError, match=rf"the budget of {limit} calls is reached.*raise `budget` in the study"):
            ask(server.url, corpus, tmp_path, budget={"calls": limit})
        assert len(server.requests) == limit
    assert not list(tmp_path.rglob("*.parquet"))
    ask(server.url, corpus, tmp_path, budget={"calls": 25})
    assert server.asked().most_common(1)[0][1] == 1


def test_a_budget_of_tokens_and_money_is_never_exceeded(web, tmp_path):
    server = web(lambda body, _: (200, completion("?", top=opinion(body), tokens=(100, 1))))
    with pytest.raises(UserError, match="budget of 1,500 tokens"):
        ask(server.url, small(), tmp_path, budget={"tokens": 1500})
    assert 10 <= len(server.requests) <= 14
    prices = {"input": 10, "output": 0}  # a call costs 0.001
    with pytest.raises(UserError, match=r"budget of 0.012 USD is reached, \d+ calls and .* tokens \(0.01 USD\)"):
        ask(server.url, small(), tmp_path, name="n", prices=prices, budget={"money": 0.012})
    assert len(annotators.load({"openai": "m", "base_url": server.url, "name": "n"})._log.answers) <= 12


def test_two_processes_do_not_ask_in_one_name(web, tmp_path, ledger):
    """Each of them knows what it read when it began: together they would go beyond the budget, and pay twice."""
    corpus = small()
    reached, go_on = threading.Event(), threading.Event()

    def answer(body, number):
        if number == 5:
            reached.set()
            go_on.wait(30)
        return well(body, number)

    server = web(answer)
    first = threading.Thread(target=ask, args=(server.url, corpus, tmp_path / "one"))
    second = annotators.load({"openai": "m", "base_url": server.url, "budget": {"calls": 25}})
    first.start()
    try:
        assert reached.wait(30)
        with pytest.raises(UserError, match=r"another process is asking in this name.*wait for it, or stop it"):
            second.use(prompts.render(corpus))
        ask(server.url, corpus, tmp_path / "two", name="n")  # another name has another budget
    finally:
        go_on.set()
        first.join()
    # What the first paid for is known to the second, although it was loaded before.
    count = len(server.requests)
    prompt = prompts.render(corpus)
    annotating.annotate(corpus, second, prompt, folder=tmp_path / "three")
    assert len(server.requests) == count
    assert second._meter.spent.calls == 25


@pytest.fixture
def study(tmp_path):
    """Writes a study of 24 texts and one server."""

    def make(url, **fields):
        rows = small().rows
        rows.assign(label=["bad", "good"] * 12)[["id", "text", "label"]].to_csv(tmp_path / "t.csv", index=False)
        file = tmp_path / "study.yml"
        corpus = {"name": "mine", "path": str(tmp_path / "t.csv"), "text": "text", "label": "label", "id": "id"}
        server = {"openai": "m", "base_url": url, "attempts": 2} | fields
        file.write_text(yaml.safe_dump({"name": "s", "corpora": [corpus], "annotators": [server], "sizes": [10]}))
        return str(file)

    return make


def good_or_bad(body, _):
    return 200, completion("?", top=[("good", 0.6), ("bad", 0.3)], tokens=(40, 1))


def test_a_server_with_a_price_is_asked_when_the_user_agrees(web, study, ledger):
    server = web(good_or_bad)
    file = study(server.url, prices={"input": 2, "output": 8, "currency": "EUR"}, budget={"money": 1})
    said = CliRunner().invoke(app, ["annotate", file])
    assert isinstance(said.exception, UserError)
    assert "nothing was asked yet" in str(said.exception)
    assert "m is to label mine: m at http://127.0.0.1" in said.output
    assert "at most 241 for 24 texts, 4 at once; for 10 sampled answers a text, if the server gives no" in said.output
    assert "25 calls, " in said.output
    assert "if it gives them: the first call shows that" in said.output
    assert re.search(r"of what you are to agree to: about 241 calls, .* EUR; less if they give log-", said.output)
    assert "1 EUR in all: enough" in said.output
    assert server.requests == []
    said = CliRunner().invoke(app, ["annotate", file, "--yes"], catch_exceptions=False)
    assert said.exit_code == 0
    assert len(server.requests) == 25
    assert "24 rows, 0 failed" in said.output
    (table,) = ledger.rglob("*.parquet")
    assert annotators.load({"openai": "m", "base_url": server.url})._log.answers[0].tokens_in == 40
    with pytest.raises(UserError, match='made by another m: the model was "m" then and is "m2" now'):
        CliRunner().invoke(app, ["annotate", study(server.url, openai="m2", name="m")], catch_exceptions=False)
    study(server.url, prices={"input": 2, "output": 8, "currency": "EUR"}, budget={"money": 1})
    table.unlink()
    again = CliRunner().invoke(app, ["annotate", file], catch_exceptions=False)  # nothing is left to be paid
    assert "0 for 24 texts, 4 at once; 24 texts are answered already" in again.output
    assert "25 calls and 1,025 tokens (0.00 EUR) before this" in again.output
    assert len(server.requests) == 25


def test_a_free_server_is_asked_at_once(web, study):
    server = web(good_or_bad)
    said = CliRunner().invoke(app, ["annotate", study(server.url), "--annotator", "m"], catch_exceptions=False)
    assert said.exit_code == 0
    assert "cost    none" in said.output
    assert len(server.requests) == 25


def test_a_key_goes_to_another_machine_when_the_user_agrees_whatever_the_price(study, monkeypatch):
    monkeypatch.setenv("ELSEWHERE_KEY", KEY)
    file = study("https://host.invalid/v1", key="ELSEWHERE_KEY", prices={"input": 0, "output": 0})
    said = CliRunner().invoke(app, ["annotate", file])
    assert "sends a key away, nothing was asked yet" in str(said.exception)
    assert "the value of ELSEWHERE_KEY is sent to host.invalid" in said.output


def test_the_plan_is_what_is_used(web, tmp_path):
    corpus, server = small(200), web(well)
    prompt = prompts.render(corpus)

    def true_tokens(body, _):
        content = body["messages"][0]["content"]
        return 200, completion("?", top=opinion(body), tokens=(7 + len(content) // 4, 1))

    server.answer = true_tokens
    asked = annotators.load({"openai": "m", "base_url": server.url})
    first = asked.plan("small", corpus.rows["text"].tolist(), prompt)
    assert first.expected.calls == 1 + 200 * 10
    assert first.if_logprobs.calls == 201
    ask(server.url, corpus, tmp_path)
    spent = annotators.load({"openai": "m", "base_url": server.url})._meter.spent
    assert spent.calls == first.if_logprobs.calls
    assert spent.tokens_in == pytest.approx(first.if_logprobs.tokens_in, rel=0.3)
    assert spent.tokens_out == first.if_logprobs.tokens_out
    more = make_corpus([f"{text} again" for text in corpus.rows["text"]])
    asked = annotators.load({"openai": "m", "base_url": server.url})
    second = asked.plan("small", more.rows["text"].tolist(), prompt)
    assert second.expected.calls == 200
    assert second.if_logprobs is None
    assert second.seconds > 0
    ask(server.url, more, tmp_path / "more")
    taken = annotators.load({"openai": "m", "base_url": server.url})._meter.spent - spent
    assert taken.tokens_in == pytest.approx(second.expected.tokens_in, rel=0.05)


@pytest.mark.parametrize("several", [True, False])
def test_what_is_agreed_to_is_the_most_that_is_asked(web, tmp_path, several):
    """Whether a server gives log-probabilities is not known before the first call, and samples are dearer."""

    def answer(body, _):
        given = body.get("n", 1) if several else 1
        return 200, completion(*["positive"] * given, tokens=(len(body["messages"][0]["content"]) // 4, 2 * given))

    server, corpus = web(answer), small()
    prompt, texts = prompts.render(corpus), corpus.rows["text"].tolist()
    spec = {"openai": "m", "base_url": server.url, "samples": 5}
    agreed = annotators.load(spec).plan("small", texts, prompt)
    ask(server.url, corpus, tmp_path, samples=5, concurrency=1)
    asked = annotators.load(spec)
    spent = asked._meter.spent
    assert len(server.requests) == spent.calls == (1 + 24 if several else 1 + 24 * 5)
    assert spent.calls <= agreed.expected.calls == 1 + 24 * 5
    assert spent.tokens_in <= agreed.expected.tokens_in
    assert spent.tokens_out <= agreed.expected.tokens_out
    # A server that gives several answers to one call is known to, from the log on.
    more = asked.plan("more", [f"{text} again" for text in texts], prompt)
    assert more.if_logprobs is None
    assert more.expected.calls == (24 if several else 24 * 5)
    assert more.expected.tokens_in == pytest.approx(spent.tokens_in, rel=0.1)


@pytest.mark.parametrize("extra", [{"max_tokens": 16}, {"max_tokens": None, "max_completion_tokens": 16}])
def test_a_plan_reckons_with_the_longer_answers_that_extra_asks_for(extra):
    """Log-probabilities are of one token, unless the request says otherwise."""
    corpus = small()
    spec = {"openai": "m", "base_url": "http://127.0.0.1:9/v1", "answers": "logprobs"}
    prompt, texts = prompts.render(corpus), corpus.rows["text"].tolist()
    assert annotators.load(spec).plan("small", texts, prompt).expected.tokens_out == 1 + 24
    plan = annotators.load(spec | {"extra": extra}).plan("small", texts, prompt)
    assert plan.expected.tokens_out == 16 * (1 + 24)


# A killed process

WORK = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import make_corpus, sentences
from helpers import annotating, annotations, annotators, prompts
corpus = make_corpus([text for text, _ in sentences({count})])
asked = annotators.load({{"openai": "m", "base_url": {url!r}, "concurrency": 3}})
annotating.annotate(corpus, asked, prompts.render(corpus), folder=Path({folder!r}))
"""


def killed_and_resumed(make, answer, folder, *, count, after):
    """Kill the process when `after` calls were answered, go on here; gives the server and the table."""
    stalled, go_on = threading.Semaphore(0), threading.Event()

    def stalling(body, number):
        if number > after and not go_on.is_set():
            stalled.release()
            go_on.wait(60)
        return answer(body, number)

    server, corpus = make(stalling), small(count)
    script = WORK.format(tests=str(Path(__file__).parent), count=count, url=server.url, folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    try:
        for _ in range(
            3
        ):  # all three that may be under way wait for their answers: every other answer was written down
            assert stalled.acquire(timeout=120), process.stderr.read().decode()
    finally:
        process.kill()
        process.communicate()
    go_on.set()
    never_answered = {request["body"]["messages"][0]["content"] for request in server.requests[after:]}
    assert len(never_answered) == 3
    assert not list(folder.rglob("m.*.parquet"))
    read = ask(server.url, corpus, folder)
    asked = server.asked()
    assert len(asked) == count + 1
    assert {what for what, times in asked.items() if times > 1} == never_answered
    return read


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_killed_process_pays_for_no_answer_twice(web, tmp_path):
    read = killed_and_resumed(web, well, tmp_path / "out", count=600, after=400)  # killed in the second part
    whole = ask(web(well).url, small(600), tmp_path / "whole", name="whole")
    assert read.failures == {}
    assert read.logp.tolist() == whole.logp.tolist()


# A real server with a real model


@pytest.fixture(scope="module")
def llama():
    """llama.cpp's server with SmolLM2-135M; its address."""
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(artifacts.fetch("smollm2-135m") / "model.gguf")
    settings.port, settings.n_parallel, settings.n_ctx = 0, 2, 2048
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.verbosity = -1
    server = xllamacpp.Server(settings)
    yield f"{server.listening_address}/v1"
    del server


def forward(url):
    """A proxy's answer: what the server at `url` answers."""

    def answer(body, _):
        request = urllib.request.Request(
            f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    return answer


def sample_of(name, count):
    """A corpus of some of the shorter texts of a shipped one, and the local annotator's log-probabilities of them."""
    corpus = corpora.load(name)
    table = annotations.read(
        places.ROOT / "annotations" / name / "smollm2-135m.prompt1.parquet", corpus, prompts.render(corpus)
    )
    short = np.flatnonzero(corpus.rows["text"].str.len().between(20, 80))
    rows = np.random.default_rng(5).choice(short, count, replace=False)
    part = type(corpus)(name, corpus.labels, corpus.rows.iloc[rows].reset_index(drop=True), about=corpus.about)
    return part, table.logp[rows]


def test_a_real_server_knows_what_the_same_model_knows_here(llama, web, tmp_path):
    """Of the tokens that are exactly the labels: a local annotator leaves their variants out, a server adds them."""
    corpus, local = sample_of("movie", 40)
    proxy = web(forward(llama))
    read = ask(proxy.url, corpus, tmp_path)
    assert read.failures == {}
    assert read.provenance["answers"] == "logprobs"
    assert read.provenance["served_model"] == "model.gguf"
    assert (np.exp(read.logp).sum(axis=1) < 1).all()
    assert len(proxy.requests) == 41
    asked = annotators.load({"openai": "m", "base_url": proxy.url})
    assert asked._meter.spent.calls == asked._meter.spent.tokens_out == 41
    assert 41 * 40 < asked._meter.spent.tokens_in < 41 * 100
    there = exactly(asked, corpus)
    known = np.isfinite(there).all(axis=1)
    assert known.sum() > 20
    apart = there[known] - local[known]
    assert np.abs(apart).mean() < 0.5  # nats; the weights are rounded otherwise
    margin, same = (x[known][:, 1] - x[known][:, 0] for x in (there, local))
    assert np.corrcoef(margin, same)[0, 1] > 0.9
    assert (np.sign(margin) == np.sign(same)).mean() > 0.8
    # The merged variants are at least as probable as the labels alone.
    assert (read.logp[known] >= there[known] - 1e-6).all()


def exactly(asked, corpus) -> np.ndarray:
    """Log-probabilities of the tokens that are the labels, as they stand in the log; nan where they are not listed."""
    asked.use(prompts.render(corpus))
    out = np.full((len(corpus.rows), len(corpus.labels)), np.nan)
    for row, text in enumerate(corpus.rows["text"]):
        listed = dict(asked._call(asked._body(asked._question(text), "logprobs")).top)
        out[row] = [listed.get(label, np.nan) for label in corpus.labels]
    return out


@pytest.mark.slow
def test_a_real_server_that_is_killed_at(llama, web, tmp_path):
    read = killed_and_resumed(web, forward(llama), tmp_path, count=60, after=40)
    assert len(read.failures) < 30


@pytest.mark.slow
@pytest.mark.parametrize("several", [True, False])
def test_a_real_server_that_is_sampled(llama, web, tmp_path, several):
    """It gives as many answers at once as it has slots, two, and refuses to give more."""
    corpus, _ = sample_of("movie", 20)
    proxy = web(forward(llama))
    samples = 2 if several else 6
    read = ask(proxy.url, corpus, tmp_path, answers="samples", samples=samples, concurrency=1)
    assert read.provenance["answers"] == "samples"
    assert len(read.failures) < 15
    known = np.isfinite(read.logp.max(axis=1))
    shares = np.exp(read.logp[known]) * samples
    assert shares == pytest.approx(shares.round(), abs=1e-5)
    calls = len(annotators.load({"openai": "m", "base_url": proxy.url})._log.answers)
    assert calls == 1 + 20 * (1 if several else samples)


@pytest.mark.slow
def test_a_real_server_that_is_asked_for_codes(llama, tmp_path):
    corpus, _ = sample_of("movie", 20)
    read = ask(llama, corpus, tmp_path, answer_with="codes")
    assert read.provenance["codes"] == {"1": "negative", "2": "positive"}
    assert read.failures == {}
