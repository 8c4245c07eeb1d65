"""Daily prices from Yahoo through yfinance, whose traps end here: nothing else imports it."""

import logging
import queue
import re
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from forecast.errors import InputError
from forecast.prices.sessions import EVERY_DAY, WEEKDAYS

# ^GSPC, BRK-B, RDS.A, EURUSD=X; yfinance pastes a ticker into the address as it is.
_TICKER = re.compile(r"\^?[A-Z0-9](?:[A-Z0-9]|[.\-=](?=[A-Z0-9])){0,19}")
_ATTEMPTS = 3
_FIELDS = {
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Volume": "volume",
    "Adj Close": "adj_close",
}
_US = ("NMS", "NGM", "NCM", "NAS", "NYQ", "NYS", "ASE", "PCX", "BTS", "CBO", "WCB", "CXI", "OPI")
_EXCHANGES = {
    "XNYS": (*_US, "SNP", "DJI", "NIM"),
    "XLON": ("LSE",), "XETR": ("GER",), "XFRA": ("FRA",), "XPAR": ("PAR",), "XAMS": ("AMS",),
    "XBRU": ("BRU",), "XMIL": ("MIL",), "XMAD": ("MCE",), "XSWX": ("EBS",), "XWBO": ("VIE",),
    "XSTO": ("STO",), "XCSE": ("CPH",), "XHEL": ("HEL",), "XOSL": ("OSL",), "XTSE": ("TOR",),
    "XTKS": ("JPX",), "XHKG": ("HKG",), "XSHG": ("SHH", "SHZ"), "XKRX": ("KSC",),
    "XBOM": ("NSI", "BSE"), "XASX": ("ASX",), "BVMF": ("SAO",),
    EVERY_DAY: ("CCC",), WEEKDAYS: ("CCY",),
}  # fmt: skip
#: The calendar of each exchange, by Yahoo's name of it.
CALENDARS = {name: calendar for calendar, names in _EXCHANGES.items() for name in names}

Reason = Literal["offline", "silent", "rate limit", "no data", "failed"]


class YahooError(Exception):
    """One ticker could not be downloaded; `reason` says whether others are worth a try."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Connection:
    """How to reach Yahoo: a session of requests or curl_cffi (None: yfinance's), and patience."""

    session: Any = None
    deadline_seconds: float = 30.0
    backoff_seconds: float = 1.0
    folder: Path | None = None


def check_tickers(tickers: Sequence[str]) -> list[str]:
    """Return the tickers in upper case; InputError for what is no ticker, before it is sent."""
    names = list(dict.fromkeys(ticker.strip().upper() for ticker in tickers))
    if not names:
        raise InputError(
            "--source yahoo needs to know which prices: name them with --tickers AAPL MSFT."
        )
    for name in names:
        if not _TICKER.fullmatch(name):
            raise InputError(
                f"{name[:40]!r} is no ticker: expected up to 20 letters and digits with . - = "
                "inside and at most one ^ in front, such as AAPL, ^GSPC, BRK-B or EURUSD=X."
            )
    return names


def download(
    ticker: str, start: pd.Timestamp, until: pd.Timestamp, connection: Connection
) -> tuple[pd.DataFrame, str]:
    """Return daily rows from `start` to before `until`, and the name of the exchange.

    The index is naive session dates, the columns are float64; closes are split-adjusted by
    Yahoo, `adj_close` for dividends too. Raises YahooError within the deadline.
    """
    limit = time.monotonic() + connection.deadline_seconds
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            rows, about = _within(
                limit - time.monotonic(), lambda: _history(ticker, start, until, connection)
            )
            break
        except Exception as error:  # yfinance raises what it likes
            failure, attempts = _explain(ticker, error)
            pause = connection.backoff_seconds * 2 ** (attempt - 1)
            if attempt >= attempts or time.monotonic() + pause > limit:
                raise failure from error
        time.sleep(pause)
    if (symbol := about["symbol"]) not in (ticker, None):
        raise YahooError("failed", f"Yahoo answered with {symbol} when asked for {ticker}")
    rows = rows[list(_FIELDS)].rename(columns=_FIELDS).astype("float64")
    rows.index = rows.index.tz_localize(None).normalize().as_unit("ns").rename("ds")
    return rows, about["exchange"] or ""


def _history(
    ticker: str, start: pd.Timestamp, until: pd.Timestamp, connection: Connection
) -> tuple[pd.DataFrame, dict[str, str | None]]:
    import yfinance
    from yfinance.data import YfData

    # yfinance puts filters of its own in front at import, so these must come after it.
    later = getattr(pd.errors, "Pandas4Warning", FutureWarning)
    warnings.filterwarnings("ignore", category=later, module=r"yfinance(\.|$)")
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
    yfinance.config.debug.hide_exceptions = False
    if connection.folder is not None:
        yfinance.set_tz_cache_location(str(connection.folder / "yfinance"))
    YfData.cache_get.cache_clear()  # it keeps failed answers for the life of the process
    source = yfinance.Ticker(ticker, session=connection.session)
    rows = source.history(
        start=start.strftime("%Y-%m-%d"),
        end=until.strftime("%Y-%m-%d"),
        interval="1d",
        auto_adjust=False,
        actions=False,
        keepna=True,
        timeout=connection.deadline_seconds / 2,
    )
    about = source.history_metadata  # other keys than these two cost requests
    return rows, {"symbol": about.get("symbol"), "exchange": about.get("exchangeName")}


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """Run a call for so long at most: yfinance's cookie requests know no timeout of ours.

    A daemon thread, so that a silent connection does not keep the program from ending.
    """
    answer: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(1)

    def run() -> None:
        try:
            answer.put((call(), None))
        except BaseException as error:
            answer.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        value, error = answer.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise TimeoutError(f"no answer within {max(seconds, 0.0):.0f} s") from None
    if error is not None:
        raise error
    return value


def _explain(ticker: str, error: Exception) -> tuple[YahooError, int]:
    """Return what went wrong and how many attempts it is worth in all."""
    from yfinance.exceptions import YFException, YFRateLimitError

    kinds = {kind.__name__ for kind in type(error).__mro__}
    text = " ".join(str(error).split())[:160]
    if isinstance(error, YFRateLimitError):
        return YahooError("rate limit", "Yahoo refuses more requests for some minutes"), _ATTEMPTS
    if isinstance(error, YFException):
        return YahooError("no data", f"Yahoo has no prices of {ticker} in this range"), 1
    if isinstance(error, TimeoutError):  # our own deadline: nothing is left to try again in
        return YahooError("silent", f"Yahoo did not answer ({text})"), 1
    if "Timeout" in kinds:
        return YahooError("silent", f"Yahoo did not answer ({text})"), _ATTEMPTS
    if kinds & {"ConnectionError", "ProxyError"}:
        return YahooError("offline", f"no connection to Yahoo ({text})"), 2
    return YahooError("failed", f"{type(error).__name__}: {text}"), _ATTEMPTS
