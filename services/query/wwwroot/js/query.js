// The search box: free words in the input; +word, -word, "a phrase" and tag:word become chips.
import { byId, element } from './dom.js';

const token = /([+-]?)((?:tag:)?(?:"[^"]+"|[^\s"]+))/g;

/** Splits what was typed into chips and the words that stay. */
export function split(text) {
  const chips = [];
  const words = text.replace(token, (all, sign, body) => {
    const special = sign || body.startsWith('tag:') || body.startsWith('"');
    if (!special || body.length === 0) {
      return all;
    }
    chips.push({ not: sign === '-', body });
    return '';
  });
  return { chips, words: words.replace(/\s+/g, ' ').trim() };
}

export class QueryBox {
  constructor(onChange) {
    this.onChange = onChange;
    this.chips = [];
    this.file = null;
    this.image = null;
    this.input = byId('words');
    this.input.addEventListener('keydown', (event) => this.onKey(event));
    byId('picture-clear').addEventListener('click', () => {
      this.setPicture(null, null);
      this.onChange();
    });
    byId('file').addEventListener('change', (event) => {
      const [file] = event.target.files;
      event.target.value = '';
      if (file) {
        this.setPicture(file, null);
        this.onChange();
      }
    });
    byId('weight').addEventListener('change', () => this.onChange());
  }

  get text() {
    return [this.input.value.trim(), ...this.chips.map((c) => (c.not ? '-' : '+') + c.body)].filter(Boolean).join(' ');
  }

  set text(value) {
    const { chips, words } = split(value);
    this.chips = chips;
    this.input.value = words;
    this.draw();
  }

  get isEmpty() {
    return !this.text && !this.file && !this.image;
  }

  /** What typed operators say goes into chips. */
  settle() {
    const { chips, words } = split(this.input.value);
    this.chips.push(...chips);
    this.input.value = words;
    this.draw();
  }

  add(body, not = false) {
    if (!this.chips.some((c) => c.body === body)) {
      this.chips.push({ not, body });
    }
    this.draw();
  }

  setPicture(file, image) {
    if (this.preview) {
      URL.revokeObjectURL(this.preview);
      this.preview = null;
    }
    this.file = file;
    this.image = image;
    this.preview = file ? URL.createObjectURL(file) : null;
    byId('picture').hidden = !file && !image;
    byId('picture-preview').src = this.preview ?? (image ? `api/images/${image}/thumbnail` : 'favicon.svg');
    this.draw();
  }

  weights() {
    const words = Number(byId('weight').value) / 100;
    return { text: words * 2, image: (1 - words) * 2 };
  }

  draw() {
    byId('chips').replaceChildren(...this.chips.map((chip, index) => element('span', { className: `chip ${chip.not ? 'not' : 'must'}`, role: 'listitem' },
      element('button', {
        type: 'button', textContent: `${chip.not ? '−' : '+'} ${chip.body}`, title: chip.not ? 'Excluded. Click to require it.' : 'Required. Click to exclude it.',
        onclick: () => {
          chip.not = !chip.not;
          this.draw();
          this.onChange();
        },
      }),
      element('button', {
        type: 'button', textContent: '×', 'aria-label': `Remove ${chip.body}`,
        onclick: () => {
          this.chips.splice(index, 1);
          this.draw();
          this.onChange();
        },
      }))));
    byId('balance').hidden = !((this.file || this.image) && this.text);
    this.input.placeholder = this.file || this.image ? 'add words: at night, in red …' : 'a dog on the beach  -people  +sunset';
  }

  onKey(event) {
    if (event.key === ' ' && /^([+-].+|tag:\S+|"[^"]+")$/.test(this.input.value.slice(0, this.input.selectionStart).split(/\s(?=(?:[^"]*"[^"]*")*[^"]*$)/).pop())) {
      setTimeout(() => this.settle());
    } else if (event.key === 'Backspace' && this.input.value === '' && this.chips.length > 0) {
      this.chips.pop();
      this.draw();
      this.onChange();
    }
  }
}
