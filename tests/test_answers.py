"""From answers to log-probabilities, the log of answers, and the meter: without a server."""

import json
import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.annotators import answers, specs
from helpers.annotators.answer_log import Answer, AnswerLog, key_of
from helpers.annotators.spending import BudgetReachedError, Meter, Tokens, Use
from helpers.errors import UserError

SENTIMENT = answers.coding(("negative", "neutral", "positive"))


@pytest.mark.parametrize(
    ("token", "classes"),
    [
        ("positive", [2]),
        ("Positive", [2]),
        (" POSITIVE", [2]),
        ("\u2581pos", [2]),
        ("\u0120P", [2]),
        ("positive.", [2]),
        ('"positive', [2]),
        ("**Neg", [0]),
        ("neu", [1]),
        ("Ne", [0, 1]),
        ("n", [0, 1]),
        ("positively", []),
        ("The", []),
        ("", []),
        (" ", []),
        ("**", []),
        ("\ufffd", []),
    ],
)
def test_tokens_that_begin_a_label(token, classes):
    assert SENTIMENT.begun(token) == classes


def test_variants_are_merged_and_the_rest_is_missing_mass():
    top = {"Positive": 0.3, "positive": 0.2, " pos": 0.1, "negative": 0.1, "neut": 0.05, "Ne": 0.02, "The": 0.08}
    logp = answers.from_tokens([(token, math.log(p)) for token, p in top.items()], SENTIMENT)
    assert np.exp(logp) == pytest.approx([0.1, 0.05, 0.6])


def test_a_label_that_is_not_listed_gets_the_most_it_can_have():
    top = [("positive", math.log(0.6)), ("negative", math.log(0.3)), ("It", math.log(0.05))]
    assert np.exp(answers.from_tokens(top, SENTIMENT)) == pytest.approx([0.3, 0.05, 0.6])
    top[2] = ("It", math.log(0.08))  # .02 is left, and less than the least listed
    assert np.exp(answers.from_tokens(top, SENTIMENT)) == pytest.approx([0.3, 0.02, 0.6])
    whole = [("positive", 0.0)]
    assert answers.from_tokens(whole, SENTIMENT) == pytest.approx([math.log(1e-12), math.log(1e-12), 0], abs=1e-9)


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ([], "no log-probabilities"),
        ([("positive", math.nan)], "no log-probabilities"),
        ([("positive", 0.4)], "no log-probabilities"),
        ([("positive", math.log(0.8)), ("negative", math.log(0.8))], "add up to more than 1"),
        ([("The", -0.1), ("It", -3)], "none of the likeliest first tokens begins a label"),
        ([("positive", -math.inf)], "none of the likeliest"),
        (
            [("Ne", math.log(0.7)), ("positive", math.log(0.2))],
            "begins like two of the labels: set `answer_with: codes`",
        ),
    ],
)
def test_tokens_that_say_nothing(top, message):
    with pytest.raises(ValueError, match=message):
        answers.from_tokens(top, SENTIMENT)


@given(
    st.lists(st.tuples(st.text(max_size=12), st.floats(allow_nan=True)), max_size=25),
    st.sampled_from([("negative", "neutral", "positive"), ("très bon", "très mauvais"), ("肯定", "否定")]),
)
def test_whatever_a_server_says_gives_log_probabilities_or_a_reason(top, labels):
    try:
        logp = answers.from_tokens(top, answers.coding(labels))
    except ValueError:
        return
    assert logp.shape == (len(labels),)
    assert np.isfinite(logp).all()
    assert np.exp(logp).sum() <= 1 + 1e-9


@pytest.mark.parametrize(
    ("labels", "codes"),
    [
        (("negative", "positive"), None),
        (("negative", "neutral", "positive"), None),
        (("very good", "very bad"), "12"),
        (("art", "article"), "12"),
        (("possible", "positive"), "12"),
        (("customer_service", "customer_returns", "other"), "123"),
        (("Toxic", "toxicity"), "12"),
        (("肯定", "否定"), None),
        (("好評", "好調"), "12"),
        (("+", "-"), "12"),
        (("'", '"'), "12"),
        (("1", "2", "3"), None),
        (("1", "10"), "BC"),
        (tuple(f"class {i}" for i in range(20)), "BCDEFGHJKLMNOPQRSTUV"),
        (tuple(f"class {i:02}" for i in range(50)), "BCDEFGHJKLMNOPQRSTUVWXYZbcdefghjklmnopqrstuvwxyzai"),
    ],
)
def test_labels_that_may_begin_with_one_token_get_codes(labels, codes):
    coding = answers.coding(labels)
    assert coding.coded is (codes is not None)
    assert coding.answers == (labels if codes is None else tuple(codes))
    assert bool(coding.request) is coding.coded
    for k, answer in enumerate(coding.answers):
        assert coding.begun(answer) == coding.begun(f" {answer}") == coding.begun(f"{answer}.") == [k]
        assert coding.meant(f"{answer}.") == k
    if coding.coded:
        assert all(f"{code} for {label}" in coding.request for code, label in zip(codes, labels, strict=True))
        assert coding.begun(f"{codes[0]}{codes[1]}") == []
        assert answers.described("logprobs", coding, top=20, samples=3)["codes"] == dict(
            zip(codes, labels, strict=True)
        )


def test_the_study_decides_on_codes():
    assert answers.coding(("art", "article"), "labels").answers == ("art", "article")
    assert answers.coding(("negative", "positive"), "codes").answers == ("1", "2")
    with pytest.raises(ValueError, match="51 labels, and codes for 50"):
        answers.coding(tuple(map(str, range(51))), "codes")


@pytest.mark.parametrize("labels", [("-1", "0", "1"), ("(none)", "some"), ("*", "**", "no"), (":)", ":(")])
def test_marks_with_which_a_label_begins_are_no_ornament(labels):
    coding = answers.coding(labels, "labels")
    for k, label in enumerate(labels):
        assert coding.meant(f" {label}") == k
        assert coding.begun(f"\u0120{label}")[-1:] == [k] or labels[0] == "*"
    signs = answers.coding(("-1", "0", "1"), "labels")
    assert (signs.begun("-"), signs.begun("1"), signs.begun("**-1**")) == ([0], [2], [0])
    logp = answers.from_tokens([("-1", np.log(0.9)), ("0", np.log(0.05)), ("1", np.log(0.04))], signs)
    assert np.exp(logp) == pytest.approx([0.9, 0.05, 0.04])


def test_a_refusal_is_no_label():
    """Codes that are words of English come last, and a word of its own begins no longer word."""
    twelve = answers.coding(tuple(f"class {k}" for k in range(12)))
    assert not {"A", "I", "a", "i"} & {*twelve.answers}
    for said in ("I'm sorry, I can't", "I cannot classify this", "A good question", "I"):
        assert twelve.meant(said) is None
        assert twelve.begun(said.split("'")[0].split()[0]) == []
    plain = answers.coding(("insult", "none", "advice"))
    assert [plain.begun(token) for token in ("I", " I", "A", "i", "In", "Adv")] == [[], [], [], [0], [0], [2]]
    assert answers.coding(("I agree", "not at all"), "labels").begun("I") == [0]


def test_a_label_that_is_not_listed_never_wins_over_one_that_is():
    top = [("The", 0.5), ("This", 0.2), ("I", 0.1), ("Sentiment", 0.05), ("Positive", 0.04)]
    coding = answers.coding(("negative", "neutral", "positive"))
    logp = answers.from_tokens([(token, np.log(p)) for token, p in top], coding).astype(np.float32)
    assert logp.argmax() == 2
    assert (logp[:2] < logp[2]).all()


def test_a_token_may_end_within_a_character():
    coding = answers.coding(("肯定", "否定"))
    half = answers.text_of("\ufffd", [0xE8, 0x82])
    assert coding.begun(half) == [0]
    assert json.loads(json.dumps(half)) == half
    assert answers.text_of("good", None) == answers.text_of("good", list(b"good")) == "good"
    assert answers.text_of("good", [300]) == "good"


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("positive", 2),
        (" Positive.\n", 2),
        ("**Neutral**", 1),
        ("positive, because it is kind", 2),
        ("not positive", None),
        ("positively kind", None),
        ("The sentiment is positive", None),
        ("", None),
    ],
)
def test_what_a_sampled_answer_means(answer, label):
    assert SENTIMENT.meant(answer) == label


def test_votes():
    said = ["positive", "Positive.", "negative", "hm"]
    assert np.exp(answers.from_votes(said, SENTIMENT)) == pytest.approx([0.25, 0, 0.5])
    with pytest.raises(ValueError, match="none of 2 sampled answers is a label; they are other words"):
        answers.from_votes(["hm", ""], SENTIMENT)
    with pytest.raises(ValueError, match=r"all are empty: .* needs more `max_tokens`"):
        answers.from_votes(["", " "], SENTIMENT)


# The log


def test_the_log_is_read_back(tmp_path):
    log = AnswerLog(tmp_path / "a" / "log.jsonl")
    answer = Answer((("p\udce8", -0.5), ("n", -math.inf)), (), 12, 1, 40, 0.25, "model", "fp")
    log.add("k1", answer)
    log.add(None, Answer(tokens_in=5, tokens_out=1))
    log.close()
    log.add("k2", Answer(texts=("yes", ""), tokens_in=3, tokens_out=2))
    again = AnswerLog(log.file)
    assert again["k1"] == answer
    assert again["k2"].texts == ("yes", "")
    assert "k3" not in again
    assert Use.of(again.answers) == Use.of(log.answers) == Use(3, 20, 4)
    assert log.file.stat().st_mode & 0o077 == 0


@given(st.binary(max_size=300), st.integers(0, 200))
def test_half_a_line_is_no_answer_and_the_next_is_whole(tmp_path_factory, junk, cut):
    file = tmp_path_factory.mktemp("log") / "log.jsonl"
    log = AnswerLog(file)
    log.add("k1", Answer(texts=("one",), tokens_in=1))
    log.close()
    file.write_bytes(file.read_bytes() + b'{"key": "k2", "texts": ["two"]}'[: min(cut, 30)] + junk)
    log = AnswerLog(file)
    log.add("k3", Answer(texts=("three",)))
    log.close()
    again = AnswerLog(file)
    assert again["k1"].texts == ("one",)
    assert again["k3"].texts == ("three",)


def test_threads_write_whole_lines(tmp_path):
    log = AnswerLog(tmp_path / "log.jsonl")

    def work(who):
        for i in range(50):
            log.add(f"{who}-{i}", Answer(texts=("x" * 200,), tokens_in=1))

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(AnswerLog(log.file).answers) == 400
    assert len([json.loads(line) for line in log.file.read_text().splitlines()]) == 400


def test_a_call_is_known_by_all_that_was_asked():
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    keys = {
        key_of("http://a/v1", body),
        key_of("http://b/v1", body),
        key_of("http://a/v1", body | {"model": "n"}),
        key_of("http://a/v1", body | {"max_tokens": 1}),
        key_of("http://a/v1", body, 1),
    }
    assert len(keys) == 5
    assert key_of("http://a/v1", dict(reversed(body.items()))) in keys


# The meter


def server(**fields):
    return specs.parse({"openai": "m", "base_url": "http://localhost/v1"} | fields)


@pytest.mark.parametrize(
    ("budget", "said"),
    [({"calls": 3}, "3 calls"), ({"tokens": 33}, "33 tokens"), ({"money": 0.00006}, "6e-05 EUR")],
)
def test_no_call_goes_beyond_the_budget(budget, said):
    prices = {"input": 1, "output": 10, "currency": "EUR"}  # a call: 10 in and 1 out are 0.00002 EUR
    meter, call = Meter(server(budget=budget, prices=prices), Use()), Use(1, 10, 1)
    for _ in range(3):
        meter.hold(call)
        meter.settle(call, call)
    with pytest.raises(
        BudgetReachedError, match=rf"the budget of {said} is reached, 3 calls and 33 tokens \(0.00 EUR\)"
    ):
        meter.hold(call)
    assert isinstance(BudgetReachedError(), UserError)
    assert meter.spent == Use(3, 30, 3)


def test_a_call_waits_for_those_that_may_turn_out_cheaper():
    meter, most = Meter(server(budget={"tokens": 30}), Use()), Use(1, 20, 0)
    meter.hold(most)
    waiting = threading.Thread(target=meter.hold, args=(most,))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    meter.settle(most, Use(1, 8, 0))
    waiting.join(5)
    assert not waiting.is_alive()
    meter.settle(most, Use())  # refused: it costs nothing
    assert meter.spent == Use(1, 8, 0)


def test_tokens_are_guessed_then_measured():
    tokens = Tokens()
    assert tokens.most(350) == tokens.about(350) == 116
    tokens.learn(Answer(tokens_in=50, asked=100))
    tokens.learn(Answer(tokens_in=10, asked=100))
    tokens.learn(Answer(tokens_in=40, asked=15))  # mostly what a chat adds to any question
    assert tokens.most(200) == 101
    assert tokens.about(200) == 60
