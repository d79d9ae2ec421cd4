#include "entered.h"

/* Where a folder is, or would be. */
static mr__entered_folder *place_of(const mr__entered *e, dev_t device, ino_t number)
{
    const uint64_t hash = ((uint64_t)number ^ (uint64_t)device << 40) * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(hash >> 20) & (e->room - 1);
    while (e->at[i].there && (e->at[i].device != device || e->at[i].number != number))
        i = (i + 1) & (e->room - 1);
    return &e->at[i];
}

static mr_status grow(mr__entered *e)
{
    mr__entered larger = { .count = e->count, .room = e->room ? e->room * 2 : 64 };
    larger.at = mr_calloc(larger.room, sizeof *larger.at);
    if (!larger.at)
        return mr_error_status();
    for (size_t i = 0; i < e->room; i++)
        if (e->at[i].there)
            *place_of(&larger, e->at[i].device, e->at[i].number) = e->at[i];
    mr_free(e->at);
    *e = larger;
    return MR_OK;
}

mr_status mr__entered_add(mr__entered *e, dev_t device, ino_t number, bool *again)
{
    if (e->count * 2 >= e->room && grow(e) < 0)
        return mr_error_status();
    mr__entered_folder *folder = place_of(e, device, number);
    *again = folder->there;
    e->count += !folder->there;
    *folder = (mr__entered_folder){ device, number, true };
    return MR_OK;
}
