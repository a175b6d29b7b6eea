"""Output of a run for people: the live view, the table at the end, curves, the summary, the page."""

from costmodel.report.live import LiveView, TotalView, failure_counts, progress_line, sparkline, total_line
from costmodel.report.page import page, plural, write_report
from costmodel.report.plot import check_plotting, plot_curves
from costmodel.report.study import Studies, TaskStudy, study
from costmodel.report.summary import finals_summary, summary, write_json
from costmodel.report.table import finals_table, totals_table

__all__ = [
    "LiveView",
    "Studies",
    "TaskStudy",
    "TotalView",
    "check_plotting",
    "failure_counts",
    "finals_summary",
    "finals_table",
    "page",
    "plot_curves",
    "plural",
    "progress_line",
    "sparkline",
    "study",
    "summary",
    "total_line",
    "totals_table",
    "write_json",
    "write_report",
]
