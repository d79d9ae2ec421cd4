#!/usr/bin/python3
"""Writes rng.txt: what PyTorch's CPU generator draws. Needs torch 1.13 on x86-64 with AVX2 (Debian:
python3-torch). Run from any directory; the test reads the file, and needs no Python.

The file is a row of words for a reader that takes one after the other. `seed S` starts a generator; then
each line is a draw from where the last one left off: its name, its arguments, how many values, the values.
Numbers of arguments and values are hexadecimal; floats are their bits. A name with `#` has instead of the
values a 64-bit FNV-1a hash of their bytes.
"""
import os
import struct

import numpy
import torch

SEEDS = [0, 1, 42, 1234, 2**32 - 1, 2**32 + 5, 2**64 - 1]
out = []


def f64(x):
    return "%x" % struct.unpack("<Q", struct.pack("<d", x))[0]


def fnv(raw):
    value = 0xCBF29CE484222325
    for byte in raw:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def put(name, args, tensor, hashed=False):
    array = tensor.numpy()
    words = [name + "#" if hashed else name, *args, "%x" % array.size]
    if hashed:
        words.append("%x" % fnv(array.tobytes()))
    else:
        unsigned = {1: numpy.uint8, 4: numpy.uint32, 8: numpy.uint64}[array.itemsize]
        words += ["%x" % int(value) for value in array.view(unsigned)]
    out.append(" ".join(words))


def seed(value):
    torch.manual_seed(value if value < 2**63 else value - 2**64)
    out.append("seed %x" % value)


def ints(count):
    return torch.empty(count, dtype=torch.int64)


def words(count):
    """32-bit words; the all-ones word, which this remainder would make zero, is not among them."""
    put("u32", [], ints(count).random_(0, 2**32 - 1))


def long_words(count):
    put("u64", [], ints(count).random_(-(2**63), None))


def positive(count):
    put("random", [], ints(count).random_())


def randint(low, high, count):
    put("randint", ["%x" % (low % 2**64), "%x" % (high % 2**64)], torch.randint(low, high, (count,)))


def permutation(count, hashed=False):
    put("permutation", [], torch.randperm(count), hashed)


def uniform(dtype, low, high, count, hashed=False):
    name = "uniform32" if dtype == torch.float32 else "uniform64"
    put(name, [f64(low), f64(high)], torch.empty(count, dtype=dtype).uniform_(low, high), hashed)


def normal(dtype, mean, std, count, hashed=False):
    name = "normal32" if dtype == torch.float32 else "normal64"
    put(name, [f64(mean), f64(std)], torch.empty(count, dtype=dtype).normal_(mean, std), hashed)


def bernoulli(p, count):
    """A mask of bytes: 53 bits are below p, as dropout draws it."""
    put("bernoulli", [f64(p)], torch.empty(count, dtype=torch.bool).bernoulli_(p))


def state(hashed=True):
    put("state", [], torch.get_rng_state(), hashed)


def ladder(full):
    """Everything there is, small; `full` has the long rows as well."""
    f, d = torch.float32, torch.float64
    state()
    words(8)
    long_words(4)
    positive(4)
    randint(0, 100, 6)
    randint(-50, 7, 5)
    randint(0, 2**32 - 1, 4)
    randint(0, 2**32, 4)
    randint(-(2**62), 2**62 + 12345, 4)
    state()
    for count in [0, 1, 2, 5, 16, 100]:
        permutation(count)
    permutation(1000, hashed=not full)
    permutation(20000, hashed=True)
    for dtype in [f, d]:
        uniform(dtype, 0, 1, 5)
        uniform(dtype, 0.1, 0.7, 30)  # 0.7f - 0.1f is not (float)0.6
        uniform(dtype, 1, 2, 7)
        uniform(dtype, -1e-3, 3e4, 5)
        uniform(dtype, -0.25819888710975647, 0.25819888710975647, 3000, hashed=True)
    bernoulli(0.3, 40)
    for dtype in [f, d]:
        for count in [0, 1, 3, 15, 16, 17, 31, 32, 100]:  # odd counts below 16 leave a value behind
            normal(dtype, 0, 1, count)
        normal(dtype, 0.5, 0.02, 20)
        normal(dtype, -3, 1.7, 7)
        normal(dtype, 0.1, 1.3, 20005, hashed=True)
    words(3)
    state()


def cached_normals():
    """A value left behind waits behind everything else that is drawn, until a normal draw takes it."""
    f, d = torch.float32, torch.float64
    seed(7)
    normal(f, 0, 1, 1)
    state()
    normal(d, 10, 2, 1)
    state()
    normal(d, 0, 1, 3)
    words(2)
    normal(f, 0, 1, 16)
    permutation(7)
    normal(f, 2, 3, 2)
    uniform(f, 0, 1, 3)
    normal(f, 0, 1, 1)
    normal(f, 0, 1, 1)
    state()
    seed(8)  # seeding forgets it
    normal(f, 0, 1, 4)


def states():
    """Whole states, which the test sets on another generator and goes on from."""
    for before in [0, 1, 623, 624, 625]:
        seed(2**40 + 99)
        torch.empty(before).uniform_()
        out.append("skip %x" % before)
        state(hashed=before not in (0, 625))
        words(3)
    seed(11)
    normal(torch.float64, 0, 1, 3)
    state(hashed=False)
    normal(torch.float64, 0, 1, 3)


for value in SEEDS:
    seed(value)
    ladder(full=value in (0, 1234))
cached_normals()
states()

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rng.txt")
with open(path, "w") as file:
    file.write("\n".join(out) + "\n")
