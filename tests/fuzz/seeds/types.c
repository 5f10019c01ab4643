/* Debug information of structures that are called as perl's: all kinds of members, and the functions
 * through which it is entered. */
#ifdef HOLE /* Numbers that need eight bytes. */
#define WIDE char hole[HOLE];
#else
#define WIDE
#endif

typedef unsigned int U32;
typedef long IV;
typedef struct op OP;
typedef struct sv SV;

#define BASEOP                                                                                     \
    OP *op_next;                                                                                   \
    OP *op_sibparent;                                                                              \
    OP *(*op_ppaddr)(void);                                                                        \
    IV op_targ;                                                                                    \
    WIDE                                                                                           \
    unsigned op_type : 9;                                                                          \
    unsigned op_opt : 1;                                                                           \
    unsigned op_moresib : 1;                                                                       \
    unsigned char op_flags;                                                                        \
    unsigned char op_private;

struct op { BASEOP };
struct unop { BASEOP OP *op_first; };
struct cop { BASEOP U32 cop_line; char *cop_file; U32 cop_seq; };
struct sv { void *sv_any; U32 sv_refcnt; U32 sv_flags; union { char *svu_pv; SV **svu_array; } sv_u; };
struct block_sub { void *cv; OP *retop; int olddepth; };
struct block_eval { OP *retop; SV *old_namesv; SV *cur_text; };
struct block {
    unsigned char blku_type;
    const struct cop *blku_oldcop;
    WIDE
    union { struct block_sub blku_sub; struct block_eval blku_eval; } blk_u;
};
struct context {
    WIDE
    union { struct block cx_blk; struct { unsigned char sbu_type; } cx_subst; } cx_u;
};
typedef struct stackinfo {
    SV *si_stack;
    struct context *si_cxstack;
    struct stackinfo *si_prev;
    struct stackinfo *si_next;
    int si_cxix;
    int si_cxmax;
    int si_type;
} PERL_SI;
typedef volatile PERL_SI *const INFO;
struct interpreter {
    SV **Istack_sp;
    WIDE
    OP *Iop;
    const struct cop *Icurcop;
    INFO Icurstackinfo;
    struct cop Icompiling;
    IV Itmps_ix;
};
enum svtype { SVt_NULL, SVt_PVGV = 9, SVt_PVCV = 13, SVt_PVAV = 11, SVt_PVHV = 12 };

enum svtype kind;
#ifndef HOLE
struct context cx;
#else
extern struct context cx;
#endif
SV value;

IV perl_construct(struct interpreter *my) { return my->Itmps_ix + my->Icurcop->cop_seq; }
int Perl_hv_iterinit(INFO info) { return info->si_type + cx.cx_u.cx_blk.blku_type; }
U32 Perl_sv_setsv_flags(struct unop *op) { return op->op_first->op_type + value.sv_flags + kind; }
U32 Perl_gv_fetchpv(struct cop *cop) { return cop->cop_line; }
