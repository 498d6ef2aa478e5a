#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a JUnit file of ctest's says: a line with the numbers of tests, of
failures and of skips, then a line for each skipped test with its reason, which
is the last line that it printed."""
import sys
import xml.etree.ElementTree as tree

suite = tree.parse(sys.argv[1]).getroot()
print(suite.get("tests"), suite.get("failures"), suite.get("skipped"))
for case in suite.iter("testcase"):
    if case.find("skipped") is None:
        continue
    output = (case.findtext("system-out") or "").strip().splitlines()
    reason = [line for line in output if line.strip()][-1:] or ["no reason"]
    print(f"{case.get('name')}: {reason[0].strip()}")
