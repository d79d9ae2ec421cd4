/* Decimal digits two at a time, which halves the divisions. */
#ifndef MILLRACE_BASE_DIGITS_H
#define MILLRACE_BASE_DIGITS_H

#include <stdint.h>
#include <string.h>

/* The two digits of a number below 100. */
static inline void mr__put_pair(char *to, uint32_t value)
{
    static const char pairs[] = "00010203040506070809"
                                "10111213141516171819"
                                "20212223242526272829"
                                "30313233343536373839"
                                "40414243444546474849"
                                "50515253545556575859"
                                "60616263646566676869"
                                "70717273747576777879"
                                "80818283848586878889"
                                "90919293949596979899";
    memcpy(to, pairs + 2 * value, 2);
}

#endif
