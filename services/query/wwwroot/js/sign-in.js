// Asks for an API key and hands it to the service, which keeps it in a cookie that no script can read.
import { byId } from './dom.js';

let asking = null;

/** True once the service has taken a key; false if the user does not give one. Callers that ask at the same time share one dialog. */
export function signIn() {
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}

async function ask() {
  const dialog = byId('sign-in');
  const input = dialog.querySelector('input');
  const fault = byId('sign-in-fault');
  fault.textContent = '';
  // Not a submit button: Enter in the field would press the first of those.
  dialog.querySelector('.cancel').onclick = () => dialog.close('no');
  for (;;) {
    dialog.returnValue = 'no';
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
    const key = input.value.trim();
    input.value = '';
    if (dialog.returnValue !== 'yes') {
      return false;
    }
    const response = await fetch('api/session', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ key }) });
    if (response.ok) {
      return true;
    }
    fault.textContent = response.status === 429 ? 'Too many attempts; wait a moment.' : 'The key is unknown, revoked, or may not search.';
  }
}
