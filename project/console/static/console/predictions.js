// The list of predictions: new ones are announced, and all of a page are checked at once.

const fresh = document.getElementById("fresh");
let arrived = 0;

fresh?.addEventListener("live", () => {
  arrived += 1;
  const link = fresh.querySelector("a");
  link.textContent = `${arrived} new: show ${arrived === 1 ? "it" : "them"}`;
  link.hidden = false;
});

// On a phone the list comes first.
const narrowing = document.querySelector("[data-folds]");
if (narrowing && matchMedia("(max-width: 75rem)").matches) narrowing.open = false;

const all = document.querySelector("[data-check-all]");
if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of document.querySelectorAll("#chosen input[name=id]")) box.checked = all.checked;
  });
}
// Empty fields say nothing: the address is shorter without them.
document.getElementById("filter")?.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});
