"""Output of a run for people: the live line, the table at the end, the curves, the summary."""

from costmodel.report.live import LiveView, TotalView, failure_counts, progress_line, sparkline, total_line
from costmodel.report.plot import check_plotting, plot_curves
from costmodel.report.summary import finals_summary, summary, write_json
from costmodel.report.table import finals_table, totals_table

__all__ = [
    "LiveView",
    "TotalView",
    "check_plotting",
    "failure_counts",
    "finals_summary",
    "finals_table",
    "plot_curves",
    "progress_line",
    "sparkline",
    "summary",
    "total_line",
    "totals_table",
    "write_json",
]
