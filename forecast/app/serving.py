"""Starts the app, on this machine alone."""

import ipaddress
import subprocess
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from forecast.errors import InputError

#: No reports home, no e-mail prompt, no menu for developers, no watching of source files.
QUIET = {
    "browser.gatherUsageStats": "false",
    "server.showEmailPrompt": "false",
    "client.toolbarMode": "minimal",
    "server.fileWatcherType": "none",
    "logger.level": "warning",
    "theme.primaryColor": "#0072B2",
}


def is_loopback(address: str) -> bool:
    """Whether only programs on this machine reach the address."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def command(runs_dir: Path, address: str, port: int, browser: bool) -> list[str]:
    """Return the command that serves the app; InputError for an address others can reach."""
    if not is_loopback(address):
        raise InputError(
            f"--address {address} can be reached from other machines, and the app shows its runs "
            "to whoever asks: use 127.0.0.1 or ::1, and a tunnel (ssh -L) from elsewhere."
        )
    if not runs_dir.is_dir():
        raise InputError(f"there is no folder {runs_dir}: give the folder of your runs.")
    if find_spec("streamlit") is None:
        raise InputError("the app needs Streamlit, which is missing: pip install 'forecast[app]'.")
    options = QUIET | {
        "server.address": address,
        "server.port": str(port),
        "server.headless": "false" if browser else "true",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    script = str(files("forecast.app").joinpath("main.py"))
    return [sys.executable, "-m", "streamlit", "run", script, *flags, "--", str(runs_dir.resolve())]


def serve(runs_dir: Path, address: str, port: int, browser: bool) -> int:
    """Serve the app until Ctrl-C; return the exit code."""
    return subprocess.run(command(runs_dir, address, port, browser), check=False).returncode
