/* shipper.h - the role that follows log files and delivers their lines: Filebeat's place.
 *
 *     files --(reader thread)--> decoded documents --(queue)--> _bulk --(sender thread)--> registry
 *
 * The reader thread owns the open files: it looks for new ones, reads whole lines, decodes them as
 * Filebeat does and puts documents into a queue that is bounded in events and bytes; when it is
 * full nothing is read. The sender thread owns the way to the output: it sends the oldest documents
 * until each is taken or refused for good, and only then moves the files' places in the registry.
 * So a line is delivered at least once whatever dies in between.
 *
 * Lock ranks: queue, then registry; the reader holds no lock while it reads files, the sender none
 * while it talks or writes the registry.
 */
#ifndef SHIPPER_SHIPPER_H
#define SHIPPER_SHIPPER_H

/* `barograph ship`; the exit status. */
int shipper_main(int argc, char **argv);

#endif
