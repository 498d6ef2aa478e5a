# SPDX-License-Identifier: MIT
"""Locks that a forked child may use.

A thread of the parent that held one does not exist in the child, and nobody
would ever release it there.
"""

import os
import threading
import weakref
from typing import Any

_holders: "weakref.WeakSet[Any]" = weakref.WeakSet()


def add_lock(holder: Any) -> None:
    """Give an object a lock, holder._lock, and a child of a fork a new one."""
    holder._lock = threading.Lock()
    _holders.add(holder)


def _after_fork() -> None:
    for holder in list(_holders):
        holder._lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
