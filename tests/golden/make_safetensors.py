#!/usr/bin/python3
"""Writes three safetensors files byte by byte, with nothing but the format's description.

by_hand.safetensors    every element type, a scalar, an empty tensor, eight dimensions, names that need escapes, metadata;
                       the header as another writer might: in another order than the data, with spaces, with a key that
                       the format does not know, padded with spaces
canonical.safetensors  the same contents as the format's own library writes them
linear.safetensors     the state_dict of a torch.nn.Linear(3, 2)

Byte j of the k-th tensor is (7 j + 31 k + 1) mod 256, and j mod 2 for BOOL.
"""
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))

# The format's order of types, from narrow to wide, with the bytes of one element.
TYPES = [('BOOL', 1), ('U8', 1), ('I8', 1), ('I16', 2), ('U16', 2), ('F16', 2), ('BF16', 2), ('I32', 4), ('F32', 4),
         ('F64', 8), ('I64', 8)]
SIZE = dict(TYPES)

TENSORS = [(dtype.lower(), dtype, [2, 3]) for dtype, _ in TYPES] + [
    ('scalar', 'F32', []),
    ('empty', 'F64', [3, 0, 2]),
    ('eight dimensions', 'U8', [1, 2, 1, 1, 3, 1, 1, 2]),
    ('größe.重み', 'F32', [1]),
    ('quote " backslash \\ slash / newline \n tab \t', 'I16', [2]),
    ('\U0001f600', 'F32', [2]),
    ('', 'I64', [1]),
]
METADATA = {'format': 'pt', 'größe': 'zwölf \U0001f600', 'a "quoted" key': 'line 1\nline 2', 'empty': ''}


def contents(k):
    _, dtype, shape = TENSORS[k]
    count = SIZE[dtype]
    for size in shape:
        count *= size
    if dtype == 'BOOL':
        return bytes(j % 2 for j in range(count))
    return bytes((7 * j + 31 * k + 1) % 256 for j in range(count))


def write(name, header, data):
    with open(os.path.join(HERE, name), 'wb') as out:
        out.write(struct.pack('<Q', len(header)) + header + data)


def padded(header):
    header = header.encode()
    return header + b' ' * (-len(header) % 8)


def layout(order):
    """Entries of the header for tensors whose data lie in this order, and the data."""
    entries, data = {}, b''
    for k in order:
        name, dtype, shape = TENSORS[k]
        bytes_ = contents(k)
        entries[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [len(data), len(data) + len(bytes_)]}
        data += bytes_
    return entries, data


def by_hand():
    entries, data = layout(range(len(TENSORS)))
    header = {name: entries[name] for name in reversed(list(entries))}
    header['f32']['comment'] = {'a key that is not the format\'s': [1, 2.5, None, True]}
    header['__metadata__'] = METADATA
    text = json.dumps(header, indent=1).replace('/', '\\/')  # ASCII, with escapes and surrogate pairs
    write('by_hand.safetensors', text.encode() + b' ' * 1001, data)


def canonical():
    rank = {dtype: i for i, (dtype, _) in enumerate(TYPES)}
    order = sorted(range(len(TENSORS)), key=lambda k: (-rank[TENSORS[k][1]], TENSORS[k][0].encode()))
    entries, data = layout(order)
    header = {'__metadata__': {key: METADATA[key] for key in sorted(METADATA, key=str.encode)}}
    header.update(entries)
    write('canonical.safetensors', padded(json.dumps(header, separators=(',', ':'), ensure_ascii=False)), data)


def linear():
    header = {'__metadata__': {'format': 'pt'},
              'bias': {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]},
              'weight': {'dtype': 'F32', 'shape': [2, 3], 'data_offsets': [8, 32]}}
    data = struct.pack('<2f', 0.5, -1) + struct.pack('<6f', 1, 2, 3, -4, 5.25, 1e-3)
    write('linear.safetensors', padded(json.dumps(header, separators=(',', ':'))), data)


by_hand()
canonical()
linear()
