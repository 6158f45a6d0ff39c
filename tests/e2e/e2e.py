#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The service from end to end: a real kmend-server on this machine, patches that `kmend build` made, and hosts in
virtual machines with the distribution's kernel, which attach, take patches, reboot, crash, and are lied to. TAP."""
import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import harness  # noqa: E402
import scenarios  # noqa: E402
from documents import must  # noqa: E402
from fleet import Fleet  # noqa: E402
from guest import Host  # noqa: E402

IN_GUEST = ("kmend-agent", "kmend-fetch", "kmend-apply")
PROGRAMS = ("kmend", "kmend-build", "kmend-lab", "kmend-server", "kmend-admin", *IN_GUEST)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", default="build", help="Meson build directory with the programs")
    parser.add_argument("--kernel", metavar="RELEASE", help="of the hosts; the default of scripts/default-kernel.sh")
    parser.add_argument("--only", action="append", choices=[s.__name__ for s in scenarios.ALL],
                        help="and those that it goes on from; may be given more than once")
    parser.add_argument("--keep", metavar="DIR", help="work in DIR and keep it")
    return parser.parse_args()


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def __call__(self, good, text, detail=None):
        """One line; detail is shown when it failed. Returns whether it was good."""
        self.n += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {text}", flush=True)
        if not good and detail is not None:
            for line in str(detail).splitlines()[-80:]:
                print(f"# {line}")
        return bool(good)


class World:
    """What scenarios share: the fleet, the built patches, hosts by name, and check()."""

    def __init__(self, programs, kernel, directory, check):
        self.programs, self.kernel, self.directory, self.check = programs, kernel, Path(directory), check
        self.hosts = {}
        with ThreadPoolExecutor(2) as pool:
            built = list(pool.map(self._build, sorted((HERE / "patches").glob("*.patch"))))
        self.patches = {path.name: path for path in built}
        must([programs["kmend-build"], "core", "-q", "-o", self.directory / "core", kernel], timeout=900)
        self.core = self.directory / "core/kmend.ko"
        self.fleet = Fleet(programs, self.directory)

    def _build(self, patch):
        out = self.directory / "patches" / patch.stem
        must([self.programs["kmend-build"], "build", "-q", "-j1", "--kernel", self.kernel, "--flavour", "both",
              "--severity", "high", "--description", f"for the tests: {patch.stem}", "--name", patch.stem, "-o", out,
              patch], timeout=900)
        return out

    def host(self, name, **options):
        """A new host, which every boot's script finds as usual: programs in place, the disk empty at the first boot."""
        carry = [f"{self.programs['kmend']}:/bin/kmend"]
        carry += [f"{self.programs[name]}:/usr/libexec/kmend/{name}" for name in IN_GUEST]
        carry += options.pop("carry", [])
        self.hosts[name] = Host(self.programs["kmend-lab"], self.kernel, self.directory, name, carry, **options)
        return self.hosts[name]

    @property
    def net(self):
        return (self.fleet.server.port,)

    @property
    def url(self):
        return f"http://host:{self.fleet.server.port}"

    def attach(self, tags=()):
        """The line of a script that attaches its host with a new token, and that token's id."""
        token, word = self.fleet.token(tags=tags)
        return f"show attach kmend attach {word} --server {self.url}", token

    def close(self):
        self.fleet.close()


def run(world, wanted):
    for scenario in wanted:
        start = time.monotonic()
        try:
            scenario(world)
        except Exception:  # a scenario that breaks off is one failure; the others go on
            world.check(False, f"{scenario.__name__} ran to its end", traceback.format_exc())
        print(f"# {scenario.__name__}: {time.monotonic() - start:.1f} s", flush=True)


def main():
    arguments = parse_arguments()
    programs = {name: harness.program(arguments.build_dir, name) for name in PROGRAMS}
    kernel = arguments.kernel or must([HERE.parent.parent / "scripts/default-kernel.sh", programs["kmend"]]).strip()
    wanted = scenarios.with_needs(arguments.only) if arguments.only else scenarios.ALL
    directory = arguments.keep or tempfile.mkdtemp(prefix="kmend-e2e-")
    os.makedirs(directory, exist_ok=True)
    check, world = Tap(), None
    try:
        start = time.monotonic()
        world = World(programs, kernel, directory, check)
        print(f"# patches, keys and server: {time.monotonic() - start:.1f} s", flush=True)
        run(world, wanted)
    finally:
        if world:
            world.close()
        if not arguments.keep:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"1..{check.n}")
    return 1 if check.failed or not check.n else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (harness.Failure, RuntimeError) as error:
        print(f"Bail out! {error}")
        sys.exit(1)
