#!/usr/bin/env python3
"""kql_test.py PROGRAM MODULES [COUNT [SEED]] - KQL parses as in Kibana.

The queries of Kibana's own tests and generated ones go to @cybernetex/kbn-es-query (which is Kibana 7.5's
package, installed with the npm clients) and to /_barograph/kql: the trees must be equal, and the DSL up to
how a chain of operators is nested; what one refuses the other must refuse. Known differences, each of
later Kibanas: a number stays the text that was written; { } nest; \\uXXXX is an escape. Skips without npm.
"""
import json, os, random, shutil, subprocess, sys, tempfile
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(here))
import logs_role
import npm_modules

program, modules = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
count = int(sys.argv[3]) if len(sys.argv) > 3 else 500
seed = int(sys.argv[4]) if len(sys.argv) > 4 else 5
dice = random.Random(seed)
tap = logs_role.Tap()

WORDS = ["foo", "bar", "cannot open", "error!", "a-b", "C:\\\\x", "10.0.0.1", "1.50", "007", "-5", "1e3", "true", "null",
         "false", "and", "or", "not", "android", "orange", "notice", "knot x", "ERR*", "*", "a*b*", "\\*", "\\:", "ü日本",
         "foo bar", "x\\ty", "\\and", "\\or b", "say \\\"hi\\\"", "a\\(b\\)", "0x10", "+1", "1,5", "", "$1"]
FIELDS = ["level", "log.level", "@timestamp", "*", "log.*", "\"quoted field\"", "a b", "status", "f\\:g"]


def value():
    if dice.random() < 0.25:
        return '"' + dice.choice(WORDS).replace('"', "") + '"'
    return dice.choice(WORDS)


def values(depth=0):
    if dice.random() < 0.3 and depth < 3:
        parts = [values(depth + 1) for _ in range(dice.randrange(1, 4))]
        text = parts[0]
        for part in parts[1:]:
            text += dice.choice([" and ", " or ", " AND ", " OR "]) + dice.choice(["", "", "not "]) + part
        return "(" + text + ")"
    return value()


def expression(depth):
    kind = dice.random()
    space = dice.choice(["", "", " "])
    if kind < 0.2 and depth < 3:
        return "(" + query(depth + 1) + ")"
    if kind < 0.55:
        return dice.choice(FIELDS) + space + ":" + space + values()
    if kind < 0.7:
        return dice.choice(FIELDS) + space + dice.choice(["<", "<=", ">", ">="]) + space + value()
    return value()


def query(depth=0):
    text = dice.choice(["", "", "", "not ", "NOT "]) + expression(depth)
    for _ in range(dice.choice([0, 0, 1, 1, 2, 3])):
        text += dice.choice([" and ", " or ", " AND ", " Or ", "  and\t"]) + dice.choice(["", "", "not "]) + expression(depth)
    return text


def broken(text):
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice(["", '"', "(", ")", ":", "*", " and ", " not ", "<", "\\"]) + text[at + 1:]


def plain(node):
    """A tree in which a number is what a text may say: Kibana 7.5 makes numbers of texts."""
    if isinstance(node, dict):
        return {key: plain(item) for key, item in node.items()}
    if isinstance(node, list):
        return [plain(item) for item in node]
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, (int, float)):
        return ("number", float(node))
    text = node.strip()
    if text == "":
        return ("number", 0.0) if node == "" or node.isspace() else node
    try:
        if "_" in text or text.lower().lstrip("+-") in ("inf", "infinity", "nan"):
            return ("number", float("inf") if text.lstrip("+")[:1] == "I" else float("-inf")) \
                if text.lstrip("+-") == "Infinity" else node
        return ("number", float(int(text, 16)) if text[:2].lower() == "0x" else float(text))
    except ValueError:
        return node


def flat(node):
    """DSL in which a chain of one operator is one list, and texts that say null, true or 5 are values."""
    if isinstance(node, list):
        return [flat(item) for item in node]
    if not isinstance(node, dict):
        return {"true": True, "false": False, "null": None}.get(node, plain(node)) if isinstance(node, str) else plain(node)
    made = {key: flat(item) for key, item in node.items()}
    for key in ("filter", "should"):
        if list(made) != ["bool"] or key not in made["bool"]:
            continue
        rest = {k: v for k, v in made["bool"].items() if k != key}
        parts = []
        for part in made["bool"][key]:
            inner = part.get("bool") if isinstance(part, dict) and list(part) == ["bool"] else None
            same = inner is not None and key in inner and {k: v for k, v in inner.items() if k != key} == rest
            parts += inner[key] if same else [part]
        made["bool"][key] = parts
    return made


def has_field_pattern(node):
    """Kibana expands a field's pattern by its index pattern, ours is left to the server; and a pattern as
    the bound of a range is a slip of its."""
    text = json.dumps(node)
    return any(part in text for part in ('"arguments": [{"type": "wildcard"', '"value": {"type": "wildcard"',
                                         '"wildcard", "value": "@kuery-wildcard@"'))


def main():
    if not npm_modules.install(here, modules):
        print("1..0 # SKIP npm cannot install @cybernetex/kbn-es-query here")
        return 0
    made = []
    while len(made) < count:
        text = query()
        made.append(broken(text) if dice.random() < 0.12 else text)
    done = subprocess.run(["node", "kql_oracle.mjs"], cwd=modules, input=json.dumps(made), capture_output=True,
                          text=True, check=True)
    answer = json.loads(done.stdout)
    scratch = tempfile.mkdtemp(prefix="logs-kql-")
    different, errors, dsl_compared = [], 0, 0
    try:
        role = logs_role.Role(program, scratch)
        for result in answer["results"]:
            text = result["query"]
            status, got = role.call("POST", "/_barograph/kql", {"query": text})
            errors += "error" in result
            if "error" in result or status != 200:
                if ("error" in result) != (status == 400) and not any(c in text for c in "{}"):
                    different.append(f"{text!r}: Kibana {result.get('error') or 'parses'}, ours {status}")
                continue
            if plain(result["ast"]) != plain(got["ast"]):
                different.append(f"{text!r}:\n#  Kibana {json.dumps(result['ast'])}\n#  ours   {json.dumps(got['ast'])}")
            elif not has_field_pattern(result["ast"]):
                dsl_compared += 1
                if flat(result["dsl"]) != flat(got["dsl"]):
                    different.append(f"{text!r}:\n#  Kibana {json.dumps(result['dsl'])}\n#  ours   {json.dumps(got['dsl'])}")
            status, found = role.call("POST", "/_search", {"query": {"kql": {"query": text}}})
            if status not in (200, 400):
                different.append(f"{text!r}: a search answers {status}")
        role.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"# {answer['own']} cases of Kibana's and {count} generated: {errors} errors, {dsl_compared} compared as DSL too; "
          f"{len(different)} different")
    for line in different[:30]:
        print("# " + line)
    tap.expect(f"KQL as in Kibana (seed {seed})", 0, len(different))
    return tap.end()


sys.exit(main())
