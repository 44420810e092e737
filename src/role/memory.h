/* memory.h - gives back memory that only the start needed. For role/ alone. */
#ifndef ROLE_MEMORY_H
#define ROLE_MEMORY_H

/* Gives free heap back to the system, and takes pages of program and libraries that were read only
 * to load and relocate them out of the process; what is used again comes back from the page cache
 * at a fault. Only mappings that cannot be written and hold no page of their own are touched. Any
 * thread; does nothing where /proc is missing. */
void memory_trim(void);

#endif
