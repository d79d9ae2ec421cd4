#!/usr/bin/python3
# Writes samplers.txt: what torch's samplers give in several epochs, and the words that its generators give next, which
# shows that not one draw more or less was made.
#
#   case KIND SEED OWN LENGTH COUNT FLAG BATCH
#   one line for each epoch: the indices, or batches of a DataLoader separated by |
#   next WORD OF_THE_DEFAULT_GENERATOR WORD OF_ITS_OWN
#
# KIND, and what COUNT and FLAG mean to it:
#   random      num_samples (0: None), replacement
#   subset      the indices are 10 * i + 3 for i below LENGTH
#   weighted    num_samples, replacement; the weights are (i * 7 % 11) / 3 for i below LENGTH
#   distributed replicas and ranks: a line for each rank, and epochs 0 to 2; FLAG 1 is drop_last, 2 no shuffle, 3 both
# BATCH is not 0: by DataLoader(range(1000), BATCH, sampler=…), which draws from the generators as well.
import torch
from torch.utils.data import (BatchSampler, DataLoader, DistributedSampler, RandomSampler, SequentialSampler,
                              SubsetRandomSampler, WeightedRandomSampler)


def write_epoch(out, sampler, batch):
    if batch:
        batches = DataLoader(range(1000), batch, sampler=sampler)
        print('|'.join(' '.join(str(int(i)) for i in b) for b in batches), file=out)
    else:
        print(' '.join(str(int(i)) for i in sampler), file=out)


def case(out, kind, seed, own, length, count=0, flag=0, batch=0):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed + 1) if own else None
    if kind == 'random':
        sampler = RandomSampler(range(length), bool(flag), count or None, generator)
    elif kind == 'subset':
        sampler = SubsetRandomSampler([10 * i + 3 for i in range(length)], generator)
    elif kind == 'weighted':
        sampler = WeightedRandomSampler([(i * 7 % 11) / 3 for i in range(length)], count, bool(flag), generator)
    print('case', kind, seed, int(own), length, count, flag, batch, file=out)
    for epoch in range(3):
        if kind == 'distributed':
            for rank in range(count):
                sampler = DistributedSampler(range(length), count, rank, flag < 2, seed, flag % 2 == 1)
                sampler.set_epoch(epoch)
                write_epoch(out, sampler, 0)
        else:
            write_epoch(out, sampler, batch)
    word = int(torch.randint(0, 2 ** 31, (1,)))
    own_word = int(torch.randint(0, 2 ** 31, (1,), generator=generator)) if own else 0
    print('next', word, own_word, file=out)


with open(__file__.rsplit('/', 1)[0] + '/samplers.txt', 'w') as out:
    for seed in (0, 42, 4294967295):
        for own in (False, True):
            for length, count in ((1, 0), (1, 3), (5, 0), (5, 12), (5, 10), (31, 40), (33, 0), (64, 64), (100, 7)):
                for replacement in (0, 1):
                    case(out, 'random', seed, own, length, count, replacement)
            for length in (0, 1, 2, 33):
                case(out, 'subset', seed, own, length)
            for length, count in ((2, 1), (3, 2), (12, 1), (12, 10), (12, 7), (200, 50)):
                for replacement in (0, 1):
                    if replacement or count <= sum(i * 7 % 11 > 0 for i in range(length)):
                        case(out, 'weighted', seed, own, length, count, replacement)
            for batch in (4, 10):
                case(out, 'random', seed, own, 30, 0, 0, batch)
                case(out, 'random', seed, own, 30, 65, 1, batch)
                case(out, 'subset', seed, own, 20, batch=batch)
                case(out, 'weighted', seed, own, 20, 15, 0, batch)
                case(out, 'weighted', seed, own, 20, 40, 1, batch)
    for length in (1, 2, 10, 29, 100):
        for replicas in (1, 2, 3, 7, 8):
            for flag in range(4):
                case(out, 'distributed', 5 + length, False, length, replicas, flag)
