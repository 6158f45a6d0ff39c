#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs every group of tests, or those named, and closes with `N passed, N failed, N skipped`.

A group is a row of GROUPS: a name, what it guards, and the commands that it runs. A command that speaks TAP is counted by its
lines, `meson test` by its log, and any other command is one test: its exit status.
"""

import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TAP = re.compile(r"^(?:\s{4})*(ok|not ok)\b(?!.*#\s*TODO)(.*)", re.I)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def count(self, ok, skipped=False):
        if skipped:
            self.skipped += 1
        elif ok:
            self.passed += 1
        else:
            self.failed += 1

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def tap_line(line, tally):
    """Counts a line if it is a TAP result."""
    m = TAP.match(line)
    if not m:
        return False
    tally.count(m.group(1).lower() == "ok", bool(re.search(r"#\s*skip", m.group(2), re.I)))
    return True


def run_plain(argv):
    """One test: the command's exit status. Its output is shown when it fails."""
    tally = Tally()
    done = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False)
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-40:]))
    print(f"{'ok' if not done.returncode else 'not ok'} - {' '.join(argv)}", flush=True)
    tally.count(done.returncode == 0)
    return tally


def run_tap(argv):
    """Shows the output as it comes. A non-zero exit without a failed line, and no line at all, are failures too."""
    tally = Tally()
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          errors="replace") as p:
        for line in p.stdout:
            tap_line(line, tally)
            print(line, end="", flush=True)
    if (p.returncode and not tally.failed) or not (tally.passed + tally.failed + tally.skipped):
        print(f"not ok - {' '.join(argv)} # exit status {p.returncode}")
        tally.failed += 1
    return tally


def meson_rows(log):
    with open(log, encoding="utf-8", errors="replace") as f:
        for line in f:
            yield json.loads(line)


def show_failure(row):
    print("\n".join((row.get("stdout", "") + "\n" + row.get("stderr", "")).splitlines()[-60:]))


def run_meson(build, *args):
    """Counts each case of a TAP test, and any other test as one."""
    tally = Tally()
    log = os.path.join(ROOT, build, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--quiet", *args], cwd=ROOT, env=env,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if not os.path.exists(log):
        print(f"not ok - meson test {' '.join(args)} # it left no log")
        tally.failed += 1
        return tally
    for row in meson_rows(log):
        one = Tally()
        for line in row.get("stdout", "").splitlines():
            tap_line(line, one)
        bad = row["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
        if one.passed + one.failed == 0 or (bad and not one.failed):
            one.count(not bad, row["result"] == "SKIP")
        if bad:
            show_failure(row)
        print(f"{'not ok' if bad else 'ok'} - {row['name']} ({row['duration']:.1f} s; {one})", flush=True)
        tally.add(one)
    return tally


def meson_build(build, *options, cc="gcc"):
    """Configures once, builds; one test: no warning is let through."""
    env = dict(os.environ, CC=cc)
    path = os.path.join(ROOT, build)
    if not os.path.exists(os.path.join(path, "build.ninja")):
        done = subprocess.run(["meson", "setup", build, *options], cwd=ROOT, env=env, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            print(done.stdout[-3000:])
    return run_plain(["ninja", "-C", build])


def suites(*names):
    return [word for name in names for word in ("--suite", name)]


KERNEL = []  # the option of the scripts below; set by prepare_kernel()


def prepare_kernel():
    """Fetches and prepares the kernel that all groups use, so that no test's own time or limit has to cover it."""
    kmend = os.path.join(ROOT, "build/tools/kmend")
    done = subprocess.run(["scripts/default-kernel.sh", kmend], cwd=ROOT, capture_output=True, text=True, check=False)
    release = done.stdout.strip()
    if not release:
        print(done.stderr)
    os.environ["KERNEL"] = os.environ["KMEND_TEST_KERNEL"] = release
    KERNEL[:] = ["--kernel", release]
    return run_plain([kmend, "prepare", release])


def default_kernel(*series):
    done = subprocess.run(["scripts/default-kernel.sh", os.path.join(ROOT, "build/tools/kmend"), *series], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    return done.stdout.strip()


def run_tap_on_second(argv):
    """The same on the other kernel that Debian 12 offers. It cannot be had offline, unless it is in the cache."""
    release = default_kernel("6.12")
    if not release:
        print(f"ok - {' '.join(argv)} # SKIP there is no kernel 6.12 to be had")
        tally = Tally()
        tally.count(True, skipped=True)
        return tally
    return run_tap([*argv, "--kernel", release])


SANITIZE = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]

SELFTESTS = ["python3", "tests/selftests/run.py", "--build-dir", "build"]

# Those where the two flavours are made in different ways: late relocations and the loader's tables.
CORE_CASES = ["header-macro", "included-unit", "jump-label-local", "module-later", "module-static-key", "percpu-existing",
              "static-call", "tracepoint", "vmlinux-and-module"]

GROUPS = [
    ("build", "gcc and clang build it without a warning", [
        lambda: meson_build("build"),
        lambda: meson_build("build-clang", cc="clang"),
    ]),
    ("kernel", "the kernel that the other groups use can be fetched and prepared", [prepare_kernel]),
    ("text", "manual pages and scripts are well-formed", [
        lambda: run_tap(["tests/text.sh"]),
    ]),
    ("unit", "each part by itself", [
        lambda: run_meson("build", *suites("unit", "cli", "fuzz")),
    ]),
    ("sanitize", "the same under ASan and UBSan", [
        lambda: meson_build("build-asan", *SANITIZE),
        lambda: run_meson("build-asan", *suites("unit", "cli", "server", "fuzz")),
    ]),
    ("server", "kmend-server on this machine, with hosts that only talk", [
        lambda: run_meson("build", *suites("server")),
    ]),
    ("fuzz", "a while of each fuzzer", [
        lambda: run_tap(["env", "SEED=1", "tests/fuzz/run.sh", os.environ.get("FUZZ_SECONDS", "30")]),
    ]),
    ("lab", "the virtual machine", [
        lambda: run_meson("build", *suites("vm")),
    ]),
    ("host", "load, unload and kills on a real kernel", [
        lambda: run_meson("build", *suites("host")),
    ]),
    ("core", "kmend.ko: patches and modules that come, go, fail, and that a task bars", [
        lambda: run_meson("build", *suites("core")),
    ]),
    ("soak", "the short mode of make soak", [
        lambda: run_tap(["python3", "tests/soak/soak.py", "--build-dir", "build", "--short", *KERNEL]),
    ]),
    ("selftests", "the kernel's own live patching tests: by our command line, and with kmend.ko", [
        lambda: run_tap([*SELFTESTS, "--column", "cli", "--column", "core", *KERNEL]),
        lambda: run_tap_on_second([*SELFTESTS, "--column", "core-cli"]),
    ]),
    ("cases", "each capability and each refusal, on a real kernel", [
        lambda: run_tap(["python3", "tests/cases/run.py", "--build-dir", "build", *KERNEL]),
        lambda: run_tap(["python3", "tests/cases/run.py", "--build-dir", "build", "--flavour", "core", *KERNEL,
                         "--only", *CORE_CASES]),
    ]),
    ("builder", "same bytes, caches, kills, full disks; what it says, word for word", [
        lambda: run_tap(["python3", "tests/builder/reports.py", "--build-dir", "build", *KERNEL]),
        lambda: run_tap(["tests/builder/run.sh"]),
    ]),
    ("corpus", "the short mode of make corpus", [
        lambda: run_tap(["python3", "tests/corpus/corpus.py", "--build-dir", "build", "--short", *KERNEL]),
    ]),
    ("bench", "the short mode of make bench", [
        lambda: run_tap(["python3", "tests/bench/bench.py", "--build-dir", "build", "--short", *KERNEL]),
        lambda: run_tap(["python3", "tests/bench/core.py", "--build-dir", "build", "--short", *KERNEL]),
    ]),
    ("deb", "the Debian packages: built, and installed, upgraded and purged in a clean Debian", [
        lambda: run_tap(["tests/deb/build.sh", "build-deb"]),
        lambda: run_tap(["tests/deb/root.sh", "--short", "build-deb"]),
    ]),
    ("e2e", "server, publisher and hosts in virtual machines: attach, reboot, crash, halt, lies", [
        lambda: run_tap(["python3", "tests/e2e/e2e.py", "--build-dir", "build", *KERNEL]),
    ]),
    ("demo", "the main job, as a visitor sees it", [
        lambda: run_plain(["scripts/demo.sh"]),
    ]),
]


def cpu_used():
    """Seconds of all children that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def main():
    wanted = sys.argv[1:] or [name for name, _, _ in GROUPS]
    if "kernel" not in wanted:  # it is needed all the same, and so is the program that prepares it
        meson_build("build")
        prepare_kernel()
    unknown = set(wanted) - {name for name, _, _ in GROUPS}
    if unknown:
        sys.exit(f"tests/run.py: no group {', '.join(sorted(unknown))}; there are "
                 f"{', '.join(name for name, _, _ in GROUPS)}")
    total = Tally()
    summary = []
    for name, about, commands in GROUPS:
        if name not in wanted:
            continue
        print(f"\n== {name}: {about}", flush=True)
        start, used, tally = time.monotonic(), cpu_used(), Tally()
        for command in commands:
            tally.add(command())
        summary.append(f"{name:10} {time.monotonic() - start:7.1f} s  CPU {cpu_used() - used:7.1f} s  {tally}")
        total.add(tally)
    print("\n" + "\n".join(summary) + "\n")
    print(total, flush=True)
    sys.exit(1 if total.failed or not total.passed else 0)


if __name__ == "__main__":
    main()
