"""The newest prices for a forecast; reading them does not start TensorFlow."""

from pathlib import Path

from forecast import runs
from forecast.prices import Panel, load_prices, render_repairs
from forecast.prices.panel import choose_tickers
from forecast.settings import PriceSettings, Settings


def newest_prices(
    run: Path, settings: Settings, tickers: tuple[str, ...]
) -> tuple[Panel, list[str], list[str]]:
    """Read the newest prices of a run's source: panel, tickers to forecast, what was repaired.

    Without `tickers` all that the run was trained on are forecast. Raises InputError for a ticker
    that the source does not have.
    """
    trained = tuple(runs.read_manifest(run)["data"]["tickers"])
    # the tickers trained on are the network's market, so they are read whatever is asked for
    both = tuple(dict.fromkeys([*trained, *tickers]))
    panel, repairs = load_prices(settings.model_copy(update={"tickers": both, "end": None}))
    return panel, choose_tickers(panel.tickers, tickers or trained), render_repairs(repairs)


def pretrained_prices(prices: PriceSettings) -> tuple[Panel, list[str], list[str]]:
    """Read prices for the pretrained network: panel, tickers to forecast, what was repaired.

    All series that the source gives are read, for their mean is the market of each; Yahoo gives
    those that are asked for. Raises InputError for a ticker that the source does not have.
    """
    everything = prices.source != "yahoo"
    read = prices.model_copy(update={"tickers": ()}) if everything else prices
    panel, repairs = load_prices(read)
    asked = choose_tickers(panel.tickers, prices.tickers or tuple(panel.tickers))
    return panel, asked, render_repairs(repairs)
