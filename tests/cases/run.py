#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The capability cases: builds each, compares with what it should come to, and runs the built ones in a VM. Prints TAP.

A case is a folder with fix.patch (more *.patch files are given too, in the order of their names) and case.json:
  about          one line: what it guards
  expect         built, refused, nothing or error
  functions      exactly these are replaced            must_have   these are among the replaced ones
  codes          codes of judgements, or pieces of the error or of the report
  options        more options for kmend build; {case} {tree} {config} {vmlinuz} {symvers} stand for files
  own_kernel     the options name the kernel           patches     files instead of *.patch
  modules        inserted in the guest first           modules_later  inserted while the patch is applied
  allow_log      pieces of log lines that are no finding
  twice          built again in another directory, with the same bytes
  core           an object: what of this is different for the flavour core (--flavour core)
A built one has before.sh and after.sh: shell for the guest, true while the patch is not applied, and while it is.
"""
import argparse
import concurrent.futures
import json
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

BOOTS_MAX = 12


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build-dir", default="build", help="Meson build directory with the programs")
    parser.add_argument("--kernel", default=harness.DEFAULT_KERNEL, metavar="RELEASE")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these cases")
    parser.add_argument("--flavour", choices=("klp", "core"), default="klp", help="what the modules are for")
    parser.add_argument("--jobs", type=int, default=2, help="builds at once")
    parser.add_argument("--no-vm", action="store_true", help="build only")
    parser.add_argument("--keep", metavar="DIR", help="leave modules, reports and logs in DIR")
    return parser.parse_args()


class Case:
    def __init__(self, path, flavour):
        self.path, self.name = path, path.name
        self.spec = json.loads((path / "case.json").read_text())
        if flavour == "core":
            self.spec.update(self.spec.get("core", {}))
        self.complaints = []
        self.build = None

    def __getattr__(self, key):
        if key in ("about", "expect"):
            return self.spec[key]
        if key in ("functions", "must_have", "codes", "options", "patches", "modules", "modules_later", "allow_log"):
            return self.spec.get(key, [])
        raise AttributeError(key)

    @property
    def module_name(self):
        return "case_" + self.name.replace("-", "_")

    def patch_files(self):
        return [self.path / name for name in self.patches] or sorted(self.path.glob("*.patch"))

    def complain(self, text):
        self.complaints.append(text)


def load_cases(only, flavour):
    cases = [Case(path.parent, flavour) for path in sorted(HERE.glob("*/case.json"))]
    unknown = set(only or []) - {c.name for c in cases}
    if unknown:
        raise harness.Failure(f"there is no case {' '.join(sorted(unknown))}")
    return [c for c in cases if not only or c.name in only]


# ---- building -------------------------------------------------------------------------------------------------------
class Places:
    """Files of the prepared kernel that the options of a case may name."""

    def __init__(self, args):
        self.top = harness.prepared(harness.program(args.build_dir, "kmend-build"), args.kernel)
        self.kernel = args.kernel

    def fill(self, case, option):
        tree = self.top / "tree"
        return option.format(case=case.path, tree=tree, config=tree / ".config", symvers=tree / "Module.symvers",
                             vmlinuz=self.find(f"vmlinuz-{self.kernel}"))

    def find(self, name):
        return next(iter(self.top.rglob(name)), self.top / name)


class Builder:
    def __init__(self, args, work):
        self.args, self.work = args, work
        self.program = harness.program(args.build_dir, "kmend-build")
        self.places = Places(args)

    def build(self, case, out):
        options = [self.places.fill(case, o) for o in case.options] + ["--flavour", self.args.flavour]
        own = case.spec.get("own_kernel") or "--kernel" in options
        return harness.build(self.program, case.patch_files(), out, options=options, name=case.module_name,
                             kernel=None if own else self.args.kernel, jobs=1 if self.args.jobs > 1 else None)

    def check(self, case):
        out = self.work / "build" / case.name
        case.build = self.build(case, out)
        check_result(case)
        check_functions(case)
        check_codes(case)
        check_judgements(case)
        check_leftovers(case, out)
        if case.spec.get("twice") and case.build.module:
            again = self.build(case, self.work / "again" / "elsewhere" / case.name)
            if not again.module or harness.sha256(again.module) != harness.sha256(case.build.module):
                case.complain("built again in another directory it has other bytes")
        return case


def check_result(case):
    build = case.build
    if build.result != case.expect:
        refusals = [f"{j['code']}: {j['subject']}: {j['reason']}" for j in build.judgements("refuse")]
        said = build.error or "; ".join(refusals)
        case.complain(f"{build.result} instead of {case.expect}: {said or build.done.err[-300:]}")
    elif build.report is None and case.expect != "error":
        case.complain("no JSON report")
    elif not build.consistent:
        case.complain("exit status and JSON report differ")


def check_functions(case):
    replaced = case.build.replaced
    if case.functions and replaced != sorted(case.functions):
        case.complain(f"replaces {' '.join(replaced) or 'nothing'} instead of {' '.join(sorted(case.functions))}")
    missing = set(case.must_have) - set(replaced)
    if missing:
        case.complain(f"does not replace {' '.join(sorted(missing))}")
    unproved = [item["name"] for _, item in case.build.items() if item.get("matched") is False]
    if unproved:
        case.complain(f"not proved equal to the shipped kernel: {' '.join(unproved)}")


def check_codes(case):
    said = case.build.text()
    for code in case.codes:
        if code not in said:
            case.complain(f"'{code}' is nowhere in what it says")


def check_judgements(case):
    """A refusal gives its place in the source, its reason and the next step."""
    for judgement in case.build.judgements("refuse"):
        for key in ("file", "line", "reason", "next"):
            if not judgement.get(key):
                case.complain(f"the refusal {judgement['code']} has no {key}")


def check_leftovers(case, out):
    modules = sorted(p.name for p in out.glob("*.ko"))
    expected = [f"{case.module_name}.ko"] if case.expect == "built" else []
    if not case.complaints and modules != expected:
        case.complain(f"the output directory has {' '.join(modules) or 'no module'}")
    expected = ["report.json"] + [f"{name}.diff" for name in expected]
    others = sorted(p.name for p in out.iterdir() if p.suffix != ".ko" and p.name not in expected)
    if others:
        case.complain(f"left behind: {' '.join(others)}")


def build_all(args, cases, work):
    builder = Builder(args, work)
    progress = harness.Progress(len(cases), "cases built")
    builder.check(cases[0])  # alone: it may prepare the kernel
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for done, case in enumerate(pool.map(builder.check, cases[1:]), 2):
            progress.show(done, case.name)
    progress.end()


# ---- in the VM ------------------------------------------------------------------------------------------------------
def boots(cases):
    """Cases that share a guest: all that must keep the log clean; each of the others has one of its own."""
    clean = [c for c in cases if not c.allow_log]
    return ([clean] if clean else []) + [[c] for c in cases if c.allow_log]


class Guest:
    """One boot: runs cases until all are done or the guest is dead."""

    def __init__(self, args, work, number):
        self.args, self.dir, self.places = args, work / f"boot-{number}", Places(args)
        self.dir.mkdir()
        self.lab = harness.program(args.build_dir, "kmend-lab")

    def core(self):
        """kmend.ko; it has been built for the patches already."""
        done = harness.run([harness.program(self.args.build_dir, "kmend-build"), "core", "-q", "--json", self.args.kernel])
        return json.loads(done.out)["module"]

    def stage(self, cases):
        """The directory /cases of the guest."""
        for case in cases:
            place = self.dir / "cases" / case.name
            place.mkdir(parents=True)
            for name in ("before.sh", "after.sh"):
                shutil.copy(case.path / name, place)
            shutil.copy(case.build.module, place / f"{case.module_name}.ko")
            (place / "name").write_text(case.module_name + "\n")
            if case.modules_later:
                (place / "later").write_text("\n".join(case.modules_later) + "\n")

    def command(self, cases):
        argv = [self.lab, "run", "--kernel", self.args.kernel, "--json", str(self.dir / "report.json"),
                "--keep-log", str(self.dir / "log"), "--timeout", str(120 + 60 * len(cases)),
                "--carry", f"{self.dir / 'cases'}:/cases"]
        if self.args.flavour == "core":
            argv += ["--carry", self.core()]
        allowed = [text for case in cases for text in case.allow_log]
        argv += [word for text in allowed for word in ("--allow-log", text)] or ["--panic-on-warn"]
        argv += [word for module in sorted({m for c in cases for m in c.modules}) for word in ("--module", module)]
        for module in sorted({m for c in cases for m in c.modules_later}):
            argv += ["--carry", str(self.places.find(f"{module}.ko"))]
        return argv + [str(HERE / "guest.sh")] + [c.name for c in cases]

    def run(self, cases):
        """Judges the cases that were run; gives the ones that were not."""
        self.stage(cases)
        done = harness.run(self.command(cases), timeout=300 + 60 * len(cases))
        (self.dir / "output").write_text(done.out + done.err)
        ended = self.read_verdicts(cases, done)
        self.read_findings(cases)
        left = [c for c in cases if c.name not in ended]
        if ended:
            return left
        for case in left:
            case.complain(f"no case was run: {done.err.strip()[-600:]}")
        return []

    def read_verdicts(self, cases, done):
        """Names of the cases that were begun."""
        by_name = {c.name: c for c in cases}
        begun, running, said = set(), None, []
        for line in done.out.splitlines():
            word, _, rest = line.partition(" ")
            name, _, why = rest.partition(" ")
            if word == "@begin" and name in by_name:
                begun.add(name)
                running, said = by_name[name], []
            elif word == "@fail" and running:
                running.complain(f"{why}{': ' if said else ''}{' / '.join(said)[-400:]}")
                running = None
            elif word == "@ok":
                running = None
            elif running:
                said.append(line)
        if running:
            running.complain(f"the guest did not survive it: {done.err.strip()[-600:]}")
        return begun

    def read_findings(self, cases):
        """Gives each finding of the log to the case whose mark stands last above it."""
        try:
            findings = json.loads((self.dir / "report.json").read_text())["guest"]["findings"]
            log = (self.dir / "log").read_text(errors="replace").splitlines()
        except (OSError, ValueError, KeyError):
            return
        by_name, running = {c.name: c for c in cases}, None
        lines = {f["line"].strip() for f in findings}
        for line in log:
            if "kmend-case: " in line:
                running = by_name.get(line.split("kmend-case: ")[1].strip(), running)
            if line.strip() in lines and running:
                running.complain(f"log: {line.strip()}")


def run_all(args, cases, work):
    waiting, number = boots([c for c in cases if c.expect == "built" and c.build.module and not c.complaints]), 0
    while waiting:
        group = waiting.pop(0)
        left = Guest(args, work, number).run(group)
        number += 1
        if left and number < BOOTS_MAX:
            waiting.insert(0, left)
        for case in left if number >= BOOTS_MAX else []:
            case.complain("not run: too many guests died")


def report(cases):
    for number, case in enumerate(cases, 1):
        if case.complaints:
            why = " | ".join(case.complaints).replace("\n", " / ")
            print(f"not ok {number} - {case.name} # {why}")
        else:
            print(f"ok {number} - {case.name}")
    return 1 if any(c.complaints for c in cases) else 0


def main():
    args = parse_arguments()
    cases = load_cases(args.only, args.flavour)
    print(f"1..{len(cases)}", flush=True)
    work = Path(args.keep or tempfile.mkdtemp(prefix="kmend-cases-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        build_all(args, cases, work)
        if not args.no_vm:
            run_all(args, cases, work)
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)
    return report(cases)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except harness.Failure as failure:
        sys.exit(f"Bail out! {failure}")
