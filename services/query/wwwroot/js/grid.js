// The grid of hits.
import { byId, element, fileName, percent } from './dom.js';

// Milliseconds until a thumbnail that was not there is asked for again.
const again = 5000;

/** A thumbnail that says so while it does not exist: words of a picture can be there before its bitstream is. */
function thumbnail(id, alt) {
  const image = element('img', { src: `api/images/${id}/thumbnail`, alt, loading: 'lazy', decoding: 'async' });
  image.addEventListener('error', () => {
    const missing = element('span', { className: 'missing', textContent: 'Not stored yet' });
    image.replaceWith(missing);
    setTimeout(() => missing.isConnected && missing.replaceWith(thumbnail(id, alt)), again);
  }, { once: true });
  return image;
}

export class Grid {
  constructor(onOpen) {
    this.root = byId('results');
    this.onOpen = onOpen;
    this.hits = [];
    this.root.addEventListener('keydown', (event) => this.onKey(event));
  }

  clear() {
    this.hits = [];
    this.root.replaceChildren();
  }

  add(hits) {
    for (const hit of hits) {
      this.hits.push(hit);
      this.root.append(this.card(hit));
    }
  }

  card(hit) {
    const { picture } = hit;
    const name = fileName(picture.key);
    const frame = element('span', { className: 'frame' }, thumbnail(hit.id, picture.caption || name));
    if (hit.duplicates?.length) {
      frame.append(element('span', { className: 'badge', textContent: `+${hit.duplicates.length} alike` }));
    }
    const meter = element('span');
    if (hit.relevance !== undefined) {
      meter.style.width = percent(hit.relevance).replace(' ', '');
    }
    const card = element('button', { type: 'button', className: `hit${hit.good === false ? ' weak' : ''}`, title: picture.caption || name, data: { id: hit.id } },
      frame,
      hit.relevance === undefined ? null : element('span', { className: 'meter' }, meter),
      element('span', { className: 'label' },
        element('span', { className: 'name', textContent: name }),
        hit.relevance === undefined ? null : element('span', { className: 'relevance', textContent: percent(hit.relevance), 'aria-label': `Relevance ${percent(hit.relevance)}` })));
    card.addEventListener('click', () => this.open(hit));
    return card;
  }

  open(hit) {
    this.mark(hit.id);
    this.onOpen(hit);
  }

  mark(id) {
    for (const card of this.root.children) {
      card.setAttribute('aria-current', String(card.dataset.id === id));
    }
  }

  /** Opens the neighbour of the picture that is open. */
  step(id, by) {
    const index = this.hits.findIndex((h) => h.id === id) + by;
    if (index >= 0 && index < this.hits.length) {
      this.open(this.hits[index]);
      this.root.children[index].scrollIntoView({ block: 'nearest' });
    }
  }

  onKey(event) {
    const cards = [...this.root.children];
    const index = cards.indexOf(document.activeElement);
    if (index < 0) {
      return;
    }
    const columns = getComputedStyle(this.root).gridTemplateColumns.split(' ').length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -index, End: cards.length - 1 - index }[event.key];
    if (step !== undefined && cards[index + step]) {
      event.preventDefault();
      cards[index + step].focus();
    }
  }
}
