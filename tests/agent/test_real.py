# SPDX-License-Identifier: GPL-2.0-or-later
"""The same host against kmend-server itself. TAP on stdout; words choose tests by name."""
import json
import os
import tempfile

from host import KERNEL, Host
from publisher import Publisher
from real_server import RealServer
from tap import done, has, same, tap, until

work = tempfile.mkdtemp(prefix="kmend-agent-real.")


class World:
    count = 0

    def __init__(self, staged=False):
        World.count += 1
        self.dir = os.path.join(work, str(World.count))
        self.host = Host(os.path.join(self.dir, "host"))
        self.publisher = Publisher(os.environ["KMEND"], os.path.join(self.dir, "publisher"))
        self.publisher.version = 0
        self.id = self.publisher.release("fix_one", self.host.patch("fix_one"), kernel=KERNEL)
        self.publisher.entry(self.id)["staged"] = staged
        self.publisher.publish()
        self.server = RealServer(os.environ["KMEND_SERVER"], self.dir, self.publisher)

    def attach(self, **more):
        self.token = self.server.token(name="test", **more)
        return self.host.kmend("attach", f"{self.token['secret']}.{self.publisher.fingerprint}", "--server", self.server.url)

    def refresh(self, *words):
        return self.host.kmend("refresh", *words)

    def seen(self):
        """What the server knows of this host's patch."""
        patches = self.server.host(self.host.fleet()["host"])["patches"]
        return next((p for p in patches if p["release"] == self.id), None)

    def end(self):
        self.server.stop()


def test_attach(w):
    done(w.attach())
    same((w.host.enabled(), w.host.status()["standing"]), (["fix_one"], "protected"))
    until(lambda: w.seen())
    same((w.seen()["state"], w.seen()["health"]), ("loaded", "good"))
    assert 300 * 0.89 <= int(w.host.get("var/lib/kmend/spool/next")) <= 300 * 1.11


def test_halt_and_rollback_of_a_rollout(w):
    done(w.attach())
    same((w.host.enabled(), w.host.status()["standing"]), ([], "available"))
    plan = {"format": 1, "release": w.id, "channel": "stable", "waves": [{"tags": [], "permyriad": 10000}]}
    rollout = w.server.call("POST", "rollouts", plan)["id"]
    until(lambda: done(w.refresh()) and w.host.enabled() == ["fix_one"])
    w.server.call("POST", f"rollouts/{rollout}/rollback", {"reason": "it is slow"})
    until(lambda: done(w.refresh()) and not w.host.enabled())
    until(lambda: w.seen()["state"] == "removed")


test_halt_and_rollback_of_a_rollout.staged = True


def test_channel_halt(w):
    w.server.call("POST", "channels/stable/halt", {"reason": "power cut"})
    done(w.attach())
    same(w.host.enabled(), [])
    has(w.host.kmend("status").stdout, "power cut")
    w.server.call("POST", "channels/stable/resume", {"reason": "power is back"})
    until(lambda: done(w.refresh()) and w.host.enabled() == ["fix_one"])


def test_revoked(w):
    done(w.attach())
    w.server.call("POST", f"tokens/{w.token['id']}/revoke", {"reason": "lost"})
    done(w.refresh(), 2, "does not know this host any more")
    same(w.host.enabled(), ["fix_one"])


def test_host_limit(w):
    done(w.attach(limit=1))
    other = Host(os.path.join(w.dir, "other"))
    word = f"{w.token['secret']}.{w.publisher.fingerprint}"
    done(other.kmend("attach", word, "--server", w.server.url), 2)
    same(other.status()["standing"], "unattached")
    done(w.host.kmend("detach"))
    done(other.kmend("attach", word, "--server", w.server.url))


def test_severity(w):
    done(w.attach(min_severity="critical"))
    same(w.host.enabled(), [])
    has(w.host.kmend("status").stdout, "1 release that this host is not shown")


def test_crash_is_told(w):
    done(w.attach())
    w.host.reboot()
    done(w.refresh())
    until(lambda: w.seen()["state"] == "held")
    same(w.seen()["health"], "crashed")


def admin(w, *words):
    """A verb of kmend-admin, run by kmend, for the server and the keys of this world."""
    return w.host.run(os.environ["KMEND"], *words, "--trust", w.publisher.dir, "--server", w.server.url, KMEND_ADMIN_TOKEN=w.server.admin)


def test_bundle(w):
    """From a server to a host without one."""
    bundle = os.path.join(w.dir, "stable.bundle")
    said = done(admin(w, "bundle", "export", "stable", "--output", bundle, "--json")).stdout
    same({k: json.loads(said)[k] for k in ("channel", "releases", "payloads")}, {"channel": "stable", "releases": 1, "payloads": 1})
    w.server.process.terminate()
    done(w.host.kmend("bundle", "import", bundle), 3, "not attached")
    done(w.host.kmend("bundle", "import", "--fingerprint", w.publisher.fingerprint, bundle))
    same((w.host.enabled(), w.host.status()["standing"]), (["fix_one"], "protected"))


def test_bundle_of_other_kernels(w):
    bundle = os.path.join(w.dir, "other.bundle")
    said = done(admin(w, "bundle", "export", "stable", "--kernel", "6.1.0-99-amd64", "--output", bundle, "--json")).stdout
    same(json.loads(said)["payloads"], 0)
    w.host.kmend("bundle", "import", "--fingerprint", w.publisher.fingerprint, bundle)
    same(w.host.enabled(), [])


def test_bundle_refused(w):
    """What cannot be exported leaves no file, and a server cannot put another payload into one."""
    bundle = os.path.join(w.dir, "x.bundle")
    done(admin(w, "bundle", "export", "edge", "--output", bundle), 1, "edge")
    done(admin(w, "bundle", "export", "../stable", "--output", bundle), 1, "cannot be the name of a channel")
    done(admin(w, "bundle", "--json", "export", "stable"), 1, "")
    (digest,) = w.publisher.payloads
    (blob,) = [os.path.join(d, f) for d, _, files in os.walk(os.path.join(w.server.data, "blobs")) for f in files
               if digest.endswith(f)]
    with open(blob, "r+b") as f:
        f.write(b"evil")
    done(admin(w, "bundle", "export", "stable", "--output", bundle), 2, "the payload that the server gave")
    same([f for f in os.listdir(w.dir) if "bundle" in f], [])


def test_many_releases(w):
    """More than the server's limit of requests lets through at once."""
    for i in range(30):
        w.publisher.release(f"fix_n{i}", w.host.patch(f"fix_n{i}"), kernel=(KERNEL[0], "6.1.0-99-amd64", KERNEL[2]))
    w.publisher.publish()
    w.server.publish()
    done(w.attach())
    same(w.host.status()["standing"], "protected")


tap(globals(), lambda test: World(getattr(test, "staged", False)), work)
