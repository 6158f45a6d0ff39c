#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real changes between two of Debian's kernel sources, each made into a live patch, loaded and unloaded in a VM.

A patch is one .c file's whole change. Files are taken in an order that SEED alone decides, until N of them are in the
kernel's configuration. Two other benches use the same machinery: --lines shifts all lines of N units (nothing may
change), --strings puts a new string into one function of each of N units (nothing else may change).

What a run found is kept in the cache, under the kernel, the versions and the builder's own hash: a run that was cut
short goes on where it was.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import random
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import harness  # noqa: E402
import sources  # noqa: E402

BUILT, REFUSED, NOTHING, ALONE, APPLY, ABSENT, FAULT = (
    "built", "refused", "nothing to patch", "does not compile alone", "does not apply",
    "not configured, or comments alone", "tool failure")
ORDER = (BUILT, REFUSED, NOTHING, ALONE, APPLY, FAULT, ABSENT)
AIM_BUILT = 0.85
COMPILER_ERROR = re.compile(r"\.[ch]:\d+:(\d+:)? (fatal )?error:")
# The patch uses a function or variable that another file of the same update brings.
OTHER_FILES = re.compile(r"nor any unit of this patch has a global")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build-dir", default="build", help="Meson build directory with the programs")
    parser.add_argument("--from", dest="old", default="6.1.176-1", metavar="VERSION",
                        help="of linux-source-6.1; the kernel's own")
    parser.add_argument("--to", dest="new", default="6.1.187-1", metavar="VERSION")
    parser.add_argument("--kernel", default=harness.DEFAULT_KERNEL, metavar="RELEASE")
    parser.add_argument("-n", type=int, default=100, help="units to look at")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="builds at once")
    parser.add_argument("--lines", action="store_true", help="the bench of shifted lines")
    parser.add_argument("--strings", action="store_true", help="the bench of the new string")
    parser.add_argument("--short", action="store_true", help="five units each of --lines and --strings, as TAP")
    parser.add_argument("--no-vm", action="store_true", help="do not load the results")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--only", nargs="+", metavar="PATH", help="these source files instead of a sample")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--markdown", metavar="FILE")
    return parser.parse_args()


# ---- one patch ------------------------------------------------------------------------------------------------------
def classify(build):
    """(class, reasons) of a build."""
    if build.result == "built":
        whole = build.consistent and build.module
        return (BUILT, []) if whole else (FAULT, ["no module, or another result in the report"])
    if build.result == "nothing":
        units = (build.report or {}).get("units")
        if units:
            return NOTHING, sorted({j["code"] for j in build.judgements()})
        return ABSENT, [left["reason"] for left in build.left_out]
    if build.result == "refused":
        refusals = build.judgements("refuse")
        codes = sorted({j["code"] for j in refusals})
        alone = any(OTHER_FILES.search(j["reason"]) for j in refusals)
        return (ALONE if alone else REFUSED), codes or ["no reason given"]
    if build.result == "error":
        return classify_error(build.error or build.done.err)
    return FAULT, [build.result, build.done.err[-400:]]


def classify_error(message):
    if COMPILER_ERROR.search(message):
        return ALONE, [first_line(COMPILER_ERROR, message)]
    if "does not apply" in message or "hunk" in message.lower():
        return APPLY, [message[:200]]
    return FAULT, [message[:400]]


def first_line(pattern, message):
    return next(line.strip() for line in message.splitlines() if pattern.search(line))


class Bench:
    """How patches of one bench are made and judged."""

    def __init__(self, args, cache):
        self.args, self.old = args, sources.tree(args.old, cache)
        self.cache = cache

    def paths(self):
        return sources.c_files(self.old)

    def judge(self, build, made):  # pylint: disable=unused-argument
        return classify(build)


class Changes(Bench):
    name = "changes"

    def __init__(self, args, cache):
        super().__init__(args, cache)
        self.new = sources.tree(args.new, cache)

    def paths(self):
        return sources.changed_files(self.old, self.new, self.cache)

    def make(self, path):
        return {"patch": sources.change_patch(path, self.old, self.new)}


class Lines(Bench):
    name = "lines"

    def make(self, path):
        return {"patch": sources.lines_patch(path, self.old)}

    def judge(self, build, made):
        kind, reasons = classify(build)
        return (FAULT, [f"functions changed: {' '.join(build.replaced)}"]) if kind == BUILT else (
            (FAULT, reasons) if kind in (REFUSED, ALONE, APPLY) else (kind, reasons))


class Strings(Bench):
    name = "strings"

    def make(self, path):
        chooser = random.Random(f"{self.args.seed} {path}")
        made = sources.string_patch(path, self.old, chooser)
        return made and {"function": made[0], "patch": made[1]}

    def judge(self, build, made):
        """A function that the compiler inlines changes its callers instead: then its own name is not among them."""
        kind, reasons = classify(build)
        if kind != BUILT:
            return kind, reasons
        others = [name for name in build.replaced if name.split(".")[0] != made["function"]]
        if others and len(others) < len(build.replaced):
            return BUILT, [f"{made['function']}, and also {' '.join(others)}"]
        return BUILT, [f"{made['function']} is inlined into {' '.join(others)}"] if others else []


class Runner:
    """Builds one patch after the other and keeps each result in a file of its own."""

    def __init__(self, args, bench, cache):
        self.args, self.bench = args, bench
        self.builder = harness.program(args.build_dir, "kmend-build")
        versions = f"{args.old}..{args.new}" if bench.name == "changes" else args.old
        identity = f"{harness.sha256(self.builder)} {args.seed if bench.name == 'strings' else ''}"
        key = hashlib.sha256(identity.encode()).hexdigest()[:12]
        self.dir = cache / "corpus" / f"{bench.name}-{args.kernel}-{versions}" / key
        self.dir.mkdir(parents=True, exist_ok=True)

    def build(self, path):
        """The result of one patch, a dict; from an earlier run where there is one."""
        short = hashlib.sha256(path.encode()).hexdigest()[:10]
        work = self.dir / f"c{short}"
        kept = work / "result.json"
        if kept.exists() and not self.args.fresh:
            return json.loads(kept.read_text())
        made = self.bench.make(path)
        if not made:
            return {"path": path, "class": ABSENT, "reasons": ["no function to change"]}
        work.mkdir(exist_ok=True)
        patch = work / (Path(path).name.replace(".c", ".patch"))
        patch.write_text(made["patch"], encoding="utf-8", errors="surrogateescape")
        build = harness.build(self.builder, [patch], work, kernel=self.args.kernel, name=f"corpus_{short}",
                              jobs=1 if self.args.jobs > 1 else None)
        result = self.result(path, build, made)
        kept.with_suffix(".new").write_text(json.dumps(result, indent=1))
        kept.with_suffix(".new").rename(kept)
        return result

    def result(self, path, build, made):
        kind, reasons = self.bench.judge(build, made)
        report = build.report or {}
        return {"path": path, "class": kind, "reasons": reasons, "functions": build.replaced, "module": build.module,
                "risks": sorted({j["code"] for j in build.judgements("risk")}), "wall": round(build.done.wall, 3),
                "cpu": round(build.done.cpu, 3), "own_peak_kb": report.get("own_peak_kb"), "dir": str(self.dir)}


def sample(args, runner, bench):
    """Builds in the order of the seed until n patches are in the configuration."""
    paths = list(args.only or bench.paths())
    if not args.only:
        random.Random(args.seed).shuffle(paths)
    goal = len(paths) if args.only else args.n
    results, counted = [], 0
    progress = harness.Progress(goal, f"{bench.name}: built")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for start in range(0, len(paths), args.jobs):
            if counted >= goal:
                break
            for result in pool.map(runner.build, paths[start:start + args.jobs]):
                if counted < goal:
                    results.append(result)
                    counted += result["class"] != ABSENT
                    progress.show(counted, result["path"])
    progress.end()
    return results


# ---- in the VM ------------------------------------------------------------------------------------------------------
def load_all(args, runner, results):
    """Loads and unloads what was built; each such result gets "vm": "pass" or the reason why not."""
    todo = {Path(r["module"]).name: r for r in results if r["class"] == BUILT and r.get("vm") != "pass"}
    if not todo:
        return
    lab = harness.program(args.build_dir, "kmend-lab")
    report = runner.dir / "batch.json"
    report.unlink(missing_ok=True)
    files = [r["module"] for r in todo.values()]
    done = harness.run([lab, "batch", "--kernel", args.kernel, "--json", str(report), *files],
                       timeout=300 + 60 * len(files))
    try:
        entries = json.loads(report.read_text())["results"]
    except (OSError, ValueError, KeyError) as error:
        raise harness.Failure(f"kmend-lab batch gave no report ({error}): {done.err[-600:]}") from error
    for result in todo.values():
        result["vm"] = "not run"
    for entry in entries:
        result = todo[Path(entry["file"]).name]
        result["vm"] = "pass" if entry["pass"] else entry.get("reason") or "failed"
        result["transition"] = entry.get("transition_seconds")
        result["modules_absent"] = entry.get("modules_absent", [])


# ---- what it came to ------------------------------------------------------------------------------------------------
def summary(args, bench, results, seconds):
    classes = collections.Counter(r["class"] for r in results)
    alone = sum(classes[c] for c in (BUILT, REFUSED, NOTHING, FAULT))
    built = [r for r in results if r["class"] == BUILT]
    reasons = collections.Counter(code for r in results if r["class"] == REFUSED for code in r["reasons"])
    loaded = [r for r in built if r.get("vm") == "pass"]
    return {"bench": bench.name, "kernel": args.kernel, "from": args.old, "to": args.new, "seed": args.seed,
            "n": args.n, "classes": {c: classes[c] for c in ORDER}, "compile_alone": alone, "built": len(built),
            "loaded_clean": len(loaded), "built_share": round(len(built) / alone, 4) if alone else None,
            "refused_by": dict(reasons.most_common()),
            "functions": sum(len(r["functions"]) for r in built), "seconds": round(seconds, 1),
            "cpu": round(sum(r.get("cpu") or 0 for r in results), 1)}


def table(found):
    """Rows of (what, how many, share of those that compile by themselves)."""
    share = lambda n: f"{100 * n / found['compile_alone']:.0f} %" if found["compile_alone"] else "-"
    rows = []
    for kind in ORDER:
        count = found["classes"][kind]
        counts = kind in (BUILT, REFUSED, NOTHING, FAULT)
        rows.append((kind, count, share(count) if counts else ""))
        if kind == REFUSED:
            rows += [(f"  {code}", number, "") for code, number in found["refused_by"].items()]
        if kind == BUILT and found["vm"]:
            rows.append(("  loaded and unloaded, log clean", found["loaded_clean"], ""))
    return rows


def print_table(found):
    print(f"{found['bench']} of {found['from']}" + (f" to {found['to']}" if found["bench"] == "changes" else "") +
          f" on {found['kernel']}, seed {found['seed']}, {found['compile_alone']} that compile by themselves")
    for what, count, share in table(found):
        print(f"  {what:<44}{count:>5}  {share:>5}")
    print(f"  {found['functions']} functions replaced; {found['seconds']:.0f} s, {found['cpu']:.0f} CPU-s")


def markdown(found, results):
    lines = ["| | patches | of those that compile by themselves |", "|---|---|---|"]
    lines += [f"| {what.strip()} | {count} | {share} |" for what, count, share in table(found)]
    lines += ["", "| file | result | why | VM |", "|---|---|---|---|"]
    cell = lambda text: str(text).replace("|", "\\|").replace("\n", " ")[:160]
    lines += [f"| {r['path']} | {r['class']} | {cell('; '.join(r['reasons']))} | {cell(r.get('vm') or '')} |"
              for r in results if r["class"] != ABSENT]
    return "\n".join(lines) + "\n"


def verdict(args, bench, found, results):
    """What is short of the aims, one line each."""
    faults = [f"{r['path']}: {'; '.join(map(str, r['reasons']))}" for r in results if r["class"] == FAULT]
    if not args.no_vm:
        faults += [f"{r['path']}: {r.get('vm')}" for r in results if r["class"] == BUILT and r.get("vm") != "pass"]
    if bench.name == "changes" and found["compile_alone"] >= 20 and found["built_share"] < AIM_BUILT:
        faults.append(f"built {100 * found['built_share']:.0f} % of what compiles by itself, "
                      f"the aim is {100 * AIM_BUILT:.0f} %")
    return faults


def run_bench(args, kind, cache):
    """(summary, results, what is not as it should be)"""
    start = time.monotonic()
    bench = kind(args, cache)
    runner = Runner(args, bench, cache)
    results = sample(args, runner, bench)
    if not args.no_vm:
        load_all(args, runner, results)
    found = summary(args, bench, results, time.monotonic() - start)
    found["vm"] = not args.no_vm
    return found, results, verdict(args, bench, found, results)


def short(args, cache):
    """The benches of single edits, a few units each, as TAP."""
    args.n, number, failed = 5, 0, False
    for kind in (Lines, Strings):
        _, results, faults = run_bench(args, kind, cache)
        for result in (r for r in results if r["class"] != ABSENT):
            number += 1
            wrong = [f for f in faults if f.startswith(f"{result['path']}: ")]
            print(f"{'not ok' if wrong else 'ok'} {number} - {kind.name}: {result['path']}" +
                  (f" # {' '.join(wrong)}" if wrong else ""))
            failed = failed or bool(wrong)
    print(f"1..{number}")
    return 1 if failed or not number else 0


def main():
    args = parse_arguments()
    cache = harness.cache_dir()
    if args.short:
        return short(args, cache)
    found, results, faults = run_bench(args, Lines if args.lines else Strings if args.strings else Changes, cache)
    print_table(found)
    if args.json:
        Path(args.json).write_text(json.dumps({"summary": found, "results": results}, indent=1) + "\n")
    if args.markdown:
        Path(args.markdown).write_text(markdown(found, results))
    for fault in faults:
        print(f"  not as it should be: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except harness.Failure as failure:
        sys.exit(f"corpus: {failure}")
    except KeyboardInterrupt:
        sys.exit("corpus: stopped; what was built is kept, the same command goes on")
