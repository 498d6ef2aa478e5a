#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`paraclock feed` where nothing around it works: sockets that are full or
gone, a chronyc that hangs, folders that refuse to be written, disks that are
full, readers that are asleep. And what it refuses.

PARACLOCK_FEED_LONG=1: watches it for longer."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import bed
from bed import LONG, MS, SEC, US, check, wait_for

WATCH_SEC = 30 if LONG else 2
INTERVAL = 0.05
BOUND_NS = 100 * US


# --- no busy loop ------------------------------------------------------------

def cpu_ns(process):
    with open(f"/proc/{process.pid}/schedstat", encoding="ascii") as stat:
        return int(stat.read().split()[0])


def attempts(feed):
    return sum(output["delivered"] + output["failed"]
               for output in feed.state()["outputs"])


def watch(feed, what, interval, outputs=1):
    """What it does in some seconds, in this state of things."""
    with contextlib.suppress(FileNotFoundError, TypeError):
        tried, used, began = (attempts(feed), cpu_ns(feed.process),
                              time.monotonic())
        time.sleep(WATCH_SEC)
        tried = attempts(feed) - tried
        used = cpu_ns(feed.process) - used
        passed = time.monotonic() - began
        # A look also brings a sample: after a change, one more.
        check(f"{what}: it tries no more often than it is told to",
              tried <= outputs * (passed / interval + 3),
              (tried, passed, interval))
        print(f"{what}: {tried} deliveries tried in {passed:.1f} s, "
              f"{used / passed / SEC * 100:.3f} % of a CPU")


def test_share(args, folder):
    path = bed.make_folder(folder, "share")
    host = bed.start_host(args, path)
    tap = bed.Tap(path)
    feed = bed.start_feed(args, path, host, "--chrony-sock", tap.path,
                          "--interval", "1").wait_until_feeding()
    watch(feed, "at 1 Hz", 1)
    feed.stop()
    feed = bed.start_feed(args, path, host, "--chrony-sock", tap.path + "x",
                          "--interval", "1")
    wait_for("it runs without a receiver", feed.state)
    watch(feed, "at 1 Hz, and nobody receives", 1)
    host.act("status", 0)
    wait_for("it waits for the clock", feed.state,
             good=lambda got: got["state"] == "waiting")
    watch(feed, "at 1 Hz, and the clock is invalid", 1)
    feed.stop()
    host.close()


# --- sockets -----------------------------------------------------------------

def output_of(feed):
    return feed.state()["outputs"][0]


def fails(feed, sentence):
    wait_for(sentence, lambda: output_of(feed)["connected"],
             good=lambda got: not got)
    feed.is_alive()


def test_full_socket(args, folder):
    path = bed.make_folder(folder, "full")
    host = bed.start_host(args, path)
    to = os.path.join(path, "full.sock")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(to)
    feed = bed.start_feed(args, path, host, "--chrony-sock", to,
                          "--interval", INTERVAL)
    wait_for("feed runs", feed.state)
    fails(feed, "a socket is full that nobody reads")
    watch(feed, "a full socket", INTERVAL)
    receiver.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while receiver.recv(256):
            pass
    wait_for("it delivers again when the socket is read",
             lambda: output_of(feed)["connected"])
    receiver.setblocking(True)
    now_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
    got = bed.Datagram(receiver.recv(256), now_ns)
    check("what it delivers is no older than the reading", got.is_sound and
          got.at_ns > now_ns - 60 * SEC, (got, now_ns))
    os.unlink(to)
    fails(feed, "the socket vanishes")
    with open(to, "w", encoding="ascii"):
        fails(feed, "a file is where it was")
    os.unlink(to)
    os.mkdir(to)
    fails(feed, "a folder is where it was")
    watch(feed, "no socket", INTERVAL)
    os.rmdir(to)
    tap = bed.Tap(path, name="full.sock")
    tap.wait_for_more(2, "it delivers to a new socket")
    print(feed.said())
    check("it has told each change, not each sample",
          feed.said().count("not delivered") < 10, feed.said())
    feed.stop()
    host.close()


# --- chronyd and chronyc hang ------------------------------------------------

def test_chronyd_hangs(args, folder):
    """Over a migration: the old time is in its socket when it goes on."""
    path = bed.make_folder(folder, "hangs")
    host = bed.start_host(args, path)
    host.act("errors", BOUND_NS, 100)
    to = os.path.join(path, "chrony.sock")
    options = ["--chrony-sock", to, "--poll", "0"]
    chronyd = bed.start_chronyd(args, path, bed.printed_config(
        args.tool, host, *options))
    feed = bed.start_feed(args, path, host, *options, "--chronyc-socket",
                          chronyd.socket).wait_until_feeding()

    def is_right():
        error = chronyd.error_ns(host)
        return error is not None and abs(error) < US
    wait_for("chronyd knows the host's clock to 1 us", is_right)
    chronyd.process.send_signal(signal.SIGSTOP)
    time.sleep(2)
    host.act("migrate", 250 * MS, 0)
    wait_for("feed sees the migration of a chronyd that hangs", feed.state,
             good=lambda got: got["disruptions"])
    samples = feed.state()["samples"]
    wait_for("it goes on", lambda: feed.state()["samples"],
             good=lambda got: got > samples)
    chronyd.process.send_signal(signal.SIGCONT)
    wait_for("chronyd finds the new time when it goes on", is_right)
    # It must not be led astray by what was in its socket.
    time.sleep(WATCH_SEC)
    check("and keeps it", is_right())
    print(feed.said())
    feed.stop()
    chronyd.stop()
    host.close()


HANGS = """#!/bin/sh
echo $$ >>{log}
exec sleep 100000
"""


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_chronyc_hangs(args, folder):
    path = bed.make_folder(folder, "chronyc")
    host = bed.start_host(args, path)
    log = os.path.join(path, "chronycs")
    fake = os.path.join(path, "chronyc")
    with open(fake, "w", encoding="ascii") as file:
        file.write(HANGS.format(log=log))
    os.chmod(fake, 0o755)
    tap = bed.Tap(path)
    feed = bed.start_feed(args, path, host, "--chrony-sock", tap.path,
                          "--interval", INTERVAL, "--chronyc-socket",
                          os.path.join(path, "nobody"),
                          chronyc_first=[path]).wait_until_feeding()

    def asked():
        with contextlib.suppress(FileNotFoundError), \
                open(log, encoding="ascii") as file:
            return file.read().split()
        return []

    for _ in range(3 if LONG else 2):
        before = feed.state()["disruptions"]
        host.act("migrate", 250 * MS, 0)
        wait_for("feed sees a migration", feed.state,
                 good=lambda got, n=before: got["disruptions"] > n)
        wait_for("it asks a chronyc that hangs", asked)
        new_ns = host.off_ns()
        wait_for("it delivers the new time all the same",
                 lambda: tap.got[-1].offset_ns,
                 good=lambda got, n=new_ns: abs(got - n) < MS)
        alive = [pid for pid in asked() if is_running(pid)]
        check("there is one chronyc at most", len(alive) <= 1, asked())
    watch(feed, "a chronyc that hangs", INTERVAL)
    print(f"{len(asked())} chronyc were started")
    feed.stop()
    wait_for("no chronyc is left", lambda: [pid for pid in asked()
                                            if is_running(pid)],
             good=lambda got: not got)
    print(feed.said())
    host.close()


# --- folders and disks -------------------------------------------------------

def mount(*words):
    subprocess.run(["mount", *words], timeout=bed.HANGS_SEC, check=True)


def make_disk(args, folder, options):
    disk = bed.make_folder(folder, "disk")
    mount("-t", "tmpfs", "-o", options, "tmpfs", disk)
    args.stack.callback(lambda: subprocess.run(["umount", "-l", disk],
                                               check=False))
    return disk


def test_read_only(args, folder):
    path = bed.make_folder(folder, "read-only")
    disk = make_disk(args, path, "ro")
    host = bed.start_host(args, path)
    tap = bed.Tap(path)
    feed = bed.start_feed(args, path, host, "--chrony-sock", tap.path,
                          "--interval", INTERVAL, name="disk")
    tap.wait_for_more(5, "it delivers with a folder that is read-only")
    feed.is_alive()
    print(feed.said())
    check("it says so once", 1 <= feed.said().count("feed.json") <= 2,
          feed.said())
    mount("-o", "remount,rw", disk)
    wait_for("it writes its state when that can be written", feed.state)
    feed.stop()
    host.close()


def fill(path):
    """A disk, until nothing more goes onto it."""
    name = os.path.join(path, "full")
    with open(name, "wb", buffering=0) as file, \
            contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    return name


def test_full_disk(args, folder):
    path = bed.make_folder(folder, "full-disk")
    disk = make_disk(args, path, "size=64k")
    host = bed.start_host(args, path)
    tap = bed.Tap(path)
    lines = os.path.join(disk, "lines")
    with open(lines, "w", encoding="ascii") as stdout:
        feed = bed.start_feed(args, path, host, "--chrony-sock", tap.path,
                              "--stdout", "--interval", INTERVAL, name="disk",
                              stdout=stdout).wait_until_feeding()
    full = fill(disk)
    tap.wait_for_more(20, "it delivers with a disk that is full")
    feed.is_alive()
    # The file itself takes no more.
    wait_for("its lines are lost", lambda: "stdout: not delivered" in
             feed.said())
    print(feed.said())
    os.unlink(full)
    size = os.path.getsize(lines)
    wait_for("it writes lines again", lambda: os.path.getsize(lines),
             good=lambda got: got > size + 1000)
    wait_for("and its state", feed.state,
             good=lambda got: got and got["outputs"][1]["connected"])
    feed.stop()
    with open(lines, encoding="ascii") as file:
        torn = 0
        for line in file:
            try:
                json.loads(line)
            except ValueError:
                torn += 1
    check("at most the line at which the disk was full is torn", torn <= 1,
          torn)
    host.close()


# --- stdout ------------------------------------------------------------------

def test_stdout(args, folder):
    path = bed.make_folder(folder, "stdout")
    host = bed.start_host(args, path)
    tap = bed.Tap(path)
    reader, writer = os.pipe()
    feed = bed.start_feed(args, path, host, "--chrony-sock", tap.path,
                          "--stdout", "--interval", 0.01,
                          stdout=writer).wait_until_feeding()
    os.close(writer)
    wait_for("a pipe is full that nobody reads",
             lambda: feed.state()["outputs"][1]["failed"])
    tap.wait_for_more(20, "chronyd's samples do not wait for it")
    os.close(reader)
    tap.wait_for_more(20, "nor do they end with it")
    feed.is_alive()
    feed.stop()
    reader, writer = os.pipe()
    feed = bed.start_feed(args, path, host, "--stdout", "--interval", 0.05,
                          stdout=writer, name="alone")
    os.close(writer)
    check("stdout has a sample", json.loads(
        os.fdopen(reader).readline())["type"] == "sample")
    # That has closed the pipe.
    check("without a reader it ends by itself, and says so",
          feed.process.wait(bed.HANGS_SEC) == 1 and feed.said(), feed.said())
    host.close()


# --- what it refuses ---------------------------------------------------------

def refused(args, *options):
    done = subprocess.run(
        [args.tool, "feed", "--stdout", "--count", "1", *options],
        capture_output=True, text=True, timeout=bed.HANGS_SEC, check=False)
    check(f"{' '.join(options)}: it fails with one line",
          done.returncode == 1 and not done.stdout and
          len(done.stderr.splitlines()) == 1, done)
    print(done.stderr.strip())
    return done.stderr


def backends(args):
    done = subprocess.run([args.tool, "status", "--json"], text=True,
                          capture_output=True, timeout=bed.HANGS_SEC,
                          check=False)
    return {each["name"]: each for each in json.loads(done.stdout)["backends"]}


def test_refusals(args, folder):
    there = backends(args)
    for name in ("tsc", "served"):
        if name not in there:
            print(f"skipped: no backend {name}")
            continue
        said = refused(args, "-b", name)
        check("it says why", "own" in said or "kernel" in said or
              not there[name]["available"], said)
    said = refused(args, "-b", "kvmclock")
    check("it says what to do", "--start-utc" in said or
          not there.get("kvmclock", {}).get("available"), said)
    path = bed.make_folder(folder, "start")
    host = bed.start_host(args, path, timescale="monotonic")
    said = refused(args, "-b", "vmclock", "-d", host.page)
    check("of another clock that only counts as well", "UTC" in said, said)
    host.close()


# --- two of one kind ---------------------------------------------------------

def start_serve(args, host, path, log):
    with open(log, "w", encoding="utf-8") as file:
        process = bed.spawn(
            [args.tool, "serve", "-b", "vmclock", "-d", host.page, "--dir",
             path], stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    args.stack.callback(lambda: bed.end(process))
    return process


def test_two_serves(args, folder):
    path = bed.make_folder(folder, "serve")
    # Others than root may not write there.
    os.chmod(path, 0o755)
    host = bed.start_host(args, path)
    host.act("errors", BOUND_NS, 100)
    first = start_serve(args, host, path, os.path.join(path, "first.log"))
    wait_for("serve publishes", lambda: first.poll() is not None or
             os.path.exists(os.path.join(path, "utc.vmclock")))
    log = os.path.join(path, "second.log")
    status = start_serve(args, host, path, log).wait(bed.HANGS_SEC)
    with open(log, encoding="utf-8") as file:
        said = file.read()
    check("a second serve says who holds the page", status == 1 and
          str(first.pid) in said and len(said.splitlines()) == 1,
          (status, first.pid, said))
    print(said.strip())
    check("the first goes on", first.poll() is None)
    said = refused(args, "-b", "served", "-d",
                   os.path.join(path, "utc.vmclock"))
    check("feed does not take its time back from serve", "own" in said or
          "kernel" in said, said)
    bed.end(first)
    host.close()


def test(args, folder):
    for case in (test_refusals, test_share, test_full_socket,
                 test_chronyd_hangs, test_chronyc_hangs, test_read_only,
                 test_full_disk, test_stdout, test_two_serves):
        print(f"--- {case.__name__[5:].replace('_', ' ')}", flush=True)
        case(args, folder)


if __name__ == "__main__":
    sys.exit(bed.main(test))
