/* Recurrent networks, against PyTorch; the specs are described in golden/make_rnn.py. */
#include "golden_modules.h"

#include <millrace/layers.h>

/* ---- States: all results side by side ---- */

typedef struct states {
    mr_module *net;
    bool batch_first, lengths;
    mr_rnn_state initial; /* h: NULL for none */
} states;

static mr_tensor *run_states(const states *s, mr_tape *t, mr_tensor *x, mr_tensor *lengths,
                             mr_rnn_state *last)
{
    if (s->initial.h)
        return lengths ? mr_rnn_forward_padded_from(s->net, t, x, lengths, s->initial, last)
                       : mr_rnn_forward_from(s->net, t, x, s->initial, last);
    return lengths ? mr_rnn_forward_padded(s->net, t, x, lengths, last) : mr_rnn_forward(s->net, t, x, last);
}

static mr_tensor *states_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    enum { MOST_ROWS = 32 };
    static int64_t length[MOST_ROWS];
    const states *s = mr_module_self(m);
    mr_tensor *lengths = NULL;
    mr_rnn_state last = { NULL, NULL };
    if (s->lengths) {
        int64_t steps = mr_tensor_size(x, s->batch_first), rows = mr_tensor_size(x, !s->batch_first);
        for (int64_t i = 0; i < rows && i < MOST_ROWS; i++)
            length[i] = steps - i % steps;
        lengths = mr_tape_wrap(t, MR_INT64, MR_SHAPE(rows), length);
    }
    mr_tensor *all[3] = { run_states(s, t, x, lengths, &last), last.h, last.c };
    int count = last.c ? 3 : 2;
    for (int i = 0; i < count; i++)
        all[i] = mr_reshape(t, all[i], MR_SHAPE(-1));
    return mr_cat(t, all, count, 0);
}

static const mr_module_vtable states_vtable = { .type = "States", .forward = states_forward };

/* ---- reading specs ---- */

/* "name=value" with the value behind it read; the value alone: name is "". */
static int64_t read_option(char *name, size_t room)
{
    const char *before = at;
    name[0] = 0;
    if (*at < '0' || *at > '9') {
        read_name(name, room);
        CHECK(next_is('='));
    } else {
        at = before;
    }
    if (*at == '\'') { /* only nonlinearity='relu' */
        at += strlen("'relu'");
        return 1;
    }
    char *end;
    int64_t value = strtoll(at, &end, 10);
    at = end;
    return value;
}

static mr_module *read_network(const char *type, mr_rnn_opts *o, int64_t *hidden)
{
    int64_t sizes[2] = { 0, 0 };
    int count = 0;
    *o = (mr_rnn_opts){ .dtype = dtype };
    CHECK(next_is('('));
    do {
        char name[32];
        int64_t value = read_option(name, sizeof name);
        if (!*name && count < 2)
            sizes[count++] = value;
        else if (strcmp(name, "layers") == 0)
            o->layers = value;
        else if (strcmp(name, "bidirectional") == 0)
            o->bidirectional = value;
        else if (strcmp(name, "batch_first") == 0)
            o->batch_first = value;
        else if (strcmp(name, "bias") == 0)
            o->no_bias = !value;
        else if (strcmp(name, "dropout") == 0)
            o->dropout = (double)value / 100;
        else if (strcmp(name, "nonlinearity") == 0)
            o->relu = true;
        else
            CHECK(false);
    } while (next_is(','));
    CHECK(next_is(')'));
    *hidden = sizes[1];
    return strcmp(type, "RNN") == 0    ? mr_rnn_new(sizes[0], sizes[1], rng, o)
           : strcmp(type, "LSTM") == 0 ? mr_lstm_new(sizes[0], sizes[1], rng, o)
                                       : mr_gru_new(sizes[0], sizes[1], rng, o);
}

static mr_module *read_states(void)
{
    char type[16];
    mr_rnn_opts o;
    int64_t hidden, rows = 0;
    states s = { .net = NULL };
    CHECK(next_is('('));
    read_name(type, sizeof type);
    s.net = read_network(type, &o, &hidden);
    s.batch_first = o.batch_first;
    while (next_is(',')) {
        char name[32];
        int64_t value = read_option(name, sizeof name);
        if (strcmp(name, "initial") == 0)
            rows = value;
        else
            s.lengths = value;
    }
    CHECK(next_is(')'));
    mr_module *m = mr_module_new(&states_vtable, &s, sizeof s);
    mr_module_add(m, "net", s.net);
    states *self = mr_module_self(m);
    if (rows && self) {
        mr_shape shape = MR_SHAPE((o.layers ? o.layers : 1) * (o.bidirectional ? 2 : 1), rows, hidden);
        self->initial.h = mr_module_add_parameter(m, "h0", mr_tensor_rand(rng, dtype, shape));
        if (strcmp(type, "LSTM") == 0)
            self->initial.c = mr_module_add_parameter(m, "c0", mr_tensor_rand(rng, dtype, shape));
    }
    return m;
}

static mr_module *other_module(const char *type)
{
    mr_rnn_opts o;
    int64_t hidden;
    if (strcmp(type, "States") == 0)
        return read_states();
    if (strcmp(type, "RNN") == 0 || strcmp(type, "LSTM") == 0 || strcmp(type, "GRU") == 0)
        return read_network(type, &o, &hidden);
    return NULL;
}

static void test_rnn(void)
{
    golden_run_modules("rnn");
}

/* ---- dropout that cannot be, or does nothing ---- */

static char heard[200];

static void hear(void *user, mr_log_level level, const char *line)
{
    (void)user;
    CHECK(level == MR_LOG_WARNING);
    snprintf(heard, sizeof heard, "%s", line);
}

static void test_dropout(void)
{
    mr_rng *own = mr_rng_new(1);
    CHECK(!mr_lstm_new(2, 3, own, &(mr_rnn_opts){ .layers = 2, .dropout = 1.5 }));
    CHECK_EQ_STR(mr_error(), "lstm_new: dropout 1.5 is not in [0, 1]");
    CHECK(!mr_gru_new(2, 3, own, &(mr_rnn_opts){ .layers = 2, .dropout = NAN }));
    CHECK_EQ_STR(mr_error(), "gru_new: dropout nan is not in [0, 1]");
    mr_set_log_hook(hear, NULL);
    mr_module *one = mr_rnn_new(2, 3, own, &(mr_rnn_opts){ .dropout = 0.5 });
    CHECK_EQ_STR(heard, "rnn_new: dropout 0.5 is for between layers, and there is one layer alone");
    heard[0] = 0;
    mr_module *two = mr_rnn_new(2, 3, own, &(mr_rnn_opts){ .layers = 2, .dropout = 0.5 });
    CHECK_EQ_STR(heard, "");
    mr_set_log_hook(NULL, NULL);

    /* Evaluation draws nothing, and neither does one layer. */
    mr_tape *t = mr_tape_new(own);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 1, 2));
    mr_rng *before = mr_rng_new(0);
    mr_rng_copy(before, own);
    mr_module_train(two, false);
    CHECK(mr_forward(one, t, x) && mr_forward(two, t, x));
    CHECK_EQ_I64(mr_rng_u32(own), mr_rng_u32(before));
    mr_module_train(two, true);
    CHECK(mr_forward(two, t, x) != NULL);
    CHECK(mr_rng_u32(own) != mr_rng_u32(before));
    mr_tape_free(t);
    mr_tensor_free(x);
    mr_module_free(one);
    mr_module_free(two);
    mr_rng_free(before);
    mr_rng_free(own);
}

/* ---- the first state ---- */

/* A state that has nothing is zeros, as at the start of a text; half a state is a mistake. */
static void test_first_state(void)
{
    mr_rng *own = mr_rng_new(1);
    mr_module *lstm = mr_lstm_new(2, 3, own, NULL);
    mr_tape *t = mr_tape_new(own);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 1, 2));
    mr_rnn_state none = { 0 }, last = { 0 };
    mr_tensor *zeros = mr_rnn_forward(lstm, t, x, NULL), *from = mr_rnn_forward_from(lstm, t, x, none, &last);
    CHECK(zeros && from && last.h && last.c);
    CHECK(memcmp(mr_tensor_data(from), mr_tensor_data(zeros), 6 * sizeof(float)) == 0);
    CHECK(mr_rnn_forward_from(lstm, t, x, last, &last) != NULL);

    CHECK(!mr_rnn_forward_from(lstm, t, x, (mr_rnn_state){ .h = last.h }, NULL));
    CHECK_EQ_STR(mr_error(), "LSTM: initial c is NULL");
    mr_tape_reset(t);
    CHECK(!mr_rnn_forward_from(lstm, t, x, (mr_rnn_state){ .c = x }, NULL));
    CHECK_EQ_STR(mr_error(), "LSTM: initial h is NULL");
    mr_tape_free(t);
    mr_tensor_free(x);
    mr_module_free(lstm);
    mr_rng_free(own);
}

int main(void)
{
    RUN(test_rnn);
    RUN(test_dropout);
    RUN(test_first_state);
    return check_report();
}
