// Follows a run that goes on: fetches the page when its journal has grown and puts the new content in place of the old.
// What a reader has opened, sorted, filtered, scrolled to and focused stays.
const REACHABLE = "a[href], button, input, summary, [tabindex]";
const line = document.getElementById("live");
let wanted = null;
let isLoading = false;

// Where an element is, in words that hold in the next version, too: its id, or the nearest id and the place below it.
function placeOf(one, selector) {
  if (one.id) return { id: one.id, index: -1 };
  const home = one.closest("[id]");
  return { id: home ? home.id : "", index: all(selector, home || document).indexOf(one) };
}

function located({ id, index }, selector) {
  const home = id ? document.getElementById(id) : document;
  return index < 0 || !home ? home : all(selector, home)[index] || null;
}

// The last element with an id that begins above the top of the window, and how far above.
function topmost() {
  const above = all("main [id]").filter((one) => one.getBoundingClientRect().top <= 1 && one.checkVisibility());
  const one = above[above.length - 1];
  return one && scrollY > 0 ? { id: one.id, top: one.getBoundingClientRect().top } : null;
}

function remember() {
  const focused = document.activeElement;
  return {
    open: all("main details[open]").map((one) => one.id),
    sorted: all("th[aria-sort]").map((one) => [placeOf(one, "th"), one.getAttribute("aria-sort")]),
    scrolled: all(".scroll").filter((one) => one.scrollLeft || one.scrollTop)
      .map((one) => [placeOf(one, ".scroll"), one.scrollLeft, one.scrollTop]),
    filter: box ? box.value : "",
    inFilter: box !== null && focused === box,
    focus: focused.closest("main") && focused !== box ? placeOf(focused, REACHABLE) : null,
    top: topmost(),
  };
}

function restore(kept) {
  kept.open.forEach((id) => { const one = document.getElementById(id); if (one) one.open = true; });
  kept.sorted.forEach(([place, order]) => {
    const head = located(place, "th");
    const clicks = order === "descending" ? 1 : 2;
    for (let click = 0; head && click < clicks; click++) head.firstElementChild.click();
  });
  if (box && kept.filter) { box.value = kept.filter; box.dispatchEvent(new Event("input")); }
  kept.scrolled.forEach(([place, left, down]) => {
    const one = located(place, ".scroll");
    if (one) one.scrollTo(left, down);
  });
  const focused = kept.inFilter ? box : kept.focus && located(kept.focus, REACHABLE);
  const target = focused && focused.matches("details") ? focused.firstElementChild : focused;
  if (target) target.focus({ preventScroll: true });
  const anchor = kept.top && document.getElementById(kept.top.id);
  if (anchor) scrollBy({ top: anchor.getBoundingClientRect().top - kept.top.top, behavior: "instant" });
}

function swap(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  if (!fresh.querySelector("main")) return;
  const kept = remember();
  document.querySelector("main").replaceWith(document.adoptNode(fresh.querySelector("main")));
  document.title = fresh.title;
  document.querySelector("h1").textContent = fresh.querySelector("h1").textContent;
  document.getElementById("conditions").textContent = fresh.getElementById("conditions").textContent;
  dress();
  restore(kept);
}

const shown = () => Number(document.querySelector("main").dataset.version);

// Text that is being selected is not taken away.
const isSelecting = () => {
  const chosen = getSelection();
  return !chosen.isCollapsed && chosen.anchorNode !== null && document.querySelector("main").contains(chosen.anchorNode);
};

async function update() {
  if (isLoading || wanted === null || wanted === shown()) return;
  isLoading = true;
  try {
    if (!isSelecting()) swap(await (await fetch("./", { cache: "no-store" })).text());
  } catch {
    // The stream of events tells when the run does not answer.
  }
  isLoading = false;
  if (wanted !== null && wanted !== shown()) setTimeout(update, 1000);
}

const events = new EventSource("events");
events.addEventListener("state", (event) => {
  const told = JSON.parse(event.data);
  wanted = told.version;
  line.textContent = `Live: ${told.status}`;
  update();
});
events.addEventListener("end", (event) => {
  events.close();
  wanted = null;
  swap(JSON.parse(event.data).page);
  line.textContent = "The run has ended; this is its last page. It is also in the file that the run names.";
});
events.addEventListener("error", () => {
  line.textContent = "No answer from the run: it has ended or is out of reach. This is the last page that came.";
});
