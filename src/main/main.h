/* main.h - inside main/: the commands that are not roles. */
#ifndef MAIN_MAIN_H
#define MAIN_MAIN_H

struct option_table; /* role/options.h */

/* Writes a command's usage and options to standard output; gives ROLE_EXIT_OK. */
int show_help(const struct option_table *table, const char *usage);

/* Each takes its words, argv[0] being the command, and gives the exit status. */
int up_main(int argc, char **argv);
int status_main(int argc, char **argv);
int down_main(int argc, char **argv);
int metric_main(int argc, char **argv);
int log_main(int argc, char **argv);
int check_main(int argc, char **argv);
int query_main(int argc, char **argv);
int promql_main(int argc, char **argv);
int search_main(int argc, char **argv);
int tail_main(int argc, char **argv);
int logs_main(int argc, char **argv); /* the role, or `logs recover` */

#endif
