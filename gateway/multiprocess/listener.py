"""Listening sockets of the API."""

import socket
import sys

from domains.kernel.core.problems import Unavailable


def bind(host: str, port: int, *, share: bool = False) -> socket.socket:
    """Return a socket bound to the address. Raises Unavailable, for example if the port is taken.

    With `share`, other processes of this user may bind the same address, also with `share`. Linux
    then distributes new connections between the processes that listen.

    One socket for all processes would distribute worse: an idle process accepts all waiting
    connections before the others wake up. Of 8 connections opened at once, all were often in one
    process. The port would also accept connections that no process is ready to answer.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":
        # Allows a restart while old connections are still in TIME_WAIT.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((host, port))
        if not share:
            # Connections wait until the server is ready. A process that shares the port listens
            # when it is ready, because other processes may be ready before.
            bound.listen(2048)
    except OSError as error:
        bound.close()
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}") from error
    bound.setblocking(False)
    return bound
