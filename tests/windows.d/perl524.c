/* The perl.exe of a perl524.dll without one: as perl's own (win32/perlmain), it calls RunPerl. */

#include <windows.h>

int main(int count, char **words, char **environment) {
    HMODULE perl = LoadLibraryA("perl524.dll");
    int (*run)(int, char **, char **) = perl ? (void *)GetProcAddress(perl, "RunPerl") : 0;
    return run ? run(count, words, environment) : 99;
}
