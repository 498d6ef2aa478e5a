# SPDX-License-Identifier: MIT
"""The clocks that hypervisors give their guests.

    import paraclock

    with paraclock.open() as clock:
        sample = clock.read()
        print(sample.time, sample.valid, sample.epoch)

Times are integers in ns; a sample says on which timescale. What fails raises
paraclock.Error, whose message says why and what to do. paraclock.sim has
simulated hosts and VMs for tests.

help(paraclock.Clock), and so on, explains each of these:

Reading: open() returns a Clock, read() a Sample with its interval() (Interval)
and interval_tai() (IntervalTai); marker() returns a Marker, events() makes an
Event each, and Check gives a second opinion (Checked).

Correlating: offset() returns an Offset, crosststamp() a CrossTimestamp; also
Snapshot from snapshot(), correlate(), counter(), Coupling, History, Watch and
refresh().

The machine: list_sources() returns a Source each, describe_machine() a Machine;
decode() returns what a page image says (Decoded); Env is a VM's outside world.

UTC and TAI: LeapTable, LEAP_LIST_PATH, Utc and sample_to_tai().

Names: CheckFlag, ClocksourceKind, Counter, CouplingFlag, EventFlag, EventKind,
Firmware, Leap, MarkerClass, OffsetFlag, OpenFlag, Reason, SampleFlag, Smear,
SystemClock, Timescale.

Errors: AbsentError, AccessError, AgainError, ArgumentError, ClosedError,
DeviceTimeoutError, MalformedError, NotValidError, RangeError, StaleError,
UnsupportedError.
"""

from paraclock._clock import Check as Check
from paraclock._clock import Checked as Checked
from paraclock._clock import Clock as Clock
from paraclock._clock import Event as Event
from paraclock._clock import open as open
from paraclock._enums import CheckFlag as CheckFlag
from paraclock._enums import ClocksourceKind as ClocksourceKind
from paraclock._enums import Counter as Counter
from paraclock._enums import CouplingFlag as CouplingFlag
from paraclock._enums import EventFlag as EventFlag
from paraclock._enums import EventKind as EventKind
from paraclock._enums import Firmware as Firmware
from paraclock._enums import Leap as Leap
from paraclock._enums import MarkerClass as MarkerClass
from paraclock._enums import OffsetFlag as OffsetFlag
from paraclock._enums import OpenFlag as OpenFlag
from paraclock._enums import Reason as Reason
from paraclock._enums import SampleFlag as SampleFlag
from paraclock._enums import Smear as Smear
from paraclock._enums import SystemClock as SystemClock
from paraclock._enums import Timescale as Timescale
from paraclock._env import Env as Env
from paraclock._errors import AbsentError as AbsentError
from paraclock._errors import AccessError as AccessError
from paraclock._errors import AgainError as AgainError
from paraclock._errors import ArgumentError as ArgumentError
from paraclock._errors import ClosedError as ClosedError
from paraclock._errors import DeviceTimeoutError as DeviceTimeoutError
from paraclock._errors import Error as Error
from paraclock._errors import MalformedError as MalformedError
from paraclock._errors import NotValidError as NotValidError
from paraclock._errors import RangeError as RangeError
from paraclock._errors import StaleError as StaleError
from paraclock._errors import UnsupportedError as UnsupportedError
from paraclock._leap import LEAP_LIST_PATH as LEAP_LIST_PATH
from paraclock._leap import LeapTable as LeapTable
from paraclock._leap import Utc as Utc
from paraclock._leap import sample_to_tai as sample_to_tai
from paraclock._pages import Decoded as Decoded
from paraclock._pages import Source as Source
from paraclock._pages import decode as decode
from paraclock._pages import list_sources as list_sources
from paraclock._native import ffi as _ffi, lib as _lib
from paraclock._sample import Interval as Interval
from paraclock._sample import IntervalTai as IntervalTai
from paraclock._sample import Marker as Marker
from paraclock._sample import Sample as Sample
from paraclock._system import Coupling as Coupling
from paraclock._system import CrossTimestamp as CrossTimestamp
from paraclock._system import History as History
from paraclock._system import Machine as Machine
from paraclock._system import Offset as Offset
from paraclock._system import Snapshot as Snapshot
from paraclock._system import Watch as Watch
from paraclock._system import correlate as correlate
from paraclock._system import counter as counter
from paraclock._system import describe_machine as describe_machine
from paraclock._system import refresh as refresh
from paraclock._system import snapshot as snapshot

__version__: str = _ffi.string(_lib.paraclock_version()).decode()
