"""Things that forecast, behind one interface."""
