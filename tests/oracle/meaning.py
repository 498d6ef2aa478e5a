# SPDX-License-Identifier: MIT
"""The meaning of pvclock, Hyper-V and vmclock pages, worked out a second time.

Python's integers have no width, so the rules stand here as the specifications
have them, not as a machine must compute them."""
import calendar
import datetime
import struct

U64 = 2**64 - 1
S64_MAX = 2**63 - 1
S64_MIN = -(2**63)
NSEC = 10**9
HOUR_NS = 3600 * NSEC

# Believable offsets TAI - UTC; an unknown one may be any of them.
TAI_MIN, TAI_MAX = 10, 100

LEAPS = ["none", "pre-pos", "pre-neg", "pos", "post-pos", "post-neg"]


class Malformed(Exception):
    """The page contradicts its own rules; the message names the field."""


class OutOfRange(Exception):
    """The result does not fit."""


def sample(host_ns, reason, timescale, error=None, leap=None, tai=None):
    if not S64_MIN <= host_ns <= S64_MAX:
        raise OutOfRange
    valid = reason == "ok"
    return {
        "host_ns": host_ns,
        "valid": valid,
        "reason": reason,
        "clock_error_ns": error if valid else None,
        "timescale": timescale,
        "leap": leap,
        "tai_offset_sec": tai,
    }


# --- pvclock ----------------------------------------------------------------

PVCLOCK = struct.Struct("<IIQQIbB2s")


def pvclock(page, counter):
    if len(page) < PVCLOCK.size:
        raise Malformed("size")
    _, _, base, system_time, mul, shift, flags, _ = PVCLOCK.unpack(
        page[: PVCLOCK.size])
    if mul == 0:
        raise Malformed("tsc_to_system_mul")
    if abs(shift) > 63:
        raise Malformed("tsc_shift")
    stable = flags & 1
    if counter < base:
        return sample(system_time, "window" if stable else "unstable",
                      "monotonic")
    shifted = (counter - base) * 2**shift if shift >= 0 else \
        (counter - base) // 2**-shift
    if shifted > U64:
        raise OutOfRange
    ns = system_time + shifted * mul // 2**32
    return sample(ns, "ok" if stable else "unstable", "monotonic")


# --- Hyper-V ----------------------------------------------------------------

HYPERV = struct.Struct("<IIQq")


def hyperv(page, counter):
    if len(page) < HYPERV.size:
        raise Malformed("size")
    sequence, _, scale, offset = HYPERV.unpack(page[: HYPERV.size])
    if sequence in (0, 0xffffffff):
        return sample(0, "sequence", "monotonic")
    if scale == 0:
        raise Malformed("tsc_scale")
    return sample(counter * scale * 100 // 2**64 + 100 * offset, "ok",
                  "monotonic")


# --- vmclock ----------------------------------------------------------------

VMCLOCK_FIELDS = (
    ("magic", 0, "I"), ("size", 4, "I"), ("version", 8, "H"),
    ("counter_id", 10, "B"), ("time_type", 11, "B"), ("seq_count", 12, "I"),
    ("disruption_marker", 16, "Q"), ("flags", 24, "Q"), ("pad", 32, "H"),
    ("clock_status", 34, "B"), ("smearing_hint", 35, "B"),
    ("tai_offset_sec", 36, "h"), ("leap_indicator", 38, "B"),
    ("shift", 39, "B"), ("counter_value", 40, "Q"), ("period", 48, "Q"),
    ("esterror_rate", 56, "Q"), ("maxerror_rate", 64, "Q"),
    ("time_sec", 72, "Q"), ("time_frac", 80, "Q"), ("esterror", 88, "Q"),
    ("maxerror", 96, "Q"), ("generation", 104, "Q"),
)
MAGIC = 0x4b4c4356
FLAG_TAI, FLAG_RATE, FLAG_MAXERROR = 1, 1 << 4, 1 << 6
SCALES = ["utc", "tai", "monotonic"]


def vmclock_pack(field, length=112):
    page = bytearray(112)
    for name, offset, code in VMCLOCK_FIELDS:
        struct.pack_into("<" + code, page, offset, field.get(name, 0))
    return bytes(page[:length]).ljust(length, b"\xa5")


def vmclock_unpack(page):
    """The fields; those that the page's size does not cover are absent."""
    if len(page) < 32:
        raise Malformed("size")
    size = min(struct.unpack_from("<I", page, 4)[0], len(page))
    field = {}
    for name, offset, code in VMCLOCK_FIELDS:
        if offset + struct.calcsize(code) <= max(size, 32):
            field[name] = struct.unpack_from("<" + code, page, offset)[0]
    return field


def vmclock_check(field):
    if field["magic"] != MAGIC:
        raise Malformed("magic")
    if field["size"] < 32:
        raise Malformed("size")
    if field["version"] != 1:
        raise Malformed("version")
    if field["time_type"] > 2:
        raise Malformed("time_type")


def vmclock_reason(field):
    if field.get("clock_status") not in (2, 3) or "time_frac" not in field:
        return "status"
    if field["counter_id"] not in (0, 1):
        return "counter"
    if field["period"] == 0:
        raise Malformed("counter_period_frac_sec")
    if field["shift"] > 127:
        raise Malformed("counter_period_shift")
    return "ok"


def month_of(sec):
    day = datetime.date(1970, 1, 1) + datetime.timedelta(sec // 86400)
    return day.year, day.month


def month_end(sec):
    year, month = month_of(sec)
    year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return calendar.timegm((year, month, 1, 0, 0, 0))


class Leap:
    """leap_indicator and tai_offset_sec, carried on to another second."""

    def __init__(self, field):
        self.scale = SCALES[field["time_type"]]
        self.indicator = field.get("leap_indicator", 255)
        # TAI - UTC by version 1.0 of the specification, UTC - TAI by 1.1.
        tai = abs(field.get("tai_offset_sec", 0))
        known = field["flags"] & FLAG_TAI and TAI_MIN <= tai <= TAI_MAX
        self.tai = tai if known else None

    def name(self):
        if self.scale == "monotonic" or self.indicator >= len(LEAPS):
            return None
        return LEAPS[self.indicator]

    def first_renumbered(self, ref):
        """Second of the page's scale from which on the leap has happened."""
        if self.scale == "utc":
            end = month_end(ref)
        elif self.tai is not None:
            end = month_end(ref - self.tai) + self.tai
        else:
            end = month_end(ref - TAI_MAX)
        return end - (LEAPS[self.indicator] == "pre-neg")

    def offsets(self):
        """The least and the most that the page's scale is ahead of UTC."""
        if self.scale == "utc":
            return 0, 0
        return (TAI_MIN, TAI_MAX) if self.tai is None else (self.tai, self.tai)

    def forget(self, since, sec):
        """A leap second is reported in the month that begins with it, which
        second since is in; where the offset decides, it is not reported."""
        least, most = self.offsets()
        if month_of(sec - most) > month_of(since - least):
            self.indicator = LEAPS.index("none")
        elif month_of(sec - least) > month_of(since - most):
            self.indicator = 255

    def leave_inserted(self, ref, sec):
        """From a page that was written in the inserted second itself."""
        utc = ref - self.offsets()[0]
        first = month_end(utc - 1) == utc
        if self.scale == "utc" and first:
            return None
        # An offset by which TAI has begun the month is the one from before.
        if self.scale == "utc" or first:
            self.tai = None
        self.indicator = LEAPS.index("post-pos")
        self.forget(ref + TAI_MAX, sec)
        return sec

    def move(self, ref, sec):
        """From second ref to sec, counted without leaps: the real second, or
        None where it cannot be known."""
        name = self.name()
        if name == "pos" and sec != ref:
            return self.leave_inserted(ref, sec)
        if name in ("post-pos", "post-neg") and sec != ref:
            self.forget(ref, sec)
        if name not in ("pre-pos", "pre-neg"):
            return sec
        at = self.first_renumbered(ref)
        if sec < at:
            return sec
        if self.scale == "tai" and self.tai is None:
            return None
        step = 1 if name == "pre-pos" else -1
        after = "post-neg" if step < 0 else "pos" if sec == at else "post-pos"
        self.indicator = LEAPS.index(after)
        if self.tai is not None:
            self.tai += step
        moved = sec - step if self.scale == "utc" else sec
        if after != "pos":
            self.forget(at + 1, moved)
        return moved


def vmclock_error(field, ticks):
    both = FLAG_RATE | FLAG_MAXERROR
    if field["flags"] & both != both or "maxerror" not in field:
        return None
    grown = -(-ticks * field["maxerror_rate"] * NSEC
              // 2**(64 + field["shift"]))
    return field["maxerror"] + grown


def too_old(field, error, age_ns):
    """A bound that does not grow says nothing about a publisher's death."""
    if error is not None and error > NSEC:
        return True
    return age_ns > HOUR_NS and not (error is not None and
                                     field["maxerror_rate"])


def vmclock(page, counter):
    field = vmclock_unpack(page)
    vmclock_check(field)
    reason = vmclock_reason(field)
    leap = Leap(field)
    # 2^-64 s
    ref = field.get("time_sec", 0) * 2**64 + field.get("time_frac", 0)

    def answer(time, reason, leap, error=None):
        return sample(time * NSEC // 2**64, reason, leap.scale, error,
                      leap.name(), leap.tai)

    if reason != "ok":
        return answer(ref, reason, leap)
    answer(ref, reason, leap)  # the reference time itself must fit
    ticks = counter - field["counter_value"]
    if ticks < 0:
        return answer(ref, "window", leap)
    took = ticks * field["period"] // 2**field["shift"]
    error = vmclock_error(field, ticks)
    if too_old(field, error, took * NSEC // 2**64):
        return answer(ref, "window", leap)
    linear = ref + took
    moved = leap.move(ref >> 64, linear >> 64)
    if moved is None:
        return answer(ref, "window", Leap(field))
    if error is not None and error >= U64:
        error = None
    return answer((moved << 64) + linear % 2**64, "ok", leap, error)
