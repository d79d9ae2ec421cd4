#!/usr/bin/python3
# Writes loader.txt: the batches that torch's DataLoader makes of the indices of a dataset, and the word that
# its generator gives next, which shows that not one draw more or less was made.
#
#   case SEED LENGTH BATCH_SIZE SHUFFLE DROP_LAST GENERATOR BREAK_AFTER
#   one line for each epoch: the batches, separated by |
#   next WORD OF_THE_DEFAULT_GENERATOR WORD OF_ITS_OWN
#
# BREAK_AFTER: batches after which an epoch is left early; 0: never.
import torch
from torch.utils.data import DataLoader


def case(out, seed, length, batch_size, shuffle, drop_last, own, break_after, epochs=3):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed + 1) if own else None
    loader = DataLoader(range(length), batch_size, shuffle=shuffle, drop_last=drop_last, generator=generator)
    print('case', seed, length, batch_size, int(shuffle), int(drop_last), int(own), break_after, file=out)
    for _ in range(epochs):
        batches = []
        for batch in loader:
            batches.append(' '.join(str(int(i)) for i in batch))
            if len(batches) == break_after:
                break
        print('|'.join(batches), file=out)
    word = int(torch.randint(0, 2 ** 31, (1,)))
    own_word = int(torch.randint(0, 2 ** 31, (1,), generator=generator)) if own else 0
    print('next', word, own_word, file=out)


with open(__file__.rsplit('/', 1)[0] + '/loader.txt', 'w') as out:
    for seed in (0, 42, 4294967295):
        for length, batch_size in ((1, 1), (5, 2), (10, 4), (12, 4), (65, 32), (130, 64), (7, 100)):
            for shuffle in (False, True):
                for drop_last in (False, True):
                    for own in (False, True):
                        case(out, seed, length, batch_size, shuffle, drop_last, own, 0)
    for shuffle in (False, True):
        for own in (False, True):
            case(out, 7, 33, 8, shuffle, False, own, 2)
    case(out, 3, 0, 4, False, False, False, 0)
    case(out, 11, 1000, 32, True, False, False, 0, epochs=2)
