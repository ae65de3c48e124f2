"""A limit on the pixels that all reading threads decode at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

# Decoding needs up to some ten bytes a pixel. Ordinary photos never wait.
_AT_ONCE = 200_000_000
_ORDINARY = 16_000_000


class PixelGate:
    """Lets threads decode large photos until all of them together have ``limit`` pixels."""

    def __init__(self, limit: int = _AT_ONCE) -> None:
        self._limit, self._inside = limit, 0
        self._changed = Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until a photo of ``pixels`` fits; one larger than the limit enters alone."""
        if pixels <= _ORDINARY:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._inside or self._inside + pixels <= self._limit)
            self._inside += pixels
        try:
            yield
        finally:
            with self._changed:
                self._inside -= pixels
                self._changed.notify_all()
