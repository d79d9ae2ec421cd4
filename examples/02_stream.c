/*
 * Section 3.2: a stream, whose samples come one after the other. streamed_curve.h is the class; this program prints
 * its first three samples.
 */
#include "show.h"
#include "streamed_curve.h"

int main(void)
{
    mr_dataset *ds = streamed_curve_new(0, 2, 0.1f);
    mr_cursor *iterator = mr_stream_open(ds); /* iter(ds) */
    mr_status s = MR_OK;

    /* A status is MR_OK, a failure below zero, or another outcome above it: MR_END, when a stream has ended. */
    for (int i = 0; s == MR_OK && i < 3; i++) {
        const mr_batch *sample; /* lent to us until the next call */
        s = mr_cursor_next(iterator, &sample);
        if (s == MR_OK)
            show_fields(i == 0 ? "((" : ", (", sample, i == 2 ? "))\n" : ")");
    }

    mr_cursor_free(iterator);
    mr_dataset_free(ds);
    return finish(s);
}
