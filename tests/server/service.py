#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tokens, hosts, documents, blobs, roles, and whatever a stranger may send."""
import subprocess
import tempfile

from fleet import *


def test_attach(f):
    token = f.token(limit=2, tags=["canary"], name="two")
    one, two, three = Host(f.server, 1), Host(f.server, 2), Host(f.server, 3)
    tap.equal(one.attach(token).status, 201, "a host attaches")
    first = one.secret
    tap.equal(one.checkin().json["tags"], ["canary"], "it has its token's tags")
    tap.equal(one.attach(token).status, 201, "it attaches again")
    tap.ok(one.secret != first and one.checkin().status == 200, "with a new secret")
    tap.equal(f.server.ask("POST", "/v1/checkin", first, one.report()).status, 401, "the old one is over")
    tap.equal(two.attach(token).status, 201, "a second host")
    answer = three.attach(token)
    tap.equal((answer.status, answer.code), (403, "host-limit"), "the host limit")
    tap.ok(f.audit("host.refused"), "it is in the audit log")
    answer = Host(f.server, 1).attach(f.token())
    tap.equal((answer.status, answer.code), (409, "host-exists"), "another token's host")
    tap.equal(f.server.ask("POST", "/v1/detach", two.secret).status, 204, "detach")
    tap.equal(two.checkin().status, 401, "it is forgotten")
    tap.equal(three.attach(token).status, 201, "there is room for another one")
    tap.equal(f.server.ask("POST", "/v1/checkin", three.secret, one.report()).code, "other-host", "a host speaks for itself alone")
    tap.equal(f.server.ask("POST", "/v1/attach", three.secret, {}).status, 401, "a host's secret is no token")


def test_expiry(f):
    token = f.token(expires=int(time.time()) + 2)
    host = f.host(token, "late")
    time.sleep(2.2)
    tap.equal(host.checkin().code, "token-expired", "an expired token ends its hosts")
    tap.equal(Host(f.server, "later").attach(token).code, "token-expired", "and takes none")
    tap.equal(f.ask("POST", "/v1/admin/tokens", {"name": "t", "channel": "stable", "expires": 5}).status, 400, "one that has expired already")


def test_revocation(f):
    token = f.token()
    host = f.host(token, "lost")
    ident = f.ask("GET", "/v1/admin/hosts/" + host.id).json["token"]
    tap.equal(f.ask("POST", f"/v1/admin/tokens/{ident}/revoke", {"reason": "lost laptop"}).status, 200, "a token is revoked")
    tap.equal(host.checkin().code, "token-revoked", "its hosts are out at once")
    tap.equal(host.get("/v1/channels/stable/timestamp").status, 403, "with all that they ask for")
    tap.equal(f.audit("token.revoke")[-1]["detail"], "lost laptop", "the audit log has the reason")
    tap.equal(f.ask("POST", "/v1/admin/tokens/0123456789abcdef/revoke", {"reason": "x"}).status, 404, "a token that nobody has")
    viewer = f.role("viewer")
    ident = next(a["id"] for a in f.ask("GET", "/v1/admin/admins").json["admins"] if a["name"] == "a viewer")
    f.ask("POST", f"/v1/admin/admins/{ident}/revoke", {"reason": "has left"})
    tap.equal(f.server.ask("GET", "/v1/admin/status", viewer).status, 401, "an admin token is revoked")


def test_documents(f):
    host = f.host(f.token(), "reader")
    answer = host.checkin().json
    stamp = host.get("/v1/channels/stable/timestamp")
    body = body_of(stamp.body)
    tap.equal(body["version"], answer["timestamp"], "the check-in names the newest timestamp")
    index = host.get(f"/v1/channels/stable/index/{body['index']['version']}")
    tap.equal(body_of(index.body)["channel"], "stable", "its index")
    tap.equal(host.get(f"/v1/channels/stable/rollout/{body['rollout']['version']}").status, 200, "its rollout")
    tap.equal(f.server.ask("GET", "/v1/roots/1").body, f.publisher.file("1.root"), "root 1, byte for byte, for anyone")
    fingerprint = f.ask("GET", "/v1/admin/status").json["root"]["sha256"]
    tap.equal(f.server.ask("GET", "/v1/roots/" + fingerprint).status, 200, "the same by its sum")
    for path in ("/v1/roots/2", "/v1/roots/0", "/v1/roots/x", "/v1/roots/" + "0" * 64):
        tap.equal(f.server.ask("GET", path).status, 404, path)
    tap.equal(host.get("/v1/channels/stable/timestamp", **{"If-None-Match": stamp.headers["etag"]}).status, 304, "ETag")
    for path in ("/v1/channels/edge/timestamp", "/v1/channels/edge/index/1", "/v1/channels/edge/rollout/1", "/v1/channels/none/timestamp",
                 "/v1/channels/stable/index/99", "/v1/channels/stable/index/-1"):
        tap.equal(host.get(path).status, 404, "not this host's: " + path)
    tap.equal(f.server.ask("GET", "/v1/channels/stable/timestamp").status, 401, "nobody's")


def test_tenants(f):
    low = f.publish("low_one", severity="low", payload=b"low payload", source=b"low source", staged=False)
    edge = f.publish("edge_one", channels=("edge",), payload=b"edge payload", source=b"edge source", staged=False)
    any_host, high = f.host(f.token(), "any"), f.host(f.token(min_severity="high"), "high only")
    tap.equal(any_host.get("/v1/releases/" + low).status, 200, "a release of its channel")
    tap.equal(any_host.get("/v1/payloads/" + sha256(b"low payload")).body, b"low payload", "its payload")
    tap.equal(any_host.get("/v1/sources/" + sha256(b"low source")).body, b"low source", "its source")
    tap.equal(high.checkin().json["min_severity"], "high", "the severity policy is told")
    for what in ("releases/" + low, "payloads/" + sha256(b"low payload"), "sources/" + sha256(b"low source")):
        tap.equal(high.get("/v1/" + what).status, 404, "below the token's severity: " + what[:12])
    for what in ("releases/" + edge, "payloads/" + sha256(b"edge payload"), "sources/" + sha256(b"edge source")):
        tap.equal(any_host.get("/v1/" + what).status, 404, "another channel's: " + what[:12])
        tap.equal(f.server.ask("GET", "/v1/" + what).status, 401, "without a secret: " + what[:12])
        tap.equal(f.ask("GET", "/v1/" + what).status, 200, "with an admin token: " + what[:12])
    f.extend("stable", {"id": low, "staged": False, "withdrawn": "it was bad"})
    tap.equal(any_host.get("/v1/releases/" + low).status, 200, "a withdrawn release can be seen")
    tap.equal(any_host.get("/v1/payloads/" + sha256(b"low payload")).status, 404, "and not be had")


def test_blobs(f):
    data = bytes(range(256)) * 400
    path = "/v1/admin/blobs/" + sha256(data)
    tap.equal(f.ask("PUT", path, b"other bytes").status, 422, "bytes with another sum")
    tap.equal(f.ask("GET", "/v1/payloads/" + sha256(data)).status, 404, "are not kept")
    tap.equal(f.ask("PUT", path, data).status, 201, "a blob")
    tap.equal(f.ask("PUT", path, data).status, 200, "once more")
    (f.server.data / "blobs" / sha256(data)[:2] / sha256(data)[2:]).write_bytes(b"spoiled by the disk")
    tap.equal(f.ask("PUT", path, data).status, 200, "and again, when the disk has spoiled it")
    tap.equal(f.ask("GET", "/v1/payloads/" + sha256(data)).body, data, "it is mended")
    tap.equal(list((f.server.data / "blobs/part").iterdir()), [], "no part is left behind")
    get = "/v1/payloads/" + sha256(data)
    answer = f.ask("GET", get)
    tap.ok(answer.body == data and "immutable" in answer.headers["cache-control"], "its bytes, for good")
    tap.equal(answer.headers["etag"], f'"{sha256(data)}"', "its ETag is its sum")
    answer = f.ask("GET", get, headers={"Range": "bytes=100-199"})
    tap.equal((answer.status, answer.body, answer.headers.get("content-range")), (206, data[100:200], f"bytes 100-199/{len(data)}"), "a range")
    tap.equal(f.ask("GET", get, headers={"Range": "bytes=-10"}).body, data[-10:], "the last ten bytes")
    tap.equal(f.ask("GET", get, headers={"Range": f"bytes={len(data)}-"}).status, 416, "a range behind the end")
    tap.equal(f.ask("GET", get, headers={"If-None-Match": f'"{sha256(data)}"'}).status, 304, "what is known is not sent")
    answer = f.ask("HEAD", get)
    tap.equal((answer.status, int(answer.headers["content-length"]), answer.body), (200, len(data), b""), "HEAD")
    for bad in ("..%2f..%2fstate.db", "%2e%2e/state.db", "../state.db", "ABCDEF" * 10 + "ABCD", "x" * 64, "0" * 63):
        tap.ok(f.ask("PUT", "/v1/admin/blobs/" + bad, b"x").status in (400, 404), "a name that is a trick: " + bad[:20])
        tap.ok(f.ask("GET", "/v1/payloads/" + bad).status in (400, 404), "… to read: " + bad[:20])


def test_publishing(f):
    document, ident = f.publisher.release("forged", keys=("builder-1",))
    answer = f.ask("POST", "/v1/admin/releases", document)
    tap.equal((answer.status, answer.code), (403, "signatures"), "a release that the reviewer has not signed")
    tap.ok(any(r["object"] == ident for r in f.audit("document.refused")), "it is in the audit log")
    document, ident = f.publisher.release("lacking", b"not sent", b"not sent either")
    tap.equal(f.ask("POST", "/v1/admin/releases", document).code, "blob-absent", "a release whose blobs are not there")
    document, _ = f.publisher.index("stable", [{"id": ident, "staged": True}], version=f.publisher.versions["stable"] + 1)
    tap.equal(f.ask("POST", "/v1/admin/channels/stable/index", document).code, "release-absent", "an index with a release that is not there")
    document, _ = f.publisher.index("stable", [], version=f.publisher.versions["stable"] + 2)
    tap.equal(f.ask("POST", "/v1/admin/channels/stable/index", document).code, "index-stale", "an index that leaves one out")
    document, _ = f.publisher.index("stable", [], version=f.publisher.versions["stable"])
    tap.equal(f.ask("POST", "/v1/admin/channels/stable/index", document).code, "index-stale", "another index of the same version")
    document, _ = f.publisher.index("stable", [], version=f.publisher.versions["stable"] + 1)
    tap.equal(f.ask("POST", "/v1/admin/channels/edge/index", document).code, "channel", "an index for another channel")
    document = document.replace(b"signature index", b"signature Index")
    tap.equal(f.ask("POST", "/v1/admin/channels/stable/index", document).status, 400, "a frame that is none")
    document, _ = f.publisher.index("stable", [], version=f.publisher.versions["stable"] + 1, expires=int(time.time()) - 5,
                                    issued=int(time.time()) - 100)
    tap.equal(f.ask("POST", "/v1/admin/channels/stable/index", document).code, "expired", "an index that has expired")
    before = f.ask("GET", "/v1/admin/channels").json["channels"]
    release = f.publish("good_one")
    tap.equal(f.ask("GET", "/v1/admin/channels").json["channels"][1]["timestamp"],
              before[1]["timestamp"] + 1, "a new index is followed by a new timestamp")
    whole = f.ask("GET", "/v1/admin/releases/" + release).json
    tap.equal((whole["name"], whole["channels"][0]["channel"], whole["cves"]), ("good_one", "stable", ["CVE-2026-0001"]), "the release's page")
    tap.ok(any(c["release"] == release for c in f.ask("GET", "/v1/admin/cves").json["cves"]), "its CVEs")
    tap.equal(f.ask("POST", "/v1/admin/roots", f.publisher.file("1.root")).status, 200, "the root once more")
    tap.equal(f.ask("POST", "/v1/admin/roots", f.publisher.file("stable.index")).status, 400, "an index is no root")
    with tempfile.TemporaryDirectory(dir=f.work) as d:
        stranger = Publisher(os.environ["KMEND"], Path(d) / "stranger")
        tap.equal(f.ask("POST", "/v1/admin/roots", stranger.file("1.root")).status, 403, "a stranger's root")
        document, _ = stranger.index("stable", [], version=f.publisher.versions["stable"] + 1)
        tap.equal(f.ask("POST", "/v1/admin/channels/stable/index", document).code, "signatures", "a stranger's index")
    tap.equal(len(f.ask("GET", "/v1/admin/channels/stable/history?document=index").json["documents"]), f.publisher.versions["stable"],
              "the history of indexes")


NEEDED = {"viewer": 0, "operator": 1, "releaser": 2}


def test_roles(f):
    """Every admin route with every role: refused exactly where its x-role says."""
    secrets = {role: f.role(role) for role in NEEDED}
    host = f.host(f.token(), "no admin")
    wrong = []
    for path, row in API["paths"].items():
        for method, operation in row.items():
            role = operation.get("x-role")
            if not role:
                continue
            url = re.sub(r"\{\w+\}", "0" * 64, path)
            for name, secret in secrets.items():
                status = f.server.ask(method.upper(), url, secret, b"{}" if method != "get" and method != "delete" else None).status
                if (status == 403) != (NEEDED[name] < NEEDED[role]) or status == 401:
                    wrong.append(f"{method} {path} as {name}: {status}")
            for secret in (None, host.secret, "kma_" + "A" * 43):
                status = f.server.ask(method.upper(), url, secret, b"{}" if method != "get" and method != "delete" else None).status
                if status not in (401, 429):
                    wrong.append(f"{method} {path} with {secret and secret[:4]}: {status}")
    tap.equal(wrong, [], "each role may exactly what it may")
    tap.ok(f.audit("auth.refused"), "who tries is in the audit log")


SQL = "x'; DROP TABLE hosts; --"


def test_bad_input(f):
    host = f.host(f.token(), "hostile")
    good = host.report()
    for name, body in (("no JSON", b"{"), ("nothing", b""), ("an array", b"[]"), ("a key too many", dict(good, more=1)),
                       ("a key too few", {k: v for k, v in good.items() if k != "boot"}), ("a number as text", dict(good, root="1")),
                       ("a state that is none", dict(good, state="fine")), ("a NUL", json.dumps(good).replace("0.1.0", "\\u0000").encode()),
                       ("twice the same key", b'{"format":1,"format":1}'), ("deep", b"[" * 30000), ("no UTF-8", b'{"a":"\xff"}'),
                       ("a line break", dict(good, agent="a\nb")), ("SQL as a kernel", dict(good, host=SQL)), ("huge", dict(good, root=2 ** 63))):
        answer = f.server.ask("POST", "/v1/checkin", host.secret, body)
        tap.equal(answer.status, 400, "a report with " + name)
    tap.equal(f.server.ask("POST", "/v1/checkin", host.secret, b" " * 70000).status, 413, "an oversized report")
    got = raw(f.server, b"POST /v1/checkin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + host.secret.encode() +
              b"\r\nContent-Length: 99999999999\r\n\r\n", 3)
    tap.ok(b" 413 " in got.split(b"\r\n")[0] + b" ", "a body that is announced too large", got[:200])
    tap.equal(f.ask("POST", "/v1/admin/tokens", {"name": SQL, "channel": "stable"}).status, 201, "SQL as a name is a name")
    tap.ok(any(t["name"] == SQL for t in f.ask("GET", "/v1/admin/tokens").json["tokens"]), "and comes back as it was")
    sql = "x%27%3B%20DROP%20TABLE%20hosts%3B--"
    for query in ("channel", "tag", "kernel", "token", "release", "q"):
        tap.equal(f.ask("GET", f"/v1/admin/hosts?{query}={sql}").json["hosts"], [], "SQL as " + query)
    for path in (f"hosts/{sql}", f"releases/{sql}", f"rollouts/{sql}", f"channels/{sql}/history"):
        tap.equal(f.ask("GET", "/v1/admin/" + path).status, 404, "SQL in " + path[:9])
    for query in ("limit=0", "limit=1001", "limit=x", "after=-1", "state=fine", "patch_state=loaded"):
        tap.equal(f.ask("GET", "/v1/admin/hosts?" + query).status, 400, "a bad query: " + query)
    for body in ({}, {"reason": ""}, {"reason": "x" * 201}, {"reason": "a\nb"}, {"reason": "x", "more": 1}):
        tap.equal(f.ask("POST", "/v1/admin/channels/stable/halt", body).status, 400, "a reason that is none: " + str(body)[:30])
    tap.equal(f.ask("PUT", f"/v1/admin/hosts/{host.id}/tags", {"tags": ["Bad Tag"]}).status, 400, "a tag that is none")
    tap.equal(f.ask("GET", f"/v1/admin/hosts/{host.id}").json["kernel"], KERNEL["kernel"], "the host is as it was")
    for line in (b"\x00\xff\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00"):
        raw(f.server, line, 2)
    tap.equal(f.ask("GET", "/v1/health").json["status"], "good", "the server stands")


def test_hosts(f):
    token = f.token(name="lists")
    hosts = [f.host(token, f"list {i}") for i in range(5)]
    ident = f.ask("GET", "/v1/admin/hosts/" + hosts[0].id).json["token"]
    page = f.ask("GET", f"/v1/admin/hosts?token={ident}&limit=3").json
    rest = f.ask("GET", f"/v1/admin/hosts?token={ident}&limit=3&after={page['next']}").json
    tap.equal([h["id"] for h in page["hosts"] + rest["hosts"]], [h.id for h in hosts], "hosts page by page")
    tap.equal(rest["next"], None, "the last page says so")
    tap.equal(f.ask("PUT", f"/v1/admin/hosts/{hosts[0].id}/tags", {"tags": ["web", "canary"]}).json["tags"], ["canary", "web"], "tags")
    tap.equal(hosts[0].checkin().json["tags"], ["canary", "web"], "the host is told")
    tap.equal([h["id"] for h in f.ask("GET", "/v1/admin/hosts?tag=web").json["hosts"]], [hosts[0].id], "hosts by tag")
    hosts[1].state = "reboot"
    hosts[1].checkin()
    tap.equal([h["id"] for h in f.ask("GET", f"/v1/admin/hosts?token={ident}&state=reboot").json["hosts"]], [hosts[1].id], "hosts by state")
    tap.equal(f.ask("DELETE", "/v1/admin/hosts/" + hosts[2].id).status, 200, "a host is deleted")
    tap.equal(hosts[2].checkin().status, 401, "and is not known any more")
    tap.ok(any(k["kernel"] == KERNEL["kernel"] and k["hosts"] >= 4 for k in f.ask("GET", "/v1/admin/kernels").json["kernels"]), "kernels")


def test_limits(work):
    with tempfile.TemporaryDirectory(dir=work) as d:
        f = Fleet(d, options=["--rate-host", "2", "--rate-failed", "1"])
        host = f.host(f.token(), "eager")
        answers = [host.checkin() for _ in range(60)]
        late = [a for a in answers if a.status == 429]
        tap.ok(late and int(late[0].headers["retry-after"]) >= 1, "a host that asks too often is told when to come", len(late))
        tap.ok(all(a.status in (200, 429) for a in answers), "and before that it is served")
        statuses = [f.server.ask("GET", "/v1/admin/status", "kma_" + "B" * 43).status for _ in range(10)]
        tap.ok(statuses[0] == 401 and statuses[-1] == 429, "who guesses is slowed down", statuses)
        time.sleep(1)
        tap.equal(host.get("/v1/channels/stable/timestamp").status, 200, "others of the same address are not")
        f.server.stop()


def test_routes(f):
    """The table of routes and the document say the same."""
    words = subprocess.run([f.server.program, "--print-routes"], capture_output=True, text=True, check=True, timeout=10).stdout.split("\n")
    table = {(m, re.sub(r":(\w+)", r"{\1}", p)): n for m, p, n in (w.split() for w in words if w)}
    document = {}
    for path, row in API["paths"].items():
        for method, operation in row.items():
            names = [next(iter(s)) for s in operation["security"]]
            document[method.upper(), path] = operation.get("x-role") or ",".join(names).replace("admin", "viewer") or "anyone"
    tap.equal(table, document, "each route is in openapi.json with its role, and the reverse")
    tap.equal(f.server.ask("GET", "/v1/openapi.json").json, API, "the server has that document")
    answer = f.ask("DELETE", "/v1/health")
    tap.equal((answer.status, answer.headers.get("allow", "")[:3]), (405, "GET"), "another method")
    tap.equal(f.ask("GET", "/v2/health").status, 404, "another path")
    metrics = f.server.ask("GET", "/metrics").body.decode()
    for name in ("kmend_requests_total", "kmend_request_seconds_bucket", 'kmend_hosts{channel="stable",state="protected"}',
                 'kmend_document_days_left{document="timestamp",channel="stable"}', "kmend_queue_length", "kmend_store_errors_total 0",
                 'kmend_rollouts{state="running"}'):
        tap.ok(name in metrics, "metrics: " + name)


def test_secrets(f, secrets):
    """No secret is in the log or the state."""
    data = f.server.text().encode() + b"".join(p.read_bytes() for p in f.server.data.glob("state.db*"))
    tap.ok(not any(s.encode() in data or s[4:].encode() in data for s in secrets), "no secret is in the log or the state")


def main():
    with tempfile.TemporaryDirectory(prefix="kmend-server-") as work:
        f = Fleet(Path(work) / "one", channels=("stable", "edge"), options=["--verbose", "--rate-failed", "0", "--rate-token", "0",
                                                                          "--rate-host", "0"])
        try:
            for test in (test_attach, test_expiry, test_revocation, test_documents, test_tenants, test_blobs, test_publishing, test_hosts,
                         test_bad_input, test_roles, test_routes):
                test(f)
            test_secrets(f, [f.admin, f.token(), f.host(f.token(), "last").secret])
            test_limits(work)
            tap.equal(f.server.stop(), 0, "SIGTERM ends it well")
            tap.ok("warning: " not in f.server.text().replace("warning: a new root", ""), "no warning in its log", f.server.text()[-1500:])
        finally:
            f.server.stop()
    tap.equal(broken_answers[:5], [], "every answer is as openapi.json says")
    tap.done()


if __name__ == "__main__":
    main()
