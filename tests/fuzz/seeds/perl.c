/* A file that looks like perl's: what an attach asks of one is in it, and nothing else. */
#ifdef _WIN32
#define OUT __declspec(dllexport)
#else
#define OUT __attribute__((visibility("default")))
#endif

OUT const unsigned char PL_revision = 5;
OUT const unsigned char PL_version = 36;
OUT const unsigned char PL_subversion = 0;
OUT const unsigned short PL_interp_size = 3768;
OUT const char PL_bincompat_options[] =
    " HAS_TIMES MULTIPLICITY PERLIO_LAYERS USE_64_BIT_INT USE_ITHREADS USE_LARGE_FILES USE_LOCALE";
OUT const char *PL_op_name[] = {"null", "stub", "scalar", "pushmark", "wantarray", "const", "nextstate"};
OUT const char *PL_block_type[] = {"NULL", "WHEN", "BLOCK", "GIVEN", "LOOP_ARY", "SUB", "FORMAT", "EVAL"};
OUT void *PL_curinterp = (void *)&PL_op_name;
OUT int PL_thr_key = 1;
OUT const char *texts[] = {
    "\nThis is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64-linux-gnu-thread-multi",
    "PERL5LIB",
    "/usr/lib/perl5/5.36.0/x86_64-linux-gnu-thread-multi",
};

OUT void *perl_construct(void) { return PL_curinterp; }
OUT int Perl_hv_iterinit(int n) { return PL_thr_key + n; }
OUT void *Perl_sv_setsv_flags(void) { return &PL_op_name; }
OUT const char *Perl_gv_fetchpv(int n) { return texts[n]; }
