// Elements without markup in strings: whatever a caption or a file name holds stays text.

export const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'data') {
      Object.assign(node.dataset, value);
    } else if (key.startsWith('aria-') || key === 'role' || key === 'for') {
      node.setAttribute(key, value);
    } else if (value !== undefined) {
      node[key] = value;
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const units = ['B', 'KB', 'MB', 'GB', 'TB'];

export function bytes(count) {
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${unit === 0 || count >= 100 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

export const percent = (share) => `${Math.round(share * 100)} %`;
export const number = (value) => value.toLocaleString('en');
export const fileName = (key) => key.slice(key.lastIndexOf('/') + 1);
