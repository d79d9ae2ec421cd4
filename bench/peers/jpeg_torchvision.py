"""torchvision reads a folder of photographs: RandomResizedCrop(224), flip, ToTensor, Normalize, batches of 64.

jpeg_torchvision.py make FOLDER COUNT     writes COUNT photographs of 500 x 375 in four classes
jpeg_torchvision.py time FOLDER WORKERS   microseconds for an image, over an epoch after one that is not counted
jpeg_torchvision.py check FOLDER FILE     compares the samples in FILE (an int64 label, then the float32 pixels, of each) with
                                          torchvision's after torch.manual_seed of the seed in front of them (uint64): prints how many
                                          there are, how many labels differ, and the mean and the largest difference in steps of 1/255
"""
import os
import sys
import time

import numpy as np


def photograph(rng):
    """Noise as strong at each scale as in photographs (1/f), and shapes with edges in front of it."""
    height, width = 375, 500
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    fall = 1 / np.maximum(np.hypot(fy, fx), 1 / 500) ** 1.1
    layers = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) * fall, (height, width)) for _ in range(3)]
    layers = [a / a.std() for a in layers]
    a = np.stack([layers[0] + 0.3 * layers[1], layers[0], layers[0] + 0.3 * layers[2]], -1) * 45 + rng.uniform(80, 170, 3)
    y, x = np.mgrid[0:height, 0:width]
    for _ in range(6):
        cy, cx, ry, rx = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(15, 110), rng.uniform(15, 110)
        inside = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
        a[inside] = 0.5 * a[inside] + 0.5 * rng.uniform(0, 255, 3)
    return np.clip(a, 0, 255).astype('u1')


def make(folder, count):
    from PIL import Image
    rng = np.random.default_rng(1)
    for i in range(count):
        place = os.path.join(folder, 'class%d' % (i % 4))
        os.makedirs(place, exist_ok=True)
        Image.fromarray(photograph(rng)).save(os.path.join(place, '%05d.jpg' % i), quality=85)


def images(folder):
    from torchvision import datasets, transforms
    steps = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
             transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    return datasets.ImageFolder(folder, transforms.Compose(steps))


def timed(folder, workers):
    import torch
    data = images(folder)
    if not workers:
        torch.set_num_threads(1)
    loader = torch.utils.data.DataLoader(data, 64, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    for epoch in range(2):
        begin = time.perf_counter()
        for x, y in loader:
            pass
    print('%.2f' % ((time.perf_counter() - begin) * 1e6 / len(data)))


def check(folder, path):
    import torch
    data = images(folder)
    row = np.dtype([('index', '<i8'), ('seed', '<u8'), ('label', '<i8'), ('pixels', '<f4', (3, 224, 224))])
    rows = np.fromfile(path, row)
    std = np.array([0.229, 0.224, 0.225], 'f4')[:, None, None]
    wrong, total, most = 0, 0.0, 0.0
    for r in rows:
        torch.manual_seed(int(r['seed']))
        x, y = data[int(r['index'])]
        off = np.abs(x.numpy() - r['pixels']) * std * 255
        wrong += y != r['label']
        total += off.mean(dtype=np.float64)
        most = max(most, float(off.max()))
    print('%d %d %.6g %.6g' % (len(rows), wrong, total / max(len(rows), 1), most))


if sys.argv[1] == 'make':
    make(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == 'time':
    timed(sys.argv[2], int(sys.argv[3]))
else:
    check(sys.argv[2], sys.argv[3])
