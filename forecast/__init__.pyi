from .evaluation.backtest import forecast_frame as forecast_frame
from .evaluation.backtest import make_cutoffs as make_cutoffs
from .evaluation.backtest import walk_forward as walk_forward
from .evaluation.scorecard import Scorecard as Scorecard
from .evaluation.scorecard import make_scorecard as make_scorecard
from .layers import LSTM as LSTM
from .layers import LSTMCell as LSTMCell
from .models.network import build_network as build_network
from .prices import Panel as Panel
from .prices import load_prices as load_prices
from .report.reading import RunFolder as RunFolder
from .settings import Settings as Settings
from .telemetry import GradientTelemetry as GradientTelemetry
from .training import NeuralForecaster as NeuralForecaster
from .windows import window_arrays as window_arrays

__version__: str
