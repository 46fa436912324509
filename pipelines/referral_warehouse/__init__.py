"""referral-warehouse: a company's own referral data, complete, exact and fresh.

Rooms and arrows (tests/test_arrows.py holds them): ``errors, settings <- api <- load <- cli``,
``errors, settings <- warehouse <- cli``, ``sandbox <- cli``.
"""

__version__ = "0.2.0"
