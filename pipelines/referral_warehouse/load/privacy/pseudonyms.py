"""Makes pseudonyms: equal values have equal pseudonyms, and without the key no value can be found from one.

Knows kinds of personal data, and no table. HMAC-SHA256 with the key, 128 bits of it in hexadecimal.
"""

from __future__ import annotations

import functools
import hmac
import unicodedata

import duckdb
import pyarrow as pa

from referral_warehouse.personal_kinds import EMAIL, NAME
from referral_warehouse.sql_folder import disposable_domains

DIGITS = 32
DOMAIN_DIGITS = 16
CHECK = b"referral-warehouse: which key this is"

# As marts.fraud_signals reads addresses: the same functions of the same database, so that no text is read differently.
_PARTS = """
select
    case when contains(value, ' ') then lower(trim(value)) else lower(value) end as address,
    split_part(address, '@', 2) as domain,
    case
        when domain in ('gmail.com', 'googlemail.com')
            then replace(split_part(split_part(address, '@', 1), '+', 1), '.', '') || '@gmail.com'
        when strpos(address, '+') > 1
            then split_part(split_part(address, '@', 1), '+', 1) || '@' || domain
        else address
    end as mailbox
from given
order by number
"""


def key_check(key: bytes) -> str:
    """A text by which keys can be compared, and from which the key cannot be found."""

    return hmac.digest(key, CHECK, "sha256").hex()[:DIGITS]


class Pseudonyms:
    """The pseudonyms of one key.

    Args:
        key: random bytes; whoever has them can find out whether a value is behind a pseudonym.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def text(self, kind: str, value: str) -> str:
        """The pseudonym of a text; an empty text stays empty.

        Names count as equal whatever their case and the blanks around them; links, codes and free text as written.
        """
        if not value:
            return value
        if kind == EMAIL:
            return self.addresses([value])[0]
        if kind == NAME:
            value = unicodedata.normalize("NFC", value).strip().casefold()
        return self._digits(kind, value)

    def json(self, kind: str, value: str) -> str:
        """The pseudonym of JSON text, as a JSON string."""
        return f'"{self._digits(kind, value)}"'

    def addresses(self, values: list[str]) -> list[str]:
        """The pseudonyms of e-mail addresses, which are addresses themselves.

        Addresses of one mailbox have the same part before ``@``, apart from what follows a plus sign, and addresses of
        one domain have the same domain, which is kept where it is one of throw-away addresses. So every rule on fraud
        finds the same as before.
        """
        kept = disposable_domains()
        found = {
            value: self._address(address, domain, mailbox, kept) if "@" in value else self._digits(EMAIL, address)
            for value, (address, domain, mailbox) in _parts_of(tuple(dict.fromkeys(values))).items()
        }
        return [found[value] if value else value for value in values]

    def _address(self, address: str, domain: str, mailbox: str, kept: frozenset[str]) -> str:
        local = self._digits(EMAIL, mailbox)
        tag = "" if address == mailbox else f"+{self._digits(EMAIL, address)}"
        home = split_domain(mailbox)
        hidden = domain if domain in kept else f"{self._digits('domain', home)[:DOMAIN_DIGITS]}.invalid"
        return f"{local}{tag}@{hidden}"

    def _digits(self, kind: str, value: str) -> str:
        message = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256").hex()[:DIGITS]


def split_domain(mailbox: str) -> str:
    """What follows the first ``@`` of a mailbox, up to the next one."""
    return mailbox.split("@")[1]


def _parts_of(values: tuple[str, ...]) -> dict[str, tuple[str, str, str]]:
    """Address, domain and mailbox of each value."""
    given = pa.table({"number": pa.array(range(len(values)), pa.int64()), "value": pa.array(values, pa.string())})
    connection = _connection()
    connection.register("given", given)
    try:
        return dict(zip(values, connection.execute(_PARTS).fetchall(), strict=True))
    finally:
        connection.unregister("given")


@functools.cache
def _connection() -> duckdb.DuckDBPyConnection:
    """A database in memory that writes nothing to disk."""
    connection = duckdb.connect(":memory:", config={"threads": 1})
    connection.execute("set temp_directory = ''")
    return connection
