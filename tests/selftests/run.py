#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's own live patching selftests, on a real kernel in the virtual machine.

They are taken from the source package of the kernel under test, and their modules are compiled unchanged. A column is what they run
against:

  native    the kernel's live patching, as its developers run them
  cli       the same, with `kmend load` and `kmend unload` in place of insmod, sysfs and rmmod (cli.sh)
  core      kmend.ko: the modules find include/linux/livepatch.h first, the scripts go through core.sed
  core-cli  kmend.ko, and kmend load and unload

One line of TAP for each scenario of each script.
"""
import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

COLUMNS = ("native", "cli", "core", "core-cli")
SCRIPTS = "tools/testing/selftests/livepatch"
MODULES = (f"{SCRIPTS}/test_modules", "lib/livepatch")  # since 6.9, and before
# Programs of the host, in place of busybox's: the scripts compare what some of them print, word for word.
PROGRAMS = """bash cat grep sed awk mktemp dmesg sysctl modprobe insmod rmmod lsmod modinfo comm diff stat sleep id date seq tr
 getconf dirname basename uname rm ls head sort""".split()
# Lines of the log that a scenario provokes and compares.
PROVOKED = ("failed to register ftrace handler for function", "failed to patch object", "failed to enable patch",
            "pre-patch callback failed for object", "refusing to load module")
START = re.compile(r'^start_test "(.*)"', re.M)
TEST = re.compile(r"TEST: (.*?) \.\.\. (.*)$")
KBUILD = """obj-m := {objects}
LINUXINCLUDE := {include} $(LINUXINCLUDE)
"""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", default="build", help="Meson build directory with the programs")
    parser.add_argument("--kernel", action="append", metavar="RELEASE", help="may be given more than once")
    parser.add_argument("--column", action="append", choices=COLUMNS, help="may be given more than once; all")
    parser.add_argument("--script", action="append", metavar="NAME", help="test-NAME.sh only; may be given more than once")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of kmend.ko")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="guests at a time (2)")
    parser.add_argument("--json", metavar="FILE", help="write what was found")
    parser.add_argument("--table", metavar="FILE", help="write it as the table of docs/selftests.md")
    parser.add_argument("--keep", action="store_true", help="keep the directory with all that was built")
    return parser.parse_args()


def must(argv, what, timeout=600, cwd=None):
    done = harness.run(argv, timeout=timeout, cwd=cwd)
    if done.status:
        raise harness.Failure(f"{what}: {(done.out + done.err)[-3000:]}")
    return done


def find_program(name):
    path = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if not path:
        raise harness.Failure(f"{name} is not installed (scripts/packages.txt)")
    return path


class Kernel:
    """A prepared kernel, and kmend.ko built for it when a column needs it."""

    def __init__(self, args, release, work):
        self.release, self.work = release, work
        self.dir = harness.prepared(harness.program(args.build_dir, "kmend-build"), release)
        self.tree = self.dir / "tree"
        self.compiler = json.loads((self.dir / "kernel.json").read_text())["compiler"]
        self.core = None

    def make(self, directory, *words):
        must(["make", "-C", str(self.tree), f"M={directory}", f"CC={self.compiler}", *words, "modules"],
             f"the modules of {directory.name} do not build")

    def build_core(self):
        """A copy, for Kbuild writes beside the sources."""
        if not self.core:
            self.core = self.work / "kmod"
            shutil.copytree(ROOT / "kmod", self.core, ignore=shutil.ignore_patterns("*.o", "*.ko", "*.mod*", ".*"))
            shutil.copytree(ROOT / "include", self.work / "include")
            self.make(self.core)
        return self.core


def extract(kernel, to):
    """Scripts and modules as they are in the source package: to/scripts, to/modules."""
    shutil.copytree(kernel.tree / SCRIPTS, to / "scripts", ignore=shutil.ignore_patterns("test_modules", "Makefile", "config"))
    source = next((kernel.tree / m for m in MODULES if (kernel.tree / m).is_dir()), None)
    if not source:
        raise harness.Failure(f"{kernel.tree} has no live patching selftests")
    (to / "modules").mkdir()
    for file in source.glob("*.c"):
        shutil.copy(file, to / "modules")


def build_modules(kernel, directory, core):
    objects = " ".join(sorted(f"{file.stem}.o" for file in directory.glob("*.c")))
    include = f"-I{HERE}/include -I{kernel.build_core()}" if core else ""
    (directory / "Kbuild").write_text(KBUILD.format(objects=objects, include=include))
    kernel.make(directory, *([f"KBUILD_EXTRA_SYMBOLS={kernel.core}/Module.symvers"] if core else []))


def build_guest(kernel, built, column):
    """The guest's /selftests and /lib/modules, from scripts and modules that were built."""
    guest = built.parent / f"guest-{column}"
    tests, extra = guest / "selftests", guest / "modules" / kernel.release / "extra"
    shutil.copytree(built / "scripts", tests)
    extra.mkdir(parents=True)
    (extra.parent / "build").mkdir()
    (tests / "test_modules").mkdir()
    for file in (built / "modules").glob("*.ko"):
        shutil.copy(file, extra)
        shutil.copy(file, tests / "test_modules")
    must([find_program("depmod"), "-b", str(lay_out(guest)), kernel.release], "depmod")
    for source in tests.glob("*.c"):
        must(["gcc", "-O2", "-o", str(tests / source.stem), str(source)], f"{source.name} does not build")
    if column.endswith("cli"):
        with open(tests / "functions.sh", "a", encoding="utf-8") as file:
            file.write((HERE / "cli.sh").read_text())
    if column.startswith("core"):
        must(["sed", "-i", "-f", str(HERE / "core.sed"), *map(str, sorted(tests.glob("*.sh")))], "core.sed")
    return guest


def lay_out(guest):
    """depmod looks for lib/modules below its base."""
    (guest / "lib").mkdir()
    (guest / "lib/modules").symlink_to("../modules")
    return guest


def scenarios(scripts, wanted):
    """(script, scenario) in the order in which they run."""
    return [(path.name, name) for path in sorted(scripts.glob("test-*.sh")) for name in START.findall(path.read_text())
            if not wanted or path.name[len("test-"):-len(".sh")] in wanted]


def read_results(text):
    """{(script, scenario): (passed, what it said)} of the scenarios that began."""
    results, script, scenario = {}, None, None
    for line in text.splitlines():
        begin = TEST.search(line)
        if line.startswith("== end"):
            scenario = None
        elif line.startswith("== "):
            script = line[3:]
        elif begin:
            scenario = (script, begin[1])
            results[scenario] = (begin[2] == "ok", [begin[2]])
        elif scenario:
            results[scenario][1].append(line)
    return results


def boot(args, kernel, guest, column):
    argv = [harness.program(args.build_dir, "kmend-lab"), "run", "--kernel", kernel.release, "--timeout", "1100", "--one-thread",
            "--panic-on-warn", "--carry", f"{guest}/selftests:/selftests",
            "--carry", f"{guest}/modules/{kernel.release}:/lib/modules/{kernel.release}"]
    for name in PROGRAMS:
        argv += ["--carry", f"{find_program(name)}:/bin/{name}"]
    for text in PROVOKED:
        argv += ["--allow-log", text]
    if column.endswith("cli"):
        argv += ["--carry", harness.program(args.build_dir, "kmend") + ":/bin/kmend"]
    if column.startswith("core"):
        argv += ["--carry", f"{kernel.build_core()}/kmend.ko:/modules/kmend.ko"]
    return harness.run([*argv, str(HERE / "guest.sh"), *args.parameter], timeout=1200)


def run_column(args, kernel, guest, column):
    """[(script, scenario, passed, text)]; the last one is the guest itself."""
    wanted = scenarios(guest / "selftests", args.script)
    for path in (guest / "selftests").glob("test-*.sh"):
        if path.name not in {script for script, _ in wanted}:
            path.unlink()
    done = boot(args, kernel, guest, column)
    found = read_results(done.out)
    if column.startswith("core"):
        wanted.append(("kmend.ko", "it can be unloaded"))
    rows = [(*key, *found.get(key, (False, ["it was not reached"]))) for key in wanted]
    rows.append(("guest", "it ends well, with a clean log", not done.status, [f"status {done.status}", done.err[-3000:]]))
    if args.keep:
        (guest / "output").write_text(done.out + done.err)
    return rows


def report(rows, kernel, column, count):
    for script, name, passed, text in rows:
        count += 1
        print(f"{'ok' if passed else 'not ok'} {count} - {kernel.release} {column}: {script}: {name}")
        if not passed:
            print("\n".join(f"#   {line}" for line in "\n".join(text).splitlines()[:60]))
    sys.stdout.flush()
    return count


def table(found):
    """Markdown: a row for each scenario, a column for each kernel and way."""
    heads = [(release, column) for release, columns in found.items() for column in columns]
    cells = {}
    for release, column in heads:
        for script, name, passed, _ in found[release][column]:
            cells.setdefault((script, name), {})[release, column] = "ok" if passed else "**fails**"
    lines = ["| script | scenario | " + " | ".join(f"{release.split('-')[0]} {column}" for release, column in heads) + " |",
             "|---" * (len(heads) + 2) + "|"]
    for (script, name), row in cells.items():
        lines.append(f"| {script} | {name} | " + " | ".join(row.get(head, "–") for head in heads) + " |")
    return "\n".join(lines) + "\n"


def run_kernel(args, release, work, count):
    kernel = Kernel(args, release, work)
    found, built, guests = {}, {}, {}
    for column in args.column or COLUMNS:
        core = column.startswith("core")
        if core not in built:
            built[core] = work / ("core" if core else "klp")
            extract(kernel, built[core])
            build_modules(kernel, built[core] / "modules", core)
        guests[column] = build_guest(kernel, built[core], column)
    with ThreadPoolExecutor(args.jobs) as pool:  # the scripts sleep most of the time
        runs = {column: pool.submit(run_column, args, kernel, guest, column) for column, guest in guests.items()}
        for column, run in runs.items():
            found[column] = run.result()
            count = report(found[column], kernel, column, count)
    return found, count


def main():
    args = parse_arguments()
    work = Path(tempfile.mkdtemp(prefix="kmend-selftests."))
    found, count = {}, 0
    try:
        for release in args.kernel or [os.environ.get("KMEND_TEST_KERNEL") or harness.DEFAULT_KERNEL]:
            (work / release).mkdir()
            found[release], count = run_kernel(args, release, work / release, count)
    except harness.Failure as error:
        print(f"Bail out! {error}")
        return 1
    finally:
        if args.keep:
            print(f"# kept: {work}")
        else:
            shutil.rmtree(work)
    print(f"1..{count}")
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n")
    if args.table:
        Path(args.table).write_text(table(found))
    return 0 if all(row[2] for columns in found.values() for rows in columns.values() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
