"""Ctrl-C during long work, and pressed twice."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# The exit code of an interrupted session, as pytest has it.
INTERRUPTED = 2


def end_at_the_next() -> None:
    """From now on Ctrl-C ends this process at once, without a traceback. Only for the main thread."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block, Ctrl-C raises KeyboardInterrupt at once; pressed again, at any time, it ends the process.

    asyncio.run answers the first Ctrl-C by cancelling its main task, which a blocking call would never notice.
    """

    def interrupt(*_: object) -> None:
        end_at_the_next()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, before)
