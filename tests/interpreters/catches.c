/* A function in C that keeps perl's errors from the program around it, as PL/Perl's `spi_exec_query`
   does: while it works, the current op is one of its own, and an eval's context is on the stack. */
#include <EXTERN.h>
#include <perl.h>
#include <XSUB.h>
#include <stdio.h>
#include <time.h>

XS(catches);
XS(catches)
{
    dXSARGS;
    OP *before = PL_op, after;
    LOGOP catching;
    clock_t end = clock() + CLOCKS_PER_SEC / 50;
    PERL_UNUSED_VAR(items);
    Zero(&after, 1, OP);
    Zero(&catching, 1, LOGOP);
    catching.op_other = &after;
    catching.op_flags = OPf_WANT_VOID;
    PL_op = (OP *)&catching;
    PL_ppaddr[OP_ENTERTRY](aTHX);
    while (clock() < end)
        ;
    PL_ppaddr[OP_LEAVETRY](aTHX);
    PL_op = before;
    XSRETURN_EMPTY;
}

static void xs_init(pTHX)
{
    newXS("main::catches", catches, __FILE__);
}

int main(int argc, char **argv, char **env)
{
    PerlInterpreter *my_perl;
    PERL_SYS_INIT3(&argc, &argv, &env);
    my_perl = perl_alloc();
    perl_construct(my_perl);
    puts("ready");
    fflush(stdout);
    return perl_parse(my_perl, xs_init, argc, argv, env) || perl_run(my_perl);
}
