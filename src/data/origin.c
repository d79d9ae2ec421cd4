/* Where samples come from: what a message says of one that is refused behind its source. */
#include "inner.h"

#include <stdio.h>
#include <string.h>

/* Of a message. Of a text that is longer the end is shown: it says more than the beginning of a path. */
enum { SHOWN = 320 };

/* ---- asking ---- */

static int known(int length, char *text, size_t room)
{
    if (length > 0)
        return length;
    if (room)
        *text = '\0';
    return 0;
}

int mr__origin_of(const mr_dataset *dataset, int64_t index, int field, char *text, size_t room)
{
    const mr_dataset_vtable *v = dataset->map;
    return known(v->origin ? v->origin(dataset->self, index, field, text, room) : 0, text, room);
}

int mr__origin_of_last(const mr__inner_cursor *cursor, int field, char *text, size_t room)
{
    const bool asked = cursor->at && cursor->vtable.origin;
    return known(asked ? cursor->vtable.origin(cursor->at, field, text, room) : 0, text, room);
}

int mr__ask_origin(const mr_dataset *dataset, const mr__inner_cursor *cursor, int64_t index, int field,
                   char *text, size_t room)
{
    mr__failure before = { 0 };
    const bool failed_before = mr__pending();
    if (failed_before) {
        mr__failure_take(&before);
        mr_error_clear();
    }
    const int length = cursor ? mr__origin_of_last(cursor, field, text, room)
                              : mr__origin_of(dataset, index, field, text, room);
    if (!failed_before)
        return mr__pending() ? -1 : length;
    mr_error_clear();
    mr__failure_raise(&before);
    return length;
}

int mr_dataset_origin(mr_dataset *dataset, int64_t index, int field, char *text, size_t room)
{
    static const char call[] = "dataset_origin";
    if (!dataset) {
        mr__null(call, "dataset");
        return -1;
    }
    if (!dataset->map) {
        mr__raise(MR_ERR_ARGUMENT, "%s: a stream has no samples by index; use mr_cursor_origin", call);
        return -1;
    }
    const int64_t len = mr_dataset_len(dataset);
    if (index < 0 || index >= len || field < -1 || field >= dataset->field_count) {
        mr__raise(MR_ERR_ARGUMENT, "%s: sample %lld of %lld, field %d of %d", call, (long long)index,
                  (long long)len, field, dataset->field_count);
        return -1;
    }
    return mr__ask_origin(dataset, NULL, index, field, text, room);
}

/* ---- telling ---- */

/* The last bytes of a text, from the beginning of a character on. */
static const char *end_of(const char *text)
{
    const size_t length = strlen(text);
    text += length > SHOWN ? length - SHOWN : 0;
    while (length > SHOWN && ((unsigned char)*text & 0xc0) == 0x80)
        text++;
    return text;
}

mr_status mr__refused(mr_status status, const mr_dataset *inner, const mr__inner_cursor *cursor,
                      int64_t index, int field)
{
    char text[MR__ORIGIN_ROOM], name[80] = "";
    status = mr__with_text(status);
    const int length = mr__ask_origin(inner, cursor, index, field, text, sizeof text);
    if (field >= 0)
        snprintf(name, sizeof name, "%sfield '%.60s'", length ? ", " : "", inner->fields[field].name);
    const char *shown = end_of(text);
    if (length || field >= 0)
        mr__add_context("%s%s%s", shown > text ? "..." : "", shown, name);
    return status;
}
