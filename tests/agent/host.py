# SPDX-License-Identifier: GPL-2.0-or-later
"""A host in a directory: its files, and the simulated kernel of tests/sim."""
import json
import os
import resource
import shutil
import signal
import subprocess
import uuid

KERNEL = (os.uname().machine, "6.1.0-50-cloud-amd64", "00112233445566778899aabbccddeeff00112233")


class Host:
    def __init__(self, directory):
        """directory: does not exist yet. From the environment: KMEND_SIM, APPLY_SIM, KMEND_FETCH, MKPATCH."""
        self.root, self.programs = os.path.join(directory, "root"), os.path.join(directory, "programs")
        os.makedirs(self.root)
        os.makedirs(self.programs)
        for name, program in (("kmend-apply", "APPLY_SIM"), ("kmend-fetch", "KMEND_FETCH")):
            os.symlink(os.environ[program], os.path.join(self.programs, name))
        self.env = dict(os.environ, KMEND_ROOT=self.root, KMEND_LIBEXECDIR=self.programs, NO_COLOR="1")
        self.put("etc/machine-id", uuid.uuid4().hex + "\n")
        self.up(1000)
        self.kmend("status")

    def path(self, below):
        return os.path.join(self.root, below)

    def put(self, below, text):
        os.makedirs(os.path.dirname(self.path(below)), exist_ok=True)
        with open(self.path(below), "w") as f:
            f.write(text)

    def get(self, below):
        try:
            with open(self.path(below)) as f:
                return f.read()
        except OSError:
            return None

    def up(self, seconds):
        self.put("proc/uptime", f"{seconds}.00 1.00\n")

    disk = None  # bytes that a file may have: what a full disk does to whoever writes

    def full(self):
        if self.disk is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.disk, self.disk))

    def run(self, *argv, **env):
        return subprocess.run(argv, env=dict(self.env, **env), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False, preexec_fn=self.full, restore_signals=False)

    def kmend(self, *words, **env):
        return self.run(os.environ["KMEND_SIM"], *words, **env)

    def apply(self, *words, **env):
        return self.run(os.path.join(self.programs, "kmend-apply"), *words, **env)

    def status(self, **env):
        return json.loads(self.kmend("status", "--json", **env).stdout)

    def fleet(self):
        return json.loads(self.get("run/kmend/fleet") or "{}")

    def enabled(self):
        base = self.path("sys/kernel/livepatch")
        return sorted(name for name in os.listdir(base) if self.get(f"sys/kernel/livepatch/{name}/enabled") == "1\n")

    def reboot(self, goodbye=False):
        if goodbye:
            self.apply("goodbye")
        for name in os.listdir(self.path("sys/kernel/livepatch")):
            shutil.rmtree(self.path(f"sys/kernel/livepatch/{name}"))
        for name in os.listdir(self.path("sys/module")):
            if name != "ext4":
                shutil.rmtree(self.path(f"sys/module/{name}"))
        shutil.rmtree(self.path("run"), ignore_errors=True)
        self.put("proc/sys/kernel/random/boot_id", str(uuid.uuid4()) + "\n")
        self.up(5)
        return self.apply("boot")

    def patch(self, name, cve="CVE-2026-0001", ident=None):
        """A payload; its file."""
        path = os.path.join(os.path.dirname(self.root), f"{name}-{uuid.uuid4().hex[:6]}.ko")
        subprocess.run([os.environ["MKPATCH"], path, name, f"cve={cve}", f"id={ident or uuid.uuid4().hex + '00000000'}"], check=True)
        return path
