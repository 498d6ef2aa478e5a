# SPDX-License-Identifier: MIT
"""The sources of this machine, and the images of pages."""

from dataclasses import dataclass
from typing import NamedTuple

from paraclock import _env
from paraclock._env import Env
from paraclock._errors import Error, check, make_error, to_text
from paraclock._native import ffi, lib
from paraclock._sample import Marker, Sample, copy_of
from paraclock._types import CData

_BACKENDS = {
    "pvclock": b"kvmclock",
    "kvmclock": b"kvmclock",
    "hyperv": b"hyperv",
    "vmclock": b"vmclock",
}
# No kind of page is longer.
_PAGE_MAX = 65536


@dataclass(frozen=True, kw_only=True)
class Source:
    """What list_sources() says of one backend."""

    name: str
    quality: int
    """Higher is tried first; below 0 it is opened by name only."""
    error: Error | None
    """None: it is here. Otherwise why not, and what to do."""
    gives_time: bool
    """False: it is a source of markers only."""
    own_kernel: bool
    """It repeats this kernel's own clock."""
    sample: Sample | None
    """The reading; None if there is an error."""
    detail: str
    """A sentence: what it is, or why not and what to do."""


def list_sources(*, env: Env | None = None) -> list[Source]:
    """Try each backend: is it here, and if not, why? The best comes first."""
    env = _env.choose(env)
    c = ffi.new("struct sources *")
    check(lib.list_sources(_env.c_env(env), c))
    if c.missing:
        raise RuntimeError(f"{c.missing} sources more than there is room for")
    return [_to_source(c.source[i]) for i in range(c.count)]


def _to_source(c: CData) -> Source:
    detail = to_text(c.detail)
    return Source(
        name=to_text(c.name), quality=c.quality,
        error=make_error(c.error, detail) if c.error else None,
        gives_time=bool(c.gives_time), own_kernel=bool(c.own_kernel),
        sample=None if c.error or not c.gives_time else copy_of(c.sample),
        detail=detail)


class Decoded(NamedTuple):
    """What a page says."""

    sample: Sample
    """Its epoch is 0: a page has none."""
    marker: Marker | None
    """The page's own."""
    detail: str
    """Why the sample is not valid; "" if it is."""


def decode(kind: str, page: bytes | bytearray | memoryview,
           counter: int) -> Decoded:
    """What a page image says at a counter value, as `paraclock decode` does.

    kind is "pvclock" (of KVM and Xen), "hyperv" or "vmclock". Nothing of this
    machine is read; counter, in ticks, counts as a value of the counter that
    the page declares. Raises MalformedError, which names the field, if it is no
    such page, and AgainError if it was copied in the middle of an update.
    """
    backend = _BACKENDS.get(kind)
    if backend is None:
        raise ValueError(f"{kind!r} is not a kind of page; take pvclock, "
                         f"hyperv or vmclock")
    # A copy: other threads may write to the original.
    image = bytes(memoryview(page).cast("B")[:_PAGE_MAX])
    c = ffi.new("struct decoded *")
    ret = lib.decode_page(backend, image, len(image), counter, c)
    if ret:
        raise make_error(ret, to_text(c.detail))
    marker = None
    if c.has_marker:
        marker = Marker(c.marker.value, c.marker.generation)
    return Decoded(copy_of(c.sample), marker, to_text(c.detail))
