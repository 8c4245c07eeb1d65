"""A loopback stand-in for Yahoo: cookie, crumb and chart, with whatever misbehaviour is asked."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pandas as pd
import pytest
import requests
from requests.adapters import HTTPAdapter

from forecast.prices import garch_prices
from forecast.prices.yahoo import Connection

OPENING = pd.Timedelta(hours=14, minutes=30)  # 9:30 or 10:30 in New York


def daily_bars(symbol: str) -> pd.DataFrame:
    """Bars on the XNYS sessions 2023-01-03 to 2024-06-28, the same for a symbol at every call."""
    frame = garch_prices(tickers=1, sessions=374, seed=sum(symbol.encode()), start="2023-01-03")
    return frame.drop(columns="unique_id")


def chart(symbol: str, bars: pd.DataFrame, meta: dict) -> dict:
    """The part of Yahoo's chart answer that yfinance reads; `meta` replaces parts of it."""
    seconds = [int((day + OPENING).timestamp()) for day in bars["ds"]]
    last = seconds[-1] if seconds else 1719585000
    period = {"timezone": "EST", "start": last, "end": last + 23400, "gmtoffset": -14400}
    about = {
        "currency": "USD",
        "symbol": symbol,
        "exchangeName": "NMS",
        "fullExchangeName": "NasdaqGS",
        "instrumentType": "EQUITY",
        "firstTradeDate": seconds[0] if seconds else None,
        "regularMarketTime": last,
        "gmtoffset": -14400,
        "timezone": "EST",
        "exchangeTimezoneName": "America/New_York",
        "regularMarketPrice": 1.0,
        "priceHint": 2,
        "currentTradingPeriod": {"pre": period, "regular": period, "post": period},
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "1y", "max"],
        **meta,
    }
    quote = {
        name: [None if pd.isna(value) else value for value in bars[name]]
        for name in ("open", "high", "low", "close", "volume")
    }
    adjusted = [None if pd.isna(value) else value for value in bars["adj_close"]]
    result = {"meta": about, "indicators": {"quote": [{}], "adjclose": [{}]}}
    if seconds:
        indicators = {"quote": [quote], "adjclose": [{"adjclose": adjusted}]}
        result |= {"timestamp": seconds, "indicators": indicators}
    return {"chart": {"result": [result], "error": None}}


class FakeYahoo:
    """`behaviour[symbol]` is a function of (bars, hit) that returns (status, body) or bars."""

    def __init__(self) -> None:
        self.behaviour: dict[str, Callable] = {}
        self.meta: dict[str, dict] = {}
        self.crumb: tuple[int, str] = (200, "crumb")
        self.silent_seconds = 0.0
        self.asked: list[str] = []  # symbols of chart requests over a range of dates
        self.periods: list[tuple[str, str]] = []
        self.paths: list[str] = []
        self.hits: dict[str, int] = {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = fake.answer(urlsplit(self.path))
                data = body if isinstance(body, bytes) else body.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request, client_address) -> None:
                pass  # a client that hung up after its deadline

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, url) -> tuple[int, str]:
        self.paths.append(url.path)
        time.sleep(self.silent_seconds)
        if url.path == "/v1/test/getcrumb":
            return self.crumb
        if not url.path.startswith("/v8/finance/chart/"):
            return 404, ""
        symbol = unquote(url.path.rsplit("/", 1)[1])
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        bars = daily_bars(symbol)
        if "period1" in query:
            self.asked.append(symbol)
            first, until = (pd.Timestamp(int(query[f"period{n}"]), unit="s") for n in (1, 2))
            self.periods.append((str(first.date()), str(until.date())))
            bars = bars[(bars["ds"] + OPENING >= first) & (bars["ds"] + OPENING < until)]
        else:
            bars = bars.tail(1)
        self.hits[symbol] = self.hits.get(symbol, 0) + 1
        result = self.behaviour.get(symbol, lambda bars, hit: bars)(bars, self.hits[symbol])
        if isinstance(result, pd.DataFrame):
            return 200, json.dumps(chart(symbol, result, self.meta.get(symbol, {})))
        status, body = result
        return status, body if isinstance(body, str) else json.dumps(body)

    def session(self) -> requests.Session:
        """A session whose every request goes to this server."""
        port = self.server.server_address[1]

        class Loopback(HTTPAdapter):
            def send(self, request, **options):
                url = urlsplit(request.url)
                query = f"?{url.query}" if url.query else ""
                request.url = f"http://127.0.0.1:{port}{url.path}{query}"
                return super().send(request, **options)

        session = requests.Session()
        session.trust_env = False
        session.mount("https://", Loopback())
        session.mount("http://", Loopback())
        return session


@pytest.fixture
def forget_yfinance(tmp_path):
    """yfinance keeps its session, cookie and crumb for the life of the process."""
    from yfinance.data import SingletonMeta, YfData

    SingletonMeta._instances.pop(YfData, None)
    yield
    SingletonMeta._instances.pop(YfData, None)


@pytest.fixture
def yahoo(forget_yfinance):
    fake = FakeYahoo()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


@pytest.fixture
def connection(yahoo, tmp_path):
    session = yahoo.session()
    yield Connection(session, deadline_seconds=10, backoff_seconds=0.01, folder=tmp_path / "cache")
    session.close()
