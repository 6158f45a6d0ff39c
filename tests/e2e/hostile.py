# SPDX-License-Identifier: GPL-2.0-or-later
"""A server in a thief's hands: the protocol of docs/service.md as far as a host speaks it, and whatever documents it is
told to give."""
import http.server
import json
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, data, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        data = self.server.files.get(self.path)
        self.server.asked.append(self.path)
        if data is None:
            self.answer(404, json.dumps({"error": {"code": "not-found", "message": "nothing here"}}).encode())
        else:
            self.answer(200, data, "application/octet-stream")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(self.path)
        answers = {"/v1/attach": (201, self.server.attached), "/v1/checkin": (200, self.server.checked_in),
                   "/v1/detach": (204, None)}
        if self.path not in answers:
            self.answer(404, b"{}")
            return
        status, answer = answers[self.path]
        self.server.said.append((self.path, json.loads(body or b"{}")))
        self.answer(status, json.dumps(answer).encode() if answer is not None else b"")


class Hostile(http.server.ThreadingHTTPServer):
    """Runs in a thread of its own until close(). files: path -> bytes."""
    daemon_threads = True

    def __init__(self, channel="stable", port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.port = self.server_address[1]
        self.files, self.asked, self.said = {}, [], []
        self.channel = channel
        self.attached = {"secret": "kmh_" + "x" * 43, "channel": channel, "root": 1, "interval": 1}
        self.checked_in = {"interval": 1, "root": 1, "timestamp": 1, "tags": [], "min_severity": "low",
                           "payloads": None}
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def give(self, keys, index, rollout, timestamp):
        """Documents (bytes, id) under (version, document), the timestamp by version, root 1 of those keys."""
        base = f"/v1/channels/{self.channel}"
        self.files["/v1/roots/1"] = keys.public("1.root")
        self.files[f"{base}/index/{index[0]}"] = index[1]
        self.files[f"{base}/rollout/{rollout[0]}"] = rollout[1]
        self.files[f"{base}/timestamp"] = timestamp[1]
        self.checked_in["timestamp"] = timestamp[0]

    def give_release(self, release, payload):
        """release: (bytes, id); payload: (bytes, sum that it goes by)."""
        self.files[f"/v1/releases/{release[1]}"] = release[0]
        self.files[f"/v1/payloads/{payload[1]}"] = payload[0]

    def close(self):
        self.shutdown()
        self.server_close()
        self.thread.join()
