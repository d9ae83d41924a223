import { toast } from "./dom.js";

const actor = document.getElementById("actor");
actor.value = localStorage.getItem("actor") ?? "";
actor.addEventListener("change", () => localStorage.setItem("actor", actor.value.trim()));

/** Calls the operator; a refusal is shown and thrown. */
export async function call(method, path, body) {
  const headers = {};
  if (actor.value.trim()) headers["X-Actor"] = actor.value.trim().replace(/[^\x20-\x7e]/g, "?");
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (response.status === 401 && (await signIn())) return call(method, path, body);
  const text = await response.text();
  let answer = null;
  try { answer = text ? JSON.parse(text) : null; } catch { answer = null; }
  if (!response.ok) {
    const reason = answer?.detail ?? answer?.title ?? `${response.status} ${response.statusText}`;
    if (method !== "GET") toast(reason);
    throw new Error(reason);
  }
  return answer;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);

async function signIn() {
  const dialog = document.getElementById("key");
  if (dialog.open) return false;
  dialog.returnValue = "no";
  // Not a submit button: Enter in the field would press the first of those.
  dialog.querySelector(".cancel").onclick = () => dialog.close("no");
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  const input = dialog.querySelector("input");
  const key = input.value;
  input.value = "";
  if (dialog.returnValue !== "yes" || !key) return false;
  const response = await fetch("/api/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ key }) });
  if (!response.ok) toast("The key is not accepted.");
  return response.ok;
}
