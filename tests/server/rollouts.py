#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rollouts that go on and halt by themselves; a server that stops, dies, ages, and has a twin."""
import glob
import shutil
import sqlite3
import subprocess
import tempfile
import threading

from fleet import *

SETTLE = 2  # seconds, instead of fifteen minutes


def entry(f, release, channel="stable"):
    return next((e for e in f.rollout_document(channel)["releases"] if e["id"] == release), None)


def state(f, ident):
    return f.ask("GET", f"/v1/admin/rollouts/{ident}").json


def test_waves(f):
    release = f.publish("waves")
    tap.equal(entry(f, release), None, "a staged release waits")
    hosts = [f.host(f.token(tags=["canary"]), "canary")] + [f.host(f.token(), f"host {i}") for i in range(6)]
    for host in hosts:
        host.checkin()
    started = f.start_rollout(release, ["canary", "50%", "100%"], settle=SETTLE)
    tap.equal(started.status, 201, "a rollout is started")
    ident = started.json["id"]
    tap.equal((started.json["state"], started.json["by"], started.json["counts"]["members"]), ("running", "admin:first", 1), "its first wave")
    tap.equal([w["tags"] for w in entry(f, release)["waves"]], [["canary"]], "the signed document lets the canary in")
    tap.equal(f.start_rollout(release).code, "rollout-exists", "another one of the same release")
    hosts[0].says(release, age=SETTLE)
    tap.ok(until(lambda: state(f, ident)["wave"] == 1), "the second wave comes when the first has settled")
    tap.equal(len(entry(f, release)["waves"]), 2, "and is signed")
    for host in hosts:
        host.says(release, age=SETTLE)
    tap.ok(until(lambda: state(f, ident)["state"] == "done", 15), "every wave settles: done", state(f, ident))
    tap.ok("waves" not in entry(f, release), "every host is let in")
    counts = state(f, ident)["counts"]
    tap.equal((counts["members"], counts["settled"]), (7, 7), "its counts")
    tap.equal([c["closed"] for c in f.ask("GET", "/v1/admin/cves").json["cves"] if c["release"] == release], [7], "the CVE is closed on all")
    tap.equal([r["detail"] for r in f.audit("rollout.wave") if r["object"] == str(ident)], ["wave 2", "wave 3"], "the audit log has each wave")
    return hosts


def test_halts(f, hosts):
    release = f.publish("crasher")
    ident = f.start_rollout(release, ["50%", "100%"], settle=3600).json["id"]
    begin = time.monotonic()
    hosts[1].says(release, health="crashed", detail="went down")
    crashed = [h for h in hosts if state(f, ident)["counts"]["crashed"] or not h.says(release, health="crashed")]
    took = until(lambda: "halt" in (entry(f, release) or {}), 5)
    tap.ok(took is not None and time.monotonic() - begin < 4, "a crash halts, signed", took, crashed)
    tap.ok(state(f, ident)["reason"].startswith("crashed: "), "the reason is kept", state(f, ident)["reason"])
    tap.equal(state(f, ident)["state"], "halted", "it stays so")
    for host in hosts:
        host.says(release, health="crashed")
    answer = f.ask("POST", f"/v1/admin/rollouts/{ident}/resume", {"reason": "a broken disk"})
    tap.equal((answer.status, answer.json["state"]), (200, "running"), "a person lets it go on")
    time.sleep(1.5)
    tap.equal(state(f, ident)["state"], "running", "what had happened is forgiven")
    tap.ok("halt" not in entry(f, release), "hosts may go on")
    tap.equal(f.ask("POST", f"/v1/admin/rollouts/{ident}/resume", {"reason": "again"}).code, "rollout-state", "one that runs")
    answer = f.ask("POST", f"/v1/admin/rollouts/{ident}/rollback", {"reason": "take it back"})
    tap.equal(answer.json["state"], "taken-back", "rollback")
    tap.equal((entry(f, release)["halt"], entry(f, release)["rollback"]), ("take it back", True), "it is signed")
    f.extend("stable", {"id": release, "staged": True, "withdrawn": "it crashes hosts"})
    tap.equal(f.start_rollout(release).code, "not-listed", "a release that was withdrawn")
    failing = f.publish("failing")
    ident = f.start_rollout(failing, ["100%"], settle=3600).json["id"]
    hosts[2].says(failing, state="failed", health="")
    tap.ok(until(lambda: state(f, ident)["state"] == "halted", 4), "failures halt")
    tap.ok(state(f, ident)["reason"].startswith("failed: 1 host of 1"), "with their figures", state(f, ident)["reason"])


def test_channel_halt(f, host):
    before = body_of(host.get("/v1/channels/stable/timestamp").body)
    answer = f.ask("POST", "/v1/admin/channels/stable/halt", {"reason": "power cut"})
    tap.equal((answer.status, answer.json["halt"]), (200, "power cut"), "a channel is halted")
    tap.equal(f.rollout_document()["halt"], "power cut", "signed")
    after = body_of(host.get("/v1/channels/stable/timestamp").body)
    tap.ok(after["version"] > before["version"] and after["rollout"]["version"] == answer.json["rollout"], "and named by a new timestamp")
    f.ask("POST", "/v1/admin/channels/stable/resume", {"reason": "power is back"})
    tap.ok("halt" not in f.rollout_document(), "and goes on")
    tap.equal(f.ask("POST", "/v1/admin/channels/none/halt", {"reason": "x"}).status, 404, "a channel that nobody has")


def test_restart(f, host):
    pages = ("channels", "tokens", "rollouts", "releases", "hosts", "admins")
    host.checkin()
    before = {p: f.ask("GET", "/v1/admin/" + p).json for p in pages}
    tap.equal(f.server.stop(), 0, "it stops")
    f.server.start()
    tap.equal({p: f.ask("GET", "/v1/admin/" + p).json for p in pages}, before, "after a restart all is as it was")
    tap.equal(host.checkin().status, 200, "hosts are known")


def test_ages(work):
    """Timestamps and rollouts are signed anew by themselves; a key that is lacking is told."""
    with tempfile.TemporaryDirectory(dir=work) as d:
        f = Fleet(d, options=["--lifetimes", "timestamp=60,rollout=60"])
        row = f.ask("GET", "/v1/admin/channels").json["channels"][0]
        f.server.stop()
        # A server that was down: its documents are half over when it comes again.
        time.sleep(1)
        f.server.options = ["--lifetimes", "timestamp=60,rollout=60"]
        f.server.start()
        again = f.ask("GET", "/v1/admin/channels").json["channels"][0]
        tap.equal((again["timestamp"], again["rollout"]), (row["timestamp"], row["rollout"]), "documents that are young stay")
        tap.ok(until(lambda: f.ask("GET", "/v1/admin/channels").json["channels"][0]["timestamp"] > row["timestamp"], 25),
               "a timestamp is renewed when a quarter of its time is over")
        (f.server.data / "keys/timestamp-1.key").unlink()
        tap.ok("there is no timestamp key of the newest root: documents will expire" in f.server.ask("GET", "/v1/health").json["problems"],
               "a key that is lacking is told")
        answer = f.ask("POST", "/v1/admin/channels/stable/halt", {"reason": "x"})
        tap.equal((answer.status, answer.code), (409, "no-key"), "what cannot be signed is refused")
        tap.equal(f.ask("GET", "/v1/admin/channels").json["channels"][0]["halt"], None, "and not half done")
        f.server.stop()


def test_outage(f, hosts):
    """A server that was away takes nobody's silence for harm, and no silence for a wave that is complete."""
    release = f.publish("outage")
    for host in hosts:
        host.checkin()
    ident = f.start_rollout(release, ["canary", "100%"], settle=1, silent_after=3).json["id"]
    hosts[0].says(release, state="loading", health="")
    f.server.stop()
    time.sleep(4)
    f.server.start()
    time.sleep(1.8)
    tap.equal([state(f, ident)[key] for key in ("state", "wave")], ["running", 0], "after an outage the rollout waits")
    hosts[0].says(release, age=1)
    tap.ok(until(lambda: state(f, ident)["wave"] == 1, 8), "and goes on when its hosts are back", state(f, ident))
    for host in hosts[1:]:
        host.says(release, state="loading", health="")
    tap.ok(until(lambda: state(f, ident)["state"] == "halted", 10), "hosts that fall silent halt it")
    tap.ok(state(f, ident)["reason"].startswith("silent: "), "as silent", state(f, ident)["reason"])


def test_rotation(work):
    """A new root takes a stolen timestamp key away: everything is signed with the new one as soon as it is there."""
    with tempfile.TemporaryDirectory(dir=work) as d:
        f = Fleet(d)
        host = f.host(f.token(), "rotated")
        publisher, before = f.publisher, f.ask("GET", "/v1/admin/channels").json["channels"][0]
        publisher.run("key", "generate", "--no-passphrase", "--dir", publisher.dir / "keys", "timestamp", "timestamp-2")
        root = publisher.dir / "2.root"
        publisher.run("key", "rotate", "--remove", "timestamp-1", "--add", publisher.dir / "keys/timestamp-2.pub", "--output", root,
                      publisher.dir)
        for key in sorted(publisher.dir.glob("keys/root-*.key")):
            publisher.run("sign", "--key", key, "--output", root.with_suffix(".sig"), root)
            publisher.run("sign", "--add", "--root", publisher.dir / "public/1.root", root, root.with_suffix(".sig"))
            root.with_suffix(".sig").unlink()
        answer = f.ask("POST", "/v1/admin/roots", root.read_bytes())
        tap.equal((answer.status, answer.json.get("version")), (201, 2), "the next root")
        tap.equal(host.checkin().json["root"], 2, "hosts are told")
        problems = f.server.ask("GET", "/v1/health").json["problems"]
        tap.ok("the timestamp of stable is not signed as the newest root wants it" in problems, "what it does not sign is told", problems)
        shutil.copy(publisher.dir / "keys/timestamp-2.key", f.server.data / "keys/timestamp-2.key")
        f.server.stop()
        f.server.start()
        tap.ok(until(lambda: f.ask("GET", "/v1/admin/channels").json["channels"][0]["timestamp"] > before["timestamp"]),
               "with the new key there is a new timestamp")
        tap.equal(f.server.ask("GET", "/v1/health").json["problems"], [], "all is well")
        tap.equal(f.ask("POST", "/v1/admin/roots", publisher.file("1.root")).status, 200, "an old root again changes nothing")
        tap.equal(f.ask("GET", "/v1/admin/status").json["root"]["version"], 2, "root 2 stays")
        f.server.stop()


def test_state_held(f, host):
    """Another program holds the state: what needs no write is answered, the rest waits, and health says so."""
    host.checkin()
    db = sqlite3.connect(f.server.data / "state.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    tap.equal(host.checkin().status, 200, "a check-in that says nothing new")
    answers = []
    late = threading.Thread(target=lambda: answers.append(host.checkin(agent="late").status))
    late.start()
    tap.ok(until(lambda: f.server.ask("GET", "/v1/health").status == 503, 12), "a state that takes no change is told")
    tap.equal(answers, [], "one that does waits")
    db.execute("ROLLBACK")
    db.close()
    late.join(30)
    tap.equal(answers, [200], "and is answered when it is stored")
    tap.equal(f.server.ask("GET", "/v1/health").status, 200, "all is well again")


def test_admin_beside(f):
    """kmend-server admin create while the server runs."""
    done = subprocess.run([f.server.program, "admin", "create", "--role", "operator", "--name", "beside", "--data", f.server.data],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    tap.ok(done.returncode == 0, "it can be made while the server runs", done.stderr)
    secret = done.stdout.strip()
    tap.equal(f.server.ask("POST", "/v1/admin/channels/stable/halt", secret, {"reason": "x"}).status, 200, "an admin token made beside the server")
    f.server.ask("POST", "/v1/admin/channels/stable/resume", secret, {"reason": "y"})
    tap.ok(any(r["actor"] == "kmend-server admin" for r in f.audit("admin.create")), "it is in the audit log")


def load(f, hosts, stop, acknowledged):
    """Changes what hosts say, and notes what was acknowledged."""
    number = 0
    while not stop.is_set():
        for host in hosts:
            number += 1
            try:
                if host.checkin(agent=f"n{number}").status == 200:
                    acknowledged[host.id] = number
            except OSError:
                return


KILLS = int(os.environ.get("KMEND_KILLS", "8"))  # the promise is about 200


def test_kill(f, hosts, rounds=KILLS):
    lost = []
    for i in range(rounds):
        stop, acknowledged = threading.Event(), {}
        workers = [threading.Thread(target=load, args=(f, hosts[j::3], stop, acknowledged)) for j in range(3)]
        for w in workers:
            w.start()
        time.sleep(0.1 + 0.07 * (i % 9))
        f.server.stop(signal.SIGKILL)
        stop.set()
        for w in workers:
            w.join()
        f.server.start()
        for ident, number in acknowledged.items():
            stored = f.ask("GET", "/v1/admin/hosts/" + ident).json["agent"]
            # A later report may be stored though its answer was lost.
            if int(stored[1:]) < number:
                lost.append((i, ident, number, stored))
    tap.equal(lost, [], f"{rounds} times killed under load: nothing that was acknowledged is lost")


def test_stop_under_load(f, hosts):
    stop, acknowledged = threading.Event(), {}
    worker = threading.Thread(target=load, args=(f, hosts, stop, acknowledged))
    worker.start()
    time.sleep(0.3)
    tap.equal(f.server.stop(), 0, "SIGTERM under load ends it well")
    stop.set()
    worker.join()
    f.server.start()
    tap.ok(acknowledged and all(int(f.ask("GET", "/v1/admin/hosts/" + i).json["agent"][1:]) >= n for i, n in acknowledged.items()),
           "all that was answered is stored")


def test_unsigned_halt(f, host):
    """The key is away when a rollout halts: the halt is stored, and signed as soon as the key is back."""
    release = f.publish("keyless")
    ident = f.start_rollout(release, settle=3600).json["id"]
    key = f.server.data / "keys/rollout-1.key"
    kept = key.read_bytes()
    key.unlink()
    host.says(release, health="oopsed")
    tap.ok(until(lambda: state(f, ident)["state"] == "halted"), "without a key a rollout halts for people")
    tap.ok("halt" not in entry(f, release), "though not yet for hosts")
    key.write_bytes(kept)
    tap.ok(until(lambda: "halt" in entry(f, release), 20), "it is signed when the key is back")


def test_second_signal(f):
    """A client that sends half a request holds a graceful stop up; a second signal does not wait for it."""
    f.server.start()
    with socket.create_connection(("127.0.0.1", f.server.port)) as slow:
        slow.sendall(b"POST /v1/checkin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + f.admin.encode() + b"\r\nContent-Length: 9\r\n")
        time.sleep(0.2)
        begin = time.monotonic()
        f.server.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in f.server.text().splitlines()[-1], 5)
        time.sleep(0.2)
        if f.server.process.poll() is None:
            f.server.process.send_signal(signal.SIGTERM)
        f.server.process.wait(10)
        tap.ok(time.monotonic() - begin < 5, "a second SIGTERM ends it at once")
    f.server.stop()
    f.server.start()
    tap.equal(f.ask("GET", "/v1/admin/status").status, 200, "and its state opens")


def test_tls(work):
    with tempfile.TemporaryDirectory(dir=work) as d:
        cert, key = Path(d) / "cert.pem", Path(d) / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj",
                        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True,
                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = Server(os.environ["KMEND_SERVER"], Path(d) / "data", ["--tls-cert", cert, "--tls-key", key], tls=cert)
        admin = server.init()
        server.start()
        tap.equal(server.ask("GET", "/v1/admin/status", admin).status, 200, "HTTPS")
        server.process.send_signal(signal.SIGHUP)
        tap.ok(until(lambda: "certificate was read again" in server.text()), "SIGHUP reads the certificate again")
        pem = key.read_bytes()
        key.write_bytes(b"no key")
        server.process.send_signal(signal.SIGHUP)
        tap.ok(until(lambda: "warning: SIGHUP" in server.text()), "one that is broken is told")
        key.write_bytes(pem)
        tap.equal(server.ask("GET", "/v1/admin/status", admin).status, 200, "and the one before stays")
        tap.ok(b"HTTP/1.1 200" not in raw(server, b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 3), "no plain HTTP there")
        tap.equal(server.stop(), 0, "it stops")


def test_start(work):
    """Settings that are wrong are told before anything starts."""
    program = os.environ["KMEND_SERVER"]

    def run(*words):
        done = subprocess.run([program, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout + done.stderr

    with tempfile.TemporaryDirectory(dir=work) as d:
        for words, text in ((["--listn", "x"], "did you mean 'listen'?"), (["--threads", "-1"], "no number from 0 to 256"),
                            (["--interval", "0"], "between 1 and 86400"), (["--tls-cert", "x"], "tls-key is lacking"),
                            (["--database", "mysql://x"], "no postgres:// URL"), (["--payload-base", "https://x"], "ends with '/'"),
                            (["--lifetimes", "timestamp=90d"], "between 60 and"), (["--data", d + "/none"], "kmend-server init"),
                            (["--data", d], "there is no state"), (["--trusted-proxy", "a,,b"], "empty word"),
                            (["--config", d + "/none"], "No such file"), (["admin"], "admin create"), (["sing"], "there is no 'sing'"),
                            (["admin", "create", "--role", "king", "--name", "x"], "viewer, operator or releaser")):
            status, said = run(*words)
            tap.ok(status == 1 and text in said, "refused: " + " ".join(words)[:50].replace(d, "DIR"), status, said)
        conf = Path(d) / "conf"
        for line, text in (("listen", "conf:2: this is no KEY = VALUE"), ("queue = many", "conf:2: 'many'"), ("nope = 1", "conf:2: there is no"),
                           ("threads = 1\nthreads = 2", "conf:3: 'threads' is set for the second time")):
            conf.write_text("# a comment\n" + line + "\n")
            status, said = run("--config", conf, "--check")
            tap.ok(status == 1 and text in said, "a file with " + line.split("\n", maxsplit=1)[0], said)
        conf.write_text(f"data = {d}/data\ninterval = 10m\nverbose = yes\n")
        tap.equal(run("--config", conf, "--check"), (0, "the settings are good\n"), "--check")
        status, said = run("init", "--config", conf)
        tap.ok(status == 0 and said.startswith("kma_"), "init")
        tap.equal(run("init", "--config", conf)[0], 2, "init again")
        tap.equal(oct((Path(d) / "data/keys").stat().st_mode)[-3:], "700", "keys are the server's alone")
        status, said = run("admin", "create", "--role", "viewer", "--name", "grafana", "--data", d + "/data")
        tap.ok(status == 0 and said.startswith("kma_"), "admin create")
        server = Server(program, Path(d) / "data").start()
        names = [a["name"] for a in server.ask("GET", "/v1/admin/admins", said.split("\n", maxsplit=1)[0]).json["admins"]]
        tap.equal(sorted(names), ["first", "grafana"], "it is good")
        status, said = run("--data", d + "/data", "--listen", "127.0.0.1:0")
        tap.ok(status == 1 and "another kmend-server runs" in said, "a second server on one directory", said)
        server.stop()


# ---- two servers on one PostgreSQL ----

def postgres(work):
    """A PostgreSQL of this test's own: its URL and what ends it; or None where there is none."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        return None
    directory = tempfile.mkdtemp(prefix="kmend-pg-", dir="/tmp")
    shutil.chown(directory, "postgres" if os.geteuid() == 0 else None)
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    def run(*words):
        subprocess.run([*as_user, *words], check=True, cwd="/tmp", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=120)

    run(found[-1] + "/initdb", "-D", directory + "/db", "-A", "trust", "-U", "kmend", "--no-sync")
    run(found[-1] + "/pg_ctl", "-D", directory + "/db", "-w", "-l", directory + "/log", "-o",
        f"-c listen_addresses='' -c unix_socket_directories={directory}", "start")

    def end():
        run(found[-1] + "/pg_ctl", "-D", directory + "/db", "-m", "immediate", "-w", "stop")
        shutil.rmtree(directory, ignore_errors=True)

    os.chmod(directory, 0o755)
    return f"postgres://kmend@/postgres?host={directory}", end


def test_two_servers(work):
    db = postgres(work)
    if not db:
        print("ok - two servers on one PostgreSQL # SKIP there is no PostgreSQL", flush=True)
        return
    url, end = db
    try:
        with tempfile.TemporaryDirectory(dir=work) as d:
            two_servers(d, url)
    finally:
        end()


def two_servers(d, url):
    f = Fleet(d, database=url, options=["--lifetimes", "timestamp=60s"])
    other = Server(f.server.program, Path(d) / "other", f.server.options)
    (other.data / "keys").mkdir(parents=True)
    (other.data / "blobs").symlink_to(f.server.data / "blobs")
    f.keys(other.data)
    other.start()
    host = f.host(f.token(), "between")
    host.server = other
    tap.ok(until(lambda: host.checkin().status == 200), "a host of one server is known to the other")
    release = f.publish("shared")
    tap.equal(host.get("/v1/payloads/" + sha256(b"shared")).status, 200, "and gets what was sent to the first")
    leads = [s.ask("GET", "/v1/admin/status", f.admin).json["engine"] for s in (f.server, other)]
    tap.equal(sorted(leads), [False, True], "one of them runs the rollouts")
    ident = f.start_rollout(release, ["100%"], settle=3600).json["id"]
    gone = f.host(f.token(), "gone")
    gone.server = other
    tap.equal(gone.get("/v1/channels/stable/timestamp").status, 200, "a host of a token that the other one has not seen yet")
    f.ask("DELETE", "/v1/admin/hosts/" + gone.id)
    tap.ok(until(lambda: gone.get("/v1/channels/stable/timestamp").status == 401, 4), "deleted at one, it is nobody at the other")
    newest = [body_of(host.get("/v1/channels/stable/timestamp").body)["version"]]
    tap.ok(until(lambda: newest[0] < body_of(host.get("/v1/channels/stable/timestamp").body)["version"] and
                 len({body_of(s.ask("GET", "/v1/channels/stable/timestamp", f.admin).body)["version"] for s in (f.server, other)}) == 1, 40),
           "both have a timestamp that was signed for its age")
    begin = time.monotonic()
    host.says(release, health="oopsed")
    tap.ok(until(lambda: state(f, ident)["state"] == "halted", 5), "a crash that the other one hears halts", time.monotonic() - begin)
    f.server.stop(signal.SIGKILL)
    tap.equal(host.checkin().status, 200, "one is killed: hosts of the other are served")
    f.server = other
    tap.ok(until(lambda: other.ask("GET", "/v1/admin/status", f.admin).json["engine"], 20), "which takes the rollouts over")
    tap.equal(f.ask("POST", f"/v1/admin/rollouts/{ident}/resume", {"reason": "look"}).json["state"], "running", "a person resumes")
    host.says(release, state="failed", health="")
    tap.ok(until(lambda: state(f, ident)["state"] == "halted", 5), "and it halts by itself again")
    tap.equal(other.stop(), 0, "it stops")


def main():
    with tempfile.TemporaryDirectory(prefix="kmend-server-") as work:
        f = Fleet(Path(work) / "one", options=["--rate-host", "0", "--rate-token", "0"])
        try:
            hosts = test_waves(f)
            test_halts(f, hosts)
            test_channel_halt(f, hosts[0])
            test_restart(f, hosts[0])
            test_state_held(f, hosts[0])
            test_unsigned_halt(f, hosts[0])
            test_admin_beside(f)
            test_outage(f, hosts)
            test_kill(f, hosts)
            test_stop_under_load(f, hosts)
            f.server.stop()
            test_second_signal(f)
            tap.equal(f.server.stop(), 0, "it stops")
            test_start(work)
            test_tls(work)
            test_ages(work)
            test_rotation(work)
            test_two_servers(work)
        finally:
            f.server.stop()
    tap.equal(broken_answers[:5], [], "every answer is as openapi.json says")
    tap.done()


if __name__ == "__main__":
    main()
