#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What kmend-server bears: a fleet on kept connections, a release on its way to it, and one that kills.

The hosts are kmend-fleet-sim's, the server, its documents and its state are real. The release is signed as any; its payload is a few bytes,
which no host here loads.
"""
import argparse
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

KERNEL = {"arch": "x86_64", "release": "6.1.0-56-cloud-amd64", "build_id": "00112233445566778899aabbccddeeff00112233"}
CHANNEL = "stable"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build-dir", default="build", help="Meson build directory with the programs")
    parser.add_argument("--server", metavar="PROGRAM", help="another kmend-server")
    parser.add_argument("--database", metavar="URL", help="PostgreSQL instead of SQLite")
    parser.add_argument("--hosts", type=int, default=100000)
    parser.add_argument("--few", type=int, default=1000, metavar="HOSTS", help="to compare the cost with")
    parser.add_argument("--interval", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=60, help="of each measurement")
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--only", action="append", choices=sorted(SCENES), help="this measurement, and others named so")
    parser.add_argument("--check", action="store_true", help="fail when an aim is missed")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


class Publisher:
    """Keys and documents in a directory, made by kmend itself."""

    def __init__(self, kmend, directory):
        self.kmend, self.dir = kmend, Path(directory)
        self.run("key", "ceremony", "--no-passphrase", "--yes", "--keys", "root=1", "--threshold", "root=1", "--channel", CHANNEL, self.dir)

    def run(self, *words):
        done = subprocess.run([self.kmend, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise harness.Failure(f"kmend {' '.join(map(str, words))}: {done.stderr.strip()}")

    def signed(self, document, body, roles):
        """The bytes of a document with that body."""
        source, out = self.dir / "body.json", self.dir / f"new.{document}"
        source.write_text(json.dumps(body))
        out.unlink(missing_ok=True)
        self.run("sign", "--wrap", document, "--output", out, source)
        for role in roles:
            signature = self.dir / "new.sig"
            signature.unlink(missing_ok=True)
            self.run("sign", "--key", self.dir / "keys" / f"{role}-1.key", "--output", signature, out)
            self.run("sign", "--add", "--root", self.dir / "public/1.root", out, signature)
        return out.read_bytes()

    def release(self, payload, diff):
        now = int(time.time())
        body = {"type": "release", "format": 1, "name": "bench", "version": "1", "issued": now, "summary": "a bench's", "severity": "high",
                "replace": False, "cves": [], "source": {"sha256": hashlib.sha256(diff).hexdigest(), "size": len(diff)},
                "kernels": [{**KERNEL, "payloads": [{"flavour": "klp", "sha256": hashlib.sha256(payload).hexdigest(), "size": len(payload)}]}]}
        return self.signed("release", body, ["builder", "reviewer"])

    def index(self, version, releases):
        now = int(time.time())
        body = {"type": "index", "format": 1, "channel": CHANNEL, "version": version, "issued": now, "expires": now + 86400 * 30,
                "releases": releases}
        return self.signed("index", body, ["index"])


class Service:
    """A kmend-server in a directory of its own, with a root, an empty channel and a token."""

    def __init__(self, arguments, directory):
        self.dir = Path(directory)
        build = arguments.build_dir
        self.publisher = Publisher(harness.program(build, "kmend"), self.dir / "publisher")
        self.program = arguments.server or harness.program(build, "kmend-server")
        self.options = ["--data", str(self.dir / "data"), *(["--database", arguments.database] if arguments.database else [])]
        init = subprocess.run([self.program, "init", *self.options], capture_output=True, text=True, timeout=60, check=False)
        if init.returncode:
            raise harness.Failure(f"kmend-server init: {init.stderr.strip()}")
        self.admin = init.stdout.strip().split()[-1]
        for role in ("rollout", "timestamp"):
            for end in ("key", "pub"):
                source, target = self.publisher.dir / "keys" / f"{role}-1.{end}", self.dir / "data/keys" / f"{role}-1.{end}"
                target.write_bytes(source.read_bytes())
                target.chmod(0o600)
        self.start(arguments)
        self.post("roots", (self.publisher.dir / "public/1.root").read_bytes())
        self.post(f"channels/{CHANNEL}/index", (self.publisher.dir / f"public/{CHANNEL}.index").read_bytes())
        self.token = self.post("tokens", {"name": "bench", "channel": CHANNEL})["secret"]

    def start(self, arguments):
        self.port = free_port()
        limits = [word for name in ("host", "token", "address", "failed") for word in (f"--rate-{name}", "0")]
        self.log = open(self.dir / "log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [self.program, "run", *self.options, "--listen", f"127.0.0.1:{self.port}", "--interval", str(max(1, int(arguments.interval))),
             *limits], stdout=self.log, stderr=subprocess.STDOUT)
        for _ in range(200):
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/health", timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(.05)
        self.stop()
        raise harness.Failure(f"kmend-server does not answer: {(self.dir / 'log').read_text()[-500:]}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def call(self, method, path, body):
        data, kind = (json.dumps(body).encode(), "application/json") if isinstance(body, dict) else (body, "application/octet-stream")
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/admin/{path}", data=data, method=method, headers={
            "Authorization": f"Bearer {self.admin}", "Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise harness.Failure(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:300]}") from error

    def post(self, path, body):
        return self.call("POST", path, body)

    def publish(self, staged):
        """Puts a release before the hosts. Its id, and when the server had taken it."""
        payload, diff = os.urandom(64), b"--- a\n+++ b\n"
        for blob in (payload, diff):
            self.call("PUT", f"blobs/{hashlib.sha256(blob).hexdigest()}", blob)
        document = self.publisher.release(payload, diff)
        release = hashlib.sha256(body_of(document)).hexdigest()
        self.post("releases", document)
        self.post(f"channels/{CHANNEL}/index", self.publisher.index(2, [{"id": release, "staged": staged}]))
        return release, time.time()


def body_of(document):
    """What stands behind the line "body SIZE"."""
    head, rest = document.split(b"\nbody ", 1)
    size, body = rest.split(b"\n", 1)
    assert head and len(body) == int(size)
    return body


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def simulate(arguments, service, hosts, *more, meanwhile=None, seconds=None):
    """What kmend-fleet-sim says, and what meanwhile() gave, which is called once all hosts are attached and some seconds have passed."""
    command = [harness.program(arguments.build_dir, "kmend-fleet-sim"), "--server", f"127.0.0.1:{service.port}", "--token", service.token,
               "--hosts", hosts, "--connections", arguments.connections, "--interval", arguments.interval, "--seconds", seconds or
               arguments.seconds, "--pid", service.process.pid, *more]
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        first = process.stderr.readline()
        if "attached" not in first:
            raise harness.Failure(f"kmend-fleet-sim: {first.strip()}")
        time.sleep(5 if meanwhile else 0)
        given = meanwhile() if meanwhile else None
        out, err = process.communicate(timeout=1800)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode:
        raise harness.Failure(f"kmend-fleet-sim: {err.strip()}")
    return json.loads(out), given


# ---- measurements: each gives figures and [(aim, met), …] ----

def steady(arguments, service):
    result, _ = simulate(arguments, service, arguments.hosts, "--warm-up", arguments.interval)
    latency, server = result["latency_ms"], result["server"]
    return result, [("p99 <= 50 ms", latency["p99"] <= 50), ("at most 256 MiB", server["rss_peak_mib"] <= 256),
                    ("less than a core", server["cpu_share"] < 1), ("nothing refused or lost", not refused(result))]


def flat_out(arguments, service):
    """As many check-ins as come, of a fleet and of a small one."""
    few, _ = simulate(arguments, service, arguments.few, "--time-scale", 1e6, "--warm-up", 2, seconds=min(20, arguments.seconds))
    many, _ = simulate(arguments, service, arguments.hosts, "--time-scale", 1e6, "--warm-up", 2 + arguments.hosts / 4000,
                       seconds=min(20, arguments.seconds))
    rates = [result["server"]["checkins_per_cpu_second"] for result in (few, many)]
    figures = {"few": few, "many": many, "cost_ratio": rates[0] / rates[1] if rates[1] else None}
    return figures, [("8000 check-ins per CPU-second", rates[1] >= 8000), ("the cost is flat (within 25 %)", rates[1] >= .75 * rates[0]),
                     ("nothing refused or lost", not refused(few) and not refused(many))]


def publish(arguments, service):
    """A release that is not staged: until 99 % of the hosts have it."""
    result, given = simulate(arguments, service, arguments.hosts, meanwhile=lambda: service.publish(False),
                             seconds=arguments.interval * 1.25 + 20)
    done = result["patch"]["load_99_percent"]
    result["publish_seconds"] = done and result["began"] + done - given[1]
    return result, [("99 % within 75 s", done is not None and result["publish_seconds"] <= 75 / 60 * arguments.interval)]


def kill(arguments, service):
    """A patch that kills each host within a minute, in waves of 1 %, 10 % and all."""
    def start():
        release, _ = service.publish(True)
        waves = [{"tags": [], "permyriad": share} for share in (100, 1000, 10000)]
        return service.post("rollouts", {"format": 1, "release": release, "channel": CHANNEL, "waves": waves})

    result, _ = simulate(arguments, service, arguments.hosts, "--crash", 1, meanwhile=start, seconds=arguments.interval + 180)
    patch = result["patch"]
    return result, [("a halt within 2 s of the first report", patch["first_crash_told"] is not None and (patch["halt_seconds"] or 0) <= 2),
                    ("wave one only", 0 < patch["loads"] <= arguments.hosts * .013 + 10)]


SCENES = {"steady": steady, "flat-out": flat_out, "publish": publish, "kill": kill}


def refused(result):
    return sum(result["checkins"]["refused"].values()) + result["checkins"]["lost"]


def show(name, figures):
    for title, result in ((name, figures),) if "checkins" in figures else ((f"{name}, {key}", figures[key]) for key in ("few", "many")):
        server, latency = result["server"], result["latency_ms"]
        print(f"{title}: {result['hosts']} hosts, {result['checkins']['per_second']:.0f} check-ins/s, p50 {latency['p50']:.2f} ms, "
              f"p99 {latency['p99']:.2f} ms, {server['checkins_per_cpu_second']:.0f} per CPU-second, {100 * server['cpu_share']:.0f} % of a "
              f"core, {server['rss_peak_mib']:.0f} MiB at most, attached {result['attach']['per_second']:.0f}/s", flush=True)
        patch = result["patch"]
        if not patch["loads"]:
            continue
        print(f"  {patch['loads']} hosts took the release", end="")
        if result.get("publish_seconds"):
            print(f", 99 % within {result['publish_seconds']:.1f} s of the index", end="")
        if patch["first_crash_told"] is not None:
            print(f"; after the first report of a crash {patch['loads_after_crash']}, the last {patch['halt_seconds'] or 0:.2f} s later", end="")
        print()


def main():
    arguments = parse_arguments()
    everything, missed = {}, 0
    for name in arguments.only or SCENES:
        with tempfile.TemporaryDirectory(prefix="kmend-bench-fleet.") as directory:
            service = Service(arguments, directory)
            try:
                figures, aims = SCENES[name](arguments, service)
            finally:
                service.stop()
        show(name, figures)
        for aim, met in aims:
            print(f"  {'met' if met else 'MISSED'}: {aim}")
            missed += not met
        everything[name] = {"figures": figures, "aims": dict(aims)}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    return 1 if missed and arguments.check else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except harness.Failure as failure:
        print(f"fleet.py: {failure}", file=sys.stderr)
        sys.exit(1)
