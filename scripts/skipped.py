#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Print the skipped tests of a JUnit file of ctest's, each with its reason:
the last line that the test printed."""
import sys
import xml.etree.ElementTree as tree

for case in tree.parse(sys.argv[1]).iter("testcase"):
    if case.find("skipped") is None:
        continue
    output = (case.findtext("system-out") or "").strip().splitlines()
    reason = [line for line in output if line.strip()][-1:] or ["no reason"]
    print(f"{case.get('name')}: {reason[0].strip()}")
