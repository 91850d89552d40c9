"""The live page: what the daemon sees, in any browser on this machine.

Importing this package costs nothing; the HTTP libraries (extra `[web]`) and OpenCV are loaded by `LivePage.start`.
"""

from edge_fer.web.feed import Status, Totals
from edge_fer.web.live_page import LivePage, PageError, check_certificate

__all__ = ["LivePage", "PageError", "Status", "Totals", "check_certificate"]
