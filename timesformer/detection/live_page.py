"""The live page of a stream: ``publish`` its lines and ``show`` its pictures, from any thread."""

import errno
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from timesformer.detection.live_server import INTERVAL, LiveServer
from timesformer.errors import InputError

FIRST_PORT, LAST_PORT = 1024, 65535
_REASONS = {
    errno.EADDRINUSE: "the port is in use; choose another one, or 0 for any free port",
    errno.EADDRNOTAVAIL: "this machine does not have this address; use 127.0.0.1 or one of its own",
    errno.EACCES: "the system does not allow this port; choose another one, or 0 for any free port",
}


class LivePageError(InputError, ValueError):
    """A port or an address at which no page can be served; the message names it and a remedy."""


class LivePage:
    """Serves the page while the ``with`` block runs; all methods may be called from any thread.

    Args:
        port: 0 for any free one.
        host: address that is listened on; other machines can see the page unless it is a loopback.
        pictures: whether ``show`` is going to be called; the page has a place for the picture then.
    """

    def __init__(self, port: int, host: str = "127.0.0.1", *, pictures: bool = True) -> None:
        if port != 0 and not FIRST_PORT <= port <= LAST_PORT:
            raise LivePageError(
                f"port {port} cannot be used for a page; choose one from {FIRST_PORT} to {LAST_PORT}, "
                "or 0 for any free port"
            )
        self._port, self._host, self._pictures = port, host, pictures
        self._server: LiveServer | None = None

    def __enter__(self) -> "LivePage":
        try:
            self._server = LiveServer(self._host, self._port, pictures=self._pictures)
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}")
            raise LivePageError(f"page on {self._host}, port {self._port}: {reason}") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(INTERVAL,), name="live page", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.end()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where a browser opens the page."""
        host = self._host
        if host in ("", "0.0.0.0", "::"):
            host = socket.gethostname()
        return f"http://{f'[{host}]' if ':' in host else host}:{self._running.server_address[1]}/"

    def publish(self, line: Mapping[str, Any]) -> None:
        """Send a line of ``watch`` to all pages; windows with all their probabilities."""
        with self._running.changed:
            self._running.history.add(line, received=time.time())
            self._running.changed.notify_all()

    def show(self, jpeg: bytes) -> None:
        """Make ``jpeg`` the picture of the stream."""
        with self._running.changed:
            self._running.picture = jpeg
            self._running.num_pictures += 1
            self._running.changed.notify_all()

    @property
    def _running(self) -> "LiveServer":
        if self._server is None:
            raise RuntimeError("a LivePage serves inside its with block only")
        return self._server
