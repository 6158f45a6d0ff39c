# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts of a fleet as guests of kmend-lab: a disk that stays, a machine id, and one boot after the other.

A boot runs a script with lib.sh in front of it. What the script prints between the marks of `show` comes back by label;
a `mark NAME` calls a function here while the guest goes on.
"""
import re
import subprocess
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIMIT = 300  # seconds that a boot may take; a machine that is busy with other things needs several times the usual five
BEGIN, END, MARK = (re.compile(rf"@{word} (\S+)(?: (.*))?$") for word in ("begin", "end", "mark"))
PASSWD = """root:x:0:0:root:/root:/bin/sh
kmend:x:990:990:kmend:/nonexistent:/bin/false
nobody:x:65534:65534:nobody:/:/bin/sh
"""
GROUP = "root:x:0:\nkmend:x:990:\nnogroup:x:65534:\n"


class Shown:
    """What one `show` of a guest's script printed, and the status of its command."""

    def __init__(self, status, text):
        self.status, self.text = status, text

    def __contains__(self, part):
        return part in self.text

    def __repr__(self):
        return f"status {self.status}:\n{self.text}"


NOTHING = Shown(None, "")


class Boot:
    """One boot: the status of kmend-lab run, all that was printed, and what was shown by label."""

    def __init__(self):
        self.status, self.text, self.error, self.shown = None, "", "", {}

    def __getitem__(self, label):
        return self.shown.get(label, NOTHING)

    @property
    def clean(self):
        return self.status == 0

    @property
    def panicked(self):
        return self.status == 255 and "the kernel panicked" in self.error

    def __repr__(self):
        return f"status {self.status}\n{self.text[-6000:]}\n{self.error[-2000:]}"


class Reader:
    """Takes a guest's lines apart as they come."""

    def __init__(self, boot, on):
        self.boot, self.on, self.label, self.lines = boot, on, None, []

    def line(self, line):
        self.boot.text += line
        text = line.rstrip("\n")
        if (m := BEGIN.match(text)):
            self.label, self.lines = m.group(1), []
        elif (m := END.match(text)) and m.group(1) == self.label:
            self.boot.shown[self.label] = Shown(int(m.group(2)), "".join(self.lines)[:-1])
            self.label = None
        elif (m := MARK.match(text)):
            self.on[m.group(1)]()
        elif self.label:
            self.lines.append(line)


class Host:
    """A machine: DIR/NAME.img is its disk, mounted at /var; the files of `carry` are in every boot."""

    def __init__(self, lab, kernel, directory, name, carry=(), size="24M", append=""):
        self.lab, self.kernel, self.name, self.size, self.append = lab, kernel, name, size, append
        self.directory = Path(directory) / "hosts" / name
        self.directory.mkdir(parents=True)
        self.disk = self.directory / "disk.img"
        self.carry = list(carry)
        for path, text in (("machine-id", f"{name.encode().hex():0<32.32}\n"), ("passwd", PASSWD), ("group", GROUP)):
            (self.directory / path).write_text(text)
            self.carry.append(f"{self.directory / path}:/etc/{path}")

    def _argv(self, script, net, append, date, options):
        words = [self.lab, "run", "--kernel", self.kernel, "--disk", f"{self.disk}:/var:{self.size}"]
        words += ["--timeout", str(LIMIT), "--silence", str(LIMIT)]  # a machine that is busy is silent for long
        for word in self.carry:
            words += ["--carry", word]
        words += ["--net", ",".join(str(port) for port in net)] if net else []
        words += ["--append", f"{self.append} {append}".strip()] if self.append or append else []
        words += ["--date", date.strftime("%Y-%m-%dT%H:%M:%S")] if date else []
        return words + [*options, "--keep-log", str(self.directory / "log"), str(script)]

    def boot(self, script, net=(), append="", date=None, on=None, options=()):
        """Runs `script` to its end, or until the guest dies. net: ports here that the guest reaches at `host`."""
        path = self.directory / "script"
        path.write_text((HERE / "lib.sh").read_text() + script)
        boot = Boot()
        reader = Reader(boot, on or {})
        argv = self._argv(path, net, append, date, options)
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              errors="replace") as child:
            limit = threading.Timer(LIMIT + 60, child.kill)
            limit.start()
            errors = threading.Thread(target=lambda: setattr(boot, "error", child.stderr.read()))
            errors.start()
            try:
                for line in child.stdout:
                    reader.line(line)
                boot.status = child.wait()
            finally:
                child.kill()  # nothing is left to be killed unless a mark's function failed
                errors.join()
                limit.cancel()
        return boot
