/*
 * A stretch of code in which numbers have a point, whatever locale the program has set for its own output:
 *
 *     mr__c_locale point = mr__c_locale_enter();
 *     … strtod, printf …
 *     mr__c_locale_leave(&point);
 *
 * Only the calling thread is changed.
 */
#ifndef MILLRACE_BASE_C_LOCALE_H
#define MILLRACE_BASE_C_LOCALE_H

#include <locale.h>

typedef struct mr__c_locale {
    locale_t c, before;
} mr__c_locale;

/* Where there is no memory for a locale, the program's stays. */
static inline mr__c_locale mr__c_locale_enter(void)
{
    mr__c_locale scope = { newlocale(LC_ALL_MASK, "C", (locale_t)0), (locale_t)0 };
    if (scope.c)
        scope.before = uselocale(scope.c);
    return scope;
}

static inline void mr__c_locale_leave(const mr__c_locale *scope)
{
    if (!scope->c)
        return;
    uselocale(scope->before);
    freelocale(scope->c);
}

#endif
