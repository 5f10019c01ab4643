/* Functions with frames of all kinds: none, a large one, one that is found by the frame pointer. */
typedef __SIZE_TYPE__ size_t;
extern int use(void *, size_t);

int leaf(int n) { return n + 1; }

int plain(int n) { char room[200]; return use(room, sizeof room) + leaf(n); }

int growing(size_t n) { char room[n]; return use(room, n) + plain((int)n); }

int many(int a, int b, int c, int d, int e, int f, int g, int h) {
    int all[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < a; i++) all[i & 7] += use(all, sizeof all) * b + c - d * e;
    return all[a & 7] + growing(h);
}
