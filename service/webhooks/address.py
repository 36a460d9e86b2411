"""Guard of the addresses that webhooks may call: the service must not be led into the network it stands in."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from service.errors import FieldError, InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
DEFAULT_PORTS = {"http": 80, "https": 443}
# IPv6 addresses of translators that carry an IPv4 address in their last 32 bits.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def networks_of(names: Sequence[str]) -> tuple[Network, ...]:
    """The networks that the operator allows.

    Raises:
        ValueError: if a name is no network such as 10.0.0.0/8.
    """
    return tuple(ipaddress.ip_network(name) for name in names)


def refused(message: str) -> InputError:
    return InputError(
        "The webhook's address cannot be used.",
        hint="Name a public http or https address; the operator allows others by "
        "CRASHSCOUT_WEBHOOK_ALLOWED_NETWORKS.",
        errors=[FieldError("/url", message)],
    )


def check_url(url: str) -> SplitResult:
    """The parts of a plain http or https address.

    Raises:
        InputError: if it is none, or carries a user name or fragment.
    """
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError as error:
        raise refused(f"is no address: {error}") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or not port_is_good:
        raise refused("expects an address like https://host/path")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise refused("must not carry a user name, password or fragment: the signature proves the sender")
    if not url.isascii() or any(character.isspace() for character in url):
        raise refused("contains a space or a letter outside ASCII: write it percent-encoded or as punycode")
    return parts


def check_target(url: str, allowed: Sequence[Network]) -> None:
    """Refuse an address that cannot be resolved or leads to where the service must not call.

    Raises:
        InputError: saying which.
    """
    parts = check_url(url)
    resolve(parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], allowed)


def resolve(host: str, port: int, allowed: Sequence[Network]) -> list[Address]:
    """All addresses of a host, each of which may be called: connect to one of these and not to the name.

    Raises:
        InputError: if there is none, or one that is not public and not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise refused(f"'{host}' cannot be resolved") from error
    # A link-local address may carry its interface after a %.
    texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    addresses = [ipaddress.ip_address(text) for text in texts]
    for address in addresses:
        if not may_call(address, allowed):
            raise refused(f"'{host}' leads to {address}, which is not public")
    return addresses


def may_call(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether the address is public or in one of the allowed networks."""
    inner = _inner(address)
    if any(each in network for each in {address, inner} for network in allowed):
        return True
    return inner.is_global and not (inner.is_multicast or inner.is_reserved or inner.is_unspecified)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one only wraps; itself otherwise."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
