# SPDX-License-Identifier: GPL-2.0-or-later
"""kmend-server itself, for one channel; publishes what a Publisher signs. Its own keys sign rollouts and timestamps."""
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request


class RealServer:
    def __init__(self, program, directory, publisher, interval=300):
        self.publisher, self.data = publisher, os.path.join(directory, "server")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        said = subprocess.run([program, "init", self.data], check=True, capture_output=True, text=True).stdout
        self.admin = next(w for w in said.split() if w.startswith("kma_"))
        for role in ("rollout", "timestamp"):
            shutil.copy(f"{publisher.dir}/keys/{role}-1.key", os.path.join(self.data, "keys"))
        self.log = open(os.path.join(directory, "server.log"), "w", encoding="utf-8")
        self.process = subprocess.Popen([program, "--listen", f"127.0.0.1:{port}", "--data", self.data, "--interval", str(interval),
                                         "--rate-failed", "0"], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        self.wait()
        with open(publisher.root, "rb") as f:
            self.call("POST", "roots", f.read())
        self.publish()

    def wait(self):
        for _ in range(200):
            try:
                urllib.request.urlopen(self.url + "/v1/health", timeout=2).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server does not listen")

    def call(self, method, path, body=None):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(f"{self.url}/v1/admin/{path}", data=data, method=method,
                                         headers={"Authorization": f"Bearer {self.admin}", "Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                text = reply.read()
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{method} {path}: {e.code} {e.read()!r}") from None
        return json.loads(text) if text else None

    def publish(self):
        """Blobs, releases, and the publisher's newest index."""
        p = self.publisher
        for digest, data in [*p.payloads.items(), *p.sources.items()]:
            assert hashlib.sha256(data).hexdigest() == digest
            self.call("PUT", f"blobs/{digest}", data)
        for data in p.releases.values():
            self.call("POST", "releases", data)
        self.call("POST", f"channels/{p.channel}/index", p.bytes_of("index"))

    def token(self, **more):
        return self.call("POST", "tokens", {"channel": self.publisher.channel, **more})

    def host(self, ident):
        return self.call("GET", f"hosts/{ident}")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
