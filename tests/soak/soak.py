#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stress of kmend.ko: boots each kernel with each number of CPUs, runs kmend-soak's cases in it, and says what held.

TAP on the standard output, one line for each case; a report as JSON or Markdown on demand. The exit status is 0 when all held.
A kernel is a Debian release, or debug:KIND (KIND: lockdep, kcsan), a small kernel that tests/vm/debug-kernel.sh builds once.
"""
import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from harness import DEFAULT_KERNEL, Failure, Progress, clock, prepared, program, run  # noqa: E402

MODES = ["stop", "lazy", "hybrid", "deadline"]
DEBUG_SOURCE = "6.1"
# How many times slower than a release under emulation: limits grow with it, cycles shrink.
SLOW = {"lockdep": 8, "kcsan": 5}
CASE_LINE = re.compile(r"^(ok|not ok) - (\S+)((?: \w+)?): ?(.*)$")
SHORT_CASES = "cycles,hot,reverse,stuck,coming,unsafe,force"


class Kernel:
    """Something that boots: its name, the lab's options for it, the tree that modules are built in."""

    def __init__(self, name, options, tree, slow):
        self.name, self.options, self.tree, self.slow = name, options, tree, slow


def release(name, args):
    directory = prepared(program(args.build_dir, "kmend-build"), name)
    return Kernel(name, ["--kernel", name], directory / "tree", 1)


def debug(kind, cached):
    """None when it is not in the cache and only a cached one is wanted."""
    argv = [str(ROOT / "tests/vm/debug-kernel.sh"), DEBUG_SOURCE, kind] + (["--cached"] if cached else [])
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 3 and cached:
        return None
    if done.returncode:
        raise Failure(f"the debug kernel {kind} cannot be built")
    directory = Path(done.stdout.strip())
    options = ["--vmlinuz", str(directory / "vmlinuz"), "--modules", str(directory / "modules")]
    return Kernel(f"debug:{kind}", options, directory / "tree", SLOW[kind])


def fail_steps():
    """The names that the core's sources give to km_fails()."""
    found = set()
    for path in sorted((ROOT / "kmod").rglob("*.c")):
        found.update(re.findall(r'km_fails\("([^"]+)"\)', path.read_text()))
    return sorted(found)


def make(kernel, directory, *words):
    done = run(["make", "-s", "-C", str(kernel.tree), f"M={directory}", "CC=gcc-12", *words, "modules"], timeout=1800)
    if done.status:
        raise Failure(f"{directory.name} does not build for {kernel.name}:\n{done.out[-1500:]}{done.err[-3000:]}")


def modules(kernel, work):
    """Builds kmend.ko with its test parameters, and the modules of the test; the directory that is carried in."""
    base, out = work / kernel.name.replace(":", "-"), work / kernel.name.replace(":", "-") / "modules"
    if out.exists():
        return out
    base.mkdir()
    shutil.copytree(ROOT / "kmod", base / "kmod")
    shutil.copytree(ROOT / "include", base / "include")
    shutil.copytree(HERE / "modules", base / "soak")
    make(kernel, base / "kmod", "KMEND_TEST=1")
    make(kernel, base / "soak", f"KMEND={base / 'kmod'}", f"KBUILD_EXTRA_SYMBOLS={base / 'kmod/Module.symvers'}")
    ready = base / "ready"
    ready.mkdir()
    for path in [base / "kmod/kmend.ko", *(base / "soak").glob("*.ko")]:
        # Debug information is most of a module, and each load would read it.
        subprocess.run(["strip", "--strip-debug", "-o", str(ready / path.name), str(path)], check=True)
    ready.rename(out)
    return out


class Boot:
    """One guest: its kernel, CPUs and what its cases said."""

    def __init__(self, kernel, cpus, options):
        self.kernel, self.cpus, self.options = kernel, cpus, options
        self.cases, self.status, self.seconds, self.log = [], None, 0.0, ""

    @property
    def name(self):
        return f"{self.kernel.name}, {self.cpus} CPUs"

    def take(self, line, tap):
        match = CASE_LINE.match(line)
        if not match:
            return False
        ok, case, mode, note = match.group(1) == "ok", match.group(2), match.group(3).strip(), match.group(4)
        self.cases.append({"case": case, "mode": mode, "ok": ok, "note": note})
        tap(ok, f"{self.name}: {case}{' ' + mode if mode else ''}: {note}")
        return True


def lab_argv(boot, args, carried, log, guest):
    argv = [program(args.build_dir, "kmend-lab"), "run", *boot.kernel.options, "--smp", str(boot.cpus), "--one-thread", "--panic-on-warn",
            "--memory", "1024" if boot.kernel.slow > 1 else "512", "--timeout", str(args.limit),
            "--silence", str(120 * boot.kernel.slow), "--keep-log", str(log), "--carry", f"{carried}:/modules",
            "--carry", f"{program(args.build_dir, 'kmend-soak')}:/bin/kmend-soak", str(guest)]
    return argv + boot.options


def run_boot(boot, args, work, tap, show):
    """Streams the guest's output: results become TAP, the # lines progress, and the rest is shown when the guest fails."""
    carried = modules(boot.kernel, work)
    guest, log = work / "guest.sh", work / "guest.log"
    guest.write_text('#!/bin/sh\nexec kmend-soak "$@"\n')
    rest, start = [], time.monotonic()
    with subprocess.Popen(lab_argv(boot, args, carried, log, guest), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as child:
        for line in child.stdout:
            line = line.rstrip("\n")
            if boot.take(line, tap):
                continue
            rest.append(line)
            if line.startswith("# "):
                show(f"{boot.name}: {line[2:]}")
    boot.status, boot.seconds = child.returncode, time.monotonic() - start
    boot.log = log.read_text(errors="replace") if log.exists() else ""
    held = boot.status == 0 or (boot.status == 1 and any(not c["ok"] for c in boot.cases))
    if not held or not boot.cases:
        tap(False, f"{boot.name}: the guest ends well # status {boot.status}")
        print("\n".join(f"# {text}" for text in rest[-15:] + boot.log.splitlines()[-60:]), flush=True)
    else:
        tap(True, f"{boot.name}: nothing in the kernel's log ({boot.seconds:.0f} s)")
    if args.keep:
        name = f"{boot.kernel.name.replace(':', '-')}-{boot.cpus}.log"
        Path(args.keep).mkdir(parents=True, exist_ok=True)
        (Path(args.keep) / name).write_text("\n".join(rest) + "\n--\n" + boot.log)


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def __call__(self, ok, text):
        self.count += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.count} - {text}", flush=True)

    def skip(self, text):
        self.count += 1
        print(f"ok {self.count} - {text} # SKIP not in the cache", flush=True)


def guest_options(args, slow, cpus):
    # The CPUs take turns on one of the host's: more of them do not do more.
    pace = slow * max(int(cpus) // 2, 1)
    options = ["--cycles", str(max(args.cycles // (1 if args.full else slow), 2)), "--modes", ",".join(args.modes), "--slow", str(pace),
               "--fail-at", ",".join(fail_steps())]
    return options + (["--cases", args.cases] if args.cases else [])


def plan(args, tap):
    boots = []
    for name in args.kernels:
        kernel = debug(name.split(":", 1)[1], args.short) if name.startswith("debug:") else release(name, args)
        if not kernel:
            tap.skip(name)
            continue
        boots += [Boot(kernel, cpus, guest_options(args, kernel.slow, cpus)) for cpus in args.cpus]
    return boots


def markdown(boots, args):
    lines = [f"| kernel | CPUs | {' | '.join(('case', 'mode', 'held', 'what was seen'))} |", "|---|---|---|---|---|---|"]
    for boot in boots:
        for case in boot.cases:
            lines.append(f"| {boot.kernel.name} | {boot.cpus} | {case['case']} | {case['mode']} | {'yes' if case['ok'] else '**no**'} | "
                         f"{case['note']} |")
    return f"Cycles asked for: {args.cycles}.\n\n" + "\n".join(lines) + "\n"


def report(boots, args, failed):
    data = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "cycles": args.cycles, "failed": failed,
            "boots": [{"kernel": b.kernel.name, "cpus": b.cpus, "status": b.status, "seconds": round(b.seconds, 1), "options": b.options,
                       "cases": b.cases} for b in boots]}
    if args.json:
        Path(args.json).write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    if args.markdown:
        Path(args.markdown).write_text(markdown(boots, args))


def words(text):
    return text.replace(",", " ").split()


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build-dir", default="build")
    p.add_argument("--kernel", action="append", default=[], help="a release or debug:KIND; may be repeated")
    p.add_argument("--kernels", type=words, default=[], help="the same, as a list")
    p.add_argument("--cpus", type=words, default=["2", "4"])
    p.add_argument("--cycles", type=int, default=1000, help="in each mode; a debug kernel does fewer unless --full")
    p.add_argument("--modes", type=words, default=MODES)
    p.add_argument("--cases", help="only these, with commas")
    p.add_argument("--short", action="store_true", help="what the tests run: the first kernel with 2 CPUs, and a debug kernel if it is cached")
    p.add_argument("--full", action="store_true", help="all cycles on debug kernels too")
    p.add_argument("--limit", type=int, default=36000, help="seconds for one guest")
    p.add_argument("--keep", help="a directory for the kernels' logs")
    p.add_argument("--json")
    p.add_argument("--markdown")
    args = p.parse_args()
    args.kernels += args.kernel
    args.kernels = args.kernels or [os.environ.get("KERNEL") or DEFAULT_KERNEL, "debug:lockdep", "debug:kcsan"]
    if args.short:
        args.cycles, args.cpus, args.limit = 2, ["2"], 900
        args.cases = args.cases or SHORT_CASES
    return args


def main():
    args, tap = parse(), Tap()
    if not shutil.which("qemu-system-x86_64"):
        print("1..0 # SKIP qemu-system-x86_64 is not installed")
        return 0
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kmend-soak-") as work:
        boots = plan(args, tap)
        progress = Progress(len(boots), "soak")
        for i, boot in enumerate(boots):
            progress.show(i, boot.name)
            run_boot(boot, args, Path(work), tap, lambda text, i=i: progress.show(i, text))
        progress.end()
    report(boots, args, tap.failed)
    print(f"# {clock(time.monotonic() - begin)}\n1..{tap.count}", flush=True)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"not ok - {failure}", flush=True)
        sys.exit(1)
