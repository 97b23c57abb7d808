"""When calls may begin, by a clock that is set by hand."""

import pytest

from helpers.annotators import pace
from helpers.annotators.pace import Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_without_a_limit_every_call_may_begin_at_once(clock):
    assert [Pace(clock=clock).wait() for _ in range(9)] == [0] * 9


def test_so_many_calls_a_minute(clock):
    calls = Pace(30, clock=clock)
    begun = 0
    for _ in range(480):
        begun += calls.wait() == 0
        clock.now += 0.125
    assert begun == 30
    assert calls.wait() == 0
    clock.now += 0.5
    assert calls.wait() == 1.5


def test_a_pause_is_for_all_and_doubles_up_to_a_minute_until_there_is_an_answer(clock):
    calls, pauses = Pace(clock=clock), []
    for _ in range(9):
        pauses.append(calls.too_many(clock.now, None))
        assert calls.wait() == pauses[-1]
        clock.now += pauses[-1]
        assert calls.wait() == 0
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    calls.answered()
    assert calls.too_many(clock.now, None) == 0.5


def test_calls_that_were_under_way_do_not_make_a_pause_longer(clock):
    calls, began = Pace(clock=clock), clock.now
    clock.now += 1
    assert [calls.too_many(began, None) for _ in range(4)] == [0.5] * 4
    clock.now += 1
    assert calls.too_many(clock.now, None) == 1


def test_what_the_server_asks_for_is_waited_for(clock):
    calls = Pace(clock=clock)
    assert calls.too_many(clock.now, 7.0) == 7
    assert calls.wait() == 7
    clock.now += 7
    assert calls.too_many(clock.now, 0.0) == 1  # it is not right: the pauses grow nevertheless
    calls.quiet(3.0)
    assert calls.wait() == 3


def test_after_minutes_without_one_answer_it_is_given_up(clock):
    calls, start = Pace(clock=clock), clock.now
    while (pause := calls.too_many(clock.now, None)) is not None:
        clock.now += pause
    assert pace.PATIENCE <= clock.now - start < pace.PATIENCE + 60
    calls.answered()
    assert calls.too_many(clock.now, None) == 0.5
