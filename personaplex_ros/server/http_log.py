"""What the web framework logs, without what clients wrote."""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError


class _Refusals(logging.Filter):
    """Makes a line of a request that is no HTTP; it would be quoted, with its token and prompt."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change such a record, and pass every one on."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.args = "refused (HTTP %d): %s", (error.code, type(error).__name__)
        return True


LOGGER = logging.getLogger("personaplex.server.http")
LOGGER.addFilter(_Refusals())
