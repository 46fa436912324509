"""The report: one self-contained HTML page about the published snapshot."""

from referral_warehouse.consume.report.writing import ReportOptions, write_report

__all__ = ["ReportOptions", "write_report"]
