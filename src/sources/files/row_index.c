#include "row_index.h"

mr_status mr__row_index_add(mr__row_index *index, uint64_t place)
{
    if (index->rows++ % index->step)
        return MR_OK;
    if (index->places == index->room) {
        const int64_t room = index->room ? index->room * 2 : 1024;
        uint64_t *places =
            mr_grow(index->place, (size_t)index->places * sizeof *places, (size_t)room * sizeof *places);
        if (!places)
            return mr_error_status();
        index->place = places;
        index->room = room;
    }
    index->place[index->places++] = place;
    return MR_OK;
}
