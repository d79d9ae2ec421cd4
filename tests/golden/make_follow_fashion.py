"""Writes follow_fashion.txt, as golden_follow.py describes it, of models on the first IMAGES training images of Fashion-MNIST
(Debian's dataset-fashion-mnist), pixels divided by 255. The source is their pixels, then their classes.
"""
import gzip

import torch
from torch import nn

from golden import Golden
from golden_follow import mlp, source, train

IMAGES = 6400
f32 = torch.float32


def content(name, header, count):
    with gzip.open(f'/usr/share/datasets/fashion-mnist/train-{name}-ubyte.gz') as file:
        return file.read(header + count)[header:]


pixels, labels = content('images-idx3', 16, IMAGES * 784), content('labels-idx1', 8, IMAGES)
images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(IMAGES, 1, 28, 28).float() / 255
classes = torch.frombuffer(bytearray(labels), dtype=torch.uint8).long()


def cnn(first, second, *more):
    """more: how the second convolution's planes of 7 x 7 go on to how many values."""
    *pool, values = more
    return nn.Sequential(nn.Conv2d(1, first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(first, second, 3, padding=1),
                         nn.ReLU(), nn.MaxPool2d(2), *pool, nn.Flatten(), nn.Linear(values, 10))


MODELS = {  # model, batch, steps, restarts
    'mlp': (lambda: nn.Sequential(nn.Flatten(), *mlp(784, 128, 10)), 64, 100, ()),
    'cnn': (lambda: cnn(8, 16, 784), 64, 5, ()),
    'small_cnn': (lambda: cnn(8, 8, nn.MaxPool2d(2), 72), 64, 102, (10, 50, 100)),
}
g = Golden(__file__)
source(g, pixels + labels)
for name, (make, batch, steps, restarts) in MODELS.items():
    train(g, name, f32, make, lambda: (images, classes), batch, steps, restarts)
g.write()
