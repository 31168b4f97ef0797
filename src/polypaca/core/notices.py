"""Notices: what a user should know of a task that goes on all the same."""

from __future__ import annotations

import logging

LOGGER = "polypaca.notices"


def notice(text: str) -> None:
    """Tell it: a run shows it beside the task and keeps it in the manifest and the log."""
    logging.getLogger(LOGGER).warning("%s", text)
