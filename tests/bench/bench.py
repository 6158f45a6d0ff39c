#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a build costs: the first for a kernel, the next one, and the same one again.

The first starts from a cache that holds nothing but the downloaded packages. CPU time is that of the whole run,
compilers included; memory is the peak of kmend-build's own process, as it reports it.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

CASES = HERE.parent / "cases"
AIMS = {"first": ("cpu", 45.0), "warm": ("cpu", 12.0)}
AIM_PEAK_MB = 300


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build-dir", default="build", help="Meson build directory with the programs")
    parser.add_argument("--kernel", default=harness.DEFAULT_KERNEL, metavar="RELEASE")
    parser.add_argument("--first", default="changed-code", metavar="CASE", help="patch of the first build")
    parser.add_argument("--warm", default="own-once", metavar="CASE", help="patch of the second and the repeated build")
    parser.add_argument("--short", action="store_true", help="no first build, the cache that there is, the aims as TAP")
    parser.add_argument("--check", action="store_true", help="fail when an aim is missed")
    parser.add_argument("--keep", action="store_true", help="keep the bench's cache")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def disk_mb(top):
    """Space taken, each file once however many names it has; the packages not counted."""
    seen, total = set(), 0
    for directory, subdirectories, names in os.walk(top):
        if Path(directory) == top:
            subdirectories[:] = [d for d in subdirectories if d != "debs"]
        for name in names:
            info = os.lstat(os.path.join(directory, name))
            if info.st_ino not in seen:
                seen.add(info.st_ino)
                total += info.st_blocks * 512
    return total / 1e6


def fill_debs(main_cache, builder, kernel, case, work):
    """Links the packages into the bench's cache; a build in the main cache downloads them when they are not there."""
    if not list(main_cache.glob(f"debs/linux-image-{kernel}_*.deb")):
        harness.build(builder, patches(case), work / "download", kernel=kernel, timeout=3600)
    (work / "cache/debs").mkdir(parents=True)
    for deb in main_cache.glob("debs/*"):
        if deb.is_file():
            os.link(deb, work / "cache/debs" / deb.name)


def patches(case):
    found = sorted((CASES / case).glob("*.patch"))
    if not found:
        raise harness.Failure(f"there is no case '{case}' with a patch")
    return found


def measure(what, builder, kernel, case, work, cache):
    build = harness.build(builder, patches(case), work / f"out-{what}", kernel=kernel, env={"KMEND_CACHE": str(cache)},
                          timeout=3600)
    if build.result != "built":
        raise harness.Failure(f"the {what} build: {build.result}: {build.error or build.done.err[-800:]}")
    report = build.report
    return {"what": what, "case": case, "wall": build.done.wall, "cpu": build.done.cpu, "own_cpu": report["own_cpu"],
            "tools_cpu": report["tools_cpu"], "own_peak_mb": report["own_peak_kb"] / 1024, "disk_mb": disk_mb(cache),
            "stages": report["times"]}


def print_rows(kernel, rows):
    print(f"kmend build for {kernel}, {os.cpu_count()} CPUs")
    print(f"  {'':<12}{'wall s':>9}{'CPU s':>9}{'ours':>9}{'tools':>9}{'peak MB':>9}{'disk MB':>9}")
    for row in rows:
        print(f"  {row['what']:<12}{row['wall']:>9.2f}{row['cpu']:>9.2f}{row['own_cpu']:>9.2f}{row['tools_cpu']:>9.2f}"
              f"{row['own_peak_mb']:>9.0f}{row['disk_mb']:>9.0f}")


def missed(rows):
    """The aims that were missed, one line each."""
    lines = []
    for row in rows:
        key, limit = AIMS.get(row["what"], (None, None))
        if key and row[key] > limit:
            lines.append(f"{row['what']}: {row[key]:.1f} CPU-s, the aim is {limit:.0f}")
        if row["own_peak_mb"] > AIM_PEAK_MB:
            lines.append(f"{row['what']}: {row['own_peak_mb']:.0f} MB, the aim is {AIM_PEAK_MB}")
    return lines


def run(args, work):
    builder = harness.program(args.build_dir, "kmend-build")
    fill_debs(harness.cache_dir(), builder, args.kernel, args.first, work)
    plan = (("first", args.first), ("warm", args.warm), ("unchanged", args.warm))
    return [measure(what, builder, args.kernel, case, work, work / "cache") for what, case in plan]


def run_short(args, work):
    """What a warm build costs here and now, against the aim."""
    builder = harness.program(args.build_dir, "kmend-build")
    measure("prepare", builder, args.kernel, args.first, work, harness.cache_dir())
    row = measure("warm", builder, args.kernel, args.warm, work, harness.cache_dir())
    lines = missed([row])
    print(f"1..1\n{'not ok' if lines else 'ok'} 1 - a warm build: {row['cpu']:.1f} CPU-s, {row['own_peak_mb']:.0f} MB" +
          (f" # {'; '.join(lines)}" if lines else ""))
    return 1 if lines else 0


def main():
    args = parse_arguments()
    cache = harness.cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="bench-", dir=cache))  # beside the packages, which are linked
    try:
        if args.short:
            return run_short(args, work)
        rows = run(args, work)
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)
    print_rows(args.kernel, rows)
    if args.json:
        found = {"kernel": args.kernel, "cpus": os.cpu_count(), "runs": rows}
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n")
    lines = missed(rows)
    for line in lines:
        print(f"  aim missed: {line}")
    return 1 if args.check and lines else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except harness.Failure as failure:
        sys.exit(f"bench: {failure}")
