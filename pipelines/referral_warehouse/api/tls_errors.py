"""Permanent TLS errors, and advice for each.

Pure: it reads exceptions. Network errors during a handshake (a reset, an early end, a damaged record) are not among
them: they are retried.
"""

from __future__ import annotations

import ssl

from referral_warehouse.errors import ApiUnavailable, causes

CERTIFICATE_ADVICE = (
    "If a company proxy re-signs traffic, name its CA bundle in SSL_CERT_FILE; verification stays on. Check the base "
    "URL's host name, and this machine's clock where the certificate has expired."
)
PLAIN_HTTP_ADVICE = (
    "The server there does not use TLS: check SOURCES__REFERRAL_FACTORY__BASE_URL (its port) and HTTPS_PROXY."
)
VERSION_ADVICE = (
    "The server and this machine share no TLS version or cipher, or it requires a client certificate: update Python "
    "and OpenSSL here, or ask the operator of the proxy or server in between."
)
_PLAIN_HTTP = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL"})
_TEMPORARY_KINDS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError, ssl.SSLWantReadError,
                  ssl.SSLWantWriteError)  # fmt: skip
# Damage during transfer, and internal errors of the server.
_TEMPORARY = frozenset({
    "APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "BAD_RECORD_MAC", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
    "PROTOCOL_IS_SHUTDOWN", "RECORD_LAYER_FAILURE", "SSLV3_ALERT_BAD_RECORD_MAC", "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    "TLSV1_ALERT_DECRYPT_ERROR", "TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_ALERT_USER_CANCELLED",
    "UNEXPECTED_EOF_WHILE_READING",
})  # fmt: skip


def tls_advice(error: BaseException) -> str | None:
    """The advice for a permanent TLS error at the root of an exception's chain; None for any other error."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CERTIFICATE_ADVICE
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, _TEMPORARY_KINDS):
            reason = cause.reason or ""
            if reason in _TEMPORARY:
                return None
            return PLAIN_HTTP_ADVICE if reason in _PLAIN_HTTP else VERSION_ADVICE
    return None


def permanent_tls_error(error: BaseException, label: str, what: str) -> ApiUnavailable | None:
    """The error of a request that failed permanently; ``label`` names the request, ``what`` the TLS error."""
    advice = tls_advice(error)
    if advice is None:
        return None
    if advice == CERTIFICATE_ADVICE:
        reason = "The server's certificate could not be verified"
    else:
        reason = "No secure connection could be made"
    return ApiUnavailable(f"{reason}, so {label} was not requested ({what}).", advice)
