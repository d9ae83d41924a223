"""What lower precision of the two transforms would gain and cost: the exported graphs in fp32, fp16 and int8 (static, per channel, calibrated), time and PSNR.

    precision.py MODEL_FOLDER CALIBRATION_PICTURES TEST_PICTURES [--rounds 15]

The graphs carry the rate bias of rate point 3, so everything is at that rate; latents are rounded relative to zero. One thread. int8 runs with the
quantise and dequantise nodes that ONNX Runtime fuses into integer convolutions where it can. Needs onnxruntime.quantization.
"""
import argparse
import glob
import os
import tempfile
import time

import numpy as np
import onnx
import onnx.reference  # before onnxruntime: both register the same schemas in one library on Debian
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

M, NR, RATE = 192, 6, 3
KINDS = ('fp32', 'fp16', 'int8', 'int8 inside')


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def run(s, x):
    return s.run(None, {s.get_inputs()[0].name: x})[0]


def half(path, out):
    """Weights and activations in fp16 between casts at the ends."""
    model = onnx.load(path)
    graph = model.graph
    for t in graph.initializer:
        if t.data_type == onnx.TensorProto.FLOAT:
            t.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(t).astype(np.float16), t.name))
    for node in graph.node:
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR and a.t.data_type == onnx.TensorProto.FLOAT:
                a.t.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(a.t).astype(np.float16), a.t.name))
    first, last = graph.input[0].name, graph.output[0].name
    for node in graph.node:
        node.input[:] = [first + '_16' if n == first else n for n in node.input]
        node.output[:] = [last + '_16' if n == last else n for n in node.output]
    graph.node.insert(0, onnx.helper.make_node('Cast', [first], [first + '_16'], to=onnx.TensorProto.FLOAT16))
    graph.node.append(onnx.helper.make_node('Cast', [last + '_16'], [last], to=onnx.TensorProto.FLOAT))
    del graph.value_info[:]
    onnx.save(model, out)


class Reader(CalibrationDataReader):
    def __init__(self, name, arrays):
        self.rows = iter([{name: a} for a in arrays])

    def get_next(self):
        return next(self.rows, None)


def int8(path, out, arrays, inner):
    """inner: only the 1x1 convolutions inside the residual blocks, whose error the skip connection keeps small; most of the time goes there."""
    prepared = out + '.prepared'
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    graph = onnx.load(prepared).graph
    side = {t.name: t.dims for t in graph.initializer}
    convolutions = [n for n in graph.node if n.op_type == 'Conv']
    outer = [n.name for i, n in enumerate(convolutions) if list(side[n.input[1]][2:]) != [1, 1] or i in (0, len(convolutions) - 1)]
    quantize_static(prepared, out, Reader(session(path).get_inputs()[0].name, arrays), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax, op_types_to_quantize=['Conv'], nodes_to_exclude=outer if inner else [])


def pictures(folder, count):
    out = []
    for f in sorted(glob.glob(os.path.join(folder, '*')))[:count]:
        x = np.asarray(Image.open(f).convert('RGB'), np.float32).transpose(2, 0, 1)[None]
        out.append(np.ascontiguousarray(x[:, :, :x.shape[2] // 64 * 64, :x.shape[3] // 64 * 64]))
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('model')
    ap.add_argument('calibration')
    ap.add_argument('test')
    ap.add_argument('--rounds', type=int, default=15)
    a = ap.parse_args()
    rates = np.fromfile(os.path.join(a.model, 'rates.bin'), '<f4')[:2 * NR * M].reshape(2, NR, M)
    encode, decode = (np.exp(v[RATE])[None, :, None, None] for v in rates)
    with tempfile.TemporaryDirectory() as folder:
        paths = {(g, 'fp32'): os.path.join(a.model, g + '.onnx') for g in ('g_a', 'g_s')}
        base = {g: session(paths[g, 'fp32']) for g in ('g_a', 'g_s')}
        crops = [x[:, :, :256, :256] for x in pictures(a.calibration, 24)]
        latents = [np.round(run(base['g_a'], x) * encode) * decode for x in crops]
        for g, arrays in (('g_a', crops), ('g_s', latents)):
            for kind in KINDS[1:]:
                paths[g, kind] = os.path.join(folder, f'{g}_{kind.replace(" ", "_")}.onnx')
            half(paths[g, 'fp32'], paths[g, 'fp16'])
            int8(paths[g, 'fp32'], paths[g, 'int8'], arrays, inner=False)
            int8(paths[g, 'fp32'], paths[g, 'int8 inside'], arrays, inner=True)
        sessions = {k: session(p) for k, p in paths.items()}
        tests = pictures(a.test, 6)
        y = {kind: [run(sessions['g_a', kind], x) for x in tests] for kind in KINDS}

        def psnr(ga, gs):
            errors = [np.mean((np.clip(np.round(run(sessions['g_s', gs], np.round(v * encode) * decode)), 0, 255) - x) ** 2) for v, x in zip(y[ga], tests)]
            return np.mean([10 * np.log10(255 ** 2 / e) for e in errors])
        plain = psnr('fp32', 'fp32')
        print(f'PSNR of fp32 {plain:.2f} dB over {len(tests)} pictures')
        symbols = {k: np.mean([np.mean(np.log2(1 + np.abs(np.round(v * encode)))) for v in vs]) for k, vs in y.items()}
        for kind in KINDS[1:]:
            changed = np.mean([np.mean(np.round(v * encode) != np.round(w * encode)) for v, w in zip(y['fp32'], y[kind])])
            print(f'{kind}: g_a {psnr(kind, "fp32") - plain:+.3f} dB, {changed * 100:.2f} % of the symbols change, mean log2(1 + |symbol|) {symbols[kind] / symbols["fp32"] - 1:+.3%}; g_s {psnr("fp32", kind) - plain:+.3f} dB')
        x = tests[0]
        inputs = {'g_a': x, 'g_s': np.round(y['fp32'][0] * encode) * decode}
        times = {k: [] for k in sessions}
        for _ in range(a.rounds):                         # in turns, so that a busy machine slows all of them
            for k, s in sessions.items():
                start = time.perf_counter()
                run(s, inputs[k[0]])
                times[k].append(time.perf_counter() - start)
        for g in ('g_a', 'g_s'):
            best = {kind: np.median(times[g, kind]) * 1e3 for kind in KINDS}
            print(g, f'{x.shape[3]} x {x.shape[2]}:', ', '.join(f'{k} {v:.1f} ms ({v / best["fp32"]:.2f})' for k, v in best.items()))


if __name__ == '__main__':
    main()
