"""Where webhooks may call: public addresses, and what the operator allows."""

from ipaddress import ip_address

import pytest

from service.errors import InputError
from service.webhooks.address import check_target, check_url, may_call, networks_of, resolve

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1",
    "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::ffff:10.0.0.1",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


def message_of(error: InputError) -> str:
    (item,) = error.errors
    assert item.pointer == "/url"
    return item.message


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not may_call(ip_address(address), ())


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_may_be_called(address: str) -> None:
    assert may_call(ip_address(address), ())


def test_the_operator_may_allow_networks() -> None:
    allowed = networks_of(["10.1.0.0/16", "fd12::/16"])
    assert may_call(ip_address("10.1.2.3"), allowed)
    assert may_call(ip_address("::ffff:10.1.2.3"), allowed)
    assert may_call(ip_address("fd12::7"), allowed)
    assert not may_call(ip_address("10.2.0.1"), allowed)
    assert not may_call(ip_address("169.254.169.254"), allowed)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost:8000/x", "https://[::1]/", "http://169.254.169.254/latest/meta-data",
        "http://0x7f000001/", "http://2130706433/", "http://127.1/", "http://0177.0.0.1/", "http://[::ffff:127.0.0.1]/",
        "http://0/",
    ],
)  # fmt: skip
def test_every_way_to_write_a_private_address_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        check_target(url, ())
    assert "not public" in message_of(caught.value)
    assert "CRASHSCOUT_WEBHOOK_ALLOWED_NETWORKS" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/", "https://host/path"),
        ("example.com/hook", "https://host/path"),
        ("https:///hook", "https://host/path"),
        ("https://example.com:0/", "https://host/path"),
        ("https://example.com:99999/", "is no address"),
        ("https://[::1/", "is no address"),
        ("https://user:pw@example.com/", "user name"),
        ("https://example.com/#x", "fragment"),
        ("https://exämple.com/", "ASCII"),
        ("https://example.com/a b", "space"),
        ("file:///etc/passwd", "https://host/path"),
    ],
)
def test_what_is_no_plain_address_is_refused(url: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        check_url(url)
    assert words in message_of(caught.value)


def test_a_name_that_is_unknown_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        check_target("https://nowhere.invalid/", ())
    assert "cannot be resolved" in message_of(caught.value)


def test_an_allowed_address_is_what_is_connected_to() -> None:
    assert [str(each) for each in resolve("127.0.0.1", 80, networks_of(["127.0.0.0/8"]))] == ["127.0.0.1"]
