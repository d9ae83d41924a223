import { get } from "./api.js";
import { el } from "./dom.js";
import { failures, failure, retries } from "./failures.js";
import { pipeline, picture, audit, models, log } from "./views.js";

const pages = { pipeline, failures, failure, retries, picture, audit, models, log };
const refreshed = new Set(["pipeline", "retries", "audit", "models"]);
const main = document.getElementById("main");
let drawn = 0;

const place = () => {
  const [name, query] = location.hash.slice(1).split(/\?(.*)/s);
  return [pages[name] ? name : "pipeline", new URLSearchParams(query ?? "")];
};

function go(to) {
  if (to && location.hash !== `#${to}`) location.hash = to;
  else draw();
}

async function draw() {
  const turn = ++drawn;
  const [name, parameters] = place();
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.hash === `#${name}` || (name === "failure" && link.hash === "#failures");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  try {
    const nodes = await pages[name](parameters, go);
    if (turn === drawn) main.replaceChildren(...nodes.flat(3).filter(Boolean));
  } catch (e) {
    if (turn === drawn) main.replaceChildren(el("p", { class: "bad" }, e.message), el("button", { onclick: () => draw() }, "Try again"));
  }
  const states = await get("/api/failures/states").catch(() => ({}));
  const badge = document.getElementById("failure-count");
  badge.hidden = !states.failed;
  badge.textContent = states.failed ?? "";
}

window.addEventListener("hashchange", () => { draw(); main.focus({ preventScroll: true }); });
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, dialog[open]")) return;
  if (e.key >= "1" && e.key <= "7") document.querySelectorAll("nav a")[e.key - 1].click();
  if (e.key === "/") { const field = main.querySelector("input[type=search]"); if (field) { e.preventDefault(); field.focus(); } }
  if (e.key === "r") draw();
});
// Not while someone is at a form, a dialog is open or the page is hidden.
setInterval(() => {
  if (refreshed.has(place()[0]) && !document.hidden && !document.querySelector("dialog[open]") && !main.querySelector("input:focus, textarea:focus, button:focus, input:checked")) draw();
}, 3000);
draw();
