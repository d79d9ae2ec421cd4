/* A stream: samples come one after the other, and nobody knows how many. */
#include "my_curve.h"
#include "show.h"

int main(void)
{
    mr_dataset *ds = streamed_curve_new(0, 2, 0.1f);
    mr_cursor *iterator = mr_stream_open(ds);
    const mr_batch *sample;
    mr_status s = MR_OK;
    for (int i = 0; i < 3 && (s = mr_cursor_next(iterator, &sample)) == MR_OK; i++)
        show_fields(i ? ", (" : "((", sample, ")");
    if (s == MR_OK)
        puts(")");
    mr_cursor_free(iterator);
    mr_dataset_free(ds);
    return finish(s);
}
