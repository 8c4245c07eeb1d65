import sys

import pytest


@pytest.fixture(autouse=True)
def main_module_given_back():
    """Give back the main module that Streamlit replaces: processes started later would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
