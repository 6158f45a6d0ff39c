# SPDX-License-Identifier: GPL-2.0-or-later
"""A publisher and a real kmend-server on a port of 127.0.0.1, driven by kmend's own commands."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from documents import Keys, must, sha256

CHANNEL = "stable"
START = 60  # seconds until it must answer
ONLINE = ("rollout", "timestamp")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# Moves a directory into a file system of its own, which ends with the program that then runs:
# sh -c SMALL sh DIRECTORY SIZE PROGRAM...
SMALL = """set -e
cp -a "$1" "$1.old"
mount -t tmpfs -o "size=$2" tmpfs "$1"
cp -a "$1.old/." "$1"
shift 2
exec "$@"
"""


class Server:
    """kmend-server with a data directory of its own; stop() and start() keep port and state. With a size that directory
    is a small file system, which can be filled, and is gone after stop()."""

    def __init__(self, program, data, size=None):
        self.program, self.data, self.port = program, Path(data), free_port()
        alone = "-m" if os.geteuid() == 0 else "-rm"
        self.prefix = ["unshare", alone, "sh", "-c", SMALL, "sh", str(data), size] if size else []
        self.child = self.tls = None
        self.log = self.data.parent / f"{self.data.name}.log"

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def use_tls(self, name):
        """From the next start() on: a key and a certificate for that name, which is its own authority; its file."""
        self.tls = self.data.parent / "tls.key", self.data.parent / "tls.pem"
        must(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
              "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", self.tls[0],
              "-out", self.tls[1]])
        return self.tls[1]

    def start(self):
        argv = [*self.prefix, self.program, "--listen", f"127.0.0.1:{self.port}", "--data", str(self.data),
                "--interval", "1", "--rate-host", "0", "--rate-token", "0", "--rate-failed", "0"]
        argv += ["--tls-key", self.tls[0], "--tls-cert", self.tls[1]] if self.tls else []
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START
        while not self.health():
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the server does not come up:\n{self.log_tail()}")
            time.sleep(0.05)

    @property
    def inside(self):
        """The data directory as the server itself sees it."""
        return Path(f"/proc/{self.child.pid}/root{self.data}")

    def log_tail(self):
        return self.log.read_text(errors="replace")[-3000:]

    def health(self):
        """What it says of itself; None: nothing."""
        try:
            any_certificate = ssl._create_unverified_context()
            with urllib.request.urlopen(f"{self.url}/v1/health", timeout=5, context=any_certificate) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())
        except OSError:
            return None

    def healthy(self):
        return (self.health() or {}).get("status") == "good"

    def stop(self, how=signal.SIGTERM):
        if self.child is None:
            return None
        self.child.send_signal(how)
        try:
            status = self.child.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            status = self.child.wait()
        self.child = None
        return status


class Fleet:
    """Keys, a server that has the online ones, an admin token for everything, and what was published."""

    def __init__(self, programs, directory, size=None):
        self.programs, self.directory = programs, Path(directory)
        self.kmend = programs["kmend"]
        self.keys = Keys(self.kmend, self.directory / "trust", CHANNEL)
        self.server = Server(programs["kmend-server"], self.directory / "server", size)
        self.releases = {}
        self._set_up()

    def _set_up(self):
        self.secret = must([self.programs["kmend-server"], "init", self.server.data]).strip()
        keys = self.server.data / "keys"
        for role in ONLINE:
            shutil.copy(self.keys.key(role), keys)
        self.token_file = self.directory / "admin-token"
        self.token_file.write_text(self.secret + "\n")
        self.token_file.chmod(0o600)
        self.server.start()
        self.api("POST", "roots", self.keys.public("1.root"))
        self.api("POST", f"channels/{CHANNEL}/index", self.keys.public(f"{CHANNEL}.index"))

    # ---- as programs talk to it

    def api(self, method, path, body=None):
        """The answer of /v1/admin/PATH as JSON; body is bytes, or anything for JSON."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        with self._open(method, f"admin/{path}", data, self.secret, kind) as answer:
            return json.loads(answer.read() or b"null")

    def _open(self, method, path, data, secret, kind="application/json"):
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": kind}
        request = urllib.request.Request(f"{self.server.url}/v1/{path}", data=data, method=method, headers=headers)
        return urllib.request.urlopen(request, timeout=60)

    def put(self, blob):
        """The status of bringing those bytes to the server."""
        return self.status_of("PUT", f"admin/blobs/{sha256(blob)}", blob, self.secret, "application/octet-stream")

    def status_of(self, method, path, data, secret, kind="application/json"):
        """The HTTP status of a request, whatever it is."""
        try:
            with self._open(method, path, data, secret, kind) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.read()
            return error.code

    def document(self, path):
        """The bytes of /v1/PATH."""
        with self._open("GET", path, None, self.secret) as answer:
            return answer.read()

    def documents(self):
        """The channel's newest ones: index and rollout as (version, bytes, id), the timestamp as (version, bytes)."""
        stamp = self.document(f"channels/{CHANNEL}/timestamp")
        body = json.loads(stamp.split(b"\nbody ", 1)[1].split(b"\n", 1)[1])
        found = {"timestamp": (body["version"], stamp)}
        for kind in ("index", "rollout"):
            version = body[kind]["version"]
            found[kind] = (version, self.document(f"channels/{CHANNEL}/{kind}/{version}"), body[kind]["sha256"])
        return found

    # ---- as a host does

    @staticmethod
    def host_by_hand(word, n):
        return sha256(f"{word} {n}".encode())

    def attach_by_hand(self, word, n):
        """The status of attaching an invented host."""
        body = {"format": 1, "host": self.host_by_hand(word, n), "arch": "x86_64", "kernel": "6.1.0-invented",
                "build_id": "ab" * 20, "boot": f"{n:032x}"}
        return self.status_of("POST", "attach", json.dumps(body).encode(), word.split(".")[0])

    # ---- as people do

    def admin(self, *words):
        """`kmend WORDS` for this server with the admin token; what it printed."""
        options = ["--trust", self.keys.directory, "--server", self.server.url, "--token-file", self.token_file]
        env = {**os.environ, "NO_COLOR": "1"}
        verb, rest = words[:1], words[1:]
        if verb[0] != "publish":
            verb, rest = words[:2], words[2:]
        return must([self.programs["kmend-admin"], *verb, *options, *rest], env=env)

    def publish(self, build, *options):
        """A release of all modules in that directory, signed and on the server, not in a channel yet; its id."""
        path = self.directory / f"{build.name}.release"
        keys = ",".join(str(self.keys.key(role)) for role in ("builder", "reviewer"))
        self.admin("publish", "--key", keys, "--output", path, *options, build)
        self.releases[build.name] = json.loads(must([self.kmend, "sign", "--show", "--json", path]))["sha256"]
        return self.releases[build.name]

    def add(self, release, at_once=True):
        return self.admin("channel", "add", "--channel", CHANNEL, *(["--at-once"] if at_once else []), release)

    def token(self, name="tests", tags=()):
        """A new token: its id, and the word for `kmend attach`."""
        options = ["--tags", ",".join(tags)] if tags else []
        made = json.loads(self.admin("token", "create", "--channel", CHANNEL, *options, "--json", name))
        return made["id"], made["word"]

    def revoke(self, token):
        self.admin("token", "revoke", "--reason", "the tests", token)

    def start_rollout(self, release, waves, settle="1h"):
        """Its number. waves: "canary,100%"."""
        made = self.admin("rollout", "start", "--channel", CHANNEL, "--waves", waves, "--settle", settle, "--json",
                          release)
        return json.loads(made)["id"]

    def rollout(self, number):
        return self.api("GET", f"rollouts/{number}")

    def act(self, number, what):
        self.admin("rollout", what, "--reason", f"for the tests: {what}", number)

    def replace_online_keys(self):
        """Root 2 has new rollout and timestamp keys in place of those that a thief has."""
        self.keys.rotate(ONLINE)
        for role in ONLINE:
            self.server.data.joinpath("keys", f"{role}-1.key").unlink()
            shutil.copy(self.keys.directory / f"keys/{role}-2.key", self.server.data / "keys")
        self.api("POST", "roots", self.keys.public("2.root"))

    def hosts(self, limit=100):
        return self.api("GET", f"hosts?limit={limit}")["hosts"]

    def host(self, identity):
        return self.api("GET", f"hosts/{identity}")

    def wait(self, what, seconds=60):
        """Until what() is true; whether it was."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if what():
                return True
            time.sleep(0.2)
        return False

    def close(self):
        self.server.stop()
