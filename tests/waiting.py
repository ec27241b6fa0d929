"""Wait for an event instead of a time: what a loaded machine does late is not a fault."""

import time
from collections.abc import Callable
from pathlib import Path

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

#: Seconds after which an event that did not come is a failure, on the slowest machine that runs the tests.
PATIENCE = 120.0
#: The same for a build of some candidates.
BUILD_PATIENCE = 600.0


def eventually(condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Return True as soon as `condition()` is true, False if it is not within `seconds`.

    The pauses become longer, so that asking does not slow down what is waited for.
    """
    until = time.monotonic() + seconds
    pause = 0.02
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(pause)
        pause = min(0.5, 1.3 * pause)
    return True


def waiting(browser: Chrome, seconds: float = PATIENCE) -> WebDriverWait[Chrome]:
    """Return what waits for a condition on a page, whose elements may be replaced between two looks at them."""
    return WebDriverWait(browser, seconds, ignored_exceptions=[StaleElementReferenceException])


def alive(pid: int) -> bool:
    """Return whether the process runs; one that has ended and waits for its parent to reap it does not (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
