#include "logger.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

const char *mr_row_kind_name(mr_row_kind kind)
{
    static const char *const names[] = {
        [MR_ROW_STEP] = "step", [MR_ROW_VALIDATION] = "validation",           [MR_ROW_EPOCH] = "epoch",
        [MR_ROW_TEST] = "test", [MR_ROW_VALIDATION_STEP] = "validation_step", [MR_ROW_TEST_STEP] = "test_step"
    };
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "";
}

/* ---- making ---- */

static bool is_name(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return length > 0 && length <= MR__LOGGER_NAME && !name[length];
}

mr_logger *mr_logger_new(const mr_logger_vtable *vtable, const void *self, size_t size)
{
    void *copy;
    if (!vtable) {
        mr__null("logger_new", "vtable");
        return NULL;
    }
    if (!vtable->name || !vtable->row) {
        mr__raise(MR_ERR_ARGUMENT, "logger_new: the vtable needs name and row");
        return NULL;
    }
    if (!is_name(vtable->name)) {
        mr__raise(MR_ERR_ARGUMENT, "logger_new: '%.60s' is no name of 1 to %d letters, digits and _",
                  vtable->name, MR__LOGGER_NAME);
        return NULL;
    }
    mr_logger *logger = mr__alloc_zeroed(sizeof *logger);
    if (!logger || !mr__copy_self("logger_new", self, size, &copy)) {
        mr__free(logger);
        return NULL;
    }
    logger->vtable = vtable;
    logger->self = copy;
    return logger;
}

void mr_logger_free(mr_logger *logger)
{
    if (!logger || logger->adopted)
        return;
    if (logger->vtable->destroy)
        logger->vtable->destroy(logger->self);
    mr__free(logger->self);
    mr__free(logger);
}

void *mr_logger_self(const mr_logger *logger)
{
    return logger ? logger->self : NULL;
}

/* ---- calling ---- */

/* A failure that has no words gets some. */
static mr_status checked(const mr_logger *logger, const char *call, mr_status status)
{
    if (status < 0 ? mr__has_cause(status) : mr__pending())
        return mr_error_status();
    if (status >= 0)
        return MR_OK;
    return mr__raise(status, "logger %s: %s failed without a message", logger->vtable->name, call);
}

static mr_log_run at_position(const mr_log_run *run, const mr__position *at)
{
    mr_log_run own = *run;
    own.position = at->bytes ? at->data : NULL;
    own.position_bytes = at->bytes;
    return own;
}

mr_status mr__loggers_check(const mr__loggers *loggers, const mr_log_run *run, const mr__position *positions)
{
    mr_status status = MR_OK;
    for (size_t i = 0; i < loggers->count && !status; i++) {
        const mr_logger *logger = loggers->item[i];
        const mr_log_run own = at_position(run, &positions[i]);
        if (own.position && logger->vtable->check)
            status = checked(logger, "check", logger->vtable->check(logger->self, &own));
    }
    return status;
}

mr_status mr__loggers_open(mr__loggers *loggers, const mr_log_run *run, const mr__position *positions)
{
    mr_status status = MR_OK;
    for (loggers->open = 0; loggers->open < loggers->count && !status; loggers->open += !status) {
        const mr_logger *logger = loggers->item[loggers->open];
        const mr_log_run own = at_position(run, &positions[loggers->open]);
        if (logger->vtable->open)
            status = checked(logger, "open", logger->vtable->open(logger->self, &own));
    }
    if (status)
        (void)mr__loggers_close(loggers);
    return status;
}

mr_status mr__loggers_row(const mr__loggers *loggers, const mr_log_row *row)
{
    mr_status status = MR_OK;
    for (size_t i = 0; i < loggers->open && !status; i++) {
        const mr_logger *logger = loggers->item[i];
        status = checked(logger, "row", logger->vtable->row(logger->self, row));
    }
    return status;
}

static mr_status call(const mr_logger *logger, const char *name, mr_status (*function)(void *self))
{
    return function ? checked(logger, name, function(logger->self)) : MR_OK;
}

mr_status mr__loggers_flush(const mr__loggers *loggers)
{
    mr_status status = MR_OK;
    for (size_t i = 0; i < loggers->open && !status; i++)
        status = call(loggers->item[i], "flush", loggers->item[i]->vtable->flush);
    return status;
}

static mr_status tell(const mr__loggers *loggers, mr__position *positions, bool synced)
{
    mr_status status = MR_OK;
    for (size_t i = 0; i < loggers->open && !status; i++) {
        const mr_logger *logger = loggers->item[i];
        const mr_logger_vtable *vtable = logger->vtable;
        positions[i] = (mr__position){ NULL, 0 };
        status = synced ? call(logger, "sync", vtable->sync) : call(logger, "flush", vtable->flush);
        if (!status && vtable->tell)
            status =
                checked(logger, "tell", vtable->tell(logger->self, &positions[i].data, &positions[i].bytes));
    }
    return status;
}

mr_status mr__loggers_sync(const mr__loggers *loggers, mr__position *positions)
{
    return tell(loggers, positions, true);
}

mr_status mr__loggers_tell(const mr__loggers *loggers, mr__position *positions)
{
    return tell(loggers, positions, false);
}

mr_status mr__loggers_close(mr__loggers *loggers)
{
    const bool failed = mr__pending();
    mr_status first = failed ? mr_error_status() : MR_OK;
    mr__failure failure;
    mr__failure_take(&failure);
    mr_error_clear();
    while (loggers->open) {
        const mr_logger *logger = loggers->item[--loggers->open];
        mr_status status = call(logger, "close", logger->vtable->close);
        if (status && !first) {
            first = status;
            mr__failure_take(&failure);
        }
        mr_error_clear();
    }
    return first ? mr__failure_raise(&failure) : MR_OK;
}
