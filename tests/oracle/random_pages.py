# SPDX-License-Identifier: MIT
"""Random pages, well-formed and malformed, each with a counter value."""
import calendar
import struct

from meaning import (FLAG_TAI, HOUR_NS, HYPERV, Leap, MAGIC, NSEC, PVCLOCK,
                     S64_MAX, S64_MIN, TAI_MAX, U64, month_end, vmclock_pack)


def any_u64(rnd):
    """Small, large, and at the edges of every width."""
    how = rnd.randrange(6)
    if how == 0:
        return rnd.randrange(1000)
    if how == 1:
        return rnd.getrandbits(64)
    if how == 2:
        return max(0, min(U64, 2**rnd.randrange(65) + rnd.randint(-2, 2)))
    return rnd.getrandbits(rnd.randint(1, 63))


def some_counter(rnd, base):
    """Around a base: at it, after it by any power of two, before it."""
    how = rnd.randrange(10)
    if how == 0:
        return base
    if how == 1:
        return max(0, base - rnd.getrandbits(rnd.randint(1, 40)) - 1)
    if how == 2:
        return any_u64(rnd)
    return min(U64, base + rnd.getrandbits(rnd.randint(1, 64)))


def random_pvclock(rnd):
    base = rnd.choice([0, rnd.getrandbits(44), any_u64(rnd)])
    system_time = rnd.choice([rnd.getrandbits(50), any_u64(rnd),
                              S64_MAX - rnd.getrandbits(20)])
    shift = rnd.choice([-1, -2, 0, 1, rnd.randint(-63, 63),
                        rnd.choice([-63, -33, -32, -31, 31, 32, 33, 63])])
    mul = rnd.choice([1, 2**32 - 1, rnd.getrandbits(32) or 1,
                      2**31 + rnd.getrandbits(31)])
    flags = rnd.choice([1, 1, 1, 1, 3, 5, 0xff, 0, 2, 0xfe])
    page = PVCLOCK.pack(2 * rnd.getrandbits(31), 0, base, system_time, mul,
                        shift, flags, b"\0\0")
    return page.ljust(rnd.choice([32, 64, 4096]), b"\0"), \
        some_counter(rnd, base)


def random_hyperv(rnd):
    sequence = rnd.choice([1, 2, 3, rnd.getrandbits(32), 0xfffffffe, 0,
                           0xffffffff, 1, 5, 7, 11])
    hz = rnd.choice([10**9, 2596123000, rnd.randint(10**8, 5 * 10**9)])
    scale = rnd.choice([10**7 * 2**64 // hz, 10**7 * 2**64 // hz,
                        any_u64(rnd) or 1, 1, U64])
    offset = rnd.choice([0, -rnd.getrandbits(40), rnd.getrandbits(50),
                         rnd.randint(-2**63, 2**63 - 1),
                         S64_MAX // 100 - rnd.getrandbits(10),
                         S64_MIN // 100 + rnd.getrandbits(10)])
    page = HYPERV.pack(sequence, rnd.getrandbits(32), scale, offset)
    return page.ljust(rnd.choice([24, 32, 4096]), b"\x5a"), any_u64(rnd)


def random_rate(rnd, field):
    """A period and its shift, as hosts have them or at the edges."""
    hz = rnd.choice([10**9, 24000000, 2596123000,
                     rnd.randint(10**6, 5 * 10**9)])
    field["shift"] = rnd.choice([hz.bit_length() - 1, 0, 10, 20])
    field["period"] = min(U64, 2**(64 + field["shift"]) // hz) or 1
    if rnd.random() < 0.15:
        field["shift"] = rnd.choice([0, 1, 63, 64, 65, 126, 127,
                                     rnd.randrange(128)])
        field["period"] = any_u64(rnd) or 1
    # Of 1 ppb to 1000 ppm of the period, none, or anything.
    field["maxerror_rate"] = rnd.choice([
        0, field["period"] // 10**rnd.randint(3, 6),
        field["period"] // 10**rnd.randint(3, 9), any_u64(rnd)])
    field["maxerror"] = rnd.choice([0, rnd.getrandbits(20), rnd.getrandbits(29),
                                    NSEC - 1, NSEC, NSEC + 1, any_u64(rnd)])


def random_time(rnd, field):
    """Often close to a month's end, sometimes at the end of what fits."""
    year, month = rnd.randint(1970, 2250), rnd.randint(1, 12)
    end = calendar.timegm((year, month, 1, 0, 0, 0))
    field["time_sec"] = max(0, rnd.choice([
        end - rnd.randint(1, 100), end, end + rnd.randint(-3, 40),
        end + rnd.randrange(86400 * 28), 1700000000, rnd.getrandbits(33)]))
    if rnd.random() < 0.04:
        field["time_sec"] = rnd.choice([
            any_u64(rnd), S64_MAX // NSEC - rnd.randint(0, 5000),
            S64_MAX // NSEC - rnd.randint(-1, 2)])
    field["time_frac"] = rnd.choice([0, U64, 2**63, rnd.getrandbits(64),
                                     rnd.getrandbits(64)])


def vmclock_counter(rnd, field):
    """Often some seconds after the reference, by whole and broken ones."""
    base = field["counter_value"]
    how = rnd.randrange(10)
    if how == 0:
        return some_counter(rnd, base)
    if how == 1:
        return base - rnd.randint(1, base) if base else 0
    ns = rnd.choice([0, rnd.getrandbits(30), rnd.randint(0, 130 * NSEC),
                     rnd.randint(0, 130) * NSEC, HOUR_NS - rnd.getrandbits(34),
                     HOUR_NS + rnd.getrandbits(34), rnd.getrandbits(50),
                     rnd.randrange(75 * 86400) * NSEC])
    period = max(field["period"], 1)
    ticks = ns * 2**(64 + field["shift"]) // (period * NSEC)
    return min(U64, base + ticks + rnd.randint(0, 3))


def random_vmclock_fields(rnd):
    field = {
        "magic": MAGIC, "version": 1, "seq_count": 2 * rnd.getrandbits(31),
        "size": rnd.choice([112, 4096, 4096, 104, 112, 0xffffffff]),
        "counter_id": rnd.choice([0, 1, 1, 1]),
        "time_type": rnd.choice([0, 0, 1, 1, 2]),
        "disruption_marker": rnd.getrandbits(64),
        "flags": rnd.choice([0, FLAG_TAI, 0x51, 0x51, rnd.getrandbits(10),
                             rnd.getrandbits(64)]),
        "pad": rnd.getrandbits(16), "smearing_hint": rnd.getrandbits(8),
        "clock_status": rnd.choice([2, 2, 2, 3, 3]),
        "tai_offset_sec": rnd.choice([
            rnd.choice([1, -1]) * rnd.choice([37, 37, 37, 38, 10, 100, 9, 101]),
            rnd.randint(-2**15, 2**15 - 1)]) if rnd.random() < 0.2 else
        rnd.choice([37, -37]),
        "leap_indicator": rnd.choice([0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 255]),
        "counter_value": rnd.choice([0, rnd.getrandbits(44), any_u64(rnd)]),
        "esterror_rate": any_u64(rnd), "esterror": any_u64(rnd),
        "generation": any_u64(rnd),
    }
    random_rate(rnd, field)
    random_time(rnd, field)
    if rnd.random() < 0.15:
        field["size"] = rnd.choice([32, 34, 35, 38, 39, 40, 87, 88, 95, 96,
                                    103, 111])
    if rnd.random() < 0.1:
        field["clock_status"] = rnd.choice([0, 1, 4, 5, 255])
    if rnd.random() < 0.07:
        field["counter_id"] = rnd.choice([2, 254, 255])
    return field


def is_specified(field, counter):
    """An announced leap on TAI without the offset happens some time in these
    seconds; how much of that is WINDOW is not specified."""
    if field["time_type"] != 1 or field["leap_indicator"] not in (1, 2):
        return True
    if Leap(field).tai is not None:
        return True
    ref = field["time_sec"]
    sec = ref + (max(0, counter - field["counter_value"]) * field["period"]
                 >> (64 + field["shift"]))
    if sec > S64_MAX // NSEC:
        return False
    end = month_end(ref - TAI_MAX)
    return end == month_end(ref) and not end - 1 <= sec <= end + TAI_MAX


def random_vmclock(rnd):
    while True:
        field = random_vmclock_fields(rnd)
        counter = vmclock_counter(rnd, field)
        length = rnd.choice([112, 112, 4096, rnd.choice([88, 96, 100, 104])])
        if is_specified(field, counter):
            return vmclock_pack(field, length), counter


# --- malformed pages --------------------------------------------------------


def bad_pvclock(rnd):
    page, counter = random_pvclock(rnd)
    page = bytearray(page)
    how = rnd.randrange(3)
    if how == 0:
        page[24:28] = bytes(4)
    elif how == 1:
        shift = rnd.choice([64, -64, 127, -128, rnd.randint(64, 127)])
        page[24:29] = struct.pack("<Ib", 1, shift)
    else:
        page = page[: rnd.randrange(4, 32)]
    return bytes(page), counter


def bad_hyperv(rnd):
    page, counter = random_hyperv(rnd)
    page = bytearray(page)
    page[0:4] = struct.pack("<I", rnd.randint(1, 2**32 - 2))
    if rnd.randrange(2):
        page[8:16] = bytes(8)
    else:
        page = page[: rnd.randrange(4, 24)]
    return bytes(page), counter


def bad_vmclock(rnd):
    field = random_vmclock_fields(rnd)
    length = 112
    how = rnd.randrange(7)
    if how == 0:
        field["magic"] ^= 1 << rnd.randrange(32)
    elif how == 1:
        field["version"] = rnd.choice([0, 2, 256, 0xffff])
    elif how == 2:
        field["size"] = rnd.choice([0, 1, 31, rnd.randrange(32)])
    elif how == 3:
        field["time_type"] = rnd.choice([3, 4, 255])
    elif how == 4:
        length = rnd.randrange(16, 32)
    else:
        field.update(size=112, clock_status=2, counter_id=rnd.randrange(2))
        if how == 5:
            field["period"] = 0
        else:
            field["shift"] = rnd.choice([128, 255, rnd.randint(128, 255)])
            field["period"] = field["period"] or 1
    return vmclock_pack(field, length), some_counter(rnd,
                                                     field["counter_value"])
