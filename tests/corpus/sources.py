# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel sources: packages into the cache, their .c files unpacked once, patches made from them."""
import difflib
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import Failure

PACKAGE = "linux-source-6.1"
# No configuration of an x86 kernel builds these; the builder is asked about the rest.
NEVER_BUILT = re.compile(r"(Documentation|LICENSES|samples|scripts|tools|usr|rust|arch/(?!x86/)[^/]+)/")


def fetch(version, debs):
    """The package file of that version, downloaded into debs/ when it is not there."""
    name = f"{PACKAGE}_{version.replace(':', '%3a')}_all.deb"
    if not (debs / name).exists():
        debs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=debs, prefix=".download-") as work:
            done = subprocess.run(["apt-get", "download", f"{PACKAGE}={version}"], cwd=work, capture_output=True,
                                  text=True, check=False)
            if done.returncode or not (Path(work) / name).exists():
                raise Failure(f"apt-get download {PACKAGE}={version}: {done.stderr.strip()}")
            (Path(work) / name).rename(debs / name)
    return debs / name


def unpack(deb, to):
    """The .c files of a source package below `to`; complete or absent, whoever is killed when."""
    if to.is_dir():
        return to
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=".unpack-") as work:
        members = subprocess.run(f"dpkg-deb --fsys-tarfile '{deb}' | tar -x -C '{work}' --wildcards '*.tar.xz'",
                                 shell=True, check=False)
        archives = list(Path(work).rglob("*.tar.xz"))
        if members.returncode or not archives:
            raise Failure(f"{deb} holds no source archive")
        subprocess.run(["tar", "-xf", archives[0], "-C", work, "--strip-components=1", "--wildcards", "*.c"],
                       check=True)
        shutil.rmtree(Path(work) / "usr/src", ignore_errors=True)
        Path(work).chmod(0o755)
        Path(work).rename(to)
        Path(work).mkdir()  # what the context manager takes away
    return to


def tree(version, cache):
    return unpack(fetch(version, cache / "debs"), cache / "sources" / version)


def c_files(top):
    return sorted(str(p.relative_to(top)) for p in top.rglob("*.c") if not NEVER_BUILT.match(str(p.relative_to(top))))


def changed_files(old, new, cache):
    """Paths of the .c files that both trees have and that differ; remembered in the cache."""
    known = cache / "sources" / f"{old.name}..{new.name}.json"
    if known.exists():
        return json.loads(known.read_text())
    paths = [p for p in c_files(old) if (new / p).is_file() and (old / p).read_bytes() != (new / p).read_bytes()]
    known.write_text(json.dumps(paths, indent=0))
    return paths


def read(path):
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def diff_text(path, old, new):
    """A unified diff, -p1, between two texts of one file."""
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), f"a/{path}", f"b/{path}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def change_patch(path, old, new):
    return diff_text(path, read(old / path), read(new / path))


def lines_patch(path, top):
    """Two more lines at the top that make no code. Of a blank line alone the text tells enough: nothing is compiled."""
    text = read(top / path)
    return diff_text(path, text, "\nstruct kmend_corpus_line;\n" + text)


FUNCTION = re.compile(r"^(?!#)(?P<head>[a-z_][\w \t*]*?\b(?P<name>\w+)\((?:[^;{}()]|\([^;{}()]*\))*\))\s*\n\{\n", re.M)
SPECIAL = re.compile(r"\b(inline|__always_inline|__init|__exit|__meminit|__ref|notrace|noinstr|__naked|__cpuinit|"
                     r"__sched|SYSCALL\w*|asmlinkage|DEFINE\w*|__releases|__acquires)\b")


def string_patch(path, top, chooser):
    """A use of a new string at the start of one function, in no way that needs a header; (function, diff), or None."""
    text = read(top / path)
    found = [m for m in FUNCTION.finditer(text) if not SPECIAL.search(m["head"])]
    if not found:
        return None
    match = chooser.choice(found)
    use = '\tasm volatile("" : : "r" ("a string that the kernel has not"));\n'
    return match["name"], diff_text(path, text, text[:match.end()] + use + text[match.end():])
