#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prometheus' own programs read what paraclock export writes, and contrib/.
They are looked for in PATH, then where scripts/programs unpacks them.
Usage: check_export_programs.py PARACLOCK"""
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

import cli
import exporter
import metrics
from metrics import Prometheus

TOOL = sys.argv.pop(1)
ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTRIB = ROOT / "contrib"


def find(name):
    """The program's path, or None."""
    found = shutil.which(name)
    if found:
        return found
    cache = subprocess.run([ROOT / "scripts/programs", "--cached"],
                           capture_output=True, text=True, check=False)
    path = pathlib.Path(cache.stdout.strip()) / "bin" / name
    return str(path) if cache.returncode == 0 and path.exists() else None


PROMTOOL = find("promtool")
NODE_EXPORTER = find("prometheus-node-exporter") or find("node_exporter")


def promtool(*args, text=None):
    return subprocess.run([PROMTOOL, *map(str, args)], input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=cli.HANGS_SEC, check=False)


class Case(exporter.Case):
    tool = TOOL

    def setUp(self):
        super().setUp()
        self.write_states()

    def export(self, *args):
        return self.run_tool("export", "--dir", self.states, *args).stdout


class Promtool(Case):
    def test_it_has_nothing_to_say_against_the_metrics(self):
        for args in ([], ["-b", "vmclock", "-d", self.publish("")]):
            result = promtool("check", "metrics", text=self.export(
                "--format", "prometheus", *args))
            self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_it_can_say_no(self):
        result = promtool("check", "metrics", text="a_total gauge\n")
        self.assertNotEqual(result.returncode, 0)

    def test_http_is_as_good(self):
        _, port = self.listen("--dir", self.states)
        body = self.get(port)[2]
        result = promtool("check", "metrics", text=body)
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_rules_and_configuration(self):
        for args in (["check", "rules", CONTRIB / "alerts.yml"],
                     ["check", "config", CONTRIB / "prometheus.yml"],
                     ["test", "rules", CONTRIB / "alerts_test.yml"]):
            result = promtool(*args)
            self.assertEqual(result.returncode, 0, result.stdout)

    def test_a_rule_that_is_changed_fails_its_test(self):
        for file in CONTRIB.glob("*.yml"):
            shutil.copy(file, self.files)
        rules = self.files / "alerts.yml"
        rules.write_text(rules.read_text().replace("500e-6", "5"))
        result = promtool("test", "rules", self.files / "alerts_test.yml")
        self.assertNotEqual(result.returncode, 0, result.stdout)

    def test_the_queries_of_the_dashboard(self):
        dashboard = json.loads((CONTRIB / "dashboard.json").read_text())
        queries = [target["expr"] for panel in dashboard["panels"]
                   for target in panel.get("targets", ())]
        queries += [one["expr"] for one in dashboard["annotations"]["list"]]
        self.assertGreater(len(queries), 20)
        rules = self.files / "rules.yml"
        rules.write_text("groups:\n  - name: a\n    rules:\n" + "".join(
            f"      - record: a:{i}\n        expr: " + json.dumps(
                query.replace("$__rate_interval", "1m")) + "\n"
            for i, query in enumerate(queries)))
        result = promtool("check", "rules", rules)
        self.assertEqual(result.returncode, 0, result.stdout)


class NodeExporter(Case):
    def setUp(self):
        super().setUp()
        if not NODE_EXPORTER:
            self.skipTest("no prometheus-node-exporter: run scripts/programs")

    def start_node_exporter(self):
        """Returns its address when it answers."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        log = open(self.files / "log", "w", encoding="utf-8")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{port}",
             "--collector.disable-defaults", "--collector.textfile",
             f"--collector.textfile.directory={self.files}"],
            stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        url = f"http://127.0.0.1:{port}/metrics"
        cli.wait_until(lambda: self.fetch(url), process)
        return url

    def fetch(self, url):
        try:
            with urllib.request.urlopen(url, timeout=cli.HANGS_SEC) as answer:
                return answer.read().decode()
        except urllib.error.URLError:
            return None

    def shown(self, url):
        """Its own text, and what of it is ours, as lines."""
        text = self.fetch(url)
        return text, {line for line in text.splitlines()
                      if line.startswith("paraclock_")}

    def test_it_shows_what_we_wrote(self):
        file = self.files / "paraclock.prom"
        page = self.publish("")
        result = self.run_tool("export", "--once", "--textfile", file,
                               "--dir", self.states, "-b", "vmclock", "-d",
                               page)
        self.assertEqual(result.returncode, 0, result.stderr)
        url = self.start_node_exporter()
        text, got = self.shown(url)
        self.assertIn("node_textfile_scrape_error 0", text)
        want = Prometheus(file.read_text())
        self.assertEqual(dict(map(self.sample_of, got)), {
            (name, frozenset(labels.items())): float(value)
            for family in want.families.values()
            for name, labels, value in family.samples})

    def sample_of(self, line):
        """node_exporter gives all samples of a family the same labels, some of
        them empty."""
        if "{" not in line:
            line = line.replace(" ", "{} ", 1)
        name, rest = line.split("{", 1)
        labels = rest[:rest.rindex("}")]
        return ((name, frozenset(
            (label, metrics.unescape(value))
            for label, value in metrics.LABEL.findall(labels) if value)),
                float(rest[rest.rindex("}") + 1:]))

    def test_it_refuses_openmetrics(self):
        """Why the format of files is the older one."""
        self.run_tool("export", "--once", "--format", "openmetrics",
                      "--textfile", self.files / "paraclock.prom")
        text, got = self.shown(self.start_node_exporter())
        if "node_textfile_scrape_error 0" in text:
            self.skipTest("this node_exporter reads OpenMetrics")
        self.assertEqual(got, set())

    def test_it_follows_a_running_exporter(self):
        file = self.files / "paraclock.prom"
        process = self.start("export", "--textfile", file, "--interval", "0.1",
                             "--dir", self.states)
        cli.wait_until(file.exists, process)
        url = self.start_node_exporter()
        for _ in range(50):
            text, got = self.shown(url)
            self.assertIn("node_textfile_scrape_error 0", text)
            self.assertTrue(got)
            time.sleep(0.02)
        process.terminate()
        process.wait(cli.HANGS_SEC)
        self.assertEqual(self.shown(url)[1], set())


if __name__ == "__main__":
    if not PROMTOOL:
        print("skipped: no promtool (package prometheus); scripts/programs "
              "fetches it")
        sys.exit(77)
    cli.main()
