/* logs_main.c - the role alone, for the tests that drive it over HTTP. */
#include "log_server/log_server.h"

int main(int argc, char **argv)
{
    return log_server_main(argc, argv);
}
