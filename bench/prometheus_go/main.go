// The work of prometheus_bench, done by the official Go client: 'name ns' lines.
package main

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const count = 5000000

func measure(name string, run func()) {
	least := 1e18
	for i := 0; i < 5; i++ {
		before := time.Now()
		run()
		ns := float64(time.Since(before).Nanoseconds()) / count
		if ns < least {
			least = ns
		}
	}
	fmt.Println(name, least)
}

func main() {
	values := make([]float64, 1<<16)
	for i := range values {
		values[i] = float64(i*7919%10007) / 1000
	}
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "bench_total"})
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "bench"})
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bench_seconds"})
	native := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "bench_native_seconds", NativeHistogramBucketFactor: 1.1})
	labels := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_total"}, []string{"m", "c"})
	measure("inc", func() {
		for i := 0; i < count; i++ {
			counter.Inc()
		}
	})
	measure("gauge-add", func() {
		for i := 0; i < count; i++ {
			gauge.Add(1.5)
		}
	})
	measure("gauge-set", func() {
		for i := 0; i < count; i++ {
			gauge.Set(float64(i))
		}
	})
	measure("observe", func() {
		for i := 0; i < count; i++ {
			histogram.Observe(values[i&(1<<16-1)])
		}
	})
	measure("observe-native", func() {
		for i := 0; i < count; i++ {
			native.Observe(values[i&(1<<16-1)])
		}
	})
	methods := []string{"GET", "POST", "PUT", "DELETE"}
	codes := []string{"200", "404", "500"}
	measure("inc-2-labels", func() {
		for i := 0; i < count; i++ {
			labels.WithLabelValues(methods[i&3], codes[i%3]).Inc()
		}
	})
}
