// The page of a build: how long its step has run, and no form to cancel what has ended.

const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

function describe(seconds) {
  const parts = [];
  let rest = Math.max(0, Math.round(seconds));
  for (const [unit, size] of UNITS) {
    if (rest >= size) parts.push(`${Math.floor(rest / size)} ${unit}`);
    rest %= size;
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    element.textContent = describe((Date.now() - new Date(element.dataset.since)) / 1000);
  }
  const state = document.getElementById("build")?.dataset.state;
  const cancel = document.getElementById("cancel");
  if (cancel && state && state !== "READY" && state !== "RUNNING") cancel.remove();
}

setInterval(tick, 1000);
document.addEventListener("htmx:afterSwap", tick);
tick();
