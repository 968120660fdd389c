"""A run folder -> one self-contained HTML page, which is also the live view while it trains."""

from danlu.report.collect import collect
from danlu.report.page import render, write
from danlu.report.records import Report

__all__ = ["Report", "collect", "render", "write"]
