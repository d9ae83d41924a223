"""Vectors of pictures from elsewhere, which the query service compares a query with to tell a match from mere resemblance (docs/search.md).

    python3 background.py --model models/lic-adapter/1 --views views [--count 1024]

Takes the held-out views, compressed at a middle quality, and writes MODEL/background.f32: raw little-endian float32 [count, 256], with its manifest entry.
"""
import argparse, hashlib, json, os
import numpy as np, onnxruntime as ort, torch
from train import Shards

a = argparse.ArgumentParser(); a.add_argument('--model', required=True); a.add_argument('--views', required=True); a.add_argument('--count', type=int, default=1024); a = a.parse_args()
shards = Shards(a.views, 'val'); options = ort.SessionOptions(); options.intra_op_num_threads = 1; options.log_severity_level = 3
net = ort.InferenceSession(os.path.join(a.model, 'adapter.onnx'), options, providers=['CPUExecutionProvider'])
vectors = []
for d in shards.list():
    y = shards.load(d, slice(None), ('latents',))['latents']
    vectors.append(net.run(['embedding'], {'latents': shards.decoded(y, torch.full((len(y),), 2.2)).numpy()})[0])
v = np.concatenate(vectors); v = v[np.random.default_rng(0).permutation(len(v))[:a.count]].astype('<f4')
path = os.path.join(a.model, 'background.f32'); v.tofile(path); data = open(path, 'rb').read()
manifest = json.load(open(os.path.join(a.model, 'manifest.json')))
manifest['files']['background'] = dict(path='background.f32', sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
json.dump(manifest, open(os.path.join(a.model, 'manifest.json'), 'w'), indent=2); open(os.path.join(a.model, 'manifest.json'), 'a').write('\n')
print(len(v), 'vectors, mean cosine to each other', float((v @ v.T).mean()))
