/* A server that reads its configuration again: it makes a new interpreter, destroys the one before,
   and leaves perl's own idea of which one is current with the destroyed one.
   Commands, one a line on standard input, each answered with a line:
     new SCRIPT   makes an interpreter, and destroys the one before
     none         destroys the interpreter, and has none
     fork         starts a worker that runs `tick` over and over; the answer is its id
     run          runs `tick` over and over itself, after the answer */
#include <EXTERN.h>
#include <perl.h>
#include <stdio.h>
#include <unistd.h>

EXTERN_C void boot_DynaLoader(pTHX_ CV *cv);

static void xs_init(pTHX)
{
    newXS("DynaLoader::boot_DynaLoader", boot_DynaLoader, __FILE__);
}

static PerlInterpreter *make(char *script)
{
    char *words[] = { "reload", script, NULL };
    PerlInterpreter *my_perl = perl_alloc();
    PERL_SET_CONTEXT(my_perl);
    perl_construct(my_perl);
    PL_exit_flags |= PERL_EXIT_DESTRUCT_END;
    if (perl_parse(my_perl, xs_init, 2, words, NULL) || perl_run(my_perl))
        exit(1);
    return my_perl;
}

static void destroy(PerlInterpreter *my_perl)
{
    if (!my_perl)
        return;
    PERL_SET_CONTEXT(my_perl);
    PERL_SET_INTERP(my_perl);
    PL_perl_destruct_level = 2;
    perl_destruct(my_perl);
    perl_free(my_perl);
}

static void run(PerlInterpreter *perl)
{
    pid_t parent = getppid();
    PERL_SET_CONTEXT(perl);
    PERL_SET_INTERP(perl);
    while (getppid() == parent) {
        dTHXa(perl);
        dSP;
        PUSHMARK(SP);
        call_pv("tick", G_DISCARD | G_NOARGS);
    }
}

int main(int argc, char **argv, char **env)
{
    PerlInterpreter *perl = NULL, *before;
    char line[4096];
    PERL_SYS_INIT3(&argc, &argv, &env);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        pid_t worker = 0;
        line[strcspn(line, "\n")] = 0;
        before = perl;
        if (!strncmp(line, "new ", 4)) {
            perl = make(line + 4);
            destroy(before);
        } else if (!strcmp(line, "none")) {
            perl = NULL;
            destroy(before);
        } else if (!strcmp(line, "fork")) {
            worker = fork();
            if (!worker) {
                run(perl);
                _exit(0);
            }
        }
        printf("%d\n", (int)worker);
        fflush(stdout);
        if (!strcmp(line, "run"))
            run(perl);
    }
    return 0;
}
