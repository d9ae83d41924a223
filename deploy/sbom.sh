#!/bin/bash
# Writes the software bill of materials (CycloneDX 1.6) to docs/sbom.json and the list of packages at the end of docs/licences.md, or tells with --check
# whether both are up to date. Its sources are the lock files,
# the versions of the native parts, the manifests of the models and compose.yaml; licences of NuGet packages come from the packages themselves,
# so the solution must have been restored. The same inputs give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
CACHE=${IMAGESEARCH_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/imagesearch}
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
node - "$CACHE" "$new" <<'END'
const { writeFileSync, readFileSync, readdirSync, existsSync } = require('fs');
const { join } = require('path');
const cache = process.argv[2];
const nuget = process.env.NUGET_PACKAGES || join(process.env.HOME || '/root', '.nuget/packages');
const json = (path) => JSON.parse(readFileSync(path, 'utf8'));
const hex = (base64) => Buffer.from(base64, 'base64').toString('hex');
const licences = (expression) => (/ (OR|AND|WITH) /.test(expression) ? [{ expression }] : [{ license: { id: expression } }]);
const components = new Map();
const add = (c) => {
  const known = components.get(c.purl ?? c['bom-ref']);
  // Shipped wins over needed for tests only.
  if (!known || known.scope === 'excluded') components.set(c.purl ?? c['bom-ref'], c);
};

// Packages that state their licence by a file or an address only, read by a person.
const licencesByFile = { 'xunit.abstractions': 'Apache-2.0' };

function locks(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() && !['bin', 'obj'].includes(e.name) ? locks(join(folder, e.name)) : e.name === 'packages.lock.json' ? [join(folder, e.name)] : []);
}

function nugetLicence(name, version) {
  const path = join(nuget, name.toLowerCase(), version, `${name.toLowerCase()}.nuspec`);
  if (!existsSync(path)) throw new Error(`${path} is missing: restore the solution first (dotnet restore)`);
  const spec = readFileSync(path, 'utf8');
  const expression = /<license type="expression">([^<]+)</.exec(spec)?.[1] ?? licencesByFile[name];
  if (!expression) throw new Error(`${name} ${version} states no licence expression; read its licence and add it to licencesByFile`);
  return licences(expression);
}

for (const [folder, scope] of [['shared', 'required'], ['services', 'required'], ['tools', 'required'], ['tests', 'excluded'], ['benchmarks', 'excluded']]) {
  for (const lock of locks(folder)) {
    for (const packages of Object.values(json(lock).dependencies)) {
      for (const [name, p] of Object.entries(packages)) {
        if (p.type === 'Project') continue;
        add({ type: 'library', 'bom-ref': `nuget:${name}@${p.resolved}`, name, version: p.resolved, scope, purl: `pkg:nuget/${name}@${p.resolved}`,
          hashes: [{ alg: 'SHA-512', content: hex(p.contentHash) }], licenses: nugetLicence(name, p.resolved) });
      }
    }
  }
}

const npm = json('package-lock.json').packages;
const native = { '@img/sharp-libvips-linux-x64': 'LGPL-3.0-or-later', 'com.github.asus4.onnxruntime': 'MIT' };
for (const [name, licence] of Object.entries(native)) {
  const p = npm[`node_modules/${name}`];
  add({ type: 'library', 'bom-ref': `npm:${name}@${p.version}`, name, version: p.version, scope: 'required', purl: `pkg:npm/${name.replace('@', '%40')}@${p.version}`,
    hashes: [{ alg: 'SHA-512', content: hex(p.integrity.replace(/^sha512-/, '')) }], licenses: licences(licence) });
}
const onnx = readdirSync(cache).find((f) => f.startsWith('onnxruntime-'));
add({ type: 'library', 'bom-ref': onnx, name: 'onnxruntime', version: onnx.slice(12), scope: 'required', purl: `pkg:github/microsoft/onnxruntime@v${onnx.slice(12)}`, licenses: licences('MIT') });

// What libvips' one library file is linked from; licences as its package states them.
const bundled = { aom: 'BSD-2-Clause', archive: 'BSD-2-Clause', cairo: 'MPL-1.1', cgif: 'MIT', exif: 'LGPL-3.0-or-later', expat: 'MIT', ffi: 'MIT', fontconfig: 'HPND-sell-variant', freetype: 'FTL',
  fribidi: 'LGPL-3.0-or-later', glib: 'LGPL-3.0-or-later', harfbuzz: 'MIT', heif: 'LGPL-3.0-or-later', highway: 'BSD-3-Clause', imagequant: 'BSD-2-Clause', lcms: 'MIT', mozjpeg: 'IJG AND BSD-3-Clause AND Zlib',
  pango: 'LGPL-3.0-or-later', pixman: 'MIT', png: 'libpng-2.0', 'proxy-libintl': 'LGPL-3.0-or-later', rsvg: 'LGPL-3.0-or-later', tiff: 'libtiff', uhdr: 'MIT', vips: 'LGPL-3.0-or-later', webp: 'BSD-3-Clause',
  xml2: 'MIT', 'zlib-ng': 'Zlib' };
for (const [name, version] of Object.entries(json(join(cache, readdirSync(cache).find((f) => f.startsWith('libvips-')), 'versions.json')))) {
  if (!bundled[name]) throw new Error(`libvips' package now holds ${name}; say under which licence`);
  add({ type: 'library', 'bom-ref': `libvips/${name}@${version}`, name, version, scope: 'required', purl: `pkg:generic/${name}@${version}`, licenses: licences(bundled[name]) });
}

for (const name of readdirSync('models')) {
  for (const version of readdirSync(join('models', name))) {
    const path = join('models', name, version, 'manifest.json');
    if (!existsSync(path)) continue;
    const hash = require('crypto').createHash('sha256').update(readFileSync(path)).digest('hex');
    add({ type: 'machine-learning-model', 'bom-ref': `model:${name}/${version}`, name, version, scope: 'required', hashes: [{ alg: 'SHA-256', content: hash }],
      description: `The hash is that of ${path}, which holds the SHA-256 of every file of the model.`, licenses: licences('MIT') });
  }
}

for (const [, image, tag] of readFileSync('compose.yaml', 'utf8').matchAll(/^ +image: ([^:\s]+):(\S+)$/gm)) {
  add({ type: 'container', 'bom-ref': `container:${image}:${tag}`, name: image, version: tag, scope: 'required', purl: `pkg:docker/${image}@${tag}` });
}

const order = [...components.values()].sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1));
writeFileSync(join(process.argv[3], 'sbom.json'), JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1,
  metadata: { component: { type: 'application', 'bom-ref': 'imagesearch', name: 'ImageSearch', version: '0.1.0', licenses: licences('MIT') } },
  components: order }, null, 1) + '\n');

const marker = '<!-- deploy/sbom.sh writes the rest -->\n';
const page = readFileSync('docs/licences.md', 'utf8');
if (!page.includes(marker)) throw new Error('docs/licences.md lacks the line ' + marker);
const rows = order.filter((c) => c.type !== 'container').map((c) =>
  `| \`${c.name}\` | ${c.version} | ${c.licenses.map((l) => l.expression ?? l.license.id).join(', ')} | ${c.scope === 'excluded' ? 'tests and benchmarks' : 'shipped'} |`);
writeFileSync(join(process.argv[3], 'licences.md'), page.slice(0, page.indexOf(marker)) + marker + ['| part | version | licence | |', '|---|---|---|---|', ...rows].join('\n') + '\n');
END
for file in sbom.json licences.md; do
  if [ "${1:-}" = --check ]; then
    cmp -s "$new/$file" "docs/$file" || { echo "docs/$file is out of date: run deploy/sbom.sh" >&2; exit 1; }
  else
    cat "$new/$file" >"docs/$file"
  fi
done
