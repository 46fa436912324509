"""Maps a response that is not retried to a typed error with advice.

Pure: it reads a reply and the meaning of its status. It counts nothing and stops nothing; it knows tokens only as text
to mask.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from referral_warehouse.api.challenge_pages import ADVICE, is_browser_check, is_from_network, is_network_code, is_page
from referral_warehouse.api.json_decoding import error_words
from referral_warehouse.api.retry import StatusMeaning, mentions_block
from referral_warehouse.api.transport import LOCATION, Reply
from referral_warehouse.display_text import display_text
from referral_warehouse.errors import (
    ApiUnavailable,
    AuthenticationError,
    ProtectiveStop,
    ReferralsError,
    RequestRefused,
)
from referral_warehouse.redaction import redact
from referral_warehouse.settings import DEFAULT_BASE_URL

WRONG_PATH_STATUSES = frozenset({404, 405, 410})
"""Statuses that every request has when the path of the base URL is wrong."""
PATH_ADVICE = (
    f"Check the path of SOURCES__REFERRAL_FACTORY__BASE_URL: the vendor's API is at {DEFAULT_BASE_URL}, and a wrong "
    "path has this response."
)
# The text that mentions a block is not always in the first line of a page.
BLOCK_TEXT_CHARS = 8_000


def error_for(reply: Reply, meaning: StatusMeaning, label: str) -> ReferralsError:
    """The error of a reply that is neither a success nor retried, with the API's own words, shortened."""
    # Masked before it is shortened: part of a token would not be recognised.
    words = display_text(redact(error_words(reply.body, BLOCK_TEXT_CHARS)))
    quoted = f"HTTP {reply.status}: {words}" if words else f"HTTP {reply.status}"
    if is_browser_check(reply.headers, reply.body):
        return _refused_by_network(reply, label, quoted)
    if meaning is StatusMeaning.NOT_ACCEPTED:
        return AuthenticationError(f"The API did not accept the token for {label} ({quoted}).")
    if meaning is StatusMeaning.FORBIDDEN:
        return _forbidden(reply, label, quoted)
    if meaning is StatusMeaning.REDIRECT:
        return RequestRefused(
            f"The API redirected {label} to {display_text(redact(_target(reply))) or 'nowhere'} "
            f"(HTTP {reply.status}); redirects are not followed, so that the token is sent nowhere else.",
            reply.status,
            "Check SOURCES__REFERRAL_FACTORY__BASE_URL: it must be the API's final address.",
        )
    if meaning is StatusMeaning.REFUSED:
        advice = PATH_ADVICE if reply.status in WRONG_PATH_STATUSES else None
        return RequestRefused(f"The API refused {label} ({quoted}).", reply.status, advice)
    return ApiUnavailable(f"The API failed on {label} ({quoted}).", status=reply.status)


def _forbidden(reply: Reply, label: str, quoted: str) -> ReferralsError:
    is_web_page = is_page(reply.headers, reply.body)
    if (is_web_page and is_from_network(reply.body)) or is_network_code(reply.body):
        return _refused_by_network(reply, label, quoted)
    if mentions_block(error_words(reply.body, BLOCK_TEXT_CHARS)):
        return ProtectiveStop(f"The API refused {label} because this address or token is blocked ({quoted}).")
    if is_web_page:
        return _refused_by_network(reply, label, quoted)
    return AuthenticationError(f"The account may not request {label} ({quoted}).")


def _refused_by_network(reply: Reply, label: str, quoted: str) -> ApiUnavailable:
    return ApiUnavailable(
        f"A web page was returned instead of the API's response to {label} ({quoted}).", ADVICE, status=reply.status
    )


def _target(reply: Reply) -> str:
    # Without the query and without user names: either may contain secrets.
    try:
        target = urlsplit(reply.headers.get(LOCATION, ""))
    except ValueError:
        return "an unreadable address"
    host = target.netloc.rpartition("@")[2]
    return f"{target.scheme}://{host}{target.path}" if host else target.path
