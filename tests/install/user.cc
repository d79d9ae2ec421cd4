// A user of the installed library, in C++17: fails unless the library has the version it is given.
#include <millrace/millrace.h>
#include <iostream>
#include <string_view>

int main(int argc, char **argv)
{
    std::cout << "millrace " << mr_version() << '\n';
    return argc != 2 || std::string_view{ mr_version() } != argv[1];
}
