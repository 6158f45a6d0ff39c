# SPDX-License-Identifier: GPL-2.0-or-later
"""A publisher's keys and documents by hand, for what no honest program would make."""
import hashlib
import json
import subprocess
import time
from pathlib import Path

DAY = 86400


def must(argv, timeout=300, **options):
    """Runs a program that has to succeed; its standard output."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
                          **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Keys:
    """DIR/keys and DIR/public of `kmend key ceremony`, nothing encrypted."""

    def __init__(self, kmend, directory, channel="stable"):
        self.kmend, self.directory, self.channel = kmend, Path(directory), channel
        done = must([kmend, "key", "ceremony", "--yes", "--no-passphrase", "--channel", channel, "--json", directory])
        self.fingerprint = json.loads(done)["fingerprint"]
        self.serial = 0

    def key(self, role):
        return self.directory / f"keys/{role}-1.key"

    def public(self, name):
        return (self.directory / "public" / name).read_bytes()

    def sign(self, kind, body, roles):
        """The document of that kind and body, with a signature of each role: its bytes and its id."""
        self.serial += 1
        path = self.directory / f"own-{self.serial}.{kind}"
        text = json.dumps({"type": kind, "format": 1, **body}, separators=(",", ":"), sort_keys=True).encode()
        (self.directory / "body").write_bytes(text)
        must([self.kmend, "sign", "--wrap", kind, "--output", path, self.directory / "body"])
        signatures = []
        for role in roles:
            signatures.append(self.directory / f"own-{self.serial}.{role}.sig")
            must([self.kmend, "sign", "--key", self.key(role), "--output", signatures[-1], path])
        must([self.kmend, "sign", "--add", "--output", path, path, *signatures])
        return path.read_bytes(), sha256(text)

    def rotate(self, roles):
        """The next root, in which ROLE-2 stands for ROLE-1; it becomes DIR/public/2.root."""
        keys, root = self.directory / "keys", self.directory / "2.root"
        for role in roles:
            must([self.kmend, "key", "generate", "--no-passphrase", "--dir", keys, role, f"{role}-2"])
        must([self.kmend, "key", "rotate", "--add", ",".join(str(keys / f"{role}-2.pub") for role in roles),
              "--remove", ",".join(f"{role}-1" for role in roles), "--output", root, self.directory])
        signatures = [self.directory / f"root-{n}.sig" for n in (1, 2)]
        for n, signature in enumerate(signatures, 1):
            must([self.kmend, "sign", "--key", keys / f"root-{n}.key", "--output", signature, root])
        must([self.kmend, "sign", "--add", "--output", self.directory / "public/2.root", root, *signatures])

    def release(self, info, module, diff, **changes):
        """A release of one module, of which `kmend info --json` is info."""
        data, source = Path(module).read_bytes(), Path(diff).read_bytes()
        body = {"name": info["name"], "version": info["version"], "issued": int(time.time()), "summary": "",
                "severity": "high", "replace": info["replace"], "cves": [],
                "source": {"sha256": sha256(source), "size": len(source)},
                "kernels": [{"arch": "x86_64", "release": info["release"], "build_id": info["build_id"],
                             "payloads": [{"flavour": info["flavour"], "sha256": sha256(data), "size": len(data)}]}]}
        return self.sign("release", {**body, **changes}, ["builder", "reviewer"])

    def dated(self, version, days=2, **body):
        now = int(time.time())
        return {"channel": self.channel, "version": version, "issued": now, "expires": now + days * DAY, **body}

    def index(self, version, releases):
        return self.sign("index", self.dated(version, 365, releases=releases), ["index"])

    def rollout(self, version, releases=(), **body):
        return self.sign("rollout", self.dated(version, 30, releases=list(releases), **body), ["rollout"])

    def timestamp(self, version, index, rollout):
        """index and rollout: (version, id)."""
        named = {name: {"version": v, "sha256": i} for name, (v, i) in (("index", index), ("rollout", rollout))}
        return self.sign("timestamp", self.dated(version, **named), ["timestamp"])
