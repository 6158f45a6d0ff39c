# SPDX-License-Identifier: GPL-2.0-or-later
"""A publisher, a kmend-server of its own on 127.0.0.1, and hosts that only talk. Every answer is held against server/openapi.json."""
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jsonschema

ROOT = Path(__file__).resolve().parents[2]
KERNEL = {"arch": "x86_64", "kernel": "6.1.0-50-cloud-amd64", "build_id": "ab" * 20}
API = json.loads((ROOT / "server/openapi.json").read_text())


class Tap:
    """Counts checks as TAP lines."""

    def __init__(self):
        self.n = self.failed = 0

    def ok(self, good, name, *more):
        self.n += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}", flush=True)
        if not good:
            for text in more:
                print("# " + str(text).replace("\n", "\n# "), flush=True)

    def equal(self, got, want, name):
        self.ok(got == want, name, f"got {got!r}", f"want {want!r}")

    def done(self):
        print(f"1..{self.n}", flush=True)
        sys.exit(1 if self.failed or not self.n else 0)


tap = Tap()


# ---- the document that describes the service ----

def nullable(schema):
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [nullable(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {k: nullable(v) for k, v in schema.items()}
    if schema.pop("nullable", False):
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


SCHEMAS = {"components": {"schemas": nullable(API["components"]["schemas"])}}
PATHS = [(re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", path) + "$"), path, row) for path, row in API["paths"].items()]
broken_answers = []
seen_routes = set()


def hold_against_schema(method, path, status, kind, body):
    """Notes an answer that is not as the document says."""
    path = path.split("?")[0]
    for pattern, name, row in PATHS:
        operation = row.get(method.lower().replace("head", "get"))
        if not pattern.match(path) or not operation:
            continue
        seen_routes.add((method, name))
        answer = operation["responses"].get(str(status), operation["responses"]["default"])
        if "$ref" in answer:
            answer = API["components"]["responses"]["Error"]
        content = answer.get("content", {})
        if method == "HEAD" or not content:
            return
        if not any(kind.startswith(c.split(";")[0]) for c in content) and not kind.startswith("text/x-diff"):
            broken_answers.append(f"{method} {path} {status}: Content-Type {kind}")
        elif "application/json" in content and "$ref" in content["application/json"]["schema"]:
            schema = dict(SCHEMAS, **content["application/json"]["schema"])
            try:
                jsonschema.validate(json.loads(body), schema)
            except (jsonschema.ValidationError, ValueError) as error:
                broken_answers.append(f"{method} {path} {status}: {str(error)[:600]}")
        return


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]


# ---- the publisher ----

class Publisher:
    """Keys and documents in a directory, made and signed by kmend itself."""

    def __init__(self, kmend, directory, channels=("stable",)):
        self.kmend, self.dir = kmend, Path(directory)
        self.run("key", "ceremony", "--no-passphrase", "--channel", ",".join(channels), self.dir)
        self.versions = {channel: 1 for channel in channels}

    def run(self, *words):
        subprocess.run([self.kmend, *map(str, words)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60)

    def file(self, name):
        return (self.dir / "public" / name).read_bytes()

    def sign(self, kind, body, *keys):
        """The document's bytes and its id."""
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        with tempfile.TemporaryDirectory(dir=self.dir) as d:
            path = Path(d) / f"document.{kind}"
            path.write_bytes(f"kmend signed 1 {kind}\nbody {len(text)}\n".encode() + text)
            for key in keys:
                self.run("sign", "--key", self.dir / "keys" / f"{key}.key", "--output", Path(d) / "one.sig", path)
                self.run("sign", "--root", self.dir / "public" / "1.root", "--add", path, Path(d) / "one.sig")
                (Path(d) / "one.sig").unlink()
            return path.read_bytes(), hashlib.sha256(text).hexdigest()

    def release(self, name, payload=b"module", source=b"--- a\n+++ b\n", severity="high", keys=("builder-1", "reviewer-1"), kernel=None,
                cves=("CVE-2026-0001",)):
        kernel = kernel or KERNEL
        body = {"type": "release", "format": 1, "name": name, "version": "1", "issued": int(time.time()), "summary": "a hole",
                "severity": severity, "replace": False, "cves": sorted(cves),
                "source": {"sha256": sha256(source), "size": len(source)},
                "kernels": [{"arch": kernel["arch"], "release": kernel["kernel"], "build_id": kernel["build_id"],
                             "payloads": [{"flavour": "klp", "sha256": sha256(payload), "size": len(payload)}]}]}
        return self.sign("release", body, *keys)

    def index(self, channel, releases, version=None, key="index-1", **other):
        if version is None:
            self.versions[channel] += 1
            version = self.versions[channel]
        now = int(time.time())
        body = {"type": "index", "format": 1, "channel": channel, "version": version, "issued": now, "expires": now + 86400 * 30,
                "releases": releases}
        return self.sign("index", dict(body, **other), key)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def body_of(document):
    """The body of a signed document's bytes."""
    head, _, rest = document.partition(b"\nbody ")
    assert head.startswith(b"kmend signed 1 ")
    return json.loads(rest.partition(b"\n")[2])


# ---- the server ----

class Server:
    """kmend-server with a directory; started and stopped as often as a test wants."""

    def __init__(self, program, data, options=(), tls=None):
        self.program, self.data, self.options, self.tls = program, Path(data), list(options), tls
        self.process = self.log = None
        self.port = 0

    def init(self, *options):
        done = subprocess.run([self.program, "init", "--data", self.data, *options], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=True)
        return done.stdout.strip()

    def start(self):
        self.log = open(self.data / "log", "ab")
        begin = self.log.tell()
        self.process = subprocess.Popen([self.program, "--data", self.data, "--listen", "127.0.0.1:0", *map(str, self.options)],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(rb"listening on https?://127\.0\.0\.1:(\d+)", (self.data / "log").read_bytes()[begin:])
            if found:
                self.port = int(found[1])
                return self
            time.sleep(0.02)
        raise RuntimeError("the server does not start: " + self.text()[-2000:])

    def text(self):
        return (self.data / "log").read_text(errors="replace")

    def stop(self, sig=signal.SIGTERM):
        """Its exit status."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.log:
            self.log.close()
        return self.process.returncode if self.process else None

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=ssl.create_default_context(cafile=self.tls))
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method, path, bearer=None, body=None, headers=None, connection=None):
        """One request. body: bytes, or an object as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = dict(headers or {})
        if bearer:
            headers["Authorization"] = "Bearer " + bearer
        c = connection or self.connect()
        try:
            c.request(method, path, body, headers)
            r = c.getresponse()
            answer = Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
        finally:
            if not connection:
                c.close()
        hold_against_schema(method, path, answer.status, answer.headers.get("content-type", ""), answer.body)
        return answer


class Host:
    """What an agent says, without an agent."""

    def __init__(self, server, name, kernel=None):
        self.server, self.id = server, sha256(b"host " + str(name).encode())
        self.kernel = dict(kernel or KERNEL, boot=self.id[:32])
        self.secret, self.patches, self.state = None, [], "protected"

    def attach(self, token):
        answer = self.server.ask("POST", "/v1/attach", token, dict(self.kernel, format=1, host=self.id))
        if answer.status == 201:
            self.secret = answer.json["secret"]
        return answer

    def report(self, **other):
        return dict({"format": 1, "host": self.id, "agent": "0.1.0", "state": self.state, "root": 1, "timestamp": 1,
                     "patches": self.patches}, **self.kernel, **other)

    def checkin(self, connection=None, **other):
        return self.server.ask("POST", "/v1/checkin", self.secret, self.report(**other), connection=connection)

    def says(self, release, state="loaded", health="good", age=0, detail=""):
        self.patches = [{"release": release, "state": state, "since": int(time.time()), "transition_ms": 3, "age": age, "health": health,
                         "detail": detail}]
        return self.checkin()

    def get(self, path, **headers):
        return self.server.ask("GET", path, self.secret, headers=headers)


class Fleet:
    """A publisher and a server that has its first documents, unless it is to be bare."""

    def __init__(self, work, channels=("stable",), options=(), database=None, bare=False):
        self.work = Path(work)
        self.work.mkdir(exist_ok=True)
        self.publisher = Publisher(os.environ["KMEND"], self.work / "publisher", channels)
        self.database = ["--database", database] if database else []
        self.server = Server(os.environ["KMEND_SERVER"], self.work / "data", [*options, *self.database])
        self.admin = self.server.init(*self.database)
        self.keys()
        self.server.start()
        if bare:
            return
        self.ask("POST", "/v1/admin/roots", self.publisher.file("1.root"))
        for channel in channels:
            self.ask("POST", f"/v1/admin/channels/{channel}/index", self.publisher.file(f"{channel}.index"))

    def keys(self, data=None):
        for key in ("rollout-1.key", "timestamp-1.key"):
            path = (data or self.server.data) / "keys" / key
            path.write_bytes((self.publisher.dir / "keys" / key).read_bytes())

    def ask(self, method, path, body=None, headers=None):
        return self.server.ask(method, path, self.admin, body, headers)

    def token(self, channel="stable", **other):
        return self.ask("POST", "/v1/admin/tokens", dict({"name": "t", "channel": channel}, **other)).json["secret"]

    def role(self, role):
        return self.ask("POST", "/v1/admin/admins", {"name": "a " + role, "role": role}).json["secret"]

    def host(self, token, name):
        host = Host(self.server, name)
        answer = host.attach(token)
        assert answer.status == 201, answer.body
        return host

    def publish(self, name, channels=("stable",), staged=True, payload=None, source=b"--- a\n+++ b\n", **other):
        """Blobs, release, and an index of each channel with this release behind those that it has. The release's id."""
        payload = payload or name.encode()
        document, ident = self.publisher.release(name, payload, source, **other)
        for blob in (payload, source):
            assert self.ask("PUT", "/v1/admin/blobs/" + sha256(blob), blob).status in (200, 201)
        answer = self.ask("POST", "/v1/admin/releases", document)
        assert answer.status == 201, answer.body
        for channel in channels:
            self.extend(channel, {"id": ident, "staged": staged})
        return ident

    def extend(self, channel, entry):
        rows = next(c for c in self.ask("GET", "/v1/admin/channels").json["channels"] if c["name"] == channel)["releases"]
        rows = [{k: v for k, v in row.items() if v is not None} for row in rows if row["id"] != entry["id"]] + [entry]
        document, _ = self.publisher.index(channel, rows)
        answer = self.ask("POST", f"/v1/admin/channels/{channel}/index", document)
        assert answer.status == 201, answer.body

    def rollout_document(self, channel="stable"):
        """The newest one, as a host would find it."""
        row = next(c for c in self.ask("GET", "/v1/admin/channels").json["channels"] if c["name"] == channel)
        return body_of(self.ask("GET", f"/v1/channels/{channel}/rollout/{row['rollout']}").body)

    def start_rollout(self, release, waves=("100%",), channel="stable", **other):
        rows = [{"tags": [], "permyriad": int(w[:-1]) * 100} if w.endswith("%") else {"tags": [w], "permyriad": 10000} for w in waves]
        return self.ask("POST", "/v1/admin/rollouts", dict({"format": 1, "release": release, "channel": channel, "waves": rows}, **other))

    def audit(self, action):
        records, after = [], 0
        while after is not None:
            page = self.ask("GET", f"/v1/admin/audit?after={after}&limit=1000").json
            records, after = records + page["records"], page["next"]
        return [r for r in records if r["action"] == action]


def until(check, seconds=10):
    """Whether it holds before the time is over; and how long that took."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if check():
            return time.monotonic() - begin
        time.sleep(0.05)
    return None


def raw(server, data, seconds=5):
    """Sends bytes as they are; what came back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as s:
        s.sendall(data)
        got = b""
        try:
            while chunk := s.recv(65536):
                got += chunk
        except OSError:
            pass
        return got


__all__ = [name for name in dir() if not name.startswith("_")]
