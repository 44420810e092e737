// The peer zerolog for structlog_bench: prints name and nanoseconds of processor time a line.
//
//	structlog_zerolog FILE LINES
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/rs/zerolog"
)

func spent() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano() + usage.Stime.Nano())
}

func main() {
	count, _ := strconv.Atoi(os.Args[2])
	file, err := os.Create(os.Args[1])
	if err != nil {
		os.Exit(1)
	}
	defer os.Remove(os.Args[1])
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000000Z07:00"
	log := zerolog.New(file).With().Timestamp().Logger()
	start := spent()
	for i := 0; i < count; i++ {
		log.Info().Str("method", "GET").Str("path", "/api/v1/items/42").Int("status", 200+i&3).
			Float64("duration", 12.345+float64(i&15)).Int("user_id", 1234567+i).Msg("request handled")
	}
	fmt.Printf("sync %.2f\n", (spent()-start)/float64(count))
	off := log.Level(zerolog.WarnLevel)
	start = spent()
	for i := 0; i < count; i++ {
		off.Info().Str("method", "GET").Str("path", "/api/v1/items/42").Int("user_id", i).Msg("x")
	}
	fmt.Printf("disabled %.2f\n", (spent()-start)/float64(count))
}
