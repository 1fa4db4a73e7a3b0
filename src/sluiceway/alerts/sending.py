"""Several messages at once, in threads that nobody waits for longer than was said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sluiceway.errors import SluicewayError

if TYPE_CHECKING:
    from sluiceway.alerts.channels import Send
    from sluiceway.alerts.message import Message

__all__ = ["Job", "send_all"]


@dataclass
class Job:
    """One message for one channel. ``timeout`` in seconds; ``error`` is what went wrong, when it is over."""

    send: Send
    clean: Callable[[str], str]
    message: Message
    timeout: float
    error: str | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            self.send(self.message)
            said = None
        except SluicewayError as error:
            said = error.message
        except Exception as error:  # noqa: BLE001  a plugin of somebody else's: whatever it raises, a run goes on
            said = f"{type(error).__name__}: {error}"
        if not self.done.is_set():
            self.error = None if said is None else self.clean(said)
        self.done.set()


def send_all(jobs: Sequence[Job], budget: float) -> None:
    """Send all of them side by side and come back after ``budget`` seconds at the latest.

    A thread that is still waiting then is left behind; it does not keep the process from ending. Neither a
    name server nor a server that sends a byte a second can hold the caller, which timeouts of sockets alone
    would not prevent.
    """
    began = time.monotonic()
    for job in jobs:
        threading.Thread(target=job.run, name="sluiceway-alert", daemon=True).start()
    for job in jobs:
        allowed = min(job.timeout, budget)
        if not job.done.wait(max(0.0, began + allowed - time.monotonic())):
            job.error = f"no answer within {allowed:g} s"
            job.done.set()
