/* as_syslog.h - the names of syslog(3) mean the functions of bridge.h in whatever includes this:
 * instead of <syslog.h>, or before unchanged code by cc -include structlog/as_syslog.h. */
#ifndef STRUCTLOG_AS_SYSLOG_H
#define STRUCTLOG_AS_SYSLOG_H

#include "structlog/structlog.h"

#include <syslog.h>

#undef syslog /* a macro where the compiler checks formats at run time */
#undef vsyslog
#define syslog     sl_syslog
#define vsyslog    sl_vsyslog
#define openlog    sl_openlog
#define closelog   sl_closelog
#define setlogmask sl_setlogmask

#endif
