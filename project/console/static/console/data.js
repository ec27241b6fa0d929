// A file of rows is sent twice: once to see what it would do, and once to import it.

const upload = document.getElementById("upload");
const token = () => JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];

async function send(parameters) {
  const file = upload.elements.file.files[0];
  const problem = document.getElementById("upload-problem");
  problem.hidden = true;
  if (upload.elements.dayFirst.value) parameters.dayFirst = upload.elements.dayFirst.value;
  const query = new URLSearchParams({ name: file.name, ...parameters });
  for (const button of document.querySelectorAll("#upload button, [data-import-now]")) button.disabled = true;
  try {
    const response = await fetch(`${upload.dataset.import}?${query}`, {
      method: "POST", body: file, headers: { "Content-Type": "application/octet-stream", "X-CSRFToken": token() },
    });
    const answer = await response.json();
    if (answer.errors) throw new Error(answer.errors[0].message);
    const page = upload.dataset.page.replace("upload/", `imports/${answer.id}/`);
    await htmx.ajax("GET", page, { target: "#import", select: "#import-state", swap: "innerHTML" });
  } catch (error) {
    problem.textContent = error instanceof TypeError ? "The file could not be sent. Choose it again if it has changed meanwhile, and try once more." : error.message;
    problem.hidden = false;
  }
  for (const button of document.querySelectorAll("#upload button, [data-import-now]")) button.disabled = false;
}

// Cells of CSV with quotes as RFC 4180 has them.
function parse(text) {
  const cells = [...text.matchAll(/("(?:[^"]|"")*"|[^,\r\n]*)(,|\r?\n|$)/g)];
  const rows = [[]];
  for (const [, cell, end] of cells) {
    rows.at(-1).push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (end !== ",") rows.push([]);
  }
  return rows.filter((row) => row.length > 1);
}

async function listRejects(element) {
  const address = element.dataset.rejects;
  delete element.dataset.rejects;
  const response = await fetch(address);
  if (!response.ok) return;
  const [, ...rows] = parse(await response.text());
  const region = document.createElement("div");
  region.className = "table plain";
  region.tabIndex = 0;
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", "Cells that do not fit");
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const title of ["Line", "Column", "Value", "Reason"]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = title;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const [, ...cells] of rows.slice(0, Number(element.dataset.most))) {
    const row = body.insertRow();
    for (const cell of cells) row.insertCell().textContent = cell;
  }
  region.append(table);
  element.prepend(region);
}

function complete() {
  for (const element of document.querySelectorAll("[data-rejects]")) listRejects(element);
  if (upload) for (const offer of document.querySelectorAll("[data-offer]")) offer.hidden = false;
}

upload?.addEventListener("submit", (event) => {
  event.preventDefault();
  send({ dryRun: "true", maxRejects: upload.dataset.mostRejects });
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-import-now]");
  if (button) send({ maxRejects: button.dataset.importNow });
});
// While the server is away, the state that was read last stays, and is asked for again.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "import-state" && !event.detail.xhr.responseText.includes('id="import-state"')) {
    event.detail.shouldSwap = false;
  }
});
document.addEventListener("htmx:afterSettle", complete);
complete();
