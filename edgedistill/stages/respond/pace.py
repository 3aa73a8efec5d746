"""How fast is asked: evenly under a limit per minute, and not at all while the endpoint rests."""

from __future__ import annotations

import threading
import time
from typing import Protocol

_MINUTE_S = 60.0


class Clock(Protocol):
    """Where time comes from."""

    def now_s(self) -> float:
        """Seconds since some moment; never goes back."""

    def wait(self, seconds: float, halt: threading.Event) -> None:
        """Lets the time pass, or returns as soon as `halt` is set."""


class SystemClock:
    """The machine's own."""

    def now_s(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def wait(self, seconds: float, halt: threading.Event) -> None:
        """Waits for the time to pass or for `halt`."""
        halt.wait(seconds)


class Pace:
    """A bucket of one token that fills evenly, so that no minute sees more than the limit.

    A larger bucket would allow a burst on top of a minute's worth, which the endpoint refuses.
    """

    def __init__(
        self, requests_per_minute: int | None, *, clock: Clock, halt: threading.Event
    ) -> None:
        self._gap_s = _MINUTE_S / requests_per_minute if requests_per_minute else 0.0
        self._clock = clock
        self._halt = halt
        self._lock = threading.Lock()
        self._free_at_s = clock.now_s()

    def turn(self) -> bool:
        """Waits for a turn; False where all is to halt."""
        while not self._halt.is_set():
            with self._lock:
                now_s = self._clock.now_s()
                missing_s = self._free_at_s - now_s
                if missing_s <= 0:
                    self._free_at_s = now_s + self._gap_s
                    return True
            self._clock.wait(missing_s, self._halt)
        return False

    def rest(self, seconds: float) -> None:
        """Gives nobody a turn for so long, because the endpoint asks for a rest."""
        with self._lock:
            self._free_at_s = max(self._free_at_s, self._clock.now_s() + seconds)
