"""Put this folder first on PYTHONPATH, and Python reaches nothing but this machine."""

import socket

_connect = socket.socket.connect
_ALLOWED = ("127.0.0.1", "::1", "localhost")


def _only_here(self, address):
    if isinstance(address, tuple) and address[0] not in _ALLOWED:
        raise OSError("offline: no connection to %s" % (address[0],))
    return _connect(self, address)


def _no_names(host, *rest, **more):
    if host not in (None, "", *_ALLOWED):
        raise OSError("offline: no look-up of %s" % host)
    return _look_up(host, *rest, **more)


_look_up = socket.getaddrinfo
socket.socket.connect = _only_here
socket.getaddrinfo = _no_names
