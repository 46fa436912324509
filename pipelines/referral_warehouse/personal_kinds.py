"""The kinds of personal data: one vocabulary for the fields that are loaded and the columns that are published."""

from __future__ import annotations

NAME, EMAIL, FREE_TEXT, LINK, CODE, IP = "name", "e-mail", "free text", "link", "code", "ip"
KINDS = (NAME, EMAIL, FREE_TEXT, LINK, CODE, IP)
"""``free text`` is what people or forms wrote, and every field that the API does not document; ``link`` and ``code``
lead to a person or are made from a name; ``ip`` is a network address."""
