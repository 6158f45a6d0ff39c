# SPDX-License-Identifier: GPL-2.0-or-later
"""The same host against kmend-server itself. TAP on stdout; words choose tests by name."""
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


def test_many_releases(w):
    """More than the server's limit of requests lets through at once."""
    for i in range(30):
        w.publisher.release(f"fix_n{i}", w.host.patch(f"fix_n{i}"), kernel=(KERNEL[0], "6.1.0-99-amd64", KERNEL[2]))
    w.publisher.publish()
    w.server.publish()
    done(w.attach())
    same(w.host.status()["standing"], "protected")


tap(globals(), lambda test: World(getattr(test, "staged", False)), work)
