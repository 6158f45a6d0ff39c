# SPDX-License-Identifier: GPL-2.0-or-later
"""A host against a server, on a simulated kernel. TAP on stdout; words choose tests by name."""
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from host import KERNEL, Host
from publisher import Publisher
from server import Server
from tap import done, has, same, tap, until

work = tempfile.mkdtemp(prefix="kmend-agent-test.")


class World:
    """A publisher with one release of one patch, a server, and a host that is not attached yet."""
    count = 0

    def __init__(self, releases=("fix_one",)):
        World.count += 1
        self.dir = os.path.join(work, str(World.count))
        self.host = Host(os.path.join(self.dir, "host"))
        self.publisher = Publisher(os.environ["KMEND"], os.path.join(self.dir, "publisher"))
        self.server = Server(self.publisher)
        self.ids = {name: self.release(name) for name in releases}
        self.publisher.publish()

    def release(self, name, **more):
        return self.publisher.release(name, self.host.patch(name), kernel=KERNEL, **more)

    def attach(self, **env):
        word = f"{self.server.token}.{self.publisher.fingerprint}"
        return self.host.kmend("attach", word, "--server", self.server.url, **env)

    def refresh(self, *words, **env):
        return self.host.kmend("refresh", *words, **env)

    def last(self):
        return {p["release"]: p for p in self.server.reports[-1]["patches"]}

    def end(self):
        self.server.stop()


# ---- the way of a patch ------------------------------------------------------------------------------------------------

def test_attach_loads_and_reports(w):
    done(w.attach())
    same(w.host.enabled(), ["fix_one"])
    status = w.host.status()
    same((status["standing"], status["fleet"]["open"], status["fleet"]["closed"]), ("protected", [], ["CVE-2026-0001"]))
    same(status["fleet"]["effective"], "1")
    patch = w.last()[w.ids["fix_one"]]
    same((patch["state"], patch["health"], patch["age"]), ("loaded", "good", 0), "told at once")
    assert patch["transition_ms"] > 0
    identity = os.stat(w.host.path("var/lib/kmend/agent/identity"))
    same(identity.st_mode & 0o7777 & ~0o040, 0o600)
    assert w.server.token not in json.dumps(w.host.fleet()) and w.server.secret not in w.host.get("run/kmend/fleet")
    done(w.attach(), 2, "attached already")


def test_the_report_is_what_the_manual_says(w):
    done(w.attach())
    report = w.server.reports[-1]
    same(sorted(report), ["agent", "arch", "boot", "build_id", "format", "host", "kernel", "patches", "root", "state", "timestamp"])
    same(report["host"], w.server.attached[0]["host"])
    assert w.host.get("etc/machine-id").strip() not in json.dumps([report, w.server.attached])


def test_nothing_new_is_nothing_done(w):
    done(w.attach())
    w.server.paths.clear()
    done(w.refresh())
    same(w.server.paths, [], "documents asked for")


def test_health_ages(w):
    done(w.attach())
    same(w.host.get("run/kmend/agent.next"), "1060\n")
    for up, age in ((1061, 61), (1301, 301), (1900, 900)):
        w.host.up(up)
        done(w.refresh())
        same((w.last()[w.ids["fix_one"]]["age"], w.last()[w.ids["fix_one"]]["health"]), (age, "good"))
    same(w.host.get("run/kmend/agent.next"), None, "settled: no more looks")


def test_an_oops_is_told(w):
    done(w.attach())
    w.host.put("proc/sys/kernel/tainted", f"{32768 | 128}\n")
    done(w.refresh())
    same(w.last()[w.ids["fix_one"]]["health"], "oopsed")


def test_two_patches_and_a_question_between(w):
    done(w.attach())
    same(w.host.enabled(), ["fix_one", "fix_two"])
    check_ins = [{p["release"] for p in r["patches"] if p["state"] == "loaded"} for r in w.server.reports]
    same([len(c) for c in check_ins], [0, 1, 2], "the server is asked before each")


test_two_patches_and_a_question_between.releases = ("fix_one", "fix_two")


def test_stalled_is_taken_back(w):
    w.host.put("sim/busy", "1000\n")
    done(w.attach())
    same(w.host.enabled(), [])
    same(w.last()[w.ids["fix_one"]]["state"], "stalled")
    same(w.host.status()["standing"], "available")
    w.host.put("sim/busy", "0.5\n")
    done(w.refresh())
    same(w.host.enabled(), [], "not tried again at once")
    done(w.refresh(KMEND_CLOCK="3700"))
    same(w.host.enabled(), ["fix_one"])


def test_failed_is_told_and_not_tried_again(w):
    w.host.put("sim/load_errno", "22\n")
    done(w.attach())
    same(w.last()[w.ids["fix_one"]]["state"], "failed")
    os.unlink(w.host.path("sim/load_errno"))
    done(w.refresh())
    same(w.host.enabled(), [])
    done(w.refresh("--retry", "fix_one"))
    same(w.host.enabled(), ["fix_one"])


# ---- who may -------------------------------------------------------------------------------------------------------------

def test_wrong_fingerprint(w):
    word = f"{w.server.token}.{'0' * 64}"
    assert w.host.kmend("attach", word, "--server", w.server.url).returncode in (1, 2)
    same((w.server.attached, w.host.status()["standing"]), ([], "unattached"))


def test_a_token_without_fingerprint(w):
    done(w.host.kmend("attach", w.server.token, "--server", w.server.url), 1, "which root this host shall trust")
    done(w.host.kmend("attach", w.server.token, "--server", w.server.url, "--root", w.publisher.root))
    same(w.host.enabled(), ["fix_one"])


def test_another_publishers_root(w):
    other = Publisher(os.environ["KMEND"], os.path.join(w.dir, "other"))
    with open(other.root, "rb") as f:
        w.server.lie[f"/v1/roots/{w.publisher.fingerprint}"] = f.read()
    done(w.attach(), 2, "fingerprint")
    same(w.server.attached, [], "the token was kept from it")


def test_bad_words(w):
    done(w.host.kmend("attach", "nonsense", "--server", w.server.url), 1)
    done(w.host.kmend("attach", f"{w.server.token}.{w.publisher.fingerprint}"), 1, "which server?")
    done(w.host.kmend("attach", f"{w.server.token}.{w.publisher.fingerprint}", "--server", "gopher://x"), 1, "no URL")
    done(w.refresh(), 3, "not attached")
    done(w.host.kmend("detach"), 3, "not attached")


def test_revoked_token_keeps_patches(w):
    done(w.attach())
    w.server.secret = "kmh_" + "z" * 43
    done(w.refresh(), 2, "does not know this host any more")
    same((w.host.enabled(), w.host.status()["standing"]), (["fix_one"], "protected"))
    w.host.reboot(goodbye=True)
    same(w.host.enabled(), ["fix_one"], "after a boot, without a server")


def test_private_ca(w):
    """A server with a certificate of its own is believed with --ca, and later by the setting; else it hears no token."""
    cert = os.path.join(w.dir, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", cert + ".key", "-out", cert + ".crt"],
                   check=True, capture_output=True)
    with open(cert, "w") as f:
        f.write(open(cert + ".key").read() + open(cert + ".crt").read())
    w.server.stop()
    w.server = Server(w.publisher, cert=cert)
    assert w.attach().returncode in (1, 2)
    same((w.server.paths, w.server.attached, w.host.status()["standing"]), ([], [], "unattached"))
    word = f"{w.server.token}.{w.publisher.fingerprint}"
    done(w.host.kmend("attach", word, "--server", w.server.url, "--ca", cert + ".crt"))
    done(w.refresh())
    same(w.host.enabled(), ["fix_one"])
    done(w.host.kmend("config", "ca="))
    assert w.refresh().returncode in (1, 2)


def test_proxy(w):
    word = f"{w.server.token}.{w.publisher.fingerprint}"
    done(w.host.kmend("attach", word, "--server", "http://kmend.invalid", "--proxy", w.server.url))
    same((w.host.enabled(), set(w.server.proxied)), (["fix_one"], {"kmend.invalid"}))


def test_the_secret_is_on_no_command_line(w):
    """Whoever lists processes while kmend attaches sees no token."""
    spy = os.path.join(w.host.programs, "kmend-fetch")
    real, log = os.readlink(spy), os.path.join(w.dir, "words")
    os.unlink(spy)
    with open(spy, "w") as f:
        f.write(f'#!/bin/sh\necho "$@" >>{log}\nenv >>{log}\nexec {real} "$@"\n')
    os.chmod(spy, 0o755)
    done(w.attach())
    assert w.server.token not in open(log).read() and w.server.secret not in open(log).read()


def test_nobody_else_can_hold_the_locks(w):
    done(w.attach())
    for name in ("run/kmend.lock", "run/kmend/agent.lock"):
        same(os.stat(w.host.path(name)).st_mode & 0o077, 0, name)


def test_detach(w):
    done(w.attach())
    done(w.host.kmend("detach"))
    same((w.server.attached, w.host.status()["standing"], w.host.enabled()), ([], "unattached", ["fix_one"]))
    same(w.host.get("var/lib/kmend/agent/identity"), None)


# ---- halts, recalls, rollback ---------------------------------------------------------------------------------------------

def test_halted_before_the_load(w):
    w.publisher.rules = [{"id": w.ids["fix_one"], "halt": "3 hosts crashed"}]
    w.publisher.publish()
    done(w.attach())
    same((w.host.enabled(), w.host.status()["standing"]), ([], "available"))
    has(w.host.kmend("status").stdout, "3 hosts crashed")


def test_halt_comes_while_the_payload_does(w):
    """The timestamp is asked for once more after the payload: a halt of that moment counts."""
    real, digest = w.server.answer, next(iter(w.publisher.payloads))

    def answer(path):
        if path == f"/v1/payloads/{digest}" and not w.publisher.halt:
            w.publisher.halt = "stop all"
            w.publisher.publish()
        return real(path)

    w.server.answer = answer
    done(w.attach())
    same(w.host.enabled(), [])
    has(w.host.kmend("status").stdout, "stop all")


def test_rollout_calls_back(w):
    done(w.attach())
    w.publisher.rules = [{"id": w.ids["fix_one"], "halt": "it crashes", "rollback": True}]
    w.publisher.publish()
    done(w.refresh())
    same(w.host.enabled(), [])
    same((w.last()[w.ids["fix_one"]]["state"], w.last()[w.ids["fix_one"]]["detail"]), ("removed", "it crashes"))


def test_withdrawn_is_taken_back(w):
    done(w.attach())
    w.publisher.entry(w.ids["fix_one"])["withdrawn"] = "wrong fix"
    w.publisher.publish()
    done(w.refresh())
    same(w.host.enabled(), [])


def test_rollback_by_hand_stays(w):
    done(w.attach())
    new = w.release("fix_all", version="2", replace=True)
    w.publisher.publish()
    w.host.put("sim/replace", "1\n")
    done(w.refresh())
    same(w.host.enabled(), ["fix_all"])
    done(w.host.kmend("rollback", "nothing"), 3, "no patch of the channel named nothing")
    done(w.host.kmend("rollback"))
    same(w.host.enabled(), ["fix_one"], "the older one is back")
    done(w.refresh())
    w.host.reboot(goodbye=True)
    done(w.refresh())
    same((w.host.enabled(), w.last()[new]["state"]), (["fix_one"], "removed"))
    same(w.host.status()["standing"], "available")
    done(w.refresh("--retry", "fix_all"))
    same((w.host.enabled(), w.host.status()["standing"]), (["fix_all"], "protected"))


def test_rollback_that_does_not_go(w):
    done(w.attach())
    w.host.put("sim/busy", "1000\n")
    done(w.host.kmend("rollback"), 2, "fix_one is still in effect")
    same(w.host.enabled(), ["fix_one"])
    w.host.put("sim/busy", "0.5\n")
    done(w.refresh())
    same(w.host.enabled(), [], "the agent goes on with it")


def test_rollback_against_the_mode(w):
    done(w.attach())
    done(w.host.kmend("config", "mode=no-apply"))
    done(w.host.kmend("rollback"), 2, "the mode is no-apply")
    same(w.host.enabled(), ["fix_one"])


def test_newer_release_of_the_same_name(w):
    done(w.attach())
    new = w.release("fix_one", version="2")
    w.publisher.publish()
    done(w.refresh())
    same(w.last()[new]["state"], "loaded")
    same((w.host.status()["fleet"]["effective"], w.last()[w.ids["fix_one"]]["state"]), ("2", "removed"))


def test_newer_waits_until_the_older_can_go(w):
    done(w.attach())
    new = w.release("fix_one", version="2")
    w.publisher.publish()
    w.host.put("sim/busy", "1000\n")
    w.refresh()
    same((w.host.enabled(), w.host.status()["fleet"]["effective"]), (["fix_one"], "1"))
    w.host.put("sim/busy", "0.5\n")
    done(w.refresh())
    same((w.last()[new]["state"], w.host.status()["fleet"]["effective"]), ("loaded", "2"))


# ---- the crash guard -------------------------------------------------------------------------------------------------------

STEPS = ("apply-journaled", "load-checked", "load-recorded", "load-loaded", "load-waiting", "load-done", "apply-loaded")


def test_crash_at_each_step_holds(w):
    for step in STEPS:
        v = World()
        v.attach(KMEND_KILL_AT=step)
        v.host.reboot()
        same(v.host.enabled(), [], f"after a crash at {step}")
        done(v.refresh())
        patch = v.last()[v.ids["fix_one"]]
        same((patch["state"], patch["health"], v.host.enabled()), ("held", "crashed", []), step)
        same(v.host.status()["standing"], "reboot", step)
        v.end()


def test_kill_without_a_crash_goes_on(w):
    for step in ("apply-taken", "apply-kept", *STEPS, "apply-done"):
        v = World()
        v.attach(KMEND_KILL_AT=step)
        done(v.refresh())
        same((v.host.enabled(), v.host.status()["standing"]), (["fix_one"], "protected"), step)
        v.end()


def test_kill_while_it_is_taken_back(w):
    """A recall goes on after a kill; after a crash the patch stays out all the same."""
    for step in ("apply-unloading", "unload-disabled", "unload-removing", "apply-unloaded"):
        for crash in (False, True):
            v = World()
            done(v.attach())
            v.publisher.rules = [{"id": v.ids["fix_one"], "halt": "it crashes", "rollback": True}]
            v.publisher.publish()
            v.refresh(KMEND_KILL_AT=step)
            if crash:
                v.host.reboot()
            done(v.refresh())
            same(v.host.enabled(), [], f"{step}, crash: {crash}")
            same(v.last()[v.ids["fix_one"]]["state"], "held" if crash else "removed", f"{step}, crash: {crash}")
            v.end()


def test_crash_with_what_could_not_be_taken_back(w):
    done(w.attach())
    w.publisher.rules = [{"id": w.ids["fix_one"], "halt": "it crashes", "rollback": True}]
    w.publisher.publish()
    w.host.put("sim/busy", "1000\n")
    w.refresh()
    same((w.host.enabled(), w.host.status()["standing"]), (["fix_one"], "reboot"))
    w.host.put("sim/busy", "0.5\n")
    w.host.reboot()
    w.publisher.rules = []
    w.publisher.publish()
    done(w.refresh())
    same((w.host.enabled(), w.last()[w.ids["fix_one"]]["state"]), ([], "held"), "nobody calls it back any more")


def test_held_until_retry(w):
    done(w.attach())
    w.host.reboot()
    has(w.host.kmend("status").stdout, "less than 15 minutes after it was loaded")
    for _ in range(2):
        w.host.reboot(goodbye=True)
        done(w.refresh())
        same(w.host.enabled(), [])
    done(w.refresh("--retry", "other"), 3, "no patch named other is held back")
    done(w.refresh("--retry", "fix_one"))
    same((w.host.enabled(), w.host.status()["standing"]), (["fix_one"], "protected"))


def test_settled_comes_back_after_a_crash(w):
    done(w.attach())
    w.host.up(2000)
    done(w.refresh())
    w.host.reboot()
    same(w.host.enabled(), ["fix_one"], "at boot, without network")


def test_goodbye_comes_back(w):
    done(w.attach())
    w.host.reboot(goodbye=True)
    same(w.host.enabled(), ["fix_one"])


def test_a_boot_forgets_no_contact(w):
    done(w.attach())
    contact = w.host.fleet()["contact"]
    w.host.reboot(goodbye=True)
    same(w.host.fleet()["contact"], contact)


def test_goodbye_that_was_none(w):
    done(w.attach())
    w.host.apply("goodbye")
    done(w.refresh())
    w.host.reboot()
    same(w.host.enabled(), [], "the host went on after its goodbye, and crashed")


def test_damaged_journal(w):
    for damage in ("kmend journal 1 nothing", "", None):
        v = World()
        done(v.attach())
        v.host.up(2000)
        done(v.refresh())
        if damage is None:
            os.unlink(v.host.path("var/lib/kmend/agent/journal"))
        else:
            v.host.put("var/lib/kmend/agent/journal", damage)
        v.host.reboot()
        same(v.host.enabled(), [], "held, since nothing tells")
        has(v.host.kmend("status").stdout, "journal")
        done(v.refresh("--retry", "all"))
        same(v.host.enabled(), ["fix_one"])
        v.end()


# ---- when things are not as they should be -----------------------------------------------------------------------------------

def test_server_down_keeps_patches(w):
    done(w.attach())
    w.server.stop()
    done(w.refresh(), 1)
    same((w.host.enabled(), w.host.status()["standing"]), (["fix_one"], "protected"))
    w.host.reboot(goodbye=True)
    same(w.host.enabled(), ["fix_one"])
    done(w.refresh(KMEND_CLOCK=str(3 * 86400)), 1)
    same(w.host.status(KMEND_CLOCK=str(3 * 86400))["standing"], "unknown", "too old to tell")
    same(w.host.enabled(), ["fix_one"])


def test_retry_after(w):
    done(w.attach())
    w.server.fail = (503, 7200)
    done(w.refresh())
    assert 7200 <= int(w.host.get("var/lib/kmend/spool/next")) <= 7920
    w.server.fail = None
    done(w.refresh())
    assert 270 <= int(w.host.get("var/lib/kmend/spool/next")) <= 330


def test_clock_a_year_behind(w):
    clock = str(-365 * 86400)
    w.attach(KMEND_CLOCK=clock)
    same(w.host.enabled(), [])
    has(w.host.get("run/kmend/fleet"), "hours from now")
    done(w.refresh())
    same(w.host.enabled(), ["fix_one"], "with the right clock")
    w.host.reboot(goodbye=True)
    same(w.host.enabled(), ["fix_one"])


def test_clock_a_year_ahead(w):
    clock = str(365 * 86400)
    w.attach(KMEND_CLOCK=clock)
    same((w.host.enabled(), w.host.status(KMEND_CLOCK=clock)["standing"]), ([], "unknown"))
    has(w.host.get("run/kmend/fleet"), "expired")
    done(w.refresh())
    same(w.host.enabled(), ["fix_one"])


def test_held_patches_load_with_any_clock(w):
    done(w.attach())
    for clock in (-365 * 86400, 365 * 86400):
        w.host.env["KMEND_CLOCK"] = str(clock)
        w.host.reboot(goodbye=True)
        same(w.host.enabled(), ["fix_one"], str(clock))


def test_corrupted_payload(w):
    digest = next(iter(w.publisher.payloads))
    path = f"/v1/payloads/{digest}"
    for lie in (b"x" * len(w.publisher.payloads[digest]), b"short", w.publisher.payloads[digest] + b"more"):
        v = World()
        digest = next(iter(v.publisher.payloads))
        v.server.lie[f"/v1/payloads/{digest}"] = lie
        v.attach()
        same(v.host.enabled(), [])
        assert not [n for n in os.listdir(v.host.path("var/lib/kmend/agent/held")) if n.endswith(".ko")]
        v.server.lie.clear()
        done(v.refresh())
        same(v.host.enabled(), ["fix_one"])
        v.end()
    assert path


def test_held_payload_rots(w):
    done(w.attach())
    held = w.host.path("var/lib/kmend/agent/held")
    name = next(n for n in os.listdir(held) if n.endswith(".ko"))
    with open(os.path.join(held, name), "r+b") as f:
        f.seek(100)
        f.write(b"rot")
    w.host.reboot(goodbye=True)
    same(w.host.enabled(), [])
    done(w.refresh())
    same(w.host.enabled(), ["fix_one"], "fetched again")


def test_download_goes_on(w):
    w.server.cut = 200
    w.attach()
    same(w.host.enabled(), [])
    done(w.refresh())
    same(w.host.enabled(), ["fix_one"])


def test_hostile_documents(w):
    channel = "/v1/channels/stable"
    lies = {f"{channel}/timestamp": b"kmend signed 1 timestamp\nbody 2\n{}", f"{channel}/index/2": b"{" * 1000,
            f"{channel}/rollout/2": b"\0" * 64, f"/v1/releases/{w.ids['fix_one']}": b"x" * (2 << 20)}
    for path, data in lies.items():
        v = World()
        lie = path if "releases" not in path else f"/v1/releases/{v.ids['fix_one']}"
        v.server.lie[lie] = data
        v.attach()
        same(v.host.enabled(), [], lie)
        v.server.lie.clear()
        done(v.refresh())
        same(v.host.enabled(), ["fix_one"], lie)
        v.end()


def test_hostile_spool(w):
    """kmend-fetch itself is the stranger: links, FIFOs and old documents in the spool."""
    done(w.attach())
    spool = w.host.path("var/lib/kmend/spool")
    old = w.host.get("var/lib/kmend/spool/timestamp")
    w.publisher.publish()
    done(w.refresh())
    for make in (lambda p: os.symlink("/etc/passwd", p), os.mkfifo, os.mkdir, lambda p: open(p, "wb").truncate(1 << 40)):
        for name in ("timestamp", "answer", "index"):
            path = os.path.join(spool, name)
            shutil.rmtree(path, ignore_errors=True)
            if os.path.lexists(path):
                os.unlink(path)
            make(path)
            done(w.host.apply("cycle"))
            same(w.host.enabled(), ["fix_one"])
            os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
    w.host.put("var/lib/kmend/spool/timestamp", old)
    has(done(w.host.apply("cycle")).stderr, "is older than")


def test_no_journal_no_load(w):
    os.makedirs(w.host.path("var/lib/kmend/agent/journal/x"))
    w.attach()
    same(w.host.enabled(), [])
    shutil.rmtree(w.host.path("var/lib/kmend/agent/journal"))
    done(w.refresh())
    same(w.host.enabled(), ["fix_one"])


def test_disk_full_at_any_byte(w):
    for disk in (0, 100, 200, 400, 600, 900, 1500, 2500, 3500, 5000):
        v = World()
        v.host.disk = disk
        result = v.attach()
        # An attach that cannot keep anything says so; one that can goes on later.
        assert result.returncode == 0 or "cannot" in result.stderr, result.stderr
        v.refresh()
        same([n for _, _, names in os.walk(v.host.path("var")) for n in names if n.endswith(".tmp")], [], f"left at {disk}")
        v.host.disk = None
        done(v.refresh() if v.host.get("var/lib/kmend/agent/identity") else v.attach())
        same((v.host.enabled(), v.host.status()["standing"]), (["fix_one"], "protected"), f"{disk} bytes")
        v.end()


# ---- modes, policy, words ------------------------------------------------------------------------------------------------------

def test_modes(w):
    for mode, loads, contacts in (("off", False, False), ("no-apply", False, True), ("no-refresh", False, False)):
        v = World()
        v.host.put("proc/cmdline", f"ro kmend.mode={mode} quiet\n")
        v.attach()
        same((bool(v.host.enabled()), bool(v.server.reports)), (loads, contacts), mode)
        v.host.put("proc/cmdline", "ro quiet\n")
        done(v.refresh())
        v.host.put("proc/cmdline", f"kmend.mode={mode}\n")
        v.host.reboot(goodbye=True)
        same(v.host.enabled(), ["fix_one"] if mode == "no-refresh" else [], f"{mode} at boot")
        v.end()


def test_severity_policy(w):
    w.server.severity = "critical"
    w.publisher.releases.clear()
    done(w.attach())
    has(w.host.kmend("status").stdout, "1 release that this host is not shown")
    w.server.severity = "low"
    done(w.refresh())
    same(w.host.status()["standing"], "available", "a server that keeps a release back is seen")


def test_hold(w):
    done(w.host.kmend("config", "hold=fix_one"))
    done(w.attach())
    same((w.host.enabled(), w.host.status()["standing"]), ([], "available"))
    done(w.host.kmend("config", "hold="))
    done(w.refresh())
    same(w.host.enabled(), ["fix_one"])


def test_waves(w):
    w.publisher.entry(w.ids["fix_one"])["staged"] = True
    w.publisher.rules = [{"id": w.ids["fix_one"], "waves": [{"tags": ["canary"], "permyriad": 10000}]}]
    w.publisher.publish()
    done(w.attach())
    same(w.host.enabled(), [])
    w.server.tags = ["canary"]
    done(w.refresh())
    same(w.host.enabled(), ["fix_one"])


def test_other_kernel(w):
    w.publisher.entries.clear()
    w.publisher.release("fix_other", w.host.patch("fix_other"), kernel=(KERNEL[0], "6.1.0-99-amd64", KERNEL[2]))
    w.publisher.publish()
    done(w.attach())
    same((w.host.enabled(), w.host.status()["standing"]), ([], "uncovered"))
    assert not any("/payloads/" in p for p in w.server.paths)


def test_exit_status_and_metrics(w):
    same(w.host.kmend("status", "--exit-status").returncode, 3)
    done(w.attach())
    same(w.host.kmend("status", "--exit-status").returncode, 0)
    metrics = done(w.host.kmend("status", "--format", "prometheus")).stdout
    has(metrics, 'kmend_state{state="protected"} 1\n')
    has(metrics, "kmend_cves_closed 1\n")
    w.release("fix_two", cves=["CVE-2026-0002"])
    w.publisher.halt = "wait"
    w.publisher.publish()
    done(w.refresh())
    same(w.host.kmend("status", "--exit-status").returncode, 1)
    has(w.host.kmend("status", "--format", "prometheus").stdout, "kmend_cves_open 1\n")
    done(w.host.kmend("status", "--format", "xml"), 1, "none of text, json, prometheus")


def bundle(w, path):
    p = w.publisher
    files = {"root.1": open(p.root, "rb").read(), **{k: p.bytes_of(k) for k in ("timestamp", "index", "rollout")},
             **{f"release.{i}": d for i, d in p.releases.items()}, **{f"payload.{i}": d for i, d in p.payloads.items()}}
    with open(path, "wb") as f:
        f.write(b"kmend bundle 1\n")
        for name, data in files.items():
            f.write(f"file {name} {len(data)}\n".encode() + data)
        f.write(b"end\n")


def test_bundle(w):
    path = os.path.join(w.dir, "b")
    bundle(w, path)
    done(w.host.kmend("bundle", "import", path), 3, "--fingerprint")
    assert w.host.kmend("bundle", "import", path, "--fingerprint", "0" * 64).returncode != 0
    same(w.host.status()["standing"], "unattached")
    done(w.host.kmend("bundle", "import", path, "--fingerprint", w.publisher.fingerprint))
    same((w.host.enabled(), w.host.status()["standing"], w.server.reports), (["fix_one", "fix_two"], "protected", []))
    old = path + ".old"
    os.rename(path, old)
    w.publisher.halt = "stop"
    w.publisher.publish()
    bundle(w, path)
    done(w.host.kmend("bundle", "import", path))
    result = w.host.kmend("bundle", "import", old)
    has(result.stderr, "is older than")
    with open(path, "ab") as f:
        f.write(b"x")
    done(w.host.kmend("bundle", "import", path), 1, "bytes behind its end")


test_bundle.releases = ("fix_one", "fix_two")


# ---- the agent ----------------------------------------------------------------------------------------------------------------

def rss_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        fields = dict(line.split(":", 1) for line in f)
    return int(fields["VmRSS"].split()[0])


def switches(pid):
    with open(f"/proc/{pid}/status") as f:
        return sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)


def test_agent_service(w):
    done(w.attach())
    agent = subprocess.Popen([os.environ["KMEND_AGENT"]], env=w.host.env, stdin=subprocess.DEVNULL)
    try:
        time.sleep(3)  # what is due by this machine's clock is done
        before, reports = switches(agent.pid), len(w.server.reports)
        time.sleep(1.5)
        same(switches(agent.pid), before, "wake-ups while nothing is due")
        w.release("fix_two")
        w.publisher.publish()
        agent.send_signal(signal.SIGHUP)
        until(lambda: w.host.enabled() == ["fix_one", "fix_two"])
        until(lambda: len(w.server.reports) >= reports + 2)
        if "sanitize" not in os.environ.get("KMEND_BUILD", ""):
            assert rss_kb(agent.pid) <= 2048, f"{rss_kb(agent.pid)} KiB resident"
        agent.send_signal(signal.SIGTERM)
        same(agent.wait(20), 0)
        w.host.reboot()
        same(w.host.enabled(), ["fix_one", "fix_two"], "it has said goodbye")
    finally:
        agent.kill()
        agent.wait()


def test_agent_survives_its_programs(w):
    done(w.attach())
    reports = len(w.server.reports)
    agent = subprocess.Popen([os.environ["KMEND_AGENT"]], env=dict(w.host.env, KMEND_KILL_AT="apply-taken"),
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        for n in range(1, 3):
            agent.send_signal(signal.SIGHUP)
            until(lambda: len(w.server.reports) >= reports + n)
        same(len(w.server.reports), reports + 2, "nothing is run in a loop")
        w.server.stop()
        agent.send_signal(signal.SIGHUP)
        time.sleep(1)
        agent.send_signal(signal.SIGINT)
        same(agent.wait(20), 0)
        has(agent.stderr.read(), "kmend-apply: was killed")
    finally:
        agent.kill()
        agent.wait()
        agent.stderr.close()


def test_agent_ends_while_the_network_hangs(w):
    done(w.attach())
    w.server.hang = threading.Event()
    agent = subprocess.Popen([os.environ["KMEND_AGENT"]], env=w.host.env, stdin=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        agent.send_signal(signal.SIGHUP)
        time.sleep(1)
        begin = time.monotonic()
        agent.send_signal(signal.SIGTERM)
        same(agent.wait(20), 0)
        assert time.monotonic() - begin < 5
    finally:
        w.server.hang.set()
        agent.kill()
        agent.wait()
    w.host.reboot()
    same(w.host.enabled(), ["fix_one"], "and has said goodbye")


def test_agent_keeps_off_a_person(w):
    """Who holds the lock does the work; the agent comes back later."""
    done(w.attach())
    reports = len(w.server.reports)
    agent = subprocess.Popen([os.environ["KMEND_AGENT"]], env=w.host.env, stdin=subprocess.DEVNULL)
    with open(w.host.path("run/kmend/agent.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        time.sleep(0.3)
        agent.send_signal(signal.SIGHUP)
        time.sleep(1)
        same(len(w.server.reports), reports)
    agent.send_signal(signal.SIGINT)
    same(agent.wait(20), 0)


tap(globals(), lambda test: World(getattr(test, "releases", ("fix_one",))), work)
