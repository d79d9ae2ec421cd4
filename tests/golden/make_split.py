#!/usr/bin/python3
# Writes split.txt: what torch's random_split makes, twice with one generator.
#
#   case SEED SAMPLES FRACTIONS : the lengths, or fractions where FRACTIONS is 1
#   a line for each part, of both times
#   next WORD OF_THE_GENERATOR
import warnings

import torch
from torch.utils.data import random_split

warnings.simplefilter('ignore')


def case(out, seed, samples, lengths):
    generator = torch.Generator().manual_seed(seed)
    fractions = isinstance(lengths[0], float)
    print('case', seed, samples, int(fractions), ':', ' '.join(map(repr, lengths)), file=out)
    for _ in range(2):
        for part in random_split(range(samples), lengths, generator):
            print(' '.join(str(part[i]) for i in range(len(part))), file=out)
    print('next', int(torch.randint(0, 2 ** 31, (1,), generator=generator)), file=out)


with open(__file__.rsplit('/', 1)[0] + '/split.txt', 'w') as out:
    for seed in (0, 42, 2 ** 32 - 1):
        for samples, lengths in ((10, [7, 3]), (1, [1]), (5, [0, 5, 0]), (33, [11, 11, 11]), (100, [99, 1]), (2, [1, 1])):
            case(out, seed, samples, lengths)
        for samples in (0, 1, 2, 10, 29, 101):
            for fractions in ([.5, .25, .25], [.33, .33, .34], [.1] * 10, [1.0], [.0, 1.0], [.7, .3], [.999, .001]):
                case(out, seed, samples, fractions)
