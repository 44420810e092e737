"""python_test.py SOURCE LIBRARY - the same calls through Python's structlog and through ours.

Each case is a list of steps. They are run in Python, and written out as a C function of the very
macros that a programmer uses, compiled with LIBRARY and run. What both log is read back as JSON
and compared: events, levels, fields, their order (but for context) and their values. A case of DIFFERENT has two
answers, for the reasons of docs/structlog.md; both are asserted. The last cases are random.
"""
import json
import math
import os
import random
import subprocess
import sys
import tempfile

source, library, *links = sys.argv[1:]
try:
    sys.path.append("/usr/lib/python3/dist-packages")
    import structlog
    from structlog.contextvars import (bind_contextvars, clear_contextvars, merge_contextvars,
                                       reset_contextvars, unbind_contextvars)
except ImportError:
    print("1..0 # SKIP python3-structlog is not installed")
    sys.exit(0)

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
HOSTILE = ["", " ", "a b", 'say "hi"', "back\\slash", "line\nfeed", "tab\t", "\r\n", "\x01\x1f\x7f",
           "caf\u00e9", "\u4f60\u597d", "\U0001f600", "\u2028\u2029", "</script>", "a=b", "{}", "null",
           "x" * 300, "\u00ff" * 40, "ends in \\", "\"", "%s %d %n", "\x00 in between \x00"]
NUMBERS = [0, 1, -1, 42, 2**31 - 1, -2**31, 2**53 + 1, 2**63 - 1, -2**63, 2**64 - 1, 0.0, 0.1, -2.5,
           1e-7, 1e21, 1.7976931348623157e308, 5e-324, 1 / 3, 123456789.125, 1e15, 1e16, -0.0]

CASES = [
    ("an event alone", [("info", "started", {})]),
    ("fields in the order of the call", [("info", "e", {"b": 1, "a": 2, "c": 3})]),
    ("every type", [("info", "e", {"i": 1, "f": 1.5, "t": True, "n": None, "s": "text", "no": False})]),
    ("debug", [("debug", "d", {"n": 1})]),
    ("warning", [("warning", "w", {"n": 1})]),
    ("error", [("error", "e", {"n": 1})]),
    ("critical", [("critical", "c", {"n": 1})]),
    ("log with a level", [("log", 30, "by number", {"n": 1})]),
    ("bind", [("bind", {"a": 1}), ("info", "e", {"b": 2})]),
    ("bind twice", [("bind", {"a": 1}), ("bind", {"b": 2}), ("info", "e", {})]),
    ("bind replaces in place", [("bind", {"a": 1, "b": 2}), ("bind", {"a": 3}), ("info", "e", {})]),
    ("bind replaces with another type", [("bind", {"a": 1, "b": 2}), ("bind", {"a": "x"}), ("info", "e", {})]),
    ("the call wins over bound", [("bind", {"a": 1, "b": 2}), ("info", "e", {"a": 9})]),
    ("the call wins and adds", [("bind", {"a": 1, "b": 2}), ("info", "e", {"c": 3, "b": 9})]),
    ("a call leaves no trace", [("bind", {"a": 1}), ("info", "e", {"a": 2, "z": 1}), ("info", "f", {})]),
    ("new forgets", [("bind", {"a": 1}), ("new", {"b": 2}), ("info", "e", {})]),
    ("new with the same key", [("bind", {"a": 1, "b": 1}), ("new", {"a": 2}), ("info", "e", {})]),
    ("unbind", [("bind", {"a": 1, "b": 2, "c": 3}), ("unbind", "b"), ("info", "e", {})]),
    ("unbind of what is not there", [("bind", {"a": 1}), ("unbind", "b"), ("info", "e", {})]),
    ("unbind twice", [("bind", {"a": 1}), ("unbind", "a"), ("unbind", "a"), ("info", "e", {})]),
    ("try_unbind", [("bind", {"a": 1, "b": 2}), ("try_unbind", "a"), ("info", "e", {})]),
    ("try_unbind of what is not there", [("bind", {"a": 1}), ("try_unbind", "b"), ("info", "e", {})]),
    ("bind after unbind goes to the end", [("bind", {"a": 1, "b": 2}), ("unbind", "a"), ("bind", {"a": 3}),
                                           ("info", "e", {})]),
    ("same: equal contexts", [("same", [("bind", {"a": 1})], [("bind", {"a": 1})])]),
    ("same: other value", [("same", [("bind", {"a": 1})], [("bind", {"a": 2})])]),
    ("same: one key more", [("same", [("bind", {"a": 1})], [("bind", {"a": 1, "b": 2})])]),
    ("same: in two steps", [("same", [("bind", {"a": 1}), ("bind", {"b": 2})], [("bind", {"a": 1, "b": 2})])]),
    ("same: nothing bound", [("same", [], [("bind", {"a": 1}), ("unbind", "a")])]),
    ("same: text", [("same", [("bind", {"a": "x"})], [("bind", {"a": "x"})])]),
    ("context", [("push", {"trace.id": "t1"}), ("info", "e", {"a": 1}), ("pop",), ("info", "f", {})]),
    ("context: bound wins", [("bind", {"a": 1}), ("push", {"a": 2, "b": 3}), ("info", "e", {})]),
    ("context: the call wins", [("push", {"a": 2, "b": 3}), ("info", "e", {"a": 1})]),
    ("context: inner wins, outer comes back", [("push", {"a": 1}), ("push", {"a": 2}), ("info", "e", {}), ("pop",),
                                               ("info", "f", {}), ("pop",), ("info", "g", {})]),
    ("context: two keys in two pushes", [("push", {"a": 1}), ("push", {"b": 2}), ("info", "e", {}), ("pop",),
                                         ("info", "f", {})]),
    ("context: unset", [("push", {"a": 1, "b": 2}), ("unset", "a"), ("info", "e", {})]),
    ("context: unset of what is not there", [("push", {"a": 1}), ("unset", "zz"), ("info", "e", {})]),
    ("context: clear", [("push", {"a": 1}), ("push", {"b": 2}), ("clear",), ("info", "e", {})]),
    ("context: push after clear", [("push", {"a": 1}), ("clear",), ("push", {"b": 2}), ("info", "e", {})]),
    ("context, bound and call together", [("push", {"c": 1, "x": 1}), ("bind", {"b": 1, "y": 2}),
                                          ("info", "e", {"z": 3})]),
    ("level: below is nothing", [("level", "warning"), ("debug", "d", {}), ("info", "i", {}), ("warning", "w", {}),
                                 ("error", "e", {})]),
    ("level: critical alone", [("level", "critical"), ("error", "e", {}), ("critical", "c", {})]),
    ("level: a number between", [("level", 25), ("log", 20, "no", {}), ("log", 30, "yes", {})]),
    ("printf", [("printf", "info", "%d files in %s", [3, "/tmp"])]),
    ("printf without words", [("printf", "warning", "plain", [])]),
    ("printf with a per cent", [("printf", "info", "%d%% of %.2f", [50, 1.5])]),
    ("canonical line", [("bind", {"path": "/"}), ("add", {"user_id": 7}), ("add", {"rows": 120, "cache": "miss"}),
                        ("info", "request handled", {"status": 200})]),
    ("add replaces in place", [("add", {"a": 1}), ("add", {"b": 1}), ("add", {"a": 2}), ("info", "e", {})]),
    ("dotted keys", [("info", "e", {"http.request.method": "GET", "http.response.status_code": 200})]),
    ("keys with odd letters", [("info", "e", {"a b": 1, "k-e-y": 2, "\u00fcber": 3, "q\"q": 4, "b\\b": 5})]),
    ("event with odd letters", [("info", "said \"no\"\n\ttwice \u2603", {})]),
    ("24 fields", [("info", "e", {f"k{i}": i for i in range(24)})]),
    ("64 bound fields", [("bind", {f"k{i}": i for i in range(20)}), ("bind", {f"l{i}": i for i in range(20)}),
                         ("bind", {f"m{i}": i for i in range(24)}), ("info", "e", {"x": 1})]),
    ("lazy value", [("lazy", "info", "e", {"n": 7})]),
    ("lazy value of a line that is off", [("level", "error"), ("lazy", "info", "e", {"n": 7})]),
]
CASES += [(f"number {number!r}", [("info", "e", {"n": number})]) for number in NUMBERS]
CASES += [(f"bound number {number!r}", [("bind", {"n": number}), ("info", "e", {})]) for number in NUMBERS[::3]]
CASES += [(f"text {text[:20]!a}", [("info", "e", {"t": text})]) for text in HOSTILE]
CASES += [(f"text {text[:20]!a} bound and in context", [("push", {"c": text}), ("bind", {"b": text}), ("info", "e", {})])
          for text in HOSTILE[::2]]

# name, steps, Python's fields, our fields, why
DIFFERENT = [
    ("NaN", [("info", "e", {"n": math.nan, "i": math.inf})], '{"n": NaN, "i": Infinity}', '{"n": null, "i": null}',
     "NaN is no JSON"),
    ("a field named event", [("bind", {"event": "x"}), ("info", "e", {})], "{}", '{"event_": "x"}',
     "nothing is lost silently"),
    ("a field named level", [("info", "e", {"level": "x"})], "{}", '{"level_": "x"}', "nothing is lost silently"),
]


# format, Python's renderer, fields: the text of both is compared from the event on.
# In logfmt Python leaves controls, empty texts and backslashes bare, so that they cannot be read back.
PLAIN = [text for text in HOSTILE if text not in ("", "\"") and "\\" not in text and not any(
    c < " " or c == "\x7f" or "\u2028" <= c <= "\u2029" for c in text)]
TEXTS = [("SL_FORMAT_KEY_VALUE", structlog.processors.KeyValueRenderer(key_order=["event"]), fields) for fields in
         [{"t": text} for text in HOSTILE + ["it's", "it's \"both\"", "\x85\xa0\xad"]] +
         [{"n": number} for number in NUMBERS if "e" not in repr(number)] + [{"a": True, "b": False, "c": None, "d": "x"}]]
TEXTS += [("SL_FORMAT_LOGFMT", structlog.processors.LogfmtRenderer(key_order=["event"], bool_as_flag=False), fields) for fields in
          [{"t": text} for text in PLAIN] + [{"n": number} for number in NUMBERS if "e" not in repr(number)] +
          [{"a": True, "b": False, "c": None, "d": "x", "e": "two words"}]]


# ---- Python's side ----

class Lazy:
    """What JSONRenderer asks for its value when the line is written."""

    def __init__(self, value):
        self.value = value

    def __structlog__(self):
        return self.value


def python_root(lines, level):
    return structlog.wrap_logger(
        structlog.testing.CapturingLogger(), processors=[
            merge_contextvars, structlog.processors.add_log_level, structlog.processors.JSONRenderer(),
            lambda logger, method, line: (lines.append(line), (_ for _ in ()).throw(structlog.DropEvent))[1]],
        wrapper_class=structlog.make_filtering_bound_logger(level), context_class=dict, cache_logger_on_first_use=False
    ).bind()


def python_step(state, step):
    word, rest = step[0], step[1:]
    log = state["log"]
    if word in LEVELS:
        getattr(log, word)(rest[0], **rest[1])
    elif word == "log":
        log.log(rest[0], rest[1], **rest[2])
    elif word == "printf":
        getattr(log, rest[0])(rest[1], *rest[2])
    elif word == "lazy":
        getattr(log, rest[0])(rest[1], **{key: Lazy(value) for key, value in rest[2].items()})
    elif word in ("bind", "add"):
        state["log"] = log.bind(**rest[0])
    elif word == "new":
        state["log"] = log.new(**rest[0])
    elif word == "unbind":
        try:
            state["log"] = log.unbind(rest[0])
        except KeyError:
            state["lines"].append('{"event": "no such key", "level": "info"}')
    elif word == "try_unbind":
        state["log"] = log.try_unbind(rest[0])
    elif word == "push":
        state["tokens"].append(bind_contextvars(**rest[0]))
    elif word == "pop":
        reset_contextvars(**state["tokens"].pop())
    elif word == "unset":
        unbind_contextvars(rest[0])
    elif word == "clear":
        clear_contextvars()
    elif word == "level":
        context = structlog.get_context(log)
        number = LEVELS.get(rest[0], rest[0])
        state["log"] = python_root(state["lines"], 0 if number == "debug" else
                                   min(n for n in LEVELS.values() if n >= number)).bind(**context)
    elif word == "same":
        sides = []
        for steps in rest:
            side = {"lines": [], "tokens": [], "log": python_root([], 10)}
            for inner in steps:
                python_step(side, inner)
            sides.append(side["log"])
        state["lines"].append(json.dumps({"event": str(sides[0] == sides[1]), "level": "info"}))
    else:
        raise AssertionError(word)


def python_lines(steps):
    clear_contextvars()
    lines = []
    state = {"lines": lines, "tokens": [], "log": python_root(lines, 10)}
    for step in steps:
        python_step(state, step)
    clear_contextvars()
    return lines


# ---- ours ----

def c_text(text):
    data = text.encode() if isinstance(text, str) else text
    return '"' + "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in data) + '"'


def c_value(value):
    if isinstance(value, bool):
        return f"SL_BOOL({str(value).lower()})"
    if value is None:
        return "(const char *)NULL"
    if isinstance(value, int):
        if value == -2**63:
            return "INT64_MIN"
        return f"UINT64_C({value})" if value >= 2**63 else f"INT64_C({value})"
    if isinstance(value, float):
        if math.isnan(value):
            return "(double)NAN"
        if math.isinf(value):
            return "(double)INFINITY"
        return value.hex()
    if "\0" in value:
        return f"sl_strn({c_text(value)}, {len(value.encode())})"
    return c_text(value)


def c_pairs(fields):
    return ", ".join(f"{c_text(key)}, {c_value(value)}" for key, value in fields.items())


def c_call(name, log, event, fields):
    return f"{name}({log}, {c_text(event)}{', ' if fields else ''}{c_pairs(fields)});"


SHORT = {"debug": "sl_debug", "info": "sl_info", "warning": "sl_warn", "error": "sl_error",
         "critical": "sl_critical"}


def c_step(step, log, depth):
    word, rest = step[0], step[1:]
    if word in LEVELS:
        return c_call(SHORT[word], log, rest[0], rest[1])
    if word == "log":
        return c_call("sl_log", f"{log}", rest[1], rest[2]).replace("sl_log(" + log, f"sl_log({log}, {rest[0]}", 1)
    if word == "printf":
        words = "".join(", " + (f"(int){w}" if isinstance(w, int) else c_value(w)) for w in rest[2])
        return f"sl_printf({log}, {LEVELS[rest[0]]}, {c_text(rest[1])}{words});"
    if word == "lazy":
        (key, value), = rest[2].items()
        return (f"{{ int64_t lazy_value = {value}; struct sl_lazy lazy = {{ lazily, &lazy_value }}; "
                f"{SHORT[rest[0]]}({log}, {c_text(rest[1])}, {c_text(key)}, sl_lazily(&lazy)); }}")
    if word == "add":
        return f"sl_add(&{log}, {c_pairs(rest[0])});"
    if word in ("bind", "new"):
        return f"{log} = swap({log}, sl_{word}({log}, {c_pairs(rest[0])}));"
    if word == "unbind":
        return (f"{{ struct sl_logger *out = NULL; if (sl_unbind({log}, {c_text(rest[0])}, &out) == 0) "
                f"{log} = swap({log}, out); else sl_info(root, \"no such key\"); }}")
    if word == "try_unbind":
        return f"{log} = swap({log}, sl_try_unbind({log}, {c_text(rest[0])}));"
    if word == "push":
        return f"marks[mark++] = sl_context_push({c_pairs(rest[0])});"
    if word == "pop":
        return "sl_context_pop(marks[--mark]);"
    if word == "unset":
        return f"sl_context_unset({c_text(rest[0])});"
    if word == "clear":
        return "sl_context_clear();"
    if word == "level":
        return f"sl_set_level({log}, {LEVELS.get(rest[0], rest[0])});"
    if word == "same":
        sides = []
        for side, steps in zip("ab", rest):
            sides.append(f"struct sl_logger *{side} = sl_ref(root);")
            sides += [c_step(inner, side, depth + 1) for inner in steps]
        return ("{ " + " ".join(sides) + " bool same = sl_same_context(a, b); sl_unref(a); sl_unref(b);"
                " if (same) sl_info(root, \"True\"); else sl_info(root, \"False\"); }")
    raise AssertionError(word)


def c_program(cases, formats):
    out = ['#include "structlog/structlog.h"', "#include <math.h>", "#include <stdio.h>", "#include <stdlib.h>",
           "static struct sl_value lazily(void *argument) { return SL_VALUE(*(int64_t *)argument); }",
           "static struct sl_logger *swap(struct sl_logger *old, struct sl_logger *made)",
           "{ sl_unref(old); return made; }"]
    for number, case in enumerate(cases):
        out.append(f"static void case_{number}(struct sl_logger *root)\n{{")
        out.append("    struct sl_logger *log = sl_ref(root); size_t marks[64]; size_t mark = 0;")
        out.append("    (void)marks; (void)mark; (void)swap; (void)lazily;")
        out += ["    " + c_step(step, "log", 0) for step in case[1]]
        out.append("    sl_context_clear();\n    sl_unref(log);\n}")
    out.append("static const struct { void (*run)(struct sl_logger *); enum sl_format format; } cases[] = {")
    out += [f"    {{ case_{number}, {form} }}," for number, form in enumerate(formats)]
    out.append("""};
int main(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_capture *capture = sl_capture_new(1 << 20);
        struct sl_sink_options sink = { .kind = SL_SINK_CAPTURE, .format = cases[i].format, .capture = capture };
        struct sl_config config = { .level = SL_DEBUG, .without_pid = true, .sinks = &sink, .sink_count = 1 };
        struct sl_logger *root = NULL;
        if (capture == NULL || sl_open(&root, &config) < 0) return 1;
        cases[i].run(root);
        sl_unref(root);
        printf("case %zu\\n%s", i, sl_capture_text(capture));
        sl_capture_free(capture);
    }
    return 0;
}""")
    return "\n".join(out) + "\n"


def our_lines(cases, formats):
    """For each case its lines; one compiler run for all."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cases.c")
        with open(path, "w", encoding="utf-8") as file:
            file.write(c_program(cases, formats))
        words = os.environ.get("CC", "cc").split() + ["-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-I", source, path,
                                                      library, *links, "-o", path + ".out"]
        subprocess.run(words, check=True)
        text = subprocess.run([path + ".out"], check=True, capture_output=True).stdout.decode()
    found = []
    for line in text.split("\n")[:-1]:
        if line.startswith("case "):
            found.append([])
        else:
            found[-1].append(line)
    return found


# ---- comparing ----

def read(line):
    """(event, level, fields in order); the stamp, which only ours has, is left out."""
    pairs = json.loads(line, object_pairs_hook=lambda pairs: pairs)
    whole = dict(pairs)
    return whole["event"], whole["level"], [p for p in pairs if p[0] not in ("event", "level", "timestamp", "logger")]


def equal(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b))
    return type(a) is type(b) and a == b


def same_lines(steps, theirs, mine):
    """Equal, but for the place of the context's fields: Python puts them behind the others, in no
    order of their own; here they come first."""
    pushed = {key for step in steps if step[0] == "push" for key in step[1]}
    if len(theirs) != len(mine):
        return False
    for (event, level, fields), (our_event, our_level, our_fields) in zip(theirs, mine):
        if event == our_event == "no such key":  # the test's own line, without context in Python
            continue
        in_order = [p for p in fields if p[0] not in pushed]
        our_in_order = [p for p in our_fields if p[0] not in pushed]
        if (event, level) != (our_event, our_level) or not equal(in_order, our_in_order):
            return False
        if not equal(sorted(fields, key=lambda p: p[0]), sorted(our_fields, key=lambda p: p[0])):
            return False
    return True


def random_steps(dice):
    keys = ["a", "b", "c", "trace.id", "user", "n"]
    steps, depth = [], 0

    def fields():
        chosen = dice.sample(keys, dice.randint(1, 4))
        return {key: dice.choice(HOSTILE + NUMBERS + [True, False, None]) for key in chosen}
    for _ in range(dice.randint(3, 12)):
        word = dice.choice(["bind", "bind", "new", "unbind", "try_unbind", "push", "pop", "unset", "info", "error"])
        if word == "pop":
            if depth == 0:
                continue
            depth -= 1
            steps.append(("pop",))
        elif word == "push":
            depth += 1
            steps.append(("push", fields()))
        elif word in ("unbind", "try_unbind"):
            steps.append((word, dice.choice(keys)))
        elif word == "unset":
            if depth == 0:
                steps.append(("unset", dice.choice(keys)))
        elif word in ("info", "error"):
            steps.append((word, dice.choice(["e", "long event", "odd \"event\""]), fields()))
        else:
            steps.append((word, fields()))
    return steps + [("info", "last", {})]


def text_event(fields):
    return "e v" if fields else "e"


def main():
    cases = CASES + [(f"random {seed}", random_steps(random.Random(seed))) for seed in range(60)]
    both = cases + DIFFERENT
    texts = [(form, [("info", text_event(fields), fields)]) for form, _, fields in TEXTS]
    ours = our_lines(both + texts, ["SL_FORMAT_JSON"] * len(both) + [form for form, _ in texts])
    failed = 0
    for number, case in enumerate(both):
        theirs = [read(line) for line in python_lines(case[1])]
        mine = [read(line) for line in ours[number]]
        if number < len(cases):
            good = same_lines(case[1], theirs, mine)
        else:
            good = (equal(theirs[0][2], list(json.loads(case[2]).items())) and
                    equal(mine[0][2], list(json.loads(case[3]).items())))
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number + 1} - {case[0]!a}")
        if not good:
            print(f"# steps: {case[1]!a}\n# Python: {theirs!a}\n# ours:   {mine!a}")
    for number, (form, renderer, fields) in enumerate(TEXTS, len(both)):
        theirs = renderer(None, "info", {**fields, "event": text_event(fields)})
        mine = " event=" + ours[number][0].split(" event=", 1)[1]
        good = " " + theirs == mine and len(ours[number]) == 1
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number + 1} - {form} {fields!a}"[:150])
        if not good:
            print(f"# Python: {theirs!a}\n# ours:   {mine!a}")
    print(f"1..{len(both) + len(TEXTS)}")
    print(f"# {len(CASES)} written cases, {len(cases) - len(CASES)} random, {len(DIFFERENT)} different, {len(TEXTS)} texts")
    sys.exit(1 if failed else 0)


main()
