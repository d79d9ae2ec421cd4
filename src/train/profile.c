#include "profile.h"

#include "trainer.h"

static void end(mr__profile *p)
{
    const double now = mr__now();
    p->seconds[p->running] += now - p->since;
    p->since = now;
}

mr__profile_stage mr__profile_begin(mr__profile *p, mr__profile_stage stage)
{
    const mr__profile_stage before = p->running;
    end(p);
    p->running = stage;
    p->calls[stage]++;
    return before;
}

void mr__profile_go_on(mr__profile *p, mr__profile_stage stage)
{
    end(p);
    p->running = stage;
}

void mr__profile_behind(mr__profile *p, mr__event event, bool manual)
{
    static const struct {
        mr__event event;
        mr__profile_stage stage;
    } stages[] = { { MR__ON_TRAIN_BATCH_START, MR__P_TRAINING_STEP },
                   { MR__ON_BEFORE_ZERO_GRAD, MR__P_ZERO_GRAD },
                   { MR__ON_BEFORE_BACKWARD, MR__P_BACKWARD },
                   { MR__ON_BEFORE_OPTIMIZER_STEP, MR__P_OPTIMIZER_STEP },
                   { MR__ON_TRAIN_BATCH_END, MR__P_LOGGING },
                   { MR__ON_TRAIN_EPOCH_END, MR__P_LOGGING },
                   { (mr__event)(MR__ON_VALIDATION + MR__PASS_EPOCH_START), MR__P_VALIDATION_DATA },
                   { (mr__event)(MR__ON_VALIDATION + MR__PASS_BATCH_START), MR__P_VALIDATION_STEP },
                   { (mr__event)(MR__ON_VALIDATION + MR__PASS_BATCH_END), MR__P_VALIDATION_DATA },
                   { (mr__event)(MR__ON_VALIDATION + MR__PASS_END), MR__P_LOGGING } };
    if (manual && (event == MR__ON_AFTER_BACKWARD || event == MR__ON_AFTER_OPTIMIZER_STEP)) {
        mr__profile_go_on(p, MR__P_TRAINING_STEP);
        return;
    }
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (stages[i].event == event) {
            mr__profile_begin(p, stages[i].stage);
            return;
        }
    mr__profile_go_on(p, MR__P_OTHER);
}
