/* ship_program.c - the ship role as a program of its own, for delivery_test.py. */
#include "shipper/shipper.h"

int main(int argc, char **argv)
{
    return shipper_main(argc, argv);
}
