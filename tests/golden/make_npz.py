#!/usr/bin/env python3
"""Arrays in .npz files, and what numpy reads from them: npz/*.npz, npz/expected.txt.

expected.txt has for each array a line `array FILE NAME TYPE DIMENSIONS`, then its elements as hexadecimal doubles in one line. What begins
with `bad_` numpy does not read, or is no array for Millrace.
"""
import io, os, struct, warnings, zipfile, zlib
import numpy as np

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'npz')
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(4)
warnings.simplefilter('ignore')  # of names that are there twice
x = rng.normal(size=(5, 3)).astype('<f4')
y = np.arange(5, dtype='<i8') * 3 - 4
files = {}


def saved(save, *a, **k):
    out = io.BytesIO()
    save(out, *a, **k)
    return out.getvalue()


def npy(a, **k):
    return saved(np.lib.format.write_array, a, **k)


def zipped(members, method=zipfile.ZIP_STORED, comment=b'', force=False):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', method) as z:
        z.comment = comment
        for name, data in members.items() if isinstance(members, dict) else members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = method
            with z.open(info, 'w', force_zip64=force) as f:
                f.write(data)
    return out.getvalue()


def with_large_numbers(data, member):
    """The same with ZIP64's records, though nothing is so large."""
    end = data.rfind(b'PK\5\6')
    entries, size, begin = struct.unpack('<HII', data[end + 10:end + 20])
    listed = bytearray(data[begin:end])
    packed, full = struct.unpack('<II', listed[20:28])
    name, = struct.unpack('<H', listed[28:30])
    at, = struct.unpack('<I', listed[42:46])
    extra = struct.pack('<HHB', 0x7777, 1, 9) + struct.pack('<HHQQQ', 1, 24, full, packed, at)
    listed[20:28] = b'\xff' * 8
    listed[30:32] = struct.pack('<H', len(extra))
    listed[42:46] = b'\xff' * 4
    listed[46 + name:46 + name] = extra
    where = begin + len(listed)
    end64 = b'PK\6\6' + struct.pack('<QHHIIQQQQ', 44, 45, 45, 0, 0, 1, 1, len(listed), begin)
    return (data[:begin] + bytes(listed) + end64 + b'PK\6\7' + struct.pack('<IQI', 0, where, 1) +
            b'PK\5\6' + struct.pack('<HHHHIIH', 0, 0, 0xffff, 0xffff, 0xffffffff, 0xffffffff, 0))


files['savez.npz'] = saved(np.savez, x=x, y=y)
files['savez_compressed.npz'] = saved(np.savez_compressed, x=np.repeat(x, 12, 1), y=y, names_are_ignored=np.zeros((5, 0), '<f8'))
files['positional.npz'] = saved(np.savez, x, y)
files['one.npz'] = saved(np.savez, only=x.astype('>f8'))
files['utf8.npz'] = saved(np.savez, **{'gr\u00f6\u00dfe': x, '\u65e5': y})
files['empty.npz'] = saved(np.savez_compressed, none=np.zeros((0, 4), '<f4'))
files['comment.npz'] = zipped({'x.npy': npy(x), 'y': npy(y)}, comment=b'words')
files['large_numbers.npz'] = with_large_numbers(zipped({'x.npy': npy(x)}, zipfile.ZIP_DEFLATED), 'x.npy')
files['forced.npz'] = zipped({'x.npy': npy(x)}, force=True)
files['twice.npz'] = zipped([('x.npy', npy(y)), ('y', npy(y)), ('y.npy', npy(x)), ('x.npy', npy(x))])
files['others.npz'] = zipped([('d/', b''), ('d/readme.txt', b'words'), ('x.npy', npy(x)), ('y', npy(y)), ('z', b'')],
                             zipfile.ZIP_DEFLATED) + b'behind the end'
files['one_of_others.npz'] = zipped([('d/', b''), ('only.npy', npy(x)), ('readme.txt', b'\x93NUM')]) + b'PK'
fooled = zipped({'x.npy': npy(x)}, comment=b'PK\5\6' + bytes(40))  # zipfile takes the comment for the end
bad = {
    'fooled.npz': fooled,
    'bad_uneven.npz': saved(np.savez, x=x, z=np.zeros(4)),
    'bad_object.npz': saved(np.savez, o=np.array([{}, 1], object)),
    'bad_packing.npz': zipped({'x.npy': npy(x)}, zipfile.ZIP_BZIP2),
    'bad_nothing.npz': zipped({}),
    'bad_text.npz': zipped({'readme.txt': b'words', 'x.npy': npy(x)}),
}
types = {'f4': 'float32', 'f8': 'float64', 'i8': 'int64'}
for name, data in {**files, **bad}.items():
    with open(os.path.join(folder, name), 'wb') as f:
        f.write(data)
with open(os.path.join(folder, 'expected.txt'), 'w') as out:
    def expect(name, key, a):
        out.write('array %s %s %s %s\n' % (name, key, types[a.dtype.str[1:]], ','.join(map(str, a.shape))))
        out.write(' '.join(float(v).hex() for v in a.reshape(-1)) + '\n')
    for name in files:
        with np.load(os.path.join(folder, name)) as z:
            for key in dict.fromkeys(z.files):
                if isinstance(z[key], np.ndarray):
                    expect(name, key, z[key])
    expect('fooled.npz', 'x', x)
