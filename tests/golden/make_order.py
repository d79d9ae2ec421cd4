#!/usr/bin/python3
# Writes order.txt: for runs of the program `order`, what torch's DataLoader gives.
#
#   run FLAGS
#   the output, of a run that is short
#   or:
#   sum FLAGS
#   the MD5 sum of the output
#
#   make_order.py                      writes the file
#   make_order.py ORDER COUNT [SEED]   compares COUNT random runs of the program ORDER with torch, here and now
import hashlib
import random
import subprocess
import sys

import torch
from torch.utils.data import DataLoader


class Range(torch.utils.data.Dataset):
    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return index


def order(seed, length, batch_size, epochs, no_shuffle=False, drop_last=False, generator=False, workers=0):
    torch.manual_seed(seed)
    own = torch.Generator().manual_seed(seed) if generator else None
    loader = DataLoader(Range(length), batch_size, shuffle=not no_shuffle, drop_last=drop_last, generator=own,
                        num_workers=workers, collate_fn=lambda indices: ' '.join(map(str, indices)))
    lines = []
    for epoch in range(epochs):
        lines.append('epoch %d' % epoch)
        lines.extend(loader)
    return ''.join(line + '\n' for line in lines)


def flags(seed, length, batch_size, epochs, no_shuffle=False, drop_last=False, generator=False, workers=0):
    text = '--seed %d --length %d --batch-size %d --epochs %d' % (seed, length, batch_size, epochs)
    for name, on in ('no-shuffle', no_shuffle), ('drop-last', drop_last), ('generator', generator):
        text += ' --' + name if on else ''
    return text + (' --workers %d' % workers if workers else '')


def write(out, *case, **options):
    text = order(*case, **options)
    if len(text) < 400:
        out.write('run ' + flags(*case, **options) + '\n' + text)
    else:
        out.write('sum ' + flags(*case, **options) + '\n' + hashlib.md5(text.encode()).hexdigest() + '\n')


def write_all(out):
    seeds = 0, 1, 42, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 42, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1
    switches = [dict(no_shuffle=n, drop_last=d, generator=g)
                for n in (False, True) for d in (False, True) for g in (False, True)]
    for i, seed in enumerate(seeds):
        for length, batch_size in ((1, 1), (2, 3), (10, 4), (100, 10), (1000, 33)):
            write(out, seed, length, batch_size, 3)
            write(out, seed, length, batch_size, 3, generator=True)
        write(out, seed, 65 + i, 8, 2, **switches[i % 8])
    for options in switches:
        for length, batch_size in ((1, 2), (7, 7), (8, 3), (624, 100), (625, 1), (1249, 625)):
            write(out, 12345, length, batch_size, 2, **options)
    for length in (257, 4095, 4096, 65535, 65536, 65537, 131073, 300000):
        write(out, 7 * length, length, 64, 2)
        write(out, 7 * length, length, 1000, 3, generator=True, drop_last=True)
    write(out, 5, 0, 4, 2, no_shuffle=True)
    write(out, 5, 10, 4, 0)
    for workers in (1, 2, 7):
        write(out, 99, 1000, 32, 3, workers=workers)
        write(out, 99, 1000, 32, 3, workers=workers, generator=True)


def compare(program, count):
    for _ in range(count):
        length = random.choice((random.randint(1, 40), random.randint(1, 3000), random.randint(1, 200000)))
        batch_size = random.choice((1, random.randint(1, 40), random.randint(1, length), length + 1))
        case = (random.choice((random.getrandbits(64), random.getrandbits(32), random.randint(0, 100))), length,
                max(batch_size, length // 5000), random.randint(1, 4))
        options = dict(no_shuffle=random.random() < 0.2, drop_last=random.random() < 0.5,
                       generator=random.random() < 0.5)
        run = subprocess.run([program] + flags(*case, **options).split(), capture_output=True, text=True)
        if run.returncode or run.stderr or run.stdout != order(*case, **options):
            sys.exit('different: ' + flags(*case, **options) + run.stderr)
    print(count, 'runs are equal')


if len(sys.argv) > 1:
    random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    compare(sys.argv[1], int(sys.argv[2]))
else:
    with open(__file__.rsplit('/', 1)[0] + '/order.txt', 'w') as out:
        write_all(out)
