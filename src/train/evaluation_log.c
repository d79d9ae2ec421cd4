#include "evaluation_log.h"

#include "setup.h"
#include "version_dir.h"

#include "base/alloc.h"
#include "base/file.h"

/* Beside the version folders, where no training that is resumed takes it for one of its own. */
static mr_status make_folder(mr_trainer *t)
{
    t->log_dir = mr__evaluation_dir_make(t->save_dir, t->name);
    return t->log_dir ? mr__hparams_write(&t->hparams, t->log_dir) : mr_error_status();
}

mr_status mr__evaluation_log_begin(mr__fit *fit)
{
    mr_trainer *t = fit->trainer;
    mr__reporter *r = fit->reporter;
    if (t->fast_dev_run || !t->loggers)
        return MR_OK;
    mr_status status = t->save_dir && !t->log_dir ? make_folder(t) : MR_OK;
    if (!status && t->log_dir && !t->metrics_path &&
        !(t->metrics_path = mr__path_join(t->log_dir, "metrics.csv")))
        status = MR_ERR_MEMORY;
    if (status)
        return status;
    r->version = t->log_dir ? mr__version_number(t->log_dir) : -1;
    mr__attach_loggers(fit);
    r->run.evaluation = true;
    r->run.resumed = t->log_ends.known;
    for (size_t i = 0; t->log_ends.known && i < t->loggers; i++)
        r->position[i] = (mr__position){ t->log_ends.at[i].data, t->log_ends.at[i].size };
    return mr__reporter_start(r);
}

mr_status mr__evaluation_log_end(mr__fit *fit, mr_status status)
{
    mr__failure first;
    if (status < 0) {
        mr__failure_take(&first);
        mr_error_clear();
    }
    const mr_status reported = mr__reporter_finish(fit->reporter);
    mr__forget_missing_metrics(fit->trainer);
    if (status >= 0)
        return reported ? reported : status;
    mr_error_clear();
    return mr__failure_raise(&first);
}
