// The calls of the page. Errors are problem details (RFC 9457); their text is made for people.
import { signIn } from './sign-in.js';

export class ApiError extends Error {
  constructor(message, fields = {}) {
    super(message);
    this.fields = fields;
  }
}

async function read(response) {
  if (response.ok) {
    return response.json();
  }
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // Not from the service itself; the status has to do.
  }
  const fields = problem.errors ?? {};
  const first = Object.entries(fields)[0];
  const named = first ? `${first[0] ? `${first[0]}: ` : ''}${first[1][0]}` : null;
  throw new ApiError(named ?? problem.detail ?? problem.title ?? `The service answered ${response.status}.`, fields);
}

async function call(url, init, mayAsk = true) {
  try {
    const response = await fetch(url, init);
    return response.status === 401 && mayAsk && await signIn() ? await call(url, init, false) : await read(response);
  } catch (error) {
    if (error instanceof ApiError || error.name === 'AbortError') {
      throw error;
    }
    throw new ApiError('The service does not answer. Check that it runs, then try again.');
  }
}

export function search(query, file, signal) {
  if (!file) {
    return call('api/search', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(query), signal });
  }
  const form = new FormData();
  form.append('query', JSON.stringify(query));
  form.append('image', file, 'query');
  return call('api/search', { method: 'POST', body: form, signal });
}

export const newest = (before, signal) => call(`api/images?k=36${before ? `&before=${before}` : ''}`, { signal });
export const details = (id, signal) => call(`api/images/${id}`, { signal });

/** Why a picture is a hit; null where the query is an uploaded picture alone, of which the service keeps nothing. */
export function explanation(id, query, signal) {
  const address = new URLSearchParams();
  for (const [name, value] of [['q', query?.text], ['image', query?.image]]) {
    if (value) {
      address.set(name, value);
    }
  }
  return address.size > 0 ? call(`api/images/${id}/explanation?${address}`, { signal }) : null;
}

export const similar = (id, signal) => call(`api/images/${id}/similar?k=24`, { signal });
// Asked for every few seconds: must not bring the dialog back that somebody has just closed.
export const status = () => call('api/status', undefined, false);
