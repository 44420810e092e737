/* check.h - inside main/: what `barograph check` can check, one function a kind. */
#ifndef MAIN_CHECK_H
#define MAIN_CHECK_H

/* Each takes its words, argv[0] being the kind, and gives the exit status. */
int check_ecs_main(int argc, char **argv);
int check_metrics_main(int argc, char **argv);

#endif
