// The side panel: the picture, why it was found, and what is stored of it.
import * as api from './api.js';
import { byId, bytes, element, fileName, number, percent } from './dom.js';

export class Panel {
  constructor(actions) {
    this.root = byId('panel');
    this.actions = actions;
    this.id = null;
  }

  get isOpen() {
    return this.id !== null;
  }

  close() {
    this.root.hidden = true;
    document.body.classList.remove('open');
    this.id = null;
  }

  /** @param query What the hit was found by: { text, image }; null on the start page. */
  async open(hit, query) {
    this.abort?.abort();
    const { signal } = this.abort = new AbortController();
    this.id = hit.id;
    this.root.hidden = false;
    document.body.classList.add('open');
    let details = null;
    let explanation = null;
    const faults = [];
    this.draw(hit, details, explanation);

    // Asked for only now, and each is shown as soon as it is there.
    const show = async (asked, take) => {
      try {
        const answer = await asked;
        if (answer && this.id === hit.id) {
          take(answer);
          this.draw(hit, details, explanation);
          this.root.append(...faults);
        }
      } catch (error) {
        if (error.name !== 'AbortError' && this.id === hit.id) {
          faults.push(element('p', { className: 'notice bad', textContent: error.message }));
          this.root.append(...faults);
        }
      }
    };
    await Promise.all([
      show(api.details(hit.id, signal), (answer) => { details = answer; }),
      show(query && api.explanation(hit.id, query, signal), (answer) => { explanation = answer; }),
    ]);
  }

  toggleHeat() {
    byId('heat-toggle')?.click();
  }

  draw(hit, details, explanation) {
    const { picture } = hit;
    const view = this.view(hit, explanation);
    const heat = explanation?.heatmap;
    const showing = this.root.querySelector('.heat') && this.heatOf === hit.id;
    this.root.replaceChildren(
      element('header', {},
        element('h2', { textContent: fileName(picture.key), title: picture.key }),
        element('button', { type: 'button', className: 'button quiet icon-button', textContent: '×', title: 'Close (Esc)', 'aria-label': 'Close', onclick: () => this.actions.onClose() })),
      view,
      element('div', { className: 'actions' },
        heat ? element('button', { type: 'button', id: 'heat-toggle', className: 'button', textContent: 'Heat map', 'aria-pressed': 'false', onclick: (event) => this.heat(event.currentTarget, view, heat, hit.id) }) : null,
        element('button', { type: 'button', className: 'button', textContent: 'More like this', onclick: () => this.actions.onSimilar(hit.id) }),
        element('a', { className: 'button', textContent: 'Open', href: `api/images/${hit.id}/content?format=jpeg`, target: '_blank', rel: 'noopener' }),
        element('a', { className: 'button', textContent: 'Original', href: `api/images/${hit.id}/original` })),
      ...this.why(hit, explanation),
      ...this.texts(hit, details),
      ...this.stored(picture, details));
    if (showing) {
      this.toggleHeat();
    }
  }

  view(hit, explanation) {
    const { picture } = hit;
    const image = element('img', { src: `api/images/${hit.id}/content?width=900`, alt: picture.caption || fileName(picture.key), width: picture.width, height: picture.height });
    image.style.height = 'auto';
    image.addEventListener('error', () => image.replaceWith(element('span', { className: 'missing', textContent: 'Not stored yet' })), { once: true });
    const view = element('div', { className: 'view' }, image);
    const region = explanation?.region;
    if (region && region.region > 0) {
      const frame = element('span', { className: 'region', title: `The words match here: ${region.words.join(', ')}` });
      Object.assign(frame.style, { left: `${region.x * 100}%`, top: `${region.y * 100}%`, width: `${region.width * 100}%`, height: `${region.height * 100}%` });
      view.append(frame);
    }
    return view;
  }

  heat(button, view, url, id) {
    const old = view.querySelector('.heat');
    button.setAttribute('aria-pressed', String(!old));
    this.heatOf = old ? null : id;
    if (old) {
      old.remove();
      return;
    }
    const map = element('img', { className: 'heat', src: url.replace(/^\//, ''), alt: 'Where the picture resembles the query: red is most' });
    map.addEventListener('error', () => {
      map.remove();
      button.textContent = 'No heat map';
      button.disabled = true;
    });
    view.append(map);
  }

  why(hit, explanation) {
    if (hit.relevance === undefined) {
      return [];
    }
    const bar = (label, share, kind) => {
      const fill = element('span', { className: kind });
      fill.style.width = `${share * 100}%`;
      return [element('span', { textContent: label }), element('span', { className: 'track' }, fill), element('output', { textContent: percent(share) })];
    };
    const notes = [];
    if (hit.dense) {
      notes.push(`Resembles the query more than unrelated pictures do by ${hit.dense.deviations.toFixed(1)} standard deviations (cosine ${hit.dense.cosine.toFixed(2)}).`);
    }
    if (hit.lexical) {
      notes.push(`Its text holds the words (BM25 ${hit.lexical.score.toFixed(2)}); they were ${hit.lexical.source === 'written' ? 'written by people or a language model' : 'guessed from the picture'}.`);
    }
    const terms = explanation?.terms ?? [];
    return [
      element('h3', { textContent: 'Why' }),
      element('div', { className: 'share' }, ...bar('Relevance', hit.relevance, ''), ...bar('from meaning', hit.dense?.share ?? 0, ''), ...bar('from words', hit.lexical?.share ?? 0, 'words')),
      ...notes.map((note) => element('p', { className: 'region-text', textContent: note })),
      terms.length === 0 ? null : element('div', { className: 'share' }, ...terms.flatMap((t) => bar(`“${t.word}” in ${t.fields.join(', ')}`, t.share, 'words'))),
    ].filter(Boolean);
  }

  texts(hit, details) {
    const tags = [...new Set(details?.texts?.regions.flatMap((r) => r.tags) ?? hit.picture.tags)];
    const regions = (details?.texts?.regions ?? []).filter((r) => r.caption);
    return [
      element('h3', { textContent: 'Words' }),
      element('div', { className: 'tags' }, ...tags.map((tag) => element('button', { type: 'button', className: 'pill', textContent: tag, title: `Only pictures tagged ${tag}`, onclick: () => this.actions.onTag(tag) }))),
      ...regions.map((r) => element('p', { className: 'region-text' }, `${r.caption} `, element('small', { textContent: r.region === 0 ? '(whole picture)' : `(part ${r.region})` }))),
      details?.texts ? element('p', { className: 'region-text' }, element('small', { textContent: `by ${details.texts.captioner}, prompt ${details.texts.promptVersion}` })) : null,
      tags.length === 0 && regions.length === 0 ? element('p', { className: 'region-text', textContent: details ? 'No words yet.' : '' }) : null,
    ].filter(Boolean);
  }

  stored(picture, details) {
    const row = (name, value) => (value ? element('tr', {}, element('th', { textContent: name }), element('td', { textContent: value })) : null);
    const stream = details?.bitstream;
    return [
      element('h3', { textContent: 'Stored' }),
      element('table', { className: 'facts' }, element('tbody', {}, ...[
        row('Picture', `${number(picture.width)} × ${number(picture.height)}, ${picture.format}`),
        row('Original', bytes(picture.bytes)),
        row('Bitstream', stream ? `${bytes(stream.bytes)}, ${stream.ratio.toFixed(1)} times smaller, ${stream.bitsPerPixel.toFixed(2)} bits per pixel` : null),
        row('Codec', stream ? `${stream.codec}, quality ${stream.quality}` : null),
        row('Taken', picture.takenAt ? new Date(picture.takenAt).toLocaleString() : null),
        row('Uploaded', new Date(picture.uploadedAt).toLocaleString()),
        ...(details?.objects ?? []).slice(0, 8).map((o, i) => row(i === 0 ? 'Keys' : '', `${o.bucket}/${o.key}`)),
        row('Vectors', details?.models.join(', ')),
      ].filter(Boolean))),
    ];
  }
}
