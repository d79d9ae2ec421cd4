#include "module.h"

#include "tensor/tape.h"

#include <string.h>

/* The innermost module puts its path before the text, unless the text names it already; the modules around
 * it find the failure located. */
static void locate_failure(const mr_module *module, mr_tape *tape)
{
    mr__path path = mr__module_path(module);
    if (tape->located)
        return;
    tape->located = true;
    if (!mr__pending() || strstr(tape->failure.text, path.text))
        return;
    mr__add_context("%s", path.text);
    mr__failure_take(&tape->failure);
}

mr_tensor *mr_forward(mr_module *module, mr_tape *tape, mr_tensor *x)
{
    if (MR__UNLIKELY(!mr__module_ready("forward", module)))
        return tape ? mr__stop(tape) : NULL;
    if (MR__UNLIKELY(!mr__ready1(tape, "forward", x)))
        return NULL;
    mr_tensor *y = module->vtable->forward(module, tape, x);
    if (MR__LIKELY(y != NULL))
        return y;
    if (!tape->failed && !mr__pending())
        mr__raise(MR_ERR_CALLBACK, "forward: no result");
    mr__stop(tape);
    locate_failure(module, tape);
    return NULL;
}
