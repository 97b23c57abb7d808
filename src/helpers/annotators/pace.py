"""When the next call to a server may begin: so many a minute, and none while the server wants to be left alone.

Servers that are asked too often say so (429), and mostly for how long. What one call is told holds for all: the others
would only be told the same, and with many servers a refused call counts against the limit as well.
"""

import time
from collections.abc import Callable
from threading import Lock

#: First pause after a call too many, and the longest of those that double, in seconds.
_FIRST, _LONGEST = 0.5, 60.0
#: Seconds of calls too many and no answer after which it is no use to go on.
PATIENCE = 300.0


class Pace:
    """The pace of all calls to one server, from any number of threads.

    Parameters
    ----------
    per_minute
        Calls that may begin in a minute, at equal distances; None is no limit.
    clock
        Seconds that only go forward.
    """

    def __init__(self, per_minute: float | None = None, *, clock: Callable[[], float] = time.monotonic):
        self._apart, self._clock, self._lock = 60 / per_minute if per_minute else 0.0, clock, Lock()
        self._next = self._quiet_until = -float("inf")
        self._pause, self._paused_at, self._limited_since = 0.0, -float("inf"), None

    def wait(self) -> float:
        """Seconds until it is worth asking again; 0: a call may begin, and this was its turn."""
        with self._lock:
            now = self._clock()
            left = max(self._next, self._quiet_until) - now
            if left > 0:
                return left
            self._next = now + self._apart
            return 0.0

    def quiet(self, seconds: float) -> None:
        """Let no call begin for so long."""
        with self._lock:
            self._quiet_until = max(self._quiet_until, self._clock() + seconds)

    def too_many(self, began: float, asked: float | None) -> float | None:
        """Make a pause because of a call that was one too many: twice as long as the last, until a call is answered.

        Calls that were under way when the pause was made do not make it longer.

        Parameters
        ----------
        began
            When the call began, by the clock.
        asked
            Seconds that the server asks for, or None.

        Returns
        -------
        float | None
            Seconds of the pause that is left, or None if it is no use to go on.
        """
        with self._lock:
            now = self._clock()
            if self._limited_since is None:
                self._limited_since = now
            elif now - self._limited_since >= PATIENCE:
                return None
            if began >= self._paused_at:
                self._pause, self._paused_at = min(2 * self._pause or _FIRST, _LONGEST), now
                self._quiet_until = max(self._quiet_until, now + self._pause)
            self._quiet_until = max(self._quiet_until, now + (asked or 0.0))
            return self._quiet_until - now

    def answered(self) -> None:
        """Take note of a call that was answered."""
        with self._lock:
            self._pause, self._limited_since = 0.0, None
