#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""paraclock alarm, and the choice of a timescale, on simulated vmclocks that
are ahead of this machine's clock by what each test says.
Usage: check_cli_alarm.py PARACLOCK"""
import json
import re
import signal
import subprocess
import sys
import time

import cli

TOOL = sys.argv.pop(1)
OK, WARNING, CRITICAL, UNKNOWN = range(4)

# The simulated host's clock begins at a whole second, and the tool starts late
# on a busy machine: the truth is known to much less than this.
SLACK_SEC = 300

# 'label'=value[UOM];[warn];[crit]: decimals only, ranges as start:end.
NUMBER = r"-?\d+\.\d{9}"
RANGE = rf"(?:{NUMBER}(?::{NUMBER})?)?"
PERFDATA = re.compile(rf"\w+={NUMBER}s(?:;{RANGE}){{0,2}}")


def run(*args):
    return subprocess.run([TOOL, *map(str, args)], capture_output=True,
                          text=True, timeout=cli.HANGS_SEC, check=False)


class Alarm(cli.Service):
    tool = TOOL

    def alarm(self, page, level, *args):
        """The line, after its form and the exit status were checked."""
        result = run("alarm", "-b", "vmclock", "-d", page, "--dir",
                     self.run_dir, *args)
        self.assertEqual(result.returncode, level, result)
        if "--json" in args:
            found = json.loads(result.stdout)
            self.assertEqual(found["state"], ["ok", "warning", "critical",
                                              "unknown"][level])
            return found
        name = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][level]
        text = result.stdout
        self.assertTrue(text.startswith(f"PARACLOCK {name} - "), text)
        self.assertEqual(text.count("\n"), 1, text)
        self.assertLessEqual(text.count("|"), 1, text)
        if "|" in text:
            for number in text.split("|")[1].split():
                self.assertRegex(number, PERFDATA)
        return text

    def test_without_a_limit_a_known_offset_is_ok(self):
        text = self.alarm(self.publish(""), OK)
        self.assertIn("(vmclock, tai)", text)
        self.assertIn(" | offset=", text)
        self.assertIn(" bound=0.00", text)

    def test_each_limit_of_the_offset(self):
        page = self.publish("", ahead="3000s")
        self.alarm(page, OK, "--warn-offset", 4000, "--max-offset", 5000)
        text = self.alarm(page, WARNING, "--warn-offset", 1000,
                          "--max-offset", 5000)
        self.assertIn("behind the host's clock", text)
        self.assertIn("more than 1000.000 s", text)
        self.assertIn(";-1000.000000000:1000.000000000;-5000.000000000:5000.",
                      text)
        text = self.alarm(page, CRITICAL, "--warn-offset", 1000,
                          "--max-offset", 2000)
        self.assertIn("more than 2000.000 s", text)

    def test_ahead_is_as_bad_as_behind(self):
        page = self.publish("", ahead="-3000s")
        text = self.alarm(page, CRITICAL, "--max-offset", 2000)
        self.assertIn("ahead of the host's clock", text)
        found = self.alarm(page, CRITICAL, "--max-offset", 2000, "--json")
        self.assertLess(abs(found["offset_ns"] + 3000 * 10**9),
                        SLACK_SEC * 10**9)

    def test_what_is_shown_is_no_narrower_than_it_is(self):
        unit = {"ns": 1, "us": 1000, "ms": 10**6, "s": 10**9}

        def ns_of(number, name):
            whole, _, rest = number.partition(".")
            return int(whole + rest) * unit[name] // 10**len(rest)

        for name, ahead in (("v", "3000.000900001s"),
                            ("w", "-1.000900001s"), ("x", "0s")):
            page = self.publish("", ahead=ahead, name=name,
                                errors="maxerror 1234567ns "
                                "maxerror-rate 51ppb")
            text = self.alarm(page, OK)
            shown = [ns_of(*pair) for pair in re.findall(
                r"(\d+(?:\.\d+)?) (ns|us|ms|s)(?= behind| ahead|,| \()",
                text.partition("|")[0])]
            offset, error, bound = (
                round(abs(float(number)) * 10**9) for number in
                re.findall(r"=(-?\d+\.\d{9})s", text))
            if len(shown) == 2:
                shown = [0, *shown]
            self.assertEqual(len(shown), 3, text)
            self.assertLessEqual(shown[0], offset, text)
            self.assertGreaterEqual(shown[0] + shown[1], offset + error, text)
            self.assertGreaterEqual(shown[0] + shown[2], offset + bound, text)

    def test_the_bound(self):
        page = self.publish("")
        self.alarm(page, OK, "--max-bound", 900)
        self.assertIn("the bound on UTC is over",
                      self.alarm(page, CRITICAL, "--max-bound", "0.0005"))

    def test_a_bound_that_is_not_known_is_not_ok(self):
        page = self.publish("", errors="")
        self.alarm(page, OK)
        self.assertIn("states no bound",
                      self.alarm(page, UNKNOWN, "--max-bound", 900))
        # What is known to be bad goes before.
        self.alarm(page, CRITICAL, "--max-bound", 900, "--max-offset", 0)

    def test_a_clock_that_is_not_valid_is_not_ok(self):
        page = self.publish("status a unreliable")
        text = self.alarm(page, UNKNOWN, "--max-offset", 5000)
        self.assertIn("does not vouch", text.replace("vouches for no time",
                                                     "does not vouch"))
        self.assertNotIn("|", text)
        found = self.alarm(page, UNKNOWN, "--json")
        self.assertIsNone(found["offset_ns"])

    def test_a_monotonic_clock_has_no_offset(self):
        page = self.publish("", scale=" timescale monotonic")
        text = self.alarm(page, UNKNOWN)
        self.assertIn("not what time it is", text)

    def test_what_repeats_this_kernel_has_none_either(self):
        result = run("alarm", "-b", "tsc", "--max-offset", 100)
        self.assertEqual(result.returncode, UNKNOWN, result)

    def test_a_missing_file_is_unknown(self):
        text = self.alarm(self.dir / "nothing", UNKNOWN, "--max-offset", 1)
        self.assertIn("nothing", text)

    def test_wrong_usage_is_unknown_and_not_critical(self):
        for args, why in ((["--max-offset", "x"], "--max-offset x"),
                          (["--warn-offset", "2", "--max-offset", "1"],
                           "never warn"),
                          (["extra"], "unexpected argument"),
                          # Ten times that no longer fits 64 bits of ns.
                          (["--max-offset", "92500000000"],
                           "--max-offset 92500000000"),
                          (["--max-offset", "10000000000"],
                           "--max-offset 10000000000"),
                          (["--since-disruption"], "since-disruption")):
            result = run("alarm", *args)
            self.assertEqual(result.returncode, UNKNOWN, result)
            self.assertEqual(result.stdout,
                             "PARACLOCK UNKNOWN - wrong usage: run the "
                             "command in a shell to see why\n")
            self.assertIn(why, result.stderr)

    def test_what_cannot_be_printed_is_unknown(self):
        for args in (["extra"], ["-b", "tsc"], ["-b", "tsc", "--json"]):
            with open("/dev/full", "wb") as full:
                result = subprocess.run([TOOL, "alarm", *args], stdout=full,
                                        stderr=subprocess.PIPE, check=False,
                                        timeout=cli.HANGS_SEC)
            self.assertEqual(result.returncode, UNKNOWN, (args, result))

    # --- disruptions -------------------------------------------------------

    def keep(self, page):
        process = self.start("keep", "--json", "-b", "vmclock", "-d", page,
                             "--dir", self.run_dir, "--container",
                             "--dry-run", "--step-above", SLACK_SEC)
        for line in process.stdout:
            if json.loads(line)["state"] in ("right", "off"):
                break
        return process

    def test_nobody_watches(self):
        text = self.alarm(self.publish(""), UNKNOWN, "--since-disruption", 1)
        self.assertIn("start 'paraclock keep'", text)

    def test_keep_watches(self):
        page = self.publish("")
        keep = self.keep(page)
        text = self.alarm(page, OK, "--since-disruption", 0)
        self.assertIn("keep has seen no disruption in the ", text)
        # Of the time before keep nothing is known.
        text = self.alarm(page, UNKNOWN, "--since-disruption", 1000000)
        self.assertIn("for only", text)
        # Its file may stay.
        keep.kill()
        keep.wait()
        self.assertTrue((self.run_dir / "keep.json").exists())
        self.alarm(page, UNKNOWN, "--since-disruption", 0)

    def test_a_keep_that_is_stopped_or_a_zombie_watches_nothing(self):
        page = self.publish("")
        keep = self.keep(page)
        self.alarm(page, OK, "--since-disruption", 0)
        keep.send_signal(signal.SIGSTOP)
        cli.wait_for_state(keep, "T")
        self.alarm(page, UNKNOWN, "--since-disruption", 0)
        keep.send_signal(signal.SIGCONT)
        cli.wait_for_state(keep, "SR")
        self.alarm(page, OK, "--since-disruption", 0)
        keep.kill()
        cli.wait_for_state(keep, "Z")
        self.alarm(page, UNKNOWN, "--since-disruption", 0)

    def test_another_paraclock_with_its_number_is_not_it(self):
        page = self.publish("")
        path = self.run_dir / "keep.json"
        self.keep(page).kill()
        state = json.loads(path.read_text())
        # Processes are told apart by when they started, to a hundredth of a
        # second.
        time.sleep(0.02)
        other = self.start("events", "-b", "vmclock", "-d", page)
        cli.wait_for_handlers(other)
        path.write_text(json.dumps({**state, "pid": other.pid}))
        self.alarm(page, UNKNOWN, "--since-disruption", 0)

    def test_keep_has_seen_one(self):
        page = self.publish("host b maxerror 1ms maxerror-rate 50ppb\nrun 3s\n"
                            "migrate v to b downtime 10ms")
        keep = self.keep(page)
        self.go_on()
        # A look may fall into the move: then it waits first.
        for line in keep.stdout:
            event = json.loads(line)
            if event["cause"] and event["state"] != "waiting":
                break
        text = self.alarm(page, WARNING, "--since-disruption", 100000)
        self.assertRegex(text, r"a disruption \([\w-]+\) \S+ \w+ ago")
        found = self.alarm(page, WARNING, "--since-disruption", 100000,
                           "--json")
        self.assertTrue(found["keep_runs"])
        self.assertGreater(found["disrupted_ago_ns"], 0)
        self.assertEqual(found["checks"], [
            {"name": "since-disruption", "state": "warning",
             "limit_ns": 100000 * 10**9}])


class Timescale(cli.Service):
    tool = TOOL

    def test_a_named_source_must_be_on_it(self):
        page = self.publish("")
        args = ["-b", "vmclock", "-d", page, "--timescale"]
        for command in ("read", "cross"):
            result = run(command, *args, "utc,tai", "--json")
            self.assertEqual(result.returncode, 0, result)
            self.assertEqual(json.loads(result.stdout)["timescale"], "tai")
            result = run(command, *args, "utc")
            self.assertEqual(result.returncode, 1, result)
            self.assertIn("vmclock gives tai time", result.stderr)

    def test_wrong_names_are_taught(self):
        for command in ("status", "read", "cross", "watch", "events", "keep",
                        "feed", "export", "record", "serve", "agent"):
            for scale in ("gps", "", "utc,", "utc tai", "unknown", "UTC"):
                result = run(command, "--timescale", scale)
                self.assertEqual(result.returncode, 2, (command, result))
                self.assertIn("utc, tai, monotonic and utc-maybe-smeared are",
                              result.stderr)

    def test_status_chooses_as_read_would(self):
        for scale in ("monotonic", "utc", "tai", "tai,monotonic"):
            got = run("status", "--json", "--timescale", scale)
            status = json.loads(got.stdout)
            scales = {b["name"]: b["timescale"] for b in status["backends"]}
            read = run("read", "--json", "--timescale", scale)
            if status["chosen"]:
                self.assertEqual(got.returncode, 0)
                self.assertEqual(json.loads(read.stdout)["backend"],
                                 status["chosen"])
                self.assertIn(scales[status["chosen"]], scale.split(","))
            else:
                self.assertEqual(read.returncode, 1, read)
                self.assertNotEqual(got.returncode, 0)
                self.assertIn(f"no host clock here is valid and on {scale}",
                              status["verdict"])
            self.assertIn(status["offset_timescale"],
                          (None, *scale.split(",")))
            table = run("status", "--timescale", scale).stdout
            self.assertEqual(re.findall(r"^\* ([\w-]+) +chosen ", table, re.M),
                             [status["chosen"]] if status["chosen"] else [])

    def test_what_is_not_here_says_what_is(self):
        chosen = json.loads(run("status", "--json").stdout)
        scale = [b["timescale"] for b in chosen["backends"]
                 if b["name"] == chosen["chosen"]]
        if scale != ["monotonic"]:
            self.skipTest("no source here is monotonic")
        if chosen["offset_timescale"]:
            result = run("cross", "--json")
            self.assertEqual(json.loads(result.stdout)["timescale"],
                             chosen["offset_timescale"])
            return
        result = run("cross", "--timescale", "utc,tai,utc-maybe-smeared")
        self.assertEqual(result.returncode, 1, result)
        self.assertIn(f"({chosen['chosen']} is on monotonic", result.stderr)
        self.assertIn("kvm-pairing: ", result.stderr)


if __name__ == "__main__":
    cli.main()
