"""An answer that is not to be repeated becomes the typed error that a person can act on.

Pure: it reads a reply and its verdict; it counts nothing, stops nobody and knows no token but as something to mask.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from referral_warehouse.api.challenge_pages import ADVICE, checks_browsers, is_page, names_a_network
from referral_warehouse.api.json_decoding import error_words
from referral_warehouse.api.retry import Verdict, speaks_of_a_block
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

# Block pages say so somewhere in their text, not always in the first line.
BLOCK_TEXT_CHARS = 8_000


def error_for(reply: Reply, verdict: Verdict, label: str) -> ReferralsError:
    """The error for a reply whose verdict is none of answer, retry and strike, with the API's own words, shortened."""
    # Masked before it is cut: half of a token would not be recognised any more.
    said = display_text(redact(error_words(reply.body, BLOCK_TEXT_CHARS)))
    quoted = f"HTTP {reply.status}: {said}" if said else f"HTTP {reply.status}"
    if checks_browsers(reply.headers, reply.body):
        return _refused_on_the_way(reply, label, quoted)
    if verdict is Verdict.NOT_ACCEPTED:
        return AuthenticationError(f"The API did not accept the token when asked for {label} ({quoted}).")
    if verdict is Verdict.FORBIDDEN:
        return _forbidden(reply, label, quoted)
    if verdict is Verdict.REDIRECT:
        return RequestRefused(
            f"The API answered {label} with a redirect to {display_text(redact(_place(reply))) or 'nowhere'} "
            f"(HTTP {reply.status}); redirects are not followed, so that the token stays here.",
            reply.status,
            "Check SOURCES__REFERRAL_FACTORY__BASE_URL: it must be the API's final address.",
        )
    if verdict is Verdict.REFUSED:
        return RequestRefused(f"The API refused {label} ({quoted}).", reply.status)
    return ApiUnavailable(f"The API failed on {label} ({quoted}).", status=reply.status)


def _forbidden(reply: Reply, label: str, quoted: str) -> ReferralsError:
    is_web_page = is_page(reply.headers, reply.body)
    if is_web_page and names_a_network(reply.body):
        return _refused_on_the_way(reply, label, quoted)
    if speaks_of_a_block(error_words(reply.body, BLOCK_TEXT_CHARS)):
        return ProtectiveStop(f"The API has blocked this address or token, it said when asked for {label} ({quoted}).")
    if is_web_page:
        return _refused_on_the_way(reply, label, quoted)
    return AuthenticationError(f"The account may not ask for {label} ({quoted}).")


def _refused_on_the_way(reply: Reply, label: str, quoted: str) -> ApiUnavailable:
    return ApiUnavailable(
        f"A web page came instead of the API's answer to {label} ({quoted}).", ADVICE, status=reply.status
    )


def _place(reply: Reply) -> str:
    # Without the query and without user names: either may hold secrets.
    try:
        target = urlsplit(reply.headers.get(LOCATION, ""))
    except ValueError:
        return "an unreadable address"
    host = target.netloc.rpartition("@")[2]
    return f"{target.scheme}://{host}{target.path}" if host else target.path
