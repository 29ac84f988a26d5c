"""The HTTP server of the live page, in threads of this process.

GET /         the page
GET /events   Server-Sent Events: the last minutes first, then each line as it comes
GET /picture  the newest picture (JPEG)

Readers share one history (``live_history``) and remember their place in it. So a slow reader neither
delays those who publish nor grows memory; one that falls too far behind gets the last minutes again.
"""

import ipaddress
import json
import socket
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from timesformer.detection.live_history import Batch, LiveHistory

MOST_READERS = 16  # pages that are open at once
MOST_CONNECTIONS = 64
BATCH = 500  # lines of a message
INTERVAL = 0.05  # least seconds between two messages to a page
HEARTBEAT = 5.0  # most seconds between them
TIMEOUT = 15.0  # seconds to read a request or to send a message
LAST_SECONDS = 1.0  # for the last lines, when the page closes
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page itself has the rest
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class LiveServer(ThreadingHTTPServer):
    """Listens on ``host`` and ``port``; an OSError says why it cannot. ``changed`` guards its facts."""

    daemon_threads = True

    def __init__(self, host: str, port: int, *, pictures: bool) -> None:
        self.changed = threading.Condition()  # guards all that follows
        self.history = LiveHistory()
        self.picture = b""
        self.num_pictures = 0
        self.with_pictures = pictures
        self.num_readers = 0
        self.ending = threading.Event()
        self.host = host
        self._connections: set[socket.socket] = set()
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer asks a name server too, which can take seconds

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.changed:
            full = len(self._connections) >= MOST_CONNECTIONS
            self._connections.add(request)
        if full:
            request.settimeout(INTERVAL)
            request.sendall(b"HTTP/1.1 503 Too many connections\r\nConnection: close\r\n\r\n")
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self.changed:
            self._connections.discard(request)
            self.changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # the browser has gone
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Send the last lines, then close all connections and wait for their threads."""
        self.ending.set()
        self.shutdown()
        with self.changed:
            self.changed.notify_all()
            self.changed.wait_for(lambda: not self.num_readers, timeout=LAST_SECONDS)
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # it was closed from the other side
                    continue
            self.changed.wait_for(lambda: not self._connections, timeout=LAST_SECONDS)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: LiveServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "timesformer", ""
    timeout = TIMEOUT

    def do_GET(self) -> None:
        if not _is_own_name(self.headers.get("Host", ""), self.server.host):
            self._send_text(HTTPStatus.FORBIDDEN, "This page does not answer to this host name.")
            return
        answers = {"/": self._send_page, "/events": self._send_events, "/picture": self._send_jpeg}
        answer = answers.get(urlsplit(self.path).path)
        if answer is None:
            self._send_text(HTTPStatus.NOT_FOUND, "There is only / here.")
        else:
            answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: standard error belongs to ``watch``."""

    def _send_page(self) -> None:
        from timesformer.visualize.live import render_live

        with self.server.changed:
            history = self.server.history
            title, num_classes = history.title, len(history.class_names)
        page = render_live(title, num_classes=num_classes, pictures=self.server.with_pictures)
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", page.encode())

    def _send_jpeg(self) -> None:
        with self.server.changed:
            picture = self.server.picture
        if picture:
            self._send(HTTPStatus.OK, "image/jpeg", picture)
        else:
            self._send_text(HTTPStatus.NOT_FOUND, "There is no picture yet.")

    def _send_events(self) -> None:
        server = self.server
        with server.changed:
            full = server.num_readers >= MOST_READERS
            server.num_readers += not full
        if full:
            text = f"{MOST_READERS} pages are open already; close one of them."
            self._send_text(HTTPStatus.SERVICE_UNAVAILABLE, text)
            return
        try:
            head = {"Content-Type": "text/event-stream", "Connection": "close"}
            self._send_head(HTTPStatus.OK, head)
            self.wfile.write(b"retry: 1000\n\n")
            self._send_lines()
        finally:
            self.close_connection = True
            with server.changed:
                server.num_readers -= 1
                server.changed.notify_all()

    def _send_lines(self) -> None:
        server, number, num_pictures = self.server, None, 0
        while True:
            with server.changed:
                behind = partial(self._is_behind, number, num_pictures)
                server.changed.wait_for(behind, timeout=HEARTBEAT)
                if server.ending.is_set() and not server.history.has_after(number):
                    return
                batch = server.history.after(number, most=BATCH)
                number, num_pictures = batch.number, server.num_pictures
                facts = {
                    "restart": batch.restart,
                    "now": time.time(),
                    "scored": server.history.scored,
                    "skipped": server.history.skipped,
                    "picture": num_pictures,
                }
                complete = not server.history.has_after(number)
            self.wfile.write(_message(facts, batch))
            if complete:
                server.ending.wait(INTERVAL)

    def _is_behind(self, number: int | None, num_pictures: int) -> bool:
        """Whether there is something that a page with these numbers does not have."""
        server = self.server
        return (
            number is None
            or server.history.has_after(number)
            or server.num_pictures > num_pictures
            or server.ending.is_set()
        )

    def _send_text(self, status: HTTPStatus, text: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{text}\n".encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self._send_head(status, {"Content-Type": kind, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _send_head(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in (_HEADERS | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()


def _message(facts: Mapping[str, object], batch: Batch) -> bytes:
    """One Server-Sent Event; the lines are JSON already."""
    head = json.dumps(facts).removesuffix("}")
    return f'data: {head}, "lines": [{",".join(batch.lines)}]}}\n\n'.encode()


def _is_own_name(host: str, own: str) -> bool:
    """Whether the Host of a request is this machine's, and not a name that a foreign page made up.

    An address of numbers, ``localhost``, the name of the machine, the ``own`` name that is listened on.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    machine = socket.gethostname().lower()
    if name in ("localhost", own.lower(), machine, f"{machine}.local"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
