#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs of a publisher and an operator against a real server: from modules to a rollout, and back. Each also as JSON."""
import contextlib

from fleet import *

DIFF = "--- a/kernel/thing.c\n+++ b/kernel/thing.c\n@@ -1 +1 @@\n-old\n+{}\n"


class Desk(Fleet):
    """A publisher's machine, and a server that knows nothing yet."""

    def __init__(self, work):
        super().__init__(work, channels=("edge", "beta"), bare=True,
                         options=["--rate-failed", "0", "--rate-token", "0", "--rate-host", "0", "--verbose"])
        self.dir = self.work / "desk"
        self.dir.mkdir()
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("KMEND_") and k != "XDG_CONFIG_HOME"}
        self.env.update(HOME=str(self.dir), KMEND_TRUST=str(self.publisher.dir), KMEND_SERVER=self.url, NO_COLOR="1")

    def run(self, *words, token=None, **env):
        return subprocess.run([os.environ["KMEND"], *map(str, words)], cwd=self.dir, stdin=subprocess.DEVNULL, capture_output=True,
                              env=dict(self.env, KMEND_ADMIN_TOKEN=token or self.admin, **env), text=True, timeout=60, check=False)

    def says(self, name, *words, has=(), status=0):
        """The verb ends so, and its text has these parts."""
        done = self.run(*words)
        lacks = [part for part in has if part not in done.stdout]
        tap.ok(done.returncode == status and not lacks, name, done.returncode, f"lacks {lacks}", done.stdout, done.stderr)
        return done.stdout

    def json(self, name, *words, keys=(), status=0):
        """The verb's JSON, which has these keys."""
        done = self.run(*words, "--json")
        answer = None
        with contextlib.suppress(ValueError):
            answer = json.loads(done.stdout)
        tap.ok(done.returncode == status and isinstance(answer, dict) and set(keys) <= set(answer), name + ", as JSON", done.returncode,
               done.stdout, done.stderr)
        return answer or {}

    def refused(self, name, status, text, *words, **more):
        """The verb fails so, in text and in JSON."""
        done, as_json = self.run(*words, **more), self.run(*words, "--json", **more)
        error = {}
        with contextlib.suppress(ValueError):
            error = json.loads(as_json.stdout)
        good = done.returncode == status and text in done.stderr and not done.stdout
        tap.ok(good and error.get("exit_status") == status and text in error["error"]["message"] + str(error["error"]["hint"]), name,
               done.returncode, done.stdout, done.stderr, as_json.stdout)

    def rollout(self, number):
        return json.loads(self.run("rollout", "status", number, "--json").stdout)["rollouts"][0]

    def module(self, path, name, source, *words):
        path = self.dir / path
        path.parent.mkdir(parents=True, exist_ok=True)
        (self.dir / (str(path) + ".diff")).write_text(DIFF.format(source))
        subprocess.run([os.environ["MKPATCH"], path, name, f"source={path}.diff", *words], check=True, timeout=60)

    def release(self, name, source):
        """Built for two kernels, published, reviewed and uploaded; the id."""
        for i, kernel in enumerate(("6.1.0-50-cloud-amd64", "6.1.0-51-cloud-amd64")):
            build_id = "cd" * 20 if i else KERNEL["build_id"]
            self.module(f"{name}.d/{i}/{name}.ko", name, source, "cve=CVE-2026-1234", f"release={kernel}", f"build_id={build_id}")
        keys = self.publisher.dir / "keys"
        self.run("publish", "--key", keys / "builder-1.key", f"{name}.d")
        self.run("sign", "--key", keys / "reviewer-1.key", f"{name}-1.release")
        return self.json(f"{name} is uploaded", "publish", "--add", f"{name}-1.release.reviewer-1.sig", f"{name}-1.release",
                         keys=("file", "id", "body", "signed_as", "uploaded"))["id"]


def test_first_documents(d):
    public = d.publisher.dir / "public"
    d.refused("an index before its root", 2, "edge.index", "channel", "upload", public / "edge.index")
    d.says("the first documents", "channel", "upload", public / "1.root", public / "edge.index", has=["1.root: the server has it"])
    answer = d.json("another one", "channel", "upload", public / "beta.index", keys=("documents",))
    tap.equal([(x["body"]["channel"], x["uploaded"]) for x in answer["documents"]], [("beta", True)], "it tells what it was")
    d.says("the same again harms nothing", "channel", "upload", public / "1.root", public / "edge.index")
    stranger = Publisher(os.environ["KMEND"], d.work / "stranger")
    d.refused("a stranger's root", 2, "another root", "channel", "upload", stranger.dir / "public" / "1.root")
    d.refused("a stranger's index", 2, "signatures", "channel", "upload", stranger.dir / "public" / "stable.index")
    d.refused("a file that is none", 1, "nothing", "channel", "upload", "nothing")
    d.says("there are two channels", "channel", "list", has=["edge", "beta"])
    tap.equal([c["name"] for c in d.json("they", "channel", "list")["channels"]], ["beta", "edge"], "by name")


def test_publish(d):
    keys = d.publisher.dir / "keys"
    d.module("built/a/kmend_fix.ko", "kmend_fix", "new", "cve=CVE-2026-1234", "release=" + KERNEL["kernel"], "build_id=" + KERNEL["build_id"])
    d.module("built/b/kmend_fix.ko", "kmend_fix", "new", "cve=CVE-2026-1234", "release=6.1.0-51-cloud-amd64", "build_id=" + "2" * 40)
    d.says("modules become a release", "publish", "--key", keys / "builder-1.key", "built", has=["lacks a reviewer's signature"])
    tap.equal(d.json("nothing went to the server", "release", "list", keys=("releases",))["releases"], [], "not by itself")
    d.refused("it lacks its reviewer", 2, "reviewer", "publish", "kmend_fix-1.release")
    d.refused("the server says so, too", 2, "signatures", "publish", "kmend_fix-1.release", KMEND_TRUST="")
    d.says("the reviewer looks", "release", "show", "--diff", "kmend_fix-1.release", has=["+new", "made of the diff", "CVE-2026-1234"])
    d.run("sign", "--key", keys / "reviewer-1.key", "kmend_fix-1.release")
    d.says("and signs", "publish", "--add", "kmend_fix-1.release.reviewer-1.sig", "kmend_fix-1.release", has=["the server has it"])
    answer = d.json("again", "publish", "kmend_fix-1.release", keys=("id", "uploaded"))
    tap.equal(sorted(answer["signed_as"]), ["builder", "reviewer"], "with both signatures")
    d.says("the list", "release", "list", has=["kmend_fix", answer["id"][:12], "high"])
    d.says("the server's", "release", "show", "--diff", "kmend_fix", has=["+new", "CVE-2026-1234"])
    shown = d.json("it", "release", "show", "--diff", answer["id"][:8], keys=("id", "kernels", "channels", "counts", "diff"))
    tap.equal((len(shown["kernels"]), shown["diff"]), (2, DIFF.format("new")), "both kernels and the diff")
    d.refused("a release that is not there", 1, "no release", "release", "show", "kmend_fux")
    d.refused("an operator publishes nothing", 2, "role", "publish", "kmend_fix-1.release", token=d.role("operator"))
    return answer["id"]


def test_channel(d, ident):
    d.says("a release comes to a channel", "channel", "add", "kmend_fix", "--channel", "edge", has=["rollout start"])
    d.refused("once", 3, "has the release already", "channel", "add", ident, "--channel", "edge")
    d.refused("a channel that is not there", 1, "did you mean 'edge'?", "channel", "add", ident, "--channel", "edgy")
    shown = d.json("the channel", "channel", "show", "edge", keys=("name", "index", "releases"))
    tap.equal([(r["id"], r["staged"]) for r in shown["releases"]], [(ident, True)], "has it, staged")
    d.says("for people", "channel", "show", "edge", has=["kmend_fix 1", "as its rollout goes"])
    d.refused("not every channel has it", 2, "does not have the release", "channel", "promote", ident, "--from", "beta", "--to", "edge")
    d.says("a new channel", "channel", "add", ident, "--channel", "night", "--new", has=["the server has it"])
    renewed = d.json("new dates", "channel", "renew", "--channel", "night", keys=("body", "uploaded"))
    tap.equal(renewed["body"]["version"], 2, "are the next index")
    d.says("the history", "channel", "history", "night", has=["index"])
    tap.equal([x["version"] for x in d.json("it", "channel", "history", "night")["documents"]], [2, 1], "both")
    d.refused("a halt without a reason", 1, "reason", "channel", "halt", "night")
    d.says("a halt", "channel", "halt", "night", "--reason", "fire", has=["is halted"])
    d.says("is shown", "channel", "show", "night", has=["HALTED", "fire"])
    tap.equal(d.json("and", "channel", "resume", "night", "--reason", "it is out")["halt"], None, "ends")
    d.refused("no channel to halt", 2, "", "channel", "halt", "nowhere", "--reason", "x")


def test_tokens(d):
    word = d.run("token", "create", "web", "--channel", "edge", "--tags", "canary,web", "--limit", "5", "--output", "web.token")
    text = (d.dir / "web.token").read_text().strip()
    secret, _, fingerprint = text.partition(".")
    root = json.loads(d.run("sign", "--show", "--json", d.publisher.dir / "public" / "1.root").stdout)["sha256"]
    tap.ok(word.returncode == 0 and secret not in word.stdout and fingerprint == root, "a token, with the fingerprint of the root", word)
    d.refused("never over a file", 1, "web.token", "token", "create", "web", "--channel", "edge", "--output", "web.token")
    other = d.json("another one", "token", "create", "lost", "--channel", "edge", "--severity", "high", "--expires", "+30d",
                   keys=("id", "word"))
    for name, words in (("no channel", ["t"]), ("a channel that is a path", ["t", "--channel", "../x"]),
                        ("in the past", ["t", "--channel", "edge", "--expires", "2020-01-01"]),
                        ("a severity that is none", ["t", "--channel", "edge", "--severity", "bad"]),
                        ("a limit that is none", ["t", "--channel", "edge", "--limit", "-1"]),
                        ("a bad tag", ["t", "--channel", "edge", "--tags", "A B"]),
                        ("a name that is two lines", ["a\nb", "--channel", "edge"])):
        done = d.run("token", "create", *words, "--output", "no.token")
        tap.ok(done.returncode in (1, 2) and done.stderr and not (d.dir / "no.token").exists(), "no token: " + name, done)
    d.says("the list", "token", "list", has=["web", "canary web", "lost", "valid"])
    rows = {t["name"]: t for t in d.json("it", "token", "list", keys=("tokens",))["tokens"]}
    tap.equal((rows["web"]["limit"], rows["lost"]["min_severity"], len(rows)), (5, "high", 2), "tells what they allow, and of no other")
    gone = d.host(other["word"].split(".")[0], "gone")
    d.refused("a revocation has a reason", 1, "reason", "token", "revoke", other["id"])
    d.refused("an id that is none", 1, "no id of a token", "token", "revoke", "lost", "--reason", "x")
    d.refused("a token that nobody has", 2, "", "token", "revoke", "0" * 16, "--reason", "x")
    tap.equal(d.json("it ends", "token", "revoke", other["id"], "--reason", "lost laptop")["id"], other["id"], "that one")
    tap.equal(gone.checkin().code, "token-revoked", "and its hosts")
    d.says("the list says so", "token", "list", has=["revoked"])
    return secret


def test_admins(d):
    d.says("an admin token", "admin", "create", "ann", "--role", "operator", "--output", "ann.token", has=["ann.token has it"])
    token = (d.dir / "ann.token").read_text().strip()
    tap.equal((d.dir / "ann.token").stat().st_mode & 0o777, 0o600, "for its owner alone")
    done = d.run("channel", "list", "--token-file", "ann.token", token="")
    tap.ok(done.returncode == 0 and "edge" in done.stdout, "it opens the server", done)
    viewer = d.json("a viewer", "admin", "create", "eve", keys=("id", "secret"))
    d.refused("may not halt", 2, "role", "channel", "halt", "edge", "--reason", "x", token=viewer["secret"])
    d.refused("nor make tokens", 2, "role", "token", "create", "x", "--channel", "edge", token=viewer["secret"])
    d.refused("a role that is none", 2, "", "admin", "create", "x", "--role", "god")
    d.says("the list", "admin", "list", has=["ann", "operator", "eve", "viewer"])
    rows = {a["name"]: a for a in d.json("it", "admin", "list", keys=("admins",))["admins"]}
    tap.equal(rows["eve"]["role"], "viewer", "tells the role")
    d.says("one ends", "admin", "revoke", viewer["id"], "--reason", "has left", has=["is revoked"])
    tap.equal(d.json("another", "admin", "revoke", rows["ann"]["id"], "--reason", "too")["id"], rows["ann"]["id"], "too")
    d.refused("it opens nothing any more", 2, "", "channel", "list", token=token)
    d.refused("no token at all", 2, "", "channel", "list", token="kma_" + "A" * 43)


def test_hosts(d, secret):
    hosts = [d.host(secret, f"host {i}") for i in range(4)]
    one = hosts[0]
    d.says("the hosts", "host", "list", has=[h.id[:16] for h in hosts] + ["canary web"])
    two = d.json("those of a channel", "host", "list", "--channel", "edge", "--limit", "2", keys=("hosts",))
    tap.equal(len(two["hosts"]), 2, "no more than the limit")
    tap.equal(d.json("those of another", "host", "list", "--channel", "beta")["hosts"], [], "there is none")
    tap.equal([h["id"] for h in d.json("a begin", "host", "list", one.id[:10])["hosts"]], [one.id], "finds one")
    d.says("one of them", "host", "show", one.id[:12], has=[one.id, "canary web", KERNEL["kernel"]])
    d.says("tags", "host", "tag", one.id[:12], "--add", "db", "--remove", "web", has=["canary db"])
    tap.equal(d.json("new ones", "host", "tag", one.id, "x", "y")["tags"], ["x", "y"], "in place of the old ones")
    tap.equal(d.json("it", "host", "show", one.id, keys=("patches", "history"))["tags"], ["x", "y"], "has them")
    d.says("none", "host", "tag", one.id, has=["no tags"])
    d.refused("a tag that is none", 1, "cannot be a tag", "host", "tag", one.id, "A B")
    d.refused("both ways", 1, "one of both", "host", "tag", one.id, "a", "--add", "b")
    d.refused("a host that is not there", 1, "there is no host", "host", "show", "00000000ffff")
    d.refused("a whole id that is not there", 2, "", "host", "show", "0" * 64)
    d.refused("a word that is none", 1, "no begin", "host", "forget", "x'; DROP TABLE hosts; --")
    d.refused("a state that is none", 2, "", "host", "list", "--state", "fine")
    d.refused("a health without a release", 1, "--release", "host", "list", "--health", "good")
    tap.equal(d.json("one is forgotten", "host", "forget", hosts[3].id[:12])["id"], hosts[3].id, "that one")
    tap.equal(hosts[3].checkin().status, 401, "the server does not know it")
    return hosts[:3]


def settle(hosts, release):
    for host in hosts:
        host.says(release, "loaded", "good", age=5)


def test_rollout(d, ident, hosts):
    d.refused("a release that is not there", 1, "no release", "rollout", "start", "kmend_fux", "--channel", "edge")
    d.refused("a channel that does not list it", 2, "", "rollout", "start", ident, "--channel", "beta")
    d.refused("a plan that is none", 1, "--waves", "rollout", "start", ident, "--channel", "edge", "--waves", "50%,5%")
    plan = d.json("a plan", "rollout", "start", ident, "--channel", "edge", "--dry-run")
    tap.equal((len(plan["waves"]), d.json("not begun", "rollout", "list")["rollouts"]), (5, []), "is only shown")
    d.says("it begins", "rollout", "start", "kmend_fix", "--channel", "edge", "--waves", "canary,100%", "--settle", "1s",
           "--gate", "failed=50%", has=["wave 1      canary", "50 % failed", "rollout 1 has begun"])
    d.refused("once", 2, "", "rollout", "start", ident, "--channel", "edge")
    d.says("how it stands", "rollout", "status", has=["kmend_fix 1", "running", "wave 1", "gate        crashed  0, 0 allowed"])
    answer = d.json("it", "rollout", "status", 1, keys=("rollouts",))["rollouts"][0]
    tap.equal((answer["state"], answer["plan"]["settle"], answer["plan"]["gates"]["failed"]), ("running", 1, 5000), "as it was said")
    tap.equal(d.json("a halt", "rollout", "halt", 1, "--reason", "smoke")["state"], "halted", "by a person")
    d.says("is a refusal for scripts", "rollout", "status", has=["halted", "smoke"], status=2)
    d.refused("it goes on with a reason", 1, "reason", "rollout", "resume", 1)
    d.says("it goes on", "rollout", "resume", 1, "--reason", "it was the kettle", has=["goes on"])
    settle(hosts, ident)
    time.sleep(1.2)
    settle(hosts, ident)
    tap.ok(until(lambda: d.rollout(1)["state"] == "done", 20), "hosts are well, it ends")
    d.says("nothing is under way", "rollout", "status", has=["no rollout is under way"])
    d.says("all", "rollout", "status", "--all", "--watch", has=["done", "complete"])
    d.says("the list", "rollout", "list", "--channel", "edge", has=["done", "kmend_fix 1"])
    for bad in (["99"], ["x"], ["-1"]):
        done = d.run("rollout", "status", *bad)
        tap.ok(done.returncode in (1, 2) and done.stderr, "no rollout " + bad[0], done)
    d.says("the hosts that have it", "host", "list", "--release", "kmend_fix", "--patch-state", "loaded", "--health", "good",
           has=[hosts[1].id[:16]])
    d.says("what the server knows of it", "release", "show", "kmend_fix", has=["3 in edge: loaded, good"])


def test_crash(d, hosts):
    bad = d.release("kmend_bad", "worse")
    d.says("it comes to edge", "channel", "add", bad, "--channel", "edge")
    number = d.json("and goes to all", "rollout", "start", bad, "--channel", "edge", "--policy", "all-at-once", "--settle", "1h")["id"]
    hosts[0].says(bad, "held", "crashed")
    tap.ok(until(lambda: d.rollout(number)["state"] == "halted"), "a crash halts it")
    d.says("the gate is shown", "rollout", "status", number, has=["crashed  1, 0 allowed", "halted"], status=2)
    d.says("it is taken back", "rollout", "rollback", number, "--reason", "it crashes", has=["is taken back"])
    d.refused("once", 2, "taken-back", "rollout", "rollback", number, "--reason", "again")
    tap.equal(d.rollout(number)["state"], "taken-back", "and stays so")
    return bad


def test_promote_and_withdraw(d, good, bad):
    d.says("what was good goes on", "channel", "promote", "kmend_fix", "--from", "edge", "--to", "beta", "--at-once",
           has=["the server has it"])
    tap.equal(d.json("beta", "channel", "show", "beta")["releases"], [{"id": good, "staged": False, "withdrawn": None}], "has it for all")
    d.refused("twice is nothing", 3, "already", "channel", "promote", good, "--from", "edge", "--to", "beta", "--at-once")
    d.refused("it does not wait any more", 2, "every host already", "channel", "promote", good, "--from", "edge", "--to", "beta")
    d.refused("a withdrawal has a reason", 1, "reason", "release", "withdraw", bad)
    tap.equal(d.json("what is bad", "release", "withdraw", "kmend_bad", "--reason", "it crashes")["channels"], ["edge"], "is withdrawn")
    d.refused("once", 3, "no channel has the release", "release", "withdraw", bad, "--reason", "again")
    d.refused("it goes nowhere", 2, "has withdrawn", "channel", "promote", bad, "--from", "edge", "--to", "beta")
    d.says("from one channel", "channel", "withdraw", good, "--channel", "night", "--reason", "too early", has=["the server has it"])
    d.says("all see it", "release", "show", "kmend_fix", has=["night, withdrawn: too early"])
    row = next(c for c in d.json("the index", "channel", "list")["channels"] if c["name"] == "edge")
    d.run("channel", "withdraw", good, "--channel", "edge", "--reason", "x", "--output", "next.index")
    d.refused("an index that nobody signed", 2, "signatures", "channel", "upload", "next.index")
    d.run("sign", "--key", d.publisher.dir / "keys" / "index-1.key", "next.index")
    d.run("sign", "--add", "next.index", "next.index.index-1.sig")
    d.says("signed elsewhere", "channel", "upload", "next.index", has=["the server has it"])
    tap.equal(d.json("edge", "channel", "show", "edge")["index"], row["index"] + 1, "is the next one")


def test_audit(d):
    d.says("who did what", "audit", "show", has=["rollout", "index", "it crashes"])
    tap.equal(len(d.json("two", "audit", "show", "--after", 3, "--limit", 2, keys=("records", "head"))["records"]), 2, "records")
    head = d.json("the chain", "audit", "verify", keys=("first", "last", "head"))["head"]
    d.says("an export", "audit", "export", "--output", "log")
    d.run("channel", "renew", "--channel", "beta")
    d.says("the chain has gone on", "audit", "verify", "--head", head, has=["records 1 to"])
    done = d.run("audit", "verify", "--head", head, "log", KMEND_SERVER="")
    tap.ok(done.returncode == 0 and head in done.stdout, "an export without a server", done)
    text = (d.dir / "log").read_text()
    (d.dir / "bent").write_text(text.replace("lost laptop", "lost nothing"))
    d.refused("a record that was changed", 2, "is not the one that was written", "audit", "verify", "bent")
    (d.dir / "cut").write_text("".join(text.splitlines(keepends=True)[:-1]))
    d.refused("a log that was cut", 2, "no record has the hash", "audit", "verify", "--head", head, "cut")


def test_no_server(d):
    d.server.stop()
    for words in (["release", "list"], ["channel", "list"], ["rollout", "status"], ["token", "list"], ["admin", "list"], ["host", "list"],
                  ["audit", "verify"], ["bundle", "export", "edge"], ["channel", "renew", "--channel", "edge"], ["publish", "kmend_fix-1.release"]):
        done = d.run(*words)
        tap.ok(done.returncode == 1 and d.url[7:] in done.stderr, "no server: kmend " + " ".join(words[:2]), done)


def main():
    with tempfile.TemporaryDirectory(prefix="kmend-server-") as work:
        d = Desk(Path(work) / "one")
        try:
            test_first_documents(d)
            good = test_publish(d)
            test_channel(d, good)
            secret = test_tokens(d)
            test_admins(d)
            hosts = test_hosts(d, secret)
            test_rollout(d, good, hosts)
            bad = test_crash(d, hosts)
            test_promote_and_withdraw(d, good, bad)
            test_audit(d)
            test_no_server(d)
        finally:
            d.server.stop()
    tap.equal(broken_answers[:5], [], "every answer is as openapi.json says")
    tap.done()


if __name__ == "__main__":
    main()
