/* LambdaCallback: single functions as a callback. */
#include "callback.h"

#include "base/alloc.h"
#include "base/error.h"

/* The callback comes first, so that freeing it frees both. */
typedef struct lambda {
    mr_callback callback;
    mr_callback_vtable hooks;
} lambda;

mr_callback *mr_lambda_callback_new(const mr_callback_vtable *hooks, void *user)
{
    if (!hooks) {
        mr__null("lambda_callback", "hooks");
        return NULL;
    }
    lambda *made = mr__alloc_zeroed(sizeof *made);
    if (!made)
        return NULL;
    made->hooks = *hooks;
    if (!made->hooks.name || !*made->hooks.name)
        made->hooks.name = "LambdaCallback";
    made->callback = (mr_callback){ .vtable = &made->hooks, .self = user, .borrows = true };
    return &made->callback;
}
