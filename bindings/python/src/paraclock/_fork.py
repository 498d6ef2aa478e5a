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


def new_lock(holder: Any) -> threading.Lock:
    """The lock of an object, for holder._lock; a child of a fork gets a new
    one."""
    _holders.add(holder)
    return threading.Lock()


def _after_fork() -> None:
    for holder in list(_holders):
        holder._lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
