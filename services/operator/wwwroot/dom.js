// Small pieces that the pages are put together from. Text never becomes markup: nodes are made, not strings of HTML.

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key in node && key !== "list") node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

export const time = (t) => (t ? new Date(t).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" }) : "");

export const number = (n, digits = 0) => (n === null || n === undefined ? "" : n.toLocaleString(undefined, { maximumFractionDigits: digits }));

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "";
  return seconds < 120 ? `${Math.round(seconds)} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** columns: [heading, class]; rows: arrays of text or nodes. */
export function table(columns, rows, empty) {
  if (rows.length === 0) return el("p", { class: "quiet" }, empty);
  return el("div", { class: "scroll", tabIndex: 0 }, el("table", {},
    el("thead", {}, el("tr", {}, columns.map(([heading, kind]) => el("th", { class: kind ?? "", scope: "col" }, heading)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, i) => el("td", { class: columns[i][1] ?? "" }, cell ?? "")))))));
}

export function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

let hiding;
export function toast(text) {
  const box = document.getElementById("toast");
  box.textContent = text;
  box.classList.add("on");
  clearTimeout(hiding);
  hiding = setTimeout(() => box.classList.remove("on"), 5000);
}

let answer;
export function ask(question) {
  const dialog = document.getElementById("ask");
  dialog.querySelector("p").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  // The close event comes late: one question may close and the next open before it, and must not be answered by it.
  dialog.onclose = () => { if (!dialog.open) answer(dialog.returnValue === "yes"); };
  answer?.(false);
  return new Promise((resolve) => { answer = resolve; });
}
