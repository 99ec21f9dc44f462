// Sorting, filtering and keys. Everything is readable without this script. It writes text only through textContent.
"use strict";
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
let kernels = [];
let box = null;

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") { target.open = true; target.firstElementChild.focus(); }
}

// The number that a cell begins with; a date or a shape is text.
function number(text) {
  const found = text.match(/^-?\d+(\.\d+)?(?=\s|$)/);
  return found ? parseFloat(found[0]) : NaN;
}

function makeSortable(table) {
  const body = table.tBodies[0];
  all("thead th", table).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      all("th", table).forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].textContent.trim();
      const order = (a, b) => {
        const [x, y] = [number(key(a)), number(key(b))];
        if (!isNaN(x) && !isNaN(y)) return x - y;
        if (isNaN(x) !== isNaN(y)) return isNaN(x) ? -1 : 1;
        return key(a).localeCompare(key(b));
      };
      [...body.rows].sort((a, b) => (up ? order(a, b) : order(b, a))).forEach((row) => body.append(row));
    });
  });
}

function makeFilter() {
  const label = document.createElement("label");
  const box = document.createElement("input");
  const said = document.createElement("span");
  label.className = "filter";
  said.setAttribute("role", "status");
  label.append("Show kernels with: ", box, " ", said);
  document.getElementById("kernels").insertBefore(label, kernels[0]);
  box.type = "search";
  box.addEventListener("input", () => {
    const wanted = box.value.toLowerCase();
    kernels.forEach((one) => { one.hidden = !one.textContent.toLowerCase().includes(wanted); });
    said.textContent = `${kernels.filter((one) => !one.hidden).length} of ${kernels.length}`;
  });
  return box;
}

function move(step) {
  const shown = kernels.filter((one) => !one.hidden);
  const here = shown.findIndex((one) => one.contains(document.activeElement));
  const next = shown[here < 0 ? (step > 0 ? 0 : shown.length - 1) : here + step];
  if (next) next.firstElementChild.focus();
}

// Opens or closes the differences of a kernel from its parents: of the one that has the focus, else of the first open.
function toggleDifference() {
  const one = kernels.find((kernel) => kernel.contains(document.activeElement)) || kernels.find((kernel) => kernel.open);
  const differences = one ? all("details.difference", one) : [];
  const open = differences.some((fold) => !fold.open) || !one.open;
  differences.forEach((fold) => { fold.open = open; });
  if (!differences.length) return;
  if (open) one.open = true;
  differences[0].firstElementChild.focus();
}

// Called once, and again when new content has come.
function dress() {
  kernels = all("details.kernel");
  all("table.sortable").forEach(makeSortable);
  all(".mark[data-to]").forEach((mark) =>
    mark.addEventListener("click", () => { location.hash = mark.dataset.to; openTarget(); }));
  box = kernels.length ? makeFilter() : null;
}

dress();
addEventListener("hashchange", openTarget);
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.tagName === "INPUT") { if (event.key === "Escape") event.target.blur(); return; }
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "d") toggleDifference();
  else if (event.key === "/" && box) { event.preventDefault(); box.focus(); }
  else if (event.key === "?") document.querySelector("footer").scrollIntoView();
});
let closed = [];
addEventListener("beforeprint", () => { closed = all("details:not([open])"); closed.forEach((one) => { one.open = true; }); });
addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
openTarget();
