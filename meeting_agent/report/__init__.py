"""The report, its plots and the page."""
