// The search page: box, grid and panel put together. The address holds the search, so that it can be kept and sent.
import * as api from './api.js';
import { byId, element, number } from './dom.js';
import { Grid } from './grid.js';
import { Panel } from './panel.js';
import { watchProgress } from './progress.js';
import { QueryBox } from './query.js';

const pageSize = 36;
// Relevance of the best hit below which the page does not even call it likely.
const unlikely = 0.1;
let running = null;
let cursor = null;
let before = null;
let fresh = false;
// What the hits on the page were asked for; null on the start page.
let shown = null;

const box = new QueryBox(() => run());
const grid = new Grid((hit) => panel.open(hit, shown));
const panel = new Panel({
  onClose: () => {
    const { id } = panel;
    panel.close();
    document.querySelector(`.hit[data-id="${id}"]`)?.focus();
    grid.mark(null);
  },
  onSimilar: (id) => {
    panel.close();
    box.text = '';
    box.setPicture(null, id);
    run();
  },
  onTag: (tag) => narrow(tag),
});

const filterFields = { orientation: 'orientation', 'min-width': 'minWidth', 'taken-from': 'takenFrom', 'taken-to': 'takenTo', prefix: 'keyPrefix' };

function narrow(tag) {
  box.add(`tag:${/\s/.test(tag) ? `"${tag}"` : tag}`);
  run();
}

function filter() {
  const filter = {};
  for (const [id, name] of Object.entries(filterFields)) {
    const { value } = byId(id);
    if (value) {
      filter[name] = name === 'minWidth' ? Number(value) : value;
    }
  }
  if (filter.takenTo) {
    // The day itself belongs to the interval; the service's intervals are open above.
    filter.takenTo = new Date(new Date(filter.takenTo).getTime() + 86400000).toISOString();
  }
  return Object.keys(filter).length > 0 ? filter : undefined;
}

function query() {
  return {
    text: box.text || undefined,
    image: box.image ?? undefined,
    weights: box.file || box.image ? box.weights() : undefined,
    mode: byId('mode').value === 'lexical' && !box.text ? 'hybrid' : byId('mode').value,
    filter: filter(),
    groupDuplicates: byId('group').checked || undefined,
    k: pageSize,
  };
}

function notice(text, kind = '') {
  const node = byId('notice');
  node.className = `notice ${kind}`;
  node.textContent = text ?? '';
  node.hidden = !text;
}

function empty(title, ...lines) {
  const node = byId('empty');
  node.hidden = !title;
  node.replaceChildren(...(title ? [element('h2', { textContent: title }), ...lines.map((l) => (typeof l === 'string' ? element('p', { textContent: l }) : l))] : []));
}

// Controls that belong to a search besides the box.
const controls = ['mode', ...Object.keys(filterFields), 'group', 'good'].map(byId);

function valueOf(control) {
  return control.type === 'checkbox' ? String(control.checked) : control.value;
}

// What the page itself says, as some browsers fill fields again when it is loaded again.
function standardOf(control) {
  return control.type === 'checkbox' ? String(control.defaultChecked) : control.options?.[0].value ?? control.defaultValue;
}

const isChanged = (control) => valueOf(control) !== standardOf(control);

function remember() {
  const address = new URLSearchParams();
  if (box.text) {
    address.set('q', box.text);
  }
  if (box.image) {
    address.set('image', box.image);
  }
  for (const control of controls.filter(isChanged)) {
    address.set(control.id, valueOf(control));
  }
  const url = address.size > 0 ? `?${address}` : location.pathname;
  if (url !== (location.search || location.pathname)) {
    history.pushState(null, '', url);
  }
  document.title = box.text ? `${box.text} · ImageSearch` : 'ImageSearch';
}

async function run(append = false) {
  running?.abort();
  const mine = running = new AbortController();
  if (!append) {
    box.settle();
    remember();
    byId('results').classList.add('loading');
    cursor = null;
    before = null;
  }
  try {
    await (box.isEmpty ? browse(append, mine.signal) : find(append, mine.signal));
  } catch (error) {
    if (error.name === 'AbortError') {
      return;
    }
    notice(error.message, 'bad');
    if (!append) {
      grid.clear();
      byId('summary').textContent = '';
      byId('tags').replaceChildren();
      empty('That did not work', element('button', { type: 'button', className: 'button', textContent: 'Try again', onclick: () => run() }));
    }
    byId('more').hidden = true;
  } finally {
    if (running === mine) {
      byId('results').classList.remove('loading');
    }
  }
}

async function find(append, signal) {
  const found = await api.search({ ...query(), cursor: append ? cursor : undefined }, box.file, signal);
  shown = { text: box.text, image: box.image };
  const hits = byId('good').checked ? found.hits.filter((h) => h.good) : found.hits;
  if (!append) {
    grid.clear();
    empty(null);
    showSummary(found);
    byId('tags').replaceChildren(...found.tags.map((t) => element('button', { type: 'button', className: 'pill', title: `Only pictures tagged ${t.tag}`, onclick: () => narrow(t.tag) },
      t.tag, element('small', { textContent: number(t.images) }))));
    if (hits.length === 0) {
      empty(byId('good').checked && found.hits.length > 0 ? 'No good match' : 'Nothing found', 'Try fewer or other words, drop a filter, or search by a picture.');
    }
  }
  grid.add(hits);
  cursor = found.cursor ?? null;
  byId('more').hidden = !cursor;
}

function showSummary(found) {
  const good = found.hits.filter((h) => h.good).length;
  const summary = found.noGoodMatch || found.hits.length === 0 ? ''
    : `${good === found.hits.length && found.cursor ? `${good}+` : good} good ${good === 1 ? 'match' : 'matches'}`;
  byId('summary').replaceChildren(element('strong', { textContent: summary }), found.hits.length ? ` ${summary ? 'of ' : ''}${number(found.reachable)} · ${Math.round(found.milliseconds)} ms` : '');
  const late = Object.entries(found.legs).filter(([, leg]) => leg.state === 'late' || leg.state === 'failed')
    .map(([name, leg]) => `The search by ${name === 'dense' ? 'meaning' : 'words'} did not answer (${leg.reason})`);
  notice(late.length > 0 ? `${late.join('. ')} The hits come from the other part alone.`
    : !found.noGoodMatch || found.hits.length === 0 ? null
      : found.hits[0].relevance < unlikely ? 'No good match. These are merely the nearest pictures.' : 'No sure match. The likeliest pictures come first.', late.length > 0 ? '' : 'info');
}

async function browse(append, signal) {
  const list = await api.newest(append ? before : null, signal);
  shown = null;
  if (!append) {
    grid.clear();
    notice(null);
    empty(null);
    byId('tags').replaceChildren();
    byId('summary').textContent = list.pictures.length > 0 ? 'Newest pictures' : '';
    if (list.pictures.length === 0) {
      empty('No pictures yet', element('p', {}, 'Put pictures into the upload bucket of the object store, or run ', element('code', { textContent: './imagesearch add FOLDER' }), '. They appear here while they are indexed.'));
    }
  }
  grid.add(list.pictures);
  before = list.before ?? null;
  fresh = !append;
  byId('more').hidden = !before;
}

function restore() {
  const address = new URLSearchParams(location.search);
  box.text = address.get('q') ?? '';
  box.setPicture(null, /^[0-9a-f]{64}$/.test(address.get('image') ?? '') ? address.get('image') : null);
  for (const control of controls) {
    const value = address.get(control.id) ?? standardOf(control);
    if (control.type === 'checkbox') {
      control.checked = value === 'true';
    } else {
      control.value = value;
      if (valueOf(control) !== value) {
        // A choice that the page does not have.
        control.value = standardOf(control);
      }
    }
  }
  byId('options').open ||= controls.some(isChanged);
  run();
}

function take(files) {
  const file = [...files].find((f) => f.type.startsWith('image/'));
  if (file) {
    box.setPicture(file, null);
    run();
  } else if (files.length > 0) {
    notice('That is not a picture.', 'bad');
  }
}

byId('search').addEventListener('submit', (event) => {
  event.preventDefault();
  run();
});
byId('more').addEventListener('click', () => run(true));
for (const control of controls) {
  control.addEventListener('change', () => run());
}

let dragDepth = 0;
document.addEventListener('dragenter', (event) => {
  if (event.dataTransfer?.types.includes('Files')) {
    dragDepth += 1;
    byId('drop').hidden = false;
  }
});
document.addEventListener('dragleave', () => {
  dragDepth = Math.max(0, dragDepth - 1);
  byId('drop').hidden = dragDepth === 0;
});
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  dragDepth = 0;
  byId('drop').hidden = true;
  take(event.dataTransfer.files);
});
document.addEventListener('paste', (event) => {
  if (event.clipboardData.files.length > 0) {
    event.preventDefault();
    take(event.clipboardData.files);
  }
});

document.addEventListener('keydown', (event) => {
  const typing = event.target instanceof HTMLInputElement && event.target.type !== 'range' && event.target.type !== 'checkbox';
  if (event.key === 'Escape' && panel.isOpen) {
    panel.actions.onClose();
  } else if (typing || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (event.key === '/') {
    event.preventDefault();
    byId('words').focus();
    byId('words').select();
  } else if (event.key === 'h' && panel.isOpen) {
    panel.toggleHeat();
  } else if ((event.key === 'ArrowRight' || event.key === 'ArrowLeft') && panel.isOpen) {
    event.preventDefault();
    grid.step(panel.id, event.key === 'ArrowRight' ? 1 : -1);
  }
});

byId('theme').addEventListener('click', () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('theme', document.documentElement.dataset.theme);
});
if (localStorage.getItem('theme')) {
  document.documentElement.dataset.theme = localStorage.getItem('theme');
}

window.addEventListener('popstate', restore);
watchProgress(() => {
  // New pictures show up on the start page by themselves, but never under someone who is looking at one.
  if (box.isEmpty && fresh && !panel.isOpen && scrollY < 200) {
    run();
  }
});
restore();
