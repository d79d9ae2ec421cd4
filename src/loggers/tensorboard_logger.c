/*
 * TensorBoard's event files: records, each a protobuf message Event with its length and both their checksums. The messages are
 * those of TensorFlow's event.proto and summary.proto; hyperparameters are one of the plugin hparams (api.proto and
 * plugin_data.proto there).
 */
#include "file_logger.h"
#include "logger.h"
#include "proto.h"

#include "base/crc32c.h"
#include "base/error.h"
#include "base/utf8.h"

#include <time.h>

typedef struct tensorboard {
    mr__file_logger base;
    bool clock;
    mr__strbuf event, summary, value; /* messages in the making */
} tensorboard;

/* The numbers of fields. */
enum { EVENT_TIME = 1, EVENT_STEP, EVENT_VERSION, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1 };
enum { VALUE_TAG = 1, VALUE_SIMPLE, VALUE_METADATA = 9 };
enum { METADATA_PLUGIN = 1, PLUGIN_NAME = 1, PLUGIN_CONTENT = 2 };
enum { HPARAMS_START = 3, START_HPARAMS = 1, MAP_KEY = 1, MAP_VALUE = 2 };
enum { ANY_NUMBER = 2, ANY_TEXT, ANY_BOOL };

/* ---- records ---- */

/* A checksum of bytes that have checksums in them would be a poor one, so it is turned. */
static void put_masked(mr__strbuf *out, const char *bytes, size_t count)
{
    const uint32_t crc = mr__crc32c(0, bytes, count);
    mr__put_little_endian(out, (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8), 4);
}

static mr_status put_event(tensorboard *t)
{
    mr__log_file *file = &t->base.file;
    mr__strbuf *out = &file->rest;
    mr__put_little_endian(out, t->event.length, 8);
    if (!out->failed)
        put_masked(out, out->text + out->length - 8, 8);
    mr__strbuf_append_bytes(out, t->event.text, t->event.length);
    put_masked(out, t->event.text, t->event.length);
    out->failed |= t->event.failed;
    return mr__log_file_added(file);
}

/* ---- messages ---- */

static void begin_event(tensorboard *t)
{
    struct timespec now;
    mr__strbuf_clear(&t->event);
    mr__strbuf_clear(&t->summary);
    if (!t->clock)
        return; /* what a message does not have is 0 */
    clock_gettime(CLOCK_REALTIME, &now);
    mr__proto_double(&t->event, EVENT_TIME, (double)now.tv_sec + (double)now.tv_nsec * 1e-9);
}

static void add_scalar(tensorboard *t, const char *tag, double value)
{
    mr__strbuf_clear(&t->value);
    mr__proto_text(&t->value, VALUE_TAG, tag);
    mr__proto_float(&t->value, VALUE_SIMPLE, (float)value);
    mr__proto_message(&t->summary, SUMMARY_VALUE, &t->value);
}

/* As Lightning: epoch is a scalar, too, and a value that is called step is the step. */
static mr_status row(void *self, const mr_log_row *row)
{
    tensorboard *t = self;
    const double *own_step = mr__row_value(row, "step");
    const int64_t step = own_step ? (int64_t)*own_step : row->step;
    begin_event(t);
    if (step)
        mr__proto_integer(&t->event, EVENT_STEP, step);
    for (size_t i = 0; i < row->count; i++) {
        if (!mr__is_utf8(row->names[i]))
            return mr__raise(MR_ERR_ARGUMENT,
                             "logger tensorboard: a name that was logged is not UTF-8: '%.100s'",
                             row->names[i]);
        if (&row->values[i] != own_step)
            add_scalar(t, row->names[i], row->values[i]);
    }
    if (row->epoch >= 0 && !mr__row_value(row, "epoch"))
        add_scalar(t, "epoch", (double)row->epoch);
    mr__proto_message(&t->event, EVENT_SUMMARY, &t->summary);
    return put_event(t);
}

static mr_status put_version(tensorboard *t)
{
    begin_event(t);
    mr__proto_text(&t->event, EVENT_VERSION, "brain.Event:2");
    return put_event(t);
}

/* An entry of a map from names to google.protobuf.Value. */
static void put_hparam(mr__strbuf *map, const mr_hparam *param)
{
    mr__strbuf value = { 0 }, entry = { 0 };
    if (param->kind == MR_HPARAM_TEXT)
        mr__proto_text(&value, ANY_TEXT, param->text);
    else if (param->kind == MR_HPARAM_BOOL)
        mr__proto_integer(&value, ANY_BOOL, param->integer != 0);
    else
        mr__proto_double(&value, ANY_NUMBER,
                         param->kind == MR_HPARAM_INT ? (double)param->integer : param->real);
    mr__proto_text(&entry, MAP_KEY, param->name);
    mr__proto_message(&entry, MAP_VALUE, &value);
    mr__proto_message(map, START_HPARAMS, &entry);
    mr__strbuf_free(&value);
    mr__strbuf_free(&entry);
}

static mr_status put_hparams(tensorboard *t, const mr_log_run *run)
{
    mr__strbuf start = { 0 }, content = { 0 }, plugin = { 0 }, metadata = { 0 };
    for (size_t i = 0; i < run->hparam_count; i++)
        put_hparam(&start, &run->hparams[i]);
    mr__proto_message(&content, HPARAMS_START, &start);
    mr__proto_text(&plugin, PLUGIN_NAME, "hparams");
    mr__proto_message(&plugin, PLUGIN_CONTENT, &content);
    mr__proto_message(&metadata, METADATA_PLUGIN, &plugin);
    begin_event(t);
    mr__strbuf_clear(&t->value);
    mr__proto_text(&t->value, VALUE_TAG, "_hparams_/session_start_info");
    mr__proto_message(&t->value, VALUE_METADATA, &metadata);
    mr__proto_message(&t->summary, SUMMARY_VALUE, &t->value);
    mr__proto_message(&t->event, EVENT_SUMMARY, &t->summary);
    mr__strbuf_free(&start);
    mr__strbuf_free(&content);
    mr__strbuf_free(&plugin);
    mr__strbuf_free(&metadata);
    return put_event(t);
}

/* ---- the logger ---- */

static mr_status close_all(void *self)
{
    tensorboard *t = self;
    mr__strbuf_free(&t->event);
    mr__strbuf_free(&t->summary);
    mr__strbuf_free(&t->value);
    return mr__file_logger_close(&t->base);
}

static const char called[] = "tensorboard", file_name[] = "events.out.tfevents.millrace";

static mr_status check_log(void *self, const mr_log_run *run)
{
    return mr__file_logger_check(self, run, called, file_name);
}

static mr_status open_log(void *self, const mr_log_run *run)
{
    tensorboard *t = self;
    mr_status status = mr__file_logger_open(&t->base, run, called, file_name, false);
    if (status || t->base.file.bytes)
        return status; /* it goes on */
    status = put_version(t);
    if (!status && run->hparam_count)
        status = put_hparams(t, run);
    if (!status)
        status = mr__log_file_flush(&t->base.file); /* so that a full disk is met before the training */
    if (status) {
        mr__failure failure;
        mr__failure_take(&failure);
        mr_error_clear();
        (void)close_all(t);
        mr_error_clear();
        mr__failure_raise(&failure);
    }
    return status;
}

static const mr_logger_vtable vtable = { .name = "tensorboard",
                                         .open = open_log,
                                         .row = row,
                                         .flush = mr__file_logger_flush,
                                         .sync = mr__file_logger_sync,
                                         .tell = mr__file_logger_tell,
                                         .close = close_all,
                                         .destroy = mr__file_logger_destroy,
                                         .check = check_log };

mr_logger *mr_tensorboard_logger_new(const mr_tensorboard_logger_opts *opts)
{
    tensorboard t = { .clock = opts && opts->clock };
    return mr__file_logger_new(&vtable, &t.base, sizeof t, opts ? opts->path : NULL);
}
