#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reports on runs of ctest, for scripts/test.

report.py run DIR XML PARTS: XML is the JUnit file of a ctest run of the build
in DIR. Prints a line with the numbers of tests, failures and skips, a line with
the names of the failed tests, and then a line with the reason for each skip: of
a whole test, or of a case that printed "skipped: REASON". Appends to PARTS the
outcome of the real parts that tests are labelled with ("real PART").

report.py table DIR PARTS SET: prints a line for each real part that the build
in DIR has tests of, or that PARTS names: used, or why not. If no test of a part
was run, the option SET left it out.

report.py failed XML LOG: prints each failed test of a ctest run, how it failed,
and its output: the end of it, and earlier lines that look like errors.

report.py commands DIR: prints the compile commands of the build in DIR, only
the first one of each file."""
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as tree

REAL = "real "

# Limits of one test's output.
LAST_LINES, ERROR_LINES, LINE_CHARS = 100, 20, 500
# So many failed tests are shown; the others are only named.
SHOWN_TESTS = 20
ERROR = re.compile(r"\[  (ERROR|FAILED) |\[   LINE|\berror\b|^(ERROR|FAIL)\b|"
                   r"^Traceback|^FAILED|runtime error|WARNING: Thread|"
                   r"Assertion|ERROR: \w*Sanitizer", re.IGNORECASE)


def real_parts(build):
    """Each real part, and the names of the tests that are labelled with it."""
    listing = subprocess.run(
        ["ctest", "--test-dir", build, "--show-only=json-v1"],
        check=True, stdout=subprocess.PIPE).stdout
    parts = {}
    for test in json.loads(listing)["tests"]:
        props = {p["name"]: p["value"] for p in test.get("properties", [])}
        # It only prepares for other tests.
        if "FIXTURES_SETUP" in props:
            continue
        for label in props.get("LABELS", []):
            if label.startswith(REAL):
                parts.setdefault(label[len(REAL):], []).append(test["name"])
    return parts


def judge(case):
    """A test's outcome, and the reasons for its skips. A test that could not be
    started is "notrun" to ctest as well, but is a failure here."""
    output = (case.findtext("system-out") or "").splitlines()
    lines = [line.strip() for line in output if line.strip()]
    skip = case.find("skipped")
    if skip is not None:
        if skip.get("message") != "SKIP_RETURN_CODE=77":
            return "failed", []
        return "skipped", (lines or ["no reason given"])[-1:]
    if case.find("failure") is not None:
        return "failed", []
    said = [line for line in lines if line.startswith("skipped:")]
    return "used", list(dict.fromkeys(said))


def shown(output):
    """The lines of a test's output that are worth showing."""
    lines = [line[:LINE_CHARS] for line in output.splitlines()]
    if len(lines) <= LAST_LINES:
        return lines or ["(it printed nothing)"]
    before, last = lines[:-LAST_LINES], lines[-LAST_LINES:]
    errors = [line for line in before if ERROR.search(line)]
    return (errors[:ERROR_LINES] +
            [f"... its last {LAST_LINES} lines of {len(lines)}:"] + last)


def failed(xml, log):
    """The JUnit file does not say how a test failed; ctest's closing list does:
    "  7 - NAME (Timeout)"."""
    with open(log, encoding="utf-8", errors="replace") as lines:
        how = dict(re.findall(r"^\s*\d+ - (\S+) \(([^)]*)\)", lines.read(),
                              re.MULTILINE))
    bad = [case for case in tree.parse(xml).getroot().iter("testcase")
           if judge(case)[0] == "failed"]
    for case in bad[:SHOWN_TESTS]:
        name = case.get("name")
        seconds = float(case.get("time", 0))
        print(f"--- {name}: {how.get(name, 'Failed')} after {seconds:.1f} s")
        print("\n".join(shown(case.findtext("system-out") or "")))
    for case in bad[SHOWN_TESTS:]:
        print(f"--- {case.get('name')}: {how.get(case.get('name'), 'Failed')}")
    print(f"--- all of it: {log}")


def run(build, xml, parts_file):
    cases = {case.get("name"): judge(case)
             for case in tree.parse(xml).getroot().iter("testcase")}
    outcomes = [outcome for outcome, _ in cases.values()]
    print(len(cases), outcomes.count("failed"), outcomes.count("skipped"))
    print(*(name for name, (outcome, _) in cases.items()
            if outcome == "failed"))
    for name, (_, reasons) in cases.items():
        for reason in reasons:
            print(f"{name}: {reason.removeprefix('skipped:').strip()}")
    with open(parts_file, "a", encoding="utf-8") as parts:
        for part, names in real_parts(build).items():
            for name in names:
                if name in cases:
                    outcome, reasons = cases[name]
                    reason = reasons[0] if outcome == "skipped" else name
                    print(part, outcome, reason, sep="\t", file=parts)


def table(build, parts_file, option):
    parts = {part: {} for part in real_parts(build)}
    with open(parts_file, encoding="utf-8") as lines:
        for line in lines:
            part, outcome, text = line.rstrip("\n").split("\t")
            parts.setdefault(part, {}).setdefault(outcome, []).append(
                text.removeprefix("skipped:").strip())
    width = max(map(len, parts), default=0)
    for part, outcomes in sorted(parts.items()):
        said = f"not used: {option} leaves it out"
        for outcome, word in (("failed", "FAILED"), ("used", "used by"),
                              ("skipped", "not used:")):
            if outcome in outcomes:
                texts = dict.fromkeys(outcomes[outcome])
                said = f"{word} {', '.join(texts)}"
                break
        print(f"{part:{width}}  {said}")


def commands(build):
    """Print a compilation database with one command per file."""
    with open(f"{build}/compile_commands.json", encoding="utf-8") as database:
        entries = json.load(database)
    first = {entry["file"]: entry for entry in reversed(entries)}
    json.dump(list(first.values()), sys.stdout, indent=1)


if __name__ == "__main__":
    {"run": run, "table": table, "failed": failed,
     "commands": commands}[sys.argv[1]](*sys.argv[2:])
