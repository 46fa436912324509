"""Network settings from the environment: a proxy, hosts to reach without it, and certificates to trust.

Pure except for reading certificate files. A proxy's address may contain a password, so messages name the variable and
never its value. Other variables of networks (SSLKEYLOGFILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE,
NETRC) have no effect.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import certifi
import httpx

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import DEFAULT_BASE_URL, is_loopback_url
from referral_warehouse.settings.sources import shown

PROXY_NAMES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
HOST = re.compile(r"[a-z0-9._:-]+(?:%[a-z0-9._-]+)?")
# A name or an IPv4 address or network, or an IPv6 address in brackets; each with a port or without one.
ENTRY = re.compile(r"(?:\[(?P<inner>[^\]]*)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")
NEXT_STEP = "Correct {0} in the environment, or unset it."


def proxy_for(base_url: str, environ: Mapping[str, str]) -> httpx.Proxy | None:
    """The proxy through which a base URL is reached; None for this machine and for hosts that NO_PROXY names.

    Raises: ConfigurationError when the variable of the proxy is not the address of an HTTP proxy.
    """
    parts = urlsplit(base_url)
    if is_loopback_url(base_url) or _is_exempt(parts, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    name = next((name for name in PROXY_NAMES if environ.get(name, "").strip()), None)
    return None if name is None else _proxy(name, environ[name].strip())


def tls_context(base_url: str, environ: Mapping[str, str]) -> ssl.SSLContext:
    """A context that verifies certificates, against the authorities of SSL_CERT_FILE or SSL_CERT_DIR where one is set.

    Raises: ConfigurationError when the file or directory has no certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if urlsplit(base_url).scheme == "http":
        return context  # never used for plain http; an empty trust store costs nothing to set up
    file, directory = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    try:
        if file:
            _refuse_irregular(Path(file))
            context.load_verify_locations(cafile=file)
        elif directory:
            _refuse_without_certificates(directory)
            context.load_verify_locations(capath=directory)
        else:
            context.load_verify_locations(cafile=certifi.where())
    except (OSError, ValueError) as error:
        name, value = ("SSL_CERT_FILE", file) if file else ("SSL_CERT_DIR", directory)
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
        raise ConfigurationError(
            f"{name} names no certificates that can be read: {shown(value)}: {reason or error}.", NEXT_STEP.format(name)
        ) from None
    return context


def _refuse_irregular(path: Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would block
        raise ValueError("it is not a regular file")


def _refuse_without_certificates(directories: str) -> None:
    """OpenSSL finds a certificate in a directory by its hash alone, and reports nothing where there is none."""
    found = [path for directory in directories.split(os.pathsep) if directory for path in Path(directory).iterdir()]
    if not any(HASHED_NAME.fullmatch(path.name) for path in found):
        raise ValueError("it holds no certificate under its hash (`openssl rehash` makes the links)")


def _proxy(name: str, text: str) -> httpx.Proxy:
    """An HTTP proxy by its address; the default scheme is http."""
    parts = _split(text)
    if parts is not None and parts.scheme.startswith("socks"):
        raise ConfigurationError(
            f"{name} names a SOCKS proxy, which is not supported.", f"Set {name} to an HTTP proxy, or unset it."
        )
    if parts is None or not _is_plain_text(text) or not _is_proxy_address(parts):
        raise ConfigurationError(f"{name} is not the address of a proxy.", NEXT_STEP.format(name))
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    credentials = (unquote(parts.username), unquote(parts.password or "")) if parts.username is not None else None
    return httpx.Proxy(
        f"{parts.scheme}://{host}{'' if parts.port is None else f':{parts.port}'}",
        auth=credentials,
        ssl_context=tls_context(DEFAULT_BASE_URL, os.environ) if parts.scheme == "https" else None,
    )


def _split(text: str) -> SplitResult | None:
    """The parts of an address; None where it has no readable host or port."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return parts if host and port != 0 else None


def _is_plain_text(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text and "\\" not in text


def _is_proxy_address(parts: SplitResult) -> bool:
    is_address_alone = parts.path in ("", "/") and not parts.query and not parts.fragment
    return is_address_alone and parts.scheme in ("http", "https") and bool(HOST.fullmatch(parts.hostname or ""))


def _is_exempt(parts: SplitResult, no_proxy: str) -> bool:
    """Whether NO_PROXY lists a host: names with all below them, addresses, networks, ``*``, with ports."""
    host, port = (parts.hostname or "").rstrip("."), parts.port or 443
    return any(_is_listed(entry, host, port) for entry in re.split(r"[,;\s]+", no_proxy.lower()) if entry)


def _is_listed(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    entry = entry.rpartition("://")[2]
    found = ENTRY.fullmatch(entry)
    if found is None:
        return _is_in_network(entry, host)
    if found["port"] is not None and int(found["port"]) != port:
        return False
    if found["inner"]:
        return _is_in_network(found["inner"], host)
    name = found["name"].lstrip("*").strip(".") if found["name"] else ""
    return (bool(name) and (host == name or host.endswith(f".{name}"))) or _is_in_network(found["name"] or "", host)


def _is_in_network(network: str, host: str) -> bool:
    """Whether a host is an address that equals another one or is part of a network."""
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
