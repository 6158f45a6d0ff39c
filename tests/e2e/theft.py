# SPDX-License-Identifier: GPL-2.0-or-later
import json

from documents import Keys, must, sha256


class Theft:
    """What a thief of the server can make: documents by his own keys, and by the stolen rollout and timestamp keys."""

    def __init__(self, w, listed, other):
        """listed: a patch that the index has, other: whose module the thief wants to run."""
        self.genuine = w.fleet.keys
        self.own = Keys(w.fleet.kmend, w.directory / "thief")
        self.documents = w.fleet.documents()
        module, diff = w.patches[other] / f"{other}.ko", w.patches[other] / f"{other}.ko.diff"
        info = json.loads(must([w.fleet.kmend, "info", "--json", module]))
        self.module = module.read_bytes()
        self.release = self.own.release(info, module, diff)
        genuine = (w.patches[listed] / f"{listed}.ko").read_bytes()
        self.listed, self.listed_sum = w.fleet.releases[listed], sha256(genuine)
        self.listed_release = w.fleet.document(f"releases/{self.listed}")
        self.version = self.documents["timestamp"][0] + 100

    def _give(self, server, keys, index, rollout):
        """index and rollout: (version, (bytes, id)); the timestamp's keys are keys."""
        self.version += 1
        stamp = keys.timestamp(self.version, (index[0], index[1][1]), (rollout[0], rollout[1][1]))
        server.give(keys, (index[0], index[1][0]), (rollout[0], rollout[1][0]), (self.version, stamp[0]))
        server.give_release(self.release, (self.module, sha256(self.module)))

    def _listed(self):
        return [{"id": self.release[1], "staged": False}]

    def own_keys(self, server):
        """everything signed by keys of the thief's own, and a root that names them"""
        server.files["/v1/roots/2"] = self.own.public("1.root")
        server.checked_in["root"] = 2
        v = self.documents["index"][0] + 1, self.documents["rollout"][0] + 1
        self._give(server, self.own, (v[0], self.own.index(v[0], self._listed())), (v[1], self.own.rollout(v[1])))

    def own_rollout(self, server):
        """a rollout that lets in a release which the index does not list"""
        del server.files["/v1/roots/2"]
        server.checked_in["root"] = 1
        version, data, name = self.documents["index"]
        entries = [{"id": self.release[1], "waves": [{"tags": [], "permyriad": 10000}]}]
        v = self.documents["rollout"][0] + 2
        self._give(server, self.genuine, (version, (data, name)), (v, self.genuine.rollout(v, entries)))

    def other_bytes(self, server):
        """a listed release that may be loaded, with the thief's bytes under its payload's name"""
        version, data, name = self.documents["index"]
        server.give_release((self.listed_release, self.listed), (self.module, self.listed_sum))
        v = self.documents["rollout"][0] + 3
        entries = [{"id": self.listed, "waves": [{"tags": [], "permyriad": 10000}]}]
        self._give(server, self.genuine, (version, (data, name)), (v, self.genuine.rollout(v, entries)))

    def own_index(self, server):
        """an index of the thief's own under the stolen keys"""
        v = self.documents["index"][0] + 1, self.documents["rollout"][0] + 4
        index, rollout = self.own.index(v[0], self._listed()), self.genuine.rollout(v[1])
        self._give(server, self.genuine, (v[0], index), (v[1], rollout))
