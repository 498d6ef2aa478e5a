# SPDX-License-Identifier: MIT
"""What a sample says, and what it refuses to say."""

import copy
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import paraclock
from paraclock import Leap, Reason, Sample, SampleFlag, Timescale

NS = 1_000_000_000
# 2026-01-15 12:00:00 UTC.
NOON = 1_768_478_400 * NS
# The inserted second at the end of 2016, numbered as the second before it.
LEAP_2016 = 1_483_228_799 * NS
INT64_MAX = (1 << 63) - 1


def sample(**changes: Any) -> Sample:
    members: dict[str, Any] = {
        "host_ns": NOON + 123_456_789, "valid": True, "pair_error_ns": 0,
        "timescale": Timescale.UTC, "leap": Leap.NONE}
    return Sample(**{**members, **changes})


def test_time_is_utc_rounded_down_and_isoformat_has_every_digit() -> None:
    s = sample(host_ns=NOON + 123_456_789)
    assert s.time == datetime(2026, 1, 15, 12, 0, 0, 123456, timezone.utc)
    assert s.utc_ns == NOON + 123_456_789
    assert s.isoformat() == "2026-01-15T12:00:00.123456789Z"


def test_tai_is_converted_by_the_samples_own_offset() -> None:
    s = sample(timescale=Timescale.TAI, tai_offset_sec=37,
               host_ns=NOON + 37 * NS)
    assert s.utc_ns == NOON
    assert s.tai_offset_sec == 37
    assert SampleFlag.TAI_OFFSET in s.flags


@pytest.mark.parametrize("why, changes", [
    ("monotonic", {"timescale": Timescale.MONOTONIC}),
    ("unknown", {"timescale": Timescale.UNKNOWN}),
    ("a newer timescale", {"timescale": 9}),
    ("not valid", {"valid": False, "reason": Reason.STATUS}),
    ("no TAI offset", {"timescale": Timescale.TAI}),
    ("TAI - UTC of 9 s", {"timescale": Timescale.TAI, "tai_offset_sec": 9}),
    ("TAI - UTC of -37 s", {"timescale": Timescale.TAI,
                            "tai_offset_sec": -37}),
    ("an inserted second on TAI", {"timescale": Timescale.TAI,
                                   "tai_offset_sec": 37, "leap": Leap.POS}),
])
def test_there_is_no_time_of_day(why: str, changes: dict[str, Any]) -> None:
    s = sample(**changes)
    assert (s.time, s.utc_ns, s.isoformat()) == (None, None, None), why


def test_smeared_time_says_so_and_has_no_interval() -> None:
    s = sample(timescale=Timescale.UTC_MAYBE_SMEARED, clock_error_ns=10)
    assert s.time is not None
    assert str(s.timescale) == "utc-maybe-smeared"
    with pytest.raises(paraclock.UnsupportedError):
        s.interval()


def test_an_inserted_second_is_60_and_folded() -> None:
    before = sample(host_ns=LEAP_2016 + 5, leap=Leap.PRE_POS)
    inside = sample(host_ns=LEAP_2016 + 5, leap=Leap.POS)
    assert before.isoformat() == "2016-12-31T23:59:59.000000005Z"
    assert inside.isoformat() == "2016-12-31T23:59:60.000000005Z"
    assert before.time is not None and before.time.fold == 0
    assert inside.time is not None and inside.time.fold == 1
    assert inside.in_inserted_second and not before.in_inserted_second
    with pytest.raises(paraclock.UnsupportedError):
        inside.interval()


def test_an_inserted_second_is_60_however_the_host_numbers_it() -> None:
    inside = sample(host_ns=LEAP_2016 + NS + 5, leap=Leap.POS)
    assert inside.isoformat() == "2016-12-31T23:59:60.000000005Z"
    assert inside.utc_ns == LEAP_2016 + 5
    assert inside.in_inserted_second
    assert inside.time == datetime(2016, 12, 31, 23, 59, 59, 0, timezone.utc)
    assert inside.time.fold == 1
    after = sample(host_ns=LEAP_2016 + NS + 5, leap=Leap.POST_POS)
    assert after.isoformat() == "2017-01-01T00:00:00.000000005Z"
    assert after.utc_ns == LEAP_2016 + NS + 5


def test_an_interval_is_exact_in_ns_and_rounded_outwards_in_us() -> None:
    s = sample(host_ns=NOON + 5_500, clock_error_ns=1_200, pair_error_ns=99)
    got = s.interval()
    assert got == (NOON + 4_201, NOON + 6_799)
    noon = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
    assert got.earliest == noon + timedelta(microseconds=4)
    assert got.latest == noon + timedelta(microseconds=7)
    assert str(got) == ("2026-01-15T12:00:00.000004201Z/"
                        "2026-01-15T12:00:00.000006799Z")
    exact = sample(host_ns=NOON, clock_error_ns=1_000).interval()
    assert exact.latest == noon + timedelta(microseconds=1)


def test_the_widest_interval_still_has_datetimes() -> None:
    s = sample(timescale=Timescale.TAI, tai_offset_sec=37,
               clock_error_ns=(1 << 64) - 2)
    ends = s.interval_tai()
    assert ends == (-INT64_MAX - 1, INT64_MAX)
    widest = paraclock.Interval(*ends)
    assert widest.earliest.year == 1677 and widest.latest.year == 2262
    assert str(widest).startswith("1677-09-21T00:12:43.145224192Z/")


def test_an_interval_needs_a_bound_and_a_valid_sample() -> None:
    with pytest.raises(paraclock.UnsupportedError, match="bound"):
        sample().interval()
    with pytest.raises(paraclock.ArgumentError):
        sample(valid=False, clock_error_ns=1).interval()
    with pytest.raises(paraclock.RangeError):
        sample(host_ns=-1, clock_error_ns=1).interval()


def test_a_sample_is_a_value() -> None:
    s = sample(host_tsc=(1 << 64) - 1, epoch=7, clock_error_ns=3)
    assert s == sample(host_tsc=(1 << 64) - 1, epoch=7, clock_error_ns=3)
    assert s != sample(host_tsc=(1 << 64) - 1, epoch=8, clock_error_ns=3)
    assert s != 5
    assert len({s, copy.copy(s), copy.deepcopy(s)}) == 1
    assert pickle.loads(pickle.dumps(s)) == s
    assert s.host_tsc == (1 << 64) - 1
    assert "reason=ok" in repr(s) and "clock_error_ns=3" in repr(s)
    assert s._asdict()["epoch"] == 7
    with pytest.raises(AttributeError):
        s.host_ns = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        s.anything = 1  # type: ignore[attr-defined]


def test_unknown_errors_are_none() -> None:
    s = Sample()
    assert s.pair_error_ns is None and s.clock_error_ns is None
    assert s.tai_offset_sec is None and not s.valid
    assert s.leap == Leap.UNKNOWN


@pytest.mark.parametrize("member, value", [
    ("host_ns", 1 << 63), ("host_ns", -(1 << 63) - 1), ("host_tsc", 1 << 64),
    ("host_tsc", -1), ("pair_error_ns", 1 << 64), ("epoch", -1),
    ("reason", 256), ("timescale", -1), ("tai_offset_sec", 40_000),
    ("flags", 1 << 32)])
def test_a_member_that_does_not_fit_is_refused(member: str,
                                               value: int) -> None:
    with pytest.raises(OverflowError):
        Sample(**{member: value})  # type: ignore[arg-type]


def test_leap_seconds_by_a_list() -> None:
    try:
        table = paraclock.LeapTable.from_file()
    except FileNotFoundError:
        pytest.skip(f"{paraclock.LEAP_LIST_PATH} is not here")
    tai = LEAP_2016 + NS // 2 + 37 * NS
    utc = table.tai_to_utc(tai)
    assert utc == (LEAP_2016 + NS // 2, 37, Leap.POS)
    assert table.utc_to_tai(utc.ns, utc.leap) == tai
    smeared = table.tai_to_smeared(paraclock.Smear.NOON_LINEAR, tai)
    assert abs(table.smeared_to_tai(paraclock.Smear.NOON_LINEAR, smeared)
               - tai) <= 1
    assert paraclock.sample_to_tai(sample(host_ns=NOON), table) \
        == NOON + 37 * NS
    with pytest.raises(paraclock.StaleError):
        table.tai_to_utc(INT64_MAX // 2)


def test_a_damaged_list_names_the_line() -> None:
    with pytest.raises(paraclock.MalformedError, match="2"):
        paraclock.LeapTable(b"#$ 3676924800\nnonsense\n")


def test_leap_seconds_by_a_sample() -> None:
    s = sample(tai_offset_sec=37)
    table = paraclock.LeapTable.from_sample(s)
    assert table.tai_to_utc(NOON + 37 * NS).ns == NOON
    assert paraclock.sample_to_tai(s) == s.host_ns + 37 * NS
    with pytest.raises(paraclock.UnsupportedError):
        paraclock.sample_to_tai(sample(timescale=Timescale.MONOTONIC))
