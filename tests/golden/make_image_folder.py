#!/usr/bin/env python3
"""torchvision's ImageFolder in a DataLoader: image_folder.txt.

`put PATH PICTURE` says which of pictures/* lie where; `class NAME` and `sample LABEL PATH` what ImageFolder makes of that. `batches SEED ROWS
HASH NEXT` is two epochs of a shuffled DataLoader without workers after torch.manual_seed(SEED): FNV-1a of 64 bits of the labels, as
int64, and the pixels of all batches of that many rows, and the next word of the generator modulo 2^31. `alone SEED EPOCH INDEX HASH` is
one sample after torch.manual_seed of the number that Millrace gives it.
"""
import os, shutil, tempfile
import numpy as np
import torch
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

here = os.path.dirname(os.path.abspath(__file__))
TREE = [
    ('zebra/1.jpg', 'wide_420.jpg'), ('zebra/10.jpg', 'wide_422.jpg'), ('zebra/2.jpeg', 'wide_444.jpg'),
    ('Cat/a/b.PNG', 'kind6_8bit.png'), ('Cat/a-b/c.jpg', 'wide_progressive.jpg'), ('Cat/a.jpg', 'cmyk.jpg'), ('Cat/a/aa.Jpg', 'grey.jpg'),
    ('Cat/a/deep/er/x.png', 'kind3_8bit.png'), ('\u00e4hre/\u00fc 1.png', 'kind2_16bit.png'), ('\u00e4hre/\u65e5.jpg', 'turned_6.jpg'),
    ('.hidden/x.jpg', 'rgb_420.jpg'),
]
OTHERS = ['zebra/notes.txt', 'Cat/a/jpg', 'top.jpg']


def fnv(h, data):
    for byte in data:
        h = ((h ^ byte) * 1099511628211) % 2**64
    return h


M, GOLDEN = 2**64 - 1, 0x9e3779b97f4a7c15


def mix(x):
    x = ((x ^ x >> 30) * 0xbf58476d1ce4e5b9) & M
    x = ((x ^ x >> 27) * 0x94d049bb133111eb) & M
    return x ^ x >> 31


def mix_in(key, word):
    return mix(mix((key + GOLDEN) & M) ^ ((word + GOLDEN) & M))


def seed_of(seed, epoch, index):
    """mr_random_u64 of mr_random_at(seed, epoch, index)"""
    key = mix_in(mix_in(mix(seed), epoch), index)
    step = mix((key + GOLDEN) & M) | 1
    if bin(step ^ step >> 1).count('1') < 24:
        step ^= 0xaaaaaaaaaaaaaaaa
    return mix((key + step) & M)


steps = T.Compose([T.RandomResizedCrop(24), T.RandomHorizontalFlip(), T.ColorJitter(0.3, 0, 0.3, 0), T.ToTensor(),
                   T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
folder = tempfile.mkdtemp()
with open(os.path.join(here, 'image_folder.txt'), 'w') as out:
    for path, picture in TREE:
        os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        shutil.copy(os.path.join(here, 'pictures', picture), os.path.join(folder, path))
        out.write('put %s\t%s\n' % (path, picture))
    for path in OTHERS:
        open(os.path.join(folder, path), 'w').close()
        out.write('put %s\t\n' % path)
    data = ImageFolder(folder, steps)
    for name in data.classes:
        out.write('class %s\n' % name)
    for path, label in data.samples:
        out.write('sample %d %s\n' % (label, os.path.relpath(path, folder)))
    for seed, rows in ((1, 4), (77, 3)):
        torch.manual_seed(seed)
        h = 14695981039346656037
        loader = torch.utils.data.DataLoader(data, rows, shuffle=True)
        for epoch in range(2):
            for x, y in loader:
                h = fnv(fnv(h, y.numpy().tobytes()), x.numpy().tobytes())
        out.write('batches %d %d %016x %d\n' % (seed, rows, h, torch.empty(1, dtype=torch.int32).random_()))
    for seed, epoch, index in ((0, 0, 0), (5, 0, 3), (5, 2, 3), (2**63 + 9, 1, 10)):
        torch.manual_seed(seed_of(seed, epoch, index))
        out.write('alone %d %d %d %016x\n' % (seed, epoch, index, fnv(14695981039346656037, data[index][0].numpy().tobytes())))
shutil.rmtree(folder)
