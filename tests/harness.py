# SPDX-License-Identifier: GPL-2.0-or-later
"""What the test programs share: finding and running kmend's programs, measuring them, showing progress."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEFAULT_KERNEL = "6.1.0-50-cloud-amd64"
EXIT_BUILT, EXIT_ERROR, EXIT_REFUSED, EXIT_NOTHING = range(4)
RESULT_OF_EXIT = {EXIT_BUILT: "built", EXIT_ERROR: "error", EXIT_REFUSED: "refused", EXIT_NOTHING: "nothing"}


class Failure(Exception):
    """Ends a test program with a message and status 1."""


def program(build_dir, name):
    """The freshest program of that name below a Meson build directory, else the installed one."""
    found = [p for p in Path(build_dir).rglob(name) if p.is_file() and os.access(p, os.X_OK)]
    if found:
        return str(max(found, key=lambda p: p.stat().st_mtime).resolve())
    for directory in ("/usr/local/libexec/kmend", "/usr/libexec/kmend", "/usr/local/bin", "/usr/bin"):
        if os.access(f"{directory}/{name}", os.X_OK):
            return f"{directory}/{name}"
    raise Failure(f"{name} is neither below {build_dir} nor installed: run ninja -C {build_dir} first")


def cache_dir():
    """kmend's cache, found as kmend itself finds it."""
    if os.environ.get("KMEND_CACHE"):
        return Path(os.environ["KMEND_CACHE"])
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "kmend"
    return Path("/var/cache/kmend") if os.geteuid() == 0 else Path.home() / ".cache/kmend"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def prepared(kmend_build, kernel):
    """The directory of the prepared kernel. A release may have several, of other sources or of an older kmend."""
    done = run([kmend_build, "prepare", "-q", "--json", kernel], timeout=3600)
    try:
        return Path(json.loads(done.out)["directory"])
    except (ValueError, KeyError) as error:
        raise Failure(f"{kernel} cannot be prepared: {done.err[-800:]}") from error


class Done:
    """A program that ended: status (negative: a signal), out, err, wall and CPU seconds (children included)."""

    def __init__(self, status, out, err, wall, cpu, late):
        self.status, self.out, self.err, self.wall, self.cpu, self.late = status, out, err, wall, cpu, late


def run(argv, env=None, timeout=900, cwd=None):
    """Runs a program to its end, or kills it and its children at the timeout; measures it alone, also among threads."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd,
                                 env={**os.environ, **(env or {})}, start_new_session=True)
        status, usage, late = wait_for(child, start + timeout)
        wall = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        texts = [f.read().decode("utf-8", "replace") for f in (out, err)]
    return Done(status, *texts, wall, usage.ru_utime + usage.ru_stime, late)


def wait_for(child, deadline):
    """Waits with wait4(), whose numbers are of this child and its own children only."""
    late, nap = False, 0.002
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode, usage, late
        if time.monotonic() > deadline and not late:
            late = True
            os.killpg(child.pid, signal.SIGKILL)
        time.sleep(nap)
        nap = min(nap * 1.5, 0.1)


class Build:
    """One run of kmend-build: its exit status, its JSON report (or None), and what it cost."""

    def __init__(self, done, report, kept):
        self.done, self.report, self.kept = done, report, kept

    @property
    def result(self):
        if self.done.late:
            return "timeout"
        if self.done.status < 0:
            return f"signal {-self.done.status}"
        return RESULT_OF_EXIT.get(self.done.status, f"status {self.done.status}")

    @property
    def consistent(self):
        """The exit status and the report tell the same."""
        return not self.report or self.report.get("result") == self.result

    @property
    def module(self):
        return (self.report or {}).get("patch", {}).get("file")

    @property
    def error(self):
        error = (self.report or {}).get("error")
        return " ".join(filter(None, (error.get("message"), error.get("hint")))) if error else ""

    def items(self):
        return [(unit, item) for unit in (self.report or {}).get("units", []) for item in unit["items"]]

    @property
    def replaced(self):
        return sorted(item["name"] for _, item in self.items() if item["replaces"])

    def judgements(self, severity=None):
        return [j for j in (self.report or {}).get("judgements", []) if severity in (None, j["severity"])]

    @property
    def left_out(self):
        return (self.report or {}).get("left_out", [])

    def text(self):
        """All that it said, for a search."""
        return "\n".join((self.done.out, self.done.err, json.dumps(self.report or {}, ensure_ascii=False)))


def build(kmend_build, patches, out_dir, options=(), kernel=None, name=None, jobs=None, env=None, timeout=900):
    """Runs kmend-build with a report in out_dir/report.json."""
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    report = Path(out_dir) / "report.json"
    report.unlink(missing_ok=True)
    argv = [kmend_build, "build", "--colour", "never", "-o", str(out_dir), "--json", str(report)]
    argv += ["--kernel", kernel] if kernel else []
    argv += ["--name", name] if name else []
    argv += ["-j", str(jobs)] if jobs else []
    done = run(argv + list(options) + [str(p) for p in patches], env=env, timeout=timeout)
    try:
        return Build(done, json.loads(report.read_text()), report)
    except (OSError, ValueError):
        return Build(done, None, report)


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Progress:
    """One line on a terminal with what is done, elapsed and left; nothing elsewhere."""

    def __init__(self, total, what):
        self.total, self.what, self.start = total, what, time.monotonic()
        self.shown = sys.stderr.isatty()

    def show(self, done, text=""):
        if not self.shown:
            return
        elapsed = time.monotonic() - self.start
        left = f", {clock(elapsed / done * (self.total - done))} left" if done else ""
        sys.stderr.write(f"\r\x1b[K{self.what} {done}/{self.total}, {clock(elapsed)}{left}  {text[:60]}")
        sys.stderr.flush()

    def end(self):
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
