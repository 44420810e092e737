#!/usr/bin/env python3
"""lucene_test.py PROGRAM [DOCUMENTS QUERIES STRINGS [SEED]] - the same hits as Lucene's own.

Generated documents go into the role logs and, through LuceneOracle.java, into Debian's Lucene 8;
generated query strings go to both, and the sets of documents must be equal, an error being an
answer too. Then generated strings of many scripts are cut into tokens by both. Skips without Java
or liblucene8-java. A failure prints the seed's query and both answers.
"""
import glob, http.client, json, os, random, re, shutil, subprocess, sys, tempfile
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(here), "log_server"))
import logs_role

counts = [int(text) for text in sys.argv[2:5]] or [300, 400, 600]
document_count, query_count, string_count = counts
seed = int(sys.argv[5]) if len(sys.argv) > 5 else 7
dice = random.Random(seed)
tap = logs_role.Tap()

WORDS = ["timeout", "Timeout", "error", "ERROR", "connection", "refused", "connect", "foo", "bar", "baz",
         "foo-bar", "wi-fi", "java.lang.NullPointerException", "10.0.0.1", "10.0.0.2:8080", "error:timeout",
         "user_id", "user.id=5", "x86_64", "don't", "café", "cafe", "straße", "STRASSE", "Ελλάδα", "ελλάδα",
         "Москва", "日本語", "ログ", "エラー", "한국어", "ไทย", "שלום", "مرحبا", "a", "b", "c", "to", "or", "and", "not",
         "AND", "OR", "NOT", "TO", "3.14", "1,000", "200", "404", "500", "/var/log/syslog", "C++", "AT&T",
         "server.go:42", "abc", "abd", "acb", "abcd", "abcde", "abdce", "kitten", "sitting", "mitten", "😀"]
LEVELS = ["info", "warn", "ERROR", "error", "very bad", "de:bug", "a*b", "foo-bar", "Ünïcode"]
SEPARATORS = [" "] * 12 + [", ", "  ", ": ", "\t", "-", "/", "=", "\n", "."]


def message():
    text = dice.choice(WORDS)
    for _ in range(dice.randrange(0, 10)):
        text += dice.choice(SEPARATORS) + dice.choice(WORDS)
    return text


def document():
    made = {}
    if dice.random() < 0.95:
        made["message"] = message()
    if dice.random() < 0.8:
        made["level"] = dice.choice(LEVELS)
    if dice.random() < 0.8:
        made["n"] = dice.choice([dice.randrange(-5, 20), dice.randrange(-10**6, 10**6), 2**40])
    return made


SPECIAL = set('+-=&|><!(){}[]^"~*?:\\/ \t\n')


def escaped(word):
    return "".join("\\" + c if c in SPECIAL else c for c in word)


def word():
    text = escaped(dice.choice(WORDS))
    return "x" if text in ("AND", "OR", "NOT", "TO") else text


def mutated(text):
    characters = list(text)
    for _ in range(dice.randrange(1, 3)):
        at = dice.randrange(len(characters))
        kind = dice.random()
        if kind < 0.4:
            characters[at] = dice.choice("abcdeot")
        elif kind < 0.6 and len(characters) > 1:
            del characters[at]
        elif kind < 0.8:
            characters.insert(at, dice.choice("abcdert"))
        elif at + 1 < len(characters):
            characters[at], characters[at + 1] = characters[at + 1], characters[at]
        if not characters:
            return "a"
    return "".join(characters)


def wildcard():
    text = dice.choice([w for w in WORDS if " " not in w])
    characters = [escaped(c) for c in text]
    for _ in range(dice.randrange(1, 3)):
        at = dice.randrange(len(characters))
        characters[at:at + dice.randrange(0, 3)] = [dice.choice("*?")]
    return "".join(characters) or "*o"


def regex():
    return "/" + dice.choice([
        "err.*", "err", "[a-c]+", "ab(c|d)e?", "(foo|bar)", ".*out", "time.{3}", "[^a]+", "a{1,2}b?c", "ERR.*",
        "ab~(c)", "abc&ab.", "<1-500>", "[0-9]+", "\"foo\"", "caf.", "connect(ion)?", "k?itten", "@", "",
        "java\\.lang\\..*", "10\\.0\\.0\\.[12]", "t[io]+.*", "(a|ab)(c|bcd)", ".", "..", "a*b*c*d*", "\\d+",
        "^err", "$", "[a", "(a", "a)", "a|", "|a", "()", "a+?", "a**", "x{0}", "#", "日.*", "[а-я]+"]) + "/"


def value(field):
    kind = dice.random()
    if field == "n":
        return dice.choice([str(dice.randrange(0, 20)), f"[{dice.randrange(0, 9)} TO {dice.randrange(5, 30)}]",
                            f"{{{dice.randrange(0, 9)} TO *}}", f"[* TO {dice.randrange(0, 500)}}}", "*",
                            f"[\\-{dice.randrange(1, 9)} TO 7]", "\\-3", "(1 OR 2 OR 3)"])
    if field == "level":
        return dice.choice([escaped(dice.choice(LEVELS)), '"' + dice.choice(LEVELS) + '"', "*", "e*", "?rror",
                            "ERR*", "[a TO i]", "{error TO *]", "/[a-z]+/", "eror~1", "ERROR~", "(info error)"])
    if kind < 0.35:
        return word()
    if kind < 0.55:
        words = " ".join(dice.choice(WORDS).replace('"', "") for _ in range(dice.randrange(1, 4)))
        if dice.random() < 0.6:  # one that is there
            line = dice.choice(documents).get("message", "a").split()
            at = dice.randrange(len(line))
            words = " ".join(line[at:at + dice.randrange(1, 4)])
            words = words.replace("\\", "").replace('"', "")
        slop = f"~{dice.randrange(0, 5)}" if dice.random() < 0.35 else ""
        return f'"{words}"{slop}'
    if kind < 0.67:
        return wildcard()
    if kind < 0.76:
        return escaped(mutated(dice.choice(WORDS))).replace("AND", "and") + "~" + dice.choice(
            ["", "1", "2", "0", "0.5", "1", "2", "+1", "-1", "1.5", "+", "1-2", "x"])
    if kind < 0.84:
        return regex()
    if kind < 0.92:
        low, high = sorted([dice.choice(WORDS), dice.choice(WORDS)])
        low, high = escaped(low), escaped(high)
        return dice.choice([f"[{low} TO {high}]", f"{{{low} TO {high}}}", f"[{low} TO *]", f"[* TO {high}}}"])
    return dice.choice(["*", "t*", "*o*"])


def clause(depth):
    kind = dice.random()
    if kind < 0.15 and depth < 3:
        body = "(" + query(depth + 1) + ")"
    elif kind < 0.2 and depth < 3:
        body = "message:(" + query(depth + 1, False) + ")"
    elif kind < 0.5:
        field = dice.choice(["message", "level", "n", "n", "level"])
        body = f"{field}:{value(field)}"
    elif kind < 0.53:
        body = "_exists_:" + dice.choice(["message", "level", "n", "nothing"])
    elif kind < 0.55:
        body = "*:*"
    else:
        body = value("message")
    if dice.random() < 0.08:
        body += "^" + dice.choice(["2", "0.5", "10"])
    return dice.choice([""] * 8 + ["+", "-", "!", "NOT "]) + body


def query(depth=0, has_fields=True):
    def one():
        return clause(depth) if has_fields else dice.choice(["", "+", "-"]) + value("message")
    text = one()
    for _ in range(dice.choice([0, 0, 1, 1, 2, 3])):
        text += dice.choice([" ", " ", " AND ", " OR ", " && ", " || ", " AND NOT "]) + one()
    return text


def broken(text):
    """A query with a character too many or too few. "*:a" is none of them: to Lucene "*" is a field that nobody has, to
    Elasticsearch, and so to us, all fields."""
    at = dice.randrange(len(text) + 1)
    if dice.random() < 0.5:
        other = text[:at] + dice.choice('()"[]{}/\\:+-!^~*? ') + text[at:]
    else:
        other = text[:max(at - 1, 0)] + text[at:]
    return text if re.search(r"\*:(?!\*(?![^\s)]))", other) else other


def class_path():
    jars = [glob.glob(f"/usr/share/java/lucene-{name}-8*.jar") for name in
            ("core", "analyzers-common", "queryparser", "sandbox", "queries")]
    return ":".join(jar[0] for jar in jars if jar) if jars[0] and jars[1] and jars[2] else None


def oracle(*arguments, text=None):
    return subprocess.run(["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", class_path(),
                           os.path.join(here, "LuceneOracle.java"), *arguments], input=text, check=True,
                          stdout=subprocess.PIPE, encoding="utf-8").stdout.splitlines()


def ours(connection, text, operator):
    body = {"size": 10000, "_source": False, "sort": ["_doc"], "query": {"query_string": {
        "query": text, "default_field": "message", "default_operator": operator}}}
    connection.request("POST", "/l/_search", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = json.loads(answer.read())
    if answer.status == 200:
        return sorted(int(hit["_id"]) for hit in data["hits"]["hits"])
    return "ERROR" if answer.status == 400 else data


def show(text, limit=160):
    return str(text)[:limit]


def compare_hits(role, folder):
    role.call("PUT", "/l", {"mappings": {"properties": {
        "message": {"type": "text"}, "level": {"type": "keyword"}, "n": {"type": "long"}}}})
    lines = [part for i, made in enumerate(documents) for part in ({"index": {"_index": "l", "_id": str(i)}}, made)]
    role.call("POST", "/_bulk", logs_role.bulk(*lines))
    queries = []
    for i in range(query_count):
        text = query()
        if dice.random() < 0.06:
            text = broken(text)
        queries.append((dice.choice(["or", "or", "and"]), text))
    with open(os.path.join(folder, "documents.tsv"), "w", encoding="utf-8") as file:
        for made in documents:
            texts = [json.dumps(made[key]) if key in made else "" for key in ("message", "level", "n")]
            file.write("\t".join(texts) + "\n")
    with open(os.path.join(folder, "queries.tsv"), "w", encoding="utf-8") as file:
        for operator, text in queries:
            file.write(f"{operator}\t{json.dumps(text)}\n")
    wanted = oracle("search", folder)
    connection = http.client.HTTPConnection("127.0.0.1", role.port, timeout=60)
    different, found, errors = [], 0, 0
    for (operator, text), line in zip(queries, wanted):
        want = "ERROR" if line == "ERROR" else [int(number) for number in line.split()]
        got = ours(connection, text, operator)
        errors += want == "ERROR"
        found += want != "ERROR" and len(want) > 0
        if got != want:
            different.append(f"{operator} {text!r}: Lucene {show(want)}, ours {show(got)}")
    print(f"# {len(wanted)} queries: {found} with hits, {errors} errors; {len(different)} different")
    for line in different[:40]:
        print("# " + line)
    tap.expect(f"hits of {query_count} queries over {document_count} documents (seed {seed})",
               (query_count, 0), (len(wanted), len(different)))


RANGES = [(0x20, 0x7e)] * 6 + [(0xa0, 0x17f), (0x370, 0x3ff), (0x400, 0x4ff), (0x530, 0x58f), (0x590, 0x5f4),
          (0x600, 0x6ff), (0x900, 0x97f), (0x980, 0x9ff), (0xb80, 0xbff), (0xe00, 0xe5b), (0xe80, 0xedf),
          (0x1000, 0x109f), (0x10a0, 0x10ff), (0x1100, 0x11ff), (0x1780, 0x17f9), (0x1e00, 0x1fff),
          (0x2000, 0x206f), (0x20a0, 0x20bf), (0x2100, 0x214f), (0x2460, 0x24ff), (0x2600, 0x27bf),
          (0x3000, 0x303f), (0x3041, 0x309f), (0x30a0, 0x30ff), (0x3130, 0x318f), (0x4e00, 0x4eff),
          (0xac00, 0xacff), (0xfe00, 0xfe0f), (0xff01, 0xffee), (0x1f1e6, 0x1f1ff), (0x1f300, 0x1f3ff),
          (0x1f400, 0x1f64f), (0x1f680, 0x1f6c5), (0x20000, 0x200ff), (0x10400, 0x1044f), (0x1d400, 0x1d4ff),
          (0xe0020, 0xe007f), (0x200c, 0x200d), (0x5f, 0x5f), (0x2e, 0x2e), (0x3a, 0x3a), (0x27, 0x27)]


def text_of_scripts():
    out = ""
    for _ in range(dice.randrange(1, 12)):
        if dice.random() < 0.15:
            out += dice.choice(WORDS)
        low, high = dice.choice(RANGES)
        out += "".join(chr(dice.randint(low, high)) for _ in range(dice.randrange(1, 5)))
    return out


# Emoji with modifiers and looks, joined once or twice, beside letters, keys and flags.
PICTURES = ["\u200d"] * 4 + ["\u200d\u200d", "\U0001f3fb", "\U0001f3ff", "\ufe0f", "\ufe0f", "\ufe0e", "\U0001f469", "\U0001f467",
            "\u270b", "\u2640", "\u2764", "\U0001f600", "\U0001f1e9", "\U0001f1ea", "1", "#", "\u20e3", "a", " ", "\u0301",
            "\u00a9", "\u2122", "\U0001f3f4", "\U000e0067", "\U000e007f", "_", "ア", "中", "\u0e01", "\u0e31"]


def text_of_pictures():
    return "".join(dice.choice(PICTURES) for _ in range(dice.randrange(1, 9)))


def compare_tokens(role):
    texts = ["x" * 255, "x" * 256, "x" * 700, "é" * 300, "\U00020000" * 300, "א\"ב", "1.a", "a.1", "1;2", "👩‍👩‍👧‍👦🇩🇪1️⃣"]
    texts += [dice.choice((text_of_scripts, text_of_pictures))() for _ in range(string_count - len(texts))]
    wanted = oracle("tokens", text="".join(json.dumps(text) + "\n" for text in texts))
    connection = http.client.HTTPConnection("127.0.0.1", role.port, timeout=60)
    different, token_count = [], 0
    for text, line in zip(texts, wanted):
        connection.request("POST", "/_analyze", json.dumps({"analyzer": "standard", "text": text}),
                           {"Content-Type": "application/json"})
        tokens = json.loads(connection.getresponse().read())["tokens"]
        got = [[t["token"], t["start_offset"], t["end_offset"], t["type"], t["position"]] for t in tokens]
        want = json.loads(line)
        token_count += len(want)
        if got != want:
            different.append(f"{json.dumps(text)}\n#   Lucene {want}\n#   ours   {got}")
    print(f"# {len(wanted)} strings, {token_count} tokens; {len(different)} strings cut differently")
    for line in different[:12]:
        print("# " + line)
    tap.expect(f"tokens of {string_count} strings (seed {seed})", (string_count, 0), (len(wanted), len(different)))


if shutil.which("java") is None or class_path() is None:
    print("1..0 # SKIP needs Java and Debian's liblucene8-java")
    sys.exit(0)
documents = [document() for _ in range(document_count)]
scratch = tempfile.mkdtemp(prefix="logs-lucene-")
try:
    role = logs_role.Role(sys.argv[1], os.path.join(scratch, "data"))
    compare_hits(role, scratch)
    compare_tokens(role)
    role.stop()
finally:
    shutil.rmtree(scratch, ignore_errors=True)
sys.exit(tap.end())
