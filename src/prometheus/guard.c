/* guard.c - mappings of a file that others may cut short.
 *
 * THREADS  A range is published by its size, last, with release; the handler reads it with acquire.
 *          mmap() is not on POSIX' list for handlers, but it is a bare system call on Linux.
 */
#include "prometheus/guard.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

struct range {
    uintptr_t begin;
    size_t size; /* 0: free */
    uint32_t fired;
};

static struct range ranges[GUARDS_MAX];
static struct sigaction previous;
static bool has_signal;
static uintptr_t page_size;

static struct range *find(uintptr_t address)
{
    for (int i = 0; i < GUARDS_MAX; i++) {
        size_t size = __atomic_load_n(&ranges[i].size, __ATOMIC_ACQUIRE);
        if (address - ranges[i].begin < size) return &ranges[i];
    }
    return NULL;
}

/* Not ours: as if there were no guard. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
        (void)sigaction(SIGBUS, &previous, NULL); /* the fault comes again and does its worst */
    } else {
        previous.sa_handler(number);
    }
}

static void handle(int number, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    struct range *range = info->si_code == BUS_ADRERR ? find(address) : NULL;
    void *page = (void *)(address & ~(page_size - 1)); /* NOLINT: the kernel gave a number */
    if (range == NULL || mmap(page, page_size, PROT_READ | PROT_WRITE,
                              MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) {
        pass_on(number, info, context);
        return;
    }
    __atomic_store_n(&range->fired, 1, __ATOMIC_RELAXED);
}

static bool take_signal(void)
{
    if (has_signal) return true;
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    (void)sigemptyset(&action.sa_mask);
    has_signal = sigaction(SIGBUS, &action, &previous) == 0;
    return has_signal;
}

int pm_guard_add(char *map, size_t size)
{
    int free_one = 0;
    while (free_one < GUARDS_MAX && ranges[free_one].size != 0) free_one++;
    if (free_one == GUARDS_MAX || !take_signal()) return -1;
    ranges[free_one].begin = (uintptr_t)map;
    ranges[free_one].fired = 0;
    __atomic_store_n(&ranges[free_one].size, size, __ATOMIC_RELEASE);
    return free_one;
}

void pm_guard_remove(int guard)
{
    if (guard >= 0) __atomic_store_n(&ranges[guard].size, 0, __ATOMIC_RELEASE);
}

bool pm_guard_has_fired(int guard)
{
    return guard >= 0 && __atomic_load_n(&ranges[guard].fired, __ATOMIC_RELAXED) != 0;
}
