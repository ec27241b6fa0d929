"""Inspection of a page in a browser: what no page of the console may have, at every width and in both schemes."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.contract import packages
from tests.system import System
from tests.waiting import PATIENCE, waiting

#: Widths of a desk's and of a phone's screen, in pixels.
WIDE, NARROW = 1400, 400
#: Rules of accessibility that pages keep: WCAG 2.2 at the levels A and AA, and what axe calls best practice.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
VIOLATIONS = """
const done = arguments[arguments.length - 1];
axe.run(document, { runOnly: arguments[0], resultTypes: ["violations"] })
  .then((results) => done(results.violations.map((violation) =>
    `${violation.id}: ${violation.help}: ${violation.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`)))
  .catch((error) => done([String(error)]));
"""
#: What ends beyond the right edge, unless it is in a part that scrolls by itself.
CUT = """
const width = document.documentElement.clientWidth;
const scrolls = (element) =>
  element && (getComputedStyle(element).overflowX !== "visible" || scrolls(element.parentElement));
return [...document.body.querySelectorAll("*:not(svg *, .skip, .visually-hidden)")]
  .filter((element) => element.checkVisibility() && element.getBoundingClientRect().width > 0)
  .filter((element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element.parentElement))
  .map((element) => element.outerHTML.slice(0, 160));
"""
#: What the keyboard must reach; of a group of radio buttons it reaches one.
REACHABLE = """
const seen = new Set();
return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled)
  .filter((element) => element.tabIndex >= 0 && element.type !== "hidden")
  .filter((element) => element.type !== "radio" || (!seen.has(element.name) && seen.add(element.name)))
  .map((element) => {
    element.dataset.reach = element.type === "radio" ? element.name : String(seen.size + Math.random());
    for (const other of document.getElementsByName(element.name ?? "-")) {
      if (other.type === "radio") other.dataset.reach = element.name;
    }
    return [element.dataset.reach, element.outerHTML.slice(0, 160)];
  });
"""
#: Begins at the page's start, and remembers what gets the focus.
RECORD_FOCUS = """
document.activeElement?.blur();
getSelection().removeAllRanges();
window.reached = [];
document.addEventListener("focusin", (event) => window.reached.push(event.target.dataset.reach));
"""
#: The text that people read, without documents for programs.
READ = """
const copy = document.querySelector("main").cloneNode(true);
for (const part of copy.querySelectorAll("pre, code, .queries, script, textarea")) part.remove();
return copy.textContent;
"""
#: Names as programs have them: `mean_radius`, `ROC_AUC`.
CODE_NAME = re.compile(r"\b(?:[a-z]+(?:_[a-z0-9]+)+|[A-Z]{2,}(?:_[A-Z]+)+)\b")
LOADED = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
IS_SETTLED = (
    "return document.readyState === 'complete' && !document.querySelector('.htmx-request, .htmx-settling')"
)


@dataclass
class Page:
    """A page of the console, in a browser."""

    browser: Chrome
    system: System

    def open(self, path: str, width: int = WIDE, dark: bool = False) -> None:
        """Open a page at a width, in a scheme of colours, and wait until its parts are there."""
        self.emulate(width, dark)
        self.browser.get_log("browser")  # of the page before
        self.browser.get(self.system.url + path)
        self.settle()

    def emulate(self, width: int, dark: bool) -> None:
        """Show the page on another screen, or in another scheme of colours, with nothing in focus."""
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.browser.execute_script("document.activeElement?.blur(); scrollTo(0, 0);")

    def settle(self) -> None:
        """Wait until no part is being loaded."""
        self.wait(lambda: self.browser.execute_script(IS_SETTLED))

    def wait(self, condition: Any, seconds: float = PATIENCE) -> Any:
        return waiting(self.browser, seconds).until(lambda _: condition())

    def find(self, selector: str) -> Any:
        """The first element; raises NoSuchElementException."""
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list[Any]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    @property
    def text(self) -> str:
        return str(self.find("main").text)

    def list_faults(self) -> list[str]:
        """List what is wrong with the page as it is on the screen."""
        errors = [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] != "INFO"]
        at_home = (self.system.url, "data:")
        elsewhere = [name for name in self.browser.execute_script(LOADED) if not name.startswith(at_home)]
        cut = self.browser.execute_script(CUT)
        if not self.browser.execute_script("return 'axe' in window"):
            self.browser.execute_script(axe())
        violations = self.browser.execute_async_script(VIOLATIONS, list(TAGS))
        return [*errors, *elsewhere, *(f"cut: {element}" for element in cut), *violations]

    def list_faults_of_both(self) -> list[str]:
        """List what is wrong wide and light, as the page is now, and then narrow and dark."""
        faults = self.list_faults()
        self.emulate(NARROW, dark=True)
        return [*faults, *(f"narrow and dark: {fault}" for fault in self.list_faults())]

    def list_unreachable(self) -> list[str]:
        """List what the keyboard alone does not reach."""
        elements = dict(self.browser.execute_script(REACHABLE))
        self.browser.execute_script(RECORD_FOCUS)
        # A field for a date has a stop for each of its parts.
        stops = len(elements) + 5 + 4 * len(self.find_all("input[type^=date]"))
        ActionChains(self.browser, duration=0).send_keys(Keys.TAB * stops).perform()
        reached = set(self.browser.execute_script("return window.reached"))
        return [html for name, html in elements.items() if name not in reached]

    def list_code_names(self) -> list[str]:
        """List names that only programs should read."""
        return sorted(set(CODE_NAME.findall(str(self.browser.execute_script(READ)))))

    def replay(self) -> dict[str, Any]:
        """Send the operations of "This page as GraphQL" as a client does; return the answers by operation."""
        answers = {}
        for section in self.find_all("[data-operation]"):
            document, variables = (
                each.get_attribute("textContent")
                for each in section.find_elements(By.CSS_SELECTOR, "pre")[:2]
            )
            answers[section.get_attribute("data-operation")] = self.system.ask(
                str(document), json.loads(str(variables))
            )
        return answers

    def shoot(self, file: Path) -> None:
        """Save a picture of the whole page."""
        self.browser.save_screenshot(str(file))


def axe() -> str:
    """Read axe-core, which is installed for tests only."""
    return (packages.install(packages.CONTRACT) / "axe-core" / "axe.min.js").read_text()
