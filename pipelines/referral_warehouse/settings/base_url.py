"""Where requests, and with them the token, may be sent: what a base URL must look like and who may name it.

Pure: text in, decisions out. Only plain spellings of a host pass, so that no two readers of a URL can disagree on
which host it names.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.sources import Place, shown

DEFAULT_BASE_URL = "https://referral-factory.com/api/v1"
VENDOR_HOSTS = frozenset({"referral-factory.com", "api.referral-factory.com"})
NAME = "SOURCES__REFERRAL_FACTORY__BASE_URL"
LONGEST_URL = 2048
HOST_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# A last part of digits makes many resolvers read the whole name as an address: 2130706433 and 0x7f.1 are 127.0.0.1.
NUMERIC_NAME = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")


def is_loopback_url(url: str) -> bool:
    """Whether a URL's host is this machine (``localhost``, 127.0.0.0/8, ::1, or one of these mapped into IPv6)."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def checked_base_url(url: str) -> str:
    """A base URL without the slashes at its end, if the token can safely be sent there.

    Raises: ConfigurationError when it is not a plain https address, or plain http and not on this machine.
    """
    url = url.rstrip("/")
    wrong = ConfigurationError(f"{NAME} is not a web address: {shown(url)}.")
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise wrong
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{NAME} must not contain a user name or password.")
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or port == 0 or not _is_plain(parts, host):
        raise wrong
    if "?" in url or "#" in url or not PATH.fullmatch(parts.path):
        raise ConfigurationError(f"{NAME} must end with a plain path, without ? and #: {shown(url)}.")
    if parts.scheme == "http" and not is_loopback_url(url):
        raise ConfigurationError(f"{NAME} must use https (plain http would show the token to everyone): {shown(url)}.")
    return url


def refuse_redirected_token(token_place: Place, url: str, url_place: Place) -> None:
    """A token that only the user could place is not sent to a host that a folder's files name.

    Anybody may have written the folder: it may be a download, or shared. Its files may name the host for a token that
    is in them as well; the vendor's own hosts and this machine are always allowed.
    Raises: ConfigurationError when the base URL comes from a folder and the token does not.
    """
    if url_place.is_own or not token_place.is_own:
        return
    parts = urlsplit(url)
    is_vendor = parts.scheme == "https" and parts.hostname in VENDOR_HOSTS and parts.port in (None, 443)
    if not is_vendor and not is_loopback_url(url):
        raise ConfigurationError(
            f"The token of {token_place.name} is not sent to {parts.netloc}: only {url_place.name} names that host, "
            "and somebody else may have written that file.",
            f"If the host is right, set {NAME} in the environment as well, or put api_token into secrets.toml "
            "beside that file; else remove base_url from it.",
        )


def _is_plain(parts: SplitResult, host: str) -> bool:
    if _address(host) is not None:
        return "%" not in host
    return (
        bool(HOST_NAME.fullmatch(host))
        and not NUMERIC_NAME.fullmatch(host)
        and len(host) <= 253
        and ("[" not in parts.netloc)
    )


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
