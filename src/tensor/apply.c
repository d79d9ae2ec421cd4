/*
 * Operations that a user defines.
 *
 * Of several outputs that take gradients the record has a node for each, after the operation's own: all they do is to
 * tell, when a gradient has arrived, that the operation's backward is to run.
 */
#include "tape.h"

#include <stdio.h>

typedef struct applied {
    mr__node node; /* its inputs are in `call`: there may be any number */
    const mr_op *op;
    mr_op_call call;
    uint32_t *version;
} applied;

/* ---- backward ---- */

static bool inputs_unchanged(mr_tape *tape, const applied *a)
{
    for (int i = 0; i < a->call.inputs; i++) {
        const mr_tensor *x = a->call.input[i];
        bool unread = i < 32 && (a->op->unread >> i & 1);
        if (unread || !x->version || *x->version == a->version[i])
            continue;
        mr__fail(tape, MR_ERR_STATE,
                 "backward: %s needs the elements of %s as they were, but they have been changed since",
                 a->op->name, mr__tensor_text(x).text);
        return false;
    }
    return true;
}

/* The gradient of an output as a tensor; NULL for one that takes none, and when memory is out. */
static mr_tensor *gradient_of(mr_tape *tape, mr_tensor *y)
{
    if (!y->grad)
        return NULL;
    bool arrived = y->grad->state == MR__GRAD_WRITTEN;
    size_t bytes = (size_t)y->numel * mr_dtype_size((mr_dtype)y->dtype);
    mr_tensor *g = mr__header(tape, (mr_dtype)y->dtype);
    void *data = !g ? NULL : arrived ? mr__grad_of(y) : mr__scratch(tape, (mr_dtype)y->dtype, y->numel);
    if (!data)
        return NULL;
    if (!arrived)
        memset(data, 0, bytes);
    mr__set_shape(g, y->ndim, y->shape);
    g->data = data;
    return g;
}

/* Runs a callback: not recorded, and a backward within it is refused. A failure is told with the name. */
static bool run(mr_tape *tape, const char *name, mr_status (*callback)(mr_op_call *call), mr_op_call *call)
{
    bool recording = mr_tape_set_grad(tape, false), used_up = tape->used_up, pending = mr__pending();
    tape->used_up = true;
    mr_status status = callback(call);
    tape->used_up = used_up;
    mr_tape_set_grad(tape, recording);
    if (MR__LIKELY(status == MR_OK && !tape->failed && (pending || !mr__pending())))
        return true;
    if (!tape->failed && !mr__has_cause(status))
        mr__raise(MR_ERR_CALLBACK, "failed without a message");
    mr__stop(tape);
    if (mr__pending()) {
        mr__add_context("%s", name);
        mr__failure_take(&tape->failure);
    }
    return false;
}

static void backward(mr_tape *tape, mr__node *node)
{
    applied *a = (applied *)node;
    mr_op_call call = a->call;
    if (!inputs_unchanged(tape, a))
        return;
    mr_tensor **grad = mr_tape_memory(tape, (size_t)call.outputs * sizeof(mr_tensor *));
    for (int i = 0; grad && i < call.outputs; i++)
        grad[i] = gradient_of(tape, call.output[i]);
    call.grad = grad;
    if (!tape->failed)
        run(tape, a->op->name, a->op->backward, &call);
}

/* Whether x is of a shape that `to` broadcasts to. */
static bool broadcasts(const mr_tensor *to, const mr_tensor *x)
{
    if (to->ndim > x->ndim)
        return false;
    for (int i = 1; i <= to->ndim; i++)
        if (to->shape[to->ndim - i] != x->shape[x->ndim - i] && to->shape[to->ndim - i] != 1)
            return false;
    return true;
}

void mr_op_add_grad(mr_op_call *call, int input, mr_tensor *grad)
{
    static const char name[] = "op_add_grad";
    if (!call) {
        mr__null(name, "call");
        return;
    }
    mr_tape *tape = call->tape;
    if (!mr__usable(grad)) {
        mr__not_ready(tape, name, grad, "grad");
        return;
    }
    if (tape->failed)
        return;
    if (!call->grad || input < 0 || input >= call->inputs) {
        mr__fail(tape, MR_ERR_ARGUMENT,
                 call->grad ? "op_add_grad: input %d is none of %d"
                            : "op_add_grad: in forward there are no gradients",
                 input, call->inputs);
        return;
    }
    mr_tensor *x = call->input[input];
    if (!x->grad)
        return;
    if (!broadcasts(x, grad)) {
        mr__fail(tape, MR_ERR_SHAPE, "op_add_grad: input %d is %s, its gradient %s", input,
                 mr__tensor_text(x).text, mr__tensor_text(grad).text);
        return;
    }
    mr_shape shape = mr__shape_of(grad);
    mr_tensor *dense = mr__dense_as(tape, grad, (mr_dtype)x->dtype);
    if (dense)
        mr__grad_add(tape, x, dense->data, &shape);
}

/* ---- forward ---- */

static void tell(mr_tape *tape, mr__node *node)
{
    (void)tape;
    node->in[0]->grad->state = MR__GRAD_WRITTEN;
}

static bool record(mr_tape *tape, const mr_op *op, const mr_op_call *call)
{
    mr_tensor *out = NULL;
    int differentiable = 0;
    for (int i = 0; i < call->outputs; i++)
        if (mr__is_float(call->output[i]->dtype)) {
            out = call->output[i];
            differentiable++;
        }
    if (!differentiable)
        return true;
    if (differentiable > 1)
        out = mr__result(tape, MR_FLOAT32, 1, (const int64_t[]){ 0 });
    applied *a = out ? mr__record(tape, sizeof *a, op->name, out, backward) : NULL;
    uint32_t *version = a ? mr_tape_memory(tape, (size_t)call->inputs * sizeof *version) : NULL;
    if (!version)
        return false;
    a->op = op;
    a->call = *call;
    a->version = version;
    for (int i = 0; i < call->inputs; i++) {
        const mr_tensor *x = call->input[i];
        version[i] = x->version ? *x->version : 0;
        if (x->tape != tape && x->tape && x->grad)
            mr__other_tape(&a->node, x);
    }
    for (int i = 0; differentiable > 1 && i < call->outputs && !tape->failed; i++)
        if (mr__is_float(call->output[i]->dtype))
            mr__record1(tape, op->name, call->output[i], tell, out, MR__SAVES_NONE);
    return !tape->failed;
}

/* What forward has set as outputs, as tensors that no one else knows: they take gradients of their own. */
static bool own_outputs(const mr_op *op, mr_op_call *call)
{
    mr_tape *tape = call->tape;
    for (int i = 0; i < call->outputs; i++) {
        mr_tensor *y = call->output[i];
        if (!y) {
            mr__fail(tape, MR_ERR_CALLBACK, "%s: forward has not set output %d", op->name, i);
            return false;
        }
        call->output[i] = mr_detach(tape, y);
        if (!call->output[i])
            return false;
    }
    return true;
}

static bool inputs_ready(mr_tape *tape, const mr_op *op, mr_tensor *const *inputs, int count, bool *tracked)
{
    if (!tape || tape->failed || count < 0 || (count && !inputs)) {
        if (tape && !tape->failed)
            mr__fail(tape, MR_ERR_ARGUMENT, "%s: there are no %d inputs", op->name, count);
        else
            mr__not_ready(tape, op->name, NULL, "input");
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (!mr__usable(inputs[i])) {
            char name[24];
            snprintf(name, sizeof name, "input %d", i);
            mr__not_ready(tape, op->name, inputs[i], count > 1 ? name : "input");
            return false;
        }
        *tracked |= mr__tracks(tape, inputs[i]);
    }
    return true;
}

/* A call with its inputs, places for outputs and attributes on the tape. */
static bool begin(mr_op_call *call, mr_tensor *const *inputs, const void *attributes, size_t size)
{
    mr_tape *tape = call->tape;
    if (size && !attributes) {
        mr__fail(tape, MR_ERR_ARGUMENT, "apply: attributes are NULL, and %zu bytes of them are to be copied",
                 size);
        return false;
    }
    size_t places = (size_t)call->inputs + (size_t)call->outputs;
    mr_tensor **list = mr_tape_memory(tape, mr__mul_size(places, sizeof *list));
    void *copy = list ? mr_tape_memory(tape, size) : NULL;
    if (!copy)
        return false;
    for (int i = 0; i < call->inputs; i++)
        list[i] = inputs[i];
    call->input = list;
    call->output = list + call->inputs;
    for (int i = 0; i < call->outputs; i++)
        call->output[i] = NULL;
    if (size)
        memcpy(copy, attributes, size);
    call->attributes = copy;
    return true;
}

/* The outputs, or NULL after a failure. */
static mr_tensor **apply(mr_tape *tape, const mr_op *op, mr_tensor *const *inputs, int count,
                         const void *attributes, size_t size, int outputs)
{
    bool tracked = false;
    mr_op_call call = { .tape = tape, .inputs = count, .outputs = outputs };
    if (!op || !op->name || !op->forward) {
        if (!tape)
            mr__null("apply", "tape");
        else if (!tape->failed)
            mr__fail(tape, MR_ERR_ARGUMENT, "apply: the operation needs a name and a forward");
        return NULL;
    }
    if (!inputs_ready(tape, op, inputs, count, &tracked) || !begin(&call, inputs, attributes, size) ||
        !run(tape, op->name, op->forward, &call) || !own_outputs(op, &call) ||
        (tracked && op->backward && !record(tape, op, &call)))
        return NULL;
    return call.output;
}

mr_tensor *mr_apply(mr_tape *tape, const mr_op *op, mr_tensor *const *inputs, int count,
                    const void *attributes, size_t size)
{
    mr_tensor **y = apply(tape, op, inputs, count, attributes, size, 1);
    return y ? y[0] : NULL;
}

void mr_apply_many(mr_tape *tape, const mr_op *op, mr_tensor *const *inputs, int count,
                   const void *attributes, size_t size, mr_tensor **outputs, int output_count)
{
    if (!outputs || output_count < 0) {
        mr__null("apply_many", "outputs");
        if (tape)
            mr__stop(tape);
        return;
    }
    mr_tensor **y = apply(tape, op, inputs, count, attributes, size, output_count);
    for (int i = 0; i < output_count; i++)
        outputs[i] = y ? y[i] : NULL;
}
