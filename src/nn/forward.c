#include "module.h"

#include "tensor/tape.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* Whether the text has "path." or "path:" as a word: a parameter's name, or what a user's module wrote. A number
 * with a point behind it is no path. */
static bool names(const char *text, const char *path)
{
    size_t length = strlen(path);
    for (const char *at = text; (at = strstr(at, path)) != NULL; at++)
        if ((at == text || at[-1] == ' ') &&
            (at[length] == ':' || (at[length] == '.' && !isdigit(at[length + 1]))))
            return true;
    return false;
}

/* The innermost module puts its path before the text, unless the text names it already; the modules around
 * it find the failure located. */
static void locate_failure(const mr_module *module, mr_tape *tape)
{
    mr__path path = mr__module_path(module);
    if (tape->located)
        return;
    tape->located = true;
    if (!mr__pending() || !*path.text || names(tape->failure.text, path.text))
        return;
    mr__add_context("%s", path.text);
    mr__failure_take(&tape->failure);
}

static mr_tensor *no_result(const mr_module *module, mr_tape *tape)
{
    if (!tape->failed && !mr__pending())
        mr__raise(MR_ERR_CALLBACK, "forward: no result");
    mr__stop(tape);
    locate_failure(module, tape);
    return NULL;
}

bool mr__all_finite(const mr_tensor *x)
{
    if (!mr__is_float(x->dtype) || !x->contiguous)
        return true;
    for (int64_t i = 0; i < x->numel; i++)
        if (!isfinite(x->dtype == MR_FLOAT32 ? (double)((const float *)(const void *)x->data)[i]
                                             : ((const double *)(const void *)x->data)[i]))
            return false;
    return true;
}

mr_tensor *mr__module_gave(const mr_module *module, mr_tape *tape, mr_tensor *y)
{
    return MR__LIKELY(y != NULL) ? y : no_result(module, tape);
}

/* Notes the module, if it is the first one whose result is not finite; inner ones come before those around them. */
static mr_tensor *watch(const mr_module *module, mr_tape *tape, mr_tensor *y)
{
    if (y && !tape->wrong && !mr__all_finite(y))
        tape->wrong = module;
    return y;
}

static mr_tensor *run(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    if (MR__UNLIKELY(!module->vtable->forward))
        return mr__module_gave(module, tape,
                               mr__fail(tape, MR_ERR_STATE, "forward: the module has no forward function"));
    return mr__module_gave(module, tape, module->vtable->forward(module, tape, x));
}

static mr_tensor *run_watched(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    if (!tape->watch)
        return watch(module, tape, run(module, tape, x));
    tape->watch(tape->watch_user, module, x, NULL);
    mr_tensor *y = run(module, tape, x);
    if (y)
        tape->watch(tape->watch_user, module, x, y);
    return y;
}

mr_tensor *mr_forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    if (MR__UNLIKELY(!mr__ready1(tape, "forward", x)))
        return NULL;
    if (MR__UNLIKELY(!mr__module_ready("forward", module)))
        return mr__stop(tape);
    return MR__LIKELY(!tape->watching) ? run(module, tape, x) : run_watched(module, tape, x);
}
