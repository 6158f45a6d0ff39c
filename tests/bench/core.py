#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kmend.ko against the kernel's own live patching, both in the same guest.

Instructions per call, and all times in the guest with one CPU, come from a clock that counts instructions (kmend-lab
--icount): the same on every machine, busy or not; read them as times of a machine that does 10^9 instructions a second.
The guest with two CPUs has a real clock. There the idle CPU is what the kernel's first pass misses.
"""
import argparse
import json
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

MODES = ("stop", "lazy", "hybrid", "deadline")
DEFAULT_MODE = "hybrid"
WIDE = 256  # functions of kmend_bench_wide_*
CALLS = 1000  # of a count
MOST_ABOVE_PLAIN = 5
MISSED_FACTOR = 10
STATES = (("steady", "no transition"), ("handler", "no transition, `direct` off"),
          ("switched", "transition, task has switched"), ("pending", "transition, task has not"),
          ("newborn", "transition, task born in it"))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", default="build", help="Meson build directory with the programs")
    parser.add_argument("--kernel", default=harness.DEFAULT_KERNEL, metavar="RELEASE")
    parser.add_argument("--tasks", default="100 1000 5000", metavar="'N...'",
                        help="how many sleep while a transition is made")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each transition (5)")
    parser.add_argument("--short", action="store_true", 
                        help="one guest, 100 tasks; what no noise can touch as TAP, the rest as comments")
    parser.add_argument("--check", action="store_true", help="fail when an aim is missed")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


# ---- building, running ---------------------------------------------------------------------------------------------
def make(prepared, directory, *words):
    compiler = json.loads((prepared / "kernel.json").read_text())["compiler"]
    done = harness.run(["make", "-s", "-C", str(prepared / "tree"), f"M={directory}", f"CC={compiler}", *words, "modules"])
    if done.status:
        raise harness.Failure(f"the modules of {directory.name} do not build: {(done.out + done.err)[-3000:]}")


def build_modules(args, work):
    """kmend.ko and the bench's modules, without the debug information that each load would read."""
    prepared = harness.prepared(harness.program(args.build_dir, "kmend-build"), args.kernel)
    core = work / "kmod"
    for source, to in ((ROOT / "kmod", core), (ROOT / "include", work / "include"),
                       (HERE / "modules", work / "modules")):
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("*.o", "*.ko", "*.mod*", ".*"))
    make(prepared, core)
    symbols = core / "Module.symvers"
    make(prepared, work / "modules", f"KMEND={core}", f"KBUILD_EXTRA_SYMBOLS={symbols}")
    modules = [core / "kmend.ko", *sorted((work / "modules").glob("*.ko"))]
    for module in modules:
        harness.run(["strip", "--strip-debug", str(module)])
    return modules


def value_of(text):
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def rows_of(text, guest):
    """The lines "row key=value ..." of a guest, each as a dictionary."""
    rows = []
    for line in text.splitlines():
        if line.startswith("row "):
            words = (word.split("=", 1) for word in line[4:].split())
            rows.append({"guest": guest, **{key: value_of(value) for key, value in words}})
    return rows


def run_guest(args, modules, guest, options, words):
    argv = [harness.program(args.build_dir, "kmend-lab"), "run", "--kernel", args.kernel, "--memory", "1024",
            "--timeout", "3600", "--silence", "120", "--panic-on-warn", *options,
            "--carry", harness.program(args.build_dir, "kmend-bench") + ":/bin/kmend-bench"]
    for module in modules:
        argv += ["--carry", str(module)]
    done = harness.run([*argv, str(HERE / "core.sh"), *map(str, words)], timeout=3600)
    if done.status:
        raise harness.Failure(f"the guest '{guest}' ended with {done.status}: {(done.out + done.err)[-3000:]}")
    return rows_of(done.out, guest)


# ---- what was measured ---------------------------------------------------------------------------------------------
def pick(rows, **wanted):
    return [row for row in rows if all(row.get(k) == v for k, v in wanted.items())]


def calls(rows):
    """{(flavour, state): instructions a call}, the median of the tasks that it was counted for."""
    found = {}
    for row in pick(rows, what="call"):
        found.setdefault((row["flavour"], row["state"]), []).append(row["ticks"] / CALLS)
    return {key: statistics.median(counts) for key, counts in found.items()}


def memory(rows):
    """{flavour: bytes a function}, of the last round."""
    found = {}
    for flavour in ("klp", "core"):
        before, after = (pick(rows, what="memory", flavour=flavour, state=state)[-1] for state in ("before", "after"))
        found[flavour] = sum(after[k] - before[k] for k in ("slab", "vmalloc", "percpu")) / WIDE
    return found


def wide(rows):
    return {(row["flavour"], row["op"]): row["ns"] / 1e6 for row in pick(rows, what="wide")}


class Timed:
    """The rounds of one transition: guest, case, number of tasks, direction and mode."""

    def __init__(self, rows):
        self.refused = sum("errno" in row for row in rows)
        done = [row for row in rows if "errno" not in row]
        self.median = statistics.median(row["ns"] for row in done) / 1e6 if done else None
        self.missed = sum(row["missed"] for row in done)
        self.rounds = len(rows)
        self.stop_ms = max((row.get("stop_ns", 0) for row in done), default=0) / 1e6

    def text(self):
        if self.median is None:
            return "refused"
        return f"{self.median:.1f}" + (f" ({self.refused} refused)" if self.refused else "")


def transitions(rows):
    """{(guest, case, tasks, op): {mode: Timed}}"""
    found = {}
    for row in pick(rows, what="transition"):
        key = row["guest"], row["case"], row["tasks"], row["op"]
        found.setdefault(key, {}).setdefault(row["mode"], []).append(row)
    return {key: {mode: Timed(r) for mode, r in modes.items()} for key, modes in found.items()}


# ---- against the aims ----------------------------------------------------------------------------------------------
def judge_calls(rows):
    """(holds, what) of each aim that is counted in instructions."""
    n = calls(rows)
    steady, plain = n["core", "steady"], n["none", "plain"]
    text = f"a redirected call costs {steady - plain:.0f} instructions more, at most {MOST_ABOVE_PLAIN}"
    yield steady <= plain + MOST_ABOVE_PLAIN, text
    for state, about in STATES[2:]:
        ours, theirs = n["core", state], n["klp", state]
        yield ours <= theirs, f"{about}: {ours:.0f} instructions a call, the kernel's {theirs:.0f}"
    ours, theirs = n["core", "handler"], n["klp", "steady"]
    yield ours <= theirs, f"without direct calls: {ours:.0f} instructions a call, the kernel's {theirs:.0f}"


def judge_blocked(rows):
    for row in pick(rows, what="blocked", mode="deadline"):
        ms = row["ns"] / 1e6
        limit = row["deadline_ms"]
        yield ms <= limit, f"a task that stays: a deadline of {limit} ms is kept ({ms:.0f} ms)"
    klp = pick(rows, what="blocked", flavour="klp")[0]
    yield klp["transition"] == 1, f"a task that stays: the kernel's transition goes on after {klp['after_s']} s"
    yield pick(rows, what="blocked", mode="stop")[0].get("errno") == 16, "a task that stays: mode stop gives up"


def judge_times(rows):
    for (guest, case, tasks, op), modes in transitions(rows).items():
        ours, theirs = modes[DEFAULT_MODE], modes["klp"]
        factor = MISSED_FACTOR if theirs.missed * 2 > theirs.rounds else 1
        text = f"{guest}, {case}, {tasks} tasks, {op}: {ours.median:.1f} ms, the kernel's {theirs.median:.1f}"
        if factor > 1:
            text += f", which is to be {factor} times longer"
        yield ours.median * factor <= theirs.median, text


# ---- for people ----------------------------------------------------------------------------------------------------
def table(head, body):
    widths = [max(len(str(row[i])) for row in [head, *body]) for i in range(len(head))]
    lines = []
    for row in [head, *body]:
        lines.append("| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |")
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def call_lines(rows):
    n = calls(rows)
    plain, most = n["none", "plain"], max(n.values())
    body = [["unpatched", f"{plain:.0f}", ""]]
    for state, about in STATES:
        theirs = n.get(("klp", state))
        body.append([about, f"{n['core', state]:.0f}", f"{theirs:.0f}" if theirs else ""])
    yield from table(["instructions a call", "kmend", "kernel"], body)
    yield ""
    for label, value in (("unpatched", plain), ("kmend", n["core", "steady"]), ("kernel", n["klp", "steady"]),
                         ("kmend, transition", max(n["core", s] for s, _ in STATES[2:])),
                         ("kernel, transition", max(n["klp", s] for s, _ in STATES[2:]))):
        yield f"    {label:<20}{'█' * max(1, round(50 * value / most))} {value:.0f}"


def wide_lines(rows):
    each, ms = memory(rows), wide(rows)
    yield from table([f"a patch of {WIDE} functions", "kmend", "kernel"], [
        ["bytes a function", f"{each['core']:.0f}", f"{each['klp']:.0f}"],
        ["apply, ms", f"{ms['core', 'apply']:.0f}", f"{ms['klp', 'apply']:.0f}"],
        ["revert, ms", f"{ms['core', 'revert']:.0f}", f"{ms['klp', 'revert']:.0f}"]])


def blocked_lines(rows):
    body = []
    for row in pick(rows, what="blocked"):
        if row["flavour"] == "klp":
            body.append(["kernel", f"goes on after {row['after_s']} s"])
        elif row["mode"] == "deadline":
            body.append([f"kmend, deadline of {row['deadline_ms']} ms",
                         f"back as it was after {row['ns'] / 1e6:.0f} ms"])
        else:
            body.append([f"kmend, {row['mode']}", f"refused after {row['ns'] / 1e6:.0f} ms"])
    yield from table(["a task that stays in an old function", ""], body)


def time_lines(rows):
    found = transitions(rows)
    body, worst = [], 0.0
    for (guest, case, tasks, op), modes in found.items():
        theirs = modes["klp"]
        worst = max(worst, *(t.stop_ms for t in modes.values()))
        missed = f" ({theirs.missed} of {theirs.rounds} missed)" if theirs.missed else ""
        body.append([guest, case, tasks, op, theirs.text() + missed,
                     *(modes[m].text() if m in modes else "" for m in MODES),
                     f"{theirs.median / modes[DEFAULT_MODE].median:.1f}"])
    yield from table(["guest", "case", "tasks", "", "kernel, ms", *MODES, f"kernel / {DEFAULT_MODE}"], body)
    yield ""
    yield f"Longest stop: {worst:.2f} ms."


def lines_of(rows):
    for what, lines in (("call", call_lines), ("wide", wide_lines), ("blocked", blocked_lines),
                        ("transition", time_lines)):
        if pick(rows, what=what):
            yield from lines(rows)
            yield ""


# ---- the two ways to run it ----------------------------------------------------------------------------------------
def run_short(args, modules):
    rows = run_guest(args, modules, "1 CPU", ["--icount"], ["calls blocked transitions", 100, 1, DEFAULT_MODE])
    found = [*judge_calls(rows), *judge_blocked(rows)]
    print(f"1..{len(found)}")
    for number, (holds, text) in enumerate(found, 1):
        print(f"{'ok' if holds else 'not ok'} {number} - core: {text}")
    for holds, text in judge_times(rows):
        print(f"# {'' if holds else 'missed: '}{text}")
    return 0 if all(holds for holds, _ in found) else 1


def run(args, modules):
    timed = [args.tasks, args.rounds, " ".join(MODES)]
    rows = run_guest(args, modules, "1 CPU", ["--icount"], ["calls wide blocked transitions", *timed])
    rows += run_guest(args, modules, "2 CPUs", ["--smp", "2", "--one-thread"], ["transitions", *timed])
    print(f"kmend.ko and the kernel's live patching, {args.kernel}\n\n" + "\n".join(lines_of(rows)))
    found = [*judge_calls(rows), *judge_blocked(rows), *judge_times(rows)]
    for holds, text in found:
        if not holds:
            print(f"  aim missed: {text}")
    if args.json:
        aims = [{"holds": holds, "aim": text} for holds, text in found]
        Path(args.json).write_text(json.dumps({"kernel": args.kernel, "aims": aims, "rows": rows}, indent=1) + "\n")
    return 1 if args.check and not all(holds for holds, _ in found) else 0


def main():
    args = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="bench-core-") as directory:
        modules = build_modules(args, Path(directory))
        return run_short(args, modules) if args.short else run(args, modules)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except harness.Failure as failure:
        sys.exit(f"bench: {failure}")
