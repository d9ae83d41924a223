import { get, post, call } from "./api.js";
import { el, table, facts, time, number, ask, toast } from "./dom.js";

const query = (values) => "?" + new URLSearchParams(Object.entries(values).filter(([, v]) => v !== null && v !== undefined && v !== ""));
const help = "Words with AND, OR, NOT, parentheses and \"quotes\"; exception: message: frame: endpoint: type: image: key: body: trace: group:";

/** The list with its groups; state lives in the address, so that it can be shared. */
export async function failures(parameters, go) {
  const state = parameters.get("state") ?? "failed";
  const q = parameters.get("q") ?? "";
  const by = parameters.get("by") ?? "cause";
  const after = parameters.get("after");
  const [page, groups, states, over, automatic] = await Promise.all([
    get("/api/failures" + query({ state, q, after })), get("/api/failures/groups" + query({ state, q, by })), get("/api/failures/states"),
    get("/api/failures/over-time" + query({ group: /^group:([0-9a-f]+)$/.exec(q)?.[1] })), get("/api/retries/automatic")]);
  const chosen = new Set();
  const buttons = el("span", { class: "bar" });
  const total = groups.reduce((sum, g) => sum + g.count, 0);

  const act = async (what, selection, words) => {
    if (!(await ask(words))) return;
    const answer = await post(`/api/failures/${what}`, selection);
    if (what === "retry") go(`retries?id=${answer.retry}`);
    else { toast(`${answer.messages} messages`); go(); }
  };
  const selection = () => (chosen.size > 0 ? { ids: [...chosen] } : q ? { q } : { all: true });
  const redraw = () => {
    const many = chosen.size > 0 ? chosen.size : total;
    buttons.replaceChildren(
      state === "failed" ? el("button", { class: "primary", disabled: many === 0, onclick: () => act("retry", selection(), `Send ${many} messages again, in batches of 1, 5, 50, 500 that stop at the first failure?`) }, `Retry ${many}`) : "",
      state === "failed" ? el("button", { disabled: many === 0, onclick: () => act("retry", { ...selection(), rate: 50 }, `Send ${many} messages again, 50 a second, whatever happens?`) }, "Retry at 50/s") : "",
      state === "failed" ? el("button", { disabled: many === 0, onclick: () => act("archive", selection(), `Archive ${many} messages?`) }, `Archive ${many}`) : "",
      state === "archived" ? el("button", { disabled: many === 0, onclick: () => act("restore", selection(), `Take ${many} messages back from the archive?`) }, `Restore ${many}`) : "",
      el("a", { href: "/api/failures/export" + query({ state, q }) }, "Export"));
  };
  redraw();
  const highest = Math.max(1, ...over.map((p) => p.count));
  const field = el("input", { type: "search", value: q, placeholder: "Search", title: help, "aria-label": "Search. " + help });
  return [
    el("form", { class: "bar", onsubmit: (e) => { e.preventDefault(); go("failures" + query({ state, by, q: field.value })); } },
      ...["failed", "retrying", "resolved", "archived"].map((s) => el("a", { href: "#failures" + query({ state: s, q, by }), "aria-current": s === state ? "true" : null, class: s === state ? "" : "quiet" }, `${s} ${states[s] ?? 0}`)),
      field, el("button", {}, "Search"),
      el("button", { type: "button", onclick: async () => { await call("PUT", "/api/retries/automatic", { paused: !automatic.paused }); go(); } }, automatic.paused ? "Resume automatic retries" : "Pause automatic retries")),
    el("div", { class: "spark", role: "img", "aria-label": `Failures of the last 24 hours, at most ${highest} in half an hour` }, over.map((p) => el("i", { title: `${time(p.at)}: ${p.count}`, style: `height:${(100 * p.count) / highest}%` }))),
    el("div", { class: "bar" }, el("h2", {}, "By"), ...["cause", "endpoint", "type", "image"].map((b) => el("a", { href: "#failures" + query({ state, q, by: b }), "aria-current": b === by ? "true" : null, class: b === by ? "" : "quiet" }, b))),
    table([["Count", "n"], ["Group", "w"], ["Example", "w"], ["First", "t"], ["Last", "t"], ["Note", "w"], [""]], groups.map((g) => {
      const word = by === "cause" ? `group:${g.key}` : by === "endpoint" ? `endpoint:${g.key}` : by === "image" ? `image:${g.key}` : `type:${g.key}`;
      return [number(g.count), el("a", { href: "#failures" + query({ state, by, q: word }) }, g.name, g.firstFrame ? el("div", { class: "quiet" }, g.firstFrame) : ""), g.example, time(g.first), time(g.last),
        by === "cause" ? el("button", { class: "link", onclick: async () => {
          const note = prompt("Note", g.note ?? "");
          if (note !== null) { await call("PUT", `/api/failures/groups/${g.key}/note`, { note }); go(); }
        } }, g.note || "add") : "",
        state === "failed" ? el("button", { onclick: () => act("retry", { q: word }, `Send the ${g.count} messages of this group again, in canary batches?`) }, "Retry") : ""];
    }), "No message failed here."),
    el("div", { class: "bar" }, el("h2", {}, "Messages"), buttons),
    table([[""], ["Last failed", "t"], ["Endpoint"], ["Exception", "w"], ["Picture", "w"], ["Times", "n"], ["Next retry", "t"]], page.items.map((f) => [
      el("input", { type: "checkbox", "aria-label": `Failure ${f.id}`, onchange: (e) => { if (e.target.checked) chosen.add(f.id); else chosen.delete(f.id); redraw(); } }),
      el("a", { href: `#failure?id=${f.id}` }, time(f.lastFailedAt)), f.endpoint, el("span", {}, el("b", {}, f.exceptionType.split(".").pop()), " ", f.exceptionMessage),
      f.image ? el("a", { href: `#picture?q=${f.image}` }, f.key ?? `image ${f.image}`) : f.key ?? "", number(f.attempts), time(f.nextRetryAt)]), "None."),
    page.next ? el("p", {}, el("a", { href: "#failures" + query({ state, q, by, after: page.next }) }, "Older")) : "",
  ];
}

export async function failure(parameters, go) {
  const f = await get(`/api/failures/${parameters.get("id")}`);
  const s = f.summary;
  const body = el("textarea", { value: f.body ?? "", "aria-label": "Body", spellcheck: false, readOnly: f.body === null });
  const valuesOf = (list) => Object.fromEntries(list.map((h) => [h.name, h.value]));
  const locked = f.headers.filter((h) => h.locked);
  const headers = el("textarea", { value: JSON.stringify(valuesOf(f.headers.filter((h) => !h.locked)), null, 2), "aria-label": "Headers that can be changed", spellcheck: false, rows: 4 });
  const edit = async () => {
    if (!(await ask("Send the changed copy? The original counts as resolved and links to it."))) return;
    let parsed;
    try { parsed = JSON.parse(headers.value); } catch (e) { toast(`The headers are no JSON: ${e.message}`); return; }
    const answer = await post(`/api/failures/${s.id}/edit`, { body: body.value, headers: { ...parsed, ...valuesOf(locked) } });
    go(`retries?id=${answer.retry}`);
  };
  const open = s.state === "failed" || s.state === "archived";
  return [
    el("h2", {}, `Failure ${s.id}, ${s.state}`),
    facts([["Endpoint", s.endpoint], ["Message", s.messageType], ["Exception", `${s.exceptionType}: ${s.exceptionMessage}`], ["First own frame", s.firstFrame],
      ["Picture", s.image ? el("a", { href: `#picture?q=${s.image}` }, s.key ?? `image ${s.image}`) : s.key], ["Trace", f.traceId], ["Failed", `${s.attempts} times, first ${time(s.firstFailedAt)}, last ${time(s.lastFailedAt)}`],
      ["Next automatic retry", time(s.nextRetryAt)], ["Copies", f.copies > 1 ? f.copies : null], ["Edited from", f.editedFrom ? el("a", { href: `#failure?id=${f.editedFrom}` }, f.editedFrom) : null],
      ["Edited to", f.editedTo.length ? el("span", {}, f.editedTo.map((id) => el("a", { href: `#failure?id=${id}` }, `${id} `))) : null]]),
    el("div", { class: "bar" },
      s.state === "failed" ? el("button", { class: "primary", onclick: async () => { if (await ask("Send this message again?")) go(`retries?id=${(await post("/api/failures/retry", { ids: [s.id] })).retry}`); } }, "Retry") : "",
      s.state === "failed" ? el("button", { onclick: async () => { await post("/api/failures/archive", { ids: [s.id] }); go(); } }, "Archive") : "",
      s.state === "archived" ? el("button", { onclick: async () => { await post("/api/failures/restore", { ids: [s.id] }); go(); } }, "Restore") : "",
      open && f.body !== null ? el("button", { onclick: edit }, "Edit and retry") : "", el("a", { href: `/api/failures/${s.id}/body` }, "Body as file")),
    el("h2", {}, "History"),
    table([["When", "t"], ["What", "w"]], [
      ...f.failures.map((a) => [a.failedAt, el("span", { class: "bad" }, `failed: ${a.exceptionType}: ${a.exceptionMessage}`)]),
      ...f.retries.map((r) => [r.sentAt ?? r.decidedAt, el("a", { href: `#retries?id=${r.retry}` }, `retry ${r.retry} (${r.kind}) by ${r.actor}: ${r.state}${r.decidedBy ? `, known by ${r.decidedBy}` : ""}${r.sends > 1 ? `, sent ${r.sends} times` : ""}`)]),
    ].sort((a, b) => new Date(a[0] ?? 0) - new Date(b[0] ?? 0)).map(([at, what]) => [time(at), what]), "None."),
    el("h2", {}, "Stack"), el("pre", { tabIndex: 0 }, f.stackTrace || "The message brought none."),
    el("h2", {}, "Body"), body,
    el("h2", {}, "Headers"), headers,
    table([["Name"], ["Value", "w"], [""]], locked.map((h) => [h.name, typeof h.value === "string" ? h.value : JSON.stringify(h.value), el("span", { class: "quiet" }, h.sent ? "locked" : "locked, not sent again")]), "None is locked."),
  ];
}

export async function retries(parameters, go) {
  const id = parameters.get("id");
  const [list, items] = await Promise.all([get("/api/retries"), id ? get(`/api/retries/${id}/items?limit=500`) : null]);
  const change = (retry, action) => el("button", { onclick: async () => { await post(`/api/retries/${retry}/${action}`); go(); } }, action);
  const rows = list.map((r) => [
    el("a", { href: `#retries?id=${r.id}` }, r.id), r.kind, r.selection, el("span", { class: r.state === "stopped" ? "bad" : r.state === "done" ? "good" : "" }, r.state),
    el("progress", { max: Math.max(1, r.total), value: r.total - r.pending - r.out, "aria-label": "Progress" }), `${r.succeeded} of ${r.total}`, r.failed ? el("span", { class: "bad" }, r.failed) : "0",
    r.rate ? `${r.rate}/s` : `batch ${r.batch + 1} of ${r.batches}`, r.actor, time(r.createdAt), r.reason ?? (r.doubleSends ? `${r.doubleSends} sent twice after a crash` : ""),
    r.state === "running" ? el("span", {}, change(r.id, "pause"), " ", change(r.id, "cancel")) : r.state === "paused" ? el("span", {}, change(r.id, "resume"), " ", change(r.id, "cancel")) : ""]);
  return [
    el("h2", {}, "Retries"),
    table([["No.", "n"], ["Kind"], ["Messages", "w"], ["State"], [""], ["Done", "n"], ["Failed", "n"], ["Pace"], ["By"], ["Since", "t"], ["Reason", "w"], [""]], rows, "No message was sent again yet."),
    items ? [el("h2", {}, `Messages of retry ${id}`), table([["Failure", "n"], ["Batch", "n"], ["State"], ["Sent", "t"], ["Decided", "t"], ["By"], ["Sends", "n"]], items.map((i) => [
      el("a", { href: `#failure?id=${i.failure}` }, i.failure), i.batch + 1, el("span", { class: i.state === "failed" ? "bad" : i.state === "succeeded" ? "good" : "" }, i.state), time(i.sentAt), time(i.decidedAt), i.decidedBy ?? "", i.sends]), "None.")] : "",
  ].flat();
}
