#!/usr/bin/env python3
"""Arrays in files, and what numpy reads from them: arrays/*.npy, arrays/*.idx, arrays/expected.txt.

expected.txt has for each file a line `file NAME TYPE DIMENSIONS`, then its elements as hexadecimal doubles in one line.
"""
import gzip, os, struct
import numpy as np

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'arrays')
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(3)
types = {'f2': 'float16', 'f4': 'float32', 'f8': 'float64', 'i1': 'int8', 'i2': 'int16', 'i4': 'int32', 'i8': 'int64', 'u1': 'uint8',
         'u2': 'uint16', 'u4': 'int64', 'u8': 'int64', 'b1': 'bool'}
files = {}
for code in types:
    for order in '<>' if code[1] != '1' else '|':
        a = rng.integers(0, 2, (3, 2)) if code == 'b1' else rng.integers(0 if code[0] == 'u' else -100, 100, (3, 2)) * (1.25 if code[0] == 'f' else 1)
        files[f'{code}_{"big" if order == ">" else "little"}.npy'] = a.astype(order + code)
files['scalars.npy'] = np.arange(5, dtype='<i8')
files['cube.npy'] = np.arange(24, dtype='<f4').reshape(2, 3, 4)
files['empty.npy'] = np.zeros((0, 3), '<f4')
files['column.npy'] = np.asfortranarray(np.arange(4, dtype='<f4').reshape(4, 1))
files['u32.npy'] = np.array([0, 2**32 - 1], '>u4')
idx = {0x08: 'u1', 0x09: 'i1', 0x0B: '>i2', 0x0C: '>i4', 0x0D: '>f4', 0x0E: '>f8'}
with open(os.path.join(folder, 'expected.txt'), 'w') as out:
    def expect(name, a):
        code = a.dtype.str[1:]
        out.write('file %s %s %s\n' % (name, types[code], ','.join(map(str, a.shape))))
        out.write(' '.join(float(v).hex() for v in a.reshape(-1)) + '\n')
    for name, a in files.items():
        path = os.path.join(folder, name)
        with open(path, 'wb') as f:
            np.lib.format.write_array(f, a, version=(2, 0) if name == 'cube.npy' else None)
        expect(name, np.load(path))
    for code, dtype in idx.items():
        a = rng.integers(0, 100, (3, 2, 2)).astype(dtype)
        data = struct.pack('>BBBB3I', 0, 0, code, 3, *a.shape) + a.tobytes()
        name = 'type_%02x.idx' % code
        if code == 0x0C:
            name += '.gz'
            data = gzip.compress(data, mtime=0)
        with open(os.path.join(folder, name), 'wb') as f:
            f.write(data)
        expect(name, a)
np.save(os.path.join(folder, 'fortran.npy'), np.asfortranarray(np.arange(6.0).reshape(2, 3)))
np.save(os.path.join(folder, 'complex.npy'), np.zeros(2, 'c8'))
np.save(os.path.join(folder, 'records.npy'), np.zeros(2, [('a', '<f4')]))
np.save(os.path.join(folder, 'too_large.npy'), np.array([1, 2**63], '<u8'))
