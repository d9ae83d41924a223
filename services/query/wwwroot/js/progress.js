// Live indexing progress and the bytes that compression saves.
import * as api from './api.js';
import { byId, bytes, number, percent } from './dom.js';

const busy = 1500;
const idle = 8000;

export function watchProgress(onGrowth) {
  let searchable = null;
  async function look() {
    let wait = idle;
    try {
      const { pictures, bytes: stored } = await api.status();
      const waiting = pictures.images - pictures.searchable;
      byId('progress').hidden = waiting <= 0;
      byId('progress-bar').value = pictures.images ? pictures.searchable / pictures.images : 0;
      byId('progress-text').textContent = `Indexing: ${number(pictures.searchable)} of ${number(pictures.images)} pictures searchable`;
      const saved = stored.originals > 0 ? 1 - stored.bitstreams / stored.originals : 0;
      byId('saved').textContent = pictures.images === 0 ? 'No pictures yet'
        : `${number(pictures.searchable)} pictures · ${bytes(stored.bitstreams)} instead of ${bytes(stored.originals)}${saved > 0 ? ` (${percent(saved)} saved)` : ''}`
          + (pictures.rejected ? ` · ${number(pictures.rejected)} files refused` : '');
      if (searchable !== null && pictures.searchable > searchable) {
        onGrowth();
      }
      searchable = pictures.searchable;
      wait = waiting > 0 ? busy : idle;
    } catch (error) {
      byId('saved').textContent = error.message;
    }
    setTimeout(look, document.hidden ? 4 * wait : wait);
  }
  look();
}
