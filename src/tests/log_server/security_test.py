#!/usr/bin/env python3
"""security_test.py PROGRAM - users, passwords and API keys, as clients of Elasticsearch meet them.

Who is not known gets 401 in Elasticsearch's shape with the schemes that are taken; a password of a
file of hashes opens everything; keys are made, used, listed, expire, and are invalidated, and outlive
a restart. A broken file of users is told by its line.
"""
import base64, ctypes, ctypes.util, os, shutil, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import logs_role

tap = logs_role.Tap()
crypt = ctypes.CDLL(ctypes.util.find_library("crypt")).crypt
crypt.restype = ctypes.c_char_p
folder = tempfile.mkdtemp()
users = os.path.join(folder, "users")
with open(users, "wb") as file:
    file.write(b"# who may\nanna:" + crypt(b"p:w", b"$6$salt$") + b"\n\nbert:" + crypt(b"\xc3\xa9", b"$6$other$") + b"\n")


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def key(made):
    return {"Authorization": "ApiKey " + made["encoded"]}


role = logs_role.Role(sys.argv[1], os.path.join(folder, "data"), "--auth.users=" + users)


def call(method, path, body=None, headers=None):
    return role.call(method, path, body, headers=headers or {})


status, answer = call("GET", "/")
tap.expect("without credentials", (401, "security_exception", "missing authentication credentials for REST request [/]"),
          (status, answer["error"]["type"], answer["error"]["reason"]))
tap.expect("which schemes", ["Basic realm=\"security\" charset=\"UTF-8\"", "ApiKey"],
           role.raw("GET", "/")[1].get_all("WWW-Authenticate"))
for name, header in [("wrong password", basic("anna:no")), ("no such user", basic("zoe:p:w")), ("no password", basic("anna")),
                     ("bearer", {"Authorization": "Bearer abc"}), ("no base64", {"Authorization": "Basic %%%"}),
                     ("a NUL", basic("anna:p:w\0")), ("long", basic("anna:" + "p" * 5000)), ("a key that is none", {"Authorization": "ApiKey " + base64.b64encode(b"*:x").decode()})]:
    tap.expect(name, 401, call("GET", "/_cat/indices", headers=header)[0])
for path in ["/nothing/_search", "/_bulk", "/_nowhere"]:
    tap.expect("401 before anything else: " + path, 401, call("POST", path, "{}")[0])
anna = basic("anna:p:w")
for turn in range(2):
    tap.expect("right password, a colon in it", 200, call("GET", "/", headers=anna)[0])
tap.expect("UTF-8", 200, call("GET", "/", headers=basic("bert:\xe9"))[0])
tap.expect("who am I", ("anna", "file", "realm"), (lambda a: (a["username"], a["authentication_realm"]["name"], a["authentication_type"]))(
    call("GET", "/_security/_authenticate", headers=anna)[1]))
tap.expect("said to be on", True, call("GET", "/_xpack", headers=anna)[1]["features"]["security"]["enabled"])

status, made = call("POST", "/_security/api_key", {"name": "ship"}, anna)
tap.expect("a key", (200, "ship"), (status, made["name"]))
tap.expect("encoded", f"{made['id']}:{made['api_key']}", base64.b64decode(made["encoded"]).decode())
tap.expect("a key opens", 201, call("POST", "/x/_doc", {"a": 1}, key(made))[0])
tap.expect("who am I by key", ("anna", made["id"]), (lambda a: (a["username"], a["api_key"]["id"]))(
    call("GET", "/_security/_authenticate", headers=key(made))[1]))
another_end = "y" if made["api_key"].endswith("x") else "x"
other = {"encoded": base64.b64encode(f"{made['id']}:{made['api_key'][:-1]}{another_end}".encode()).decode()}
tap.expect("another secret", 401, call("GET", "/", headers=key(other))[0])
short = call("POST", "/_security/api_key", {"name": "short", "expiration": "1s"}, anna)[1]
tap.expect("lasts", 200, call("GET", "/", headers=key(short))[0])
tap.expect("no name", 400, call("POST", "/_security/api_key", {}, anna)[0])
tap.expect("roles", 400, call("POST", "/_security/api_key", {"name": "r", "role_descriptors": {"a": {}}}, anna)[0])
tap.expect("broken expiration", 400, call("POST", "/_security/api_key", {"name": "r", "expiration": "soon"}, anna)[0])
tap.expect("listed", ["ship", "short"], sorted(k["name"] for k in call("GET", "/_security/api_key", headers=anna)[1]["api_keys"]))
tap.expect("by name", ["ship"], [k["name"] for k in call("GET", "/_security/api_key?name=shi*", headers=anna)[1]["api_keys"]])
tap.expect("no secret is told again", False, "hash" in str(call("GET", "/_security/api_key", headers=anna)[1]) or made["api_key"] in str(call("GET", "/_security/api_key", headers=anna)[1]))
time.sleep(1.1)
tap.expect("is over", 401, call("GET", "/", headers=key(short))[0])
role.stop()
role.start()
tap.expect("outlives a restart", 200, call("GET", "/", headers=key(made))[0])
tap.expect("nothing named", 400, call("DELETE", "/_security/api_key", {}, anna)[0])
tap.expect("invalidated", [made["id"]], call("DELETE", "/_security/api_key", {"ids": [made["id"]]}, anna)[1]["invalidated_api_keys"])
tap.expect("is gone", 401, call("GET", "/", headers=key(made))[0])
with open(os.path.join(role.folder, "catalog.json"), "rb") as file:
    tap.expect("no secret on disk", False, made["api_key"].encode() in file.read())
role.stop()

role = logs_role.Role(sys.argv[1], os.path.join(folder, "data"), "--auth.users=" + users)


def rewrite(text):
    with open(users + ".new", "wb") as file:
        file.write(text)
    os.rename(users + ".new", users)
    time.sleep(1.1)


tap.expect("before the file changes", (200, 401), (call("GET", "/", headers=anna)[0], call("GET", "/", headers=basic("carl:new"))[0]))
rewrite(b"carl:" + crypt(b"new", b"$6$salt$") + b"\n")
tap.expect("after it", (401, 200), (call("GET", "/", headers=anna)[0], call("GET", "/", headers=basic("carl:new"))[0]))
rewrite(b"carl\n")
tap.expect("a broken one is not taken", 200, call("GET", "/", headers=basic("carl:new"))[0])
os.remove(users)
time.sleep(1.1)
tap.expect("nor one that is gone", 200, call("GET", "/", headers=basic("carl:new"))[0])
rewrite(b"dora:" + crypt(b"x", b"$6$salt$") + b"\n")
tap.expect("the next sound one is", (401, 200), (call("GET", "/", headers=basic("carl:new"))[0], call("GET", "/", headers=basic("dora:x"))[0]))
role.stop()
tap.expect("the log says so", (2, 2), (role.said().count("users read again"), role.said().count("cannot be read again")))

for name, text in [("no hash", "anna\n"), ("no such method", "anna:$zz$x\n"), ("plain text", "anna:secret\n"), ("empty", "\n")]:
    with open(users, "w") as file:
        file.write(text)
    done = subprocess.run([sys.argv[1], "--data=" + os.path.join(folder, "d"), "--listen=127.0.0.1:0", "--auth.users=" + users],
                          capture_output=True, text=True, timeout=20)
    tap.expect("a broken file: " + name, True, done.returncode != 0 and users in done.stdout + done.stderr)
shutil.rmtree(folder)
sys.exit(tap.end())
