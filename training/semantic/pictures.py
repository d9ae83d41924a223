"""Lists the training pictures with their weights, label phrases and split.

    python3 pictures.py --root SRC --imagenet DIR --exclude caltech101-mini --out index.json

SRC holds one folder per source as named in SOURCES (see README.md for where each comes from). Pictures whose bytes
occur below --exclude (the evaluation sets) are dropped, and so are duplicates.
"""
import argparse, collections, csv, hashlib, json, os, re
from PIL import Image

# source -> share of the views drawn from it; everyday photographs help most per picture, so they are drawn most often
SOURCES = dict(imagenet=.24, geo=.10, bsds=.08, coco=.06, jetson=.03, caltech=.19, nette=.13, catdog=.07, clothing=.05, grocery=.05)
NETTE = {'n01440764': 'tench fish', 'n02102040': 'english springer dog', 'n02979186': 'cassette player', 'n03000684': 'chain saw',
         'n03028079': 'church building', 'n03394916': 'french horn', 'n03417042': 'garbage truck', 'n03425413': 'gas pump',
         'n03445777': 'golf ball', 'n03888257': 'parachute'}
CALTECH = {'faces': 'face', 'faces easy': 'face', 'car side': 'car', 'background google': None, 'crocodile head': 'crocodile',
           'flamingo head': 'flamingo', 'water lilly': 'water lily', 'motorbikes': 'motorbike', 'airplanes': 'airplane', 'leopards': 'leopard'}
CLOTHING = {'longsleeve': 'long sleeve shirt', 'outwear': 'jacket', 'undershirt': 'undershirt tank top', 'top': 'sleeveless top',
            'body': 'baby bodysuit', 'polo': 'polo shirt', 'hoodie': 'hoodie sweatshirt'}


def phrase(text):
    return re.sub(r'[_\-]+', ' ', text).lower().strip()


def label(source, path, clothing):
    """Phrase that names what the picture shows, or None."""
    parts = path.split('/')
    if source == 'imagenet':
        return phrase(re.sub(r'^n\d+_', '', os.path.splitext(parts[-1])[0]))
    if source == 'caltech':
        name = phrase(parts[-2])
        return CALTECH.get(name, name)
    if source == 'nette':
        return next((NETTE[p] for p in parts if p in NETTE), None)
    if source == 'catdog':
        return next((n for n in ('cat', 'dog') if any(p.lower().startswith(n) for p in parts[-2:])), None)
    if source == 'clothing':
        return clothing.get(os.path.splitext(parts[-1])[0])
    if source == 'grocery':
        kind = phrase(parts[-2])
        family = next((f for f in ('Fruit', 'Vegetables', 'Packages') if f in parts), None)
        middle = phrase(parts[parts.index(family) + 1]) if family else kind
        return kind if middle in kind else f'{kind} {middle}'
    return None


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--root', required=True); a.add_argument('--imagenet', required=True)
    a.add_argument('--exclude', nargs='*', default=[]); a.add_argument('--out', required=True)
    a = a.parse_args()
    digest = lambda p: hashlib.sha1(open(p, 'rb').read()).hexdigest()
    walk = lambda d: sorted(os.path.join(p, f) for p, _, fs in os.walk(d) for f in fs if f.lower().endswith(('.jpg', '.jpeg', '.png')))
    seen = {digest(p) for d in a.exclude for p in walk(d)}
    print('excluded', len(seen))
    clothing = {}
    table = os.path.join(a.root, 'clothing', 'images.csv')
    if os.path.exists(table):
        for row in csv.DictReader(open(table)):
            name = row['label'].lower()
            if name not in ('not sure', 'other', 'skip'): clothing[row['image']] = CLOTHING.get(name, name)
    rows, count = [], collections.Counter()
    for source in SOURCES:
        for path in walk(a.imagenet if source == 'imagenet' else os.path.join(a.root, source)):
            key = digest(path)
            if key in seen: continue
            seen.add(key)
            try:
                with Image.open(path) as im: size, mode = im.size, im.mode
            except Exception: continue
            if min(size) < 96 or mode not in ('RGB', 'YCbCr') or max(size) / min(size) > 3: continue
            if source == 'caltech' and max(size) <= 256: continue
            if source == 'jetson' and (path.endswith('.png') or 'groundtruth' in path): continue   # diagrams and overlays
            if source == 'grocery' and 'iconic' in path: continue
            rows.append(dict(path=path, source=source, label=label(source, path, clothing), split='val' if int(key[:4], 16) % 33 == 0 else 'train'))
            count[source] += 1
    json.dump(rows, open(a.out, 'w'))
    print(len(rows), dict(count), 'labelled', sum(r['label'] is not None for r in rows))


if __name__ == '__main__': main()
