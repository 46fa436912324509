"""Pages of the network in front of the API: exit 4 with advice, no new token, no violation, few retries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.query import Query
from referral_warehouse.errors import ApiUnavailable, AuthenticationError, BudgetExhausted, ProtectiveStop
from tests.api.scripted_server import Response, ScriptedServer, ok
from tests.api.stand_ins import FakeTime

USERS = Query("users")
MakeClient = Callable[..., Client]
HTML = {"Content-Type": "text/html; charset=UTF-8"}
MITIGATED = HTML | {"cf-mitigated": "challenge"}
JUST_A_MOMENT = (
    b'<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head><body><noscript>Enable JavaScript '
    b"and cookies to continue</noscript><script>window._cf_chl_opt={}</script></body></html>"
)
BLOCKED_BY_CDN = (
    b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body><h1>Sorry, you have been "
    b"blocked</h1><p>You are unable to access example.com</p><p>Cloudflare Ray ID: 7d</p></body></html>"
)
ACCESS_DENIED = (
    b"<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\nYou don't have permission to "
    b'access "http&#58;&#47;&#47;example&#46;com&#47;" on this server.<P>\nReference&#32;&#35;18&#46;2d\n</BODY></HTML>'
)
INCAPSULA = (
    b'<html><head></head><body><iframe src="/_Incapsula_Resource?x">Request unsuccessful.</iframe></body></html>'
)
SUCURI = b"<html><title>Access Denied - Sucuri Website Firewall</title><body>GEO02, your IP was blocked</body></html>"
PLAIN = b"<html><head><title>403 Forbidden</title></head><body><center><h1>403 Forbidden</h1></center></body></html>"
CAPTCHA = (
    b'<html><head><title>Robot check</title></head><body><div class="g-recaptcha"></div>Too many requests</body></html>'
)

PAGES: dict[str, Response] = {
    "403 marked as mitigated": Response(403, JUST_A_MOMENT, MITIGATED),
    "403 marked as mitigated without a body": Response(403, b"", {"cf-mitigated": "challenge"}),
    "403 marked as mitigated with JSON": Response(403, b'{"message": "blocked"}', {"cf-mitigated": "challenge"}),
    "403 just a moment": Response(403, JUST_A_MOMENT, HTML),
    "403 without a content type": Response(403, JUST_A_MOMENT),
    "403 you have been blocked, by Cloudflare": Response(403, BLOCKED_BY_CDN, HTML),
    "403 access denied, by Akamai": Response(403, ACCESS_DENIED, HTML),
    "403 by Imperva": Response(403, INCAPSULA, HTML),
    "403 by Sucuri": Response(403, SUCURI, HTML),
    "403 of a plain web server": Response(403, PLAIN, HTML),
    "403 empty web page": Response(403, b"", HTML),
    "403 captcha that mentions too many requests": Response(403, CAPTCHA, HTML),
    "403 code of Cloudflare as text": Response(403, b"error code: 1020", {"Content-Type": "text/plain; charset=UTF-8"}),
    "401 marked as mitigated": Response(401, JUST_A_MOMENT, MITIGATED),
    "429 marked as mitigated": Response(429, JUST_A_MOMENT, MITIGATED),
    "429 just a moment": Response(429, JUST_A_MOMENT, HTML),
    "429 captcha": Response(429, CAPTCHA, HTML),
    "503 just a moment": Response(503, JUST_A_MOMENT, HTML),
    "503 marked as mitigated": Response(503, JUST_A_MOMENT, MITIGATED),
    "404 marked as mitigated": Response(404, JUST_A_MOMENT, MITIGATED),
    "302 marked as mitigated": Response(
        302, b"", {"cf-mitigated": "challenge", "Location": "https://example.com/challenge"}
    ),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_a_page_of_the_network_in_front_is_not_a_response_of_the_api(
    client: Client, server: ScriptedServer, fake: FakeTime, page: Response
) -> None:
    server.script.append(page)
    with pytest.raises(
        ApiUnavailable, match=f"web page was returned instead of the API's response to users.*HTTP {page.status}"
    ) as refused:
        client.get(USERS)
    assert refused.value.exit_code == 4
    words = str(refused.value)
    assert "network in front of the API" in words
    assert "vendor's support" in words
    assert "API_TOKEN" not in words
    assert "current token" not in words
    assert (client.calls, fake.slept, client.violations) == (1, [], ())
    assert client.get(USERS).attempts == 1  # the token was not given up for it


def test_a_browser_check_with_status_200_is_tried_three_times(
    client: Client, server: ScriptedServer, fake: FakeTime
) -> None:
    server.default = lambda _: Response(200, JUST_A_MOMENT, HTML)
    with pytest.raises(ApiUnavailable, match=r"3 attempts.*web page instead of JSON \(Just a moment") as refused:
        client.get(USERS)
    assert "network in front of the API" in refused.value.next_step
    assert client.violations == ()


REFUSALS: dict[str, tuple[Response, type[Exception]]] = {
    "blocked, in JSON": (Response(403, b'{"message": "Your IP is blocked for 7 days"}'), ProtectiveStop),
    "blocked, in text": (Response(403, b"You have been blocked", {"Content-Type": "text/plain"}), ProtectiveStop),
    "blocked, in JSON called HTML": (
        Response(403, b'{"message": "blocked"}', {"Content-Type": "application/json"}),
        ProtectiveStop,
    ),
    "the plan, in JSON": (Response(403, b'{"message": "The API is for paid plans only."}'), AuthenticationError),
    "the plan, without a body": (Response(403, b""), AuthenticationError),
    "the token, in JSON": (Response(401, b'{"message": "Unauthenticated."}'), AuthenticationError),
}


@pytest.mark.parametrize(("answer", "error"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_the_api_says_itself_keeps_its_meaning(
    client: Client, server: ScriptedServer, answer: Response, error: type[Exception]
) -> None:
    server.script.append(answer)
    with pytest.raises(error):
        client.get(USERS)


@pytest.mark.parametrize(
    "body", [b'{"message": "Too Many Attempts."}', b"<html><title>429 Too Many Requests</title></html>", b""]
)
def test_a_429_that_is_not_a_challenge_stays_a_violation(client: Client, server: ScriptedServer, body: bytes) -> None:
    server.script.extend([Response(429, body, {"Retry-After": "100000"})])
    with pytest.raises(BudgetExhausted):
        client.get(USERS)
    assert len(client.violations) == 1


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, *range(520, 531)])
def test_temporary_errors_are_retried(client: Client, server: ScriptedServer, status: int) -> None:
    for body in (b"{}", b"<html><title>Web server is down | Cloudflare</title></html>"):
        server.script.extend([Response(status, body), ok({"data": ["fine"]})])
        assert client.get(USERS).attempts == 2
