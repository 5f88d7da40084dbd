"""A wire between a client and a server that can be cut or held at the worst moment.

It passes bytes between 127.0.0.1:`port` and a server. When a client says the chosen word, the wire
does one of: `lose_answer` (the server gets it, the client never hears), `lose_request` (the server
never gets it), `hold` (the server gets it `hold_seconds` later, after the client has gone).
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class Wire:
    """One listening port in front of one server; a thread per direction of each connection."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.word = b""
        self.manner = ""
        self.hold_seconds = 0.0
        self.times = 0
        """How often the word was met since the manner was set."""
        threading.Thread(target=self._accept, daemon=True).start()

    def at(self, word: bytes, manner: str, hold_seconds: float = 0.0) -> None:
        """Misbehave once, the next time a client says `word`."""
        self.hold_seconds, self.times = hold_seconds, 0
        self.word, self.manner = word, manner

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
            threading.Thread(target=_pass, args=(server, client), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self.manner and self.word in data:
                    self._misbehave(client, server, data)
                    return
                server.sendall(data)
        _end(client, server)

    def _misbehave(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        manner, self.manner = self.manner, ""
        self.times += 1
        if manner == "lose_answer":
            _end(client)  # first, or the answer might slip through
            server.sendall(data)
            time.sleep(0.2)
        elif manner == "hold":
            time.sleep(self.hold_seconds)
            with contextlib.suppress(OSError):
                server.sendall(data)
                time.sleep(0.2)
        _end(client, server)


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _end(source, sink)


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
