"""Writes adapter.onnx (weights in fp16, arithmetic in fp32), classes.json and the adapter's part of the manifest.

    python3 export.py --state run/cool.pt --tables run/tables.pt --views views --classes DIR --out models/lic-adapter/1 [--temperature 1.5]

The student's class posterior is surer than it is right; the one that is mixed into the vector is flattened by a temperature, chosen by label mAP@10 on the held-out views:
the smallest within half a point of the best, as flattening moves the vector away from the teacher's.
--classes: the ImageNet sample's folder, whose file names are wnid_name. Batch norms are folded into the convolutions; the background class is cut off.
"""
import argparse, hashlib, io, json, os, re
import numpy as np, torch
from adapter import Adapter
from convex import Convex
from evaluate import mean_ap
from train import Shards


def fold(conv, norm):
    """conv followed by an evaluated batch norm -> one convolution"""
    k = norm.weight / torch.sqrt(norm.running_var + norm.eps); c = torch.nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, groups=conv.groups)
    c.weight.data = conv.weight.data * k.view(-1, 1, 1, 1); c.bias.data = norm.bias.data - norm.running_mean * k + (conv.bias.data * k if conv.bias is not None else 0)
    return c


def folded(net):
    none = torch.nn.Identity()
    for b in (*net.mid, *net.top):
        b.expand, b.depth, b.project = fold(b.expand, b.n1), fold(b.depth, b.n2), fold(b.project, b.n3); b.n1 = b.n2 = b.n3 = none
    net.down, net.wide = fold(net.down, net.nd), fold(net.wide, net.nw); net.nd = net.nw = none; del net.hint14, net.hint7
    return net


def without_background(net):
    c = torch.nn.Linear(net.classes.in_features, net.classes.out_features - 1); c.weight.data, c.bias.data = net.classes.weight.data[1:], net.classes.bias.data[1:]
    net.classes, net.names = c, net.names[1:]
    return net


def half_weights(model):
    """large fp32 initialisers -> fp16 followed by a Cast, which ONNX Runtime folds when it loads the model"""
    import onnx
    from onnx import numpy_helper as nh
    graph, casts = model.graph, []
    for t in list(graph.initializer):
        v = nh.to_array(t)
        if v.dtype != np.float32 or v.size < 1024: continue
        graph.initializer.remove(t); graph.initializer.append(nh.from_array(v.astype(np.float16), t.name + '_f16'))
        casts.append(onnx.helper.make_node('Cast', [t.name + '_f16'], [t.name], to=onnx.TensorProto.FLOAT))
    for c in reversed(casts): graph.node.insert(0, c)
    return model


@torch.no_grad()
def choose_temperature(net, tab, val):
    """label mAP@10 of the held-out views, each at a rate of its own, over the names of the labels among them"""
    vectors, numbers, found = [], [], {}
    for d in val.list():
        b = val.load(d, slice(0, 128), ('latents', 'meta')); vectors.append(net.resampled(val.decoded(b['latents'], torch.linspace(0, 5, len(b['latents']))))); numbers += tab['label'][b['meta'][:, 0]].tolist()
    numbers = np.array(numbers); kinds = sorted(set(numbers[numbers > 0].tolist())); q = torch.nn.functional.normalize(tab['vectors'][kinds], dim=1).numpy(); relevant = [numbers == k for k in kinds]
    for t in (1., 1.25, 1.5, 1.75, 2.):
        net.temperature = t; found[t] = mean_ap(q @ torch.cat([net.rest(f)[0] for f in vectors]).numpy().T, relevant)['mAP@10']
    print(f'label mAP@10 over {len(kinds)} names by temperature', found); return min(t for t in found if found[t] > max(found.values()) - .5)


def main():
    a = argparse.ArgumentParser()
    for n in ('state', 'tables', 'views', 'classes', 'out'): a.add_argument('--' + n, required=True)
    a.add_argument('--temperature', type=float); a = a.parse_args(); torch.set_num_threads(1); os.makedirs(a.out, exist_ok=True)
    state, tab = torch.load(a.state, map_location='cpu'), torch.load(a.tables)
    convex = state.get('kind') == 'convex'; net = (Convex if convex else Adapter)(tab['std'], tab['names'], **state['cfg']); net.load_state_dict(state['ema']); net.eval()
    val = Shards(a.views, 'val')
    if not convex: net.temperature = a.temperature or choose_temperature(net, tab, val)
    y = torch.randn(3, 192, 9, 13) * tab['std'].view(1, -1, 1, 1)
    with torch.no_grad():
        before = net(y)[0]; net = without_background(net if convex else folded(net)); print('folding changes', (net(y)[0] - before).abs().max().item())
    data = io.BytesIO()
    torch.onnx.export(net, y, data, input_names=['latents'], output_names=['embedding', 'class_logits'], opset_version=17, dynamo=False,
                      dynamic_axes={'latents': {0: 'n', 2: 'h', 3: 'w'}, 'embedding': {0: 'n'}, 'class_logits': {0: 'n'}})
    import onnx, onnxruntime as ort
    path = os.path.join(a.out, 'adapter.onnx'); onnx.save(half_weights(onnx.load_from_string(data.getvalue())), path)
    options = ort.SessionOptions(); options.intra_op_num_threads = 1; options.log_severity_level = 3; session = ort.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    worst = 0.
    for h, w, n in ((1, 1, 1), (2, 3, 2), (9, 13, 3), (14, 14, 2), (16, 24, 2), (48, 32, 1), (48, 48, 1)):
        y = torch.randn(n, 192, h, w) * tab['std'].view(1, -1, 1, 1)
        with torch.no_grad(): p = net(y)
        q = session.run(None, {'latents': y.numpy()}); assert q[0].shape == (n, 256) and q[1].shape == (n, 1000) and np.isfinite(q[0]).all()
        worst = max(worst, np.abs(q[0] - p[0].numpy()).max(), )
    print('onnx against torch, largest difference of a vector component', worst)
    # mean picture vector over held-out views at random rates: for centring
    out = []
    for i, d in enumerate(val.list()):
        b = val.load(d, slice(0, 128), ('latents',))['latents']; out.append(session.run(['embedding'], {'latents': val.decoded(b, torch.linspace(0, 5, len(b))).numpy()})[0])
    mean = np.concatenate(out).mean(0)
    names = dict(re.match(r'(n\d+)_(.*)', os.path.splitext(f)[0]).groups() for f in os.listdir(a.classes))
    classes = [dict(wnid=w, name=names[w].replace('_', ' ')) for w in sorted(names)]; assert len(classes) == 1000
    json.dump(dict(classes=classes), open(os.path.join(a.out, 'classes.json'), 'w'), indent=0)
    manifest(a.out, dict(mean=[round(float(v), 5) for v in mean]))


def manifest(folder, fields):
    """merges fields and the hashes of the adapter's files into manifest.json, leaving everything else alone"""
    path = os.path.join(folder, 'manifest.json')
    m = json.load(open(path)) if os.path.exists(path) else dict(name='lic-adapter', version='1', kind='embedding', files={})
    for role, name in (('adapter', 'adapter.onnx'), ('classes', 'classes.json'), ('tags', 'tags.json')):
        file = os.path.join(folder, name)
        if os.path.exists(file): b = open(file, 'rb').read(); m['files'][role] = dict(path=name, sha256=hashlib.sha256(b).hexdigest(), bytes=len(b))
    m.update(dimensions=256, **fields)
    text = json.dumps(m, indent=2); text = re.sub(r'\[\s+((?:-?[\d.e-]+,?\s+)+)\]', lambda x: '[' + ' '.join(x[1].split()) + ']', text)
    open(path, 'w').write(text + '\n')


if __name__ == '__main__': main()
