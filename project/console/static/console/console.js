// What all pages need: copied texts, live parts, moments in the reader's time zone, and forms that are sent once.

const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const UNITS = [["year", 31_536_000], ["month", 2_592_000], ["week", 604_800], ["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
const TICK_MS = 30_000;
// Changes that come together are shown together.
const SETTLE_MS = 300;

function showMoments(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime()) || element.dateTime.length < 11) continue;
    const seconds = (moment - Date.now()) / 1000;
    const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
    element.textContent = "exact" in element.dataset ? EXACT.format(moment) : RELATIVE.format(Math.round(seconds / size), unit);
    element.title = EXACT.format(moment);
  }
}

async function copy(button) {
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
}

// A live part listens to a subscription; the server renders it anew after a change.
const streams = new Map();

function listen(root = document) {
  for (const element of root.querySelectorAll("[data-live]")) {
    const parameters = new URLSearchParams({ query: element.dataset.live, variables: element.dataset.variables ?? "{}" });
    const url = `/graphql/?${parameters}`;
    if (streams.has(url)) continue;
    const stream = new EventSource(url);
    let waiting;
    const refresh = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        const parts = [...document.querySelectorAll("[data-live]")].filter((part) => part.dataset.live === element.dataset.live && part.dataset.variables === element.dataset.variables);
        if (parts.length === 0) end();
        for (const part of parts) htmx.trigger(part, "changed");
      }, SETTLE_MS);
    };
    const end = () => { stream.close(); streams.delete(url); };
    stream.addEventListener("next", (event) => {
      element.dispatchEvent(new CustomEvent("live", { bubbles: true, detail: JSON.parse(event.data) }));
      refresh();
    });
    stream.addEventListener("complete", () => { refresh(); stream.close(); });
    streams.set(url, stream);
  }
}

function search(input) {
  const words = input.value.toLowerCase();
  for (const item of input.closest("[data-chooser]").querySelectorAll("li")) {
    item.hidden = !item.textContent.toLowerCase().includes(words);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
document.addEventListener("input", (event) => {
  if (event.target.matches("[data-chooser] input")) search(event.target);
});
// A second click while the first is under way sends nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if ("sent" in form.dataset) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  form.dataset.sent = "";
}, true);
// The page that the back button shows may send its forms again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
// An answer without the part that was asked for is a refusal: the part stays, and the reason stands before it.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { requestConfig, serverResponse, target } = event.detail;
  const select = requestConfig?.elt.getAttribute("hx-select");
  for (const reason of document.querySelectorAll("[data-refused]")) reason.remove();
  if (!select || event.detail.xhr.status < 400) return;
  const answer = new DOMParser().parseFromString(serverResponse, "text/html");
  if (answer.querySelector(select)) return;
  event.detail.shouldSwap = false;
  const reason = document.createElement("p");
  reason.className = "problems";
  reason.role = "alert";
  reason.dataset.refused = "";
  reason.textContent = answer.querySelector(".problems")?.textContent ?? "This part cannot be loaded now.";
  target.before(reason);
});
document.addEventListener("htmx:afterRequest", (event) => { delete event.target.dataset?.sent; });
document.addEventListener("htmx:afterSettle", (event) => { showMoments(event.target.parentElement ?? document); listen(); });
// Wide windows show the menu at the side, always.
const wide = matchMedia("(min-width: 60rem)");
function arrange() {
  for (const menu of document.querySelectorAll("[data-menu]")) menu.open = wide.matches;
}
wide.addEventListener("change", arrange);
arrange();
showMoments();
listen();
setInterval(showMoments, TICK_MS);
