from .lstm import LSTM as LSTM
from .lstm import plain_loop as plain_loop
from .lstm_cell import ABLATIONS as ABLATIONS
from .lstm_cell import ChronoBias as ChronoBias
from .lstm_cell import ConstantGateBias as ConstantGateBias
from .lstm_cell import LSTMCell as LSTMCell
from .monitor import Monitor as Monitor
from .monitor import Reading as Reading
