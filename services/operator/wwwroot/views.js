import { get, post } from "./api.js";
import { el, table, facts, time, number, span, ask, toast } from "./dom.js";

export async function pipeline(_, go) {
  const p = await get("/api/pipeline");
  const set = (queue, action, question) => el("button", { onclick: async () => { if (await ask(question)) { await post(`/api/pipeline/${queue}/${action}`); setTimeout(go, 2500); toast(`${queue}: ${action}`); } } }, action);
  return [
    p.warnings.length ? el("ul", { class: "warnings" }, p.warnings.map((w) => el("li", {}, w))) : el("p", { class: "good" }, "Everything keeps up."),
    table([["Queue"], ["Waiting", "n"], ["In hand", "n"], ["Workers", "n"], ["In/s", "n"], ["Out/s", "n"], ["Done/s", "n"], ["Oldest waits", "n"], ["Empty in", "n"], ["Failed", "n"], [""]], p.stages.map((s) => [
      s.queue, number(s.backlog), number(s.inFlight), number(s.workers), number(s.inPerSecond, 1), number(s.outPerSecond, 1), number(s.donePerSecond, 1), span(s.oldestSeconds), span(s.secondsToEmpty),
      s.failed ? el("a", { class: "bad", href: `#failures?q=endpoint:${s.queue}` }, number(s.failed)) : "0",
      s.paused ? el("span", { class: "warn" }, `paused by ${s.pausedBy} `, set(s.queue, "resume", `Let ${s.queue} go on?`)) : set(s.queue, "pause", `Pause ${s.queue}? It finishes what it has in hand; new messages wait.`)]), "No queues."),
    el("h2", {}, "Pictures"),
    facts([["Registered", number(p.pictures.images)], ["Encoded", number(p.pictures.encoded)], ["Embedded", number(p.pictures.embedded)], ["Captioned", number(p.pictures.captioned)],
      ["Searchable", el("span", {}, el("progress", { max: Math.max(1, p.pictures.images), value: p.pictures.searchable, "aria-label": "Searchable" }), ` ${number(p.pictures.searchable)}`)], ["Refused objects", number(p.pictures.rejected)]]),
    el("p", { class: "quiet" }, `As of ${time(p.at)}`),
  ];
}

export async function picture(parameters, go) {
  const q = parameters.get("q") ?? "";
  const field = el("input", { type: "search", value: q, placeholder: "Key, id or number", "aria-label": "Key, id or number of a picture" });
  const form = el("form", { class: "bar", onsubmit: (e) => { e.preventDefault(); go(`picture?q=${encodeURIComponent(field.value.trim())}`); } }, field, el("button", {}, "Show"));
  if (!q) return [form, el("p", { class: "quiet" }, "Shows the whole way of a picture: its keys, stages with times, failures, and where it is stuck.")];
  const v = await get(`/api/pictures?q=${encodeURIComponent(q)}`).catch((e) => ({ error: e.message }));
  if (v.error) return [form, el("p", { class: "warn" }, v.error)];
  const p = v.picture;
  const again = (stage) => el("button", { onclick: async () => { if (await ask(`Have ${stage} done again for this picture?`)) { await post(`/api/pictures/${p.image}/reprocess`, { stage, force: true }); toast("Asked for."); setTimeout(go, 1500); } } }, `${stage} again`);
  return [
    form,
    p?.bitstream ? el("img", { class: "thumb", src: `/api/pictures/${p.image}/thumbnail`, alt: p.texts?.caption ?? "Thumbnail" }) : "",
    el("p", { class: v.complete ? "good" : "warn" }, v.complete ? "Complete: found by words and by likeness." : `Stuck at ${v.stuck.stage}: ${v.stuck.why ?? v.stuck.state}`),
    el("ol", { class: "way" }, v.way.map((s) => el("li", { class: s.state }, el("b", {}, s.stage), ` ${s.state}`, el("div", { class: "quiet" }, s.at ? time(s.at) : "", s.seconds !== null && s.seconds !== undefined ? ` after ${s.seconds.toFixed(1)} s` : ""), s.why ? el("div", {}, s.why) : ""))),
    p ? facts([["Number", p.image], ["Id", p.imageId], ["Original", `${p.format}, ${p.width} x ${p.height}, ${number(p.bytes)} bytes`], ["Keys", el("span", {}, p.keys.map((k) => el("div", {}, `${k.bucket}/${k.key}`)))],
      ["Bitstream", p.bitstream ? `${p.bitstream.model}, quality ${p.bitstream.quality}, ${number(p.bitstream.bytes)} bytes (${((100 * p.bitstream.bytes) / p.bytes).toFixed(1)} %), ${number(p.bitstream.encodeMilliseconds)} ms` : null],
      ["Vectors", p.vectors.map((x) => `${x.model} (${x.modelState}): ${x.present ? "there" : "missing"}`).join("; ")],
      ["Caption", p.texts ? `${p.texts.caption} [${p.texts.tags.join(", ")}] by ${p.texts.captioner}` : null]]) : "",
    p ? el("div", { class: "bar" }, ["encode", "embed", "caption"].map(again)) : "",
    el("h2", {}, "Events"),
    table([["When", "t"], ["What"], ["Key or detail", "w"], ["Trace", "w"]], v.events.map((e) => [time(e.at), e.stage, e.detail ?? (e.key ? `${e.bucket}/${e.key}` : ""), e.traceId ?? ""]), "None kept."),
    el("h2", {}, "Failures"),
    table([["Last", "t"], ["Endpoint"], ["Exception", "w"], ["State"]], v.failures.map((f) => [el("a", { href: `#failure?id=${f.id}` }, time(f.lastFailedAt)), f.endpoint, `${f.exceptionType}: ${f.exceptionMessage}`, f.state]), "None."),
  ];
}

export async function audit(parameters, go) {
  const list = await get("/api/audits?limit=20");
  const id = parameters.get("id") ?? list[0]?.id;
  const kind = parameters.get("kind");
  const [report, findings] = id ? await Promise.all([get(`/api/audits/${id}`), get(`/api/audits/${id}/findings?limit=200${kind ? `&kind=${kind}` : ""}`)]) : [null, []];
  const deep = el("input", { type: "checkbox" });
  const repair = el("input", { type: "checkbox" });
  const running = report && ["running", "repairing"].includes(report.audit.state);
  return [
    el("form", { class: "bar", onsubmit: async (e) => { e.preventDefault(); const started = await post("/api/audits", { deep: deep.checked, repair: repair.checked }); go(`audit?id=${started.audit}`); } },
      el("button", { class: "primary" }, "Start an audit"), el("label", {}, deep, " deep: read and decode every bitstream"), el("label", {}, repair, " repair what is found")),
    report ? [
      el("h2", {}, `Audit ${report.audit.id}: ${report.audit.state}`),
      el("p", {}, running ? el("progress", { max: Math.max(1, report.audit.total, report.audit.checked), value: report.audit.checked, "aria-label": "Progress" }) : "", ` ${report.audit.phase}, ${number(report.audit.checked)} compared, by ${report.audit.actor}, ${time(report.audit.startedAt)}${report.audit.finishedAt ? ` to ${time(report.audit.finishedAt)}` : ""}${report.audit.error ? `: ${report.audit.error}` : ""}`),
      el("div", { class: "bar" }, running ? el("button", { onclick: async () => { await post(`/api/audits/${id}/cancel`); go(); } }, "Cancel") : "",
        report.audit.state === "done" && report.findings.some((f) => f.found > f.repaired) ? el("button", { class: "primary", onclick: async () => { if (await ask("Repair all open findings?")) { await post(`/api/audits/${id}/repair`); go(); } } }, "Repair") : ""),
      table([["Kind"], ["Found", "n"], ["Repaired", "n"]], report.findings.map((f) => [el("a", { href: `#audit?id=${id}&kind=${f.kind}` }, f.kind), number(f.found), number(f.repaired)]), running ? "Nothing found so far." : "Nothing is missing or too much."),
      findings.length ? [el("h2", {}, kind ?? "Findings"), table([["Kind"], ["Picture"], ["Key", "w"], ["What", "w"], ["Repair", "w"]], findings.map((f) => [
        f.kind, f.image ? el("a", { href: `#picture?q=${f.image}` }, f.image) : "", f.key ?? f.model ?? "", f.detail, f.repair ?? ""]), "")] : "",
    ].flat() : el("p", { class: "quiet" }, "There was no audit yet."),
    el("h2", {}, "Audits"),
    table([["No.", "n"], ["State"], ["Compared", "n"], ["Deep"], ["By"], ["Started", "t"], ["Finished", "t"]], list.map((a) => [el("a", { href: `#audit?id=${a.id}` }, a.id), a.state, number(a.checked), a.deep ? "deep" : "", a.actor, time(a.startedAt), time(a.finishedAt)]), "None."),
  ].flat();
}

export async function models(_, go) {
  const [list, jobs] = await Promise.all([get("/api/models"), get("/api/jobs?limit=20")]);
  const button = (words, question, path, body) => el("button", { onclick: async () => { if (await ask(question)) { await post(path, body); go(); } } }, words);
  return [
    el("h2", {}, "Embedding models"),
    table([["Model"], ["State"], ["Coverage"], ["Vectors", "n"], ["Images", "n"], ["Dimensions", "n"], [""]], list.map((m) => {
      const k = m.known;
      const whole = k && k.vectors >= k.images;
      return [el("span", {}, m.name, el("div", { class: "quiet" }, m.description ?? "", m.available ? "" : " Its files are missing.")), el("span", { class: k?.state === "active" ? "good" : "" }, k?.state ?? "not registered"),
        k ? el("progress", { max: Math.max(1, k.images), value: k.vectors, "aria-label": "Coverage" }) : "", number(k?.vectors), number(k?.images), number(k?.dimensions),
        el("span", {},
          m.available && !whole ? button("Fill", `Embed all images under ${m.name} in the background? Search goes on as it is.`, "/api/models/fill", { name: m.name }) : "", " ",
          k && k.state !== "active" ? button("Activate", whole ? `Let ${m.name} answer queries? The present model stays ready.` : `${k.images - k.vectors} images lack a vector under ${m.name} and could not be found. Activate it all the same?`, "/api/models/activate", { name: m.name, force: !whole }) : "", " ",
          k && ["filling", "standby"].includes(k.state) ? button("Retire", `Stop embedding new pictures under ${m.name}?`, "/api/models/retire", { name: m.name }) : "")];
    }), "No embedding model is known."),
    el("h2", {}, "Jobs"),
    el("div", { class: "bar" }, button("Encode all again", "Encode all pictures again, 5 a second?", "/api/jobs", { stage: "encode" }), button("Caption all again", "Caption all pictures again, 5 a second?", "/api/jobs", { stage: "caption" })),
    table([["No.", "n"], ["Stage"], ["Model"], ["State"], ["Asked for", "n"], ["Sweep", "n"], ["Rate", "n"], ["By"], ["Since", "t"], ["Finished", "t"], [""]], jobs.map((j) => [
      j.id, j.stage, j.model ?? "", j.state, number(j.requested), j.sweep, `${j.rate}/s`, j.actor, time(j.createdAt), time(j.finishedAt),
      ["running", "paused"].includes(j.state) ? el("span", {}, button(j.state === "running" ? "pause" : "resume", "Sure?", `/api/jobs/${j.id}/${j.state === "running" ? "pause" : "resume"}`), " ", button("cancel", "End this job?", `/api/jobs/${j.id}/cancel`)) : ""]), "None yet."),
  ];
}

export async function log() {
  const lines = await get("/api/log?limit=200");
  return [el("h2", {}, "Who did what"), table([["When", "t"], ["Who"], ["What"], ["To", "w"], ["Detail", "w"]], lines.map((l) => [time(l.at), l.actor, l.action, l.subject, l.detail]), "Nothing yet.")];
}
