/* Lets the n-th call that changes a journal's file fail with EIO: preloaded, armed by fault_arm. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long fail_at, calls;
static int stays;

/* n: number of the call that fails, from 1; 0: none. on: those after it fail too. */
void fault_arm(long n, int on) {
    __sync_lock_test_and_set(&calls, 0);
    stays = on;
    __sync_lock_test_and_set(&fail_at, n);
}

long fault_calls(void) { return calls; }

static int fails(int fd) {
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof name - 1);
    if (n <= 0) return 0;
    name[n] = 0;
    if (!strstr(name, ".db")) return 0;
    long call = __sync_add_and_fetch(&calls, 1);
    if (!fail_at || call < fail_at || (call > fail_at && !stays)) return 0;
    errno = EIO;
    return 1;
}

#define HOOK(type, name, takes, gives)                        \
    type name takes {                                         \
        static type(*real) takes;                             \
        if (!real) real = (type(*) takes)dlsym(RTLD_NEXT, #name); \
        return fails(fd) ? -1 : real gives;                   \
    }

HOOK(ssize_t, write, (int fd, const void *x, size_t n), (fd, x, n))
HOOK(ssize_t, pwrite, (int fd, const void *x, size_t n, off_t at), (fd, x, n, at))
HOOK(ssize_t, pwrite64, (int fd, const void *x, size_t n, off64_t at), (fd, x, n, at))
HOOK(int, fsync, (int fd), (fd))
HOOK(int, fdatasync, (int fd), (fd))
HOOK(int, ftruncate, (int fd, off_t n), (fd, n))
HOOK(int, ftruncate64, (int fd, off64_t n), (fd, n))
