/* One logger, called as a training calls it, in a folder of the test's (files.h). */
#ifndef LOGGER_H
#define LOGGER_H

#include "files.h"

#include "loggers/logger.h"

static struct {
    mr_logger *logger;
    mr__loggers set;
    char kept[4096]; /* the position of the last sync */
    size_t kept_bytes;
} log_now;

/* Opens a logger, which it takes over, for a run. A position is checked before, which says the same as opening, unless memory
 * runs out at one of them. */
static inline mr_status log_open_run(mr_logger *logger, const mr_log_run *run, mr__position position)
{
    char said[1200] = "";
    mr_logger_free(log_now.logger);
    log_now.logger = logger;
    log_now.set = (mr__loggers){ &log_now.logger, 1, 0 };
    const mr_status looked = logger ? mr__loggers_check(&log_now.set, run, &position) : MR_OK;
    if (looked)
        snprintf(said, sizeof said, "%s", mr_error());
    if (logger)
        mr_error_clear();
    mr_status status = logger ? mr__loggers_open(&log_now.set, run, &position) : mr_error_status();
    (void)mr_error(); /* settles it; what it says can still be read */
    if (logger && position.bytes && looked != MR_ERR_MEMORY && status != MR_ERR_MEMORY) {
        CHECK_EQ_I64(looked, status);
        CHECK_EQ_STR(said, status ? mr_error() : "");
    }
    return status;
}

/* In the folder `name` of the test's, which is made: anew, or from the position of the last sync. */
static inline mr_status log_open(mr_logger *logger, const char *name, bool resumed)
{
    char dir[512];
    snprintf(dir, sizeof dir, "%s", in_folder(name));
    mkdir(dir, 0777);
    const mr_log_run run = { .name = "net", .dir = dir, .version = 3, .resumed = resumed };
    const mr__position kept = { log_now.kept, resumed ? log_now.kept_bytes : 0 };
    return log_open_run(logger, &run, kept);
}

static inline mr_status log_row(mr_log_row row)
{
    mr_status status = mr__loggers_row(&log_now.set, &row);
    (void)mr_error();
    return status;
}

/* A row of a step with one value. */
static inline mr_status log_one(const char *name, double value, int64_t epoch, int64_t step)
{
    return log_row((mr_log_row){ MR_ROW_STEP, step, epoch, 1, &name, &value });
}

static inline mr_status log_flush(void)
{
    mr_status status = mr__loggers_flush(&log_now.set);
    (void)mr_error();
    return status;
}

/* Keeps the position. */
static inline mr_status log_sync(void)
{
    mr__position at = { NULL, 0 };
    mr_status status = mr__loggers_sync(&log_now.set, &at);
    if (!status && CHECK(at.bytes <= sizeof log_now.kept))
        memcpy(log_now.kept, at.data, log_now.kept_bytes = at.bytes);
    (void)mr_error();
    return status;
}

static inline mr_status log_close(void)
{
    mr_status status = mr__loggers_close(&log_now.set);
    mr_logger_free(log_now.logger);
    log_now.logger = NULL;
    (void)mr_error();
    return status;
}

#endif
