#include "done.h"

#include "base/alloc.h"

#include <string.h>

void mr__done_clear(mr__done *done)
{
    done->below = done->taken = done->count = 0;
}

void mr__done_free(mr__done *done)
{
    mr__free(done->early);
    *done = (mr__done){ 0 };
}

bool mr__done_has(const mr__done *done, int64_t number)
{
    if (number < done->below)
        return true;
    for (int64_t i = 0; i < done->count; i++)
        if (done->early[i].number == number)
            return true;
    return false;
}

mr_status mr__done_reserve(mr__done *done, int64_t room)
{
    const size_t bytes = sizeof *done->early;
    if (room <= done->room)
        return MR_OK;
    mr__early *early = mr__grow(done->early, (size_t)done->room * bytes, (size_t)room * bytes);
    if (!early)
        return MR_ERR_MEMORY;
    done->early = early;
    done->room = room;
    return MR_OK;
}

static mr_status add_early(mr__done *done, int64_t number, int64_t taken)
{
    if (done->count == done->room && mr__done_reserve(done, done->room ? 2 * done->room : 16))
        return MR_ERR_MEMORY;
    int64_t at = done->count++;
    for (; at > 0 && done->early[at - 1].number > number; at--)
        done->early[at] = done->early[at - 1];
    done->early[at] = (mr__early){ number, taken };
    return MR_OK;
}

mr_status mr__done_add(mr__done *done, int64_t number, int64_t taken)
{
    int64_t next = 0;
    if (number != done->below)
        return add_early(done, number, taken);
    done->below++;
    done->taken = taken;
    for (; next < done->count && done->early[next].number == done->below; next++) {
        done->below++;
        done->taken = done->early[next].taken;
    }
    if (next) {
        done->count -= next;
        memmove(done->early, done->early + next, (size_t)done->count * sizeof *done->early);
    }
    return MR_OK;
}

void mr__done_write(const mr__done *done, mr__strbuf *to)
{
    mr__write_i64(to, done->below);
    mr__write_i64(to, done->taken);
    mr__write_i64(to, done->count);
    for (int64_t i = 0; i < done->count; i++) {
        mr__write_i64(to, done->early[i].number);
        mr__write_i64(to, done->early[i].taken);
    }
}

void mr__done_read(mr__done *done, mr__reader *from)
{
    done->below = mr__read_count(from);
    done->taken = mr__read_count(from);
    int64_t count = mr__read_count(from), number = done->below, taken = done->taken;
    while (done->count < count && !from->failed) {
        int64_t next = mr__read_count(from), after = mr__read_count(from);
        if (from->failed || next <= number || after <= taken)
            from->failed = true;
        else if (add_early(done, next, after))
            return;
        number = next;
        taken = after;
    }
}
