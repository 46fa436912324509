"""One setting: where it is given, what it may be, and what it means; the sections that settings are in."""

from __future__ import annotations

from dataclasses import dataclass

from referral_warehouse.settings.sources import variable
from referral_warehouse.settings.values import Kind, NotifyValue, Secret

Section = tuple[str, ...]
SOURCE: Section = ("sources", "referral_factory")
WAREHOUSE: Section = ("warehouse",)
PRIVACY: Section = ("privacy",)
NOTIFY: Section = ("notify",)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``meaning`` is Markdown of docs/; ``field`` is the one of Settings, if that is not the key.

    The section ``notify`` has no fields in Settings: ``settings.notify`` reads it where notifications are sent.
    """

    section: Section
    key: str
    kind: Kind
    meaning: str
    field: str = ""

    @property
    def name(self) -> str:
        """The environment variable, which is also the name in messages."""
        return variable(self.section, self.key)

    @property
    def attribute(self) -> str:
        """The field of Settings that holds the value."""
        return self.field or self.key

    @property
    def is_secret(self) -> bool:
        """Whether the value is shown nowhere."""
        return isinstance(self.kind, Secret) or (isinstance(self.kind, NotifyValue) and self.kind.is_secret)
