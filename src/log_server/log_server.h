/* log_server.h - the door of the role `logs`: Elasticsearch's HTTP interface over logstore. */
#ifndef LOG_SERVER_LOG_SERVER_H
#define LOG_SERVER_LOG_SERVER_H

/* Runs the role until a signal; the exit status of the process. */
int log_server_main(int argc, char **argv);

#endif
