// Sliders beside numbers, and the readout of "what if"; without this script the numbers and the table remain.

function follow(root) {
  for (const slider of root.querySelectorAll("[data-slider]")) {
    const input = document.getElementById(slider.dataset.slider);
    if (!input) continue;
    slider.hidden = false;
    if (input.value !== "") slider.value = input.value;
  }
  for (const readout of root.querySelectorAll("[data-places]")) {
    readout.hidden = false;
    read(readout);
  }
}

function read(readout) {
  const rows = document.querySelectorAll("#what-if-rows tbody tr");
  const row = rows[readout.querySelector("input").value];
  if (!row) return;
  readout.querySelector("output").textContent = `${row.dataset.text} → ${row.cells[1].textContent}`;
  const link = readout.querySelector("[data-try]");
  link.dataset.base ??= link.getAttribute("href");
  link.href = `${link.dataset.base}&${row.dataset.query}`;
  for (const each of rows) each.classList.toggle("chosen", each === row);
}

document.addEventListener("input", ({ target }) => {
  if (target.dataset.slider) document.getElementById(target.dataset.slider).value = target.value;
  const slider = target.id && document.querySelector(`[data-slider="${CSS.escape(target.id)}"]`);
  if (slider && target.value !== "") slider.value = target.value;
  const readout = target.closest("[data-places]");
  if (readout) read(readout);
});
document.addEventListener("htmx:afterSettle", ({ target }) => {
  follow(document);
  // On a phone the answer stands above a long form; faults stand at their fields.
  if (target.id !== "try") return;
  const fault = document.querySelector("#case [aria-invalid=true], #case .problems");
  if (fault) fault.scrollIntoView({ block: "center" });
  else if (matchMedia("(max-width: 75rem)").matches) document.getElementById("answer").scrollIntoView();
});
follow(document);
