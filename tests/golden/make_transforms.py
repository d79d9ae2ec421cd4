#!/usr/bin/env python3
"""torchvision's transforms of pictures/*: transforms.txt.

A line is `FILE SEEDS HASH STEP; STEP; ...`: the steps are carried out once for each seed from 0 on, after torch.manual_seed(seed). HASH is
FNV-1a of 64 bits of all results, one behind the other: bytes [H, W, C], or what ToTensor and PILToTensor give, and behind each the next
word of the generator modulo 2^31, so that the number of draws counts.
"""
import os
import numpy as np
import torch
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode as I

here = os.path.dirname(os.path.abspath(__file__))
CASES = """
wide_420.jpg 1 resize 20 30 0 bilinear
wide_420.jpg 1 resize 200 300 0 bilinear
wide_422.jpg 1 resize 41 0 0 bilinear
wide_444.jpg 1 resize 75 140 0 bilinear
wide_444.jpg 1 resize 75 30 0 bilinear
wide_444.jpg 1 resize 30 140 0 bilinear
wide_progressive.jpg 1 resize 40 0 66 bilinear
column.jpg 1 resize 3 0 0 bilinear
row.jpg 1 resize 3 4 0 bilinear
wide_420.jpg 1 resize 31 47 0 bicubic
wide_420.jpg 1 resize 131 247 0 bicubic
wide_420.jpg 1 resize 37 53 0 nearest
wide_420.jpg 1 resize 137 253 0 nearest
wide_420.jpg 1 resize 60 0 0 bilinear; center_crop 50 50
wide_420.jpg 1 resize 60 70 0 bilinear; resize 31 0 0 bilinear; center_crop 17 20
wide_420.jpg 1 resize 60 70 0 nearest; center_crop 21 20
kind2_8bit.png 1 resize 30 0 0 bicubic; center_crop 17 20
kind3_8bit_interlaced.png 1 center_crop 11 8
wide_422.jpg 1 center_crop 41 53
wide_422.jpg 1 center_crop 90 201
wide_422.jpg 1 center_crop 91 100
wide_422.jpg 1 center_crop 70 150
wide_420.jpg 9 random_crop 32 40 0 0 0 0 constant 0 0
wide_420.jpg 3 random_crop 83 171 0 0 0 0 constant 0 0
kind2_8bit.png 9 random_crop 19 21 4 4 4 4 constant 0 0
kind2_8bit.png 9 random_crop 20 17 3 1 0 2 constant 0 90
kind2_8bit.png 9 random_crop 24 30 5 6 7 8 reflect 0 0
kind2_8bit.png 9 random_crop 70 70 30 41 50 60 reflect 0 0
kind2_8bit.png 9 random_crop 70 70 30 41 50 60 symmetric 0 0
kind2_8bit.png 9 random_crop 30 30 5 6 7 8 edge 0 0
pixel.png 2 random_crop 5 4 2 2 2 2 reflect 0 0
kind2_8bit.png 9 random_crop 30 40 0 0 0 0 constant 1 17
kind2_8bit.png 9 random_crop 15 40 1 1 1 1 reflect 1 0
kind2_8bit.png 9 random_crop 40 15 0 0 0 0 edge 1 0
wide_420.jpg 40 random_resized_crop 24 28 0.08 1 0.75 1.3333333333333333 bilinear
wide_422.jpg 40 random_resized_crop 48 48 0.08 1 0.75 1.3333333333333333 bilinear
wide_444.jpg 20 random_resized_crop 33 21 0.5 1 0.75 1.3333333333333333 bicubic
wide_progressive.jpg 20 random_resized_crop 33 21 0.01 0.1 0.1 10 nearest
cmyk.jpg 20 random_resized_crop 24 24 0.3 1 0.75 1.3333333333333333 bilinear
kind6_8bit_interlaced.png 20 random_resized_crop 10 10 0.3 1 0.75 1.3333333333333333 bilinear
wide_420.jpg 5 random_resized_crop 24 24 0.9 1 0.3 0.4 bilinear
wide_420.jpg 5 random_resized_crop 24 24 0.9 1 3 4 bilinear
wide_420.jpg 5 random_resized_crop 24 24 4 5 1 3 bilinear
wide_420.jpg 8 random_resized_crop 24 24 0.08 1 0.75 1.3333333333333333 bilinear; flip_across 0.5; to_tensor; normalize
wide_420.jpg 8 flip_across 0.5; random_resized_crop 24 24 0.08 1 0.75 1.3333333333333333 bilinear; flip_down 0.5; to_tensor
wide_420.jpg 8 flip_across 0.5; flip_down 0.3; random_crop 30 31 0 0 0 0 constant 0 0; flip_across 0.5; to_planes
wide_420.jpg 8 flip_across 1; random_crop 60 90 0 0 0 0 constant 0 0; resize 40 0 0 bilinear; center_crop 40 30
wide_422.jpg 8 resize 40 50 0 bilinear; flip_down 0.5; flip_across 0.5; random_crop 20 20 0 0 0 0 constant 0 0; grayscale 3; to_planes
rgb_444.jpg 12 resize 20 20 0 bilinear; color_jitter 0.4 0.4 0.4 0.1
rgb_444.jpg 12 resize 20 20 0 bilinear; flip_across 0.5; color_jitter 0 0 0 0.5; to_planes
rgb_444.jpg 6 center_crop 30 20; color_jitter 1.5 0 2 0
rgb_444.jpg 6 random_crop 30 20 0 0 0 0 constant 0 0; color_jitter 0 2 0 0
rgb_444.jpg 2 center_crop 30 20; color_jitter 0 0 0 0
rgb_444.jpg 6 center_crop 30 20; grayscale 1; color_jitter 0.5 0.5 0.5 0.5; random_resized_crop 10 10 0.3 1 0.75 1.3333333333333333 bilinear; to_tensor
rgb_444.jpg 2 grayscale 1; center_crop 50 20; grayscale 3; flip_across 0.5
grey.jpg 2 grayscale 3; resize 15 20 0 bilinear; grayscale 1; to_planes
wide_444.jpg 1 resize 20 20 0 bilinear; to_tensor; normalize; normalize
"""


def step(text):
    name, *a = text.split()
    f = [float(x) if x[0] in '0123456789' else x for x in a]
    i = [int(x) if x.isdigit() else x for x in a]
    if name == 'resize':
        return T.Resize((i[0], i[1]) if i[1] else i[0], I(i[3]), i[2] or None)
    if name == 'center_crop':
        return T.CenterCrop((i[0], i[1]))
    if name == 'random_crop':
        fill = (i[8], i[8] // 2, i[8] * 2)
        return T.RandomCrop((i[0], i[1]), tuple(i[2:6]) if any(i[2:6]) else None, bool(i[7]), fill, i[6])
    if name == 'random_resized_crop':
        return T.RandomResizedCrop((i[0], i[1]), (f[2], f[3]), (f[4], f[5]), I(a[6]))
    if name == 'color_jitter':
        return T.ColorJitter(*f)
    if name == 'normalize':
        return T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return {'flip_across': T.RandomHorizontalFlip, 'flip_down': T.RandomVerticalFlip, 'grayscale': lambda n: T.Grayscale(int(n)),
            'to_tensor': T.ToTensor, 'to_planes': T.PILToTensor}[name](*f)


def fnv(h, data):
    for byte in data:
        h = ((h ^ byte) * 1099511628211) % 2**64
    return h


with open(os.path.join(here, 'transforms.txt'), 'w') as out:
    for line in CASES.strip().split('\n'):
        name, seeds, spec = line.split(' ', 2)
        image = Image.open(os.path.join(here, 'pictures', name)).convert('RGB')
        steps = T.Compose([step(s) for s in spec.split(';')])
        h = 14695981039346656037
        for seed in range(int(seeds)):
            torch.manual_seed(seed)
            result = steps(image)
            h = fnv(h, np.asarray(result).tobytes())
            h = fnv(h, torch.empty(1, dtype=torch.int32).random_().numpy().tobytes())
        out.write('%s %s %016x %s\n' % (name, seeds, h, spec))
