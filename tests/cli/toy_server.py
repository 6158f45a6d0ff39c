#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A server for the tests of kmend-admin: the admin interface of server/openapi.json in memory, and some ways to be hostile.

toy_server.py PUBLIC-DIR PORT-FILE: begins with the documents of PUBLIC-DIR, writes its port to PORT-FILE. POST /toy {"key": value, ...}
sets what it does wrong: "evil" (a word, see below); hosts, counts and audit are set by it, too. It verifies no signature."""

import hashlib
import http.server
import json
import pathlib
import re
import sys
import urllib.parse

ADMIN = "kma_test"
state = {"evil": "", "hosts": [], "counts": {}, "audit": [], "blobs": {}, "releases": {}, "rollouts": [], "tokens": [], "admins": [],
         "documents": {}, "halts": {}}
COUNTS = "members online reached tried loaded settled failed stalled crashed silent wave_online wave_settled".split()


class Refused(Exception):
    pass


def body_of(document):
    """The body of an envelope."""
    head, _, rest = document.partition(b"\nbody ")
    size, _, body = rest.partition(b"\n")
    if not head.startswith(b"kmend signed 1 ") or len(body) != int(size):
        raise Refused(400, "document", "this is no signed document")
    return body


def newest(channel, kind):
    versions = state["documents"].get((channel, kind), {})
    return max(versions, default=0)


def load(public):
    for path in pathlib.Path(public).iterdir():
        channel, _, kind = path.name.rpartition(".")
        data = path.read_bytes()
        version = json.loads(body_of(data))["version"]
        state["documents"].setdefault(("" if kind == "root" else channel, kind), {})[version] = data


def release_row(key):
    body = json.loads(body_of(state["releases"][key]))
    row = {k: body[k] for k in ("name", "version", "summary", "severity", "issued")}
    if state["evil"] == "escapes":
        row["summary"] = "\x1b[2J\x1b]0;gone\x07"
    return {"id": key, "uploaded": 1800000000, **row}


def listed(channel):
    return json.loads(body_of(state["documents"][(channel, "index")][newest(channel, "index")]))["releases"]


def channel_row(name):
    return {"name": name, "halt": state["halts"].get(name), "changed": 0, "hosts": len(state["hosts"]),
            **{kind: newest(name, kind) for kind in ("index", "rollout", "timestamp")},
            "releases": [{"withdrawn": None, **entry} for entry in listed(name)]}


def channels():
    return sorted({channel for channel, kind in state["documents"] if kind == "index"})


def rollout(number):
    for r in state["rollouts"]:
        if r["id"] == int(number):
            return r
    raise Refused(404, "absent", "there is no such rollout")


def whole(r):
    return {**r, "counts": {**dict.fromkeys(COUNTS, 0), **state["counts"]}}


def of(rows, key, name):
    for row in rows:
        if row[name] == key:
            return row
    raise Refused(404, "absent", "there is no such thing")


# ---- what it answers; each gets the parts of the path, the query and the body ----
def get_document(channel, kind, version, **_):
    versions = state["documents"].get((channel, kind), {})
    version = int(version or newest(channel, kind))
    if state["evil"] == "old-index" and kind == "index":
        version = min(versions)
    if version not in versions:
        raise Refused(404, "absent", "there is no such document")
    return versions[version]


def put_blob(sha256, body, **_):
    if hashlib.sha256(body).hexdigest() != sha256:
        raise Refused(400, "sum", "the bytes have another sum")
    state["blobs"][sha256] = body
    return {"sha256": sha256, "size": len(body)}


def get_blob(sha256, **_):
    if sha256 not in state["blobs"]:
        raise Refused(404, "absent", "there is no such blob")
    return state["blobs"][sha256] + (b"+evil\n" if state["evil"] == "blob" else b"")


def post_release(body, **_):
    text = body_of(body)
    release = json.loads(text)
    sums = [p["sha256"] for k in release["kernels"] for p in k["payloads"]] + [release["source"]["sha256"]]
    if any(s not in state["blobs"] for s in sums):
        raise Refused(409, "blobs", "a blob is not there")
    key = hashlib.sha256(text).hexdigest()
    state["releases"][key] = body
    return {"id": key}


def get_release(release, **_):
    if release not in state["releases"]:
        raise Refused(404, "absent", "there is no such release")
    if state["evil"] == "other-release":
        release = sorted(state["releases"], key=lambda key: key == release)[0]
    return state["releases"][release]


def get_release_whole(release, **_):
    if release not in state["releases"]:
        raise Refused(404, "absent", "there is no such release")
    body = json.loads(body_of(state["releases"][release]))
    lists = [{"channel": c, "withdrawn": None, **e} for c in channels() for e in listed(c) if e["id"] == release]
    return {**release_row(release), "replace": body["replace"], "cves": body["cves"], "kernels": body["kernels"],
            "source": body["source"], "channels": [{k: e[k] for k in ("channel", "staged", "withdrawn")} for e in lists], "counts": []}


def post_index(channel, body, **_):
    index = json.loads(body_of(body))
    if index["channel"] != channel or index["version"] != newest(channel, "index") + 1:
        raise Refused(409, "stale", "it is not the successor of the newest index")
    state["documents"].setdefault((channel, "index"), {})[index["version"]] = body
    return {k: channel_row(channel)[k] for k in ("halt", "index", "rollout", "timestamp")} | {"channel": channel}


def get_history(channel, query, **_):
    versions = state["documents"].get((channel, query["document"]), {})
    return {"documents": [{"document": query["document"], "version": v, "sha256": hashlib.sha256(body_of(d)).hexdigest(), "size": len(d),
                           "stored": 1800000000} for v, d in sorted(versions.items(), reverse=True)][:int(query["limit"])]}


def stop_channel(channel, action, body, **_):
    of([{"name": c} for c in channels()], channel, "name")
    state["halts"][channel] = json.loads(body)["reason"] if action == "halt" else None
    return {"channel": channel, **{k: channel_row(channel)[k] for k in ("halt", "index", "rollout", "timestamp")}}


def post_rollout(body, **_):
    plan = json.loads(body)
    if plan["release"] not in [e["id"] for e in listed(plan["channel"])]:
        raise Refused(409, "not-listed", "the channel does not list the release")
    state["rollouts"].insert(0, {"id": len(state["rollouts"]) + 1, "channel": plan["channel"], "release": plan["release"],
                                 "state": "running", "wave": 0, "wave_since": 1800000000, "reason": "", "created": 1800000000,
                                 "by": "admin:ops", "revision": 1, "plan": plan,
                                 "forgiven": dict.fromkeys(("failed", "stalled", "crashed", "silent"), 0)})
    return whole(state["rollouts"][0])


def get_rollouts(query, **_):
    if query.get("open", "0") not in ("0", "1"):
        raise Refused(400, "query", "open is no number from 0 to 1")
    rows = [r for r in state["rollouts"] if query.get("open") != "1" or r["state"] in ("running", "halted")]
    rows = [r for r in rows if query.get("channel", r["channel"]) == r["channel"] and r["id"] < int(query.get("before", 1 << 30))]
    some = rows[:1 if state["evil"] == "pages" else int(query["limit"])]
    return {"rollouts": some, "next": some[-1]["id"] if len(some) < len(rows) else 0}


def stop_rollout(rollout_id, action, body, **_):
    r = rollout(rollout_id)
    words = {"halt": (("running",), "halted"), "resume": (("halted", "taken-back"), "running"),
             "rollback": (("running", "halted", "done"), "taken-back")}
    if r["state"] not in words[action][0]:
        raise Refused(409, "state", f"the rollout is {r['state']}")
    r["state"], r["reason"] = words[action][1], json.loads(body)["reason"]
    return whole(r)


def post_secret(kind, body, **_):
    new = json.loads(body)
    key = hashlib.sha256(new["name"].encode()).hexdigest()[:16]
    defaults = {"tokens": {"tags": [], "limit": 0, "min_severity": "low", "hosts": 0}, "admins": {}}[kind]
    state[kind].append({"id": key, "created": 1800000000, "expires": 0, "revoked": 0, **defaults, **new})
    return {"id": key, "secret": {"tokens": "kmt_", "admins": "kma_"}[kind] + "x" * 43}


def revoke(kind, key, body, **_):
    json.loads(body)["reason"]
    row = of(state[kind], key, "id")
    row["revoked"] = 1800000000
    return {"id": key, "revoked": row["revoked"]}


def get_hosts(query, **_):
    rows = [h for h in state["hosts"] if all(query.get(k, h[k]) == h[k] for k in ("channel", "state", "kernel", "token"))]
    rows = [h for h in rows if h["id"].startswith(query.get("q", "")) and query.get("tag", "") in h["tags"] + [""]]
    rows = [h for h in rows if h["n"] > int(query.get("after", 0))]
    some = rows[:int(query["limit"])]
    return {"hosts": some, "next": some[-1]["n"] if len(some) < len(rows) else 0}


def host_tags(host, body, **_):
    row = of(state["hosts"], host, "id")
    row["tags"] = sorted(json.loads(body)["tags"])
    return {"id": host, "tags": row["tags"]}


def forget_host(host, **_):
    state["hosts"].remove(of(state["hosts"], host, "id"))
    return {"id": host}


def get_audit(query, **_):
    after, limit = int(query.get("after", 0)), int(query["limit"])
    rows = [r for r in state["audit"] if r["seq"] > after][:limit]
    head = state["audit"][-1] if state["audit"] else {"seq": 0, "hash": "0" * 64}
    return {"records": rows, "next": rows[-1]["seq"] if rows else 0, "head": {"seq": head["seq"], "hash": head["hash"]}}


ROUTES = [(method, re.compile(pattern + "$"), handler) for method, pattern, handler in [
    ("GET", r"/v1/channels/(?P<channel>[^/]+)/(?P<kind>timestamp)(?P<version>)", get_document),
    ("GET", r"/v1/channels/(?P<channel>[^/]+)/(?P<kind>index|rollout)/(?P<version>\d+)", get_document),
    ("GET", r"/v1/(payloads|sources)/(?P<sha256>\w{64})", get_blob),
    ("GET", r"/v1/releases/(?P<release>\w{64})", get_release),
    ("PUT", r"/v1/admin/blobs/(?P<sha256>\w{64})", put_blob),
    ("GET", r"/v1/admin/releases", lambda **_: {"releases": [release_row(r) for r in state["releases"]], "next": None}),
    ("POST", r"/v1/admin/releases", post_release),
    ("GET", r"/v1/admin/releases/(?P<release>\w{64})", get_release_whole),
    ("GET", r"/v1/admin/channels", lambda **_: {"channels": [channel_row(c) for c in channels()]}),
    ("GET", r"/v1/admin/channels/(?P<channel>[^/]+)/history", get_history),
    ("POST", r"/v1/admin/channels/(?P<channel>[^/]+)/index", post_index),
    ("POST", r"/v1/admin/channels/(?P<channel>[^/]+)/(?P<action>halt|resume)", stop_channel),
    ("GET", r"/v1/admin/rollouts", get_rollouts),
    ("POST", r"/v1/admin/rollouts", post_rollout),
    ("GET", r"/v1/admin/rollouts/(?P<rollout_id>\d+)", lambda rollout_id, **_: whole(rollout(rollout_id))),
    ("POST", r"/v1/admin/rollouts/(?P<rollout_id>\d+)/(?P<action>halt|resume|rollback)", stop_rollout),
    ("GET", r"/v1/admin/(?P<kind>tokens|admins)", lambda kind, **_: {kind: state[kind]}),
    ("POST", r"/v1/admin/(?P<kind>tokens|admins)", post_secret),
    ("POST", r"/v1/admin/(?P<kind>tokens|admins)/(?P<key>\w+)/revoke", revoke),
    ("GET", r"/v1/admin/hosts", get_hosts),
    ("GET", r"/v1/admin/hosts/(?P<host>\w{64})", lambda host, **_: of(state["hosts"], host, "id")),
    ("PUT", r"/v1/admin/hosts/(?P<host>\w{64})/tags", host_tags),
    ("DELETE", r"/v1/admin/hosts/(?P<host>\w{64})", forget_host),
    ("GET", r"/v1/admin/audit", get_audit),
]]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, data):
        if state["evil"] == "no-json":
            data = b"<html>hello</html>"
        elif not isinstance(data, bytes):
            data = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def serve(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if url.path == "/toy":
            state.update(json.loads(body))
            return 200, {}
        if self.headers.get("Authorization") != f"Bearer {ADMIN}":
            raise Refused(401, "unauthorized", "this token is not known")
        for method, pattern, handler in ROUTES:
            match = pattern.match(url.path)
            if match and method == self.command:
                return 200, handler(query=query, body=body, **match.groupdict())
        raise Refused(404, "not-found", "there is no such path")

    def do_GET(self):
        try:
            status, data = self.serve()
        except Refused as refused:
            status, data = refused.args[0], {"error": {"code": refused.args[1], "message": refused.args[2]}}
        self.answer(status, data)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_):
        pass


def main():
    load(sys.argv[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    path = pathlib.Path(sys.argv[2])
    path.with_suffix(".new").write_text(str(server.server_port))
    path.with_suffix(".new").rename(path)
    server.serve_forever()


main()
