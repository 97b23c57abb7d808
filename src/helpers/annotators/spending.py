"""What asking a server costs: a plan before the first call, and a meter that no call passes unpaid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Condition

from helpers import durations
from helpers.annotators.answer_log import Answer
from helpers.annotators.specs import Budget, Prices, Server
from helpers.errors import UserError

#: Bytes of a question for a token, and tokens that a chat adds to it: a guess that the first answers replace.
_BYTES_PER_TOKEN, _TOKENS_AROUND = 3.5, 16
#: Bytes of the shortest question that tells of others: of a shorter one, most of the tokens are the chat's.
_TELLING = 64
#: The same at most, with what a chat template may say of itself.
TOKENS_AROUND_AT_MOST = 64


class BudgetReachedError(UserError):
    """The next call might cost more than the budget allows. What was paid for is kept."""


@dataclass(frozen=True)
class Use:
    """Calls, and tokens that went in and came out."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def __add__(self, other: "Use") -> "Use":
        return Use(self.calls + other.calls, self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out)

    def __sub__(self, other: "Use") -> "Use":
        return self + Use(-other.calls, -other.tokens_in, -other.tokens_out)

    @classmethod
    def of(cls, answers: Iterable[Answer]) -> "Use":
        """What these answers took."""
        return sum((cls(1, one.tokens_in, one.tokens_out) for one in answers), cls())


class Tokens:
    """Tokens that a question of so many bytes will take: the most that it may, as far as the answers show.

    Before the first answer it is a guess. Afterwards it is the greatest ratio that was seen, so that a budget holds.
    """

    def __init__(self, answers: Iterable[Answer] = ()):
        self._most = self._total_in = self._total_bytes = 0.0
        for one in answers:
            self.learn(one)

    def learn(self, answer: Answer) -> None:
        """Take note of what a question took."""
        if answer.asked >= _TELLING and answer.tokens_in:
            self._most = max(self._most, answer.tokens_in / answer.asked)
            self._total_in += answer.tokens_in
            self._total_bytes += answer.asked

    def most(self, asked: int) -> int:
        """Tokens that a question of `asked` bytes takes at most."""
        return int(asked * self._most) + 1 if self._most else self._guess(asked)

    def about(self, asked: int) -> int:
        """Tokens that a question of `asked` bytes takes on average."""
        return round(asked * self._total_in / self._total_bytes) if self._total_bytes else self._guess(asked)

    @staticmethod
    def _guess(asked: int) -> int:
        return round(asked / _BYTES_PER_TOKEN) + _TOKENS_AROUND


class Meter:
    """Counts what is spent and lets no call begin that might go beyond the budget.

    Calls that are under way are counted at the most they may cost. If only they stand in the way, a call waits.

    Parameters
    ----------
    spec
        Name, budget and prices of the annotator.
    spent
        What was spent before.
    """

    def __init__(self, spec: Server, spent: Use):
        self._spec, self.spent = spec, spent
        self._held, self._changed = Use(), Condition()

    def hold(self, most: Use) -> None:
        """Set aside what a call may cost, or wait until that is possible.

        Raises
        ------
        BudgetReachedError
            If it never will be.
        """
        with self._changed:
            while beyond := _beyond(self.spent + self._held + most, self._spec.budget, self._spec.prices):
                if not self._held.calls:
                    raise BudgetReachedError(
                        f"annotator {self._spec.name}: the budget of {beyond} is reached, {self.said()} were spent; "
                        "what was answered is kept: raise `budget` in the study, and the same command goes on"
                    )
                self._changed.wait()
            self._held += most

    def settle(self, most: Use, taken: Use) -> None:
        """Replace what was set aside by what a call took: nothing, if it was refused."""
        with self._changed:
            self._held -= most
            self.spent += taken
            self._changed.notify_all()

    def said(self) -> str:
        """What was spent, in words."""
        return _said(self.spent, self._spec.prices)


def _beyond(use: Use, budget: Budget, prices: Prices | None) -> str | None:
    """The limit that `use` goes beyond, in words, or None."""
    if budget.calls is not None and use.calls > budget.calls:
        return f"{budget.calls:,} calls"
    if budget.tokens is not None and use.tokens_in + use.tokens_out > budget.tokens:
        return f"{budget.tokens:,} tokens"
    if budget.money is not None and prices is not None and _money(use, prices) > budget.money:
        return f"{budget.money:g} {prices.currency}"
    return None


def _money(use: Use, prices: Prices) -> float:
    return prices.of(use.tokens_in, use.tokens_out)


def _said(use: Use, prices: Prices | None) -> str:
    said = f"{use.calls:,} calls and {use.tokens_in + use.tokens_out:,} tokens"
    return said if prices is None else f"{said} ({_money(use, prices):.2f} {prices.currency})"


@dataclass(frozen=True)
class Plan:
    """What is going to be asked of a server for one corpus.

    Attributes
    ----------
    spec, corpus
        Who is asked about what.
    texts, answered
        Number of texts, and of those whose answers are there already.
    expected
        Calls and tokens of the others. Where it is not known yet what the server gives, this is the dearer case, that
        answers are sampled: whoever agrees to a plan agrees to the most it can be.
    if_logprobs
        The same if the server turns out to give log-probabilities; None where it is known whether it does.
    spent
        What the annotator took so far.
    before
        What plans that are carried out before this one expect of the same annotator.
    seconds
        Mean time of a call so far; None before the first.
    """

    spec: Server
    corpus: str
    texts: int
    answered: int
    expected: Use
    if_logprobs: Use | None
    spent: Use
    before: Use
    seconds: float | None

    @property
    def beyond(self) -> str | None:
        """The limit of the budget that this will reach, in words, or None."""
        return _beyond(self.spent + self.before + self.expected, self.spec.budget, self.spec.prices)

    def __str__(self) -> str:
        spec, use = self.spec, self.expected
        most = "" if self.if_logprobs is None else "at most "
        calls = f"{most}{use.calls:,} for {self.texts:,} texts, {spec.concurrency} at once"
        if self.answered:
            calls += f"; {self.answered:,} texts are answered already"
        if most:
            calls += f"; for {spec.samples} sampled answers a text, if the server gives no log-probabilities"
        rows = {"calls": calls, "tokens": f"{most}about {use.tokens_in:,} in and {use.tokens_out:,} out"}
        if spec.prices is not None:
            rows["cost"] = f"{most}about {_money(use, spec.prices):.2f} {spec.prices.currency}"
        else:
            rows["cost"] = "not known: the study gives no `prices`" if spec.needs_consent else "none"
        paced = 60 * use.calls / spec.requests_per_minute if spec.requests_per_minute else 0.0
        if self.seconds is not None:
            rows["time"] = f"{most}about {durations.in_words(max(paced, use.calls * self.seconds / spec.concurrency))}"
        else:
            rows["time"] = "shown after the first answers"
            if paced:
                rows["time"] += f"; {most}{durations.in_words(paced)} for the `requests_per_minute` alone"
        if self.if_logprobs is not None:
            other = self.if_logprobs
            rows["or"] = (
                f"{other.calls:,} calls, {other.tokens_in:,} tokens in and {other.tokens_out:,} out"
                + (f", {_money(other, spec.prices):.2f} {spec.prices.currency}" if spec.prices else "")
                + ", if it gives them: the first call shows that"
            )
        if self.spent.calls:
            rows["spent"] = f"{_said(self.spent, spec.prices)} before this"
        if limits := _limits(spec):
            rows["budget"] = f"{limits} in all{', also for what is planned above' if self.before.calls else ''}: " + (
                f"it {'may stop' if most else 'stops'} before the end, at {self.beyond}" if self.beyond else "enough"
            )
        if spec.key_variable:
            rows["key"] = f"the value of {spec.key_variable} is sent to {spec.host}"
        head = f"{spec.name} is to label {self.corpus}: {spec.openai} at {spec.base_url}"
        return "\n".join([head, *(f"  {what:7} {value}" for what, value in rows.items())])


def total(plans: Sequence[Plan]) -> str:
    """What several plans expect together, in words: where it is not known what a server gives, the most."""
    use = sum((plan.expected for plan in plans), Use())
    said = f"{use.calls:,} calls, {use.tokens_in + use.tokens_out:,} tokens"
    for currency in dict.fromkeys(plan.spec.prices.currency for plan in plans if plan.spec.prices):
        priced = [plan for plan in plans if plan.spec.prices and plan.spec.prices.currency == currency]
        said += f", {sum(_money(plan.expected, plan.spec.prices) for plan in priced):.2f} {currency}"
    return said + ("; less if they give log-probabilities" if any(plan.if_logprobs for plan in plans) else "")


def _limits(spec: Server) -> str:
    budget = spec.budget
    parts = [
        budget.calls and f"{budget.calls:,} calls",
        budget.tokens and f"{budget.tokens:,} tokens",
        budget.money and spec.prices and f"{budget.money:g} {spec.prices.currency}",
    ]
    return ", ".join(part for part in parts if part)
