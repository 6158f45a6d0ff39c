# SPDX-License-Identifier: GPL-2.0-or-later
"""A server as docs/service.md has it, for one channel and one token; it can also lie."""
import http.server
import json
import ssl
import threading
import urllib.parse


class Server:
    def __init__(self, publisher, token="kmt_" + "a" * 43, cert=None):
        self.publisher, self.token, self.secret = publisher, token, "kmh_" + "b" * 43
        self.reports, self.attached, self.paths, self.proxied = [], [], [], []
        self.interval, self.severity, self.tags = 300, "low", []
        self.fail = None       # (status, Retry-After) for check-ins
        self.lie = {}          # path -> bytes instead of the right ones
        self.hang = None       # an event that check-ins wait for
        self.cut = None        # payloads end after so many bytes, once
        http.server.ThreadingHTTPServer.handle_error = lambda *args: None  # who goes away in between is no news
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
            self.url = f"https://localhost:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self):
        if not self.thread.is_alive():
            return
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def answer(self, path):
        """The bytes of a GET, or None."""
        p, parts = self.publisher, path.strip("/").split("/")[1:]
        if parts[0] == "roots" and parts[1] in ("1", p.fingerprint):
            with open(p.root, "rb") as f:
                return f.read()
        if parts[0] == "channels" and parts[1] == p.channel:
            return p.bytes_of(parts[2])
        if parts[0] == "releases":
            return p.releases.get(parts[1])
        if parts[0] == "payloads":
            return p.payloads.get(parts[1])
        return None

    def handler(outer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def reply(self, status, data=b"", headers=()):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def error(self, status, code, headers=()):
                self.reply(status, json.dumps({"error": {"code": code, "message": code}}).encode(),
                           [("Content-Type", "application/json"), *headers])

            def bearer(self):
                return self.headers.get("Authorization", "").removeprefix("Bearer ")

            def parse_request(self):
                good = super().parse_request()
                if good and self.path.startswith("http://"):  # as a proxy is asked
                    outer.proxied.append(urllib.parse.urlsplit(self.path).netloc)
                    self.path = urllib.parse.urlsplit(self.path).path
                return good

            def do_GET(self):
                outer.paths.append(self.path)
                if not self.path.startswith("/v1/roots/") and self.bearer() != outer.secret:
                    return self.error(401, "unauthorized")
                data = outer.lie.get(self.path, outer.answer(self.path))
                if data is None:
                    return self.error(404, "not-found")
                begin = int(self.headers["Range"][6:-1]) if "Range" in self.headers else 0
                if begin >= len(data) and begin:
                    return self.reply(416, b"", [("Content-Range", f"bytes */{len(data)}")])
                if outer.cut is not None and self.path.startswith("/v1/payloads/"):
                    cut, outer.cut = outer.cut, None
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data[:cut])
                    self.close_connection = True
                    return None
                extra = [("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")] if begin else []
                return self.reply(206 if begin else 200, data[begin:], extra)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == "/v1/attach":
                    if self.bearer() != outer.token:
                        return self.error(401, "unauthorized")
                    outer.attached.append(json.loads(body))
                    return self.send_json(201, {"secret": outer.secret, "channel": outer.publisher.channel, "root": 1,
                                                "interval": outer.interval})
                if self.bearer() != outer.secret:
                    return self.error(401, "unauthorized")
                if self.path == "/v1/detach":
                    outer.attached.pop()
                    return self.reply(204)
                if outer.hang:
                    outer.hang.wait(60)
                if outer.fail:
                    return self.error(outer.fail[0], "busy", [("Retry-After", str(outer.fail[1]))])
                outer.reports.append(json.loads(body))
                return self.send_json(200, {"interval": outer.interval, "root": 1, "timestamp": outer.publisher.version,
                                            "tags": outer.tags, "min_severity": outer.severity, "payloads": None})

            def send_json(self, status, value):
                self.reply(status, json.dumps(value).encode(), [("Content-Type", "application/json")])

        return Handler
