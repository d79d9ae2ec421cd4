#!/usr/bin/env python3
"""Trains the models of accuracy.c in torch and prints the accuracy on the test images after each epoch, in percent.

    accuracy_torch.py mlp|cnn EPOCHS SEED DIRECTORY
"""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def idx(path, header):
    with open(path, 'rb') as file:
        return torch.frombuffer(bytearray(file.read()[header:]), dtype=torch.uint8)


def loader(directory, part, shuffle):
    x = idx(f'{directory}/{part}-images', 16).reshape(-1, 784).float() / 255
    y = idx(f'{directory}/{part}-labels', 8).long()
    return DataLoader(TensorDataset(x, y), 128, shuffle=shuffle)


def mlp():
    return nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))


def cnn():
    return nn.Sequential(nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.25),
                         nn.Linear(32 * 49, 10))


def main():
    name, epochs, seed, directory = sys.argv[1:]
    torch.set_num_threads(2)
    torch.manual_seed(int(seed))
    training, testing = loader(directory, 'train', True), loader(directory, 't10k', False)
    model = {'mlp': mlp, 'cnn': cnn}[name]()
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(int(epochs)):
        model.train()
        for x, y in training:
            adam.zero_grad()
            F.cross_entropy(model(x), y).backward()
            adam.step()
        model.eval()
        with torch.no_grad():
            right = sum(int((model(x).argmax(1) == y).sum()) for x, y in testing)
        print(f'{right / 100:.2f}', flush=True)


if __name__ == '__main__':
    main()
