#include "plan.h"

#include "sources/cell.h"
#include "sources/field.h"

#include <string.h>
#include <strings.h>

static const char key_name[] = "__key__";

static const char call[] = "tar_stream_new";

static mr__field_facts facts_of(const mr_tar_field *f)
{
    const bool bytes = f->content == MR_MEMBER_BYTES;
    return (mr__field_facts){ .name = f->name,
                              .dtype = bytes ? MR_UINT8 : f->dtype,
                              .any_dtype = f->content == MR_MEMBER_RAW,
                              .words = f->words != NULL,
                              .missing = f->missing,
                              .word_count = f->word_count };
}

static mr_status check_field(const mr_tar_field *f)
{
    const mr__field_facts facts = facts_of(f);
    int64_t room;
    if (mr__field_check(call, &facts) < 0)
        return mr_error_status();
    if (f->content < MR_MEMBER_BYTES || f->content > MR_MEMBER_JSON)
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': a content that is none", call, f->name);
    if (f->content == MR_MEMBER_BYTES && (f->dtype || f->shape.ndim || f->words))
        return mr_fail(MR_ERR_ARGUMENT,
                       "%s: field '%s': bytes have no type, shape or words: .content = MR_MEMBER_TEXT reads "
                       "numbers from text",
                       call, f->name);
    if (f->words && (f->content == MR_MEMBER_RAW || (f->content == MR_MEMBER_TEXT && f->shape.ndim)))
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': words are of JSON, or one is a text", call, f->name);
    if (f->missing == MR_MISSING_FILL && f->content == MR_MEMBER_RAW && !mr__is_floating(f->dtype) &&
        !mr__put_int(f->dtype, &room, 0))
        return mr_fail(MR_ERR_DTYPE, "%s: field '%s': nothing stands in for %s", call, f->name,
                       mr_dtype_name(f->dtype));
    if (f->extension && strcmp(f->extension, key_name) == 0 && f->content != MR_MEMBER_BYTES)
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': a sample's name is bytes", call, f->name);
    return MR_OK;
}

static mr_status add_field(mr__tar_plan *plan, int i, const mr_tar_field *from)
{
    if (check_field(from) < 0)
        return mr_error_status();
    const mr__field_facts facts = facts_of(from);
    mr_field *to = &plan->field[i];
    mr_tar_field *o = &plan->options[i];
    *o = (mr_tar_field){ .content = from->content, .missing = from->missing, .fill = from->fill };
    o->extension = mr_strdup(from->extension ? from->extension : from->name);
    o->key = mr_strdup(from->key ? from->key : from->name);
    to->name = mr_strdup(from->name);
    to->dtype = mr__field_dtype(&facts);
    to->shape = from->content == MR_MEMBER_BYTES ? MR_SHAPE(-1) : from->shape;
    if (!o->extension || !o->key || !to->name)
        return mr_error_status();
    return mr__field_words(&plan->words[i], call, from->name, from->words, from->word_count);
}

mr_status mr__tar_plan_make(mr__tar_plan *plan, const mr_tar_field *fields, int field_count,
                            const mr_tar_opts *opts)
{
    if (!fields || field_count < 1)
        return mr_fail(MR_ERR_ARGUMENT, "%s: there is at least one field", call);
    if (opts && opts->max_member < 0)
        return mr_fail(MR_ERR_ARGUMENT, "%s: max_member is %lld", call, (long long)opts->max_member);
    if (opts && opts->max_held < 0)
        return mr_fail(MR_ERR_ARGUMENT, "%s: max_held is %lld", call, (long long)opts->max_held);
    plan->most = opts && opts->max_member ? opts->max_member : (int64_t)1 << 30;
    plan->most_held = opts && opts->max_held ? opts->max_held : (int64_t)192 << 20;
    plan->field = mr_calloc((size_t)field_count, sizeof *plan->field);
    plan->options = mr_calloc((size_t)field_count, sizeof *plan->options);
    plan->words = mr_calloc((size_t)field_count, sizeof *plan->words);
    if (!plan->field || !plan->options || !plan->words)
        return mr_error_status();
    plan->field_count = field_count;
    for (int i = 0; i < field_count; i++)
        if (add_field(plan, i, &fields[i]) < 0)
            return mr_error_status();
    return MR_OK;
}

void mr__tar_plan_free(mr__tar_plan *plan)
{
    for (int i = 0; i < plan->field_count; i++) {
        mr_free((char *)(uintptr_t)plan->field[i].name);
        mr_free((char *)(uintptr_t)plan->options[i].extension);
        mr_free((char *)(uintptr_t)plan->options[i].key);
        mr__words_free(&plan->words[i]);
    }
    mr_free(plan->field);
    mr_free(plan->options);
    mr_free(plan->words);
}

bool mr__tar_plan_wants(const mr__tar_plan *plan, int field, const mr__member *member)
{
    const size_t length = strlen(member->extension);
    for (const char *at = plan->options[field].extension; at;) {
        const char *comma = strchr(at, ',');
        if ((comma ? (size_t)(comma - at) : strlen(at)) == length &&
            strncasecmp(at, member->extension, length) == 0)
            return true;
        at = comma ? comma + 1 : NULL;
    }
    return false;
}

static bool is_key(const mr_tar_field *o)
{
    return strcmp(o->extension, key_name) == 0;
}

static mr_status write_key(void *ragged, const char *key)
{
    const size_t length = strlen(key);
    char *to = mr_ragged_resize(ragged, (int64_t)length);
    if (!to)
        return mr_error_status();
    memcpy(to, key, length);
    return MR_OK;
}

mr_status mr__tar_read_missing(const mr__tar_plan *plan, const mr__tar *tar, const char *key, int64_t at,
                               const mr__seen *seen, void *const *field)
{
    mr_status s = MR_OK;
    for (int i = 0; s >= 0 && i < plan->field_count; i++) {
        const mr_tar_field *o = &plan->options[i];
        const mr_field *f = &plan->field[i];
        if (seen[i].any)
            continue;
        if (is_key(o)) {
            s = write_key(field[i], key) < 0 ? mr_error_status() : s;
        } else if (o->missing == MR_MISSING_FAIL) {
            s = mr_fail(MR_ERR_FORMAT, "'%s': sample '%.200s' at byte %lld has no member '%s' for field '%s'",
                        tar->path, key, (long long)at, o->extension, f->name);
        } else if (o->missing == MR_MISSING_SKIP) {
            s = MR_END;
        } else if (mr__is_ragged(&f->shape)) {
            s = mr_ragged_resize(field[i], 0) ? s : mr_error_status();
        } else {
            for (int64_t j = 0; j < mr__numel(&f->shape); j++)
                mr__put_missing(f->dtype, (char *)field[i] + (size_t)j * mr_dtype_size(f->dtype), o->missing,
                                o->fill);
        }
    }
    return s;
}
