"""A loopback server of bare sockets, for answers that no HTTP server would send."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

Speak = Callable[[socket.socket], None]
PATIENCE_S = 5
"""The longest wait of the server for bytes of a client: no test gets there."""


@contextmanager
def accepting(handle: Speak) -> Iterator[str]:
    """A server at that URL. It lets ``handle`` have each connection, one at a time, and hangs up afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()
        current: list[socket.socket] = []

        def serve() -> None:
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    if over.is_set():  # the connection that ends the wait is no client's
                        return
                    current[:] = [connection]
                    connection.settimeout(PATIENCE_S)
                    handle(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/p"
        finally:
            over.set()
            for connection in current:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            socket.create_connection(server.getsockname()).close()
            thread.join()


def speaking(speak: Speak) -> AbstractContextManager[str]:
    """A server that reads the first request of each connection, lets ``speak`` answer it, then hangs up."""

    def handle(connection: socket.socket) -> None:
        connection.recv(65_536)
        speak(connection)

    return accepting(handle)
