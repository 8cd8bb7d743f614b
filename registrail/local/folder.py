"""One host to a data folder."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registrail.local.problems import LocalError

_POLL = 0.05


@contextmanager
def lock(folder: Path, *, timeout: float = 0) -> Iterator[int]:
    """Hold the folder, which must exist, for the duration of a `with` block.

    The lock is the kernel's, so that it never outlives those who hold it, however they end: this process, and
    children that inherit the descriptor.

    Args:
        folder: what to lock; a file named `lock` is put there, and stays.
        timeout: how many seconds to wait for a holder to go.

    Yields:
        The descriptor that holds the lock.

    Raises:
        LocalError: somebody else holds it.
    """
    deadline = time.monotonic() + timeout
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _taken(descriptor):
            if time.monotonic() >= deadline:
                raise LocalError(f"another Registrail is using the data in {folder}")
            time.sleep(_POLL)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
