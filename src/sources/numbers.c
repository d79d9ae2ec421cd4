#include "numbers.h"

mr_status mr__numbers_add(mr__numbers *numbers, int64_t number)
{
    if (numbers->count == numbers->room) {
        int64_t room = numbers->room ? numbers->room * 2 : 1024;
        int64_t *at = mr_grow(numbers->at, (size_t)numbers->count * sizeof *at, (size_t)room * sizeof *at);
        if (!at)
            return mr_error_status();
        numbers->at = at;
        numbers->room = room;
    }
    numbers->at[numbers->count++] = number;
    return MR_OK;
}
