/* Training modes of a tree of modules, saved and put back. */
#include "module.h"

#include "base/alloc.h"

static size_t count(const mr_module *module)
{
    size_t n = 1;
    for (size_t i = 0; i < module->child_count; i++)
        n += count(module->children[i].module);
    return n;
}

mr_status mr__modes_init(mr__modes *modes, const mr_module *module)
{
    modes->training = mr__alloc_array(count(module), sizeof *modes->training);
    return modes->training ? MR_OK : MR_ERR_MEMORY;
}

static size_t save(bool *to, const mr_module *module)
{
    size_t n = 1;
    to[0] = module->training;
    for (size_t i = 0; i < module->child_count; i++)
        n += save(to + n, module->children[i].module);
    return n;
}

void mr__modes_save(mr__modes *modes, const mr_module *module)
{
    save(modes->training, module);
}

static size_t restore(const bool *from, mr_module *module)
{
    size_t n = 1;
    module->training = from[0];
    for (size_t i = 0; i < module->child_count; i++)
        n += restore(from + n, module->children[i].module);
    return n;
}

void mr__modes_restore(const mr__modes *modes, mr_module *module)
{
    restore(modes->training, module);
}

void mr__modes_free(mr__modes *modes)
{
    mr__free(modes->training);
    modes->training = NULL;
}
