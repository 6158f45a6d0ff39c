# SPDX-License-Identifier: GPL-2.0-or-later
"""What hosts go through, in this order: each scenario finds what those before it have left on server and disks."""
import datetime
import errno
import json

from documents import sha256
from fleet import Fleet
from hostile import Hostile
from theft import Theft

FIX, MORE, CRASH = "e2e_fix", "e2e_more", "e2e_crash"
FIXED, HAS_MORE = "kmend e2e: fixed", "kmend e2e: more"
CHANGED = 10  # the status of kmend-apply when it has loaded something
YEAR = datetime.timedelta(days=365)

# What is looked at again and again, as lines of a guest's script.
LOOK = """
look() { # LABEL: version and load average tell which patches are in effect
	show "$1.fix" cat /proc/version
	show "$1.patches" ls /sys/kernel/livepatch /sys/kernel/kmend 2>/dev/null
	show "$1.fleet" cat /run/kmend/fleet
}
at_boot() { # what the units do before the network
	show boot /usr/libexec/kmend/kmend-apply boot
	look boot
}
goodbye() {
	show goodbye /usr/libexec/kmend/kmend-apply goodbye
}
"""


def fleet_of(boot, label):
    """/run/kmend/fleet as `look LABEL` saw it."""
    try:
        return json.loads(boot[f"{label}.fleet"].text)
    except ValueError:
        return {}


def release_of(boot, label, name):
    """What the host said there of the release of that name."""
    return next((r for r in fleet_of(boot, label).get("releases", []) if r["name"] == name), {})


def fixed(boot, label):
    return FIXED in boot[f"{label}.fix"]


def has(boot, label, name):
    return name in boot[f"{label}.patches"].text.split()


def patch_of(world, host, release):
    """What the server knows of that release on that host."""
    return next((p for p in world.fleet.host(host)["patches"] if p["release"] == release), {})


def first_patch(w):
    """attach, get the patch, and what happens when the server goes away"""
    w.fleet.add(w.fleet.publish(w.patches[FIX]))
    host = w.host("one")
    attach, _ = w.attach()
    boot = host.boot(LOOK + f"""
at_boot
show unattached kmend status
{attach}
show refresh kmend refresh
look after
show status kmend status
show again kmend refresh
mark down
show down kmend refresh
look down
show down-status kmend status
mark up
show up kmend refresh
look up
goodbye
""", net=w.net, on={"down": w.fleet.server.stop, "up": w.fleet.server.start})
    w.check(boot.clean, "a host boots, attaches, and goes down in order", boot)
    w.check(not fixed(boot, "boot"), "before it is attached it runs the distribution's kernel", boot)
    w.check(boot["attach"].status == 0, "kmend attach", boot["attach"])
    w.check(fixed(boot, "after") and has(boot, "after", FIX),
            "kmend refresh brings the patch, and it is in effect", boot)
    w.check(fleet_of(boot, "after").get("state") == "protected" and "protected" in boot["status"],
            "the host is protected", boot["status"])
    identity = fleet_of(boot, "after").get("host")
    known = w.fleet.host(identity) if identity else {}
    told = patch_of(w, identity, w.fleet.releases[FIX]) if identity else {}
    w.check(known.get("state") == "protected" and told.get("state") == "loaded", "and the server knows", known)
    w.check(boot["down"].status not in (0, None), "without the server kmend refresh fails", boot["down"])
    w.check(fixed(boot, "down"), "and the patch stays", boot)
    w.check("/v1/checkin" in boot["down"], "saying what it asked for", boot["down"])
    w.check(boot["up"].status == 0 and fixed(boot, "up"), "when the server is back the host goes on", boot["up"])


def reboot_alone(w):
    """a reboot without network, rollback by hand, and back"""
    boot = w.hosts["one"].boot(LOOK + f"""
at_boot
show status kmend status
show rollback kmend rollback {FIX}
look rolled
show retry kmend refresh --retry {FIX}
/usr/libexec/kmend/kmend-apply cycle
look again
goodbye
""")
    w.check(boot["boot"].status == CHANGED and fixed(boot, "boot"),
            "after a reboot it is in effect before any network", boot)
    w.check(boot["status"].status is not None and FIX in boot["status"], "kmend status tells of it", boot["status"])
    w.check(boot["rollback"].status == 0 and not fixed(boot, "rolled") and not has(boot, "rolled", FIX),
            "kmend rollback takes it back", boot)
    w.check(fixed(boot, "again"), "and --retry lets it in again", boot)


def settled(w):
    """a patch that ran for a quarter of an hour without trouble is no suspect when its host dies"""
    boot = w.hosts["one"].boot(LOOK + """
at_boot
sleep 905
show cycle /usr/libexec/kmend/kmend-apply cycle
look after
sync
echo c >/proc/sysrq-trigger
sleep 30
""", options=["--icount", "--timeout", "3000"])  # of the guest's own time, of which sleep takes none here
    w.check(fixed(boot, "after") and boot.panicked, "a host that dies of something else, later", boot)
    w.check(release_of(boot, "after", FIX).get("journal", {}).get("step") == "settled",
            "when the patch has settled", boot["after.fleet"])
    boot = w.hosts["one"].boot(LOOK + "at_boot\ngoodbye\n")
    w.check(fixed(boot, "boot"), "comes up with the patch again", boot)


def the_core(w):
    """the other flavour, for a host with kmend.ko"""
    index = w.directory / "modules.dep"
    index.write_text("extra/kmend.ko:\n")
    modules = f"/lib/modules/{w.kernel}"
    host = w.host("core", carry=[f"{w.core}:{modules}/extra/kmend.ko", f"{index}:{modules}/modules.dep"])
    attach, _ = w.attach()
    boot = host.boot(LOOK + f"""
{attach}
show refresh kmend refresh
look after
goodbye
""", net=w.net)
    w.check(boot.clean and fixed(boot, "after"), "a host with kmend.ko takes the patch", boot)
    w.check("/sys/kernel/kmend:" in boot["after.patches"] and has(boot, "after", FIX),
            "in the flavour for it", boot["after.patches"])
    boot = host.boot(LOOK + "at_boot\ngoodbye\n")
    w.check(fixed(boot, "boot"), "and has it again after a reboot without network", boot)


def own_authority(w):
    """https with a certificate that only the host's --ca knows"""
    server = w.fleet.server
    _, word = w.fleet.token()
    server.stop()
    ca = server.use_tls("host")
    server.start()
    attach = f"kmend attach {word} --server https://host:{server.port}"
    try:
        boot = w.host("private", carry=[f"{ca}:/etc/ca.pem"]).boot(LOOK + f"""
show stranger {attach}
look stranger
show attach {attach} --ca /etc/ca.pem
show refresh kmend refresh
look after
goodbye
""", net=w.net)
    finally:
        server.stop()
        server.tls = None
        server.start()
    w.check(boot["stranger"].status == 1 and not fixed(boot, "stranger"),
            "a server with a certificate of an unknown authority is not believed", boot)
    w.check("certificate" in boot["stranger"].text.lower(), "for that reason", boot["stranger"])
    w.check(boot["attach"].status == 0 and fixed(boot, "after"), "with --ca the host takes the patch", boot)


def modes(w):
    """kmend.mode= on the kernel's command line"""
    seen = {}
    for mode in ("off", "no-apply", "no-refresh"):
        before = asked(w)
        boot = w.hosts["one"].boot(LOOK + """
at_boot
show refresh kmend refresh
look after
goodbye
""", net=w.net, append=f"kmend.mode={mode}")
        seen[mode] = (boot, asked(w) != before)
    boot, contact = seen["off"]
    w.check(not fixed(boot, "after") and not contact, "kmend.mode=off: nothing is loaded, nobody is asked", boot)
    boot, contact = seen["no-apply"]
    w.check(not fixed(boot, "after") and contact, "kmend.mode=no-apply: the server is asked, nothing is loaded", boot)
    boot, contact = seen["no-refresh"]
    w.check(fixed(boot, "boot") and not contact, "kmend.mode=no-refresh: what is held is loaded, nobody is asked", boot)


def asked(w):
    """When the server last heard of host one's boot."""
    return [(h["id"], h["boot"]) for h in w.fleet.hosts()]


def damage_and_full_disk(w):
    """a payload with a flipped byte, a full disk, and a rollback by the publisher"""
    release = w.fleet.publish(w.patches[MORE])
    blob = payload_of(w, MORE)
    rollout = []

    def publish_damaged():
        flip(blob)
        w.fleet.add(release, at_once=False)
        rollout.append(w.fleet.start_rollout(release, "100%"))

    boot = w.hosts["one"].boot(LOOK + f"""
at_boot
mark publish
show damaged kmend refresh
look damaged
mark mend
dd if=/dev/zero of=/var/filler bs=4k 2>/dev/null
show full kmend refresh
look full
show free rm /var/filler
show after kmend refresh
look after
show more cat /proc/loadavg
/usr/libexec/kmend/kmend-agent &
agent=$!
sleep 1
mark rollback
kill -HUP $agent
await 120 [ ! -e /sys/kernel/livepatch/{MORE} ]
look back
kill -TERM $agent
wait $agent
show agent echo $?
""", net=w.net, on={"publish": publish_damaged, "mend": lambda: flip(blob),
                    "rollback": lambda: w.fleet.act(rollout[0], "rollback")})
    w.check(boot.clean and fixed(boot, "boot"), "the host is up, with the first patch", boot)
    w.check(not has(boot, "damaged", MORE), "a payload with a flipped byte is not loaded", boot)
    w.check(boot["damaged"].status != 0 or fleet_of(boot, "damaged").get("trouble"),
            "and the host says so", boot["damaged"])
    w.check(fixed(boot, "damaged"), "the patch that it has stays", boot)
    w.check(not has(boot, "full", MORE) and fixed(boot, "full"),
            "with a full disk nothing new is loaded, what is there stays", boot)
    w.check(boot["full"].status not in (0, None) or fleet_of(boot, "full").get("trouble"),
            "and it says so", boot["full"])
    w.check(has(boot, "after", MORE) and HAS_MORE in boot["more"], "when both are mended the second patch comes", boot)
    w.check(not has(boot, "back", MORE) and fixed(boot, "back"),
            "the publisher's rollback takes that one back, by kmend-agent alone", boot)
    w.check(boot["agent"].text.strip() == "0", "which says goodbye on SIGTERM", boot["agent"])


def payload_of(w, name):
    """The server's file of the klp payload."""
    data = (w.patches[name] / f"{name}.ko").read_bytes()
    name = sha256(data)
    return w.fleet.server.data / "blobs" / name[:2] / name[2:]


def flip(path):
    """The same again restores it."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def wrong_clock(w):
    """a clock that is a year ahead, one that is a year behind, and a new host with one"""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    script = LOOK + """
at_boot
show refresh kmend refresh
look after
show status kmend status
goodbye
"""
    ahead = w.hosts["one"].boot(script, net=w.net, date=now + YEAR)
    w.check(fixed(ahead, "boot") and fixed(ahead, "after"), "a year ahead: the patch is applied and stays", ahead)
    after = fleet_of(ahead, "after")
    w.check(after.get("state") == "unknown" and "expired" in (after.get("trouble") or ""),
            "and the host says that it cannot tell how it stands, and why", ahead)
    behind = w.hosts["one"].boot(script, net=w.net, date=now - YEAR)
    w.check(fixed(behind, "boot") and fixed(behind, "after"), "a year behind: the patch is applied and stays", behind)
    w.check("hours from now" in (fleet_of(behind, "after").get("trouble") or ""),
            "and the host says that its clock is behind", behind)
    attach, _ = w.attach()
    fresh = w.host("late").boot(LOOK + f"""
{attach}
show refresh kmend refresh
look after
""", net=w.net, date=now - YEAR)
    w.check(not fixed(fresh, "after"), "a new host with a clock of last year takes nothing", fresh)
    w.check("clock" in fresh["attach"].text + fresh["refresh"].text + fresh["after.fleet"].text,
            "because of its clock", fresh)


def crash_guard(w):
    """a patch that kills its host: held at the next boot, reported, the rollout halts by itself"""
    release = w.fleet.publish(w.patches[CRASH])
    w.fleet.add(release, at_once=False)
    rollout = w.fleet.start_rollout(release, "canary,100%")
    host = w.host("canary")
    attach, _ = w.attach(tags=["canary"])
    boot = host.boot(LOOK + f"""
{attach}
show refresh kmend refresh
look after
sync
cat /proc/loadavg
sleep 30
""", net=w.net)
    w.check(has(boot, "after", CRASH) and fixed(boot, "after"), "the canary has the new patch", boot)
    w.check(boot.panicked, "which kills it", boot)
    again = LOOK + """
at_boot
show refresh kmend refresh
look after
show status kmend status
show load cat /proc/loadavg
goodbye
"""
    boot = host.boot(again, net=w.net)
    identity = fleet_of(boot, "after").get("host", "")
    w.check(boot.clean and not has(boot, "after", CRASH), "the next boot holds it back", boot)
    w.check(release_of(boot, "after", CRASH).get("decision") == "held" and CRASH in boot["status"],
            "kmend status says so", boot["status"])
    told = patch_of(w, identity, release)
    w.check(told.get("state") == "held" and told.get("health") == "crashed",
            "and the host has reported the crash", told)
    halted = w.fleet.wait(lambda: w.fleet.rollout(rollout)["state"] == "halted", 30)
    w.check(halted and "crashed" in w.fleet.rollout(rollout)["reason"],
            "the rollout has halted by itself, for that", w.fleet.rollout(rollout))
    boot = host.boot(again + "", net=w.net)
    w.check(boot.clean and not has(boot, "after", CRASH), "it stays held at the boot after that", boot)
    attach, token = w.attach(tags=["canary"])
    second = w.host("second")
    boot = second.boot(LOOK + f"""
{attach}
show refresh kmend refresh
look after
show load cat /proc/loadavg
goodbye
""", net=w.net)
    w.check(boot.clean and fixed(boot, "after") and not has(boot, "after", CRASH),
            "halted: a second host of the first wave does not load it", boot)
    w.second_token = token
    w.fleet.act(rollout, "resume")
    boot = host.boot(LOOK + f"""
at_boot
show refresh kmend refresh
look held
show retry kmend refresh --retry {CRASH}
look retried
goodbye
""", net=w.net)
    w.check(not has(boot, "held", CRASH), "a rollout that a person resumed does not change that", boot)
    w.check(has(boot, "retried", CRASH), "kmend refresh --retry takes it anew", boot)
    w.fleet.act(rollout, "rollback")


def revoked_token(w):
    """a token that is revoked: the server does not know the host any more; it keeps its patches"""
    boot = w.hosts["second"].boot(LOOK + """
at_boot
mark revoke
show refresh kmend refresh
look after
show status kmend status
goodbye
""", net=w.net, on={"revoke": lambda: w.fleet.revoke(w.second_token)})
    w.check(boot["refresh"].status not in (0, None), "a host whose token was revoked is refused", boot["refresh"])
    w.check(fixed(boot, "boot") and fixed(boot, "after"), "its patches stay", boot)


def stolen_server(w):
    """the server, its database and the online keys are a thief's: no code of his runs on a host"""
    fleet = w.fleet
    fleet.admin("channel", "withdraw", "--channel", "stable", "--reason", "it kills hosts", fleet.releases[CRASH])
    theft = Theft(w, MORE, CRASH)
    w.stolen_version = theft.version
    fleet.server.stop()
    server = Hostile(port=fleet.server.port)
    word = f"kmt_{'t' * 43}.{fleet.keys.fingerprint}"
    # The last one uses up the index's numbers.
    steps = [theft.own_keys, theft.own_rollout, theft.other_bytes, theft.own_index]
    script = LOOK + "at_boot\n" + "".join(
        f"mark {s.__name__}\nshow {s.__name__} kmend refresh\nlook {s.__name__}\n" for s in steps)
    try:
        boot = w.hosts["second"].boot(script + "goodbye\n", net=w.net,
                                      on={s.__name__: lambda s=s: s(server) for s in steps})
        theft.own_keys(server)
        new = w.host("victim").boot(LOOK + f"show attach kmend attach {word} --server {w.url}\nlook after\n", net=w.net)
    finally:
        server.close()
        fleet.server.start()
    w.check(boot.clean and fixed(boot, "boot"), "a host that comes up in a thief's fleet has its patch", boot)
    w.check("/v1/roots/2" in server.asked, "it asks for the thief's root", server.asked)
    for step in steps:
        name = step.__name__
        w.check(boot[name].status is not None and not has(boot, name, CRASH) and not has(boot, name, MORE),
                f"{step.__doc__}: nothing is loaded", boot)
        w.check(fixed(boot, name), "… and the patch stays", boot)
    w.check(f"/v1/payloads/{theft.listed_sum}" in server.asked,
            "the host did ask for the exchanged payload", server.asked)
    w.check(new["attach"].status not in (0, None) and not has(new, "after", CRASH),
            "a new host does not take the thief's root", new)


def way_back(w):
    """after the theft: a root with new online keys, by which hosts leave the thief's numbers behind"""
    w.fleet.replace_online_keys()
    boot = w.hosts["second"].boot(LOOK + """
at_boot
show refresh kmend refresh
look after
goodbye
""", net=w.net)
    after = fleet_of(boot, "after")
    w.check(boot["refresh"].status == 0 and fixed(boot, "after") and not has(boot, "after", CRASH),
            "a host follows the new root", boot)
    w.check(after.get("trouble", "none") is None and after.get("timestamp", {}).get("version", 1e9) < w.stolen_version,
            "whose documents begin with small numbers again", boot["after.fleet"])


def server_disk_full(w):
    """the server's disk is full: it says so, loses nothing, and goes on when there is room"""
    directory = w.directory / "small"
    directory.mkdir()
    fleet = Fleet(w.programs, directory, size="32m")
    try:
        _, word = fleet.token()
        attached = [fleet.attach_by_hand(word, n) for n in range(20)]
        filler = fleet.server.inside / "filler"
        fill(filler)
        full = [fleet.put(blob) for blob in (b"1" * 500000, b"2" * 1000000)]
        w.check(all(500 <= status < 600 for status in full), "a payload that finds no room is refused", full)
        attached += [fleet.attach_by_hand(word, n) for n in range(20, 100)]
        w.check(attached[:20] == [201] * 20 and 500 <= attached[-1] < 600, "and so is a host", attached)
        w.check(fleet.server.child.poll() is None, "the server runs", fleet.server.log_tail())
        filler.unlink()
        w.check(fleet.wait(fleet.server.healthy, 30), "with room again it is well", fleet.server.health())
        again = fleet.put(b"1" * 500000)
        w.check(again == 201, "and takes the payload", again)
        known = {h["id"] for h in fleet.hosts(limit=1000)}
        acknowledged = {fleet.host_by_hand(word, n) for n, status in enumerate(attached) if status == 201}
        w.check(acknowledged and acknowledged <= known,
                "every host that was told so is there", len(acknowledged - known))
    finally:
        fleet.close()


def fill(path):
    """Until there is no room at all."""
    with open(path, "wb", buffering=0) as f:
        for size in (65536, 4096):
            try:
                while True:
                    f.write(b"\0" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


ALL = [first_patch, reboot_alone, settled, the_core, own_authority, modes, damage_and_full_disk, wrong_clock,
       crash_guard, stolen_server, way_back, revoked_token, server_disk_full]
NEEDS = {s: [first_patch] for s in ALL[1:8]} | {
    crash_guard: [first_patch], stolen_server: [damage_and_full_disk, crash_guard], way_back: [stolen_server],
    revoked_token: [crash_guard]}


def with_needs(names):
    """The scenarios of those names and those whose work they go on with, in order."""
    wanted = {s for s in ALL if s.__name__ in names}
    while more := {n for s in wanted for n in NEEDS.get(s, [])} - wanted:
        wanted |= more
    return [s for s in ALL if s in wanted]
