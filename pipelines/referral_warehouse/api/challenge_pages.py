"""Recognises pages of a network in front of the API: browser checks and blocked addresses, whatever the token.

Pure: it reads a reply. The API itself responds with JSON or plain text; a web page, or a reply marked as mitigated, is
not from the API and means nothing for the token, the plan or the rate limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from referral_warehouse.api.json_decoding import MAX_READ_BYTES

ADVICE = (
    "The network in front of the API (its CDN or firewall) refuses this machine's requests, whatever the token: run "
    "again later, or from another network address, and ask the vendor's support to let this address call the API."
)
_PAGE = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body|title|h1|!--|\?xml|script|meta|p\b|div)", re.IGNORECASE
)
_CHECKS_BROWSERS = re.compile(
    "|".join((
        "just a moment", "checking your browser", "checking if the site connection is secure", "attention required",
        "captcha", "cf[-_]chl", "challenge-(?:platform|form|error)", "enable javascript", "enable cookies",
        "javascript and cookies", "are you (?:a )?(?:human|robot)", "you are (?:a )?human", "you're human",
        "pardon our interruption", "ddos[- ](?:protection|guard)", "_incapsula_", "datadome", "perimeterx", "awswaf",
        "bot (?:detection|protection|management)",
    )),
    re.IGNORECASE,
)  # fmt: skip
_NAMES_A_NETWORK = re.compile(
    "|".join((
        "cloudflare", "ray id", "cf-error", "akamai", "edgesuite", r"reference\s*(?:&#32;)?\s*(?:#|&#35;)", "incapsula",
        "imperva", "sucuri", "cloudfront", "fastly", "varnish", "azure front door", "fortinet", "fortiguard",
        "barracuda", "big-?ip", "support id", "mod_?security", "wordfence", "zscaler",
    )),
    re.IGNORECASE,
)  # fmt: skip

# What Cloudflare sends instead of a page to a program that does not accept HTML.
_NETWORK_CODE = re.compile(rb"\s*error code: 1[0-9]{3}\s*")


def is_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a response is a web page."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml") or _PAGE.match(body[:512]) is not None


def is_browser_check(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a response is a challenge that only a browser passes: retries are of no use."""
    if headers.get("cf-mitigated", "").strip():
        return True
    return is_page(headers, body) and _CHECKS_BROWSERS.search(_beginning(body)) is not None


def is_from_network(body: bytes) -> bool:
    """Whether the text of a page is that of a content network or a firewall."""
    text = _beginning(body)
    return _NAMES_A_NETWORK.search(text) is not None or _CHECKS_BROWSERS.search(text) is not None


def is_network_code(body: bytes) -> bool:
    """Whether a response is nothing but an error code of Cloudflare, such as 1020 (access denied)."""
    return _NETWORK_CODE.fullmatch(body[:100]) is not None


def _beginning(body: bytes) -> str:
    return body[: 4 * MAX_READ_BYTES].decode("utf-8", "replace")
