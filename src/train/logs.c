/* What a trainer logs to, and the hyperparameters of its fits. */
#include "trainer.h"

#include <string.h>

mr_status mr_trainer_add_logger(mr_trainer *trainer, mr_logger *logger)
{
    static const char call[] = "trainer_add_logger";
    mr_status status = MR_OK;
    if (!trainer || !logger)
        status = mr__null(call, trainer ? "logger" : "trainer");
    else if (logger->adopted)
        return mr__raise(MR_ERR_ARGUMENT, "%s: %s belongs to a trainer already", call, logger->vtable->name);
    else if (trainer->fit)
        status = mr__raise(MR_ERR_STATE, "%s: the trainer is in a fit", call);
    else if (trainer->loggers == MR__MAX_LOGGERS)
        status = mr__raise(MR_ERR_ARGUMENT, "%s: %s is one more than the %d that a trainer can have", call,
                           logger->vtable->name, MR__MAX_LOGGERS);
    for (size_t i = 0; !status && i < trainer->loggers; i++)
        if (strcmp(trainer->logger[i]->vtable->name, logger->vtable->name) == 0)
            status =
                mr__raise(MR_ERR_ARGUMENT, "%s: there is a logger %s already", call, logger->vtable->name);
    if (status) {
        mr_logger_free(logger);
        return status;
    }
    logger->adopted = true;
    trainer->logger[trainer->loggers++] = logger;
    return MR_OK;
}

static mr_status set(mr_trainer *trainer, mr_hparam param)
{
    static const char call[] = "trainer_set_hparam";
    return trainer ? mr__hparams_set(&trainer->hparams, call, &param) : mr__null(call, "trainer");
}

mr_status mr_trainer_set_hparam(mr_trainer *trainer, const char *name, double value)
{
    return set(trainer, (mr_hparam){ .name = name, .kind = MR_HPARAM_REAL, .real = value });
}

mr_status mr_trainer_set_hparam_int(mr_trainer *trainer, const char *name, int64_t value)
{
    return set(trainer, (mr_hparam){ .name = name, .kind = MR_HPARAM_INT, .integer = value });
}

mr_status mr_trainer_set_hparam_bool(mr_trainer *trainer, const char *name, bool value)
{
    return set(trainer, (mr_hparam){ .name = name, .kind = MR_HPARAM_BOOL, .integer = value });
}

mr_status mr_trainer_set_hparam_text(mr_trainer *trainer, const char *name, const char *text)
{
    return set(trainer, (mr_hparam){ .name = name, .kind = MR_HPARAM_TEXT, .text = text });
}
