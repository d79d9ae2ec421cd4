/* The values of all epochs, in memory. */
#include "trainer.h"

#include "base/alloc.h"

static mr__series *find(const mr__history *history, const char *name)
{
    for (size_t i = 0; i < history->count; i++)
        if (strcmp(history->series[i].name, name) == 0)
            return &history->series[i];
    return NULL;
}

/* A larger block for one element more, if there is no room; NULL when memory is out. */
static void *with_room(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    const size_t wanted = *room ? 2 * *room : 16;
    void *larger = mr__grow(list, count * size, mr__mul_size(wanted, size));
    if (larger)
        *room = wanted;
    return larger;
}

static mr__series *add_series(mr__history *history, const char *name)
{
    mr__series *list = with_room(history->series, history->count, &history->room, sizeof *list);
    if (!list)
        return NULL;
    history->series = list;
    list[history->count] = (mr__series){ .name = mr__strdup(name) };
    return list[history->count].name ? &list[history->count++] : NULL;
}

mr_status mr__history_add(mr__history *history, const char *name, mr_point point)
{
    mr__series *series = find(history, name);
    if (!series && !(series = add_series(history, name)))
        return MR_ERR_MEMORY;
    mr_point *list = with_room(series->point, series->count, &series->room, sizeof *list);
    if (!list)
        return MR_ERR_MEMORY;
    series->point = list;
    list[series->count++] = point;
    return MR_OK;
}

void mr__history_free(mr__history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        mr__free(history->series[i].name);
        mr__free(history->series[i].point);
    }
    mr__free(history->series);
    *history = (mr__history){ NULL, 0, 0 };
}

const mr_point *mr_trainer_history(const mr_trainer *trainer, const char *name, size_t *count)
{
    const mr__series *series = trainer && name ? find(&trainer->history, name) : NULL;
    if (count)
        *count = series ? series->count : 0;
    return series ? series->point : NULL;
}
