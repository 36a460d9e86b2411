"""Addresses of machines."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_encrypted_or_near(url: str, *, development: bool) -> bool:
    """Whether the way to the address is https, or in development http that never leaves this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        development and parts.scheme == "http" and is_loopback(parts.hostname or "")
    )
