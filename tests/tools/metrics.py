# SPDX-License-Identifier: MIT
"""Strict readers of OpenMetrics 1.0 and of Prometheus' text format 0.0.4.

They refuse more than those who write such texts for others to read must fear:
also what only few readers stumble over, and what is not this project's way.
"""
import math
import re

SUFFIXES = {
    "gauge": [""],
    "counter": ["_total"],
    "histogram": ["_bucket", "_sum", "_count"],
    "info": ["_info"],
    "stateset": [""],
}
# What a reader may take for a sample of a family, besides.
RESERVED = {"counter": ["_created"], "histogram": ["_created"]}
UNITS = ("seconds", "ratio", "hertz")

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?\Z")
SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)\Z", re.A)
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"', re.A)
ESCAPED = re.compile(r'\\(["\\n])')


class Fault(Exception):
    """The text is not what it should be."""


def require(condition, *what):
    if not condition:
        raise Fault(*what)


def unescape(value):
    return ESCAPED.sub(lambda m: "\n" if m[1] == "n" else m[1], value)


class Family:
    def __init__(self, name):
        self.name, self.type, self.unit, self.help = name, None, None, None
        self.samples = []

    def state_label(self, labels):
        """The labels that tell metrics of the family apart."""
        inner = {"le"} if self.type == "histogram" else {self.name}
        return tuple(sorted((k, v) for k, v in labels.items()
                            if k not in inner))


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        require(found, "labels", text)
        name, value = found[1], unescape(found[2])
        require(name not in labels, "a label twice", text)
        require(value, "an empty label", text)
        require(value.isprintable() or "\n" in value, "control", text)
        labels[name] = value
        at = found.end()
        if at < len(text):
            require(text[at] == ",", "labels", text)
            at += 1
            require(at < len(text), "a comma at the end", text)
    return labels


def parse_sample(line):
    found = SAMPLE.match(line)
    require(found, "a sample", line)
    require(NUMBER.match(found[3]), "a number", line)
    require(math.isfinite(float(found[3])), "a finite number", line)
    return found[1], parse_labels(found[2] or ""), found[3]


class Text:
    """The families of a text, in their order."""

    def __init__(self, text, comments):
        require("\r" not in text, "a carriage return")
        require(text.endswith("\n"), "no newline at the end")
        self.families, self.lines = {}, set()
        self.now = None
        for line in text[:-1].split("\n"):
            require(line, "an empty line")
            if line.startswith("#"):
                self.describe(line, comments)
            else:
                self.add(line)
        for family in self.families.values():
            self.check(family)
        self.check_clashes()

    def describe(self, line, comments):
        found = re.match(r"# (\w+) (\S+) (.+)\Z", line)
        require(found and found[1] in comments, "a comment", line)
        what, name, value = found.groups()
        if self.now is None or self.now.name != name:
            require(what == "TYPE", "TYPE comes first", line)
            require(name not in self.families, "a family twice", line)
            require(NAME.match(name), "a name", line)
            self.now = self.families[name] = Family(name)
        require(not self.now.samples, "a comment after samples", line)
        require(getattr(self.now, what.lower()) is None, "a comment twice",
                line)
        if what == "UNIT":
            require(self.now.help is None, "UNIT after HELP", line)
        setattr(self.now, what.lower(), value)

    def add(self, line):
        name, labels, value = parse_sample(line)
        require(self.now is not None, "a sample without a family", line)
        names = [self.now.name + s for s in self.suffixes(self.now)]
        require(name in names, f"not of family {self.now.name}", line)
        key = (name, tuple(sorted(labels.items())))
        require(key not in self.lines, "a sample twice", line)
        self.lines.add(key)
        self.now.samples.append((name, labels, value))

    def suffixes(self, family):
        require(family.type in SUFFIXES, "a type", family.type)
        return SUFFIXES[family.type]

    def check(self, family):
        require(family.help and family.help.endswith("."), "no help",
                family.name)
        require("\\" not in family.help and '"' not in family.help,
                "help to be escaped", family.help)
        getattr(self, "check_" + family.type)(family)
        seen, before = set(), None
        for _, labels, _ in family.samples:
            metric = family.state_label(labels)
            if metric != before:
                require(metric not in seen, "interleaved", family.name)
                seen.add(metric)
            before = metric

    def check_gauge(self, family):
        require(not re.search(r"_(total|info|count|sum|bucket|created)$",
                              family.name), "a gauge's name", family.name)

    def check_counter(self, family):
        for _, _, value in family.samples:
            require(re.match(r"[0-9]+\Z", value), "a count", value)

    def check_info(self, family):
        for _, _, value in family.samples:
            require(value == "1", "an info's value", value)

    def check_stateset(self, family):
        metrics = {}
        for _, labels, value in family.samples:
            require(value in "01", "a state's value", value)
            require(family.name in labels, "no state", labels)
            metrics.setdefault(family.state_label(labels), []).append(value)
        for metric, values in metrics.items():
            require(values.count("1") == 1, "not one state", metric, values)

    def check_histogram(self, family):
        metrics = {}
        for name, labels, value in family.samples:
            metrics.setdefault(family.state_label(labels), []).append(
                (name[len(family.name):], labels.get("le"), value))
        for rows in metrics.values():
            self.check_buckets(rows)

    def check_buckets(self, rows):
        buckets = [(le, value) for kind, le, value in rows
                   if kind == "_bucket"]
        rest = {kind: value for kind, _, value in rows if kind != "_bucket"}
        require(buckets and buckets[-1][0] == "+Inf", "no last bucket", rows)
        limits = [float(le) for le, _ in buckets]
        counts = [int(value) for _, value in buckets]
        require(limits == sorted(set(limits)), "order of buckets", limits)
        require(counts == sorted(counts), "buckets not cumulated", counts)
        for le, _ in buckets[:-1]:
            # As Go prints it, which is as Python does for these.
            require(le == repr(float(le)), "not canonical", le)
        require(set(rest) == {"_sum", "_count"}, "sum and count", rest)
        require(int(rest["_count"]) == counts[-1], "count", rest)
        require(float(rest["_sum"]) >= 0, "sum", rest)

    def check_clashes(self):
        names = {}
        for family in self.families.values():
            for suffix in (self.suffixes(family) +
                           RESERVED.get(family.type, [])):
                other = names.setdefault(family.name + suffix, family.name)
                require(other == family.name, "names clash", family.name,
                        other)

    # --- what is there ----------------------------------------------------

    def samples(self, name, **labels):
        """The samples of that name that have these labels."""
        return [(found, float(value))
                for family in self.families.values()
                for sample, found, value in family.samples
                if sample == name and labels.items() <= found.items()]

    def value(self, name, **labels):
        """The value of the one sample; None if there is none."""
        found = self.samples(name, **labels)
        require(len(found) < 2, "more than one", found)
        return found[0][1] if found else None

    def state(self, name, **labels):
        """The state of the one stateset."""
        states = [found[name] for found, value in self.samples(name, **labels)
                  if value == 1]
        require(len(states) == 1, "not one state", name, labels, states)
        return states[0]

    def names(self):
        """What samples are called; of a histogram the family."""
        return {family.name + ("" if family.type == "histogram" else
                               self.suffixes(family)[0])
                for family in self.families.values()}


class OpenMetrics(Text):
    def __init__(self, text):
        require(text.endswith("\n# EOF\n"), "no EOF at the end")
        text = text[:-len("# EOF\n")]
        super().__init__(text, ("TYPE", "UNIT", "HELP"))

    def check(self, family):
        super().check(family)
        unit = next((u for u in UNITS if family.name.endswith("_" + u)), None)
        require(family.unit == unit, "unit", family.name, family.unit)
        require(family.type not in ("info", "stateset") or unit is None,
                "unit of texts", family.name)


class Prometheus(Text):
    """The older format: its comments describe samples."""

    def __init__(self, text):
        super().__init__(text, ("TYPE", "HELP"))

    def suffixes(self, family):
        require(family.type in ("gauge", "counter", "histogram"), "a type",
                family.type)
        return SUFFIXES[family.type] if family.type == "histogram" else [""]

    def check_gauge(self, family):
        if family.name.endswith("_info"):
            self.check_info(family)
        elif any(family.name in labels for _, labels, _ in family.samples):
            self.check_stateset(family)
        else:
            super().check_gauge(family)

    def check_counter(self, family):
        require(family.name.endswith("_total"), "a counter's name",
                family.name)
        super().check_counter(family)
