/* Modules, against PyTorch. */
#include "golden_modules.h"

static mr_module *other_module(const char *type)
{
    (void)type;
    return NULL;
}

static void test_modules(void)
{
    golden_run_modules("modules");
}

int main(void)
{
    RUN(test_modules);
    return check_report();
}
