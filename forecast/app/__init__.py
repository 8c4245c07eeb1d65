"""The local app: browse runs, compare two, forecast, follow a training. It writes nothing."""
