#include "file_logger.h"

#include "base/alloc.h"

mr_logger *mr__file_logger_new(const mr_logger_vtable *vtable, mr__file_logger *self, size_t size,
                               const char *path)
{
    self->file.fd = -1;
    if (path && !(self->given = mr__strdup(path)))
        return NULL;
    mr_logger *logger = mr_logger_new(vtable, self, size);
    if (!logger)
        mr__free(self->given);
    return logger;
}

mr_status mr__file_logger_open(mr__file_logger *self, const mr_log_run *run, const char *logger,
                               const char *name, bool lines)
{
    const bool continued = run->evaluation && !run->position;
    mr_status status = mr__log_file_init(&self->file, logger, self->given, run->dir, name);
    if (!status)
        status = continued ? mr__log_file_continue(&self->file, lines)
                           : mr__log_file_begin(&self->file, run->position, run->position_bytes);
    if (status)
        (void)mr__file_logger_close(self);
    return status;
}

mr_status mr__file_logger_check(mr__file_logger *self, const mr_log_run *run, const char *logger,
                                const char *name)
{
    mr_status status = mr__log_file_init(&self->file, logger, self->given, run->dir, name);
    if (!status)
        status = mr__log_file_check(&self->file, run->position, run->position_bytes);
    (void)mr__file_logger_close(self);
    return status;
}

mr_status mr__file_logger_flush(void *self)
{
    return mr__log_file_flush(&((mr__file_logger *)self)->file);
}

mr_status mr__file_logger_sync(void *self)
{
    return mr__log_file_sync(&((mr__file_logger *)self)->file);
}

mr_status mr__file_logger_tell(void *self, const void **position, size_t *bytes)
{
    mr__file_logger *logger = self;
    logger->mark = mr__log_file_at(&logger->file);
    *position = &logger->mark;
    *bytes = sizeof logger->mark;
    return MR_OK;
}

mr_status mr__file_logger_close(void *self)
{
    return mr__log_file_close(&((mr__file_logger *)self)->file);
}

void mr__file_logger_destroy(void *self)
{
    mr__free(((mr__file_logger *)self)->given);
}
