// The form for the files of a new product: a file may be dropped anywhere on it, and is measured before it is sent.

const form = document.querySelector("[data-upload]");
const input = form?.querySelector("input[type=file]");

function check() {
  const size = [...input.files].reduce((sum, file) => sum + file.size, 0);
  const largest = Number(form.dataset.largest);
  const fault = size > largest ? `These files have ${size.toLocaleString()} bytes, and ${largest.toLocaleString()} are allowed: use the command for larger ones.` : "";
  input.setCustomValidity(fault);
  form.querySelector("#files-fault").textContent = fault;
}

if (form) {
  for (const name of ["dragover", "dragenter"]) {
    form.addEventListener(name, (event) => { event.preventDefault(); form.classList.add("dropping"); });
  }
  form.addEventListener("dragleave", () => form.classList.remove("dropping"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("dropping");
    if (event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
      check();
    }
  });
  input.addEventListener("change", check);
  form.addEventListener("submit", () => { form.querySelector("button").textContent = "Sending …"; });
}
