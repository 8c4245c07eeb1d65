"""What a forecast has to beat, one short file each."""

from collections.abc import Callable
from types import MappingProxyType

from forecast.models.base import Forecaster
from forecast.models.baselines.drift import Drift
from forecast.models.baselines.ewma import EwmaT
from forecast.models.baselines.garch import Garch
from forecast.models.baselines.gbm import GbmQuantiles
from forecast.models.baselines.har import Har
from forecast.models.baselines.history import History

#: Name → factory of every baseline, in the order of the tables.
BASELINES: MappingProxyType[str, Callable[[], Forecaster]] = MappingProxyType(
    {
        "history-250": lambda: History(250),
        "history-1000": lambda: History(1000),
        "drift": Drift,
        "ewma-t": EwmaT,
        "garch-t": Garch,
        "gjr": lambda: Garch(asymmetric=True),
        "har": Har,
        "gbm-quantiles": GbmQuantiles,
    }
)
