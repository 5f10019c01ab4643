/* Several interpreters in one process: pool THREADS SCRIPT... Each script is told its number.
   Without threads the only one runs each script's `tick` in turn. With them it waits for a line on
   standard input first; then each thread takes whatever interpreter nobody has. */
#include <EXTERN.h>
#include <perl.h>
#include <pthread.h>
#include <stdio.h>

#define MOST 16
static PerlInterpreter *idle[MOST];
static int left;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given_back = PTHREAD_COND_INITIALIZER;

EXTERN_C void boot_DynaLoader(pTHX_ CV *cv);

static void xs_init(pTHX)
{
    newXS("DynaLoader::boot_DynaLoader", boot_DynaLoader, __FILE__);
}

static PerlInterpreter *make(char *script, int number)
{
    char digits[16], *words[] = { "pool", script, digits, NULL };
    PerlInterpreter *perl = perl_alloc();
    sprintf(digits, "%d", number);
    PERL_SET_CONTEXT(perl);
    perl_construct(perl);
    if (perl_parse(perl, xs_init, 3, words, NULL) || perl_run(perl))
        exit(1);
    return perl;
}

static void tick(PerlInterpreter *perl)
{
    PERL_SET_CONTEXT(perl);
    {
        dTHXa(perl);
        dSP;
        PUSHMARK(SP);
        call_pv("tick", G_DISCARD | G_NOARGS);
    }
}

static void *worker(void *unused)
{
    /* First come, first served: by itself a lock is had by whoever just gave it back. */
    static unsigned next, served;
    for (;;) {
        PerlInterpreter *perl;
        unsigned number;
        pthread_mutex_lock(&lock);
        number = next++;
        while (!left || number != served)
            pthread_cond_wait(&given_back, &lock);
        served++;
        pthread_cond_broadcast(&given_back);
        /* The one that rests longest. */
        perl = idle[0];
        left--;
        memmove(idle, idle + 1, left * sizeof *idle);
        pthread_mutex_unlock(&lock);
        tick(perl);
        pthread_mutex_lock(&lock);
        idle[left++] = perl;
        pthread_cond_broadcast(&given_back);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

int main(int argc, char **argv, char **env)
{
    int threads = atoi(argv[1]), i;
#ifdef OWN_COPIES
    /* Perl's key is not the first, and its variables are copied into this program, which uses them. */
    pthread_key_t key;
    for (i = 0; i < 5; i++)
        pthread_key_create(&key, NULL);
    if (PL_curinterp || (PL_thr_key && PERL_GET_THX))
        return 1;
#endif
    PERL_SYS_INIT3(&argc, &argv, &env);
    for (i = 2; i < argc && left < MOST; i++) {
        idle[left] = make(argv[i], left);
        left++;
    }
    puts("ready");
    fflush(stdout);
    if (threads) {
        pthread_t thread;
        /* Until then they are there, and have no interpreter. */
        pthread_mutex_lock(&lock);
        for (i = 0; i < threads; i++)
            if (pthread_create(&thread, NULL, worker, NULL))
                return 1;
        puts("waiting");
        fflush(stdout);
        getchar();
        pthread_mutex_unlock(&lock);
        pthread_join(thread, NULL);
    }
    for (;;)
        for (i = 0; i < left; i++)
            tick(idle[i]);
}
