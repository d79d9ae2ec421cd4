#include "limits.h"

#include "base/error.h"

mr_status mr__limit_option(mr__limit *limit, const char *name, int64_t batches, double share)
{
    static const char call[] = "trainer_new";
    *limit = (mr__limit){ name, batches ? batches : -1, share };
    if (batches < 0)
        return mr__raise(MR_ERR_ARGUMENT, "%s: %s_batches %lld is not at least 1", call, name,
                         (long long)batches);
    if (!(share >= 0 && share <= 1))
        return mr__raise(MR_ERR_ARGUMENT, "%s: %s_share %g is not in (0, 1]", call, name, share);
    if (batches && share > 0)
        return mr__raise(MR_ERR_ARGUMENT, "%s: %s_batches and %s_share exclude each other", call, name, name);
    return MR_OK;
}

mr_status mr__limit_of(const char *call, const mr__limit *limit, int64_t len, int64_t *most)
{
    *most = limit->batches;
    if (limit->share <= 0)
        return MR_OK;
    if (len < 0)
        return mr__raise(MR_ERR_ARGUMENT, "%s: %s_share: how many batches the loader has is not known", call,
                         limit->name);
    *most = (int64_t)((double)len * limit->share);
    if (*most < 1)
        return mr__raise(MR_ERR_ARGUMENT, "%s: %s_share: %g of %lld batches is less than one", call,
                         limit->name, limit->share, (long long)len);
    return MR_OK;
}
