# SPDX-License-Identifier: MIT
"""docs/json.md as a JSON Schema: the part of it that the document uses."""
import json
import pathlib
import re

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "json.md"
TYPES = {"string": str, "object": dict, "array": list, "integer": int,
         "number": (int, float), "boolean": bool, "null": type(None)}
KEYWORDS = {"$ref", "type", "enum", "const", "pattern", "minimum", "maximum",
            "items", "properties", "required", "allOf", "anyOf",
            "unevaluatedProperties", "description"}


def is_a(value, name):
    """JSON Schema's integers and numbers are no booleans."""
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


class Schema:
    def __init__(self, text=None):
        text = DOCUMENT.read_text() if text is None else text
        self.defs = {}
        for block in re.findall(r"^```json\n(.*?)^```$", text, re.M | re.S):
            for name, schema in json.loads(block).items():
                if name in self.defs:
                    raise ValueError(f"{name} is defined twice")
                self.defs[name] = schema
        # The members that some output had, by identity of their schema.
        self.seen = set()

    def errors(self, value, name):
        """What is wrong with the value, which should be a NAME."""
        return self._check(value, {"$ref": f"#/$defs/{name}"}, name)[0]

    def unseen(self):
        """Members that no value had, as "name.member"."""
        def walk(schema, where):
            if not isinstance(schema, dict):
                return
            for key, member in schema.get("properties", {}).items():
                if id(member) not in self.seen:
                    yield f"{where}.{key}"
                yield from walk(member, f"{where}.{key}")
            yield from walk(schema.get("items"), where)
            for part in schema.get("anyOf", []) + schema.get("allOf", []):
                yield from walk(part, where)
        for name, schema in self.defs.items():
            yield from walk(schema, name)

    def _check(self, value, schema, where):
        """(errors, the members that the schema knows, the seen schemas)."""
        unknown = set(schema) - KEYWORDS
        if unknown:
            raise ValueError(f"{where}: keywords {unknown}")
        bad, known, seen = [], set(), set()
        for part in self._parts(schema):
            more = self._check(value, part, where)
            bad += more[0]
            known |= more[1]
            seen |= more[2]
        if "anyOf" in schema:
            tries = [self._check(value, part, where)
                     for part in schema["anyOf"]]
            good = [one for one in tries if not one[0]]
            if not good:
                bad += [f"{where}: nothing fits: "
                        f"{[one[0][:3] for one in tries]}"]
            for one in good[:1]:
                known |= one[1]
                seen |= one[2]
        bad += self._check_value(value, schema, where)
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                more = self._check(item, schema["items"], f"{where}[{i}]")
                bad += more[0]
                seen |= more[2]
        if isinstance(value, dict):
            for key, member in schema.get("properties", {}).items():
                known.add(key)
                if key in value:
                    more = self._check(value[key], member, f"{where}.{key}")
                    bad += more[0]
                    seen |= more[2] | {id(member)}
            bad += [f"{where}: no {key}" for key in schema.get("required", [])
                    if key not in value]
            if schema.get("unevaluatedProperties") is False:
                bad += [f"{where}: {key} is not in the schema"
                        for key in value if key not in known]
        if not bad:
            self.seen |= seen
        return bad, known, seen

    def _parts(self, schema):
        parts = list(schema.get("allOf", []))
        if "$ref" in schema:
            parts.append(self.defs[schema["$ref"].removeprefix("#/$defs/")])
        return parts

    @staticmethod
    def _check_value(value, schema, where):
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else types
        if types and not any(is_a(value, name) for name in types):
            yield f"{where}: {value!r} is no {types}"
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is none of {schema['enum']}"
        if "const" in schema and value != schema["const"]:
            yield f"{where}: {value!r} is not {schema['const']!r}"
        if isinstance(value, str) and "pattern" in schema and \
                not re.search(schema["pattern"], value):
            yield f"{where}: {value!r} does not match {schema['pattern']}"
        if is_a(value, "number"):
            if value < schema.get("minimum", value):
                yield f"{where}: {value} is too small"
            if value > schema.get("maximum", value):
                yield f"{where}: {value} is too large"
