"""Training crops: reads folders of pictures once, shrinks them to hide JPEG artefacts, writes uint8 [N, 256, 256, 3] to OUT.npy.

    data.py OUT.npy FOLDER[:CROPS_PER_PICTURE] ... [--size 256] [--parts-mb 60]

With --parts-mb the file is also cut into OUT.part00.npy ... of at most that size (for machines that take small files only); train.py reads either.
"""
import argparse
import glob
import os
import random

import numpy as np
from PIL import Image


def crops(path, count, size, rng):
    im = Image.open(path)
    if im.format not in ('JPEG', 'PNG', 'WEBP') or im.width * im.height > 40e6:
        return
    if im.format == 'JPEG' and min(im.size) > 1600:
        im.draft('RGB', (im.width // 2, im.height // 2))
    im = im.convert('RGB')
    short = min(im.size)
    if short < size + 4:
        return
    for _ in range(count if short > 700 else (count + 1) // 2):
        f = max(rng.uniform(.25, .6) if short > 1500 else rng.uniform(.5, .72), size / short + 1e-6)
        w, h = max(size, round(im.width * f)), max(size, round(im.height * f))
        x, y = rng.randint(0, w - size), rng.randint(0, h - size)
        kind = rng.choice([Image.BOX, Image.LANCZOS, Image.BICUBIC]) if f < .95 else Image.LANCZOS
        # the source region is cut first, so that only the crop is resampled
        yield np.asarray(im.resize((size, size), kind, box=(x / f, y / f, min((x + size) / f, im.width), min((y + size) / f, im.height)), reducing_gap=3.0))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('out')
    ap.add_argument('folders', nargs='+')
    ap.add_argument('--size', type=int, default=256)
    ap.add_argument('--parts-mb', type=int, default=0)
    a = ap.parse_args()
    rng, out = random.Random(1), []
    for spec in a.folders:
        folder, _, count = spec.partition(':')
        files = sorted(f for f in glob.glob(folder + '/**/*', recursive=True) if f.lower().endswith(('.jpg', '.jpeg', '.png', '.webp')))
        rng.shuffle(files)
        before, bad = len(out), 0
        for f in files:
            try:
                out.extend(crops(f, int(count or 1), a.size, rng))
            except OSError:
                bad += 1
        print(folder, len(files), 'files,', len(out) - before, 'crops,', bad, 'unreadable', flush=True)
    pool = np.stack(out)
    # flat crops (mean gradient below one level) teach nothing
    pool = pool[[np.abs(np.diff(c.astype(np.int16), axis=0)).mean() > 1 for c in pool]]
    np.random.default_rng(1).shuffle(pool)
    np.save(a.out, pool)
    if a.parts_mb:
        per = max(1, a.parts_mb * 1_000_000 // pool[0].nbytes)
        for i in range(0, len(pool), per):
            np.save(f'{os.path.splitext(a.out)[0]}.part{i // per:02d}.npy', pool[i:i + per])
    print(pool.shape)


if __name__ == '__main__':
    main()
