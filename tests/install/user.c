/* A user of the installed library, in C11: fails unless the library has the version it is given. */
#include <millrace/millrace.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    printf("millrace %s\n", mr_version());
    return argc != 2 || strcmp(mr_version(), argv[1]) != 0;
}
