"""Health and metrics of an engine over HTTP, on a thread of its own that only reads plain numbers."""

import ipaddress
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vitalcore.errors import ParameterError
from vitalcore.streams.engine.engine import Engine
from vitalcore.streams.service import metrics
from vitalcore.streams.workers.workers import Workers

ALIVE_S = 5.0  # the loop has turned within it
MAX_ASKING = 8  # connections at a time; who comes beyond is turned away
PATIENCE_S = 2.0  # with somebody who connects and says nothing


class Server:
    """Answer /healthz, /readyz and /metrics until it is closed.

    listen   : address and port, such as 127.0.0.1:7480; port 0 lets the system choose
    anywhere : the address may leave this machine

    Errors: ParameterError where the address can't be bound, or leaves this machine without `anywhere`.
    """

    def __init__(self, engine: Engine | Workers, listen: str, anywhere: bool = False) -> None:
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        if not port.isdecimal() or not host:
            raise ParameterError(f"http: {listen} is no address and port such as 127.0.0.1:7480")
        if not anywhere and not _is_loopback(host):
            raise ParameterError(
                f"http: {listen} leaves this machine, and shows whoever reaches it the names of the sites and how many"
                " streams, samples and refusals there are, without a key: allow it with --http-anywhere"
            )
        try:
            self._server = _Server((host, int(port)), engine)
        except (OSError, OverflowError) as error:
            raise ParameterError(f"http: can't bind {listen}: {getattr(error, 'strerror', None) or error}") from None
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def health(engine: Engine | Workers) -> tuple[bool, str]:
    """Tell whether an engine is alive: its loop has turned of late, or it is still on its way to it."""
    if not engine.ready.is_set():
        return True, "starting"
    age_s = engine.loop_age_s()
    return age_s <= ALIVE_S, "ok" if age_s <= ALIVE_S else f"the loop has not turned for {age_s:.1f} s"


def readiness(engine: Engine | Workers) -> tuple[bool, str]:
    """Tell whether an engine takes samples, and in words what it lacks.

    Samples are taken while the disk refuses, too: then it is ready and says so.
    """
    alive, said = health(engine)
    if not engine.ready.is_set():
        return False, "starting: kernels are compiled, the journal is read, strangers are tried"
    if engine.stopping:
        return False, "shutting down"
    if not alive:
        return False, said
    return True, "ready" if engine.storage == "ok" else f"ready, and storage is degraded: {engine.storage}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], engine: Engine | Workers) -> None:
        self.engine = engine
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._asking = threading.Semaphore(MAX_ASKING)
        super().__init__(address, _Answer)

    def server_bind(self) -> None:
        """Bind, without asking a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread, if not too many ask."""
        if self._asking.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, then make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._asking.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let go who breaks off; nobody else notices."""


class _Answer(BaseHTTPRequestHandler):
    timeout = PATIENCE_S
    server_version, sys_version = "vitalcore", ""

    def do_GET(self) -> None:
        """Answer a request."""
        assert isinstance(self.server, _Server)
        engine, path = self.server.engine, self.path.split("?", 1)[0]
        if path == "/metrics":
            self._answer(200, metrics.render(engine), metrics.CONTENT_TYPE)
        elif path in ("/healthz", "/readyz"):
            good, said = (health if path == "/healthz" else readiness)(engine)
            self._answer(200 if good else 503, f"{said}\n".encode(), "text/plain; charset=utf-8")
        else:
            self._answer(404, b"there are /healthz, /readyz and /metrics\n", "text/plain; charset=utf-8")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: what is asked every few seconds is no news."""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
