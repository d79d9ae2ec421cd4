/* Hyperparameters: hparams.yaml beside what PyYAML writes, and what is refused. */
#include "check.h"
#include "files.h"

#include "loggers/hparams.h"

#include <millrace/train.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static mr_hparam hparam_of(const char *name, const json_t *value)
{
    mr_hparam p = { .name = name };
    if (json_is_string(value)) {
        p.kind = MR_HPARAM_TEXT;
        p.text = json_string_value(value);
    } else if (json_is_integer(value)) {
        p.kind = MR_HPARAM_INT;
        p.integer = json_integer_value(value);
    } else if (json_is_boolean(value)) {
        p.kind = MR_HPARAM_BOOL;
        p.integer = json_is_true(value);
    } else {
        const char *text = json_string_value(json_object_get(value, "real"));
        p.real = text ? strtod(text, NULL) : json_real_value(value);
    }
    return p;
}

static void check_yaml(const mr__hparams *list, const char *wanted)
{
    mr__strbuf text = { 0 };
    mr__hparams_yaml(list, &text);
    CHECK_EQ_STR(mr__strbuf_text(&text), wanted);
    mr__strbuf_free(&text);
}

static void check_case(const json_t *line)
{
    const char *name = json_string_value(json_array_get(line, 0)),
               *wanted = json_string_value(json_array_get(line, 2));
    const json_t *value = json_array_get(line, 1);
    mr__hparams list = { 0 };
    const size_t count = name ? 1 : json_array_size(value);
    for (size_t i = 0; i < count; i++) {
        mr_hparam one = name ? hparam_of(name, value)
                             : (mr_hparam){ .name = json_string_value(json_array_get(value, i)),
                                            .kind = MR_HPARAM_INT,
                                            .integer = (int64_t)i };
        CHECK_EQ_I64(mr__hparams_set(&list, "set", &one), MR_OK);
    }
    check_yaml(&list, wanted);
    mr__hparams_free(&list);
}

static void test_golden(void)
{
    static char line[1 << 14];
    int cases = 0;
    FILE *file = fopen(MR_TEST_DATA "/hparams.txt", "r");
    if (!CHECK(file != NULL))
        return;
    for (; fgets(line, sizeof line, file); cases++) {
        json_t *parsed = json_loads(line, JSON_ALLOW_NUL, NULL);
        if (!CHECK(json_array_size(parsed) == 3))
            printf("    %s", line);
        check_case(parsed);
        json_decref(parsed);
    }
    CHECK(cases > 140);
    fclose(file);
}

static void test_list(void)
{
    mr__hparams list = { 0 };
    char name[8];
    check_yaml(&list, "{}\n");
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%c", 'A' + i * 7 % 40);
        CHECK_EQ_I64(
            mr__hparams_set(&list, "set", &(mr_hparam){ .name = name, .kind = MR_HPARAM_TEXT, .text = "x" }),
            MR_OK);
    }
    CHECK_EQ_I64(list.count, 40);
    for (size_t i = 0; i + 1 < list.count; i++)
        CHECK(strcmp(list.item[i].name, list.item[i + 1].name) < 0);
    CHECK_EQ_I64(mr__hparams_set(&list, "set", &(mr_hparam){ .name = "C", .real = 2 }), MR_OK);
    CHECK_EQ_I64(list.count, 40);
    CHECK(list.item[2].kind == MR_HPARAM_REAL && list.item[2].real == 2 && !list.item[2].text);
    mr__hparams_free(&list);
    CHECK_EQ_I64(list.count, 0);
}

static void test_refused(void)
{
    char name[102];
    mr_trainer *t = mr_trainer_new(NULL);
    memset(name, 'a', sizeof name);
    name[101] = '\0';
    CHECK_EQ_I64(mr_trainer_set_hparam(NULL, "a", 1), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_set_hparam: trainer is NULL");
    CHECK_EQ_I64(mr_trainer_set_hparam(t, NULL, 1), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_set_hparam: name is NULL");
    CHECK_EQ_I64(mr_trainer_set_hparam_text(t, "a", NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_set_hparam: text is NULL");
    CHECK_EQ_I64(mr_trainer_set_hparam_int(t, "", 1), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_set_hparam: a name has 1 to 100 bytes, not 0");
    CHECK_EQ_I64(mr_trainer_set_hparam_bool(t, name, true), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_set_hparam: a name has 1 to 100 bytes, not 101");
    static const char *const wrong[] = {
        "\xff",      "\xc3", "\xc0\x80",        "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "a\xe2\x82", "\x80", "\xf0\x80\x80\x80"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_EQ_I64(mr_trainer_set_hparam_text(t, "a", wrong[i]), MR_ERR_ARGUMENT);
        CHECK_EQ_STR(mr_error(), "trainer_set_hparam: 'a' or its text is not UTF-8");
        CHECK_EQ_I64(mr_trainer_set_hparam(t, wrong[i], 1), MR_ERR_ARGUMENT);
        (void)mr_error();
    }
    CHECK_EQ_I64(mr_trainer_set_hparam_text(t, name + 1, "\xf4\x8f\xbf\xbf"), MR_OK);
    mr_trainer_free(t);
}

static void test_files(void)
{
    char wanted[600];
    mr__hparams list = { 0 };
    CHECK_EQ_I64(mr__hparams_set(&list, "set", &(mr_hparam){ .name = "lr", .real = 1e-5 }), MR_OK);
    CHECK_EQ_I64(mr__hparams_write(&list, files_folder), MR_OK);
    CHECK_EQ_STR(file_contents(in_folder("hparams.yaml"), NULL), "lr: 1.0e-05\n");
    CHECK_EQ_I64(mr__hparams_write(&list, in_folder("missing")), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot write '%s': No such file or directory",
             in_folder("missing/hparams.yaml"));
    CHECK_EQ_STR(mr_error(), wanted);
    if (access("/dev/full", W_OK) == 0) {
        unlink(in_folder("hparams.yaml"));
        CHECK(symlink("/dev/full", in_folder("hparams.yaml")) == 0);
        CHECK_EQ_I64(mr__hparams_write(&list, files_folder), MR_ERR_IO);
        snprintf(wanted, sizeof wanted, "cannot write '%s': No space left on device",
                 in_folder("hparams.yaml"));
        CHECK_EQ_STR(mr_error(), wanted);
    }
    mr__hparams_free(&list);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_golden);
    RUN(test_list);
    RUN(test_refused);
    RUN(test_files);
    return files_report();
}
