# SPDX-License-Identifier: GPL-2.0-or-later
"""A publisher in a directory: keys, and documents that kmend(1) signs."""
import hashlib
import json
import os
import subprocess
import time

SOURCE = b"--- a/kernel/thing.c\n+++ b/kernel/thing.c\n"


class Publisher:
    def __init__(self, kmend, directory, channel="stable"):
        self.kmend, self.dir, self.channel = kmend, directory, channel
        self.call("key", "ceremony", "--no-passphrase", "--channel", channel, directory)
        self.public = os.path.join(directory, "public")
        self.root = os.path.join(self.public, "1.root")
        self.fingerprint = self.sha(self.root)
        self.entries, self.rules, self.releases, self.payloads, self.sources = [], [], {}, {}, {}
        self.halt = None
        self.version = 1

    def call(self, *words):
        return subprocess.run([self.kmend, *words], check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout

    def sha(self, path):
        return json.loads(self.call("sign", "--show", "--json", path))["sha256"]

    def document(self, kind, body, roles, name=None):
        """Signs a body and puts it where a host may fetch it; gives its id."""
        path = os.path.join(self.dir, name or f"{self.channel}.{kind}")
        body = dict(body, type=kind, format=1)
        with open(path + ".json", "w") as f:
            json.dump(body, f)
        self.call("sign", "--wrap", kind, "--output", path, path + ".json")
        for role in roles:
            self.call("sign", "--key", f"{self.dir}/keys/{role}-1.key", "--output", path + ".sig", path)
            self.call("sign", "--add", "--root", self.root, path, path + ".sig")
        return path, self.sha(path)

    def release(self, name, payload, version="1", severity="high", cves=("CVE-2026-0001",), replace=False, kernel=None):
        with open(payload, "rb") as f:
            data = f.read()
        digest = hashlib.sha256(data).hexdigest()
        source = hashlib.sha256(SOURCE).hexdigest()
        self.sources[source] = SOURCE
        arch, release, build_id = kernel
        path, ident = self.document("release", {
            "name": name, "version": version, "issued": int(time.time()), "summary": "a fix", "severity": severity,
            "replace": replace, "cves": list(cves), "source": {"sha256": source, "size": len(SOURCE)},
            "kernels": [{"arch": arch, "release": release, "build_id": build_id,
                         "payloads": [{"flavour": "klp", "sha256": digest, "size": len(data)}]}],
        }, ["builder", "reviewer"], name=f"{name}-{version}.release")
        with open(path, "rb") as f:
            self.releases[ident] = f.read()
        self.payloads[digest] = data
        self.entries.append({"id": ident, "staged": False})
        return ident

    def entry(self, ident):
        return next(e for e in self.entries if e["id"] == ident)

    def publish(self, issued=None, lifetime=172800):
        """The next index, rollout and timestamp."""
        self.version += 1
        now = issued or int(time.time())
        far = {"version": self.version, "issued": now, "expires": now + 30 * 86400, "channel": self.channel}
        rollout = dict(far, releases=self.rules)
        if self.halt:
            rollout["halt"] = self.halt
        index = self.document("index", dict(far, releases=self.entries), ["index"])[1]
        rollout = self.document("rollout", rollout, ["rollout"])[1]
        self.document("timestamp", dict(far, expires=now + lifetime,
                                        index={"version": self.version, "sha256": index},
                                        rollout={"version": self.version, "sha256": rollout}), ["timestamp"])

    def bytes_of(self, kind):
        for directory in (self.dir, self.public):
            path = os.path.join(directory, f"{self.channel}.{kind}")
            if os.path.exists(path):
                with open(path, "rb") as f:
                    return f.read()
        return None
