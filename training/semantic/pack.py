"""Packs views into parts of at most 60 MB that can be carried to another machine, and unpacks them there.

    python3 pack.py pack --views views --out parts [--limit 40]      parts/00000.tar ... (and 00000.tar holds codec.npz, hints.npz)
    python3 pack.py unpack --out views --parts parts

A part is an uncompressed tar of whole shards: a shard is about 12 MB, most of it fp16 latents that do not compress. Unpacking twice does no harm.
"""
import argparse, os, tarfile

PART = 60 * 10**6


def size(path): return sum(os.path.getsize(os.path.join(path, f)) + 1024 for f in os.listdir(path)) if os.path.isdir(path) else os.path.getsize(path) + 1024


def main():
    a = argparse.ArgumentParser(); a.add_argument('do', choices=('pack', 'unpack')); a.add_argument('--views'); a.add_argument('--parts'); a.add_argument('--out', required=True)
    a.add_argument('--limit', type=int, default=10**6, help='parts to write'); a = a.parse_args(); os.makedirs(a.out, exist_ok=True)
    if a.do == 'unpack':
        for p in sorted(os.listdir(a.parts)):
            with tarfile.open(os.path.join(a.parts, p)) as t: t.extractall(a.out, filter='data')
        return
    entries = sorted((e for e in os.listdir(a.views) if not e.endswith('.tmp')), key=lambda e: (not e.endswith('.npz'), not e.startswith('val'), e.split('-')[::-1]))
    part, used, tar = 0, 0, None
    for e in entries:
        n = size(os.path.join(a.views, e))
        if tar is None or used + n + 20480 > PART:
            if tar: tar.close()
            if part >= a.limit: tar = None; break
            tar, used, part = tarfile.open(os.path.join(a.out, f'{part:05d}.tar'), 'w'), 0, part + 1
        tar.add(os.path.join(a.views, e), e); used += n
    if tar: tar.close()
    print(part, 'parts')


if __name__ == '__main__': main()
