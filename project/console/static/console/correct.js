// Keys by which cases are labelled without a mouse: digits for labels, S skips, U undoes, C goes to the comment.

function isWriting(target, key) {
  if (target.matches("textarea, select, [contenteditable]")) return true;
  // No number has an S or a U.
  return target.matches("input") && !(target.inputMode === "decimal" && /^[suc]$/.test(key));
}

document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (event.key === "Escape" && event.target.matches("#correct input")) {
    event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isWriting(event.target, key)) return;
  const element = /^[1-9suc]$/.test(key) && document.querySelector(`#correct [data-shortcut="${key}"]`);
  if (!element) return;
  event.preventDefault();
  if (element.matches("input")) element.focus();
  else element.click();
});

// A server that is away is said above the case, which stays.
document.addEventListener("htmx:sendError", () => {
  const problem = document.createElement("div");
  problem.className = "problems";
  problem.setAttribute("role", "alert");
  problem.textContent = "The server cannot be reached, so nothing was stored. Try again.";
  document.getElementById("correct-problem")?.replaceChildren(problem);
  scrollTo({ top: 0 });
});

// The next case begins at its top, and a screen reader hears its name.
document.addEventListener("htmx:afterSettle", () => {
  const title = document.querySelector("#correct #case-title");
  if (title && !document.querySelector("#correct [autofocus]")) title.focus({ preventScroll: true });
  scrollTo({ top: 0 });
});
