#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is in contrib/ speaks of metrics that paraclock export has, and is
whole: every alert says what to do and has a test, every panel has a place and a query.
Usage: check_contrib.py PARACLOCK"""
import json
import pathlib
import re
import subprocess
import sys
import unittest

import cli
from metrics import OpenMetrics

TOOL = sys.argv.pop(1)
CONTRIB = pathlib.Path(__file__).resolve().parents[2] / "contrib"


def alerts():
    """Name to the text of the rule."""
    text = (CONTRIB / "alerts.yml").read_text()
    parts = re.split(r"^      - alert: (\w+)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def panels():
    dashboard = json.loads((CONTRIB / "dashboard.json").read_text())
    return dashboard, dashboard["panels"]


class Names(unittest.TestCase):
    def setUp(self):
        text = subprocess.run([TOOL, "export"], capture_output=True, text=True,
                              timeout=cli.HANGS_SEC, check=True).stdout
        self.text = OpenMetrics(text)
        self.labels = {}
        for family in self.text.families.values():
            for name, labels, _ in family.samples:
                self.labels.setdefault(name, set()).update(labels)

    def names_in(self, text):
        return set(re.findall(r"\bparaclock_\w+", text))

    def test_every_metric_exists(self):
        known = self.text.names() | {
            name + suffix for name in self.text.names()
            for suffix in ("_bucket",)
            if self.text.families.get(name) and
            self.text.families[name].type == "histogram"}
        used = set()
        for path in CONTRIB.iterdir():
            found = self.names_in(path.read_text())
            self.assertLessEqual(found, known, path.name)
            used |= found
        self.assertGreater(len(used), 25)

    def test_the_labels_exist(self):
        page = (CONTRIB.parent / "man/paraclock-export.8").read_text()
        table = {name: {label for label in labels.split(", ") if label}
                 for name, labels in re.findall(
                     r'^\.BR (paraclock_\w+) " \(\w+(?:; ([\w, ]+))?\)"$',
                     page, re.M)}
        for path in (CONTRIB / "alerts.yml", CONTRIB / "alerts_test.yml",
                     CONTRIB / "dashboard.json"):
            text = path.read_text().replace('\\"', '"')
            for name, selector in re.findall(
                    r"\b(paraclock_\w+)\{([^{}]*)\}", text):
                allowed = table[name.removesuffix("_bucket")] | {
                    "job", "instance", "le", name}
                used = set(re.findall(r"(\w+)(?:=~|!=|!~|=)", selector))
                self.assertLessEqual(used, allowed, f"{path.name}: {name}")


class Alerts(unittest.TestCase):
    def test_each_says_what_to_do(self):
        self.assertGreaterEqual(len(alerts()), 15)
        for name, text in alerts().items():
            for key in ("summary", "description", "action"):
                found = re.search(rf"^          {key}: '(.+)'$", text, re.M)
                self.assertTrue(found, f"{name} has no {key}")
                self.assertTrue(found[1].endswith("."), f"{name}: {key}")
            self.assertRegex(text, r"severity: (info|warning|critical)\n")

    def test_each_is_seen_to_fire_and_to_be_silent(self):
        text = (CONTRIB / "alerts_test.yml").read_text()
        tests = re.findall(
            r"- alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:(.*)\n", text)
        for name in alerts():
            ends = [end for found, end in tests if found == name]
            self.assertIn("", ends, f"{name} never fires")
            self.assertIn(" []", ends, f"{name} is never silent")


class Dashboard(unittest.TestCase):
    def test_it_can_be_imported(self):
        dashboard, all_panels = panels()
        self.assertIsNone(dashboard["id"])
        self.assertTrue(dashboard["uid"] and dashboard["title"])
        self.assertNotIn("__inputs", dashboard)
        ids = [panel["id"] for panel in all_panels]
        self.assertEqual(len(ids), len(set(ids)))
        names = [v["name"] for v in dashboard["templating"]["list"]]
        self.assertEqual(names, ["datasource", "instance", "backend"])

    def test_panels_do_not_overlap(self):
        taken = set()
        for panel in panels()[1]:
            grid = panel["gridPos"]
            self.assertLessEqual(grid["x"] + grid["w"], 24)
            for x in range(grid["x"], grid["x"] + grid["w"]):
                for y in range(grid["y"], grid["y"] + grid["h"]):
                    self.assertNotIn((x, y), taken, panel["title"])
                    taken.add((x, y))

    def test_every_panel_says_what_it_shows(self):
        for panel in panels()[1]:
            self.assertTrue(panel["title"])
            if panel["type"] == "row":
                continue
            self.assertTrue(panel["description"].endswith("."),
                            panel["title"])
            self.assertTrue(panel["targets"])
            refs = [target["refId"] for target in panel["targets"]]
            self.assertEqual(len(refs), len(set(refs)))
            for target in panel["targets"]:
                self.assertIn("paraclock_", target["expr"])
                self.assertEqual(target["datasource"]["uid"], "${datasource}")

    def test_the_bands_have_both_ends(self):
        bands = 0
        for panel in panels()[1]:
            legends = {t["legendFormat"] for t in panel.get("targets", ())}
            for override in panel.get("fieldConfig", {}).get("overrides", ()):
                for prop in override["properties"]:
                    if prop["id"] == "custom.fillBelowTo":
                        bands += 1
                        self.assertIn(prop["value"], legends)
                        pattern = override["matcher"]["options"].strip("/")
                        self.assertTrue(any(re.search(pattern, legend)
                                            for legend in legends))
        self.assertEqual(bands, 2)

    def test_nothing_important_is_left_out(self):
        text = json.dumps(panels()[1])
        for name in ("source_valid", "source_state", "offset_bound_seconds",
                     "rate_error_ratio", "disruptions_total",
                     "read_duration_seconds_bucket", "service_state",
                     "serve_status", "feed_output_delivered_total"):
            self.assertIn("paraclock_" + name, text.replace(
                "paraclock_source_" + name, "paraclock_" + name))


if __name__ == "__main__":
    cli.main()
