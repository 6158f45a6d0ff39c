#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What kmend build says, word for word: the report for people and the one for scripts, compared with tests/data/reports. TAP.

What another kernel, machine or day changes is masked: times, sizes, hashes, paths, the kernel's release, lines of its source.
"""
import argparse
import difflib
import json
import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

GOLDEN = HERE.parent / "data/reports"
# Case of tests/cases -> more options. Each shows another part of a report.
CASES = {
    "new-function": [],
    "two-units": [],
    "tracepoint-module": [],
    "init-only": [],
    "comment": [],
    "refuse-data": [],
    "refuse-layout": [],
    "bad-hunk": [],
}
MASKED_KEYS = {"release", "package", "build_id", "compiler", "source_hash", "file", "size", "sha256", "expected", "wall",
               "own_cpu", "tools_cpu", "compile_cpu", "seconds", "own_peak_kb", "original_from_cache", "line", "tool"}
TEXT_MASKS = [
    (r"for RELEASE \(\S+\)$", "for RELEASE (VERSION)"),
    (r"(?<=\S\.[cChS]):\d+", ":LINE"),
    (r"\(line \d+\)", "(line LINE)"),
    (r"\d+ bytes became \d+", "N bytes became N"),
    (r"\d+ bytes, (?=\d+ function)", "N bytes, "),
    (r"sha256 [0-9a-f]{16}", "sha256 HASH"),
    (r" *\d+\.\d\d s\b", " TIME"),
    (r"^(locate|open image|apply|units|compile and compare|match|write|prepare|fetch|unpack): \d+\.\d s\n", ""),
    (r"peak memory \d+ MB", "peak memory N MB"),
]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build-dir", default="build", help="Meson build directory with the programs")
    parser.add_argument("--kernel", default=harness.DEFAULT_KERNEL, metavar="RELEASE")
    parser.add_argument("--update", action="store_true", help="take what is said now as right")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    return parser.parse_args()


def mask_text(text, places):
    for path, name in places:
        text = text.replace(str(path), name)
    for pattern, instead in TEXT_MASKS:
        text = re.sub(pattern, instead, text, flags=re.M)
    return text


def mask_json(value, places):
    """A key stays, and so does whether it holds anything; a file of the kernel's source stays too."""
    if isinstance(value, dict):
        return {key: mask_value(key, item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [mask_json(item, places) for item in value]
    return mask_text(value, places) if isinstance(value, str) else value


def mask_value(key, value, places):
    if key not in MASKED_KEYS or value is None or (key == "file" and not str(value).startswith("/")):
        return mask_json(value, places)
    return f"MASKED {type(value).__name__}"


def report(args, name, work):
    """Both reports of a case, masked; what went to stderr stands below the one for people."""
    case = HERE.parent / "cases" / name
    build = harness.build(harness.program(args.build_dir, "kmend-build"), sorted(case.glob("*.patch")), work / name,
                          options=CASES.get(name, []), kernel=args.kernel, name="case_" + name.replace("-", "_"))
    places = [(work / name, "OUT"), (case, "CASE"), (harness.cache_dir(), "CACHE"), (args.kernel, "RELEASE")]
    text = build.done.out + "-- stderr, and the exit status " + str(build.done.status) + "\n" + build.done.err
    return {"txt": mask_text(text, places),
            "json": json.dumps(mask_json(build.report, places), indent=2, ensure_ascii=False) + "\n"}


def compare(path, said):
    """The difference from the golden file, as lines."""
    right = path.read_text() if path.exists() else ""
    return list(difflib.unified_diff(right.splitlines(), said.splitlines(), str(path), "said now", lineterm="", n=1))


def main():
    args = parse_arguments()
    names, number, bad = args.cases or list(CASES), 0, 0
    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kmend-reports-") as work:
        for name in names:
            for kind, said in report(args, name, Path(work).resolve()).items():
                path = GOLDEN / f"{name}.{kind}"
                if args.update:
                    path.write_text(said)
                different = compare(path, said)
                number += 1
                bad += bool(different)
                print(f"{'not ok' if different else 'ok'} {number} - {name}.{kind}", flush=True)
                for line in different:
                    print("# " + line)
    print(f"1..{number}")
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except harness.Failure as failure:
        sys.exit(f"Bail out! {failure}")
