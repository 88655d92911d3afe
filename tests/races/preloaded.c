/* What rustc's instrumentation calls, and gcc's runtime of ThreadSanitizer does not have. */

#include <string.h>

void *__tsan_memset(void *to, int byte, size_t count) { return memset(to, byte, count); }
void *__tsan_memcpy(void *to, const void *from, size_t count) { return memcpy(to, from, count); }
void *__tsan_memmove(void *to, const void *from, size_t count) { return memmove(to, from, count); }

/* The runtime sees the C library give back its lock of the locale, and not take it: then the next
   to set one, as Tcl does, waits for ever. */
char *setlocale(int category, const char *locale) { return "C"; }
