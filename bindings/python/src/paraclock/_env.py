# SPDX-License-Identifier: MIT
"""Whose clocks are meant: this machine's, or those of a simulated VM."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator
from weakref import WeakSet

from paraclock._native import ffi
from paraclock._types import CData

if TYPE_CHECKING:
    from paraclock._clock import Clock


class Env:
    """An outside world of the library's: what a program in a simulated VM
    sees. paraclock.sim.VM.env() makes one."""

    __slots__ = ("_c", "_owner", "_keep", "_clocks")

    def __init__(self, c_env: CData, c_owner: CData, keep: object,
                 clocks: "WeakSet[Clock]") -> None:
        self._c = c_env
        self._owner = c_owner
        # What the two point into.
        self._keep = keep
        # Those that are closed with it.
        self._clocks = clocks


_this_machine: Env | None = None


@contextmanager
def this_machine(env: Env) -> Iterator[None]:
    """While this is active, env is what None means, in every thread."""
    global _this_machine
    before = _this_machine
    _this_machine = env
    try:
        yield
    finally:
        _this_machine = before


def choose(env: Env | None) -> Env | None:
    """The env that is meant. Keep it for as long as the two below are in
    use."""
    if env is None:
        return _this_machine
    if not isinstance(env, Env):
        raise TypeError(f"env is {env!r}; take what VM.env() returns")
    return env


def c_env(env: Env | None) -> CData:
    return ffi.NULL if env is None else env._c


def c_owner(env: Env | None) -> CData:
    return ffi.NULL if env is None else env._owner
