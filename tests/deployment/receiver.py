"""A target on this machine that remembers every call, byte by byte, and refuses those to one path."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from emulator import HOST

FAILING_PATH = "/fails"


@dataclass(frozen=True)
class Call:
    """One call as it came."""

    method: str
    path: str
    headers: dict
    body: bytes


class Receiver:
    """The target while it listens: `with Receiver() as receiver`."""

    def __enter__(self):
        self.calls = []
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self.calls))
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.address = f"{HOST}:{self._server.server_port}"
        self.url = f"http://{self.address}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def of(self, message_id):
        """The calls that deliver a message, in their order."""
        return [call for call in list(self.calls) if call.headers.get("webhook-id") == message_id]


def _handler(calls):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            calls.append(Call(self.command, self.path, headers, body))
            self.send_response(503 if self.path == FAILING_PATH else 204)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            """What came is told where it is checked."""

    return Handler
