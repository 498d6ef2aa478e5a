#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the documents name exists: links, paths, commands and options, manual
pages, tests, functions.
Usage: check_docs.py BUILD_DIRECTORY PARACLOCK"""
import functools
import json
import pathlib
import re
import subprocess
import sys
import unittest
import xml.etree.ElementTree

try:
    import yaml
except ImportError:
    yaml = None

sys.path.insert(0, str(pathlib.Path(__file__).parent / "tools"))
import cli

TOOL = sys.argv.pop()
BUILD = pathlib.Path(sys.argv.pop())
ROOT = pathlib.Path(__file__).parent.parent
DOCS = sorted(path for path in ROOT.rglob("*.md")
              if not path.relative_to(ROOT).parts[0].startswith((
                  "build", ".")))
# Options of other programs, which pages name in prose.
OTHERS = {"--cap-add", "--cpuid", "--device", "--group-add", "--install",
          "--network", "--no-build-isolation", "--now", "--platform", "--preset",
          "--privileged", "--read-only", "--rtc", "--strict",
          "--system-site-packages"}
FOLDERS = ("backends|bench|bindings|cmake|completions|contrib|docs|examples|"
           "include|lib|man|scripts|sim|systemd|tests|tools|udev")
PLACEHOLDER = re.compile(r"\b(?!README\b)[A-Z][A-Z_]*\b")


def read(path):
    return path.read_text(encoding="utf-8")


@functools.cache
def parts_of(doc):
    """Prose, inline code, and lines of code blocks."""
    prose, inline, blocks = [], [], []
    fence = None
    indented = False
    before = ""
    for line in re.sub(r"<!--.*?-->", "", read(doc), flags=re.S).splitlines():
        if line.lstrip().startswith("```"):
            fence = None if fence is not None else line.strip()[3:]
        elif fence is not None:
            # What a program prints is not ours to check.
            if not fence.startswith("console") or line.startswith("$ "):
                blocks.append(line.removeprefix("$ "))
        else:
            indented = line.startswith("    ") and (indented or not before)
            (blocks if indented else prose).append(line)
        before = line.strip()
    text = "\n".join(prose)
    inline = [" ".join(code.split())
              for code in re.findall(r"`([^`]+)`", text)]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(blocks)).splitlines()
    return text, inline, [line.strip() for line in joined]


def code_of(doc):
    _, inline, blocks = parts_of(doc)
    return inline + blocks


@functools.cache
def options_of(*command):
    done = subprocess.run([TOOL, *command, "--help"], capture_output=True,
                          text=True, check=False)
    lines = re.findall(r"^ +(?:-(\S), )?-?-?(?:--(\S+))", done.stdout, re.M)
    short = set(re.findall(r"^ +-(\S)(?:,|\s)", done.stdout, re.M))
    long = {re.split(r"[=\[]", name)[0] for _, name in lines}
    return short, long


@functools.cache
def commands():
    text = subprocess.run([TOOL, "--help"], capture_output=True, text=True,
                          check=False).stdout
    listed = text[text.index("Commands:"):text.index("'paraclock COMMAND")]
    return set(re.findall(r"^  (\w+) ", listed, re.M)) | {"help"}


def calls(line):
    """The words after each `paraclock` of a line of shell."""
    line = re.sub(r"(^|\s)#.*", "", line)
    if re.search(r"pkg-config|find_package|import|docker-compose", line):
        return
    for part in re.split(r"&&|\|\|?|;|\$\(|\)|>|<|\{|\}| & ?", line):
        words = re.sub(r"[\[\]\",']", " ", part).split()
        for i, word in enumerate(words):
            if word == "paraclock" or (
                    i == 0 and word.endswith("/paraclock")):
                yield words[i + 1:]
                break


@functools.cache
def test_names():
    names = set()
    for path in BUILD.rglob("CTestTestfile.cmake"):
        names.update(re.findall(r"^add_test\(\[?=*\[?([\w-]+)", read(path),
                                re.M))
    return names


@functools.cache
def sources():
    """All that may define a public name, or a variable of the tests."""
    kinds = (".c", ".h", ".in", ".txt", ".cmake", ".py", ".sh", "")
    texts = [read(path) for folder in ("include", "lib", "cmake", "tests",
                                       "scripts", "examples", "tools", "sim",
                                       "bindings", "backends")
             for path in (ROOT / folder).rglob("*")
             if path.is_file() and path.suffix in kinds and
             "corpus" not in path.parts and path != pathlib.Path(__file__)]
    texts.append(read(ROOT / "CMakeLists.txt"))
    return set(re.findall(r"\b(?:paraclock|PARACLOCK|pclk)_\w+",
                          "\n".join(texts)))


def slugs(doc):
    """GitHub's names of headings."""
    found, fenced = set(), False
    for line in read(doc).splitlines():
        if line.startswith("```"):
            fenced = not fenced
        match = re.match(r"#+ (.*)", line)
        if match and not fenced:
            text = re.sub(r"[^\w\- ]", "", match[1].lower())
            found.add(text.strip().replace(" ", "-"))
    return found


class Documents(unittest.TestCase):
    maxDiff = None

    def none(self, bad):
        self.assertEqual(sorted(set(bad)), [])

    def test_links_lead_somewhere(self):
        bad = []
        for doc in DOCS:
            text, _, _ = parts_of(doc)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"https?:|mailto:", target):
                    continue
                path, _, anchor = target.partition("#")
                where = (doc.parent / path).resolve() if path else doc
                if not where.exists():
                    bad.append(f"{doc}: {target}")
                elif anchor and anchor not in slugs(where):
                    bad.append(f"{doc}: no heading for {target}")
        self.none(bad)

    def test_every_page_is_linked(self):
        linked = {"README.md"}
        for doc in DOCS:
            text, _, _ = parts_of(doc)
            for target in re.findall(r"\]\(([^)#\s]+)", text):
                linked.add((doc.parent / target).resolve())
        self.none(str(doc) for doc in (ROOT / "docs").rglob("*.md")
                  if doc.resolve() not in linked and doc.name != "README.md"
                  and doc.parent.name != "decisions")

    def test_paths_exist(self):
        path = re.compile(rf"^(?:{FOLDERS})/[\w./*{{}},+-]*$")
        bad = []
        for doc in DOCS:
            # Decisions speak of their own time.
            if doc.parent.name == "decisions":
                continue
            _, inline, blocks = parts_of(doc)
            words = [word for line in blocks for word in line.split()
                     if re.match(r"(scripts|examples|man)/", word)]
            for name in inline + words:
                name = name.rstrip(".,:")
                if not path.match(name) or PLACEHOLDER.search(name):
                    continue
                stem = re.sub(r"\{.*?\}", "*", name)
                if not any(list(base.glob(stem.rstrip("/")))
                           for base in (ROOT, doc.parent)):
                    bad.append(f"{doc}: {name}")
        self.none(bad)

    def test_commands_and_their_options_exist(self):
        bad, seen = [], 0
        for doc in DOCS:
            for line in code_of(doc):
                for words in calls(line):
                    seen += 1
                    command = ()
                    if words and re.fullmatch(r"[a-z]+", words[0]):
                        command = (words[0],)
                        if words[0] not in commands():
                            bad.append(f"{doc}: paraclock {words[0]}")
                            continue
                    short, long = options_of(*command)
                    for word in words:
                        name = word.split("=")[0]
                        if name.startswith("--") and name[2:] not in long:
                            bad.append(f"{doc}: paraclock "
                                       f"{' '.join(command)} {name}")
                        elif re.fullmatch(r"-[A-Za-z?]", name) and \
                                name[1] not in short:
                            bad.append(f"{doc}: paraclock "
                                       f"{' '.join(command)} {name}")
        self.none(bad)
        self.assertGreater(seen, 50)

    def test_options_in_prose_exist(self):
        every = set(OTHERS)
        for command in commands() - {"help"}:
            every |= {"--" + name for name in options_of(command)[1]}
        every |= {"--" + name for name in options_of()[1]}
        for script in (ROOT / "scripts").iterdir():
            every |= set(re.findall(r"--[a-z-]+", read(script)))
        for path in (ROOT / "tests").rglob("*.py"):
            every |= set(re.findall(r"add_argument\(\"(--[a-z-]+)\"",
                                    read(path)))
        bad = []
        for doc in DOCS:
            if doc.parent.name == "decisions":
                continue
            for code in parts_of(doc)[1]:
                match = re.match(r"(--[a-z][a-z-]+)(?:[ =].*)?$", code)
                if match and match[1] not in every:
                    bad.append(f"{doc}: {match[1]}")
        self.none(bad)

    def test_manual_pages_exist(self):
        bad = []
        for doc in DOCS:
            text = read(doc)
            names = set(re.findall(r"\b(paraclock[\w-]*)\((\d)\)", text))
            names |= {(page, section) for section, page in re.findall(
                r"man (\d) (paraclock[\w-]*)", text)}
            bad += [f"{doc}: {name}({section})" for name, section in names
                    if not (ROOT / "man" / f"{name}.{section}").exists()]
        self.none(bad)

    def test_units_exist(self):
        bad = []
        for doc in DOCS:
            for line in code_of(doc):
                match = re.match(r"(?:systemctl .*|journalctl -u )"
                                 r"(paraclock-\w+)", line)
                if match and not (ROOT / "systemd" /
                                  f"{match[1]}.service.in").exists():
                    bad.append(f"{doc}: {match[1]}")
        self.none(bad)

    def test_presets_exist(self):
        presets = {preset["name"] for preset in
                   json.loads(read(ROOT / "CMakePresets.json"))
                   ["configurePresets"]}
        self.none(f"{doc}: {name}" for doc in DOCS
                  for line in code_of(doc)
                  for name in re.findall(r"cmake --preset ([\w-]+)", line)
                  if name not in presets and name.islower())

    def test_settings_and_targets_of_cmake_exist(self):
        cmake = read(ROOT / "CMakeLists.txt") + "".join(
            read(path) for path in (ROOT / "cmake").glob("*.in"))
        bad, seen = [], 0
        for doc in DOCS:
            for line in code_of(doc):
                for name in re.findall(r"-D(PARACLOCK_\w+)=|"
                                       r"(paraclock::\w+)", line):
                    seen += 1
                    if "".join(name) not in cmake:
                        bad.append(f"{doc}: {''.join(name)}")
        self.none(bad)
        self.assertGreater(seen, 5)

    def test_names_of_the_api_exist(self):
        bad = []
        for doc in DOCS:
            if doc.parent.name == "decisions":
                continue
            names = set()
            for line in code_of(doc):
                names |= set(re.findall(r"\b(?:paraclock|PARACLOCK)_\w+", line))
            names -= {name for name in names if name.endswith("_")}
            bad += [f"{doc}: {name}" for name in names - sources()]
        self.none(bad)


class Blocks(unittest.TestCase):
    def blocks(self, language):
        return [(doc, block) for doc in DOCS for block in re.findall(
            rf"^```{language}\n(.*?)^```$", read(doc), re.M | re.S)]

    def test_xml_is_well_formed(self):
        for doc, block in self.blocks("xml"):
            with self.subTest(doc=doc):
                xml.etree.ElementTree.fromstring(block)

    def test_yaml_is_well_formed(self):
        if not yaml:
            self.skipTest("Python has no module yaml")
        for doc, block in self.blocks("yaml"):
            with self.subTest(doc=doc):
                self.assertIsInstance(yaml.safe_load(block), dict)


class Tests(unittest.TestCase):
    """Names of tests in the documents."""

    def case_exists(self, test, case):
        stems = {test, "check_" + test}
        for prefix in ("sim_", "service_"):
            stems.add(test.removeprefix(prefix))
        return any(re.search(rf"\b{case}\b", read(path))
                   for path in (ROOT / "tests").rglob("*")
                   if path.suffix in (".c", ".py") and path.stem in stems)

    def test_the_tests_of_the_guarantees_exist(self):
        doc = ROOT / "docs" / "guarantees.md"
        bad, seen = [], 0
        for row in re.findall(r"^\| (.*) \|$", read(doc), re.M):
            named = re.findall(r"`([^`]+)`", row.split(" | ")[-1])
            promise = row.startswith(("promise", "service | promise", "-"))
            if not named and not promise and "---" not in row:
                bad.append(f"no test: {row[:60]}")
            for name in named:
                seen += 1
                test, _, case = name.partition(":")
                if "/" in name:
                    if not (ROOT / name).exists():
                        bad.append(name)
                elif test not in test_names():
                    bad.append(name)
                elif case and not self.case_exists(test, case):
                    bad.append(name)
        self.assertEqual(bad, [])
        self.assertGreater(seen, 40)

    def test_tests_in_prose_exist(self):
        stems = {path.stem for path in (ROOT / "tests").rglob("*.*")}
        self.assertEqual([
            f"{doc}: {name}" for doc in DOCS if doc.parent.name != "decisions"
            for name in parts_of(doc)[1]
            if re.fullmatch(r"(?:test|sim_test|service_test|vm|guest)_\w+",
                            name)
            and name not in test_names() and name not in stems], [])


if __name__ == "__main__":
    cli.main()
